/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_insider.c - the worst case at the MC server: somebody holds every file of it, its TLS key, and so also the
 * identity keys that mcx-kms gives to that certificate. Neither the call key nor anything derived from it may be found.
 *
 * Both tries are proven able to succeed: the file search finds a value that is there, and the same decapsulation opens
 * a key that was encapsulated to the server's identity.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "net/kms_client.h"
#include "sec/base/text.h"
#include "tool/demo/demo.h"

enum { FORMS = 4, VALUES = 7, MAX_FILE = 1 << 26 };

/* Each value as octets, hex in both cases, and base64 (without its last group, which depends on what follows). */
struct needle {
	size_t len[FORMS];
	uint8_t text[FORMS][64];
};

static struct {
	struct needle needles[VALUES + 1]; /* the last one is the control */
	size_t files, hits[VALUES + 1];
	uint64_t octets;
	int failed;
} search;

static void needle_make(struct needle *n, const uint8_t *p, size_t len)
{
	char base64[BASE64_SIZE(32)];
	memcpy(n->text[0], p, len);
	n->len[0] = len;
	hex_encode((struct octets){p, len}, (char *)n->text[1]);
	hex_encode_upper((struct octets){p, len}, (char *)n->text[2]);
	n->len[1] = n->len[2] = 2 * len < sizeof n->text[1] ? 2 * len : sizeof n->text[1] - 1;
	base64_encode((struct octets){p, len / 3 * 3}, base64);
	n->len[3] = strlen(base64);
	memcpy(n->text[3], base64, n->len[3]);
}

static int search_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)at;
	if (kind != FTW_F || st->st_size == 0)
		return 0;
	FILE *f = st->st_size <= MAX_FILE ? fopen(path, "re") : NULL;
	uint8_t *text = f ? malloc((size_t)st->st_size) : NULL;
	size_t n = text ? fread(text, 1, (size_t)st->st_size, f) : 0;
	search.failed |= !text;
	search.files++;
	search.octets += n;
	for (size_t i = 0; i <= VALUES; i++)
		for (size_t k = 0; k < FORMS; k++)
			if (n && memmem(text, n, search.needles[i].text[k], search.needles[i].len[k]))
				search.hits[i]++;
	free(text);
	if (f)
		fclose(f);
	return 0;
}

static size_t search_files(struct demo *d)
{
	const struct ue_call_keys *k = d->keys;
	const struct octets values[] = {OCTETS(k->pck),
					OCTETS(k->streams[0].master_key),
					OCTETS(k->streams[0].master_salt),
					OCTETS(k->streams[0].session_key),
					OCTETS(k->streams[1].master_key),
					OCTETS(k->streams[1].master_salt),
					OCTETS(k->streams[1].session_key)};
	char path[PATH_MAX];
	size_t found = 0;
	memset(&search, 0, sizeof search);
	for (size_t i = 0; i < VALUES; i++)
		needle_make(&search.needles[i], values[i].p, values[i].len);
	/* Alice's identity must stand in the server's database: she was registered there. */
	size_t len = strlen(d->alice.user.mcptt) < 24 ? strlen(d->alice.user.mcptt) : 24;
	needle_make(&search.needles[VALUES], (const uint8_t *)d->alice.user.mcptt, len);
	if (nftw(domain_path(&d->d, path, "server"), search_file, 16, FTW_PHYS) != 0)
		search.failed = 1;
	for (size_t i = 0; i < VALUES; i++)
		found += search.hits[i];
	mcsec_wipe(search.needles, sizeof search.needles);
	return found;
}

/* What mcx-kms gives to whoever shows the server's certificate. 0 or -1 and why. */
static int fetch_server_keys(struct demo *d, struct kms_domain *home, struct kms_keys *keys, size_t *n, char *why)
{
	char url[DOMAIN_TEXT], uri[DOMAIN_TEXT], psi[DOMAIN_TEXT], ca[PATH_MAX], tls[PATH_MAX], resolve[1024];
	struct kms_result r;
	snprintf(url, sizeof url, "https://kms.%s:%u", d->d.zone, d->d.kms);
	snprintf(uri, sizeof uri, "kms.%s", d->d.zone);
	snprintf(psi, sizeof psi, "sip:mcptt@%s", d->d.zone);
	domain_resolve(&d->d, resolve, sizeof resolve);
	const struct kms_client_options o = {.base_url = url,
					     .kms_uri = uri,
					     .ca_file = domain_path(&d->d, ca, "ca/domain.pem"),
					     .cert_file = domain_path(&d->d, tls, "server/tls.pem"),
					     .key_file = tls,
					     .resolve = resolve};
	const char *mine[] = {psi};
	int64_t now = time(NULL);
	struct kms_client *c = kms_client_new(&o);
	int rc = c && kms_client_init(c, NULL, psi, now, home, &r) ? 0 : -1;
	if (!rc && !kms_client_keyprov(c, NULL, psi, NULL, KMS_NO_TIME, now, home, mine, 1, keys, n, &r)) {
		kms_domain_free(home);
		rc = -1;
	}
	if (rc)
		snprintf(why, DEMO_EVIDENCE, "the server's identity keys could not be fetched: %.200s",
			 c ? r.detail : "");
	kms_client_free(c);
	return rc;
}

/* Wherever an encapsulation might stand in the message, try to open it. 1 if one opened. */
static int opens(const struct mcsec_keyset *keys, const uint8_t *message, size_t len, uint8_t *ssv)
{
	for (size_t at = 0; at + MCSEC_SED_LEN <= len; at++)
		if (message[at] == 4 && mcsec_sakke_decapsulate(keys, message + at, MCSEC_SED_LEN, ssv) == MCSEC_OK)
			return 1;
	return 0;
}

/* The control: the same message with its encapsulation replaced by one to the server's own identity. */
static int control_opens(const struct kms_domain *home, const struct kms_keys *keys, uint8_t *message, size_t len)
{
	uint8_t ssv[MCSEC_SSV_LEN] = "0123456789abcde", back[MCSEC_SSV_LEN], sed[MCSEC_SED_LEN];
	struct mcsec_identity *id = NULL;
	int good = len >= MCSEC_SED_LEN &&
		   mcsec_identity_new(&id, home->kms, keys->set.uid, sizeof keys->set.uid) == MCSEC_OK &&
		   mcsec_sakke_encapsulate(id, ssv, sed) == MCSEC_OK;
	if (good) {
		memcpy(message + len - MCSEC_SED_LEN, sed, sizeof sed);
		good = opens(keys->keyset, message, len, back) && memcmp(back, ssv, sizeof ssv) == 0;
	}
	mcsec_identity_free(id);
	return good;
}

int demo_insider(struct demo *d, char *why)
{
	enum { MAX_SETS = 8 };
	static uint8_t message[DEMO_IMESSAGE];
	static struct kms_domain home;
	static struct kms_keys keys[MAX_SETS];
	size_t n = MAX_SETS, len = demo_i_message(d->bob.key_mgmt, message), found = search_files(d);
	uint8_t ssv[MCSEC_SSV_LEN];
	int opened = 0;
	if (fetch_server_keys(d, &home, keys, &n, why))
		return 0;
	for (size_t i = 0; i < n; i++)
		opened |= opens(keys[i].keyset, message, len, ssv);
	int control = n > 0 && control_opens(&home, &keys[0], message, len);
	kms_keys_free(keys, n);
	kms_domain_free(&home);
	snprintf(
	    why, DEMO_EVIDENCE,
	    "%zu files, %.1f KiB: %zu of %d values found (Alice's identity is %s there, so the search can find); the "
	    "I_MESSAGE %s with the server's identity keys (a key sent to the server %s)",
	    search.files, (double)search.octets / 1024, found, VALUES, search.hits[VALUES] ? "found" : "NOT found",
	    opened ? "OPENS" : "does not open", control ? "does" : "does NOT");
	return len > 0 && n > 0 && !search.failed && found == 0 && search.hits[VALUES] > 0 && !opened && control;
}

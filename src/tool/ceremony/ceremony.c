/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ceremony.c - see ceremony.h: what the steps share.
 */
#include "tool/ceremony/ceremony.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"

/* ---- saying no ---- */

static const char *person(char *out, size_t size)
{
	const char *name = getenv("SUDO_USER");
	snprintf(out, size, "uid %lu%s%.60s", (unsigned long)getuid(), name ? " " : "", name ? name : "");
	return out;
}

static struct audit_record record_of(struct ceremony *c, char *who, size_t who_size)
{
	struct audit_record r = {.class_ = 'K',
				 .type = "kms.ceremony",
				 .clock = AUDIT_CLOCK_FREE,
				 .actor = person(who, who_size),
				 .kms_responder = c->config->uri};
	audit_detail(&r, "step", c->step);
	return r;
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int ceremony_refuse(struct ceremony *c, int code, const char *hint, const char *fmt, ...)
{
	char why[512], who[96];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	store_rollback(c->db->store);
	struct audit_record r = record_of(c, who, sizeof who);
	r.outcome = AUDIT_REFUSED;
	r.reason = why;
	if (audit_append(c->db->audit, &r, now_ns()))
		fprintf(stderr, "mcx %s: the refusal could not be recorded: %s\n", c->command->name,
			store_error_text(c->db->store));
	return tool_fail(c->command, code, hint, "%s", why);
}

int ceremony_custody_failed(struct ceremony *c, const char *what, enum custody_err e)
{
	static const struct {
		enum custody_err e;
		const char *text;
	} texts[] = {
	    {CUSTODY_ABSENT, "is not there"},
	    {CUSTODY_MODE, "is a file that others may read, or no regular file: it must have mode 0600"},
	    {CUSTODY_MALFORMED, "holds or makes no sealed secrets of this kind"},
	    {CUSTODY_WRONG, "does not open the secrets: wrong passphrase, PIN or key, or what is sealed was changed"},
	    {CUSTODY_RESOURCES, "failed for want of memory or randomness"},
	    {CUSTODY_TOKEN, "failed: the PKCS#11 module or its token does not work"},
	    {CUSTODY_EXTRACTABLE,
	     "is refused: its key could leave the token; it must be sensitive and never extractable"},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].e == e)
			return ceremony_refuse(
			    c, e == CUSTODY_RESOURCES || e == CUSTODY_TOKEN ? TOOL_FAILED : TOOL_REFUSED, NULL, "%s %s",
			    what, texts[i].text);
	return ceremony_refuse(c, TOOL_FAILED, NULL, "%s: %s", what, custody_err_name(e));
}

/* ---- custody ---- */

static unsigned number_or(const char *text, unsigned otherwise)
{
	char *end;
	unsigned long v = text ? strtoul(text, &end, 10) : otherwise;
	return text && (*end || !*text || v > SHAMIR_MAX) ? 0 : (unsigned)v;
}

enum custody_kind ceremony_kind(struct ceremony *c, enum custody_kind otherwise, struct custody_place *place)
{
	enum custody_kind kind = c->o->custody ? custody_kind_of(c->o->custody) : otherwise;
	*place = kms_custody_place(c->config);
	place->make = c->o->make_key;
	place->n = number_or(c->o->shares, 5);
	place->k = number_or(c->o->threshold, 3);
	if (kind == CUSTODY_KINDS) {
		ceremony_refuse(c, TOOL_USAGE, "passphrase, credential, pkcs11 or officers", "there is no custody '%s'",
				c->o->custody);
	} else if (place->k < 2 || place->k > place->n) {
		kind = CUSTODY_KINDS;
		ceremony_refuse(c, TOOL_USAGE, NULL,
				"--threshold is 2 or more and at most --shares, which is at most %d", (int)SHAMIR_MAX);
	}
	return kind;
}

int ceremony_open_blob(struct ceremony *c, const struct custody_place *place, const char *name, struct octets blob)
{
	struct custody *custody;
	enum custody_kind kind = custody_kind_of_blob(blob);
	enum custody_err e = custody_attach(kind, place, &custody);
	int rc = -1;
	if (e)
		return ceremony_custody_failed(c, custody_kind_name(kind), e);
	if (kind == CUSTODY_BY_OFFICERS)
		rc = shares_take(c, custody, blob);
	if (rc < 0) {
		e = custody_get(custody, c->config->uri, name, blob, c->secrets, VAULT_SECRET_LEN);
		rc = e ? ceremony_custody_failed(c, custody_kind_name(kind), e) : -1;
	}
	custody_detach(custody);
	return rc;
}

int ceremony_load(struct ceremony *c, const struct kms_certificate *cert)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	if (mcsec_master_load(&c->master, c->secrets, c->secrets + MCSEC_KSAK_LEN))
		return ceremony_refuse(c, TOOL_REFUSED, NULL, "what was sealed is no pair of master secrets");
	mcsec_master_public(c->master, kpak, z_pub);
	if (memcmp(kpak, cert->pub_auth_key, sizeof kpak) != 0 || memcmp(z_pub, cert->pub_enc_key, sizeof z_pub) != 0)
		return ceremony_refuse(c, TOOL_REFUSED, NULL, "the secrets are not those of the certificate %s",
				       cert->cert_uri);
	return -1;
}

int ceremony_open_kms(struct ceremony *c)
{
	const struct custody_place place = kms_custody_place(c->config);
	char why[512];
	if (!c->row.sealed_len)
		return ceremony_refuse(c, TOOL_REFUSED, "mcx kms ceremony init makes one", "this KMS has no domain");
	if (kms_domain_fits(c->config, &c->row.cert, why, sizeof why))
		return ceremony_refuse(c, TOOL_CONFIG, NULL, "%s", why);
	int rc = ceremony_open_blob(c, &place, VAULT_SECRET_NAME, (struct octets){c->row.sealed, c->row.sealed_len});
	return rc < 0 ? ceremony_load(c, &c->row.cert) : rc;
}

/* What was just sealed opens again, with the key that is to open it. */
static enum custody_err prove(struct ceremony *c, struct custody *custody, enum custody_kind kind,
			      const struct custody_place *place, const char *name, struct octets blob)
{
	struct custody *other = custody;
	const struct share *shares = custody_shares(custody);
	uint8_t *again = mcsec_secret_alloc(VAULT_SECRET_LEN);
	enum custody_err e = again ? CUSTODY_OK : CUSTODY_RESOURCES;
	if (!e && shares)
		e = custody_attach(kind, place, &other);
	for (unsigned i = place->n - place->k; shares && i < place->n && !e; i++) /* the last k, as good as any */
		e = custody_add_share(other, blob, &shares[i]);
	if (!e)
		e = custody_get(other, c->config->uri, name, blob, again, VAULT_SECRET_LEN);
	if (!e && !mcsec_equal(again, c->secrets, VAULT_SECRET_LEN))
		e = CUSTODY_WRONG;
	if (other != custody)
		custody_detach(other);
	mcsec_secret_free(again);
	return e;
}

int ceremony_seal(struct ceremony *c, enum custody_kind kind, const struct custody_place *place, const char *name,
		  uint8_t blob[CUSTODY_BLOB_MAX], size_t *len)
{
	struct custody *custody;
	enum custody_err e = custody_attach(kind, place, &custody);
	int rc = -1;
	if (!e)
		e = custody_put(custody, c->config->uri, name, (struct octets){c->secrets, VAULT_SECRET_LEN},
				&mcsec_rng_system, blob, len);
	if (!e)
		e = prove(c, custody, kind, place, name, (struct octets){blob, *len});
	if (e)
		rc = ceremony_custody_failed(c, custody_kind_name(kind), e);
	else if (custody_shares(custody))
		rc = shares_give(c, custody_shares(custody), place->n);
	custody_detach(custody);
	return rc;
}

/* ---- control ---- */

int ceremony_control(struct ceremony *c, const struct kms_certificate *cert)
{
	char identity[KMS_URI_MAX + 16];
	uint64_t period = 0;
	snprintf(identity, sizeof identity, "control@%s", cert->kms_uri);
	if (mcsec_period_number(&cert->periods, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, &period) ||
	    mcsec_uid(identity, cert->kms_uri, &cert->periods, period, c->control_uid) ||
	    backup_control(c->master, c->control_uid, c->rsk_digest))
		return ceremony_refuse(c, TOOL_FAILED, NULL, "the control key cannot be computed");
	return -1;
}

/* ---- the end ---- */

int ceremony_commit(struct ceremony *c, const char *custody)
{
	char who[96], uid[HEX_SIZE(MCSEC_UID_LEN)], digest[HEX_SIZE(32)];
	struct audit_record r = record_of(c, who, sizeof who);
	hex_encode(OCTETS(c->control_uid), uid);
	hex_encode(OCTETS(c->rsk_digest), digest);
	audit_detail(&r, "custody", custody);
	audit_detail(&r, "control-uid", uid);
	audit_detail(&r, "rsk-sha256", digest);
	enum store_err e = audit_append(c->db->audit, &r, now_ns());
	if (!e)
		e = store_commit(c->db->store);
	return e ? ceremony_refuse(c, TOOL_FAILED, NULL, "the database: %s", store_error_text(c->db->store)) : -1;
}

static void print_json(const struct ceremony *c, const char *custody, const char *uid, const char *digest)
{
	json_t *shares = json_array();
	char copy[sizeof c->given], *save = NULL;
	memcpy(copy, c->given, sizeof copy);
	for (char *f = strtok_r(copy, "\n", &save); f; f = strtok_r(NULL, "\n", &save))
		json_array_append_new(shares, json_string(f));
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o}", "step", c->step, "kms", c->row.cert.kms_uri,
			      "cert_uri", c->row.cert.cert_uri, "custody", custody, "control_uid", uid, "rsk_sha256",
			      digest, "shares_given", (int)c->n_given, "share_files", shares);
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

int ceremony_report(struct ceremony *c, const char *custody)
{
	char uid[HEX_SIZE(MCSEC_UID_LEN)], digest[HEX_SIZE(32)];
	hex_encode(OCTETS(c->control_uid), uid);
	hex_encode(OCTETS(c->rsk_digest), digest);
	if (c->o->json) {
		print_json(c, custody, uid, digest);
		return TOOL_OK;
	}
	printf("%s%s: done%s\n  KMS          %s\n  certificate  %s\n  custody      %s\n",
	       tool_colour_on(stdout, TOOL_GOOD), c->step, tool_colour_off(stdout), c->row.cert.kms_uri,
	       c->row.cert.cert_uri, custody);
	printf("  control UID  %s\n  SHA-256(RSK) %s\n", uid, digest);
	if (c->n_given)
		printf("  shares       %u, any %s of them open it%s%s\n", c->n_given,
		       c->o->threshold ? c->o->threshold : "3", c->given[0] ? ":\n" : "", c->given);
	return TOOL_OK;
}

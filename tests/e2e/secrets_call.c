/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets_call.c - two clients of a running domain in a call that stays up, and the keys of all that, told to a test.
 *
 *	secrets_call DIR ALICE BOB
 *
 * Prints `name<TAB>hex` for every secret of the two and the master secrets of their KMS, then `up`. On the next line of
 * input it hangs up, makes a call to nobody and one whose I_MESSAGE is damaged, ends both clients but not itself, and
 * prints `over`. test_secrets.py looks for these octets everywhere; test_sip_tshark.py reads the SIP of it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "custody/custody.h"
#include "kms/issuer/vault.h"
#include "mcsec/secret.h"
#include "mcx/xmlsec/xml_key.h"
#include "sec/base/text.h"
#include "store/store.h"
#include "tool/domain/client.h"
#include "ue/engine.h"

struct end {
	const char *name;
	struct user user;
	struct ue *ue;
	atomic_int heard;  /* the first packet was decrypted */
	atomic_int damage; /* the next offer */
};

static struct domain domain;
static char out[65536]; /* wiped once it is told: nothing of ours shall be found in its stead */
static struct end ends[2];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "secrets_call: %s: %s\n", what, why);
	exit(1);
}

static void on_event(void *ctx, const struct ue_event *ev)
{
	struct end *e = ctx;
	if (ev->kind == UE_EV_FIRST_PACKET)
		e->heard = 1;
}

static void on_offer(void *ctx, uint8_t *i_message, size_t len)
{
	struct end *e = ctx;
	if (e->damage)
		i_message[len / 2] ^= 1;
}

static void client(struct end *e)
{
	char err[600];
	static struct client_texts t;
	struct ue_config c;
	struct ue_report r;
	if (user_load(&domain, e->name, &e->user, err, sizeof err) != USER_OK)
		die(e->name, err);
	client_config(&domain, &e->user, &t, &c);
	c.on_event = on_event;
	c.ctx = e;
	c.hooks = (struct ue_hooks){.offer = on_offer, .ctx = e};
	e->ue = ue_new(&c, err, sizeof err);
	if (!e->ue)
		die(e->name, err);
	ue_inspect_keep(e->ue);
	if (client_sign_in(&domain, &e->user, e->ue, &r) || ue_provision(e->ue, &r) || ue_register(e->ue, &r))
		die(e->name, r.text);
}

static void tell(const char *who, const char *what, const void *p, size_t n)
{
	printf("%s %s\t", who, what);
	for (size_t i = 0; i < n; i++)
		printf("%02x", ((const uint8_t *)p)[i]);
	putchar('\n');
}

static void tell_identity(const struct end *e)
{
	struct ue *u = e->ue;
	tell(e->name, "access token", u->tokens->access, strlen(u->tokens->access));
	tell(e->name, "refresh token", u->tokens->refresh, strlen(u->tokens->refresh));
	tell(e->name, "CSK", u->csk->key, sizeof u->csk->key);
	struct xml_key k;
	if (xml_key_derive(&k, u->csk->key, u->csk->id, e->user.mcptt))
		die(e->name, "no XML key");
	tell(e->name, "XML key", k.confidentiality, sizeof k.confidentiality);
	tell(e->name, "XML key", k.integrity, sizeof k.integrity);
	xml_key_wipe(&k);
	for (size_t i = 0; i < u->ring->n_keys; i++) {
		const struct kms_key_secret *s = u->ring->keys[i].set.secret;
		tell(e->name, "SSK", s->ssk, sizeof s->ssk);
		tell(e->name, "RSK", s->rsk, sizeof s->rsk);
	}
}

static void tell_call(struct ue *u)
{
	struct ue_call_keys k;
	if (ue_inspect_call(u, &k))
		die("the call", "no key was kept");
	tell("call", "PCK", k.pck, sizeof k.pck);
	for (int i = 0; i < 2; i++) {
		tell("call", "SRTP master key", k.streams[i].master_key, sizeof k.streams[i].master_key);
		tell("call", "SRTP master salt", k.streams[i].master_salt, sizeof k.streams[i].master_salt);
		tell("call", "SRTP session key", k.streams[i].session_key, sizeof k.streams[i].session_key);
	}
	mcsec_wipe(&k, sizeof k);
}

/* What no process but the issuer may know: opened here as it is there. */
static void tell_master(void)
{
	char path[PATH_MAX], err[256];
	struct store *db;
	struct custody_passphrase *p;
	uint8_t *s = mcsec_secret_alloc(VAULT_SECRET_LEN);
	const struct store_options o = {.path = domain_path(&domain, path, "kms/db"), .read_only = 1};
	if (!s || store_open(&db, &o, err, sizeof err))
		die("kms/db", err);
	struct store_stmt *st = store_sql(db, "SELECT kms_uri, sealed FROM domain");
	if (store_step(st) != STORE_ROW || custody_passphrase_read(domain_path(&domain, path, "kms/passphrase"), &p) ||
	    custody_open(p, store_text(st, 0), VAULT_SECRET_NAME, store_blob(st, 1), s, VAULT_SECRET_LEN))
		die("kms", "its master secrets do not open");
	tell("kms", "KSAK", s, MCSEC_KSAK_LEN);
	tell("kms", "z_T", s + VAULT_SECRET_LEN - 32, 32); /* its low octets: every copy has them */
	custody_passphrase_free(p);
	store_close(db);
	mcsec_secret_free(s);
}

static void *talk(void *arg)
{
	struct ue_report r;
	struct ue_call c = {.target = ends[1].user.mcptt, .audio = {.send = client_speech()}, .stay = 1};
	(void)arg;
	/* It may end by itself, when all is said and the search still goes on. */
	if (ue_call(ends[0].ue, &c, &r) && !ends[1].heard)
		die("the call", r.text);
	return NULL;
}

static void calls_that_are_refused(void)
{
	struct ue_report r;
	struct ue_call c = {.target = "sip:nobody@example.org", .audio = {.send = client_speech()}};
	if (ue_call(ends[0].ue, &c, &r) == UE_OK)
		die("a call to nobody", "was answered");
	c.target = ends[1].user.mcptt;
	ends[0].damage = 1;
	if (ue_call(ends[0].ue, &c, &r) == UE_OK)
		die("a damaged I_MESSAGE", "was answered");
}

int main(int argc, char **argv)
{
	char err[600], line[16];
	pthread_t caller;
	setvbuf(stdout, out, _IOFBF, sizeof out);
	if (argc != 4 || domain_open(&domain, argv[1], 0, err, sizeof err))
		die("domain", argc == 4 ? err : "usage: secrets_call DIR ALICE BOB");
	for (int i = 0; i < 2; i++) {
		ends[i].name = argv[2 + i];
		client(&ends[i]);
	}
	ue_answer(ends[1].ue, &(struct ue_audio_files){.send = client_speech()});
	if (pthread_create(&caller, NULL, talk, NULL))
		die("thread", "none");
	while (!ends[1].heard || !ends[0].heard)
		usleep(20000);
	tell_identity(&ends[0]);
	tell_identity(&ends[1]);
	tell_master();
	tell_call(ends[0].ue);
	puts("up");
	fflush(stdout);
	mcsec_wipe(out, sizeof out);
	if (!fgets(line, sizeof line, stdin))
		return 1;
	ue_hang_up(ends[0].ue);
	pthread_join(caller, NULL);
	ue_wait_idle(ends[1].ue, 60000);
	calls_that_are_refused();
	for (int i = 0; i < 2; i++)
		ue_free(ends[i].ue);
	puts("over");
	fflush(stdout);
	(void)!fgets(line, sizeof line, stdin);
	return 0;
}

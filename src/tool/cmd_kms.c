/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_kms.c - `mcx kms ceremony STEP`, at the host of the KMS with its configuration (ceremony/); `mcx kms
 * status|seal|unseal` and the daily work (desk/), from anywhere through the admin listener.
 *
 * An officer's share travels in a parcel that only the issuer opens (custody/parcel.h); neither the front end nor TLS
 * ever carries it in clear.
 */
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "app/daemon.h"
#include "custody/parcel.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/ceremony/ceremony.h"
#include "tool/commands.h"
#include "tool/desk/desk.h"

/* ---- ceremonies ---- */

static const struct {
	const char *name;
	int (*run)(struct ceremony *c);
} steps[] = {{"init", ceremony_init},     {"backup", ceremony_backup}, {"restore", ceremony_restore},
	     {"verify", ceremony_verify}, {"change", ceremony_change}, {"certificate", ceremony_certificate}};

/* Configuration, database, memory. -1 to go on, or an exit code. */
static int open_ceremony(struct ceremony *c)
{
	char path[PATH_MAX], err[1024];
	enum store_err e;
	snprintf(path, sizeof path, "%s/kms/conf", c->o->dir);
	c->config = calloc(1, sizeof *c->config);
	c->secrets = mcsec_secret_alloc(VAULT_SECRET_LEN);
	if (!c->config || !c->secrets)
		return tool_fail(c->command, TOOL_FAILED, NULL, "no memory");
	if (config_load(c->o->config ? c->o->config : path, kms_options, kms_n_options, c->config, err, sizeof err) ||
	    kms_config_complete(c->config, err, sizeof err))
		return tool_fail(c->command, TOOL_CONFIG, "--config names the file of mcx-kms", "%s", err);
	if (strcmp(c->config->memory_lock, "required") == 0 && !mcsec_secret_is_locked())
		return tool_fail(c->command, TOOL_FAILED, "raise the limit RLIMIT_MEMLOCK (ulimit -l)",
				 "secret memory cannot be locked, and the configuration demands it");
	c->pool = kms_pool_new(c->config->database, c->config->node, (unsigned)c->config->busy_ms, err, sizeof err);
	c->db = c->pool ? kms_pool_take(c->pool, &e) : NULL;
	if (!c->db)
		return tool_fail(c->command, TOOL_CONFIG, NULL, "%s: %s", c->config->database, err);
	e = kms_db_domain(c->db, &c->row);
	if (e == STORE_OK)
		c->row.sealed_len = 0;
	return e == STORE_OK || e == STORE_ROW ? -1
					       : tool_fail(c->command, TOOL_CONFIG, NULL, "%s: %s", c->config->database,
							   store_error_text(c->db->store));
}

static void close_ceremony(struct ceremony *c)
{
	mcsec_master_free(c->master);
	mcsec_secret_free(c->secrets);
	if (c->db)
		kms_pool_give(c->pool, c->db, STORE_OK);
	kms_pool_free(c->pool);
	free(c->config);
}

static int run_ceremony(const struct tool_command *command, const struct ceremony_options *o, const char *step)
{
	struct ceremony c = {.command = command, .o = o, .step = step};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (strcmp(steps[i].name, step) != 0)
			continue;
		daemon_harden();
		int rc = open_ceremony(&c);
		rc = rc < 0 ? steps[i].run(&c) : rc;
		close_ceremony(&c);
		return rc;
	}
	return tool_fail(command, TOOL_USAGE, "init, backup, restore, verify, change or certificate",
			 "there is no step '%s'", step);
}

/* ---- the admin listener ---- */

static int number_of(const json_t *j, const char *key)
{
	return (int)json_integer_value(json_object_get(j, key));
}

/* Ends a command about the seal with an answer: what it says, or why not. Takes over j. */
static int finish(const struct tool_command *c, const struct ceremony_options *o, json_t *j, int status)
{
	int rc = door_verdict(c, j, status);
	const char *state = door_text(j, "state");
	if (rc == TOOL_OK && o->json)
		json_dumpf(j, stdout, JSON_COMPACT), putchar('\n');
	else if (rc == TOOL_OK && number_of(j, "needed") && strcmp(state, "unsealed") != 0)
		printf("%s: %d of %d officers' shares given\n", state, number_of(j, "given"), number_of(j, "needed"));
	else if (rc == TOOL_OK)
		printf("%s\n", state);
	json_decref(j);
	return rc;
}

/* A call about the seal. */
static json_t *call(struct door *at, const char *method, const char *what, const char *body, int *status)
{
	return door_call(
	    at,
	    &(struct door_call){.method = method, .what = what, .body = body ? octets_of(body) : (struct octets){0}},
	    status);
}

/* A share from a file or the keyboard, wrapped for this key, as the body of a call. */
static int wrap_share(const char *path, const char *prompt, const char *to_hex, char *body, size_t size, char *err,
		      size_t err_size)
{
	uint8_t to[PARCEL_KEY], parcel[SHARE_OCTETS + PARCEL_OVERHEAD];
	char hex[HEX_SIZE(sizeof parcel)];
	size_t n = 0;
	struct share *s = mcsec_secret_alloc(sizeof *s);
	uint8_t *octets = mcsec_secret_alloc(SHARE_OCTETS);
	int rc = -1;
	if (!s || !octets || hex_decode(to_hex, strlen(to_hex), to, sizeof to, &n) || n != sizeof to) {
		snprintf(err, err_size, "the issuer's key is missing");
	} else if (!share_ask(path, prompt, s, err, err_size)) {
		share_write(s, octets);
		rc = parcel_seal(to, (struct octets){octets, SHARE_OCTETS}, parcel) ? 0 : -1;
		hex_encode(OCTETS(parcel), hex);
		snprintf(body, size, "{\"parcel\":\"%s\"}", hex);
	}
	mcsec_secret_free(octets);
	mcsec_secret_free(s);
	return rc;
}

/* Each share that is given or typed, until the KMS is open or no share is left. */
static int give_shares(const struct tool_command *c, const struct ceremony_options *o, struct door *at, json_t *seal)
{
	char body[1024], err[512], prompt[128], key[HEX_SIZE(PARCEL_KEY)];
	char *list = o->with ? strdup(o->with) : NULL, *save = NULL;
	char *file = list ? strtok_r(list, ",", &save) : NULL;
	int status = 200, rc = -1;
	snprintf(key, sizeof key, "%s", door_text(seal, "transport_key"));
	while (rc < 0 && status == 200 && strcmp(door_text(seal, "state"), "unsealed") != 0 && (file || !list)) {
		snprintf(prompt, sizeof prompt,
			 "Officer %d of %d, type your share (it is not shown): ", number_of(seal, "given") + 1,
			 number_of(seal, "needed"));
		if (wrap_share(file, prompt, key, body, sizeof body, err, sizeof err)) {
			rc = tool_fail(c, TOOL_REFUSED, NULL, "%s", err);
			break;
		}
		json_decref(seal);
		seal = call(at, "POST", "shares", body, &status);
		if (status == 409 && number_of(seal, "number"))
			rc = tool_fail(c, TOOL_REFUSED, "shares that were good stay given", "share %d: %s",
				       number_of(seal, "number"), door_text(seal, "detail"));
		file = list ? strtok_r(NULL, ",", &save) : NULL;
		if (!list && o->batch)
			break;
	}
	free(list);
	if (rc < 0)
		return finish(c, o, seal, status);
	json_decref(seal);
	return rc;
}

static int unseal(const struct tool_command *c, const struct ceremony_options *o, struct door *at)
{
	int status;
	json_t *j = call(at, "GET", "seal", NULL, &status);
	/* Officers have begun: go on. Else the KMS looks at its custody again, which may be another one by now. */
	if (status == 200 && number_of(j, "given") && strcmp(door_text(j, "state"), "unsealed") != 0)
		return give_shares(c, o, at, j);
	if (status != 200)
		return finish(c, o, j, status);
	json_decref(j);
	j = call(at, "POST", "unseal", NULL, &status);
	if (status == 409 && strcmp(door_text(j, "detail"), "absent") == 0) { /* it may wait for officers now */
		json_decref(j);
		j = call(at, "GET", "seal", NULL, &status);
		if (status == 200 && number_of(j, "needed"))
			return give_shares(c, o, at, j);
		json_decref(j);
		return tool_fail(c, TOOL_REFUSED, "mcx kms ceremony init makes a domain",
				 "the KMS finds no domain, or not its custody");
	}
	return finish(c, o, j, status);
}

static int is_about_the_seal(const char *what)
{
	return strcmp(what, "status") == 0 || strcmp(what, "seal") == 0 || strcmp(what, "unseal") == 0;
}

static int move_seal(const struct tool_command *c, const struct ceremony_options *o, struct door *at, const char *what)
{
	int status;
	if (strcmp(what, "unseal") == 0)
		return unseal(c, o, at);
	json_t *j = call(at, strcmp(what, "status") == 0 ? "GET" : "POST", "seal", NULL, &status);
	return finish(c, o, j, status);
}

/* word: subject, action, operand. */
static int ask_kms(const struct tool_command *c, const struct ceremony_options *o, const struct door_options *d,
		   int words, char **word)
{
	struct door at = {0};
	char err[600];
	const char *action = words > 1 ? word[1] : NULL, *operand = words > 2 ? word[2] : NULL;
	if (door_open(&at, d, err, sizeof err))
		return tool_fail(c, TOOL_CONFIG, "--dir names a domain; --url, --ca and --cert a KMS anywhere", "%s",
				 err);
	int rc = is_about_the_seal(word[0]) ? move_seal(c, o, &at, word[0])
					    : desk_run(c, &at, word[0], action, operand, o->json);
	door_close(&at);
	return rc;
}

int cmd_kms(const struct tool_command *c, int argc, char **argv)
{
	struct ceremony_options o = {.dir = "run"};
	struct door_options d = {.dir = "run"};
	const struct tool_option table[] = {
	    {"dir", "DIR", NULL, &o.dir, "the domain's folder (default ./run)"},
	    {"config", "FILE", NULL, &o.config, "ceremony: configuration of mcx-kms (default DIR/kms/conf)"},
	    {"custody", "KIND", NULL, &o.custody, "passphrase, credential, pkcs11 or officers"},
	    {"shares", "N", NULL, &o.shares, "officers: how many shares are made (default 5)"},
	    {"threshold", "K", NULL, &o.threshold, "officers: how many open it (default 3)"},
	    {"out", "DIR", NULL, &o.out, "write one new file a share there (default: show each at the terminal)"},
	    {"with", "FILE,...", NULL, &o.with, "officers' share files (default: ask at the terminal)"},
	    {"file", "FILE", NULL, &o.file, "the backup to write, restore or verify; certificate: where to write it"},
	    {"passphrase-file", "FILE", NULL, &o.passphrase_file, "seals or opens the backup (default: officers)"},
	    {"make-key", NULL, &o.make_key, NULL, "pkcs11: make the token's key if it is not there"},
	    {"url", "URL", NULL, &d.url, "admin listener of a KMS anywhere"},
	    {"ca", "FILE", NULL, &d.ca, "with --url: its authority"},
	    {"cert", "FILE", NULL, &d.cert, "your certificate and key (default: the domain's officer)"},
	    {"batch", NULL, &o.batch, NULL, "ask nothing: what is missing is a mistake"},
	    {"json", NULL, &o.json, NULL, "print JSON, one object"},
	};
	int rc = tool_parse(c, table, sizeof table / sizeof *table, &argc, argv, 1, 3);
	if (rc >= 0)
		return rc;
	d.dir = o.dir;
	if (argc == 2 && strcmp(argv[0], "ceremony") == 0)
		return run_ceremony(c, &o, argv[1]);
	if ((argc == 1 && is_about_the_seal(argv[0])) || desk_knows(argv[0], argc > 1 ? argv[1] : NULL))
		return ask_kms(c, &o, &d, argc, argv);
	return tool_fail(c, TOOL_USAGE, "--help says more", "usage: mcx %s %s", c->name, c->synopsis);
}

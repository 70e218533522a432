/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey_make.c - `mcx mikey make`: an I_MESSAGE made with a key set from a file, for tests against other products.
 *
 * The key comes from a file (hex) or is drawn. It is printed only with --show-secrets.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/look/mikey_files.h"

enum { LIST_MAX = MCSEC_SUITES_MAX };

struct make_options {
	const char *kind, *from, *to, *from_kms, *to_kms, *at, *k_id, *key_file, *cs, *algs, *text, *activation,
	    *expiry;
	int hide_initiator, hide_responder, to_self, policy, params, revoked, binary, show_secrets, json;
	const char *groups[MIKEY_FILES_MAX];
	size_t n_groups;
};

/* Everything the library wants, in one place; the key in secret memory. */
struct making {
	struct mcsec_im_make what;
	uint8_t *key;
	uint8_t cs[MCSEC_CS_MAX];
	struct mcsec_profile profile;
	struct mcsec_key_params params;
	struct mcsec_alg_list algs;
};

/* Numbers separated by commas; the count, or SIZE_MAX when it is no such list. */
static size_t numbers(const char *text, int base, unsigned long most, unsigned long *out, size_t max)
{
	size_t n = 0;
	for (const char *p = text; p; n++) {
		char *end;
		if (n == max)
			return SIZE_MAX;
		out[n] = strtoul(p, &end, base);
		if (end == p || (*end && *end != ',') || out[n] > most)
			return SIZE_MAX;
		p = *end ? end + 1 : NULL;
	}
	return n;
}

static int kind_of(const char *name, enum mcsec_key_kind *kind)
{
	for (unsigned i = 0; i < MCSEC_KEY_KINDS; i++)
		if (strcasecmp(name, mcsec_key_kind_name(i)) == 0) {
			*kind = (enum mcsec_key_kind)i;
			return 1;
		}
	return 0;
}

static int take_key(const struct tool_command *c, const struct make_options *o, struct making *m)
{
	size_t len, n = 0;
	m->key = mcsec_secret_alloc(MCSEC_KEY_LEN);
	m->what.key = m->key;
	if (!m->key)
		return tool_fail(c, TOOL_FAILED, NULL, "no memory");
	if (!o->key_file)
		return mcsec_rng_system.fill(mcsec_rng_system.ctx, m->key, MCSEC_KEY_LEN)
			   ? tool_fail(c, TOOL_FAILED, NULL, "the random source failed")
			   : -1;
	uint8_t *text = tool_read_file(c, o->key_file, &len);
	if (!text)
		return TOOL_FAILED;
	size_t digits = strcspn((char *)text, "\r\n");
	enum mcsec_err err = hex_decode((char *)text, digits, m->key, MCSEC_KEY_LEN, &n);
	mcsec_wipe(text, len);
	free(text);
	return err || n != MCSEC_KEY_LEN
		   ? tool_fail(c, TOOL_USAGE, NULL, "%s holds no key of 32 hex digits", o->key_file)
		   : -1;
}

static int take_identity(const struct tool_command *c, const struct make_options *o, const struct mcsec_im_book *book,
			 struct making *m)
{
	unsigned long id = 0;
	struct mcsec_im_make *w = &m->what;
	if (!kind_of(o->kind ? o->kind : "PCK", &w->kind))
		return tool_fail(c, TOOL_USAGE, NULL, "--kind is one of gmk, pck, csk, spk, mkfc, mscck, musik");
	w->initiator = o->from ? o->from : book->own[0].uri;
	w->initiator_kms = o->from_kms ? o->from_kms : book->own[0].kms_uri;
	w->responder = o->to;
	w->responder_kms = o->to_kms ? o->to_kms : w->initiator_kms;
	if (!o->k_id)
		return mcsec_kid_new(w->kind, &mcsec_rng_system, NULL, NULL, &w->k_id)
			   ? tool_fail(c, TOOL_FAILED, NULL, "the random source failed")
			   : -1;
	if (strlen(o->k_id) != 8 || numbers(o->k_id, 16, UINT32_MAX, &id, 1) != 1 || id >> 28 != w->kind)
		return tool_fail(c, TOOL_USAGE, NULL, "--k-id has 8 hex digits, the first the tag %x of a %s", w->kind,
				 mcsec_key_kind_name(w->kind));
	w->k_id = (uint32_t)id;
	return -1;
}

static int take_time(const struct tool_command *c, const char *option, const char *text, int64_t *unix_s)
{
	if (!text || tool_time_parse(text, unix_s))
		return -1;
	return tool_fail(c, TOOL_USAGE, NULL, "--%s is no time like 2025-10-03T00:00:00Z", option);
}

static int take_params(const struct tool_command *c, const struct make_options *o, struct making *m)
{
	int64_t activation = 0, expiry = 0;
	int rc = take_time(c, "activation", o->activation, &activation);
	if (rc < 0)
		rc = take_time(c, "expiry", o->expiry, &expiry);
	if (rc >= 0)
		return rc;
	m->params = (struct mcsec_key_params){.status = o->revoked ? 0 : MCSEC_STATUS_NOT_REVOKED,
					      .activation = (uint64_t)activation,
					      .expiry = (uint64_t)expiry,
					      .text = o->text,
					      .groups = o->groups,
					      .n_groups = o->n_groups};
	if (o->params || o->revoked || o->activation || o->expiry || o->text || o->n_groups)
		m->what.params = &m->params;
	return -1;
}

static int take_lists(const struct tool_command *c, const struct make_options *o, struct making *m)
{
	unsigned long list[LIST_MAX];
	size_t n = o->cs ? numbers(o->cs, 10, UINT8_MAX, list, MCSEC_CS_MAX) : 0;
	if (n == SIZE_MAX)
		return tool_fail(c, TOOL_USAGE, NULL, "--cs is a list of CS IDs like 4,5");
	for (m->what.n_cs = 0; m->what.n_cs < n; m->what.n_cs++)
		m->cs[m->what.n_cs] = (uint8_t)list[m->what.n_cs];
	m->what.cs = m->cs;
	n = o->algs ? numbers(o->algs, 16, UINT16_MAX, list, LIST_MAX) : 0;
	if (n == SIZE_MAX)
		return tool_fail(c, TOOL_USAGE, NULL,
				 "--algs is a list of suites in hex like 0102,0101; the first is selected");
	for (m->algs.n = 0; m->algs.n < n; m->algs.n++)
		m->algs.suites[m->algs.n] = (uint16_t)list[m->algs.n];
	m->algs.selected = m->algs.suites[0];
	m->what.algs = m->algs.n ? &m->algs : NULL;
	if (o->policy && mcsec_profile_default(m->what.kind, &m->profile) == MCSEC_OK)
		m->what.profile = &m->profile;
	return -1;
}

static int take_all(const struct tool_command *c, const struct make_options *o, const struct mcsec_im_book *book,
		    struct making *m)
{
	int64_t at = time(NULL);
	int rc = take_time(c, "at", o->at, &at);
	if (rc < 0)
		rc = take_identity(c, o, book, m);
	if (rc < 0)
		rc = take_key(c, o, m);
	if (rc < 0)
		rc = take_params(c, o, m);
	if (rc < 0)
		rc = take_lists(c, o, m);
	m->what.time = (uint64_t)(at + (int64_t)MCSEC_NTP_UNIX);
	m->what.hide_initiator = o->hide_initiator;
	m->what.hide_responder = o->hide_responder;
	m->what.to_self = o->to_self;
	return rc;
}

static void print_message(const struct make_options *o, const struct making *m, struct octets msg)
{
	char *text = malloc(BASE64_SIZE(msg.len));
	struct mcsec_im_peek peek = {0};
	if (!text)
		return;
	base64_encode(msg, text);
	if (o->binary) {
		if (fwrite(msg.p, 1, msg.len, stdout) != msg.len)
			perror("mcx mikey make");
	} else if (!o->json) {
		puts(text);
	} else if (mcsec_im_peek(msg.p, msg.len, &peek, NULL) == MCSEC_OK) {
		json_t *out =
		    json_pack("{s:s, s:s, s:o, s:o}", "message", text, "kind", mcsec_key_kind_name(m->what.kind),
			      "k_id", json_sprintf("%08x", (unsigned)m->what.k_id), "csb_id",
			      json_sprintf("%08x", (unsigned)peek.csb_id));
		if (o->show_secrets) {
			char hex[HEX_SIZE(MCSEC_KEY_LEN)];
			hex_encode((struct octets){m->key, MCSEC_KEY_LEN}, hex);
			json_object_set_new(out, "key", json_string(hex));
			mcsec_wipe(hex, sizeof hex);
		}
		tool_print_json(out);
	}
	free(text);
}

static int make_message(const struct tool_command *c, const struct make_options *o, const struct mcsec_im_book *book)
{
	struct making m = {0};
	uint8_t msg[MCSEC_IM_MAX];
	size_t len;
	int rc = take_all(c, o, book, &m);
	if (rc < 0) {
		enum mcsec_err err = mcsec_im_make(book, &m.what, &mcsec_rng_system, msg, sizeof msg, &len);
		if (err)
			rc = tool_fail(c, TOOL_REFUSED, NULL, "%s to %s: %s", m.what.initiator, m.what.responder,
				       mcsec_err_text(err));
		else
			print_message(o, &m, (struct octets){msg, len});
	}
	mcsec_secret_free(m.key);
	return rc < 0 ? TOOL_OK : rc;
}

int mikey_make(const struct tool_command *c, int argc, char **argv)
{
	const char *certs[MIKEY_FILES_MAX], *keys[MIKEY_FILES_MAX], *too_many = NULL;
	struct make_options o = {0};
	const struct tool_option options[] = {
	    {"cert", "FILE", NULL, &too_many, "a KMS certificate, KmsInit, KmsCertCache or KmsResponse; repeatable"},
	    {"keys", "FILE", NULL, &too_many, "a KmsKeySet, KmsKeyProv or KmsResponse of the initiator; repeatable"},
	    {"to", "URI", NULL, &o.to, "the responder"},
	    {"to-kms", "URI", NULL, &o.to_kms, "its KMS (default: the initiator's)"},
	    {"from", "URI", NULL, &o.from, "the initiator (default: of the first key set)"},
	    {"from-kms", "URI", NULL, &o.from_kms, "its KMS (default: of the first key set)"},
	    {"kind", "KIND", NULL, &o.kind, "gmk, pck (default), csk, spk, mkfc, mscck or musik"},
	    {"k-id", "HEX", NULL, &o.k_id, "the key's identifier (default: drawn)"},
	    {"key-file", "FILE", NULL, &o.key_file, "the key, 32 hex digits (default: drawn)"},
	    {"at", "TIME", NULL, &o.at, "what T says (UTC, 2025-10-03T00:00:00Z; default now)"},
	    {"cs", "LIST", NULL, &o.cs, "crypto sessions for a GENERIC-ID map, such as 4,5 (default: an empty map)"},
	    {"policy", NULL, &o.policy, NULL, "an SP payload with the default profile"},
	    {"hide-initiator", NULL, &o.hide_initiator, NULL, "its UID in place of its URI"},
	    {"hide-responder", NULL, &o.hide_responder, NULL, "its UID in place of its URI"},
	    {"to-self", NULL, &o.to_self, NULL, "SAKKE-to-self for the initiator's other devices"},
	    {"params", NULL, &o.params, NULL, "key parameters; implied by the next five"},
	    {"revoked", NULL, &o.revoked, NULL, "their status says revoked"},
	    {"activation", "TIME", NULL, &o.activation, "their activation time"},
	    {"expiry", "TIME", NULL, &o.expiry, "their expiry time"},
	    {"text", "TEXT", NULL, &o.text, "the key's name"},
	    {"group", "URI", NULL, &too_many, "a group ID; repeatable"},
	    {"algs", "LIST", NULL, &o.algs, "algorithm list in hex, such as 0102,0101; the first is selected"},
	    {"binary", NULL, &o.binary, NULL, "the octets themselves in place of base64"},
	    {"show-secrets", NULL, &o.show_secrets, NULL, "with --json: print the key too"},
	    {"json", NULL, &o.json, NULL, "print JSON"},
	};
	size_t n_certs = tool_repeated("cert", &argc, argv, certs, MIKEY_FILES_MAX);
	size_t n_keys = tool_repeated("keys", &argc, argv, keys, MIKEY_FILES_MAX);
	o.n_groups = tool_repeated("group", &argc, argv, o.groups, MIKEY_FILES_MAX);
	int rc = tool_parse(c, options, sizeof options / sizeof *options, &argc, argv, 0, 0);
	if (rc >= 0)
		return rc;
	if (!n_certs || !n_keys || !o.to || too_many)
		return tool_fail(c, TOOL_USAGE, "--help says more",
				 "--cert, --keys and --to are needed, at most %d of each", MIKEY_FILES_MAX);
	struct mikey_files *files = calloc(1, sizeof *files);
	if (!files)
		return tool_fail(c, TOOL_FAILED, NULL, "no memory");
	rc = mikey_files_load(c, files, certs, n_certs, keys, n_keys);
	if (rc < 0)
		rc = make_message(c, &o, &files->book);
	mikey_files_free(files);
	free(files);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey_open.c - `mcx mikey open`: an I_MESSAGE opened with a KMS certificate and a key set from files, told as JSON.
 *
 * The checks and their order are the library's; nothing is decided here. Keys are printed with --show-secrets alone.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/look/mikey_files.h"

struct open_options {
	const char *at, *from;
	int show_secrets, list_errors, json;
	int at_message;  /* hold T against itself, */
	int64_t at_unix; /* or against this */
};

static json_t *hex32(uint32_t id)
{
	return json_sprintf("%08x", (unsigned)id);
}

static json_t *hex_of(const uint8_t *p, size_t n)
{
	char text[HEX_SIZE(MCSEC_RAND_MAX)];
	hex_encode((struct octets){p, n}, text);
	json_t *o = json_string(text);
	mcsec_wipe(text, sizeof text);
	return o;
}

static json_t *time_json(uint64_t unix_s, const char *zero)
{
	char text[TOOL_TIME_LEN];
	return unix_s ? json_string(tool_time_text((int64_t)unix_s, text)) : json_string(zero);
}

static json_t *profile_json(const struct mcsec_im *im)
{
	const struct mcsec_profile *p = &im->profile;
	json_t *cs = json_array();
	for (size_t i = 0; i < im->n_cs; i++)
		json_array_append_new(cs, json_integer(im->cs[i].cs_id));
	return json_pack("{s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "cs", cs, "encryption",
			 p->encryption, "key_len", p->key_len, "authentication", p->authentication, "salt_len",
			 p->salt_len, "prf", p->prf, "kdr", p->kdr, "roc_rate", (int)p->roc_rate, "srtp_tag_len",
			 p->srtp_tag_len, "srtcp_tag_len", p->srtcp_tag_len, "aead_tag_len", p->aead_tag_len);
}

static json_t *params_json(const struct mcsec_im *im)
{
	json_t *groups = json_array();
	if (!im->has_params) {
		json_decref(groups);
		return json_null();
	}
	for (size_t i = 0; i < im->params.n_groups; i++)
		json_array_append_new(groups, json_string(im->params.groups[i]));
	return json_pack("{s:s, s:I, s:b, s:b, s:o, s:o, s:s, s:o}", "key_type", mcsec_key_kind_name(im->kind),
			 "status", (json_int_t)im->params.status, "revoked",
			 !(im->params.status & MCSEC_STATUS_NOT_REVOKED), "gateway",
			 (im->params.status & MCSEC_STATUS_GATEWAY) != 0, "activation",
			 time_json(im->params.activation, "at time"), "expiry", time_json(im->params.expiry, "never"),
			 "text", im->params.text ? im->params.text : "", "groups", groups);
}

static json_t *result(const struct mcsec_im *im, int show_secrets)
{
	char text[TOOL_TIME_LEN];
	json_t *o = json_pack("{s:b, s:s, s:o, s:o}", "ok", 1, "kind", mcsec_key_kind_name(im->kind), "k_id",
			      hex32(im->k_id), "guk_id", im->kind == MCSEC_GMK ? hex32(im->csb_id) : json_null());
	if (show_secrets)
		json_object_set_new(o, "key", hex_of(im->key, MCSEC_KEY_LEN));
	json_object_set_new(o, "initiator",
			    im->initiator ? json_string(im->initiator) : hex_of(im->initiator_uid, MCSEC_UID_LEN));
	json_object_set_new(o, "responder",
			    im->responder ? json_string(im->responder) : hex_of(im->responder_uid, MCSEC_UID_LEN));
	json_object_set_new(o, "time", json_string(tool_time_text((int64_t)(im->time - MCSEC_NTP_UNIX), text)));
	json_object_set_new(o, "profile", profile_json(im));
	json_object_set_new(o, "params", params_json(im));
	return o;
}

static int list_errors(void)
{
	for (int code = MCSEC_E_MALFORMED; code <= MCSEC_E_REVOKED; code++)
		puts(mcsec_im_refusal((enum mcsec_err)code));
	puts(mcsec_im_refusal(MCSEC_E_MEMORY));
	return TOOL_OK;
}

/* TIME seconds that the message is held against. */
static uint64_t time_of(const struct open_options *o, struct octets msg)
{
	struct mcsec_im_peek peek;
	if (o->at_message && mcsec_im_peek(msg.p, msg.len, &peek, NULL) == MCSEC_OK)
		return peek.time;
	return (uint64_t)(o->at_unix + (int64_t)MCSEC_NTP_UNIX);
}

static int open_message(const struct open_options *o, const struct mcsec_im_book *book, struct octets msg)
{
	struct mcsec_im_expect expect = {
	    .now = time_of(o, msg), .initiators = &o->from, .n_initiators = o->from != NULL};
	struct mcsec_fault fault;
	struct mcsec_im *im;
	if (mcsec_im_open(book, &expect, msg.p, msg.len, &im, &fault)) {
		tool_print_json(mikey_refusal(&fault));
		mcsec_im_free(im);
		return TOOL_REFUSED;
	}
	tool_print_json(result(im, o->show_secrets));
	mcsec_im_free(im);
	return TOOL_OK;
}

static int open_file(const struct tool_command *c, const struct open_options *o, const struct mcsec_im_book *book,
		     const char *path)
{
	static const struct mcsec_fault no_text = {MCSEC_E_MALFORMED, MCSEC_NO_OFFSET, "RFC 4648 4",
						   "the text is neither base64 nor hex"};
	size_t len, n;
	uint8_t *text = tool_read_file(c, path, &len);
	if (!text)
		return TOOL_FAILED;
	uint8_t *msg = malloc(len + 1);
	int rc = TOOL_FAILED;
	if (msg && mikey_input((struct octets){text, len}, msg, &n)) {
		tool_print_json(mikey_refusal(&no_text));
		rc = TOOL_REFUSED;
	} else if (msg) {
		rc = open_message(o, book, (struct octets){msg, n});
	}
	free(msg);
	free(text);
	return rc;
}

int mikey_open(const struct tool_command *c, int argc, char **argv)
{
	const char *certs[MIKEY_FILES_MAX], *keys[MIKEY_FILES_MAX], *too_many = NULL;
	struct open_options o = {0};
	const struct tool_option options[] = {
	    {"cert", "FILE", NULL, &too_many, "a KMS certificate, KmsInit, KmsCertCache or KmsResponse; repeatable"},
	    {"keys", "FILE", NULL, &too_many, "a KmsKeySet, KmsKeyProv or KmsResponse; repeatable"},
	    {"at", "TIME", NULL, &o.at, "hold T against this time (UTC, 2025-10-03T00:00:00Z), or 'message'"},
	    {"from", "URI", NULL, &o.from, "the expected initiator"},
	    {"show-secrets", NULL, &o.show_secrets, NULL, "print the key"},
	    {"list-errors", NULL, &o.list_errors, NULL, "print the names a refusal can have"},
	    {"json", NULL, &o.json, NULL, "JSON: it always is"},
	};
	size_t n_certs = tool_repeated("cert", &argc, argv, certs, MIKEY_FILES_MAX);
	size_t n_keys = tool_repeated("keys", &argc, argv, keys, MIKEY_FILES_MAX);
	int rc = tool_parse(c, options, sizeof options / sizeof *options, &argc, argv, 0, 1);
	if (rc >= 0)
		return rc;
	if (o.list_errors)
		return list_errors();
	if (too_many)
		return tool_fail(c, TOOL_USAGE, NULL, "at most %d files of one kind", MIKEY_FILES_MAX);
	if (argc != 1 || !n_certs || !n_keys)
		return tool_fail(c, TOOL_USAGE, "--help says more", "a message, --cert and --keys are needed");
	o.at_message = o.at && strcmp(o.at, "message") == 0;
	o.at_unix = time(NULL);
	if (o.at && !o.at_message && !tool_time_parse(o.at, &o.at_unix))
		return tool_fail(c, TOOL_USAGE, NULL, "--at is neither 'message' nor a time like 2025-10-03T00:00:00Z");
	struct mikey_files *files = calloc(1, sizeof *files);
	if (!files)
		return tool_fail(c, TOOL_FAILED, NULL, "no memory");
	rc = mikey_files_load(c, files, certs, n_certs, keys, n_keys);
	if (rc < 0)
		rc = open_file(c, &o, &files->book, argv[0]);
	mikey_files_free(files);
	free(files);
	return rc;
}

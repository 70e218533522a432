/* SPDX-License-Identifier: Apache-2.0 */
/* `mcx mikey open`, `mcx mikey make` and `mcx explain` as a person runs them: files in, one answer out, an exit code.
 */
#include "unit/tool/mikey_bench.h"

#include "mcx/token/token.h"

static void a_message_opens_and_its_key_shows_only_when_asked(void **state)
{
	struct bench *b = *state;
	struct mcsec_im_make what = private_call(b->lab);
	struct message m = made(b->lab, &what);
	char path[128];
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message"), 0);
	json_t *o = json_out(b);
	assert_true(json_is_true(json_object_get(o, "ok")));
	assert_string_equal(text_at(o, "kind"), "PCK");
	assert_string_equal(text_at(o, "k_id"), "1a1b2c3d");
	assert_true(json_is_null(json_object_get(o, "guk_id")));
	assert_null(json_object_get(o, "key"));
	assert_string_equal(text_at(o, "initiator"), ALICE);
	assert_string_equal(text_at(o, "responder"), BOB);
	assert_string_equal(text_at(o, "time"), "2025-10-03T00:00:00Z");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "profile"), "encryption")), 6);
	assert_true(json_is_null(json_object_get(o, "params")));
	json_decref(o);
	assert_int_equal(RUN(b, "mikey", "open", "--show-secrets", "--at=2025-10-03T00:04:59Z", "--from", ALICE,
			     "--cert", b->far_cert, "--cert", b->cert, "--keys", b->bob, path),
			 0);
	o = json_out(b);
	assert_string_equal(text_at(o, "key"), "000102030405060708090a0b0c0d0e0f");
	json_decref(o);
}

static void a_group_key_shows_both_identifiers_and_its_parameters(void **state)
{
	struct bench *b = *state;
	static const char *const groups[] = {"sip:fire@mc.example"};
	const struct mcsec_key_params params = {
	    .status = 3, .expiry = NOW - MCSEC_NTP_UNIX + 3600, .text = "day", .groups = groups, .n_groups = 1};
	struct mcsec_im_make what = private_call(b->lab);
	char path[128];
	what.kind = MCSEC_GMK;
	what.k_id = 0x0a1b2c3d;
	what.params = &params;
	struct message m = made(b->lab, &what);
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message"), 0);
	json_t *o = json_out(b), *p = json_object_get(o, "params");
	assert_string_equal(text_at(o, "k_id"), "0a1b2c3d");
	assert_int_equal(strlen(text_at(o, "guk_id")), 8);
	assert_string_not_equal(text_at(o, "guk_id"), "0a1b2c3d");
	assert_string_equal(text_at(p, "key_type"), "GMK");
	assert_string_equal(text_at(p, "expiry"), "2025-10-03T01:00:00Z");
	assert_string_equal(text_at(p, "text"), "day");
	assert_true(json_is_true(json_object_get(p, "gateway")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(p, "groups"), 0)), groups[0]);
	json_decref(o);
}

static void a_hidden_initiator_shows_as_uid_until_it_is_expected(void **state)
{
	struct bench *b = *state;
	struct mcsec_im_make what = private_call(b->lab);
	char path[128];
	what.hide_initiator = 1;
	struct message m = made(b->lab, &what);
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message"), 0);
	json_t *o = json_out(b);
	assert_string_equal(text_at(o, "initiator"),
			    "f87b67ea9ae8a6cdb74f46e7ab70a2d0b5200180d1ef0e2f7f1d6386c13b3820");
	json_decref(o);
	assert_int_equal(
	    RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message", "--from", ALICE), 0);
	o = json_out(b);
	assert_string_equal(text_at(o, "initiator"), ALICE);
	json_decref(o);
}

static void refused_with(struct bench *b, const char *error, json_int_t offset)
{
	json_t *o = json_out(b);
	assert_true(json_is_false(json_object_get(o, "ok")));
	assert_string_equal(text_at(o, "error"), error);
	assert_true(strlen(text_at(o, "detail")) > 0 && strlen(text_at(o, "clause")) > 0);
	if (offset < 0)
		assert_true(json_is_null(json_object_get(o, "offset")));
	else
		assert_int_equal(json_integer_value(json_object_get(o, "offset")), offset);
	json_decref(o);
}

static void a_refusal_exits_3_with_its_name_and_octet(void **state)
{
	struct bench *b = *state;
	struct mcsec_im_make what = private_call(b->lab);
	struct message m = made(b->lab, &what);
	char path[128];
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob), 3); /* today */
	refused_with(b, "bad-time", 12);
	assert_int_equal(
	    RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "2025-10-03T00:05:01Z"), 3);
	refused_with(b, "bad-time", 12);
	assert_int_equal(
	    RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message", "--from", CAROL), 3);
	refused_with(b, "bad-identity", 43);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->alice, "--at", "message"), 3);
	refused_with(b, "not-for-us", 68);
	m.octets[500] ^= 1;
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message"), 3);
	refused_with(b, "bad-signature", 404);
	m.len = 100;
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message"), 3);
	refused_with(b, "malformed", 91);
	write_file(b, "message", octets_of("this is no message"), path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message"), 3);
	refused_with(b, "malformed", -1);
	write_file(b, "message", octets_of(""), path);
	assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message"), 3);
	refused_with(b, "malformed", 0);
}

static void list_errors_prints_the_names_of_the_procedures(void **state)
{
	struct bench *b = *state;
	assert_int_equal(RUN(b, "mikey", "open", "--list-errors"), 0);
	assert_string_equal(b->out, "malformed\nwrong-tag\nnot-for-us\nkms-refused\nbad-time\nreplay\nbad-identity\n"
				    "bad-signature\nundecryptable\nbad-params\nrevoked\nbusy\n");
}

static void a_wrong_command_line_or_file_is_told_apart_from_a_refusal(void **state)
{
	struct bench *b = *state;
	assert_int_equal(RUN(b, "mikey", "open", "x"), TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "open", b->cert, "--cert", b->cert, "--keys", b->bob, "--at", "noon"),
			 TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "shut"), TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey"), TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "open", "/nowhere", "--cert", b->cert, "--keys", b->bob), TOOL_FAILED);
	assert_int_equal(RUN(b, "mikey", "open", b->cert, "--cert", b->bob, "--keys", b->bob), TOOL_FAILED);
	assert_int_equal(RUN(b, "mikey", "open", b->cert, "--cert", b->cert, "--keys", b->carol), TOOL_FAILED);
}

static void what_make_makes_open_opens(void **state)
{
	struct bench *b = *state;
	static const char *const kinds[] = {"gmk", "pck", "csk", "spk", "mkfc", "mscck", "musik"};
	char path[128], key[128];
	write_file(b, "key", octets_of("000102030405060708090a0b0c0d0e0f\n"), key);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(RUN(b, "mikey", "make", "--cert", b->cert, "--keys", b->alice, "--to", BOB, "--kind",
				     kinds[i], "--at", "2025-10-03T00:00:00Z", "--key-file", key, "--params", "--text",
				     "t"),
				 0);
		write_file(b, "message", octets_of(b->out), path);
		assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message",
				     "--show-secrets"),
				 0);
		json_t *o = json_out(b);
		assert_string_equal(text_at(o, "key"), "000102030405060708090a0b0c0d0e0f");
		assert_int_equal(text_at(o, "k_id")[0], '0' + (int)i);
		assert_string_equal(text_at(json_object_get(o, "params"), "text"), "t");
		json_decref(o);
	}
	assert_int_equal(RUN(b, "mikey", "make", "--cert", b->cert, "--cert", b->far_cert, "--keys", b->alice, "--to",
			     CAROL, "--to-kms", FAR_KMS, "--to-self", "--cs", "0,1", "--hide-initiator",
			     "--hide-responder", "--k-id", "1a1b2c3d", "--algs", "0102,0101", "--json",
			     "--show-secrets", "--at", "2025-10-03T00:00:00Z"),
			 0);
	json_t *o = json_out(b);
	assert_string_equal(text_at(o, "csb_id"), "1a1b2c3d");
	assert_int_equal(strlen(text_at(o, "key")), 32);
	write_file(b, "message", octets_of(text_at(o, "message")), path);
	json_decref(o);
	for (int i = 0; i < 2; i++) { /* Carol, and Alice's other device */
		assert_int_equal(RUN(b, "mikey", "open", path, "--cert", b->cert, "--cert", b->far_cert, "--keys",
				     i ? b->alice : b->carol, "--at", "message", "--from", ALICE),
				 0);
	}
	assert_int_equal(
	    RUN(b, "mikey", "make", "--cert", b->cert, "--keys", b->alice, "--to", BOB, "--k-id", "2a1b2c3d"),
	    TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "make", "--cert", b->cert, "--keys", b->alice, "--to", BOB), TOOL_REFUSED);
}

/* ---- explain ---- */

static const json_t *field_named(const json_t *o, const char *part, const char *name, json_int_t offset)
{
	size_t i;
	json_t *f;
	json_array_foreach(json_object_get(o, "fields"), i,
			   f) if (strcmp(text_at(f, "part"), part) == 0 && strcmp(text_at(f, "field"), name) == 0 &&
				  json_integer_value(json_object_get(f, "offset")) == offset) return f;
	return NULL;
}

static void a_mikey_message_is_explained_in_every_form_it_comes_in(void **state)
{
	struct bench *b = *state;
	struct mcsec_im_make what = csk_upload(b->lab);
	struct message m = made(b->lab, &what);
	struct octets msg = {m.octets, m.len};
	char encoded[2000];
	static char text[4][3000];
	char path[128];
	base64_encode(msg, encoded);
	snprintf(text[0], sizeof text[0], "%s", encoded);
	hex_encode(msg, text[1]);
	snprintf(text[2], sizeof text[2], "v=0\r\ns=-\r\na=key-mgmt:mikey %s\r\nm=audio 5000 RTP/SAVP 96\r\n", encoded);
	snprintf(text[3], sizeof text[3], "mikey %s\n", encoded);
	for (int form = -1; form < 4; form++) {
		write_file(b, "message", form < 0 ? msg : octets_of(text[form]), path);
		assert_int_equal(RUN(b, "explain", "--json", path), 0);
		json_t *o = json_out(b);
		assert_string_equal(text_at(o, "type"), "mikey");
		assert_true(json_is_null(json_object_get(o, "fault")));
		assert_string_equal(text_at(field_named(o, "HDR", "CSB ID", 4), "hex"), "2a1b2c3d");
		assert_string_equal(text_at(field_named(o, "HDR", "CSB ID", 4), "value"), "CSK-ID");
		assert_string_equal(text_at(field_named(o, "T", "TS value", 12), "value"), "2025-10-03T00:00:00Z");
		assert_string_equal(text_at(field_named(o, "IDR", "ID", 43), "value"), ALICE);
		assert_string_equal(text_at(field_named(o, "IDR", "ID role", 64), "value"), "responder");
		assert_int_equal(strlen(text_at(field_named(o, "SAKKE", "SAKKE data", 126), "hex")), 546);
		assert_non_null(field_named(o, "SIGN", "signature", 401));
		json_decref(o);
	}
	assert_int_equal(RUN(b, "explain", path), 0);
	assert_non_null(strstr(b->out, "    126   273  SAKKE data"));
	assert_non_null(strstr(b->out, "well formed"));
}

/* Each octet of the message belongs to exactly one field. */
static void the_fields_of_a_message_cover_every_octet_once(void **state)
{
	struct bench *b = *state;
	static const char *const groups[] = {"sip:fire@mc.example"};
	static const uint8_t cs[] = {4, 5};
	const struct mcsec_key_params params = {.status = 1, .groups = groups, .n_groups = 1};
	const struct mcsec_alg_list algs = {0x0101, {0x0101}, 1};
	struct mcsec_im_make what = private_call(b->lab);
	char path[128];
	what.kind = MCSEC_GMK;
	what.k_id = 5;
	what.cs = cs;
	what.n_cs = 2;
	what.to_self = 1;
	what.params = &params;
	what.algs = &algs;
	struct message m = made(b->lab, &what);
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "explain", path, "--json"), 0);
	json_t *o = json_out(b), *f;
	size_t i;
	json_int_t at = 0;
	json_array_foreach(json_object_get(o, "fields"), i, f)
	{
		json_int_t offset = json_integer_value(json_object_get(f, "offset"));
		if (offset != at)
			print_error("field %s at %d, expected %d\n", text_at(f, "field"), (int)offset, (int)at);
		assert_int_equal(offset, at);
		at += json_integer_value(json_object_get(f, "length"));
	}
	assert_int_equal(at, m.len);
	json_decref(o);
}

static void a_broken_mikey_message_is_explained_up_to_its_fault(void **state)
{
	struct bench *b = *state;
	struct mcsec_im_make what = csk_upload(b->lab);
	struct message m = made(b->lab, &what);
	char path[128];
	m.octets[122] = 2; /* SAKKE parameter set */
	put_message(b, &m, path);
	assert_int_equal(RUN(b, "explain", path, "--json"), TOOL_REFUSED);
	json_t *o = json_out(b), *fault = json_object_get(o, "fault");
	assert_string_equal(text_at(fault, "error"), "malformed");
	assert_int_equal(json_integer_value(json_object_get(fault, "offset")), 122);
	assert_non_null(field_named(o, "IDR", "ID", 107));
	assert_null(field_named(o, "SIGN", "signature", 401));
	json_decref(o);
	assert_int_equal(RUN(b, "explain", path), TOOL_REFUSED);
	assert_non_null(
	    strstr(b->out, "refused: malformed at octet 122: the SAKKE parameter set is not 1 (RFC 6509 4.2)"));
}

static void a_kms_document_is_explained_without_its_secrets(void **state)
{
	struct bench *b = *state;
	assert_int_equal(RUN(b, "explain", b->cert, "--json", "--at", "2025-10-03T00:00:00Z"), 0);
	json_t *o = json_out(b);
	assert_string_equal(text_at(o, "type"), "kms");
	assert_non_null(strstr(b->out, "\"" KMS "\""));
	json_decref(o);
	assert_int_equal(RUN(b, "explain", b->cert, "--at", "2035-10-03T00:00:00Z"), TOOL_REFUSED);
	assert_non_null(strstr(b->out, "the certificate has expired"));
	assert_int_equal(RUN(b, "explain", b->bob), 0);
	assert_non_null(strstr(b->out, "(secret, "));
	assert_non_null(strstr(b->out, BOB));
	char with[OUT_MAX];
	memcpy(with, b->out, sizeof with);
	assert_int_equal(RUN(b, "explain", b->bob, "--show-secrets"), 0);
	assert_null(strstr(b->out, "(secret, "));
	assert_true(strlen(b->out) > strlen(with) + 500);
}

static void a_broken_kms_document_is_told_with_element_and_octet(void **state)
{
	struct bench *b = *state;
	char path[128], text[8192];
	FILE *f = fopen(b->cert, "rb");
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	char *period = strstr(text, "UserKeyPeriod>");
	assert_non_null(period);
	period[strlen("UserKeyPeriod>")] = 'x';
	write_file(b, "message", octets_of(text), path);
	assert_int_equal(RUN(b, "explain", path, "--json"), TOOL_REFUSED);
	json_t *o = json_out(b), *fault = json_object_get(o, "fault");
	size_t at = (size_t)json_integer_value(json_object_get(fault, "offset"));
	assert_non_null(strstr(text_at(fault, "detail"), "UserKeyPeriod"));
	assert_int_equal(text[at], '<');
	assert_true(text + at < period && text + at + 8 > period - 4);
	json_decref(o);
}

static void a_token_is_explained_and_an_expired_one_refused(void **state)
{
	struct bench *b = *state;
	char path[128];
	struct token_signer *signer = token_signer_generate(TOKEN_ES256);
	char *token =
	    token_sign(signer, "at+jwt",
		       "{\"iss\":\"https://idms.mc.example\",\"sub\":\"alice\",\"aud\":\"mcx\",\"exp\":1760000000,"
		       "\"iat\":1759990000,\"scope\":\"3gpp:mc:ptt_service\",\"mcptt_id\":\"" ALICE "\"}");
	assert_non_null(token);
	write_file(b, "message", octets_of(token), path);
	assert_int_equal(RUN(b, "explain", path, "--json", "--at", "2025-10-09T00:00:00Z"), 0);
	json_t *o = json_out(b);
	assert_string_equal(text_at(o, "type"), "token");
	json_int_t payload = (json_int_t)strcspn(token, ".") + 1;
	assert_string_equal(text_at(field_named(o, "header", "alg", 0), "value"), "\"ES256\"");
	assert_string_equal(text_at(field_named(o, "payload", "exp", payload), "value"),
			    "1760000000 (2025-10-09T08:53:20Z)");
	json_decref(o);
	assert_int_equal(RUN(b, "explain", path, "--at", "2025-10-10T00:00:00Z"), TOOL_REFUSED);
	assert_non_null(strstr(b->out, "expired"));
	write_file(b, "message", octets_of("e30.e30"), path);
	assert_int_equal(RUN(b, "explain", path), TOOL_REFUSED);
	write_file(b, "message", octets_of("!!!.e30.x"), path);
	assert_int_equal(RUN(b, "explain", path), TOOL_REFUSED);
	write_file(b, "message", octets_of("e30.W10.x"), path);
	assert_int_equal(RUN(b, "explain", path), TOOL_REFUSED);
	free(token);
	token_signer_free(signer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_message_opens_and_its_key_shows_only_when_asked),
	    cmocka_unit_test(a_group_key_shows_both_identifiers_and_its_parameters),
	    cmocka_unit_test(a_hidden_initiator_shows_as_uid_until_it_is_expected),
	    cmocka_unit_test(a_refusal_exits_3_with_its_name_and_octet),
	    cmocka_unit_test(list_errors_prints_the_names_of_the_procedures),
	    cmocka_unit_test(a_wrong_command_line_or_file_is_told_apart_from_a_refusal),
	    cmocka_unit_test(what_make_makes_open_opens),
	    cmocka_unit_test(a_mikey_message_is_explained_in_every_form_it_comes_in),
	    cmocka_unit_test(the_fields_of_a_message_cover_every_octet_once),
	    cmocka_unit_test(a_broken_mikey_message_is_explained_up_to_its_fault),
	    cmocka_unit_test(a_kms_document_is_explained_without_its_secrets),
	    cmocka_unit_test(a_broken_kms_document_is_told_with_element_and_octet),
	    cmocka_unit_test(a_token_is_explained_and_an_expired_one_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

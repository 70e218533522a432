/* SPDX-License-Identifier: Apache-2.0 */
/* test_xml_protect.c - what is encrypted, signed, accepted and remembered (xml-protection 2, 4 to 7, 9). */
#include "lab.h"

#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/xmlsec/element_crypt.h"
#include "mcx/xmlsec/replay.h"
#include "mcx/xmlsec/sensitive.h"

static struct lab *with_body(const char *type, const char *body)
{
	struct lab *l = lab_new();
	l->parts[0] = (struct body_out){type, "x@mc.example.org", octets_of(body), 0};
	l->n = 1;
	return l;
}

static int occurs(struct octets in, const char *text)
{
	return memmem(in.p, in.len, text, strlen(text)) != NULL;
}

static const char *type_of(const char *ns)
{
	return strstr(ns, "resource-lists") ? TYPE_RESOURCE_LIST : TYPE_MCPTT_INFO;
}

/* Every row of the table, in a document made from the row itself. */
static void every_row_of_the_table_is_encrypted_and_comes_back(void **state)
{
	(void)state;
	for (unsigned i = 0; sensitive_row(i); i++) {
		const struct sensitive *r = sensitive_row(i);
		char body[1024];
		if (r->how == SENSITIVE_ATTRIBUTE)
			snprintf(body, sizeof body, DECL "<root xmlns=\"%s\"><%s %s=\"sip:hidden@x.org\"/></root>",
				 r->ns, r->element, r->attribute);
		else if (r->how == SENSITIVE_TEXT)
			snprintf(body, sizeof body, DECL "<root xmlns=\"%s\"><%s>sip:hidden@x.org</%s></root>", r->ns,
				 r->element, r->element);
		else
			snprintf(body, sizeof body,
				 DECL "<root xmlns=\"%s\"><%s type=\"Normal\"><v>sip:hidden@x.org</v></%s></root>",
				 r->ns, r->element, r->element);
		struct lab *l = with_body(type_of(r->ns), body);
		lab_protect(l);
		assert_false(occurs(l->parts[0].body, "hidden"));
		assert_int_equal(occurs(l->parts[0].body, "mc1-encrypted.3gppnetwork.org"),
				 r->how != SENSITIVE_CONTENT);
		lab_send(l);
		assert_int_equal(lab_open(l), XML_PASSED);
		assert_int_equal(l->opened.seen.n, 1);
		assert_true(occurs(l->m.parts[0].body, "sip:hidden@x.org"));
		lab_free(l);
	}
}

static void what_is_not_of_content_type_stays_in_clear(void **state)
{
	(void)state;
	struct mcptt_info *info = calloc(1, sizeof *info);
	uint8_t text[4096];
	strcpy(info->session_type, "private");
	strcpy(info->mc_org, "fire brigade");
	info->client_id.form = MCPTT_PLAIN;
	strcpy(info->client_id.value, "urn:uuid:1");
	struct writer w = wr_init(text, sizeof text - 1);
	assert_int_equal(mcptt_info_write(&w, info), MCSEC_OK);
	*w.at = 0;
	struct lab *l = with_body(TYPE_MCPTT_INFO, (char *)text);
	lab_protect(l);
	assert_true(occurs(l->parts[0].body, "<session-type>private</session-type>"));
	assert_true(occurs(l->parts[0].body, "<mc-org>fire brigade</mc-org>"));
	assert_false(occurs(l->parts[0].body, "urn:uuid:1"));
	lab_send(l);
	assert_int_equal(lab_open(l), XML_PASSED);
	assert_int_equal(mcptt_info_read(l->m.parts[0].body, info, NULL), MCSEC_OK);
	assert_string_equal(info->client_id.value, "urn:uuid:1");
	assert_string_equal(info->session_type, "private");
	free(info);
	lab_free(l);
}

static void a_list_of_targets_comes_back_entry_by_entry(void **state)
{
	(void)state;
	const char *uris[] = {"sip:bob@x.org", "sip:carol;x=1&2@x.org", "tel:+491"};
	uint8_t text[2048];
	struct writer w = wr_init(text, sizeof text - 1);
	assert_int_equal(resource_lists_write(&w, uris, 3), MCSEC_OK);
	*w.at = 0;
	struct lab *l = with_body(TYPE_RESOURCE_LIST, (char *)text);
	lab_protect(l);
	assert_false(occurs(l->parts[0].body, "bob"));
	lab_send(l);
	assert_int_equal(lab_open(l), XML_PASSED);
	struct resource_lists *lists = calloc(1, sizeof *lists);
	assert_int_equal(resource_lists_read(l->m.parts[0].body, lists, NULL), MCSEC_OK);
	assert_int_equal(lists->n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(lists->uri[i], uris[i]);
	free(lists);
	lab_free(l);
}

/* The plaintexts that xml-protection 4 says we accept. */
static void plaintexts_of_other_makers_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *root, *plain;
	} cases[] = {
	    {"<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">", "<mcpttString>client-9</mcpttString>"},
	    {"<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">",
	     "<mcpttString xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">client-9</mcpttString>"},
	    {"<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\" xmlns:q=\"urn:3gpp:ns:mcpttInfo:1.0\">",
	     "<q:mcpttString>client-9</q:mcpttString>"},
	    {"<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">", "client-9"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct lab *l = lab_new();
		uint8_t iv[XML_IV_LEN] = {7};
		uint8_t text[2048];
		struct writer w = wr_init(text, sizeof text);
		wr_text(&w, DECL);
		wr_text(&w, cases[i].root);
		wr_text(&w, "<mcptt-Params><mcptt-client-id type=\"Encrypted\">");
		assert_int_equal(element_encrypt(&w, &l->key, iv, octets_of(cases[i].plain)), MCSEC_OK);
		wr_text(&w, "</mcptt-client-id></mcptt-Params></mcpttinfo>");
		l->parts[0].body = wr_result(&w);
		l->n = 1;
		l->policy.confidentiality = 0;
		lab_protect(l); /* signs it */
		lab_send(l);
		assert_int_equal(lab_open(l), XML_PASSED);
		struct mcptt_info *info = calloc(1, sizeof *info);
		assert_int_equal(mcptt_info_read(l->m.parts[0].body, info, NULL), MCSEC_OK);
		assert_int_equal(info->client_id.form, MCPTT_PLAIN);
		assert_string_equal(info->client_id.value, "client-9");
		free(info);
		lab_free(l);
	}
}

static void a_previous_key_still_opens_and_is_named(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	lab_protect(l);
	lab_send(l);
	l->list[0] = &l->other;
	l->list[1] = &l->key;
	l->keys.n = 2;
	assert_int_equal(lab_open(l), XML_PASSED);
	assert_int_equal(l->opened.key_id, CSK_ID);
	lab_free(l);
}

static void parts_without_content_id_get_one(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	l->parts[0].id = l->parts[1].id = NULL;
	lab_protect(l);
	assert_string_equal(l->parts[0].id, "c0c1c2c3c4c5c6c7c8c9@mc.example.org");
	assert_string_equal(l->parts[1].id, "cacbd0d1d2d3d4d5d6d7@mc.example.org");
	lab_send(l);
	assert_int_equal(lab_open(l), XML_PASSED);
	lab_free(l);
}

static void sdp_and_mikey_are_not_signed_but_the_binary_parts_of_an_sds_are(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	l->parts[2] = (struct body_out){TYPE_MIKEY, "k@x", octets_of("mikey"), 0};
	l->parts[3] = (struct body_out){TYPE_SDP, "s@x", octets_of("v=0"), 0};
	l->n = 4;
	lab_protect(l);
	assert_int_equal(l->n, 5);
	assert_false(occurs(l->parts[4].body, "cid:k@x"));
	assert_false(occurs(l->parts[4].body, "cid:s@x"));
	lab_free(l);
	l = lab_new();
	l->parts[2] = (struct body_out){TYPE_MIKEY, "k@x", octets_of("mikey"), 0};
	l->parts[3] = (struct body_out){"application/vnd.3gpp.mcdata-signalling", "d@x", octets_of("\1\2"), 0};
	l->n = 4;
	lab_protect(l);
	assert_true(occurs(l->parts[4].body, "cid:k@x"));
	assert_true(occurs(l->parts[4].body, "cid:d@x"));
	lab_send(l);
	assert_int_equal(lab_open(l), XML_PASSED);
	lab_send(l);
	l->m.parts[3].body = octets_of("\1\3");
	assert_int_equal(lab_open(l), XML_BAD_INTEGRITY);
	lab_free(l);
}

static void with_protection_off_bodies_pass_as_they_are_and_clear_values_are_counted(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	l->policy = (struct xml_policy){0};
	lab_protect(l);
	assert_int_equal(l->n, 2);
	lab_send(l);
	assert_int_equal(lab_open(l), XML_PASSED);
	assert_false(l->opened.protected);
	assert_int_equal(l->opened.seen.clear_sensitive, 2);
	assert_text(l->m.parts[0].body, INFO_CLEAR);
	lab_free(l);
}

static void a_request_sent_again_is_a_replay_and_a_fresh_one_is_not(void **state)
{
	(void)state;
	struct xml_replay *set = xml_replay_new();
	struct xml_seen seen = {.n = 2};
	assert_non_null(set);
	seen.iv[1][0] = 1;
	assert_false(xml_replay_check(set, &seen));
	assert_true(xml_replay_check(set, &seen));
	seen.n = 3; /* one item more that is new */
	seen.iv[2][0] = 2;
	assert_false(xml_replay_check(set, &seen));
	assert_true(xml_replay_check(set, &seen));
	seen.n = 0; /* nothing encrypted: no statement */
	assert_false(xml_replay_check(set, &seen));
	xml_replay_free(set);
}

static void the_set_of_ivs_is_bounded_and_says_when_it_is_worn(void **state)
{
	(void)state;
	struct xml_replay *set = xml_replay_new();
	struct xml_seen seen = {.n = 1};
	for (uint32_t i = 0; i < 3 * XML_REPLAY_MAX; i++) {
		memcpy(seen.iv[0], &i, sizeof i);
		memset(seen.iv[0] + 4, 0x5a, 4);
		assert_false(xml_replay_check(set, &seen));
		assert_true(xml_replay_check(set, &seen)); /* the newest is always known */
		if (i < XML_REPLAY_MAX / 2 - 1)
			assert_false(xml_replay_worn(set));
	}
	assert_true(xml_replay_worn(set));
	uint32_t recent = 3 * XML_REPLAY_MAX - XML_REPLAY_MAX / 2;
	memcpy(seen.iv[0], &recent, sizeof recent);
	assert_true(xml_replay_check(set, &seen));
	uint32_t first = 0;
	memcpy(seen.iv[0], &first, sizeof first);
	assert_false(xml_replay_check(set, &seen)); /* forgotten */
	xml_replay_free(set);
}

static int contains(struct octets text, const char *what)
{
	return memmem(text.p, text.len, what, strlen(what)) != NULL;
}

static void mcx_sec_199_keys_of_32_octets_protect_with_aes_256(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	uint8_t csk[16] = {7};
	assert_int_equal(xml_key_derive_long(&l->key, csk, CSK_ID, ALICE, 32), MCSEC_OK);
	lab_protect(l);
	assert_true(contains(l->parts[0].body, "\"http://www.w3.org/2009/xmlenc11#aes256-gcm\""));
	assert_true(contains(l->parts[1].body, ";alg=256-aes-gcm@"));
	lab_send(l);
	assert_int_equal(lab_open(l), XML_PASSED);
	assert_true(contains(l->m.parts[0].body, "client-0001"));
	assert_true(contains(l->m.parts[1].body, "sip:bob@mc.example.org"));
	assert_int_equal(xml_key_derive_long(&l->key, csk, CSK_ID, ALICE, 24), MCSEC_E_ARGUMENT);
	lab_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row_of_the_table_is_encrypted_and_comes_back),
	    cmocka_unit_test(what_is_not_of_content_type_stays_in_clear),
	    cmocka_unit_test(a_list_of_targets_comes_back_entry_by_entry),
	    cmocka_unit_test(plaintexts_of_other_makers_are_read),
	    cmocka_unit_test(a_previous_key_still_opens_and_is_named),
	    cmocka_unit_test(parts_without_content_id_get_one),
	    cmocka_unit_test(sdp_and_mikey_are_not_signed_but_the_binary_parts_of_an_sds_are),
	    cmocka_unit_test(with_protection_off_bodies_pass_as_they_are_and_clear_values_are_counted),
	    cmocka_unit_test(a_request_sent_again_is_a_replay_and_a_fresh_one_is_not),
	    cmocka_unit_test(the_set_of_ivs_is_bounded_and_says_when_it_is_worn),
	    cmocka_unit_test(mcx_sec_199_keys_of_32_octets_protect_with_aes_256),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

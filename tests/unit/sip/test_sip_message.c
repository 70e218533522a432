/* SPDX-License-Identifier: Apache-2.0 */
/* Small questions about SIP headers: URIs, feature tags in all their spellings, Warning codes (sip 1, 10). */
#include "unit/test.h"

#include "net/sip_inner.h"

#define ICSI "urn:urn-7:3gpp-service.ims.icsi.mcptt"

static const char *uri(const char *value)
{
	static char out[64];
	return sip_uri_of(value, out, sizeof out) == MCSEC_OK ? out : NULL;
}

static void the_uri_is_found_in_every_form_of_a_name_addr(void **state)
{
	(void)state;
	assert_string_equal(uri("<sip:a@x.test>;tag=1"), "sip:a@x.test");
	assert_string_equal(uri("\"A <b> \\\" c\" <sip:a@x.test;user=phone>;q=1"), "sip:a@x.test;user=phone");
	assert_string_equal(uri("Alice <sip:a@x.test>"), "sip:a@x.test");
	assert_string_equal(uri("  sip:a@x.test;tag=1"), "sip:a@x.test");
	assert_null(uri("\"unbalanced <sip:a@x.test>"));
	assert_null(uri("<sip:a@x.test"));
	assert_null(uri("<>"));
	assert_null(uri("alice"));
	char small[8];
	assert_int_equal(sip_uri_of("<sip:alice@example.org>", small, sizeof small), MCSEC_E_NO_SPACE);
}

static void a_feature_tag_is_found_with_or_without_plus_encoded_or_not(void **state)
{
	(void)state;
	assert_true(sip_feature(";+g.3gpp.mcptt", "g.3gpp.mcptt", NULL));
	assert_true(sip_feature(";q=0.5;+G.3gpp.MCPTT;expires=600", "g.3gpp.mcptt", NULL));
	assert_false(sip_feature(";+g.3gpp.mcptt-x", "g.3gpp.mcptt", NULL));
	assert_false(sip_feature(";x=\"+g.3gpp.mcptt\"", "g.3gpp.mcptt", NULL));
	assert_true(
	    sip_feature(";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\"", "g.3gpp.icsi-ref", ICSI));
	assert_true(sip_feature(";+g.3gpp.icsi-ref=\"urn%3aurn-7%3a3gpp-service.ims.icsi.mcvideo, " ICSI "\"",
				"g.3gpp.icsi-ref", ICSI));
	assert_false(
	    sip_feature(";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcpttx\"", "g.3gpp.icsi-ref", ICSI));
	assert_false(
	    sip_feature(";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcpt\"", "g.3gpp.icsi-ref", ICSI));
	assert_false(sip_feature("", "g.3gpp.mcptt", NULL));
	assert_false(sip_feature(";+g.3gpp.icsi-ref=\"open", "g.3gpp.icsi-ref", ICSI));
	assert_true(sip_feature("*;+g.3gpp.mcptt;require;explicit", "g.3gpp.mcptt", NULL));
}

static void an_instance_is_a_urn_in_brackets_and_quotes_and_nothing_else(void **state)
{
	(void)state;
	char out[64];
	assert_int_equal(sip_instance(";q=1;+sip.instance=\"<urn:uuid:0aF-1>\";x", out, sizeof out), MCSEC_OK);
	assert_string_equal(out, "urn:uuid:0aF-1");
	static const char *const not_one[] = {"",
					      ";+sip.instance=\"urn:uuid:1\"",
					      ";+sip.instance=\"<mailto:a>\"",
					      ";+sip.instance=\"<urn:uuid:1;evil>\"",
					      ";+sip.instance=\"<urn:uuid:1>",
					      ";+sip.instance=\"<urn:uuid:1"};
	for (size_t i = 0; i < sizeof not_one / sizeof *not_one; i++)
		assert_int_equal(sip_instance(not_one[i], out, sizeof out), MCSEC_E_VALUE);
	char small[8];
	assert_int_equal(sip_instance(";+sip.instance=\"<urn:uuid:1>\"", small, sizeof small), MCSEC_E_NO_SPACE);
}

static void a_message_inside_another_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	static const char text[] = "REGISTER sip:x.test SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nFrom: <sip:a@x.test>;tag=1\r\n"
				   "To: <sip:a@x.test>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@h>\r\n"
				   "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\na\0bc";
	struct octets whole = {(const uint8_t *)text, sizeof text - 1};
	struct sip_inner *i = sip_inner_read(whole);
	assert_non_null(i);
	const struct sip_message *m = sip_inner_message(i);
	assert_string_equal(m->method, "REGISTER");
	assert_string_equal(m->to, "sip:a@x.test");
	assert_int_equal(m->n_contacts, 1);
	assert_int_equal(m->body.len, 4);
	assert_memory_equal(m->body.p, "a\0bc", 4);
	assert_int_equal(m->source.verified, 0);
	assert_string_equal(m->source.address, "");
	sip_inner_free(i);
	for (size_t n = 0; n < whole.len; n++) { /* cut anywhere it is none */
		uint8_t *cut = malloc(n + 1);
		memcpy(cut, text, n);
		i = sip_inner_read((struct octets){cut, n});
		if (i)
			fail_msg("read after %zu of %zu octets", n, whole.len);
		free(cut);
	}
	static const char *const none[] = {"", "\r\n\r\n", "junk", "REGISTER sip:x SIP/2.0\r\n\r\n",
					   "REGISTER sip:x.test SIP/3.0\r\nFrom: <sip:a@x>\r\nTo: <sip:a@x>\r\n"
					   "Call-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"};
	for (size_t k = 0; k < sizeof none / sizeof *none; k++)
		assert_null(sip_inner_read(octets_of(none[k])));
}

static void a_response_whose_status_is_none_does_not_read(void **state)
{
	(void)state;
	static const struct {
		const char *status;
		int reads;
	} rows[] = {{"200", 1}, {"100", 1}, {"699", 1}, {"-00", 0}, {"000", 0}, {"099", 0}, {"-99", 0}, {"700", 0}};
	for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
		char text[256];
		snprintf(
		    text, sizeof text,
		    "SIP/2.0 %s OK\r\nVia: SIP/2.0/TCP h\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: c\r\n"
		    "CSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n",
		    rows[k].status);
		struct sip_inner *i = sip_inner_read(octets_of(text));
		if (!i != !rows[k].reads)
			fail_msg("status %s", rows[k].status);
		sip_inner_free(i);
	}
}

static int warning(const char *v1, const char *v2)
{
	struct sip_message m = {.n_headers = v2 ? 2 : 1, .headers = {{"Warning", v1}, {"warning", v2}}};
	return sip_warning_code(&m);
}

static void the_mcx_code_is_read_from_inside_the_quotes_of_a_399(void **state)
{
	(void)state;
	assert_int_equal(warning("399 h \"136 authentication failed\"", NULL), 136);
	assert_int_equal(warning("301 h \"136 not ours\"", NULL), 0);
	assert_int_equal(warning("399 h \"1360 no\"", NULL), 0);
	assert_int_equal(warning("399 h \"none\"", NULL), 0);
	assert_int_equal(warning("301 h \"x\"", "399 h \"140 unable to decrypt XML content\""), 140);
}

static void uris_are_compared_as_uris(void **state)
{
	(void)state;
	assert_true(sip_uri_equal("sip:alice@A.test", "sip:alice@a.test"));
	assert_true(sip_uri_equal("sip:%61lice@a.test", "sip:alice@a.test"));
	assert_false(sip_uri_equal("sip:Alice@a.test", "sip:alice@a.test"));
	assert_false(sip_uri_equal("sip:alice@a.test", "sips:alice@a.test"));
	assert_false(sip_uri_equal("sip:alice@a.test", "sip:bob@a.test"));
	assert_false(sip_uri_equal("sip:alice@a.test", "sip:alice@a.test.evil"));
	assert_false(sip_uri_equal("sip:alice@a.test", "sip:alice%00@a.test"));
	assert_false(sip_uri_equal("", "sip:alice@a.test"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_instance_is_a_urn_in_brackets_and_quotes_and_nothing_else),
	    cmocka_unit_test(a_message_inside_another_is_read_whole_or_not_at_all),
	    cmocka_unit_test(a_response_whose_status_is_none_does_not_read),
	    cmocka_unit_test(the_uri_is_found_in_every_form_of_a_name_addr),
	    cmocka_unit_test(a_feature_tag_is_found_with_or_without_plus_encoded_or_not),
	    cmocka_unit_test(the_mcx_code_is_read_from_inside_the_quotes_of_a_399),
	    cmocka_unit_test(uris_are_compared_as_uris),
	};
	return cmocka_run_group_tests_name("sip_message", tests, NULL, NULL);
}

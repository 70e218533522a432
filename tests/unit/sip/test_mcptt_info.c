/* SPDX-License-Identifier: Apache-2.0 */
/* mcptt-info, resource-lists and the XML reading below them (sip.md 9.1, 9.2; RFC 4826). */
#include "unit/test.h"

#include <libxml/xmlschemas.h>

#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/poc_settings.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/doc/xml.h"

#define NS           "xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\""
#define INFO(params) "<mcpttinfo " NS "><mcptt-Params>" params "</mcptt-Params></mcpttinfo>"
#define LISTS(inner) "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">" inner "</resource-lists>"

#define SETTINGS(inner) "<poc-settings xmlns=\"urn:oma:params:xml:ns:poc:poc-settings\">" inner "</poc-settings>"
#define MODE(m)         SETTINGS("<entity id=\"e\"><am-settings><answer-mode>" m "</answer-mode></am-settings></entity>")

static struct mcptt_info info, back;
static struct resource_lists lists;
static uint8_t out[16384];

static void full_info(void)
{
	memset(&info, 0, sizeof info);
	info.access_token.form = MCPTT_PLAIN;
	strcpy(info.access_token.value, "eyJ.a<b>&\"c.sig");
	strcpy(info.session_type, "private");
	info.request_uri.form = info.calling_user_id.form = info.called_party_id.form = MCPTT_PLAIN;
	strcpy(info.request_uri.value, "sip:bob@x.mcx.test");
	strcpy(info.calling_user_id.value, "sip:alice@x.mcx.test");
	strcpy(info.called_party_id.value, "sip:b\xc3\xb6\x62@x.mcx.test");
	info.client_id.form = MCPTT_PLAIN;
	strcpy(info.client_id.value, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
	strcpy(info.mc_org, "fire");
	strcpy(info.release_reason, "authentication of the MIKEY-SAKE I_MESSAGE failed");
	strcpy(info.private_call_kms_uri, "kms.x.mcx.test");
}

static void what_is_written_reads_back_field_for_field(void **state)
{
	(void)state;
	full_info();
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(mcptt_info_write(&w, &info), MCSEC_OK);
	assert_int_equal(mcptt_info_read(wr_result(&w), &back, NULL), MCSEC_OK);
	assert_memory_equal(&back, &info, sizeof info);
}

static void the_documents_of_mcvideo_and_mcdata_read_back_and_are_none_of_each_others(void **state)
{
	(void)state;
	for (int s = 0; s < MCX_SERVICES; s++) {
		full_info();
		strcpy(info.request_type, s == MCX_MCDATA ? "one-to-one-sds" : "group-selection-change-request");
		struct writer w = wr_init(out, sizeof out);
		assert_int_equal(mcx_info_write(&w, (enum mcx_service)s, &info), MCSEC_OK);
		if (s == MCX_MCDATA) { /* has no such elements */
			memset(info.session_type, 0, sizeof info.session_type);
			memset(info.mc_org, 0, sizeof info.mc_org);
			memset(info.release_reason, 0, sizeof info.release_reason);
		}
		for (int as = 0; as < MCX_SERVICES; as++) {
			enum mcsec_err e = mcx_info_read((enum mcx_service)as, wr_result(&w), &back, NULL);
			assert_int_equal(e, as == s ? MCSEC_OK : MCSEC_E_MALFORMED);
			if (as == s)
				assert_memory_equal(&back, &info, sizeof info);
		}
	}
	/* What another service calls its own is unknown here, and so nothing. */
	assert_int_equal(
	    mcx_info_read(MCX_MCVIDEO,
			  octets_of("<mcvideoinfo xmlns=\"urn:3gpp:ns:mcvideoInfo:1.0\"><mcvideo-Params>"
				    "<mcptt-client-id><mcpttString>c</mcpttString></mcptt-client-id>"
				    "<mcvideo-client-id><mcvideoString>v</mcvideoString></mcvideo-client-id>"
				    "</mcvideo-Params></mcvideoinfo>"),
			  &back, NULL),
	    MCSEC_OK);
	assert_string_equal(back.client_id.value, "v");
	assert_int_equal(mcx_info_read(MCX_MCDATA,
				       octets_of("<mcdatainfo xmlns=\"urn:3gpp:ns:mcdataInfo:1.0\"><mcdata-Params>"
						 "<mcdata-client-id><mcpttString>c</mcpttString></mcdata-client-id>"
						 "</mcdata-Params></mcdatainfo>"),
				       &back, NULL),
			 MCSEC_E_VALUE);
}

static void fields_may_come_in_any_order_with_unknown_ones_between(void **state)
{
	(void)state;
	assert_int_equal(
	    mcptt_info_read(octets_of("<?xml version=\"1.0\"?><m:mcpttinfo xmlns:m=\"urn:3gpp:ns:mcpttInfo:1.0\">"
				      "<m:mcptt-Params><m:mcptt-client-id><m:mcpttString> c1 </m:mcpttString>"
				      "</m:mcptt-client-id><x/><m:session-type>private<!-- c --></m:session-type>"
				      "</m:mcptt-Params></m:mcpttinfo>"),
			    &back, NULL),
	    MCSEC_OK);
	assert_string_equal(back.client_id.value, "c1");
	assert_string_equal(back.session_type, "private");
	assert_int_equal(back.access_token.form, MCPTT_ABSENT);
}

static void an_encrypted_field_is_reported_as_such_without_a_value(void **state)
{
	(void)state;
	assert_int_equal(
	    mcptt_info_read(octets_of(INFO("<mcptt-access-token type=\"Encrypted\"><EncryptedData "
					   "xmlns=\"http://www.w3.org/2001/04/xmlenc#\"/></mcptt-access-token>")),
			    &back, NULL),
	    MCSEC_OK);
	assert_int_equal(back.access_token.form, MCPTT_ENCRYPTED);
	assert_string_equal(back.access_token.value, "");
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(mcptt_info_write(&w, &back), MCSEC_E_UNSUPPORTED);
}

static void doubled_and_empty_fields_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    INFO("<session-type>a</session-type><session-type>b</session-type>"),
	    INFO("<mcptt-request-uri/>"),
	    INFO("<mcptt-request-uri>sip:a</mcptt-request-uri>"),
	    INFO("<mcptt-request-uri><mcpttURI>a</mcpttURI><mcpttURI>b</mcpttURI></mcptt-request-uri>"),
	    INFO("<session-type><b/></session-type>"),
	    INFO("<anyExt/><anyExt/>"),
	    "<mcpttinfo " NS "><mcptt-Params/><mcptt-Params/></mcpttinfo>",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (mcptt_info_read(octets_of(texts[i]), &back, NULL) != MCSEC_E_VALUE)
			fail_msg("accepted: %s", texts[i]);
}

static void documents_that_are_none_of_ours_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "x",
	    "<mcpttinfo/>",
	    "<mcptt-info " NS "/>",
	    "<mcpttinfo " NS ">",
	    "<mcpttinfo xmlns=\"urn:other\"/>",
	    "<!DOCTYPE mcpttinfo><mcpttinfo " NS "/>",
	    "<!DOCTYPE a [<!ENTITY e \"x\">]><mcpttinfo " NS "><mcptt-Params><session-type>&e;</session-type>"
	    "</mcptt-Params></mcpttinfo>",
	    "<mcpttinfo " NS ">&undefined;</mcpttinfo>",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (mcptt_info_read(octets_of(texts[i]), &back, NULL) != MCSEC_E_MALFORMED)
			fail_msg("accepted: %s", texts[i]);
	assert_int_equal(mcptt_info_read((struct octets){out, 0}, &back, NULL), MCSEC_E_LENGTH);
}

static void a_doctype_hidden_by_its_encoding_is_refused_too(void **state)
{
	(void)state;
	const char *text = "<!DOCTYPE mcpttinfo><mcpttinfo " NS "/>";
	size_t n = 2;
	out[0] = 0xff;
	out[1] = 0xfe;
	for (const char *c = text; *c; c++) { /* UTF-16, little endian */
		out[n++] = (uint8_t)*c;
		out[n++] = 0;
	}
	assert_int_equal(mcptt_info_read((struct octets){out, n}, &back, NULL), MCSEC_E_MALFORMED);
}

static void values_too_long_for_their_field_are_refused_not_cut(void **state)
{
	(void)state;
	static char text[MCPTT_INFO_MAX + 2], uri[MCPTT_URI_MAX + 1];
	memset(uri, 'a', MCPTT_URI_MAX);
	snprintf(text, sizeof text, INFO("<mcptt-request-uri><mcpttURI>%s</mcpttURI></mcptt-request-uri>"), uri);
	assert_int_equal(mcptt_info_read(octets_of(text), &back, NULL), MCSEC_E_LENGTH);
	uri[MCPTT_URI_MAX - 1] = 0;
	snprintf(text, sizeof text, INFO("<mcptt-request-uri><mcpttURI>%s</mcpttURI></mcptt-request-uri>"), uri);
	assert_int_equal(mcptt_info_read(octets_of(text), &back, NULL), MCSEC_OK);
	memset(text, ' ', sizeof text - 1);
	assert_int_equal(mcptt_info_read(octets_of(text), &back, NULL), MCSEC_E_LENGTH);
}

static void control_characters_and_bad_utf8_are_never_written(void **state)
{
	(void)state;
	static const char *const bad[] = {"a\nb", "a\x01", "a\xff", "a\xc0\x80", "a\xef\xbf\xbe", "\xef\xbf\xbf"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct writer w = wr_init(out, sizeof out);
		assert_int_equal(resource_lists_write(&w, &bad[i], 1), MCSEC_E_VALUE);
	}
}

static void a_target_list_reads_back(void **state)
{
	(void)state;
	const char *const uris[] = {"sip:bob@x.mcx.test", "sip:\"<&>@x"};
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(resource_lists_write(&w, uris, 2), MCSEC_OK);
	assert_int_equal(resource_lists_read(wr_result(&w), &lists, NULL), MCSEC_OK);
	assert_int_equal(lists.n, 2);
	assert_string_equal(lists.uri[0], uris[0]);
	assert_string_equal(lists.uri[1], uris[1]);
}

static void entries_count_wherever_they_stand_and_references_count_without_a_uri(void **state)
{
	(void)state;
	assert_int_equal(
	    resource_lists_read(octets_of(LISTS("<list><entry uri=\"a\"/><list><entry uri=\"b\"/></list></list>"
						"<list><entry-ref ref=\"x\"/><external/></list>")),
				&lists, NULL),
	    MCSEC_OK);
	assert_int_equal(lists.n, 4);
	assert_string_equal(lists.uri[1], "b");
	assert_string_equal(lists.uri[2], "");
	assert_int_equal(resource_lists_read(octets_of(LISTS("")), &lists, NULL), MCSEC_OK);
	assert_int_equal(lists.n, 0);
}

static void target_lists_without_uri_or_too_long_are_refused(void **state)
{
	(void)state;
	static char text[16384];
	assert_int_equal(resource_lists_read(octets_of(LISTS("<list><entry/></list>")), &lists, NULL), MCSEC_E_VALUE);
	assert_int_equal(resource_lists_read(octets_of(LISTS("<list><entry uri=\"\"/></list>")), &lists, NULL),
			 MCSEC_E_VALUE);
	assert_int_equal(resource_lists_read(octets_of("<list/>"), &lists, NULL), MCSEC_E_MALFORMED);
	size_t n = (size_t)sprintf(text, "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>");
	for (int i = 0; i < RESOURCE_LISTS_MAX_ENTRIES + 1; i++)
		n += (size_t)sprintf(text + n, "<entry uri=\"u%d\"/>", i);
	sprintf(text + n, "</list></resource-lists>");
	assert_int_equal(resource_lists_read(octets_of(text), &lists, NULL), MCSEC_E_LENGTH);
}

static void an_answer_mode_reads_back_and_another_one_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum mcsec_err e;
		enum poc_answer mode;
	} t[] = {
	    {MODE(" manual "), MCSEC_OK, POC_ANSWER_MANUAL},
	    {MODE("automatic"), MCSEC_OK, POC_ANSWER_AUTOMATIC},
	    {SETTINGS(""), MCSEC_OK, POC_ANSWER_NONE},
	    {SETTINGS("<entity><am-settings/></entity>"), MCSEC_OK, POC_ANSWER_NONE},
	    {MODE("never"), MCSEC_E_VALUE, POC_ANSWER_NONE},
	    {MODE(""), MCSEC_E_VALUE, POC_ANSWER_NONE},
	    {MODE("automatic, if it may be"), MCSEC_E_VALUE, POC_ANSWER_NONE},
	    {SETTINGS("<entity/><entity/>"), MCSEC_E_VALUE, POC_ANSWER_NONE},
	    {"<poc-settings/>", MCSEC_E_MALFORMED, POC_ANSWER_NONE},
	    {"", MCSEC_E_LENGTH, POC_ANSWER_NONE},
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		enum poc_answer mode = POC_ANSWER_MANUAL;
		if (poc_settings_read(octets_of(t[i].text), &mode, NULL) != t[i].e || mode != t[i].mode)
			fail_msg("not so: %s", t[i].text);
	}
	enum poc_answer mode;
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(poc_settings_write(&w, "sip:\"<&>@x", POC_ANSWER_MANUAL), MCSEC_OK);
	assert_int_equal(poc_settings_read(wr_result(&w), &mode, NULL), MCSEC_OK);
	assert_int_equal(mode, POC_ANSWER_MANUAL);
}

static enum mcsec_err any_read(struct octets text, size_t *at)
{
	enum poc_answer mode;
	if (memmem(text.p, text.len, "mcpttinfo", 9))
		return mcptt_info_read(text, &back, at);
	return memmem(text.p, text.len, "poc-", 4) ? poc_settings_read(text, &mode, at)
						   : resource_lists_read(text, &lists, at);
}

/* Each document with the letters at which it goes wrong, the last ones of their kind in it. */
static void what_is_refused_is_named_by_its_offset(void **state)
{
	(void)state;
	static const struct {
		const char *text, *where;
	} t[] = {
	    {INFO("<session-type>a</session-type><session-type>b</session-type>"), "<mcptt-Params"},
	    {INFO("<mc-org>\xc3\xb6</mc-org><mcptt-request-uri/>"), "<mcptt-request-uri/"},
	    {INFO("<mcptt-calling-user-id><mcpttURI>a<b/></mcpttURI></mcptt-calling-user-id>"), "<mcpttURI>"},
	    {INFO("<mcptt-request-uri><mcpttURI>a</mcpttURI><mcpttURI>b</mcpttURI></mcptt-request-uri>"),
	     "<mcptt-request-uri>"},
	    {INFO("<!-- <session-type> --><?x <session-type> ?><mc-org>a<![CDATA[<session-type>]]></mc-org>"
		  "<session-type><b/></session-type>"),
	     "<session-type><b/>"},
	    {INFO("<anyExt/><x/><anyExt/>"), "<mcptt-Params"},
	    {INFO("<anyExt><request-type><b/></request-type></anyExt>"), "<request-type"},
	    {INFO("<anyExt><PrivateCallKMSURI><PrivateCallKMSURI/><PrivateCallKMSURI/></PrivateCallKMSURI></anyExt>"),
	     "<PrivateCallKMSURI><"},
	    {INFO("<anyExt><PrivateCallKMSURI><PrivateCallKMSURI><uri-entry><b/></uri-entry></PrivateCallKMSURI>"
		  "</PrivateCallKMSURI></anyExt>"),
	     "<uri-entry"},
	    {"<?xml version=\"1.0\"?><!-- < --><mcpttinfo " NS "><mcptt-Params/><mcptt-Params/></mcpttinfo>",
	     "<mcpttinfo"},
	    {" <!DOCTYPE mcpttinfo><mcpttinfo " NS "/>", "<!DOCTYPE"},
	    {"<!-- a --><mcpttinfo xmlns=\"urn:other\"/>", "<mcpttinfo"},
	    {"<mcpttinfo " NS "><a></b></mcpttinfo>", "</mcpttinfo"},
	    {LISTS("<list><entry uri=\"a\"/><list><entry/></list></list>"), "<entry/>"},
	    {LISTS("<list><entry uri=\"a\"/><entry uri=\"\"/></list>"), "<entry uri=\"\""},
	    {"<?x?><list/>", "<list/>"},
	    {SETTINGS("<entity><am-settings/><am-settings/></entity>"), "<entity"},
	    {MODE("never"), "<answer-mode"},
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		size_t at = 12345;
		const char *where = strstr(t[i].text, t[i].where);
		assert_int_not_equal(any_read(octets_of(t[i].text), &at), MCSEC_OK);
		if (!where || at != (size_t)(where - t[i].text))
			fail_msg("%s: %zu", t[i].text, at);
	}
	size_t at = 12345;
	assert_int_equal(mcptt_info_read((struct octets){out, 0}, &back, &at), MCSEC_E_LENGTH);
	assert_int_equal(at, 0);
	/* In letters of two octets the tags cannot be seen. */
	static const char wide[] = "\xff\xfe<\0a\0/\0>";
	assert_int_equal(mcptt_info_read((struct octets){(const uint8_t *)wide, sizeof wide}, &back, &at),
			 MCSEC_E_MALFORMED);
	assert_int_equal(at, 0);
}

static int valid(const char *schema, struct octets xml)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", getenv("MCX_SCHEMAS"), schema);
	xmlSchemaParserCtxt *parser = xmlSchemaNewParserCtxt(path);
	xmlSchema *s = xmlSchemaParse(parser);
	assert_non_null(s);
	xmlDoc *doc = xmlReadMemory((const char *)xml.p, (int)xml.len, NULL, NULL, XML_PARSE_NONET);
	xmlSchemaValidCtxt *ctx = xmlSchemaNewValidCtxt(s);
	int rc = xmlSchemaValidateDoc(ctx, doc);
	xmlSchemaFreeValidCtxt(ctx);
	xmlFreeDoc(doc);
	xmlSchemaFree(s);
	xmlSchemaFreeParserCtxt(parser);
	return rc == 0;
}

static void what_is_written_validates_against_the_published_schemas(void **state)
{
	(void)state;
	if (!getenv("MCX_SCHEMAS")) {
		printf("# SKIP the published schemas are not here: MCX_SCHEMAS is not set\n"); /* skip() counts as a
												  failure */
		return;
	}
	full_info();
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(mcptt_info_write(&w, &info), MCSEC_OK);
	assert_true(valid("mcpttinfo-24379-id0.xsd", wr_result(&w)));
	w = wr_init(out, sizeof out);
	info.private_call_kms_uri[0] = 0;
	assert_int_equal(mcx_info_write(&w, MCX_MCVIDEO, &info), MCSEC_OK);
	assert_true(valid("mcvideoinfo.xsd", wr_result(&w)));
	const char *uri = "sip:bob@x.mcx.test";
	w = wr_init(out, sizeof out);
	assert_int_equal(resource_lists_write(&w, &uri, 1), MCSEC_OK);
	assert_true(valid("resource-lists.xsd", wr_result(&w)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_reads_back_field_for_field),
	    cmocka_unit_test(the_documents_of_mcvideo_and_mcdata_read_back_and_are_none_of_each_others),
	    cmocka_unit_test(fields_may_come_in_any_order_with_unknown_ones_between),
	    cmocka_unit_test(an_encrypted_field_is_reported_as_such_without_a_value),
	    cmocka_unit_test(doubled_and_empty_fields_are_refused),
	    cmocka_unit_test(documents_that_are_none_of_ours_are_refused),
	    cmocka_unit_test(a_doctype_hidden_by_its_encoding_is_refused_too),
	    cmocka_unit_test(values_too_long_for_their_field_are_refused_not_cut),
	    cmocka_unit_test(control_characters_and_bad_utf8_are_never_written),
	    cmocka_unit_test(a_target_list_reads_back),
	    cmocka_unit_test(entries_count_wherever_they_stand_and_references_count_without_a_uri),
	    cmocka_unit_test(target_lists_without_uri_or_too_long_are_refused),
	    cmocka_unit_test(an_answer_mode_reads_back_and_another_one_is_refused),
	    cmocka_unit_test(what_is_refused_is_named_by_its_offset),
	    cmocka_unit_test(what_is_written_validates_against_the_published_schemas),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	xmlCleanupParser();
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which SIP MESSAGE this is (TS 24.379 6.2.0.1; sip.md 3): each row of the table by a message of its own, alone and as
 * one part of several; and what is of no kind, with its exact answer.
 */
#include "unit/test.h"

#include "mcx/flow/message_kind.h"

#define INFO_TYPE  "application/vnd.3gpp.mcptt-info+xml"
#define PLACE_TYPE "application/vnd.3gpp.mcptt-location-info+xml"
#define USAGE_TYPE "application/vnd.3gpp.mcptt-mbms-usage-info+xml"
#define GROUP_TYPE "application/vnd.3gpp.mcptt-regroup+xml"
#define ICSI       "urn:urn-7:3gpp-service.ims.icsi."
#define NS         "xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\""
#define EXT(x)     "<mcpttinfo " NS "><mcptt-Params><anyExt>" x "</anyExt></mcptt-Params></mcpttinfo>"
#define ASK(v)     EXT("<request-type>" v "</request-type>")
#define TELL(v)    EXT("<response-type>" v "</response-type>")
#define PLACE(x)   "<location-info xmlns=\"urn:3gpp:ns:mcpttLocationInfo:1.0\">" x "</location-info>"
#define MIKEY(tag) "\x01\x1a\x0e\x00" tag "\x34\x56\x78\x00"

struct message {
	const char *name;
	enum mcx_service service;
	const char *icsi, *type, *body;
	size_t len; /* 0: of the text */
	enum message_kind kind;
	int status;
};

static struct message_class classify(const struct message *m, int among_others)
{
	static const char other[] = "<resource-lists/>";
	static uint8_t text[8192], scratch[8192];
	static struct multipart parts;
	size_t len = m->len ? m->len : strlen(m->body);
	struct octets body = {(const uint8_t *)m->body, len};
	const char *type = m->type;
	struct writer w = wr_init(text, sizeof text);
	if (among_others) {
		const struct body_out out[] = {{"application/resource-lists+xml", NULL, octets_of(other), 0},
					       {m->type, NULL, body, 0}};
		assert_int_equal(multipart_write(&w, "b0undary", out, 2), MCSEC_OK);
		body = wr_result(&w);
		type = "multipart/mixed;boundary=b0undary";
	}
	assert_int_equal(multipart_read(type, body, scratch, sizeof scratch, &parts, NULL), MCSEC_OK);
	return message_classify(m->service, m->icsi, &parts);
}

static void is_what_the_table_says(void **state)
{
	const struct message *m = *state;
	for (int among_others = 0; among_others < 2; among_others++) {
		struct message_class c = classify(m, among_others);
		assert_int_equal(c.kind, m->kind);
		assert_int_equal(c.status, m->status);
	}
}

#define PTT(n, t, b, k)                                                                                                \
	{                                                                                                              \
		n, MCX_MCPTT, ICSI "mcptt", t, b, 0, k, 0                                                              \
	}
#define KEY(n, s, i, tag, k)                                                                                           \
	{                                                                                                              \
		n, s, i, TYPE_MIKEY, MIKEY(tag), 9, k, 0                                                               \
	}
#define NOT(n, s, i, t, b, st)                                                                                         \
	{                                                                                                              \
		n, s, i, t, b, 0, MESSAGE_NONE, st                                                                     \
	}

static const struct message messages[] = {
    /* the list of 6.2.0.1, in its order */
    PTT("row_1_location_with_configuration_is_a_location_report_configuration", PLACE_TYPE,
	PLACE("<Configuration ConfigScope=\"Full\"/>"), MESSAGE_LOCATION_CONFIGURATION),
    PTT("row_2_location_with_request_is_a_location_report_request", PLACE_TYPE, PLACE("<Request RequestId=\"1\"/>"),
	MESSAGE_LOCATION_REQUEST),
    PTT("row_1_the_root_by_the_name_the_clause_gives_it_is_read_too", PLACE_TYPE,
	"<Location><Configuration/></Location>", MESSAGE_LOCATION_CONFIGURATION),
    PTT("row_3_a_call_back_request", INFO_TYPE, ASK("private-call-call-back-request"), MESSAGE_CALL_BACK),
    PTT("row_4_a_call_back_cancel_request", INFO_TYPE, ASK("private-call-call-back-cancel-request"),
	MESSAGE_CALL_BACK_CANCEL),
    PTT("row_5_a_call_back_response", INFO_TYPE, TELL("private-call-call-back-response"), MESSAGE_CALL_BACK_ANSWER),
    PTT("row_6_a_call_back_cancel_response", INFO_TYPE, TELL("private-call-call-back-cancel-response"),
	MESSAGE_CALL_BACK_CANCEL_ANSWER),
    KEY("row_7_a_csb_id_with_tag_2_is_a_csk_download", MCX_MCPTT, ICSI "mcptt", "\x22", MESSAGE_CSK_DOWNLOAD),
    KEY("row_7_of_mcvideo", MCX_MCVIDEO, ICSI "mcvideo", "\x22", MESSAGE_CSK_DOWNLOAD),
    KEY("mcx_sec_185_row_7_of_mcdata_by_its_generic_icsi", MCX_MCDATA, ICSI "mcdata", "\x22", MESSAGE_CSK_DOWNLOAD),
    KEY("mcx_sec_185_row_7_of_mcdata_by_the_icsi_of_sds", MCX_MCDATA, ICSI "mcdata.sds", "\x22", MESSAGE_CSK_DOWNLOAD),
    PTT("row_7_in_base64_that_no_label_tells", TYPE_MIKEY, "ARoOACI0VngAAAAA", MESSAGE_CSK_DOWNLOAD),
    /* later kinds */
    KEY("row_8_tag_6_is_a_musik_download", MCX_MCPTT, ICSI "mcptt", "\x62", MESSAGE_MUSIK_DOWNLOAD),
    KEY("row_8a_tag_0_is_a_group_key", MCX_MCPTT, ICSI "mcptt", "\x02", MESSAGE_GROUP_KEY),
    KEY("row_8a_tag_4_is_a_group_key", MCX_MCPTT, ICSI "mcptt", "\x42", MESSAGE_GROUP_KEY),
    PTT("row_8b_a_kms_redirect_response", TYPE_KRR, "<KmsRedirectResponse/>", MESSAGE_KMS_REDIRECT),
    PTT("row_9_a_group_selection_change_request", INFO_TYPE, ASK("group-selection-change-request"),
	MESSAGE_GROUP_SELECTION),
    PTT("row_9_a_group_selection_change_response", INFO_TYPE, TELL("group-selection-change-response"),
	MESSAGE_GROUP_SELECTION_ANSWER),
    PTT("row_10_a_remotely_initiated_group_call_request", INFO_TYPE, ASK("remotely-initiated-group-call-request"),
	MESSAGE_REMOTE_GROUP_CALL),
    PTT("row_10_a_remotely_initiated_group_call_response", INFO_TYPE, TELL("remotely-initiated-group-call-response"),
	MESSAGE_REMOTE_GROUP_CALL_ANSWER),
    PTT("row_10_a_remotely_initiated_private_call_request", INFO_TYPE, ASK("remotely-initiated-private-call-request"),
	MESSAGE_REMOTE_PRIVATE_CALL),
    PTT("row_10_a_remotely_initiated_private_call_response", INFO_TYPE,
	TELL("remotely-initiated-private-call-response"), MESSAGE_REMOTE_PRIVATE_CALL_ANSWER),
    PTT("row_11_a_transfer_request", INFO_TYPE, ASK("transfer-private-call-request"), MESSAGE_TRANSFER),
    PTT("row_11_a_transfer_response", INFO_TYPE, TELL("transfer-private-call-response"), MESSAGE_TRANSFER_ANSWER),
    PTT("row_11_a_forward_request", INFO_TYPE, ASK("forward-private-call-request"), MESSAGE_FORWARD),
    PTT("row_11_a_forward_response", INFO_TYPE, TELL("forward-private-call-response"), MESSAGE_FORWARD_ANSWER),
    PTT("row_11_a_forward_settings_request", INFO_TYPE, ASK("forward-private-call-settings-request"),
	MESSAGE_FORWARD_SETTINGS),
    PTT("row_11_a_forward_settings_response", INFO_TYPE, ASK("forward-private-call-settings-response"),
	MESSAGE_FORWARD_SETTINGS_ANSWER),
    PTT("row_11_an_alias_status_determination", INFO_TYPE, ASK("functional-alias-status-determination"),
	MESSAGE_ALIAS_STATUS),
    PTT("row_11_an_alias_group_binding", INFO_TYPE, ASK("fa-group-binding-req"), MESSAGE_ALIAS_BINDING),
    PTT("row_11_a_value_in_the_later_element_with_content", INFO_TYPE,
	EXT("<req-type type=\"Normal\"><mcpttString>fa-group-binding-req</mcpttString></req-type>"),
	MESSAGE_ALIAS_BINDING),
    PTT("row_11_a_value_in_the_roots_own_any_ext", INFO_TYPE,
	"<mcpttinfo " NS
	"><mcptt-Params/><anyExt><request-type>fa-group-binding-req</request-type></anyExt></mcpttinfo>",
	MESSAGE_ALIAS_BINDING),
    PTT("row_12_an_mbms_bearer_announcement", USAGE_TYPE,
	"<mcptt-mbms-usage-info xmlns=\"urn:3gpp:ns:mcpttMbmsUsage:1.0\"><announcement/></mcptt-mbms-usage-info>",
	MESSAGE_MBMS_ANNOUNCEMENT),
    PTT("row_13_an_emergency_alert", INFO_TYPE,
	"<mcpttinfo " NS "><mcptt-Params><alert-ind type=\"Normal\"><mcpttBoolean>true</mcpttBoolean></alert-ind>"
	"</mcptt-Params></mcpttinfo>",
	MESSAGE_ALERT),
    PTT("row_14_a_regroup_notification", GROUP_TYPE, "<mcpttregroup/>", MESSAGE_REGROUP),
    {"an_sds_is_recognised_first", MCX_MCDATA, ICSI "mcdata.sds", "application/vnd.3gpp.mcdata-signalling", "x", 0,
     MESSAGE_SDS, 0},
    /* row 15: of no kind */
    NOT("no_known_type_is_415", MCX_MCPTT, ICSI "mcptt", "text/plain", "hello", 415),
    NOT("an_info_without_any_kind_is_403", MCX_MCPTT, ICSI "mcptt", INFO_TYPE, EXT("<urgency-ind>low</urgency-ind>"),
	403),
    NOT("an_unknown_request_type_is_403", MCX_MCPTT, ICSI "mcptt", INFO_TYPE, ASK("private-call-call-back"), 403),
    NOT("a_request_type_in_the_place_of_a_response_type_is_403", MCX_MCPTT, ICSI "mcptt", INFO_TYPE,
	ASK("private-call-call-back-response"), 403),
    NOT("a_request_type_outside_any_ext_is_403", MCX_MCPTT, ICSI "mcptt", INFO_TYPE,
	"<mcpttinfo " NS "><mcptt-Params><request-type>private-call-call-back-request</request-type></mcptt-Params>"
	"</mcpttinfo>",
	403),
    NOT("the_root_as_the_clause_misspells_it_is_403", MCX_MCPTT, ICSI "mcptt", INFO_TYPE,
	"<mcptt-info " NS "><mcptt-Params><anyExt><request-type>private-call-call-back-request</request-type></anyExt>"
	"</mcptt-Params></mcptt-info>",
	403),
    NOT("an_info_of_another_namespace_is_403", MCX_MCPTT, ICSI "mcptt", INFO_TYPE,
	"<mcpttinfo xmlns=\"urn:x\"><mcptt-Params><anyExt><request-type>private-call-call-back-request</request-type>"
	"</anyExt></mcptt-Params></mcpttinfo>",
	403),
    NOT("xml_that_does_not_read_is_403", MCX_MCPTT, ICSI "mcptt", INFO_TYPE, "<mcpttinfo", 403),
    NOT("a_location_report_is_403", MCX_MCPTT, ICSI "mcptt", PLACE_TYPE, PLACE("<Report/>"), 403),
    NOT("a_listening_status_is_no_announcement", MCX_MCPTT, ICSI "mcptt", USAGE_TYPE,
	"<mcptt-mbms-usage-info><mbms-listening-status/></mcptt-mbms-usage-info>", 403),
    NOT("a_mikey_part_too_short_for_a_csb_id_is_403", MCX_MCPTT, ICSI "mcptt", TYPE_MIKEY, "\x01\x1a\x0e", 403),
    NOT("mcx_sec_174_the_icsi_of_another_service_is_403", MCX_MCPTT, ICSI "mcvideo", TYPE_MIKEY, "ARoOACI0VngAAAAA",
	403),
    NOT("mcx_sec_174_no_icsi_is_403", MCX_MCPTT, NULL, TYPE_MIKEY, "ARoOACI0VngAAAAA", 403),
    NOT("an_icsi_that_only_begins_like_the_services_is_403", MCX_MCPTT, ICSI "mcptt2", TYPE_MIKEY, "ARoOACI0VngAAAAA",
	403),
    NOT("call_back_is_no_kind_of_mcvideo", MCX_MCVIDEO, ICSI "mcvideo", "application/vnd.3gpp.mcvideo-info+xml",
	"<mcvideoinfo xmlns=\"urn:3gpp:ns:mcvideoInfo:1.0\"><mcvideo-Params><anyExt><request-type>"
	"private-call-call-back-request</request-type></anyExt></mcvideo-Params></mcvideoinfo>",
	403),
};
enum { MESSAGES = sizeof messages / sizeof *messages };

static void mcx_sec_175_a_tag_that_no_message_carries_is_403(void **state)
{
	(void)state;
	char body[9];
	memcpy(body, MIKEY("\x02"), sizeof body);
	for (int tag = 0; tag < 16; tag++) {
		if (tag == 0 || tag == 2 || tag == 4 || tag == 6)
			continue;
		body[4] = (char)(tag << 4);
		struct message m = {"", MCX_MCPTT, ICSI "mcptt", TYPE_MIKEY, body, sizeof body, MESSAGE_NONE, 403};
		struct message_class c = classify(&m, 0);
		assert_int_equal(c.kind, MESSAGE_NONE);
		assert_int_equal(c.status, 403);
	}
}

static void the_csb_id_is_handed_on_as_it_stands(void **state)
{
	(void)state;
	struct message m = {"", MCX_MCPTT, ICSI "mcptt", TYPE_MIKEY, MIKEY("\x22"), 9, MESSAGE_CSK_DOWNLOAD, 0};
	assert_int_equal(classify(&m, 0).csb_id, 0x22345678);
}

static void a_part_that_stands_twice_is_400(void **state)
{
	(void)state;
	static const char body[] = "--b\r\nContent-Type: application/mikey\r\n\r\n" MIKEY(
	    "\"") "x\r\n--b\r\n"
		  "Content-Type: application/mikey\r\n\r\n" MIKEY("\"") "x\r\n--b--\r\n";
	static struct multipart parts;
	static uint8_t scratch[512];
	assert_int_equal(multipart_read("multipart/mixed;boundary=b",
					(struct octets){(const uint8_t *)body, sizeof body - 1}, scratch,
					sizeof scratch, &parts, NULL),
			 MCSEC_OK);
	struct message_class c = message_classify(MCX_MCPTT, ICSI "mcptt", &parts);
	assert_int_equal(c.kind, MESSAGE_NONE);
	assert_int_equal(c.status, 400);
}

static void a_body_that_does_not_read_is_400_and_an_empty_one_415(void **state)
{
	(void)state;
	static const struct multipart none;
	assert_int_equal(message_classify(MCX_MCPTT, ICSI "mcptt", NULL).status, 400);
	assert_int_equal(message_classify(MCX_MCPTT, ICSI "mcptt", &none).status, 415);
}

/* What comes first wins, wherever it stands in the message. */
static void a_message_of_two_kinds_is_the_one_the_table_names_first(void **state)
{
	(void)state;
	const char place[] = PLACE("<Request RequestId=\"1\"/>");
	static uint8_t text[4096], scratch[4096];
	static struct multipart parts;
	const struct body_out out[] = {{TYPE_MIKEY, NULL, {(const uint8_t *)MIKEY("\x22"), 9}, 0},
				       {PLACE_TYPE, NULL, octets_of(place), 0}};
	struct writer w = wr_init(text, sizeof text);
	assert_int_equal(multipart_write(&w, "b0undary", out, 2), MCSEC_OK);
	assert_int_equal(
	    multipart_read("multipart/mixed;boundary=b0undary", wr_result(&w), scratch, sizeof scratch, &parts, NULL),
	    MCSEC_OK);
	assert_int_equal(message_classify(MCX_MCPTT, ICSI "mcptt", &parts).kind, MESSAGE_LOCATION_REQUEST);
}

static void every_kind_has_a_message_above_and_a_name_in_the_log(void **state)
{
	(void)state;
	for (int k = MESSAGE_NONE + 1; k < MESSAGE_KINDS; k++) {
		size_t n = 0;
		for (size_t i = 0; i < MESSAGES; i++)
			n += messages[i].kind == (enum message_kind)k;
		assert_true(n > 0);
		assert_string_not_equal(message_kind_name((enum message_kind)k), "none");
	}
	for (size_t s = 0; s < MCX_SERVICES; s++) {
		assert_non_null(strstr(message_accept((enum mcx_service)s), mcx_services[s].info_type));
		assert_int_equal(mcx_service_of(mcx_services[s].icsi), s);
		assert_int_equal(mcx_service_of(mcx_services[s].name), s);
	}
	assert_int_equal(mcx_service_of("mcptt2"), MCX_SERVICES);
}

int main(void)
{
	static const struct CMUnitTest whole[] = {
	    cmocka_unit_test(mcx_sec_175_a_tag_that_no_message_carries_is_403),
	    cmocka_unit_test(the_csb_id_is_handed_on_as_it_stands),
	    cmocka_unit_test(a_part_that_stands_twice_is_400),
	    cmocka_unit_test(a_body_that_does_not_read_is_400_and_an_empty_one_415),
	    cmocka_unit_test(a_message_of_two_kinds_is_the_one_the_table_names_first),
	    cmocka_unit_test(every_kind_has_a_message_above_and_a_name_in_the_log),
	};
	enum { WHOLE = sizeof whole / sizeof *whole };
	struct CMUnitTest tests[MESSAGES + WHOLE];
	for (size_t i = 0; i < MESSAGES; i++)
		tests[i] = (struct CMUnitTest){.name = messages[i].name,
					       .test_func = is_what_the_table_says,
					       .initial_state = (void *)(uintptr_t)&messages[i]};
	memcpy(tests + MESSAGES, whole, sizeof whole);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

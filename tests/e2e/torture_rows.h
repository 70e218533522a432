/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torture_rows.h - odd and broken SIP messages, and which answers are right: in the manner of RFC 4475 and RFC 5118,
 * named after their messages, and more of our own. Each is sent over TCP and, with TCP in Via changed to UDP, over UDP.
 */
#ifndef TEST_TORTURE_ROWS_H
#define TEST_TORTURE_ROWS_H

enum { NONE = -1 }; /* no answer is right too */

/* $B: a fresh branch, $C: a Call-ID, $P: our port, $N: octets of the body, $L and $K: many letters. */
#define VIA(proto) "Via: SIP/2.0/" proto " 127.0.0.1:$P;branch=z9hG4bK$B;rport\r\n"
#define REST       "Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=1\r\nTo: <sip:mcptt@a.test>\r\nCall-ID: $C\r\n"
#define OPT(extra)                                                                                                     \
	"OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST extra "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

static const struct row {
	const char *name, *message;
	int answers[4];
} rows[] = {
    {"rfc4475_wsinv_folding_and_odd_case",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\nvia:\r\n SIP/2.0/TCP\r\n  127.0.0.1:$P;branch=z9hG4bK$B\r\nMAX-forwards: "
     "0068\r\n"
     "f: <sip:alice@a.test>\r\n ;tag=1\r\nTO :  sip:mcptt@a.test\r\ni: $C\r\ncseq: 0009\r\n OPTIONS\r\nl: 0\r\n\r\n",
     {200}},
    {"rfc4475_intmeth_every_legal_character_in_the_method",
     "!interesting-Method0123456789_*+`.%indeed'~ sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 !interesting-Method0123456789_*+`.%indeed'~\r\nContent-Length: 0\r\n\r\n",
     {405, 501, NONE}}, /* the library drops a method with "`" or "'" unread */
    {"rfc4475_intmeth_an_unknown_method",
     "interesting-Method0123456789 sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 interesting-Method0123456789\r\nContent-Length: 0\r\n\r\n",
     {405, 501}},
    {"rfc4475_esc01_escapes_in_the_request_uri",
     "OPTIONS sip:sips%3Auser%40example.com@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200}},
    {"rfc4475_escnull_a_nul_in_the_user_part_truncates_no_identity",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: <sip:alice%00bob@a.test>;tag=1\r\n"
		"To: <sip:alice%00bob@a.test>\r\nCall-ID: $C\r\nCSeq: 1 REGISTER\r\nContact: "
		"<sip:%00@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {403}},
    {"rfc4475_lwsdisp_no_space_between_name_and_bracket",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: caller<sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>\r\nCall-ID: $C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200}},
    {"rfc4475_semiuri_semicolons_in_the_user_part",
     "OPTIONS sip:user;par=u%40example.net@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200}},
    {"rfc4475_badinv01_extra_semicolons_and_commas",
     "INVITE sip:mcptt@a.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:$P;branch=z9hG4bK$B;;,;,,\r\n" REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"rfc4475_ncl_negative_content_length",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: -999\r\n\r\n",
     {400, NONE}},
    {"rfc4475_scalar02_scalars_out_of_range",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 300\r\nFrom: <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:alice@a.test>\r\nCall-ID: $C\r\nCSeq: 36893488147419103232 REGISTER\r\nExpires: "
		"99999999999999999999\r\n"
		"Contact: <sip:alice@127.0.0.1>;expires=280297596632815\r\nContent-Length: 0\r\n\r\n",
     {400, 403, NONE}},
    {"rfc4475_quotbal_unbalanced_quote",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: \"Mr. A <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>\r\nCall-ID: $C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"rfc4475_ltgtruri_brackets_around_the_request_uri",
     "OPTIONS <sip:mcptt@a.test> SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 416, NONE}},
    {"rfc4475_lwsruri_spaces_in_the_request_uri",
     "OPTIONS sip:mcptt@a.test; lr SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 505, NONE}},
    {"rfc4475_baddate_a_date_not_in_gmt_is_ignored", OPT("Date: Fri, 01 Jan 2010 16:00:00 EST\r\n"), {200}},
    {"rfc4475_badvers_sip_7",
     "OPTIONS sip:mcptt@a.test SIP/7.0\r\nVia: SIP/7.0/TCP 127.0.0.1:$P;branch=z9hG4bK$B\r\n" REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {505, 400, NONE}},
    {"rfc4475_mismatch01_cseq_names_another_method",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST "CSeq: 8 INVITE\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"rfc4475_badbranch_the_magic_cookie_alone",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:$P;branch=z9hG4bK\r\n" REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200, 400}},
    {"rfc4475_insuf_required_headers_missing",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"rfc4475_unkscm_unknown_scheme",
     "OPTIONS nobodyKnowsThisScheme:totallyopaque SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {416}},
    {"rfc4475_novelsc_known_but_atypical_scheme",
     "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {416}},
    {"rfc4475_unksm2_unknown_scheme_in_to_and_contact",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") "Max-Forwards: 70\r\nFrom: <name:John_Smith>;tag=1\r\n"
						  "To: <isbn:2983792873>\r\nCall-ID: $C\r\nCSeq: 1 "
						  "REGISTER\r\nContact: <name:John_Smith>\r\nContent-Length: 0\r\n\r\n",
     {400, 403}},
    {"rfc4475_bext01_unknown_require", OPT("Require: nothingSupportsThis, nothingSupportsThisEither\r\n"), {420}},
    {"rfc4475_bext01_unknown_proxy_require", OPT("Proxy-Require: noProxiesSupportThis\r\n"), {420}},
    {"rfc4475_multi01_single_value_headers_twice",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "From: <sip:bob@a.test>;tag=2\r\n"
     "CSeq: 1 OPTIONS\r\nCSeq: 2 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"rfc4475_mcl01_two_content_lengths",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
     {400, NONE}},
    {"rfc4475_zeromf_max_forwards_0",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 0\r\nFrom: <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>\r\nCall-ID: $C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200, 483}},
    {"odd_a_register_over_tcp_of_a_mikey_body_with_parameters_and_compact_names",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nf: <sip:alice@a.test>;tag=1\r\nt: <sip:alice@a.test>\r\ni: $C\r\n"
		"CSeq: 1 REGISTER\r\nm: <sip:alice@127.0.0.1>\r\nc: application/mikey;a=b\r\nl: 4\r\n\r\nABCD",
     {403}},
    {"odd_an_invite_with_an_asserted_identity_from_a_stranger",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\n"
     "P-Asserted-Identity: <sip:alice@a.test>\r\nP-Asserted-Identity: <sip:bob@a.test>\r\nContent-Length: 0\r\n\r\n",
     {404}},
    {"odd_a_bye_of_no_dialog",
     "BYE sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>;tag=2\r\nCall-ID: $C\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
     {481}},
    {"odd_a_cancel_of_nothing",
     "CANCEL sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
     {481}},
    {"odd_an_unasked_for_response",
     "SIP/2.0 200 OK\r\n" VIA("TCP") REST "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     {NONE}},
    {"rfc4475_bigcode_a_status_beyond_32_bits",
     "SIP/2.0 4294967301 better not break the receiver\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     {NONE, 400}},
    {"odd_no_sip_at_all", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", {NONE, 400, 505}},
    {"rfc4475_esc02_percents_in_the_method_and_a_display_name",
     "RE%47IST%45R sip:a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: \"%Z%45\" <sip:alice@a.test>;tag=1\r\nTo: \"%Z%45\" <sip:alice@a.test>\r\n"
		"Call-ID: $C\r\nCSeq: 1 RE%47IST%45R\r\nContact: <sip:alias1@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {405, 501}},
    {"rfc4475_longreq_very_long_values",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: \"$L\" <sip:$L@a.test>;$L=$L;tag=$L\r\n"
		"To: \"$L\" <sip:mcptt@a.test:5060;unknown=$L>\r\nCall-ID: $C$L\r\nCSeq: 1 OPTIONS\r\n"
		"Unknown-$L: $L\r\nContact: <sip:$L@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {200, 400, 513}},
    {"rfc4475_dblreq_a_second_request_behind_the_first",
     OPT("") "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {200}},
    {"rfc4475_transports_unknown_ones_in_via",
     OPT("Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\r\nVia: SIP/2.0/SCTP "
	 "t2.example.com;branch=z9hG4bKklasjdhf\r\n"
	 "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en\r\n"),
     {200}},
    {"rfc4475_mpart01_a_binary_part",
     "MESSAGE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 MESSAGE\r\nContent-Type: multipart/mixed;boundary=7a9cbec02ceef655\r\nContent-Length: $N\r\n\r\n"
     "--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n\r\nHello\r\n--7a9cbec02ceef655\r\n"
     "Content-Type: "
     "application/octet-stream\r\n\r\n\x30\x82\x01\x52\x06\x09\x2a\x86\xff\xfe\r\n--7a9cbec02ceef655--\r\n",
     {403, 404, 415}},
    {"rfc4475_unreason_odd_octets_in_a_reason_phrase",
     "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe\xd1\x81\xd1\x82\xd0\xbe\r\n" VIA("TCP") REST
     "CSeq: 35 INVITE\r\nContent-Length: 0\r\n\r\n",
     {NONE}},
    {"rfc4475_noreason_an_empty_reason_phrase",
     "SIP/2.0 100 \r\n" VIA("TCP") REST "CSeq: 35 INVITE\r\nContent-Length: 0\r\n\r\n",
     {NONE}},
    {"rfc4475_scalarlg_scalars_out_of_range_in_a_response",
     "SIP/2.0 503 Service Unavailable\r\n" VIA("TCP") REST
     "CSeq: 9292394834772304023312 OPTIONS\r\nRetry-After: 949302838503028349304023988\r\nWarning: 1812 x \"y\"\r\n"
     "Content-Length: 0\r\n\r\n",
     {NONE}},
    {"rfc4475_lwsstart_two_spaces_in_the_start_line",
     "OPTIONS  sip:mcptt@a.test  SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 200, NONE}}, /* the library reads them as one */
    {"rfc4475_trws_a_space_behind_the_start_line",
     "OPTIONS sip:mcptt@a.test SIP/2.0 \r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 200, 505}},
    {"rfc4475_escruri_headers_in_the_request_uri",
     "INVITE sip:mcptt@a.test?Route=%3Csip:example.com%3E SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {400, 404}},
    {"rfc4475_regbadct_a_contact_with_a_question_mark_and_no_brackets",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: sip:alice@127.0.0.1?Route=%3Csip:sip.example.com%3E\r\nContent-Length: 0\r\n\r\n",
     {400, 403}},
    {"rfc4475_badaspec_spaces_within_the_brackets",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") "Max-Forwards: 70\r\nFrom: \"Bell\" <sip:alice@a.test>;tag=1\r\n"
						       "To: \"Watson, Thomas\" < sip:t.watson@a.test >\r\nCall-ID: "
						       "$C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 200, NONE}},
    {"rfc4475_baddn_a_comma_in_a_display_name_without_quotes",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: Bell, Alexander <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>\r\nCall-ID: $C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 200, NONE}},
    {"rfc4475_mismatch02_an_unknown_method_and_cseq_of_another",
     "NEWMETHOD sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST "CSeq: 8 INVITE\r\nContent-Length: 0\r\n\r\n",
     {400, 405, 501, NONE}},
    {"rfc4475_invut_a_body_of_an_unknown_type",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Type: application/unknownformat\r\n"
     "Content-Length: $N\r\n\r\n<x/>\n",
     {415, 404}},
    {"rfc4475_regaut01_an_unknown_authorization_scheme",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nAuthorization: NoOneKnowsThisScheme opaque-data=here\r\nContact: <sip:alice@127.0.0.1>\r\n"
     "Content-Length: 0\r\n\r\n",
     {401, 403}},
    {"rfc4475_bcast_a_response_for_a_broadcast_address",
     "SIP/2.0 200 OK\r\n" VIA("TCP") "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\r\n" REST
				     "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     {NONE}},
    {"rfc4475_cparam01_a_parameter_behind_a_contact_without_brackets",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: sip:+19725552222@127.0.0.1;unknownparam\r\nContent-Length: 0\r\n\r\n",
     {403}},
    {"rfc4475_cparam02_a_parameter_within_the_brackets_of_a_contact",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: <sip:+19725552222@127.0.0.1;unknownparam>\r\nContent-Length: 0\r\n\r\n",
     {403}},
    {"rfc4475_regescrt_an_escaped_header_in_a_contact",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: <sip:user@127.0.0.1?Route=%3Csip:sip.example.com%3E>\r\nContent-Length: 0\r\n\r\n",
     {400, 403}},
    {"rfc4475_sdp01_an_accept_that_cannot_be_met",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nAccept: text/nobodyKnowsThis\r\n"
     "Content-Type: application/sdp\r\nContent-Length: $N\r\n\r\nv=0\r\n",
     {406, 404}},
    {"rfc4475_inv2543_the_syntax_of_rfc_2543",
     "INVITE sip:mcptt@a.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:$P\r\nFrom: <sip:alice@a.test>\r\n"
     "To: sip:mcptt@a.test\r\nCall-ID: $C\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n",
     {400, 404, NONE}},
    {"odd_two_p_asserted_service",
     "MESSAGE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 MESSAGE\r\nP-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\n"
     "P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcdata\r\nContent-Type: application/mikey\r\n"
     "Content-Length: $N\r\n\r\nABCD",
     {403, 404}},
    {"odd_a_boundary_of_70_characters",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Type: multipart/mixed;boundary="
     "0123456789012345678901234567890123456789012345678901234567890123456789\r\nContent-Length: $N\r\n\r\n"
     "--0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
     "Content-Type: application/mikey\r\n\r\n--01\r\n"
     "--0123456789012345678901234567890123456789012345678901234567890123456789--",
     {403}},
    {"odd_a_multipart_body_without_its_end",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Type: multipart/mixed;boundary=b\r\n"
     "Content-Length: $N\r\n\r\n--b\r\nContent-Type: application/mikey\r\n\r\nABCD\r\n",
     {400, 403}},
    {"odd_multiparts_within_multiparts_deeper_than_3",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Type: multipart/mixed;boundary=a\r\n"
     "Content-Length: $N\r\n\r\n"
     "--a\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n"
     "--c\r\nContent-Type: multipart/mixed;boundary=d\r\n\r\n--d\r\nContent-Type: multipart/mixed;boundary=e\r\n\r\n"
     "--e\r\nContent-Type: application/mikey\r\n\r\nAB\r\n--e--\r\n--d--\r\n--c--\r\n--b--\r\n--a--\r\n",
     {400, 403}},
    {"odd_a_boundary_within_binary_mikey_octets",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Type: multipart/mixed;boundary=b\r\n"
     "Content-Length: $N\r\n\r\n--b\r\nContent-Type: "
     "application/mikey\r\n\r\n\x01\x1a\x82\xff\r\n--b\x02\x03--b--\r\n--b--\r\n",
     {400, 403}},
    {"odd_a_key_mgmt_line_of_8192_characters",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Type: application/sdp\r\nContent-Length: $N\r\n\r\n"
     "v=0\r\na=key-mgmt:mikey $K\r\n",
     {404, 488, NONE}}, /* none: larger than what the listener takes in one datagram */
    {"odd_two_warning_headers", OPT("Warning: 399 a.test \"136 x\"\r\nWarning: 399 b.test \"137 y\"\r\n"), {200}},
    {"rfc5118_ipv6_good_a_reference_in_brackets",
     "OPTIONS sip:mcptt@[2001:db8::10] SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContact: <sip:alice@[2001:db8::1]>\r\n"
     "Content-Length: 0\r\n\r\n",
     {200, 404}},
    {"rfc5118_ipv6_bad_an_address_without_brackets",
     "OPTIONS sip:2001:db8::10 SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 404, 416, NONE}},
    {"rfc5118_port_ambiguous_within_the_brackets",
     "OPTIONS sip:[2001:db8::10:5070] SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200, 404}},
    {"rfc5118_port_unambiguous_behind_the_brackets",
     "OPTIONS sip:[2001:db8::10]:5070 SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200, 404}},
    {"rfc5118_via_received_param_with_delim",
     OPT("Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111\r\n"),
     {200}},
    {"rfc5118_via_received_param_no_delim",
     OPT("Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-111\r\n"),
     {200}},
    {"rfc5118_ipv6_in_sdp",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@[2001:db8::20]>\r\nContent-Type: application/sdp\r\nContent-Length: $N"
     "\r\n\r\n"
     "v=0\r\no=a 1 1 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\nm=audio 42000 RTP/AVP 0\r\n"
     "a=rtpmap:0 P\r\n",
     {404}},
    {"rfc5118_mult_ip_in_header_both_families",
     OPT("Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\r\nVia: SIP/2.0/UDP "
	 "192.0.2.1;branch=z9hG4bKjhja\r\n"),
     {200}},
    {"rfc5118_mult_ip_in_sdp_both_families",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Type: application/sdp\r\nContent-Length: $N\r\n\r\n"
     "v=0\r\no=a 1 1 IN IP6 2001:db8::20\r\ns=-\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
     "m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::20\r\n",
     {404}},
    {"rfc5118_ipv4_mapped_ipv6",
     OPT("Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\r\nContact: "
	 "<sip:alice@[::ffff:192.0.2.10]>\r\n"),
     {200}},
};

#endif

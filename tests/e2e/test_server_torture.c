/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Odd and broken SIP at the server's TCP and UDP listeners, in the manner of RFC 4475 (named after its messages) and
 * more of our own. Each row: what is sent, and which answers are right. After each the next good request is served, and
 * nothing was registered or called.
 */
#include <poll.h>

#include "e2e/server_bed.h"

enum { NONE = -1 }; /* no answer is right too */

/* $B is replaced by a fresh branch, $C by a Call-ID, $P by our port. */
#define VIA(proto) "Via: SIP/2.0/" proto " 127.0.0.1:$P;branch=z9hG4bK$B;rport\r\n"
#define REST       "Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=1\r\nTo: <sip:mcptt@a.test>\r\nCall-ID: $C\r\n"
#define OPT(extra)                                                                                                     \
	"OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST extra "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

static const struct row {
	const char *name, *message;
	int answers[4];
} rows[] = {
    {"wsinv_folding_and_odd_case",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\nvia:\r\n SIP/2.0/TCP\r\n  127.0.0.1:$P;branch=z9hG4bK$B\r\nMAX-forwards: "
     "0068\r\n"
     "f: <sip:alice@a.test>\r\n ;tag=1\r\nTO :  sip:mcptt@a.test\r\ni: $C\r\ncseq: 0009\r\n OPTIONS\r\nl: 0\r\n\r\n",
     {200}},
    {"intmeth_every_legal_character_in_the_method",
     "!interesting-Method0123456789_*+`.%indeed'~ sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 !interesting-Method0123456789_*+`.%indeed'~\r\nContent-Length: 0\r\n\r\n",
     {405, 501, NONE}}, /* the library drops a method with "`" or "'" unread */
    {"intmeth_an_unknown_method",
     "interesting-Method0123456789 sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 interesting-Method0123456789\r\nContent-Length: 0\r\n\r\n",
     {405, 501}},
    {"esc01_escapes_in_the_request_uri",
     "OPTIONS sip:sips%3Auser%40example.com@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200}},
    {"escnull_a_nul_in_the_user_part_truncates_no_identity",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: <sip:alice%00bob@a.test>;tag=1\r\n"
		"To: <sip:alice%00bob@a.test>\r\nCall-ID: $C\r\nCSeq: 1 REGISTER\r\nContact: "
		"<sip:%00@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {403}},
    {"lwsdisp_no_space_between_name_and_bracket",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: caller<sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>\r\nCall-ID: $C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200}},
    {"semiuri_semicolons_in_the_user_part",
     "OPTIONS sip:user;par=u%40example.net@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200}},
    {"badinv01_extra_semicolons_and_commas",
     "INVITE sip:mcptt@a.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:$P;branch=z9hG4bK$B;;,;,,\r\n" REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"ncl_negative_content_length",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: -999\r\n\r\n",
     {400, NONE}},
    {"scalar02_scalars_out_of_range",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 300\r\nFrom: <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:alice@a.test>\r\nCall-ID: $C\r\nCSeq: 36893488147419103232 REGISTER\r\nExpires: "
		"99999999999999999999\r\n"
		"Contact: <sip:alice@127.0.0.1>;expires=280297596632815\r\nContent-Length: 0\r\n\r\n",
     {400, 403, NONE}},
    {"quotbal_unbalanced_quote",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: \"Mr. A <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>\r\nCall-ID: $C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"ltgtruri_brackets_around_the_request_uri",
     "OPTIONS <sip:mcptt@a.test> SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 416, NONE}},
    {"lwsruri_spaces_in_the_request_uri",
     "OPTIONS sip:mcptt@a.test; lr SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, 505, NONE}},
    {"baddate_a_date_not_in_gmt_is_ignored", OPT("Date: Fri, 01 Jan 2010 16:00:00 EST\r\n"), {200}},
    {"badvers_sip_7",
     "OPTIONS sip:mcptt@a.test SIP/7.0\r\nVia: SIP/7.0/TCP 127.0.0.1:$P;branch=z9hG4bK$B\r\n" REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {505, 400, NONE}},
    {"mismatch01_cseq_names_another_method",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST "CSeq: 8 INVITE\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"badbranch_the_magic_cookie_alone",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:$P;branch=z9hG4bK\r\n" REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200, 400}},
    {"insuf_required_headers_missing",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"unkscm_unknown_scheme",
     "OPTIONS nobodyKnowsThisScheme:totallyopaque SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {416}},
    {"novelsc_known_but_atypical_scheme",
     "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {416}},
    {"unksm2_unknown_scheme_in_to_and_contact",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA("TCP") "Max-Forwards: 70\r\nFrom: <name:John_Smith>;tag=1\r\n"
						  "To: <isbn:2983792873>\r\nCall-ID: $C\r\nCSeq: 1 "
						  "REGISTER\r\nContact: <name:John_Smith>\r\nContent-Length: 0\r\n\r\n",
     {400, 403}},
    {"bext01_unknown_require", OPT("Require: nothingSupportsThis, nothingSupportsThisEither\r\n"), {420}},
    {"bext01_unknown_proxy_require", OPT("Proxy-Require: noProxiesSupportThis\r\n"), {420}},
    {"multi01_single_value_headers_twice",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "From: <sip:bob@a.test>;tag=2\r\n"
     "CSeq: 1 OPTIONS\r\nCSeq: 2 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {400, NONE}},
    {"mcl01_two_content_lengths",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
     {400, NONE}},
    {"zeromf_max_forwards_0",
     "OPTIONS sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 0\r\nFrom: <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>\r\nCall-ID: $C\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
     {200, 483}},
    {"a_register_over_tcp_of_a_mikey_body_with_parameters_and_compact_names",
     "REGISTER sip:a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nf: <sip:alice@a.test>;tag=1\r\nt: <sip:alice@a.test>\r\ni: $C\r\n"
		"CSeq: 1 REGISTER\r\nm: <sip:alice@127.0.0.1>\r\nc: application/mikey;a=b\r\nl: 4\r\n\r\nABCD",
     {403}},
    {"an_invite_with_an_asserted_identity_from_a_stranger",
     "INVITE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\n"
     "P-Asserted-Identity: <sip:alice@a.test>\r\nP-Asserted-Identity: <sip:bob@a.test>\r\nContent-Length: 0\r\n\r\n",
     {404}},
    {"a_bye_of_no_dialog",
     "BYE sip:mcptt@a.test SIP/2.0\r\n" VIA(
	 "TCP") "Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=1\r\n"
		"To: <sip:mcptt@a.test>;tag=2\r\nCall-ID: $C\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
     {481}},
    {"a_cancel_of_nothing",
     "CANCEL sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
     {481}},
    {"an_unasked_for_response",
     "SIP/2.0 200 OK\r\n" VIA("TCP") REST "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     {NONE}},
    {"bigcode_a_status_beyond_32_bits",
     "SIP/2.0 4294967301 better not break the receiver\r\n" VIA("TCP") REST
     "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
     {NONE, 400}},
    {"no_sip_at_all", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", {NONE, 400, 505}},
};

static int counter;

/* The row's text with its marks filled in. */
static char *fill(const char *text, unsigned port)
{
	char *out = NULL, id[16];
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	snprintf(id, sizeof id, "t%d", ++counter);
	for (; *text; text++) {
		if (text[0] != '$')
			fputc(*text, f);
		else if (*++text == 'P')
			fprintf(f, "%u", port);
		else
			fputs(id, f);
	}
	fclose(f);
	return out;
}

/* Status of the answer within a while, NONE without. */
static int answer(int fd)
{
	char buf[4096];
	struct pollfd p = {fd, POLLIN, 0};
	for (int i = 0; i < 3 && poll(&p, 1, 150) == 1; i++) {
		ssize_t n = recv(fd, buf, sizeof buf - 1, 0);
		if (n <= 0)
			return NONE;
		buf[n] = 0;
		int status = strncmp(buf, "SIP/2.0 ", 8) == 0 ? atoi(buf + 8) : 0;
		if (status >= 200)
			return status;
	}
	return NONE;
}

static int send_one(int type, const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(bed.server->sip_number),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   own;
	socklen_t len = sizeof own;
	int fd = socket(AF_INET, type, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(fd, (struct sockaddr *)&own, &len);
	char *message = fill(text, ntohs(own.sin_port));
	char *tcp;
	while (type == SOCK_DGRAM && (tcp = strstr(message, "SIP/2.0/TCP")))
		memcpy(tcp + 8, "UDP", 3);
	assert_true(send(fd, message, strlen(message), 0) > 0);
	int status = answer(fd);
	free(message);
	close(fd);
	return status;
}

static void still_serves(const char *after)
{
	if (send_one(SOCK_STREAM, OPT("")) != 200)
		fail_msg("after %s the next request is not served", after);
}

static void run_rows(int type)
{
	int wrong = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		int got = send_one(type, r->message), right = 0;
		for (size_t k = 0; k < 4 && r->answers[k]; k++)
			right |= got == r->answers[k];
		if (!right)
			print_message("%s: answer %d\n", r->name, got);
		wrong += !right;
		still_serves(r->name);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(bindings_in_db(), 0);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 0);
}

static void odd_messages_over_tcp_get_their_answer_and_the_next_is_served(void **state)
{
	(void)state;
	run_rows(SOCK_STREAM);
}

static void odd_messages_over_udp_get_their_answer_and_the_next_is_served(void **state)
{
	(void)state;
	run_rows(SOCK_DGRAM);
}

static void clerr_a_body_shorter_than_its_length_waits_and_hurts_nobody(void **state)
{
	(void)state;
	const char *m = "MESSAGE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
	    "CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 9999\r\n\r\nshort";
	assert_int_equal(send_one(SOCK_STREAM, m), NONE);
	int udp = send_one(SOCK_DGRAM, m);
	assert_true(udp == 400 || udp == NONE || udp == 404);
	still_serves("clerr");
}

static void every_prefix_and_every_flipped_octet_of_a_request_is_survived(void **state)
{
	(void)state;
	const char *good = OPT(
	    "Contact: <sip:alice@127.0.0.1>;+g.3gpp.mcptt;expires=600\r\nAccept-Contact: *;+g.3gpp.mcptt;require\r\n");
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(bed.server->sip_number),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	char *m = fill(good, 9);
	size_t len = strlen(m);
	for (size_t i = 1; i < len; i++) {
		(void)!send(fd, m, i, 0);
		m[i] ^= (char)(1 << (i % 8));
		(void)!send(fd, m, len, 0);
		m[i] ^= (char)(1 << (i % 8));
	}
	free(m);
	close(fd);
	still_serves("mutations");
}

static int set_up(void **state)
{
	(void)state;
	bed_begin();
	bed.cfg.sip_port = bed_free_port(); /* one number for TCP and UDP */
	bed_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bed_stop();
	bed_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(odd_messages_over_tcp_get_their_answer_and_the_next_is_served),
	    cmocka_unit_test(odd_messages_over_udp_get_their_answer_and_the_next_is_served),
	    cmocka_unit_test(clerr_a_body_shorter_than_its_length_waits_and_hurts_nobody),
	    cmocka_unit_test(every_prefix_and_every_flipped_octet_of_a_request_is_survived),
	};
	return cmocka_run_group_tests_name("server_torture", tests, set_up, tear_down);
}

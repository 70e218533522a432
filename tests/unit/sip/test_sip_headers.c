/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers as the handler of the SIP port sees them, from a REGISTER that is text: folded, of any length, contacts with
 * many parameters, expiries out of range.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/sip/port_bed.h"

/* A REGISTER as text over TCP; what the handler saw of its one contact. */
static struct {
	int64_t expires;
	size_t params;
	char content_type[512], warning[512], unknown[512], contact[512];
} contact_seen;

static void keep_text(char *out, const char *text)
{
	snprintf(out, 512, "%s", text ? text : "");
}

static void on_contact(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	((struct end *)ctx)->requests++;
	contact_seen.expires = rq->n_contacts ? rq->contacts[0].expires : -2;
	contact_seen.params = rq->n_contacts ? strlen(rq->contacts[0].params) : 0;
	keep_text(contact_seen.content_type, rq->content_type);
	keep_text(contact_seen.warning, sip_header_at(rq, "Warning", 0));
	keep_text(contact_seen.unknown, sip_header_at(rq, "X-Unknown", 0));
	keep_text(contact_seen.contact, sip_header_at(rq, "Contact", 0));
	assert_int_equal(sip_reply(tx, 200, NULL, NULL), MCSEC_OK);
}

static void register_with(struct end *server, const char *params)
{
	static char text[SIP_MAX_MESSAGE];
	static int number;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(sip_port_number(server->port, 0))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	number++;
	int len = snprintf(text, sizeof text,
			   "REGISTER sip:a.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK-c%d\r\n"
			   "From: <sip:alice@a.test>;tag=1\r\nTo: <sip:alice@a.test>\r\nCall-ID: contact-%d\r\n"
			   "CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:alice@127.0.0.1>%s\r\n"
			   "Content-Length: 0\r\n\r\n",
			   number, number, params);
	int fd = socket(AF_INET, SOCK_STREAM, 0), before = server->requests;
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int sent = 0, i = 0; i < 4000 && server->requests == before; i++) {
		ssize_t n = sent < len ? write(fd, text + sent, (size_t)(len - sent)) : 0;
		sent += n > 0 ? (int)n : 0;
		sip_loop_step(loop, 5);
	}
	close(fd);
	assert_int_equal(server->requests, before + 1);
}

static void contact_server(struct end *server)
{
	char err[256];
	struct sip_port_options o = {
	    .n_listen = 1, .listen = {{SIP_TCP, "127.0.0.1", 0}}, .on_request = on_contact, .ctx = server};
	memset(server, 0, sizeof *server);
	server->port = sip_port_new(loop, &o, err, sizeof err);
	assert_non_null(server->port);
}

static void an_expiry_out_of_range_is_the_largest_and_one_that_is_no_number_is_none(void **state)
{
	(void)state;
	struct end server;
	contact_server(&server);
	register_with(&server, ";expires=0");
	assert_int_equal(contact_seen.expires, 0);
	register_with(&server, ";q=1;Expires=3600;+g.3gpp.mcptt");
	assert_int_equal(contact_seen.expires, 3600);
	register_with(&server, ";expires=18446744073709551615");
	assert_int_equal(contact_seen.expires, UINT32_MAX);
	register_with(&server, ";expires=9223372036854775807");
	assert_int_equal(contact_seen.expires, UINT32_MAX);
	register_with(&server, ";expires=-5");
	assert_int_equal(contact_seen.expires, -1);
	register_with(&server, ";expires=5x");
	assert_int_equal(contact_seen.expires, -1);
	end_close(&server);
}

static void a_header_on_several_lines_reads_as_one(void **state)
{
	(void)state;
	struct end server;
	contact_server(&server);
	register_with(&server,
		      "\r\nWarning: 399 a.test \"136 made up\r\n to be forwarded\"\r\nX-Unknown: one\r\n\ttwo");
	assert_string_equal(contact_seen.warning, "399 a.test \"136 made up   to be forwarded\"");
	assert_string_equal(contact_seen.unknown, "one  \ttwo");
	end_close(&server);
}

static void header_texts_are_whole_whatever_their_length(void **state)
{
	(void)state;
	struct end server;
	contact_server(&server);
	for (size_t n = 90; n < 140; n++) {
		char filler[200], params[900], type[300], contact[300];
		memset(filler, 'b', n);
		filler[n] = 0;
		snprintf(type, sizeof type, "multipart/mixed;boundary=%s", filler);
		snprintf(contact, sizeof contact, "<sip:alice@127.0.0.1>;a;+g.3gpp.%s", filler);
		snprintf(params, sizeof params, "%s\r\nContent-Type: %s", contact + strlen("<sip:alice@127.0.0.1>"),
			 type);
		register_with(&server, params);
		assert_string_equal(contact_seen.content_type, type);
		assert_string_equal(contact_seen.contact, contact);
	}
	end_close(&server);
}

static void a_contact_with_a_great_many_parameters_costs_no_more_than_its_length(void **state)
{
	(void)state;
	enum { MANY = 30000 };
	static char params[2 * MANY + 1];
	struct rusage before, after;
	struct end server;
	for (size_t i = 0; i < MANY; i++)
		memcpy(params + 2 * i, ";a", 2);
	contact_server(&server);
	getrusage(RUSAGE_SELF, &before);
	register_with(&server, params);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(contact_seen.params, 2 * MANY);
	/* Kilobytes; the square of the number would be half a gigabyte. */
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory in quarantine */
	assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024);
#endif
	end_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_expiry_out_of_range_is_the_largest_and_one_that_is_no_number_is_none),
	    cmocka_unit_test(a_header_on_several_lines_reads_as_one),
	    cmocka_unit_test(header_texts_are_whole_whatever_their_length),
	    cmocka_unit_test(a_contact_with_a_great_many_parameters_costs_no_more_than_its_length),
	};
	return cmocka_run_group_tests_name("sip_headers", tests, bed_set_up, bed_tear_down);
}

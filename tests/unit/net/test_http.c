/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTPS server and client against each other and against raw sockets: limits, malformed requests, deferred answers,
 * an orderly end; and the small texts of HTTP. What concerns TLS is in test_http_tls.c.
 */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "http_bed.h"

static void a_request_reaches_the_handler_as_it_was_sent(void **state)
{
	(void)state;
	expect_text(NULL, &get, "/a%2Fb/c?x=%41&y", "GET|/a%2Fb/c|x=%41&y|0|-*0|127.0.0.1|0|||");
	struct http_call post = {.method = "POST", .content_type = "text/plain", .body = octets_of("hello")};
	expect_text(NULL, &post, "/", "POST|/||5|-*0|127.0.0.1|0|||");
}

static void a_body_larger_than_allowed_is_413_and_never_reaches_the_handler(void **state)
{
	static uint8_t body[1001];
	(void)state;
	unsigned before = handled;
	struct http_answer a;
	struct http_call post = {.method = "POST", .body = {body, 1001}};
	ask(server, "127.0.0.1", NULL, &post, "/", &a);
	assert_int_equal(a.status, 413);
	http_answer_free(&a);
	assert_int_equal(handled, before);
	post.body.len = 1000;
	expect_text(NULL, &post, "/", "POST|/||1000|-*0|127.0.0.1|0|||");
}

static void a_request_line_beyond_the_limit_is_refused(void **state)
{
	static char target[8200];
	(void)state;
	memset(target, 'a', sizeof target - 1);
	target[0] = '/';
	struct http_answer a;
	ask(server, "127.0.0.1", NULL, &get, target, &a);
	assert_int_equal(a.status, 200); /* 8 KiB is fine */
	http_answer_free(&a);
}

static void a_deferred_answer_arrives_whole(void **state)
{
	(void)state;
	expect_text(NULL, &get, "/later?n=7", "later n=7");
}

static void a_header_value_with_a_line_break_becomes_500(void **state)
{
	(void)state;
	struct http_answer a;
	ask(server, "127.0.0.1", NULL, &get, "/split", &a);
	assert_int_equal(a.status, 500);
	assert_string_equal(a.set_cookie, "");
	http_answer_free(&a);
}

static void an_answer_larger_than_the_client_allows_is_refused(void **state)
{
	(void)state;
	struct http_client *c =
	    http_client_new(&(struct http_client_options){.ca_file = lab_path(&lab, "ca.pem"), .max_body = 10});
	char url[64];
	struct http_answer a;
	snprintf(url, sizeof url, "https://127.0.0.1:%u/", http_server_port(server));
	http_client_do(c, &(struct http_call){.method = "GET", .url = url}, &a);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.error, "larger than allowed"));
	assert_null(a.body);
	http_client_free(c);
}

/* Send octets, read until the peer closes; the status of the first answer or 0. */
static int raw_status(const char *request)
{
	char buf[4096];
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = raw_connect(ctx, server);
	assert_non_null(ssl);
	assert_true(SSL_write(ssl, request, (int)strlen(request)) > 0);
	int n = SSL_read(ssl, buf, sizeof buf - 1);
	buf[n > 0 ? n : 0] = 0;
	raw_close(ssl);
	SSL_CTX_free(ctx);
	return n > 12 && strncmp(buf, "HTTP/1.1 ", 9) == 0 ? atoi(buf + 9) : 0;
}

static void a_message_with_two_lengths_or_hosts_is_refused(void **state)
{
	(void)state;
	assert_int_equal(raw_status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
			 400);
	assert_int_equal(raw_status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
				    "\r\n0\r\n\r\n"),
			 400);
	assert_int_equal(raw_status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
	assert_int_equal(raw_status("GET https://a/x HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_int_equal(raw_status("GET nonsense HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

static void a_chunked_body_that_does_not_end_is_cut(void **state)
{
	(void)state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = raw_connect(ctx, server);
	static char chunk[1040];
	snprintf(chunk, sizeof chunk, "%s", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	SSL_write(ssl, chunk, (int)strlen(chunk));
	memset(chunk, 'z', sizeof chunk);
	memcpy(chunk, "400\r\n", 5);
	memcpy(chunk + 5 + 1024, "\r\n", 2);
	unsigned before = handled;
	int sent = 0;
	while (sent < 1000 && SSL_write(ssl, chunk, 5 + 1024 + 2) > 0) {
		sent++;
		usleep(1000);
	}
	assert_true(sent < 1000);
	assert_int_equal(handled, before);
	raw_close(ssl);
	SSL_CTX_free(ctx);
}

static void k5_a_request_trickled_octet_by_octet_is_cut_after_the_request_time(void **state)
{
	(void)state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = raw_connect(ctx, server);
	time_t begin = time(NULL);
	char b;
	assert_true(SSL_write(ssl, "GET / HT", 8) == 8);
	int n = 1;
	while (n > 0 && time(NULL) - begin < 6) {
		n = SSL_write(ssl, "x", 1);
		usleep(100000);
	}
	assert_true(time(NULL) - begin <= 5);
	assert_true(SSL_read(ssl, &b, 1) <= 0);
	raw_close(ssl);
	SSL_CTX_free(ctx);
	expect_text(NULL, &get, "/", "GET|/||0|-*0|127.0.0.1|0|||");
}

static void a_server_that_cannot_read_or_listen_says_what(void **state)
{
	(void)state;
	const struct {
		const char *address, *client_ca;
		unsigned port;
		const char *says;
	} t[] = {
	    {"localhost", NULL, 0, "not a numeric address"},
	    {"127.0.0.1", "/nonexistent/ca.pem", 0, "/nonexistent/ca.pem"},
	    {"127.0.0.1", NULL, http_server_port(server), "cannot listen there"},
	    {"192.0.2.1", NULL, 0, "cannot listen there"},
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char err[256] = "";
		struct http_server_options o = options();
		o.address = t[i].address;
		o.port = (uint16_t)t[i].port;
		if (t[i].client_ca)
			o.client_ca_file = t[i].client_ca;
		if (http_server_start(&o, err, sizeof err) || !strstr(err, t[i].says))
			fail_msg("%s, %s: %s", t[i].address, t[i].client_ca ? t[i].client_ca : "", err);
	}
}

static void an_address_without_a_host_is_asked_of_nobody(void **state)
{
	(void)state;
	static const char *const urls[] = {"", "https://", "https://[::1", "https:// /"};
	struct http_client *c = http_client_new(&(struct http_client_options){.ca_file = lab_path(&lab, "ca.pem")});
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct http_answer a;
		http_client_do(c, &(struct http_call){.method = "GET", .url = urls[i]}, &a);
		if (a.status || !strstr(a.error, "not a URL with a host"))
			fail_msg("%s: %d %s", urls[i], a.status, a.error);
		http_answer_free(&a);
	}
	http_client_free(c);
}

struct question {
	unsigned port;
	const char *target;
	int status;
};

static void *put_question(void *arg)
{
	struct question *q = arg;
	struct http_answer a;
	ask_port(q->port, "127.0.0.1", NULL, &get, q->target, &a);
	q->status = a.status;
	http_answer_free(&a);
	return NULL;
}

/* The status of what a server was asked and had not answered when it was stopped. */
static int status_after_stop(const char *target)
{
	char err[256];
	struct http_server_options o = options();
	struct http_server *s = http_server_start(&o, err, sizeof err);
	assert_non_null(s);
	struct question q = {.port = http_server_port(s), .target = target};
	pthread_t t;
	unsigned before = handled;
	assert_int_equal(pthread_create(&t, NULL, put_question, &q), 0);
	while (handled == before)
		usleep(1000);
	http_server_stop(s);
	pthread_join(t, NULL);
	return q.status;
}

static void a_server_that_stops_finishes_what_it_began(void **state)
{
	(void)state;
	assert_int_equal(status_after_stop("/slow"), 200);
}

static void a_server_that_stops_waits_for_a_deferred_answer(void **state)
{
	(void)state;
	assert_int_equal(status_after_stop("/much-later"), 200);
}

static void form_values_are_decoded_strictly_and_never_twice(void **state)
{
	static const char form[] = "a=1&b=x+y%21&&c&d=1&d=1&e=%zz&f=%00&g=%0a&h=%ff&%69=ok";
	static const struct {
		const char *name;
		int rc;
		const char *value;
	} cases[] = {{"a", 0, "1"}, {"b", 0, "x y!"}, {"c", 0, ""},  {"d", -1, ""},  {"e", -1, ""},
		     {"f", -1, ""}, {"g", -1, ""},    {"h", -1, ""}, {"i", 0, "ok"}, {"z", 1, ""}};
	char v[8], tiny[2];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(http_form_value(form, strlen(form), cases[i].name, v, sizeof v), cases[i].rc);
		assert_string_equal(v, cases[i].value);
	}
	assert_int_equal(http_form_value(form, strlen(form), "b", tiny, sizeof tiny), -1);
	assert_int_equal(http_form_value(NULL, 0, "a", v, sizeof v), 1);
}

static void a_path_segment_is_decoded_once(void **state)
{
	char v[32];
	(void)state;
	assert_int_equal(http_path_segment("/users/sip%3Aa%2Fb%40x%2541", 1, v, sizeof v), 0);
	assert_string_equal(v, "sip:a/b@x%41");
	assert_int_equal(http_path_segment("/users", 1, v, sizeof v), 1);
	assert_int_equal(http_path_segment("/users/%2", 1, v, sizeof v), -1);
}

static void percent_encoding_reads_back(void **state)
{
	char coded[64], plain[32];
	(void)state;
	assert_int_equal(http_percent_encode("sip:a b@\xc3\xa9~", coded, sizeof coded), MCSEC_OK);
	assert_string_equal(coded, "sip%3Aa%20b%40%C3%A9~");
	assert_int_equal(http_percent_decode(coded, strlen(coded), 0, plain, sizeof plain), MCSEC_OK);
	assert_string_equal(plain, "sip:a b@\xc3\xa9~");
	assert_int_equal(http_percent_encode("aa", coded, 2), MCSEC_E_NO_SPACE);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_reaches_the_handler_as_it_was_sent),
	    cmocka_unit_test(a_body_larger_than_allowed_is_413_and_never_reaches_the_handler),
	    cmocka_unit_test(a_request_line_beyond_the_limit_is_refused),
	    cmocka_unit_test(a_deferred_answer_arrives_whole),
	    cmocka_unit_test(a_header_value_with_a_line_break_becomes_500),
	    cmocka_unit_test(an_answer_larger_than_the_client_allows_is_refused),
	    cmocka_unit_test(a_message_with_two_lengths_or_hosts_is_refused),
	    cmocka_unit_test(a_chunked_body_that_does_not_end_is_cut),
	    cmocka_unit_test(k5_a_request_trickled_octet_by_octet_is_cut_after_the_request_time),
	    cmocka_unit_test(a_server_that_cannot_read_or_listen_says_what),
	    cmocka_unit_test(an_address_without_a_host_is_asked_of_nobody),
	    cmocka_unit_test(a_server_that_stops_finishes_what_it_began),
	    cmocka_unit_test(a_server_that_stops_waits_for_a_deferred_answer),
	    cmocka_unit_test(form_values_are_decoded_strictly_and_never_twice),
	    cmocka_unit_test(a_path_segment_is_decoded_once),
	    cmocka_unit_test(percent_encoding_reads_back),
	};
	return cmocka_run_group_tests(tests, bed_set_up, bed_tear_down);
}

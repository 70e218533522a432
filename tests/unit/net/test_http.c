/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTPS server and client against each other and against raw sockets: limits, TLS rules, client certificates,
 * deferred answers, an orderly end.
 */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "lab.h"
#include "net/http.h"

static struct lab lab;
static struct http_server *server;
static atomic_uint handled;

struct later {
	struct http_deferred *d;
	char text[64];
};

static void *answer_later(void *arg)
{
	struct later *l = arg;
	struct http_response rs = {.secret = 1};
	usleep(strstr(l->text, "much") ? 300000 : 20000);
	http_response_text(&rs, 200, "text/plain", l->text);
	http_finish(l->d, &rs);
	free(l);
	return NULL;
}

static void defer(const struct http_request *rq)
{
	struct later *l = calloc(1, sizeof *l);
	pthread_t t;
	snprintf(l->text, sizeof l->text, "%slater %s", strcmp(rq->path, "/later") ? "much " : "", rq->query);
	l->d = http_defer(rq);
	assert_int_equal(pthread_create(&t, NULL, answer_later, l), 0);
	pthread_detach(t);
}

/* Says what it was asked. */
static void echo(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	char text[512];
	unsigned count = 0;
	const char *h = http_request_header(rq, "x-probe", &count);
	(void)ctx;
	handled++;
	if (strcmp(rq->path, "/later") == 0 || strcmp(rq->path, "/much-later") == 0) {
		defer(rq);
		return;
	}
	if (strcmp(rq->path, "/slow") == 0)
		usleep(200000);
	if (strcmp(rq->path, "/split") == 0)
		http_response_header(rs, "Location", "a\r\nSet-Cookie: x");
	snprintf(text, sizeof text, "%s|%s|%s|%zu|%s*%u|%s|%d|%s|%s|%s", rq->method, rq->path, rq->query, rq->body.len,
		 h ? h : "-", count, rq->peer, rq->cert->present, rq->cert->common_name, rq->cert->org_unit,
		 rq->cert->n_sans ? rq->cert->sans[0].name : "");
	http_response_text(rs, 200, "text/plain", text);
}

static struct http_server_options options(void)
{
	return (struct http_server_options){
	    .address = "127.0.0.1",
	    .cert_file = lab_path(&lab, "server.pem"),
	    .key_file = lab_path(&lab, "server.key"),
	    .client_ca_file = lab_path(&lab, "ca.pem"),
	    .max_body = 1000,
	    .threads = 4,
	    .idle_timeout_s = 2,
	    .request_timeout_s = 1,
	    .handler = echo,
	};
}

static int set_up(void **state)
{
	static const struct lab_cert certs[] = {
	    {.name = "server", .cn = "server", .san = "DNS:idms.test,IP:127.0.0.1"},
	    {.name = "other", .cn = "idms.test", .san = "DNS:other.test"},
	    {.name = "six", .cn = "six", .san = "IP:::1"},
	    {.name = "cn-only", .cn = "127.0.0.1"},
	    {.name = "wild", .cn = "w", .san = "DNS:*.test"},
	    {.name = "old", .san = "IP:127.0.0.1", .cn = "old", .from_s = -7200, .to_s = -3600},
	    {.name = "admin", .cn = "Olga", .ou = "officer", .san = "URI:sip:mdsi@a.test"},
	    {.name = "stale", .cn = "Olga", .ou = "officer", .from_s = -7200, .to_s = -3600},
	    {.name = "foreign", .cn = "Olga", .ou = "officer", .self_signed = 1},
	    {.name = "servers-only", .cn = "s", .ou = "officer", .purpose = "serverAuth"},
	};
	char err[256];
	(void)state;
	lab_open(&lab);
	for (size_t i = 0; i < sizeof certs / sizeof *certs; i++)
		lab_cert(&lab, &certs[i]);
	struct http_server_options o = options();
	server = http_server_start(&o, err, sizeof err);
	return server ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_stop(server);
	lab_close(&lab);
	return 0;
}

/* One request with the client certificate `who` (NULL without); the whole answer to out. */
static void ask_port(unsigned port, const char *host, const char *who, const struct http_call *rest, const char *target,
		     struct http_answer *out)
{
	char url[9000], resolve[128], cert[80], key[80];
	snprintf(resolve, sizeof resolve, "%s:%u:127.0.0.1", host, port);
	snprintf(url, sizeof url, "https://%s:%u%s", host, port, target);
	snprintf(cert, sizeof cert, "%s.pem", who ? who : "");
	snprintf(key, sizeof key, "%s.key", who ? who : "");
	struct http_client *c = http_client_new(&(struct http_client_options){
	    .ca_file = lab_path(&lab, "ca.pem"),
	    .cert_file = who ? lab_path(&lab, cert) : NULL,
	    .key_file = who ? lab_path(&lab, key) : NULL,
	    .resolve = resolve,
	    .max_body = 4096,
	    .timeout_ms = 5000,
	});
	assert_non_null(c);
	struct http_call call = *rest;
	call.url = url;
	http_client_do(c, &call, out);
	http_client_free(c);
}

static void ask(struct http_server *s, const char *host, const char *who, const struct http_call *rest,
		const char *target, struct http_answer *out)
{
	ask_port(http_server_port(s), host, who, rest, target, out);
}

static const struct http_call get = {.method = "GET"};

static void expect_text(const char *who, const struct http_call *call, const char *target, const char *text)
{
	struct http_answer a;
	ask(server, "127.0.0.1", who, call, target, &a);
	assert_string_equal(a.error, "");
	assert_int_equal(a.status, 200);
	assert_string_equal((const char *)a.body, text);
	http_answer_free(&a);
}

static void a_request_reaches_the_handler_as_it_was_sent(void **state)
{
	(void)state;
	expect_text(NULL, &get, "/a%2Fb/c?x=%41&y", "GET|/a%2Fb/c|x=%41&y|0|-*0|127.0.0.1|0|||");
	struct http_call post = {.method = "POST", .content_type = "text/plain", .body = octets_of("hello")};
	expect_text(NULL, &post, "/", "POST|/||5|-*0|127.0.0.1|0|||");
}

static void tls_03_a_client_certificate_is_read_when_it_verifies(void **state)
{
	(void)state;
	expect_text("admin", &get, "/", "GET|/||0|-*0|127.0.0.1|1|Olga|officer|sip:mdsi@a.test");
}

static void tls_03_an_expired_foreign_or_server_certificate_counts_as_none(void **state)
{
	static const char *const bad[] = {"stale", "foreign", "servers-only"};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct http_answer a;
		ask(server, "127.0.0.1", bad[i], &get, "/", &a);
		if (a.status)
			assert_non_null(strstr((const char *)a.body, "|0|||"));
		http_answer_free(&a);
	}
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

/* What a client says to a server that shows certificate `name`, reached as `host`. */
static int status_with(const char *name, const char *host)
{
	char err[256], cert[80], key[80];
	snprintf(cert, sizeof cert, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	struct http_server_options o = options();
	o.cert_file = lab_path(&lab, cert);
	o.key_file = lab_path(&lab, key);
	struct http_server *s = http_server_start(&o, err, sizeof err);
	assert_non_null(s);
	struct http_answer a;
	ask(s, host, NULL, &get, "/", &a);
	int status = a.status;
	http_answer_free(&a);
	http_server_stop(s);
	return status;
}

static void tls_04_the_client_demands_the_servers_name_in_its_certificate(void **state)
{
	(void)state;
	assert_int_equal(status_with("server", "idms.test"), 200);
	assert_int_equal(status_with("server", "127.0.0.1"), 200);
	assert_int_equal(status_with("other", "idms.test"), 0);   /* the common name fits, the alternative name not */
	assert_int_equal(status_with("cn-only", "127.0.0.1"), 0); /* an address in the common name only */
	assert_int_equal(status_with("wild", "a.b.test"), 0);     /* a wildcard is one label */
	assert_int_equal(status_with("old", "127.0.0.1"), 0);
	assert_int_equal(status_with("foreign", "127.0.0.1"), 0);
}

/* Raw TLS connection with OpenSSL as the peer; NULL if the handshake fails. */
static SSL *raw_connect(SSL_CTX *ctx, struct http_server *s)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(s))};
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	struct timeval patience = {.tv_sec = 6};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static void raw_close(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);
	SSL_free(ssl);
	close(fd);
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

static void tls_01_only_tls_1_2_and_1_3_are_spoken(void **state)
{
	static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, versions[i]);
		SSL_CTX_set_max_proto_version(ctx, versions[i]);
		SSL *ssl = raw_connect(ctx, server);
		assert_int_equal(ssl != NULL, versions[i] >= TLS1_2_VERSION);
		if (ssl)
			raw_close(ssl);
		SSL_CTX_free(ctx);
	}
}

static void tls_02_only_ecdhe_with_aead_is_spoken(void **state)
{
	static const struct {
		const char *suites;
		int taken;
	} cases[] = {{"ECDHE-ECDSA-AES128-GCM-SHA256", 1},
		     {"ECDHE-ECDSA-CHACHA20-POLY1305", 1},
		     {"ECDHE-ECDSA-AES128-SHA256", 0},
		     {"ECDHE-ECDSA-AES256-SHA", 0},
		     {"AES128-GCM-SHA256", 0},
		     {"DHE-RSA-AES128-GCM-SHA256", 0},
		     {"aNULL:eNULL", 0}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		assert_true(SSL_CTX_set_cipher_list(ctx, cases[i].suites));
		SSL *ssl = raw_connect(ctx, server);
		assert_int_equal(ssl != NULL, cases[i].taken);
		if (ssl)
			raw_close(ssl);
		SSL_CTX_free(ctx);
	}
}

static void tls_05_no_renegotiation_no_ticket_no_compression(void **state)
{
	(void)state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL *ssl = raw_connect(ctx, server);
	char b;
	assert_non_null(ssl);
	assert_null(SSL_get_current_compression(ssl));
	assert_false(SSL_SESSION_has_ticket(SSL_get_session(ssl)));
	SSL_renegotiate(ssl);
	int again = SSL_do_handshake(ssl) == 1 && SSL_read(ssl, &b, 1) > 0;
	assert_false(again);
	raw_close(ssl);
	SSL_CTX_free(ctx);
}

struct tls_news {
	_Atomic int good, bad;
	char why[256];
};

static void take_tls_news(void *ctx, const char *error)
{
	struct tls_news *n = ctx;
	if (!error) {
		n->good++;
		return;
	}
	snprintf(n->why, sizeof n->why, "%s", error);
	n->bad++;
}

static void tls_08_a_renewed_certificate_is_taken_up_without_a_restart(void **state)
{
	(void)state;
	char err[256], command[300];
	lab_cert(&lab, &(struct lab_cert){.name = "live", .cn = "live", .san = "DNS:before.test"});
	struct http_server_options o = options();
	o.cert_file = lab_path(&lab, "live.pem");
	o.key_file = lab_path(&lab, "live.key");
	static struct tls_news news;
	o.ctx = &news;
	o.tls_said = take_tls_news;
	struct http_server *s = http_server_start(&o, err, sizeof err);
	struct http_answer a;
	assert_true(http_server_cert_ends(s) > time(NULL));
	ask(s, "after.test", NULL, &get, "/", &a);
	assert_int_equal(a.status, 0);
	/* a file that does not load: the old one serves on, and it is said once */
	snprintf(command, sizeof command, "cp %s/live.pem %s/live.bak && echo broken > %s/live.pem", lab.dir, lab.dir,
		 lab.dir);
	assert_int_equal(system(command), 0);
	for (int i = 0; i < 600 && !news.bad; i++)
		usleep(50000);
	assert_int_equal(news.bad, 1);
	assert_non_null(strstr(news.why, "live.pem"));
	http_answer_free(&a);
	ask(s, "before.test", NULL, &get, "/", &a);
	assert_int_equal(a.status, 200);
	lab_cert(&lab, &(struct lab_cert){.name = "renewed", .cn = "live", .san = "DNS:after.test"});
	snprintf(command, sizeof command, "cp %s/renewed.pem %s/live.pem && cp %s/renewed.key %s/live.key", lab.dir,
		 lab.dir, lab.dir, lab.dir);
	assert_int_equal(system(command), 0);
	a.status = 0;
	for (int i = 0; i < 600 && a.status != 200; i++) {
		usleep(50000);
		http_answer_free(&a);
		ask(s, "after.test", NULL, &get, "/", &a);
	}
	assert_int_equal(a.status, 200);
	http_answer_free(&a);
	http_server_stop(s);
}

static void tls_09_a_server_without_certificate_or_with_a_strange_key_does_not_start(void **state)
{
	(void)state;
	char err[256] = "";
	struct http_server_options o = options();
	o.cert_file = NULL;
	assert_null(http_server_start(&o, err, sizeof err));
	assert_non_null(strstr(err, "no plain HTTP"));
	o = options();
	o.key_file = lab_path(&lab, "other.key");
	assert_null(http_server_start(&o, err, sizeof err));
	assert_non_null(strstr(err, "does not belong"));
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

static int status_at(const struct http_server *s, const char *host, char *said, size_t size)
{
	char url[80];
	struct http_answer a;
	struct http_client *c = http_client_new(
	    &(struct http_client_options){.ca_file = lab_path(&lab, "ca.pem"), .max_body = 4096, .timeout_ms = 5000});
	snprintf(url, sizeof url, "https://%s:%u/", host, http_server_port(s));
	http_client_do(c, &(struct http_call){.method = "GET", .url = url}, &a);
	snprintf(said, size, "%s", a.body ? (const char *)a.body : a.error);
	int status = a.status;
	http_answer_free(&a);
	http_client_free(c);
	return status;
}

static void tls_04_an_ipv6_address_is_served_and_its_name_demanded(void **state)
{
	(void)state;
	char err[256] = "", said[1024];
	struct http_server_options o = options();
	o.address = "::1";
	struct http_server *wrong = http_server_start(&o, err, sizeof err);
	o.cert_file = lab_path(&lab, "six.pem");
	o.key_file = lab_path(&lab, "six.key");
	struct http_server *right = wrong ? http_server_start(&o, err, sizeof err) : NULL;
	if (!right) {
		skip(); /* a machine without IPv6 */
		return;
	}
	assert_int_equal(status_at(right, "[::1]", said, sizeof said), 200);
	assert_non_null(strstr(said, "|::1|"));
	assert_int_equal(status_at(wrong, "[::1]", said, sizeof said), 0);
	http_server_stop(right);
	http_server_stop(wrong);
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

static void *ask_slow(void *arg)
{
	struct http_answer a;
	ask_port(*(unsigned *)arg, "127.0.0.1", NULL, &get, "/slow", &a);
	int *status = malloc(sizeof *status);
	*status = a.status;
	http_answer_free(&a);
	return status;
}

static void a_server_that_stops_finishes_what_it_began(void **state)
{
	(void)state;
	char err[256];
	struct http_server_options o = options();
	struct http_server *s = http_server_start(&o, err, sizeof err);
	pthread_t t;
	void *status;
	unsigned before = handled, port = http_server_port(s);
	pthread_create(&t, NULL, ask_slow, &port);
	while (handled == before)
		usleep(1000);
	http_server_stop(s);
	pthread_join(t, &status);
	assert_int_equal(*(int *)status, 200);
	free(status);
}

static void *ask_later(void *arg)
{
	struct http_answer a;
	ask_port(*(unsigned *)arg, "127.0.0.1", NULL, &get, "/much-later", &a);
	int *status = malloc(sizeof *status);
	*status = a.status;
	http_answer_free(&a);
	return status;
}

static void a_server_that_stops_waits_for_a_deferred_answer(void **state)
{
	(void)state;
	char err[256];
	struct http_server_options o = options();
	struct http_server *s = http_server_start(&o, err, sizeof err);
	pthread_t t;
	void *status;
	unsigned before = handled, port = http_server_port(s);
	pthread_create(&t, NULL, ask_later, &port);
	while (handled == before)
		usleep(1000);
	http_server_stop(s);
	pthread_join(t, &status);
	assert_int_equal(*(int *)status, 200);
	free(status);
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
	    cmocka_unit_test(tls_03_a_client_certificate_is_read_when_it_verifies),
	    cmocka_unit_test(tls_03_an_expired_foreign_or_server_certificate_counts_as_none),
	    cmocka_unit_test(a_body_larger_than_allowed_is_413_and_never_reaches_the_handler),
	    cmocka_unit_test(a_request_line_beyond_the_limit_is_refused),
	    cmocka_unit_test(a_deferred_answer_arrives_whole),
	    cmocka_unit_test(a_header_value_with_a_line_break_becomes_500),
	    cmocka_unit_test(an_answer_larger_than_the_client_allows_is_refused),
	    cmocka_unit_test(tls_04_the_client_demands_the_servers_name_in_its_certificate),
	    cmocka_unit_test(a_message_with_two_lengths_or_hosts_is_refused),
	    cmocka_unit_test(a_chunked_body_that_does_not_end_is_cut),
	    cmocka_unit_test(k5_a_request_trickled_octet_by_octet_is_cut_after_the_request_time),
	    cmocka_unit_test(tls_01_only_tls_1_2_and_1_3_are_spoken),
	    cmocka_unit_test(tls_02_only_ecdhe_with_aead_is_spoken),
	    cmocka_unit_test(tls_05_no_renegotiation_no_ticket_no_compression),
	    cmocka_unit_test(tls_08_a_renewed_certificate_is_taken_up_without_a_restart),
	    cmocka_unit_test(a_server_that_cannot_read_or_listen_says_what),
	    cmocka_unit_test(tls_04_an_ipv6_address_is_served_and_its_name_demanded),
	    cmocka_unit_test(an_address_without_a_host_is_asked_of_nobody),
	    cmocka_unit_test(tls_09_a_server_without_certificate_or_with_a_strange_key_does_not_start),
	    cmocka_unit_test(a_server_that_stops_finishes_what_it_began),
	    cmocka_unit_test(a_server_that_stops_waits_for_a_deferred_answer),
	    cmocka_unit_test(form_values_are_decoded_strictly_and_never_twice),
	    cmocka_unit_test(a_path_segment_is_decoded_once),
	    cmocka_unit_test(percent_encoding_reads_back),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

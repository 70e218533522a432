/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS through an HTTP proxy (CONNECT): TLS runs end to end, the proxy reads the server's name and port and nothing
 * else, and what it refuses is told from what the server refuses.
 */
#include "connect_proxy.h"
#include "lab.h"
#include "net/http.h"

#define TOKEN "token-that-is-nobodys-business"

static struct lab lab;

static void echo(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	char text[256];
	(void)ctx;
	snprintf(text, sizeof text, "%s %s %.*s", rq->method, rq->path, (int)rq->body.len, (const char *)rq->body.p);
	http_response_text(rs, 200, "text/plain", text);
}

static struct http_server *serve(const char *name)
{
	char err[256], cert[80], key[80];
	snprintf(cert, sizeof cert, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	struct http_server *s = http_server_start(&(struct http_server_options){.address = "127.0.0.1",
										.cert_file = lab_path(&lab, cert),
										.key_file = lab_path(&lab, key),
										.max_body = 1000,
										.threads = 2,
										.handler = echo},
						  err, sizeof err);
	assert_non_null(s);
	return s;
}

static int set_up(void **state)
{
	static const struct lab_cert certs[] = {
	    {.name = "server", .cn = "server", .san = "DNS:idms.test"},
	    {.name = "other", .cn = "idms.test", .san = "DNS:other.test"},
	    {.name = "old", .cn = "old", .san = "DNS:idms.test", .from_s = -7200, .to_s = -3600},
	    {.name = "foreign", .cn = "idms.test", .san = "DNS:idms.test", .self_signed = 1},
	};
	(void)state;
	lab_open(&lab);
	for (size_t i = 0; i < sizeof certs / sizeof *certs; i++)
		lab_cert(&lab, &certs[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_close(&lab);
	return 0;
}

static struct http_client *client(const char *proxy, const char *resolve)
{
	return http_client_new(&(struct http_client_options){
	    .ca_file = lab_path(&lab, "ca.pem"), .resolve = resolve, .proxy = proxy, .timeout_ms = 20000});
}

/* A POST with what a stranger must not read. */
static void ask(struct http_client *c, unsigned port, struct http_answer *a)
{
	char url[128];
	assert_non_null(c);
	snprintf(url, sizeof url, "https://idms.test:%u/of/alice", port);
	http_client_do(c,
		       &(struct http_call){.method = "POST",
					   .url = url,
					   .content_type = "text/plain",
					   .body = octets_of("sip:alice@mc.test"),
					   .bearer = TOKEN},
		       a);
	http_client_free(c);
}

static void the_server_answers_through_a_proxy_that_reads_its_name_and_nothing_else(void **state)
{
	(void)state;
	struct http_server *s = serve("server");
	struct connect_proxy *p = proxy_new(NULL);
	struct http_answer a;
	char connect[128];
	ask(client(p->url, NULL), http_server_port(s), &a);
	assert_string_equal(a.error, "");
	assert_int_equal(a.status, 200);
	assert_string_equal((char *)a.body, "POST /of/alice sip:alice@mc.test");
	assert_string_equal(a.set_cookie, ""); /* the proxy's own headers are not the answer's */
	assert_string_equal(a.location, "");
	http_answer_free(&a);
	snprintf(connect, sizeof connect, "CONNECT idms.test:%u HTTP/1.1\r\n", http_server_port(s));
	assert_true(proxy_saw(p, connect));
	assert_false(proxy_saw(p, "alice"));
	assert_false(proxy_saw(p, TOKEN));
	assert_false(proxy_saw(p, "Authorization"));
	assert_int_equal(p->connections, 1);
	proxy_free(p);
	http_server_stop(s);
}

static void tls_04_a_certificate_of_another_name_or_authority_fails_through_a_proxy_too(void **state)
{
	(void)state;
	static const char *const wrong[] = {"other", "old", "foreign"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct http_server *s = serve(wrong[i]);
		struct connect_proxy *p = proxy_new(NULL);
		struct http_answer a;
		ask(client(p->url, NULL), http_server_port(s), &a);
		assert_int_equal(a.status, 0);
		assert_non_null(strstr(a.error, "idms.test"));
		assert_null(a.body);
		assert_int_equal(p->connections, 1); /* it was the handshake inside the tunnel that failed */
		assert_false(proxy_saw(p, TOKEN));
		proxy_free(p);
		http_server_stop(s);
	}
}

static void what_a_proxy_refuses_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *answer, *told;
	} cases[] = {
	    {"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
	     "answers 407 to CONNECT: it wants credentials"},
	    {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "answers 403 to CONNECT: it forbids"},
	    {"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", "answers 502 to CONNECT: it does not reach"},
	    {"HTTP/1.1 504 Late\r\nContent-Length: 0\r\n\r\n", "answers 504 to CONNECT: it does not reach"},
	    {"HTTP/1.1 302 Elsewhere\r\nLocation: https://idms.test/\r\nContent-Length: 0\r\n\r\n",
	     "answers 302 to CONNECT"},
	    {"", "through the proxy"},
	    {"SSH-2.0-OpenSSH_9.2\r\n", "through the proxy"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct connect_proxy *p = proxy_new(cases[i].answer);
		struct http_answer a;
		ask(client(p->url, NULL), 443, &a);
		assert_int_equal(a.status, 0);
		if (!strstr(a.error, cases[i].told) || !strstr(a.error, p->url))
			fail_msg("%s: %s", cases[i].answer, a.error);
		assert_string_equal(a.location, "");
		assert_false(proxy_saw(p, TOKEN));
		proxy_free(p);
	}
}

static void a_proxy_that_does_not_listen_is_named_and_never_gone_round(void **state)
{
	(void)state;
	struct http_server *s = serve("server");
	struct connect_proxy *p = proxy_new(NULL);
	struct http_answer a;
	char url[64], resolve[64];
	snprintf(url, sizeof url, "%s", p->url);
	proxy_free(p);
	snprintf(resolve, sizeof resolve, "idms.test:%u:127.0.0.1", http_server_port(s)); /* it could be reached */
	ask(client(url, resolve), http_server_port(s), &a);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.error, url));
	http_server_stop(s);
}

static void the_environment_names_no_proxy_and_takes_none_away(void **state)
{
	(void)state;
	static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
	struct http_server *s = serve("server");
	struct connect_proxy *p = proxy_new(NULL);
	struct http_answer a;
	char resolve[64];
	snprintf(resolve, sizeof resolve, "idms.test:%u:127.0.0.1", http_server_port(s));
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		setenv(names[i], p->url, 1);
	ask(client(NULL, resolve), http_server_port(s), &a);
	assert_int_equal(a.status, 200);
	http_answer_free(&a);
	assert_int_equal(p->connections, 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
	setenv("no_proxy", "*", 1);
	setenv("NO_PROXY", "*", 1);
	ask(client(p->url, NULL), http_server_port(s), &a);
	assert_int_equal(a.status, 200);
	http_answer_free(&a);
	assert_int_equal(p->connections, 1);
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
	proxy_free(p);
	http_server_stop(s);
}

static void a_proxy_of_another_kind_or_with_a_password_in_its_name_is_no_setting(void **state)
{
	(void)state;
	static const char *const wrong[] = {"https://p.test:3128",
					    "socks5://p.test:1080",
					    "p.test:3128",
					    "http://p.test",
					    "http://p.test:3128/x",
					    "http://p.test:3128?x",
					    "http://u:secret@p.test:80",
					    "http://u@p.test:80",
					    "http://:80",
					    "http://p.test:3128#x",
					    "http://p.test:0",
					    "file:///etc/passwd"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (client(wrong[i], NULL))
			fail_msg("%s", wrong[i]);
	struct http_client *c = client("http://p.test:3128", NULL), *d = client("http://p.test:3128/", NULL),
			   *e = client("http://[::1]:3128", NULL), *f = client("", NULL);
	assert_true(c && d && e && f);
	http_client_free(c);
	http_client_free(d);
	http_client_free(e);
	http_client_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_server_answers_through_a_proxy_that_reads_its_name_and_nothing_else),
	    cmocka_unit_test(tls_04_a_certificate_of_another_name_or_authority_fails_through_a_proxy_too),
	    cmocka_unit_test(what_a_proxy_refuses_is_named),
	    cmocka_unit_test(a_proxy_that_does_not_listen_is_named_and_never_gone_round),
	    cmocka_unit_test(the_environment_names_no_proxy_and_takes_none_away),
	    cmocka_unit_test(a_proxy_of_another_kind_or_with_a_password_in_its_name_is_no_setting),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

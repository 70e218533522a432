/* SPDX-License-Identifier: Apache-2.0 */
/* http_bed.c - see http_bed.h. */
#include "http_bed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

struct lab lab;
struct http_server *server;
atomic_uint handled;
const struct http_call get = {.method = "GET"};

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

struct http_server_options options(void)
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

int bed_set_up(void **state)
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

int bed_tear_down(void **state)
{
	(void)state;
	http_server_stop(server);
	lab_close(&lab);
	return 0;
}

void ask_port(unsigned port, const char *host, const char *who, const struct http_call *rest, const char *target,
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
	    .timeout_ms = 20000,
	});
	assert_non_null(c);
	struct http_call call = *rest;
	call.url = url;
	http_client_do(c, &call, out);
	http_client_free(c);
}

void ask(struct http_server *s, const char *host, const char *who, const struct http_call *rest, const char *target,
	 struct http_answer *out)
{
	ask_port(http_server_port(s), host, who, rest, target, out);
}

void expect_text(const char *who, const struct http_call *call, const char *target, const char *text)
{
	struct http_answer a;
	ask(server, "127.0.0.1", who, call, target, &a);
	assert_string_equal(a.error, "");
	assert_int_equal(a.status, 200);
	assert_string_equal((const char *)a.body, text);
	http_answer_free(&a);
}

SSL *raw_connect(SSL_CTX *ctx, struct http_server *s)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(s))};
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	struct timeval patience = {.tv_sec = 20};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	close(fd);
	return NULL;
}

void raw_close(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);
	SSL_free(ssl);
	close(fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client.c - one HTTPS request at a time over libcurl with OpenSSL (see http.h).
 *
 * TLS 1.2 or 1.3, ECDHE with AEAD. The server's certificate must chain to our anchors and carry the name in a subject
 * alternative name: OpenSSL is told so itself, because libcurl falls back to the common name. Redirects are never
 * followed, answers are bounded, and every octet received is wiped. A proxy is one that the caller names: what the
 * environment says (https_proxy, no_proxy) is ignored, since whoever sets it would see all names we ask for.
 */
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "mcsec/secret.h"
#include "net/http.h"

enum { CONNECT_TIMEOUT_MS = 5000, DEFAULT_TIMEOUT_MS = 15000, DEFAULT_MAX_BODY = 1 << 20 };

static const char suites_tls12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct http_client {
	CURL *curl;
	struct curl_slist *resolve;
	char *ca_file, *cert_file, *key_file;
	char *proxy; /* "" without */
	size_t max_body;
	unsigned timeout_ms;
	char host[256]; /* of the call under way, for the name check */
};

struct receiving {
	struct http_answer *out;
	size_t size, max;
	int too_big;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static struct curl_slist *parse_resolve(const char *pairs)
{
	struct curl_slist *list = NULL;
	while (pairs && *pairs) {
		size_t n = strcspn(pairs, ",");
		char *one = strndup(pairs, n);
		struct curl_slist *longer = one ? curl_slist_append(list, one) : NULL;
		free(one);
		if (!longer) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = longer;
		pairs += n + (pairs[n] == ',');
	}
	return list;
}

int http_proxy_valid(const char *proxy)
{
	static const CURLUPart without[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT};
	CURLU *u = curl_url();
	char *path = NULL, *port = NULL, *other;
	int ok = u && strncmp(proxy, "http://", 7) == 0 && !curl_url_set(u, CURLUPART_URL, proxy, 0) &&
		 !curl_url_get(u, CURLUPART_PORT, &port, 0) && strcmp(port, "0") != 0 &&
		 !curl_url_get(u, CURLUPART_PATH, &path, 0) && strcmp(path, "/") == 0;
	for (size_t i = 0; ok && i < sizeof without / sizeof *without; i++)
		if (!curl_url_get(u, without[i], &other, 0)) {
			curl_free(other);
			ok = 0;
		}
	curl_free(path);
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}

struct http_client *http_client_new(const struct http_client_options *o)
{
	pthread_once(&curl_once, curl_begin);
	struct http_client *c = calloc(1, sizeof *c);
	if (!c || !o->ca_file || (o->proxy && *o->proxy && !http_proxy_valid(o->proxy))) {
		free(c);
		return NULL;
	}
	c->curl = curl_easy_init();
	c->resolve = parse_resolve(o->resolve);
	c->ca_file = strdup(o->ca_file);
	c->cert_file = o->cert_file ? strdup(o->cert_file) : NULL;
	c->key_file = o->key_file ? strdup(o->key_file) : NULL;
	c->proxy = strdup(o->proxy ? o->proxy : "");
	c->max_body = o->max_body ? o->max_body : DEFAULT_MAX_BODY;
	c->timeout_ms = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
	int lacks = (o->cert_file && !c->cert_file) || (o->key_file && !c->key_file) ||
		    (o->resolve && *o->resolve && !c->resolve);
	if (!c->curl || !c->ca_file || !c->proxy || lacks) {
		http_client_free(c);
		return NULL;
	}
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->resolve);
	free(c->ca_file);
	free(c->cert_file);
	free(c->key_file);
	free(c->proxy);
	free(c);
}

static size_t on_body(char *data, size_t one, size_t n, void *ctx)
{
	struct receiving *r = ctx;
	struct http_answer *a = r->out;
	(void)one;
	if (n > r->max - a->body_len) {
		r->too_big = 1;
		return 0;
	}
	if (a->body_len + n + 1 > r->size) {
		size_t size = (a->body_len + n + 1) * 2;
		uint8_t *grown = malloc(size);
		if (!grown)
			return 0;
		if (a->body_len)
			memcpy(grown, a->body, a->body_len);
		if (a->body)
			mcsec_wipe(a->body, r->size);
		free(a->body);
		a->body = grown;
		r->size = size;
	}
	memcpy(a->body + a->body_len, data, n);
	a->body_len += n;
	a->body[a->body_len] = 0;
	return n;
}

/* If this header line is `name`, its value without blanks goes to out; a value that does not fit is dropped. */
static void take_header(const char *line, size_t n, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);
	if (n <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
		return;
	const char *from = line + len + 1, *to = line + n;
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == '\r' || to[-1] == '\n' || to[-1] == ' '))
		to--;
	if ((size_t)(to - from) < size) {
		memcpy(out, from, (size_t)(to - from));
		out[to - from] = 0;
	}
}

static size_t on_header(char *data, size_t one, size_t n, void *ctx)
{
	struct http_answer *a = ((struct receiving *)ctx)->out;
	char seconds[12] = "", cookie[512] = "";
	(void)one;
	take_header(data, n, "Content-Type", a->content_type, sizeof a->content_type);
	take_header(data, n, "Location", a->location, sizeof a->location);
	take_header(data, n, "WWW-Authenticate", a->www_authenticate, sizeof a->www_authenticate);
	take_header(data, n, "Date", a->date, sizeof a->date);
	take_header(data, n, "Set-Cookie", cookie, sizeof cookie);
	if (cookie[0] && strlen(a->set_cookie) + strlen(cookie) + 2 <= sizeof a->set_cookie) {
		strcat(a->set_cookie, cookie);
		strcat(a->set_cookie, "\n");
	}
	take_header(data, n, "Retry-After", seconds, sizeof seconds);
	if (seconds[0])
		a->retry_after_s = (unsigned)strtoul(seconds, NULL, 10);
	return n;
}

/* Runs for each new connection, after libcurl set it up: RFC 9525, names from the subject alternative name only. */
static CURLcode set_name_check(CURL *curl, void *ssl_ctx, void *client)
{
	struct http_client *c = client;
	X509_VERIFY_PARAM *p = SSL_CTX_get0_param(ssl_ctx);
	(void)curl;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(p, c->host) != 1 && X509_VERIFY_PARAM_set1_host(p, c->host, 0) != 1)
		return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

static int host_of(const char *url, char *out, size_t size)
{
	CURLU *u = curl_url();
	char *host = NULL;
	int bad = !u || curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0);
	if (!bad) {
		size_t n = strlen(host);
		const char *from = host;
		if (n > 2 && host[0] == '[') { /* IPv6 literal: the name to compare has no brackets */
			from++;
			n -= 2;
		}
		bad = n == 0 || n >= size;
		if (!bad) {
			memcpy(out, from, n);
			out[n] = 0;
		}
	}
	curl_free(host);
	curl_url_cleanup(u);
	return bad ? -1 : 0;
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
	if (!value)
		return list;
	size_t size = strlen(name) + strlen(value) + 3;
	char *line = malloc(size);
	struct curl_slist *longer = NULL;
	if (line) {
		snprintf(line, size, "%s: %s", name, value);
		longer = strpbrk(value, "\r\n") ? NULL : curl_slist_append(list, line);
		mcsec_wipe(line, size);
	}
	free(line);
	return longer ? longer : list;
}

static struct curl_slist *request_headers(const struct http_call *call)
{
	struct curl_slist *list = add_header(NULL, "Accept", call->accept ? call->accept : "*/*");
	list = add_header(list, "Content-Type", call->content_type);
	list = add_header(list, "Cookie", call->cookie);
	list = add_header(list, "Authorization", call->authorization);
	list = add_header(list, "X-3GPP-Asserted-Identity", call->asserted);
	list = curl_slist_append(list, "Expect:"); /* no 100-continue: bodies are small */
	if (call->bearer) {
		size_t size = strlen(call->bearer) + 8;
		char *value = malloc(size);
		if (value) {
			snprintf(value, size, "Bearer %s", call->bearer);
			list = add_header(list, "Authorization", value);
			mcsec_wipe(value, size);
		}
		free(value);
	}
	return list;
}

static void headers_free(struct curl_slist *list)
{
	for (struct curl_slist *at = list; at; at = at->next)
		mcsec_wipe(at->data, strlen(at->data));
	curl_slist_free_all(list);
}

static void set_transport(struct http_client *c)
{
	CURL *h = c->curl;
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_PROXY, c->proxy); /* "": none, whatever the environment says */
	curl_easy_setopt(h, CURLOPT_NOPROXY, "");
	curl_easy_setopt(h, CURLOPT_HTTPPROXYTUNNEL, 1L);
	curl_easy_setopt(h, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* our headers are not for the proxy */
	curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);         /* nor the proxy's for us */
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_SSL_CIPHER_LIST, suites_tls12);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
	curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(h, CURLOPT_SSL_CTX_FUNCTION, set_name_check);
	curl_easy_setopt(h, CURLOPT_SSL_CTX_DATA, c);
	curl_easy_setopt(h, CURLOPT_RESOLVE, c->resolve);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
	if (c->cert_file)
		curl_easy_setopt(h, CURLOPT_SSLCERT, c->cert_file);
	if (c->cert_file)
		curl_easy_setopt(h, CURLOPT_SSLKEY, c->key_file ? c->key_file : c->cert_file);
}

static void set_request(struct http_client *c, const struct http_call *call, struct curl_slist *headers)
{
	CURL *h = c->curl;
	curl_easy_setopt(h, CURLOPT_URL, call->url);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	if (call->body.len || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body.len ? (const char *)call->body.p : "");
	}
	if (strcmp(call->method, "HEAD") == 0)
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_receiver(CURL *h, struct receiving *r)
{
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, r);
}

/* A peer that closes while we write must not end the process: SIGPIPE is held back in this thread and then dropped. */
static CURLcode perform_without_sigpipe(CURL *curl)
{
	static const struct timespec no_wait = {0};
	sigset_t pipe_only, before, pending;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	CURLcode rc = curl_easy_perform(curl);
	if (!sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_only, NULL, &no_wait) > 0)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* A proxy refuses in its own name: who reads the log must not look for the fault at the server. */
static void say_why(const struct http_client *c, long connect_status, const char *why, char *out, size_t size)
{
	static const struct {
		long status;
		const char *meaning;
	} known[] = {{403, ": it forbids this host or port"},
		     {407, ": it wants credentials, which are not given to a proxy"},
		     {502, ": it does not reach the server"},
		     {503, ": it does not reach the server"},
		     {504, ": it does not reach the server"}};
	const char *meaning = "";
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].status == connect_status)
			meaning = known[i].meaning;
	if (!c->proxy[0])
		snprintf(out, size, "%s: %s", c->host, why);
	else if (connect_status >= 300)
		snprintf(out, size, "%s: the proxy %s answers %ld to CONNECT%s", c->host, c->proxy, connect_status,
			 meaning);
	else
		snprintf(out, size, "%s, through the proxy %s: %s", c->host, c->proxy, why);
}

void http_client_do(struct http_client *c, const struct http_call *call, struct http_answer *out)
{
	*out = (struct http_answer){0};
	struct receiving r = {.out = out, .max = c->max_body};
	char why[CURL_ERROR_SIZE] = "";
	long status = 0, connect_status = 0;
	if (host_of(call->url, c->host, sizeof c->host)) {
		snprintf(out->error, sizeof out->error, "not a URL with a host: %s", call->url);
		return;
	}
	struct curl_slist *headers = request_headers(call);
	curl_easy_reset(c->curl); /* keeps connections; forgets every pointer of the last call */
	set_transport(c);
	set_request(c, call, headers);
	set_receiver(c->curl, &r);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, why);
	CURLcode rc = perform_without_sigpipe(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->curl, CURLINFO_HTTP_CONNECTCODE, &connect_status);
	curl_easy_reset(c->curl);
	headers_free(headers);
	if (rc == CURLE_OK) {
		out->status = (int)status;
		return;
	}
	say_why(c, connect_status,
		r.too_big ? "the answer is larger than allowed"
		: why[0]  ? why
			  : curl_easy_strerror(rc),
		out->error, sizeof out->error);
	http_answer_free(out);
}

void http_answer_free(struct http_answer *a)
{
	if (a->body)
		mcsec_wipe(a->body, a->body_len);
	free(a->body);
	a->body = NULL;
	a->body_len = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* handler.c - see handler.h. */
#include "handler.h"

#include <semaphore.h>
#include <strings.h>

enum { SERVERS = 2, HEADERS = 64, LINE = 16384 };

struct http_server *__wrap_http_server_start(const struct http_server_options *o, char *err, size_t err_size);
void __wrap_http_server_stop(struct http_server *s);
uint16_t __wrap_http_server_port(const struct http_server *s);
const char *__wrap_http_request_header(const struct http_request *rq, const char *name, unsigned *count);
struct http_deferred *__wrap_http_defer(const struct http_request *rq);
void __wrap_http_finish(struct http_deferred *d, struct http_response *rs);

const struct http_client_cert handler_officer = {
    .present = 1, .subject = "CN=officer,OU=officer", .common_name = "officer", .org_unit = "officer"};

static struct http_server_options servers[SERVERS];
static unsigned n_servers;
static const char *bearer;

/* The request at hand; `conn` of the http_request points here. */
static struct {
	char *text; /* of the input, cut into NUL-terminated pieces */
	struct {
		const char *name, *value;
	} header[HEADERS];
	size_t n;
	int deferred;
	sem_t done;
	struct http_response late;
} now;
static char *last_body;

struct http_server *__wrap_http_server_start(const struct http_server_options *o, char *err, size_t err_size)
{
	(void)err, (void)err_size;
	HOLDS(n_servers < SERVERS && o->handler);
	servers[n_servers] = *o;
	return (struct http_server *)(uintptr_t)++n_servers;
}

void __wrap_http_server_stop(struct http_server *s)
{
	(void)s;
}

uint16_t __wrap_http_server_port(const struct http_server *s)
{
	return (uint16_t)(uintptr_t)s;
}

const char *__wrap_http_request_header(const struct http_request *rq, const char *name, unsigned *count)
{
	const char *value = NULL;
	unsigned n = 0;
	(void)rq;
	for (size_t i = 0; i < now.n; i++)
		if (!strcasecmp(now.header[i].name, name) && n++ == 0)
			value = now.header[i].value;
	if (count)
		*count = n;
	return value;
}

struct http_deferred *__wrap_http_defer(const struct http_request *rq)
{
	(void)rq;
	now.deferred = 1;
	return (struct http_deferred *)&now;
}

void __wrap_http_finish(struct http_deferred *d, struct http_response *rs)
{
	(void)d;
	now.late = *rs;
	*rs = (struct http_response){0};
	sem_post(&now.done);
}

void handler_token(const char *token)
{
	bearer = token;
}

const char *handler_body(void)
{
	return last_body ? last_body : "";
}

/* The next line, ended by NUL in place; NULL at the end of the head. */
static char *take_line(char **at, char *end)
{
	char *line = *at, *lf = memchr(line, '\n', (size_t)(end - line));
	if (!lf)
		return NULL;
	*at = lf + 1;
	if (lf > line && lf[-1] == '\r')
		lf--;
	*lf = 0;
	return line == lf ? NULL : line;
}

static void take_header(char *line)
{
	static char authorization[LINE];
	char *colon = strchr(line, ':');
	if (!colon || now.n == HEADERS)
		return;
	*colon++ = 0;
	colon += strspn(colon, " \t");
	if (bearer && !strcasecmp(line, "Authorization") && !strcmp(colon, "Bearer T")) {
		snprintf(authorization, sizeof authorization, "Bearer %s", bearer);
		colon = authorization;
	}
	now.header[now.n].name = line;
	now.header[now.n++].value = colon;
}

/* 1 if the text is a request as the HTTP library would hand one on. */
static int take_request(struct http_request *rq, size_t size)
{
	char *at = now.text, *end = now.text + size, *line = take_line(&at, end);
	char *path = line ? strchr(line, ' ') : NULL, *version = path ? strchr(path + 1, ' ') : NULL;
	now.n = 0;
	if (!version || path[1] != '/' || path == line)
		return 0;
	*path++ = 0;
	*version = 0;
	char *query = strchr(path, '?');
	if (query)
		*query++ = 0;
	while ((line = take_line(&at, end)))
		take_header(line);
	*rq = (struct http_request){.method = now.text,
				    .path = path,
				    .query = query ? query : "",
				    .body = {(const uint8_t *)at, (size_t)(end - at)},
				    .peer = "127.0.0.1",
				    .conn = &now};
	return 1;
}

static void answer_is_one(struct http_response *rs)
{
	HOLDS(rs->status >= 200 && rs->status <= 599 && !rs->overflow);
	HOLDS(!rs->body_len || (rs->body && rs->content_type && rs->content_type[0]));
	HOLDS(rs->n_headers <= HTTP_MAX_HEADERS);
	for (size_t i = 0; i < rs->n_headers; i++)
		HOLDS(rs->headers[i].name[0] && rs->headers[i].value &&
		      !rs->headers[i].value[strcspn(rs->headers[i].value, "\r\n")]);
	free(last_body);
	last_body = calloc(1, rs->body_len + 1);
	HOLDS(last_body);
	if (rs->body_len)
		memcpy(last_body, rs->body, rs->body_len);
}

int handler_run(unsigned server, const struct http_client_cert *cert, const uint8_t *text, size_t size)
{
	static const struct http_client_cert nobody;
	struct http_request rq;
	struct http_response rs = {0};
	int status = 0;
	HOLDS(server < n_servers);
	now.text = malloc(size + 1);
	HOLDS(now.text);
	memcpy(now.text, text, size);
	now.text[size] = 0;
	now.deferred = 0;
	if (take_request(&rq, size) && rq.body.len <= servers[server].max_body) {
		rq.cert = cert ? cert : &nobody;
		sem_init(&now.done, 0, 0);
		servers[server].handler(servers[server].ctx, &rq, &rs);
		if (now.deferred) {
			while (sem_wait(&now.done) != 0) /* the fuzzer's clock interrupts */
				;
			http_response_clear(&rs);
			rs = now.late;
		}
		sem_destroy(&now.done);
		answer_is_one(&rs);
		status = rs.status;
		http_response_clear(&rs);
	}
	free(now.text);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab_idms.h - an identity server in the test's own process, with a clock that the test moves, a user, clients, and one
 * call for each step of the flow. The server listens on free loopback ports; its database lives in the lab's folder.
 */
#ifndef MCX_TEST_LAB_IDMS_H
#define MCX_TEST_LAB_IDMS_H

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "idms/context.h"
#include "mcx/token/token.h"
#include "unit/net/lab.h"

#define ALICE          "alice@a.example"
#define PASSWORD       "correct horse battery"
#define REDIRECT       "com.example.mcx:/cb"
#define VERIFIER       "kZ3uXc0m1nA7vQe5bT9sLh2RyW8dPgJf4oUi6xMtNqE"
#define CHALLENGE      "ws4aZz5u8DDZ9xI_UoNTe_PznxBwZTB9SRt0KFVPEtA"
#define AUDIENCE       "https://mc.a.example"
#define PTT_SCOPES     "openid%203gpp%3Amc%3Aptt_service%203gpp%3Amc%3Aptt_key_management_service"
#define PTT_SCOPE_TEXT "openid 3gpp:mc:ptt_service 3gpp:mc:ptt_key_management_service"
#define AUTHORIZE_REST                                                                                                 \
	"&scope=" PTT_SCOPES "&redirect_uri=com.example.mcx%3A%2Fcb&state=9tKx0b7m&nonce=Zp41s"                        \
	"&acr_values=3gpp%3Aacr%3Apassword&code_challenge=" CHALLENGE "&code_challenge_method=S256"
#define AUTHORIZE "/authorize?response_type=code&client_id=mcx-ue" AUTHORIZE_REST

static struct lab lab;
static struct idms *idms;
static struct idms_config config;
static char issuer[64], admin_url[64];
static _Atomic int64_t clock_ms = INT64_C(1767225600000);

static inline int64_t test_clock(void)
{
	return clock_ms;
}

static inline void pass_s(int64_t seconds)
{
	clock_ms += seconds * 1000;
}

/* ---- asking ---- */

struct reply {
	int status;
	char body[16000], location[6000], cookie[1024], www[512], type[128];
	unsigned retry_after;
};

static inline struct reply ask_as(const char *cert, const char *base, const struct http_call *how, const char *target)
{
	static struct reply r;
	struct http_answer a;
	char url[12000], pem[80], key[80];
	snprintf(url, sizeof url, "%s%s", base, target);
	snprintf(pem, sizeof pem, "%s.pem", cert ? cert : "");
	snprintf(key, sizeof key, "%s.key", cert ? cert : "");
	struct http_client *c = http_client_new(&(struct http_client_options){
	    .ca_file = lab_path(&lab, "ca.pem"),
	    .cert_file = cert ? lab_path(&lab, pem) : NULL,
	    .key_file = cert ? lab_path(&lab, key) : NULL,
	    .timeout_ms = 20000,
	});
	struct http_call call = *how;
	call.url = url;
	http_client_do(c, &call, &a);
	if (!a.status)
		print_error("%s: %s\n", url, a.error);
	r = (struct reply){.status = a.status, .retry_after = a.retry_after_s};
	snprintf(r.body, sizeof r.body, "%s", a.body ? (char *)a.body : "");
	snprintf(r.location, sizeof r.location, "%s", a.location);
	snprintf(r.cookie, sizeof r.cookie, "%s", a.set_cookie);
	snprintf(r.www, sizeof r.www, "%s", a.www_authenticate);
	snprintf(r.type, sizeof r.type, "%s", a.content_type);
	http_answer_free(&a);
	http_client_free(c);
	return r;
}

static inline struct reply get_with(const char *target, const char *cookie)
{
	return ask_as(NULL, issuer, &(struct http_call){.method = "GET", .cookie = cookie}, target);
}

static inline struct reply get(const char *target)
{
	return get_with(target, NULL);
}

static inline struct reply post_with(const char *target, const char *form, const char *cookie,
				     const char *authorization)
{
	return ask_as(NULL, issuer,
		      &(struct http_call){.method = "POST",
					  .content_type = "application/x-www-form-urlencoded",
					  .body = octets_of(form),
					  .cookie = cookie,
					  .authorization = authorization},
		      target);
}

static inline struct reply post(const char *target, const char *form)
{
	return post_with(target, form, NULL, NULL);
}

static inline struct reply admin(const char *method, const char *target, const char *json)
{
	return ask_as("officer", admin_url,
		      &(struct http_call){.method = method,
					  .content_type = json ? "application/json" : NULL,
					  .body = json ? octets_of(json) : (struct octets){0}},
		      target);
}

/* For threads: a form, and its POST by a client of its own. The status is what the thread returns. */
struct lone_form {
	const char *target;
	char text[700];
};

static inline void *post_alone(void *arg)
{
	const struct lone_form *f = arg;
	char url[100];
	struct http_answer a;
	struct http_client *c =
	    http_client_new(&(struct http_client_options){.ca_file = config.admin_ca, .timeout_ms = 20000});
	snprintf(url, sizeof url, "%s%s", issuer, f->target);
	http_client_do(c,
		       &(struct http_call){.method = "POST",
					   .url = url,
					   .body = octets_of(f->text),
					   .content_type = "application/x-www-form-urlencoded"},
		       &a);
	intptr_t status = a.status;
	http_answer_free(&a);
	http_client_free(c);
	return (void *)status;
}

/* ---- what answers hold ---- */

static inline json_t *json_of(const struct reply *r)
{
	json_t *j = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL);
	if (!j)
		fail_msg("no JSON: %d %s", r->status, r->body);
	return j;
}

/* A text member of a JSON answer; "" if absent. */
static inline const char *member(const struct reply *r, const char *name)
{
	static char out[8][9000];
	static unsigned next;
	char *o = out[next++ % 8];
	json_t *j = json_of(r);
	const char *v = json_string_value(json_object_get(j, name));
	snprintf(o, sizeof out[0], "%s", v ? v : "");
	json_decref(j);
	return o;
}

/* A decoded parameter of a Location; "" if absent. */
static inline const char *param(const char *location, const char *name)
{
	static char out[8][4096];
	static unsigned next;
	char *o = out[next++ % 8];
	const char *query = strchr(location, '?');
	o[0] = 0;
	if (query)
		http_form_value(query + 1, strlen(query + 1), name, o, sizeof out[0]);
	return o;
}

/* The hidden field of a form. */
static inline const char *tx_of(const struct reply *r)
{
	static char tx[64];
	const char *at = strstr(r->body, "name=\"tx\" value=\"");
	tx[0] = 0;
	if (at)
		snprintf(tx, sizeof tx, "%.43s", at + 17);
	return tx;
}

/* "name=value" of a Set-Cookie. */
static inline const char *cookie_of(const struct reply *r)
{
	static char out[8][200];
	static unsigned next;
	char *o = out[next++ % 8];
	snprintf(o, sizeof out[0], "%.*s", (int)strcspn(r->cookie, ";"), r->cookie);
	return o;
}

static inline json_t *payload_of(const char *token)
{
	char *header, *payload;
	assert_int_equal(token_decode(token, strlen(token), &header, &payload), TOKEN_OK);
	json_t *j = json_loads(payload, 0, NULL);
	free(header);
	free(payload);
	return j;
}

static inline enum token_verdict check_token(const char *token, const char *audience, const char *typ,
					     struct token_claims *c)
{
	struct reply r = get("/jwks");
	struct token_keys *keys = token_keys_parse(octets_of(r.body));
	struct token_policy p = {
	    .keys = keys, .issuer = issuer, .audience = audience, .now = clock_ms / 1000, .typ = typ};
	enum token_verdict v = token_check(token, strlen(token), &p, c);
	token_keys_free(keys);
	return v;
}

/* ---- the flow ---- */

static inline struct reply submit(const char *tx, const char *user, const char *password)
{
	char form[2000], u[800], p[800];
	assert_int_equal(http_percent_encode(user, u, sizeof u), MCSEC_OK);
	assert_int_equal(http_percent_encode(password, p, sizeof p), MCSEC_OK);
	snprintf(form, sizeof form, "tx=%s&username=%s&password=%s", tx, u, p);
	return post("/login", form);
}

static inline struct reply log_in_at(const char *target, const char *user, const char *password)
{
	struct reply page = get(target);
	return submit(tx_of(&page), user, password);
}

/* A fresh code for the headless client mcx-ue. */
static inline const char *new_code_for(const char *user)
{
	struct reply r = log_in_at(AUTHORIZE, user, PASSWORD);
	if (r.status != 302 || !strstr(r.location, "code="))
		fail_msg("no code: %d %s %s", r.status, r.location, r.body);
	return param(r.location, "code");
}

static inline const char *new_code(void)
{
	return new_code_for(ALICE);
}

static inline struct reply redeem(const char *code)
{
	char form[1000];
	snprintf(form, sizeof form,
		 "grant_type=authorization_code&code=%s&client_id=mcx-ue&redirect_uri=com.example.mcx%%3A%%2Fcb"
		 "&code_verifier=" VERIFIER,
		 code);
	return post("/token", form);
}

static inline struct reply refresh(const char *token)
{
	char form[300];
	snprintf(form, sizeof form, "grant_type=refresh_token&client_id=mcx-ue&refresh_token=%s", token);
	return post("/token", form);
}

static inline struct reply userinfo(const char *access)
{
	return ask_as(NULL, issuer, &(struct http_call){.method = "GET", .bearer = access}, "/userinfo");
}

/* ---- life ---- */

static inline void make_user(const char *mc_id, const char *services)
{
	char target[300], body[600], name[200];
	http_percent_encode(mc_id, name, sizeof name);
	snprintf(target, sizeof target, "/admin/v1/users/%s", name);
	snprintf(body, sizeof body, "{\"display\":\"Test\",\"services\":%s}", services);
	struct reply r = admin("PUT", target, body);
	assert_true(r.status == 201 || r.status == 200);
	snprintf(target, sizeof target, "/admin/v1/users/%s/password", name);
	assert_int_equal(admin("POST", target, "{\"password\":\"" PASSWORD "\"}").status, 204);
}

static inline void start_idms(void)
{
	char err[512] = "";
	idms = idms_start(&config, test_clock, err, sizeof err);
	if (!idms)
		fail_msg("%s", err);
	config.port = http_server_port(idms->public_);
	config.admin_port = http_server_port(idms->admin);
	snprintf(admin_url, sizeof admin_url, "https://127.0.0.1:%u", (unsigned)config.admin_port);
}

static inline uint16_t free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(fd, (struct sockaddr *)&a, &n);
	close(fd);
	return ntohs(a.sin_port);
}

static inline void restart_idms(void)
{
	idms_stop(idms);
	start_idms();
}

static inline void lab_idms_open(void)
{
	static const char *const roles[] = {"officer", "user-admin", "auditor", "backup"};
	char pem[100], command[300];
	lab_open(&lab);
	lab_cert(&lab, &(struct lab_cert){.name = "server", .cn = "idms", .san = "IP:127.0.0.1,DNS:localhost"});
	for (size_t i = 0; i < 4; i++)
		lab_cert(&lab, &(struct lab_cert){.name = roles[i], .cn = roles[i], .ou = roles[i]});
	snprintf(pem, sizeof pem, "%s/tls.pem", lab.dir);
	snprintf(command, sizeof command, "umask 077; cat %s/server.pem %s/server.key > %s", lab.dir, lab.dir, pem);
	assert_int_equal(system(command), 0);
	config = (struct idms_config){
	    .audience = AUDIENCE,
	    .address = "127.0.0.1",
	    .name = "Example",
	    .threads = 4,
	    .access_ttl = 3600,
	    .id_ttl = 3600,
	    .code_ttl = 60,
	    .refresh_abs_ttl = 86400,
	    .refresh_idle_ttl = 43200,
	    .session_abs_ttl = 86400,
	    .session_idle_ttl = 43200,
	    .argon2_memory_kib = 19 * 1024,
	    .argon2_passes = 2,
	    .argon2_lanes = 1,
	    .argon2_threads = 2,
	    .argon2_queue = 8,
	    .rotate_days = 90,
	    .login_pages_per_s = 100000,
	    .source_failures = 100000,
	    .token_rate = 100000,
	    .lockout_minutes = 15,
	};
	config.port = free_port();
	snprintf(issuer, sizeof issuer, "https://127.0.0.1:%u", (unsigned)config.port);
	snprintf(config.issuer, sizeof config.issuer, "%s", issuer);
	snprintf(config.tls, sizeof config.tls, "%s", pem);
	snprintf(config.admin_ca, sizeof config.admin_ca, "%s/ca.pem", lab.dir);
	snprintf(config.client_ca, sizeof config.client_ca, "%s/ca.pem", lab.dir);
	snprintf(config.database, sizeof config.database, "%s/db", lab.dir);
	snprintf(config.keys, sizeof config.keys, "%s/keys", lab.dir);
	start_idms();
	assert_int_equal(admin("PUT", "/admin/v1/clients/mcx-ue",
			       "{\"name\":\"MCX terminal\",\"redirect_uris\":[\"" REDIRECT
			       "\",\"https://app.example/cb?x=1\",\"http://127.0.0.1/cb\"],\"headless_login\":true}")
			     .status,
			 201);
	make_user(ALICE, "{\"ptt\":\"sip:alice@mcptt.a.example\"}");
}

static inline void lab_idms_close(void)
{
	idms_stop(idms);
	lab_close(&lab);
}

#endif

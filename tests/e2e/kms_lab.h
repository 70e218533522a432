/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_lab.h - a real mcx-kms in a folder of its own, with an authority, a token signer and clients, for whole-process
 * tests. MCX_KMS names the program. Everything listens on free ports of 127.0.0.1.
 */
#ifndef MCX_TEST_KMS_LAB_H
#define MCX_TEST_KMS_LAB_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "audit/audit.h"
#include "mcx/token/token.h"
#include "net/http.h"
#include "net/kms_client.h"
#include "unit/net/lab.h"

#define LAB_KMS    "kms.example.org"
#define LAB_ISSUER "https://idms.example.org"
#define LAB_AUD    "https://mc.example.org"
#define ALICE      "sip:alice@example.org"
#define BOB        "sip:bob@example.org"
#define PSI        "sip:mcptt@example.org"
#define MDSI       "example.org"

struct kms_lab {
	struct lab lab;
	const char *uri; /* of the KMS; NULL: LAB_KMS. Counts from the next kl_configure on */
	struct token_signer *signer;
	pid_t pid;
	uint16_t port, admin_port;
	char resolve[128], base[64];
	struct http_client *plain, *mtls, *officer, *officer2, *auditor; /* mtls: the MC server's certificate */
	int64_t now;                                                     /* Unix seconds, at the last token */
};

static inline const char *kl_path(const struct kms_lab *k, const char *name)
{
	return lab_path(&k->lab, name);
}

static inline void kl_write(const struct kms_lab *k, const char *name, const char *text, mode_t mode)
{
	int fd = open(kl_path(k, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* ---- the daemon
 * ------------------------------------------------------------------------------------------------------- */

static inline void kl_configure(struct kms_lab *k, const char *more)
{
	char text[4096];
	snprintf(text, sizeof text,
		 "uri = \"%s\"\naddress = \"127.0.0.1\"\nport = 0\nadmin_port = 0\n"
		 "tls = \"kms.pem\"\ntls_key = \"kms.key\"\nclient_ca = \"ca.pem\"\nadmin_ca = \"ca.pem\"\n"
		 "database = \"db\"\npassphrase = \"passphrase\"\nissuer = \"" LAB_ISSUER "\"\naudience = \"" LAB_AUD
		 "\"\n"
		 "servers = { \"sip.example.org=" PSI "\", \"sip.example.org=" MDSI "\" }\n%s",
		 k->uri ? k->uri : LAB_KMS, more);
	kl_write(k, "conf", text, 0600);
}

/* Exit code of a daemon that ended by itself; -1 while it says it is ready (then k->pid, ports are set). */
static inline int kl_start_raw(struct kms_lab *k)
{
	int fd[2], status;
	char line[512] = "";
	assert_int_equal(pipe(fd), 0);
	k->pid = fork();
	if (k->pid == 0) {
		int log = open(kl_path(k, "log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(log, 2);
		dup2(fd[1], 9);
		execl(getenv("MCX_KMS"), "mcx-kms", "--config", kl_path(k, "conf"), "--ready-fd", "9", (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	struct pollfd p = {.fd = fd[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 20000), 1);
	ssize_t n = read(fd[0], line, sizeof line - 1);
	close(fd[0]);
	if (n <= 0) {
		waitpid(k->pid, &status, 0);
		k->pid = 0;
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	}
	unsigned port = 0, admin = 0;
	assert_non_null(strstr(line, "\"port\":"));
	sscanf(strstr(line, "\"port\":"), "\"port\":%u,\"admin_port\":%u", &port, &admin);
	k->port = (uint16_t)port;
	k->admin_port = (uint16_t)admin;
	return -1;
}

static inline struct http_client *kl_client(struct kms_lab *k, const char *who)
{
	char key[32], pem[32];
	snprintf(key, sizeof key, "%s.key", who ? who : "");
	snprintf(pem, sizeof pem, "%s.pem", who ? who : "");
	struct http_client_options o = {.ca_file = kl_path(k, "ca.pem"),
					.resolve = k->resolve,
					.max_body = 1 << 20,
					.timeout_ms = 20000,
					.cert_file = who ? kl_path(k, pem) : NULL,
					.key_file = who ? kl_path(k, key) : NULL};
	struct http_client *c = http_client_new(&o);
	assert_non_null(c);
	return c;
}

static inline void kl_connect(struct kms_lab *k)
{
	snprintf(k->base, sizeof k->base, "https://kms.test:%u", k->port);
	snprintf(k->resolve, sizeof k->resolve, "kms.test:%u:127.0.0.1,kms.test:%u:127.0.0.1", k->port, k->admin_port);
	k->plain = kl_client(k, NULL);
	k->mtls = kl_client(k, "sip");
	k->officer = kl_client(k, "officer");
	k->officer2 = kl_client(k, "officer2");
	k->auditor = kl_client(k, "auditor");
}

static inline void kl_start(struct kms_lab *k)
{
	assert_int_equal(kl_start_raw(k), -1);
	kl_connect(k);
}

static inline void kl_disconnect(struct kms_lab *k)
{
	http_client_free(k->plain);
	http_client_free(k->mtls);
	http_client_free(k->officer);
	http_client_free(k->officer2);
	http_client_free(k->auditor);
	k->plain = k->mtls = k->officer = k->officer2 = k->auditor = NULL;
}

/* Ends it with a signal; its exit code, or 128 + signal. */
static inline int kl_stop(struct kms_lab *k, int sig)
{
	int status = 0;
	if (k->plain)
		kl_disconnect(k);
	if (!k->pid)
		return 0;
	kill(k->pid, sig);
	waitpid(k->pid, &status, 0);
	k->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Folder, authority, certificates, signer, passphrase, configuration; nothing runs yet. */
static inline void kl_make(struct kms_lab *k, const char *more)
{
	memset(k, 0, sizeof *k);
	lab_open(&k->lab);
	lab_cert(&k->lab, &(struct lab_cert){.name = "kms", .cn = "kms.test", .san = "DNS:kms.test"});
	lab_cert(&k->lab, &(struct lab_cert){.name = "sip", .cn = "sip", .san = "DNS:sip.example.org,URI:" PSI});
	lab_cert(&k->lab, &(struct lab_cert){.name = "other", .cn = "other", .san = "DNS:other.example.org"});
	lab_cert(&k->lab, &(struct lab_cert){.name = "officer", .cn = "olga", .ou = "officer"});
	lab_cert(&k->lab, &(struct lab_cert){.name = "officer2", .cn = "oskar", .ou = "officer"});
	lab_cert(&k->lab, &(struct lab_cert){.name = "auditor", .cn = "aud", .ou = "auditor"});
	k->signer = token_signer_generate(TOKEN_ES256);
	const struct token_signer *one = k->signer;
	char *jwks = token_jwks(&one, 1);
	kl_write(k, "jwks.json", jwks, 0600);
	free(jwks);
	kl_write(k, "passphrase", "correct horse battery staple\n", 0600);
	kl_configure(k, more);
}

#define LAB_UNLIMITED "jwks_file = \"jwks.json\"\nlimit_hour = 0\nlimit_period = 0\nlimit_source = 0\n"

static inline void kl_remove(struct kms_lab *k)
{
	kl_stop(k, SIGKILL);
	token_signer_free(k->signer);
	lab_close(&k->lab);
}

/* ---- tokens and requests
 * ------------------------------------------------------------------------------------------------- */

struct kl_claims {
	const char *scope, *mcptt, *mcvideo, *issuer, *audience;
	int64_t exp_in; /* seconds from now; 0: 600 */
};

static inline char *kl_payload(struct kms_lab *k, const struct kl_claims *c)
{
	char *json;
	k->now = time(NULL);
	int n = asprintf(&json,
			 "{\"iss\":\"%s\",\"sub\":\"u-1\",\"aud\":[\"%s\"],\"client_id\":\"mcx-ue\",\"iat\":%lld,"
			 "\"nbf\":%lld,\"exp\":%lld,\"jti\":\"at-1\",\"scope\":\"%s\",\"mcptt_id\":\"%s\"%s%s%s}",
			 c->issuer ? c->issuer : LAB_ISSUER, c->audience ? c->audience : LAB_AUD, (long long)k->now - 5,
			 (long long)k->now - 5, (long long)(k->now + (c->exp_in ? c->exp_in : 600)),
			 c->scope ? c->scope : "openid " SCOPE_PTT_KEYS, c->mcptt ? c->mcptt : ALICE,
			 c->mcvideo ? ",\"mcvideo_id\":\"" : "", c->mcvideo ? c->mcvideo : "", c->mcvideo ? "\"" : "");
	assert_true(n > 0);
	return json;
}

/* malloc'ed */
static inline char *kl_token(struct kms_lab *k, struct kl_claims c)
{
	char *json = kl_payload(k, &c), *token = token_sign(k->signer, "at+jwt", json);
	assert_non_null(token);
	free(json);
	return token;
}

struct kl_post {
	const char *path;          /* below the root path */
	const char *method, *type; /* NULL: POST, application/xml */
	const char *token, *body;
	size_t body_len; /* 0: strlen */
	const char *authorization, *asserted;
};

static inline struct http_answer kl_send(struct kms_lab *k, struct http_client *c, struct kl_post p)
{
	char url[4096];
	struct http_answer a;
	snprintf(url, sizeof url, "%s" KMS_ROOT "/%s", k->base, p.path);
	size_t n = p.body_len ? p.body_len : p.body ? strlen(p.body) : 0;
	http_client_do(c,
		       &(struct http_call){.method = p.method ? p.method : "POST",
					   .url = url,
					   .content_type = n ? (p.type ? p.type : "application/xml") : NULL,
					   .body = {(const uint8_t *)p.body, n},
					   .bearer = p.token,
					   .authorization = p.authorization,
					   .asserted = p.asserted},
		       &a);
	return a;
}

/* A user's request for keys, with a token of theirs. */
static inline struct http_answer kl_keyprov(struct kms_lab *k, const char *user)
{
	char *token = kl_token(k, (struct kl_claims){.mcptt = user});
	struct http_answer a = kl_send(k, k->plain, (struct kl_post){.path = "keyprov", .token = token});
	free(token);
	return a;
}

/* The KmsError code of an answer, 0 without a document or an error in it. */
static inline int64_t kl_error_code(const struct http_answer *a)
{
	struct kms_response r;
	struct kms_fault f;
	if (!a->body_len || kms_response_read(&r, KMS_ROOT_RESPONSE, (struct octets){a->body, a->body_len}, &f))
		return 0;
	int64_t code = r.error.code;
	kms_response_free(&r);
	return code;
}

/* ---- the admin side
 * ------------------------------------------------------------------------------------------------------- */

static inline struct http_answer kl_admin(struct kms_lab *k, struct http_client *c, const char *method,
					  const char *path, const char *body)
{
	char url[1024];
	struct http_answer a;
	snprintf(url, sizeof url, "https://kms.test:%u%s", k->admin_port, path);
	http_client_do(c,
		       &(struct http_call){.method = method,
					   .url = url,
					   .content_type = body ? "application/json" : NULL,
					   .body = {(const uint8_t *)body, body ? strlen(body) : 0}},
		       &a);
	return a;
}

static inline int kl_admin_status(struct kms_lab *k, struct http_client *c, const char *method, const char *path,
				  const char *body)
{
	struct http_answer a = kl_admin(k, c, method, path, body);
	http_answer_free(&a);
	return a.status;
}

/* ---- the key management client
 * ----------------------------------------------------------------------------------------------- */

static inline struct kms_client *kl_kms_client(struct kms_lab *k, const char *cert)
{
	char key[32], pem[32];
	snprintf(key, sizeof key, "%s.key", cert ? cert : "");
	snprintf(pem, sizeof pem, "%s.pem", cert ? cert : "");
	struct kms_client_options o = {.base_url = k->base,
				       .kms_uri = k->uri ? k->uri : LAB_KMS,
				       .ca_file = kl_path(k, "ca.pem"),
				       .resolve = k->resolve,
				       .client_id = "mcx-client-7",
				       .device_id = "urn:uuid:1",
				       .cert_file = cert ? kl_path(k, pem) : NULL,
				       .key_file = cert ? kl_path(k, key) : NULL};
	struct kms_client *c = kms_client_new(&o);
	assert_non_null(c);
	return c;
}

enum { KL_ROOM = 8 };

struct kl_keys {
	struct kms_domain home;
	struct kms_keys set[KL_ROOM];
	size_t n;
	struct kms_result r;
};

/* init and keyprov as a client does; fails the test if either is refused. */
static inline void kl_fetch(struct kms_lab *k, const char *user, struct kl_keys *out)
{
	struct kms_client *c = kl_kms_client(k, NULL);
	char *token = kl_token(k, (struct kl_claims){.mcptt = user});
	int64_t now = time(NULL);
	memset(out, 0, sizeof *out);
	out->n = KL_ROOM;
	if (!kms_client_init(c, token, user, now, &out->home, &out->r) ||
	    !kms_client_keyprov(c, token, user, NULL, KMS_NO_TIME, now, &out->home, &user, 1, out->set, &out->n,
				&out->r))
		fail_msg("%s %d %s", kms_outcome_name(out->r.outcome), out->r.status, out->r.detail);
	free(token);
	kms_client_free(c);
}

static inline void kl_keys_free(struct kl_keys *k)
{
	kms_keys_free(k->set, k->n);
	kms_domain_free(&k->home);
}

/* Records of this type in the daemon's database. The chain is verified first. */
static inline int kl_audited(const struct kms_lab *k, const char *what)
{
	struct audit_finding f;
	char *text = NULL, why[128];
	size_t len = 0;
	int n = 0;
	assert_int_equal(audit_verify(kl_path(k, "db"), NULL, &f), 0);
	FILE *out = open_memstream(&text, &len);
	assert_int_equal(audit_export(kl_path(k, "db"), 0, 0, out, why, sizeof why), 0);
	fclose(out);
	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	free(text);
	return n;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_client_lab.h - for the tests of the KMS client: a server over real TLS that answers what the test wants, the
 * truth for tests to bend, and a client of it. For one file of a program.
 */
#ifndef MCX_TEST_KMS_CLIENT_LAB_H
#define MCX_TEST_KMS_CLIENT_LAB_H

#include <signal.h>

#include "mcx/kmssec/kms_sign.h"
#include "net/http.h"
#include "net/kms_client.h"
#include "unit/kms/kms_vector.h"
#include "unit/net/lab.h"

/* What the server answers next, and what it was asked. */
static struct answer {
	int status;
	struct kms_response r;
	const char *raw; /* instead of the response */
	int retry_after;
	const uint8_t *key; /* signed under this key, as the answer to who asks; NULL: not signed */
	const char *key_name;
} answer;
static char asked_path[512], asked_body[8192], asked_auth[256];

static void serve(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	static uint8_t buf[KMS_CERTIFICATE_BOUND * 4];
	struct writer w = wr_init(buf, sizeof buf - 1);
	const char *auth = http_request_header(rq, "Authorization", NULL);
	(void)ctx;
	snprintf(asked_path, sizeof asked_path, "%s", rq->path);
	snprintf(asked_body, sizeof asked_body, "%.*s", (int)rq->body.len, (const char *)rq->body.p);
	snprintf(asked_auth, sizeof asked_auth, "%s", auth ? auth : "");
	if (answer.key)
		kms_response_sign(&w, &answer.r, answer.key_name, answer.key);
	else
		kms_response_write(&w, &answer.r);
	assert_int_equal(w.err, MCSEC_OK);
	buf[wr_len(&w)] = 0;
	if (answer.retry_after)
		http_response_header(rs, "Retry-After", "%d", answer.retry_after);
	http_response_text(rs, answer.status, "application/xml", answer.raw ? answer.raw : (const char *)buf);
}

static struct lab lab;
static struct http_server *server;
static struct kms_vector vector;
static struct kms_client *client;
static char base[64], resolve[64], ca_file[256];
static struct kms_client_options options;

static inline int set_up(void **state)
{
	char err[256];
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kms_vector_open(&vector);
	lab_open(&lab);
	lab_cert(&lab, &(struct lab_cert){.name = "kms", .cn = "kms", .san = "DNS:kms.test"});
	struct http_server_options o = {.address = "127.0.0.1",
					.cert_file = lab_path(&lab, "kms.pem"),
					.key_file = lab_path(&lab, "kms.key"),
					.max_body = 65536,
					.threads = 1,
					.handler = serve};
	server = http_server_start(&o, err, sizeof err);
	assert_non_null(server);
	snprintf(base, sizeof base, "https://kms.test:%u", http_server_port(server));
	snprintf(resolve, sizeof resolve, "kms.test:%u:127.0.0.1", http_server_port(server));
	snprintf(ca_file, sizeof ca_file, "%s", lab_path(&lab, "ca.pem"));
	options = (struct kms_client_options){.base_url = base,
					      .kms_uri = VECTOR_KMS,
					      .ca_file = ca_file,
					      .resolve = resolve,
					      .client_id = "mcx-client-7"};
	client = kms_client_new(&options);
	assert_non_null(client);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	kms_client_free(client);
	http_server_stop(server);
	lab_close(&lab);
	kms_vector_close(&vector);
	return 0;
}

static struct kms_certificate cert;
static struct kms_key_set sets[2];

/* The truth, for tests to bend. */
static inline void honest(enum kms_message message)
{
	cert = vector.cert;
	sets[0] = sets[1] = vector.set;
	answer = (struct answer){.status = 200,
				 .r = {.user_uri = VECTOR_USER,
				       .kms_uri = VECTOR_KMS,
				       .time = VECTOR_NOW,
				       .client_req_url = "https://x/y",
				       .message = message,
				       .cache_num = -1,
				       .n_certs = 1,
				       .certs = &cert,
				       .n_sets = 1,
				       .sets = sets}};
}

static struct kms_result result;
static struct kms_domain home;

static inline int init(void)
{
	return kms_client_init(client, "token", VECTOR_USER, VECTOR_NOW, &home, &result);
}

static inline int keyprov(const char *for_uri, int64_t at)
{
	static const char *const mine[] = {VECTOR_USER};
	struct kms_keys out[1];
	size_t n = 1, before = mcsec_secret_in_use();
	struct kms_domain d = {.cert = vector.cert};
	assert_int_equal(mcsec_kms_new(&d.kms, vector.cert.pub_auth_key, vector.cert.pub_enc_key), MCSEC_OK);
	int ok =
	    kms_client_keyprov(client, "token", VECTOR_USER, for_uri, at, VECTOR_NOW, &d, mine, 1, out, &n, &result);
	assert_int_equal(n, ok ? 1 : 0);
	if (ok) {
		assert_memory_equal(out[0].set.secret, vector.set.secret, sizeof *vector.set.secret);
		assert_non_null(out[0].keyset);
		kms_keys_free(out, n);
	}
	kms_domain_free(&d);
	assert_int_equal(mcsec_secret_in_use(), before);
	return ok;
}

static inline void fails(int ok, enum kms_outcome outcome, const char *detail)
{
	assert_false(ok);
	assert_int_equal(result.outcome, outcome);
	if (!strstr(result.detail, detail))
		fail_msg("no '%s' in '%s'", detail, result.detail);
}

#endif

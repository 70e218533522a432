/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_keys_lab.h - for the tests of the security extension: a running KMS, Alice's client with transport keys, and
 * requests signed by hand.
 */
#ifndef TEST_KMS_KEYS_LAB_H
#define TEST_KMS_KEYS_LAB_H

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "e2e/kms_lab.h"
#include "mcsec/secret.h"
#include "mcx/kmssec/kms_krr.h"
#include "mcx/kmssec/kms_sign.h"
#include "sec/base/text.h"

#define ON      LAB_UNLIMITED "protect = \"trk+ink\"\n"
#define PARTNER "kms.partner.example"

static struct kms_lab k;
static char *token;
static struct kms_transport *keys; /* of alice's client */
static int stored, store_fails;

static inline int keep(void *ctx, const struct kms_transport *t)
{
	(void)ctx;
	(void)t;
	stored++;
	return store_fails;
}

static inline int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	keys = mcsec_secret_alloc(sizeof *keys);
	kl_make(&k, ON);
	kl_start(&k);
	token = kl_token(&k, (struct kl_claims){0});
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	free(token);
	kl_remove(&k);
	mcsec_secret_free(keys);
	return 0;
}

static inline void restart_with(const char *more)
{
	kl_stop(&k, SIGTERM);
	kl_configure(&k, more);
	kl_start(&k);
}

static inline void take_key(const json_t *j, const char *name, struct kms_transport_key *out)
{
	const json_t *one = json_object_get(j, name);
	size_t n = 0;
	*out = (struct kms_transport_key){0};
	if (!one)
		return;
	snprintf(out->id, sizeof out->id, "%s", json_string_value(json_object_get(one, "id")));
	const char *hex = json_string_value(json_object_get(one, "key"));
	assert_int_equal(hex_decode(hex, strlen(hex), out->key, 32, &n), MCSEC_OK);
}

static inline void hand_out(const char *user, struct kms_transport *t)
{
	char path[256];
	snprintf(path, sizeof path, "/admin/v1/transportkeys/%s", user);
	assert_int_equal(kl_admin_status(&k, k.auditor, "POST", path, NULL), 403);
	struct http_answer a = kl_admin(&k, k.officer, "POST", path, NULL);
	assert_int_equal(a.status, 201);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL);
	memset(t, 0, sizeof *t);
	take_key(j, "trk", &t->trk);
	take_key(j, "ink", &t->ink);
	json_decref(j);
	http_answer_free(&a);
}

static inline void anew(void)
{
	assert_int_equal(
	    kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/withdraw", NULL),
	    200);
	hand_out("sip%3Aalice%40example.org", keys);
}

static inline struct kms_client *client_with(struct kms_transport *t)
{
	struct kms_client_options o = {.base_url = k.base,
				       .kms_uri = LAB_KMS,
				       .ca_file = kl_path(&k, "ca.pem"),
				       .resolve = k.resolve,
				       .transport = t,
				       .store = keep};
	struct kms_client *c = kms_client_new(&o);
	assert_non_null(c);
	return c;
}

/* init and keyprov under the keys; the outcome of the last one. */
static inline enum kms_outcome provision(struct kms_transport *t, struct kms_result *r)
{
	struct kms_client *c = client_with(t);
	const char *mine = ALICE;
	struct kms_domain home = {0};
	struct kms_keys set[4];
	size_t n = 4;
	int64_t now = time(NULL);
	if (kms_client_init(c, token, ALICE, now, &home, r)) {
		if (kms_client_keyprov(c, token, ALICE, NULL, KMS_NO_TIME, now, &home, &mine, 1, set, &n, r)) {
			assert_in_range(n, 1, 2); /* in the last week of a period the next set comes too */
			kms_keys_free(set, n);
		}
		kms_domain_free(&home);
	}
	kms_client_free(c);
	return r->outcome;
}

static inline void expect_provision(struct kms_transport *t)
{
	struct kms_result r;
	if (provision(t, &r) != KMS_DONE)
		fail_msg("%s %d %s", kms_outcome_name(r.outcome), r.status, r.detail);
}

struct by_hand {
	const char *key_name, *trk_id, *signature_id, *id;
	const uint8_t *key;
	int64_t late;
	const char *path;
};

static inline size_t write_signed(struct by_hand h, uint8_t *out, size_t size)
{
	struct kms_request *q = calloc(1, sizeof *q);
	const char *path = h.path ? h.path : "keyprov";
	snprintf(q->id, sizeof q->id, "%s", h.id ? h.id : "req-1");
	strcpy(q->user_uri, ALICE);
	strcpy(q->kms_uri, LAB_KMS);
	q->time = time(NULL) - h.late;
	snprintf(q->client_req_url, sizeof q->client_req_url, "%s" KMS_ROOT "/%s", k.base, path);
	if (h.trk_id)
		strcpy(q->trk_id, h.trk_id);
	if (h.signature_id)
		strcpy(q->signature_id, h.signature_id);
	struct writer w = wr_init(out, size);
	if (h.key)
		kms_request_sign(&w, q, h.key_name, h.key);
	else
		kms_request_write(&w, q);
	assert_int_equal(w.err, MCSEC_OK);
	free(q);
	return wr_len(&w);
}

static inline struct http_answer send_octets(const uint8_t *body, size_t n)
{
	return kl_send(&k, k.plain,
		       (struct kl_post){.path = "keyprov", .token = token, .body = (const char *)body, .body_len = n});
}

#endif

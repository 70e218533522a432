/* SPDX-License-Identifier: Apache-2.0 */
/* kms_vector.h - the KMS of the published test secrets (kms.md 16), as documents and as keys. */
#ifndef MCX_TEST_KMS_VECTOR_H
#define MCX_TEST_KMS_VECTOR_H

#include "unit/sec/ibc/vector.h"

#include "mcsec/secret.h"
#include "mcx/doc/kms_doc.h"

#define VECTOR_USER "sip:user@example.org"
#define VECTOR_KMS  "kms.example.org"
#define VECTOR_NOW  INT64_C(1390730750) /* 2014-01-26 10:05:50 UTC, period 1388 */

struct kms_vector {
	struct mcsec_master *master;
	struct kms_certificate cert;
	struct kms_key_set set; /* period 1388 with the published v */
};

static inline void kms_vector_open(struct kms_vector *v)
{
	struct vector_file f;
	uint8_t ksak[MCSEC_KSAK_LEN], z_t[MCSEC_ZT_LEN];
	vector_open(&f, "kms.json");
	vector_get(&f, "KSAK", ksak, sizeof ksak);
	vector_get(&f, "z_T", z_t, sizeof z_t);
	assert_int_equal(mcsec_master_load(&v->master, ksak, z_t), MCSEC_OK);
	v->cert = (struct kms_certificate){
	    .role = KMS_ROLE_ROOT,
	    .cert_uri = "cert1.kms.example.org",
	    .kms_uri = VECTOR_KMS,
	    .issuer = "Example Operator",
	    .valid_from = 1388534400,
	    .valid_to = 1483228800,
	    .user_id_format = "2",
	    .periods = {2592000, 0},
	    .parameter_set = 1,
	    .n_domains = 1,
	    .domains = {"example.org"},
	};
	mcsec_master_public(v->master, v->cert.pub_auth_key, v->cert.pub_enc_key);
	v->set = (struct kms_key_set){
	    .kms_uri = VECTOR_KMS,
	    .cert_uri = "cert1.kms.example.org",
	    .user_uri = VECTOR_USER,
	    .valid_from = 1388707200,
	    .valid_to = 1391299200,
	    .period_no = 1388,
	    .secret = mcsec_secret_alloc(sizeof(struct kms_key_secret)),
	};
	vector_get(&f, "UID_1388", v->set.uid, 32);
	vector_get(&f, "RSK_1388", v->set.secret->rsk, MCSEC_RSK_LEN);
	vector_get(&f, "SSK_1388", v->set.secret->ssk, MCSEC_SSK_LEN);
	vector_get(&f, "PVT_1388", v->set.pvt, MCSEC_PVT_LEN);
}

static inline void kms_vector_close(struct kms_vector *v)
{
	mcsec_master_free(v->master);
	mcsec_secret_free(v->set.secret);
}

/* A test whose *state is the vector. */
static inline int kms_vector_setup(void **state)
{
	struct kms_vector *v = calloc(1, sizeof *v);
	kms_vector_open(v);
	*state = v;
	return 0;
}

static inline int kms_vector_teardown(void **state)
{
	kms_vector_close(*state);
	free(*state);
	return 0;
}

/* A vector file as text; freed by the caller. */
static inline char *kms_vector_text(const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", getenv("MCX_VECTORS"), name);
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	char *text = calloc(1, 65536);
	assert_true(fread(text, 1, 65535, in) > 0);
	fclose(in);
	return text;
}

#endif

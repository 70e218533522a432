/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_protected.h - what the tests of protected KMS documents share: the vector with its TrK and InK (kms.md 16.2), a
 * document verified, a document edited. For one file of a program.
 */
#ifndef MCX_TEST_KMS_PROTECTED_H
#define MCX_TEST_KMS_PROTECTED_H

#include "mcx/kmssec/kms_sign.h"
#include "unit/kms/kms_vector.h"
#include "unit/test.h"

static struct kms_fault fault;
static struct kms_vector v;
static uint8_t trk[32], ink[32], new_trk[32];

static inline int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < 32; i++) {
		trk[i] = (uint8_t)i;
		new_trk[i] = (uint8_t)(0x20 + i);
		ink[i] = (uint8_t)(0x40 + i);
	}
	kms_vector_open(&v);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	kms_vector_close(&v);
	assert_int_equal(mcsec_secret_in_use(), 0);
	return 0;
}

/* Of kms.md 16.3. */
static inline struct kms_request vector_request(void)
{
	return (struct kms_request){
	    .id = "req-0001",
	    .user_uri = VECTOR_USER,
	    .kms_uri = VECTOR_KMS,
	    .time = INT64_C(1390730752),
	    .client_id = "mcx-client-7",
	    .device_id = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff",
	    .client_req_url = "https://kms.example.org/keymanagement/identity/v1/keyprov",
	};
}

/* MCSEC_OK when form and MAC hold. */
static inline enum mcsec_err verify_flags(const char *text, const uint8_t *key, unsigned flags)
{
	struct kms_signature s;
	struct _xmlDoc *doc = kms_parse(octets_of(text), KMS_MAX_RESPONSE, &fault);
	if (!doc)
		return fault.code;
	enum mcsec_err e = kms_signature_of(&s, doc, flags, &fault);
	if (!e)
		e = kms_signature_verify(&s, key);
	kms_parsed_free(doc);
	return e;
}

static inline enum mcsec_err verify(const char *text)
{
	return verify_flags(text, ink, 0);
}

static inline char *edited(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	assert_non_null(at);
	char *out = malloc(strlen(text) + strlen(to) + 1);
	if (!out)
		abort();
	sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return out;
}

#endif

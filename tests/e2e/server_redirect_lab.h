/* SPDX-License-Identifier: Apache-2.0 */
/* server_redirect_lab.h - a KMS redirect that a user agent got, read and verified as its initiator would. */
#ifndef TEST_SERVER_REDIRECT_LAB_H
#define TEST_SERVER_REDIRECT_LAB_H

#include "e2e/server_bed.h"

#include "mcx/doc/multipart.h"
#include "net/krr_files.h"

#define OTHER_KMS "kms.other.test"

/* The caller frees it. What was not signed by this domain fails the test. */
static inline struct krr *redirect_of(const char *type, struct octets text)
{
	struct krr *k = NULL;
	struct kms_fault f;
	enum krr_verdict v;
	struct krr_trust *trust = krr_trust_of(bed.cfg.ca);
	assert_non_null(trust);
	assert_string_equal(type, TYPE_KRR);
	if (krr_open(&k, &v, text, trust, (int64_t)time(NULL), &f))
		fail_msg("%s: %s", f.element, f.detail);
	assert_int_equal(v, KRR_VERIFIED);
	krr_trust_free(trust);
	assert_string_equal(k->processor_uri, PSI);
	assert_in_range(k->time, time(NULL) - 60, time(NULL) + 1);
	return k;
}

/* Of the upload made last, to this receiver; it is freed. */
static inline void expect_redirect(struct krr *k, const char *from, const char *to, const char *rejected_receiver,
				   const char *rejected_initiator)
{
	char id[16];
	snprintf(id, sizeof id, "%08x", last_csk_id);
	assert_string_equal(k->key_id, id);
	assert_string_equal(k->initiator_uri, from);
	assert_string_equal(k->receiver_uri, to);
	assert_string_equal(k->rejected_receiver_kms, rejected_receiver);
	assert_string_equal(k->rejected_initiator_kms, rejected_initiator);
	assert_int_equal(k->receiver_kms.n, 1);
	assert_string_equal(k->receiver_kms.uri[0], KMS_URI);
	assert_null(k->embedded);
	krr_free(k);
}

#endif

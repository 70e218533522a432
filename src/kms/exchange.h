/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h - one request on its way through mcx-kms, and the ways to answer it.
 *
 * The checks of kms.md 6.4 run in their order (routes.c); each of them either passes or has answered. Errors are rows
 * of one table (kms.md 12.1, answer.c). A success is answered only after its audit record is durable.
 */
#ifndef MCX_KMS_EXCHANGE_H
#define MCX_KMS_EXCHANGE_H

#include "kms/context.h"

enum { KMS_CALLER_MAX = 8, KMS_ISSUE_MAX = 2 * KMS_CALLER_MAX };

/* Who asks, and the identities whose keys are theirs (kms.md 4.2: set A). */
struct kms_caller {
	const char *by; /* "token", "tls" or "proxy" */
	char name[256]; /* token: subject; tls: subject of the certificate */
	char client[256];
	size_t n;
	char identity[KMS_CALLER_MAX][KMS_URI_MAX];
};

enum kms_op { KMS_OP_INIT, KMS_OP_KEYPROV, KMS_OP_CERTCACHE, KMS_OP_CERT, KMS_OP_LOOKUP, KMS_OP_REDIRECT };

struct exchange {
	struct kms *kms;
	const struct http_request *rq;
	struct http_response *rs;
	int64_t now; /* Unix seconds */
	enum kms_op op;
	unsigned n_args;
	char arg[KMS_URI_MAX];    /* {uri} or {kmsuri}, decoded */
	uint64_t ntp;             /* {ntp} when n_args is 2 */
	struct kms_caller caller; /* n > 0 once authenticated */
	int has_body;
	struct kms_request request;
	struct protection *protection; /* protect/protect.h; NULL while there is none */
	char url[KMS_URL_MAX];         /* of this request */
};

enum kms_refusal {
	KMS_R_BAD_XML,
	KMS_R_WRONG_KMS,
	KMS_R_WRONG_URL,
	KMS_R_STALE_TIME,
	KMS_R_BAD_URI,
	KMS_R_BAD_TIME,
	KMS_R_SIGNATURE_REQUIRED,
	KMS_R_BAD_SIGNATURE,
	KMS_R_REPLAY,
	KMS_R_NOT_PERMITTED,
	KMS_R_PERIOD,
	KMS_R_SUSPENDED,
	KMS_R_NOT_ENROLLED,
	KMS_R_UNKNOWN_REQUEST,
	KMS_R_NO_CERTIFICATE,
	KMS_R_METHOD,
	KMS_R_MEDIA,
	KMS_R_NO_TRK,
	KMS_R_UNKNOWN_TRK,
	KMS_R_UNKNOWN_INK,
	KMS_R_RATE,
	KMS_R_INTERNAL,
	KMS_R_SEALED,
	KMS_R_STORE,
	KMS_R_CLOCK,
};

/* Answers with the row's status and KmsError, records and counts it. about (may be NULL) is added to ErrorMsg. */
void kms_refuse(struct exchange *x, enum kms_refusal what, const char *about);
/* A store that is busy or full is 503 and passes by itself; a broken one is 500. */
void kms_refuse_store(struct exchange *x, enum store_err e, const char *detail);
/* 200 with this message; the common elements are filled in here. secret: wipe what was written. */
void kms_respond(struct exchange *x, struct kms_response *r, int secret);

/* The audit record of a request refused before its sender was known; at most so many a second. */
void kms_record_stranger(struct exchange *x, const char *why);

/* Identity for UserUri of answers and the actor of records. */
const char *kms_caller_uri(const struct exchange *x);
/* The record that an operation leaves, without its details. */
struct audit_record kms_record(const struct exchange *x, enum audit_outcome outcome);

/* caller.c: 1 and x->caller, or 0 and answered. */
int kms_authenticate(struct exchange *x);
/* 1 if uri is in set A. */
int kms_caller_owns(const struct kms_caller *c, const char *uri);

/* 1 if the caller is a gateway that the operator lets fetch keys for uri too (kms.md 4.2: role provisioner). */
int kms_caller_provisions(const struct exchange *x, const char *uri);

/* The operations: each answers. */
void kms_handle_init(struct exchange *x);
void kms_handle_keyprov(struct exchange *x);
void kms_handle_certcache(struct exchange *x);
void kms_handle_cert(struct exchange *x);
void kms_handle_lookup(struct exchange *x);
void kms_handle_redirect(struct exchange *x);
/* handle_lookup.c: a pattern is a whole URI, or '*' and its end. */
int kms_uri_matches(const char *pattern, size_t len, const char *uri);
/* handle_lookup.c: does the directory serve this target by one of these KMSs? -1: the target is not known. */
int kms_directory_agrees(const struct exchange *x, const char *target, const char (*kms)[KMS_URI_MAX], size_t n);
/* handle_init.c: the durable record of certificates given out; 1, or 0 and answered. */
int kms_record_certificates(struct exchange *x, int64_t cache_num);

#endif

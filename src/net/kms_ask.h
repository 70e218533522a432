/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_ask.h - one request to a KMS on its way and back, as the operations of kms_client.c see it (kms.md 6, 7, 10).
 *
 * kms_ask() writes and sends the request, judges the answer by its status, verifies and opens what is protected, keeps
 * new transport keys and leaves the document; what stands in it is the operation's to check.
 */
#ifndef MCX_NET_KMS_ASK_H
#define MCX_NET_KMS_ASK_H

#include "net/http.h"
#include "net/kms_client.h"

/* ClientError codes of kms.md 12.2. */
enum {
	CE_NONE,
	CE_BAD_CERTIFICATE,
	CE_BAD_KEYSET,
	CE_UID_MISMATCH,
	CE_UNWRAP_FAILED,
	CE_BAD_SIGNATURE,
	CE_STALE_TIME,
	CE_STORAGE_FAILED,
	CE_UNKNOWN_MESSAGE,
	CE_OTHER
};

struct kms_client {
	struct http_client *http;
	char base[KMS_URL_MAX / 2], kms_uri[KMS_URI_MAX], client_id[KMS_TEXT_MAX], device_id[KMS_TEXT_MAX];
	struct kms_error report; /* to tell with the next request */
	struct kms_transport *transport;
	int (*store)(void *ctx, const struct kms_transport *t);
	void *store_ctx;
	unsigned forms; /* KMS_WRAPPED, KMS_REL13 */
};

/* One request on its way. */
struct kms_ask {
	struct kms_client *c;
	const char *token, *user_uri;
	int64_t now;
	struct kms_result *r;
	struct http_answer http;
	struct kms_response doc; /* filled in when `parsed` */
	int parsed;
	struct krr *krr; /* of a report */
	struct octets received;
	char url[KMS_URL_MAX];
};

/* 1 when the answer is 200 and holds this message; the document stands in a->doc until kms_ask_end(). */
int kms_ask(struct kms_ask *a, const char *path, enum kms_message message);
/* Returns ok. */
int kms_ask_end(struct kms_ask *a, int ok);
/* 0, with the outcome and a sentence; f (may be NULL) names the element. */
int kms_ask_fail(struct kms_ask *a, enum kms_outcome outcome, const char *what, const struct kms_fault *f);
/* A failure on our side, which the KMS learns with the next request; code: CE_. */
int kms_ask_report(struct kms_ask *a, int64_t code, const char *what, const struct kms_fault *f);

#endif

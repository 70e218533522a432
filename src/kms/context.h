/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.h - what the parts of mcx-kms share while it runs. Everything in it is either unchanging after the start or
 * guards itself.
 */
#ifndef MCX_KMS_CONTEXT_H
#define MCX_KMS_CONTEXT_H

#include <pthread.h>

#include "app/metrics.h"
#include "audit/refusals.h"
#include "kms/config.h"
#include "kms/db.h"
#include "kms/issuer.h"
#include "kms/limit.h"
#include "kms/period.h"
#include "kms/protect/seal.h"
#include "mcx/kmssec/kms_krr.h"
#include "net/bearer.h"

struct kms_watch;

struct kms {
	const struct kms_config *_Atomic config; /* another one after a reload; each lives as long as the daemon */
	struct kms_pool *pool;
	struct issuer *issuer;
	/* Certificate and sealed secrets; another one after a ceremony, each lives as long as the daemon. All zero before. */
	const struct kms_domain_row *_Atomic domain;
	struct kept_domain *kept;
	pthread_mutex_t unsealing;
	struct kms_watch *watch;
	struct bearer bearer;         /* realm and statuses; its keys are those below */
	struct jwks_cache *jwks;      /* keys of the identity server, or */
	struct token_keys *file_keys; /* keys from a file */
	struct transport_seal *seal;  /* NULL while protect is off */
	struct krr_trust *krr_trust;  /* NULL: no redirect response can be verified */
	struct limit *sources;
	struct audit_refusals *refusals;
	struct numbers {
		pthread_mutex_t lock;
		uint64_t next, end;
	} numbers;            /* issue numbers taken from the store and not yet used */
	int64_t (*now)(void); /* Unix seconds */
};

enum kms_metric {
	KMS_M_REQUESTS,
	KMS_M_ISSUED,
	KMS_M_REFUSED_TOKEN,
	KMS_M_REFUSED_REQUEST,
	KMS_M_REFUSED_RATE,
	KMS_M_STORE,
	KMS_M_CLIENT_ERRORS,
	KMS_M_SEALED,
	KMS_M_ISSUER_UP,
	KMS_M_ISSUER_DEATHS,
	KMS_M_READ,
	KMS_METRICS
};
extern struct metric kms_metrics[KMS_METRICS];

/* NULL and a sentence in err. */
struct kms *kms_open(const struct kms_config *config, char *err, size_t err_size);
void kms_close(struct kms *k);
/* Of the domain and the configuration as it is now. */
struct period_policy kms_periods(const struct kms *k);
/* One issue number; STORE_OK or why none can be had. */
enum store_err kms_next_number(struct kms *k, struct kms_db *db, uint64_t *out);
/* Refusals that were only counted: those whose window is over, or all. */
enum store_err kms_write_refusals(struct kms *k, struct kms_db *db, int all);
/*
 * Reads the domain again (it may have been made, or have changed its custody, since the start) and opens the seal with
 * the custody as it is now.
 */
enum custody_err kms_unseal(struct kms *k, struct kms_db *db);

int64_t kms_now_ns(void);
/* Synchronised by the kernel's account or not. */
enum audit_clock kms_clock(void);

/* routes.c: the interface of annex D. admin.c: the admin listener. */
void kms_answer(void *kms, const struct http_request *rq, struct http_response *rs);
void kms_admin_answer(void *kms, const struct http_request *rq, struct http_response *rs);

#endif

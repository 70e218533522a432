/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_keyprov.c - KMS KeyProvision (TS 33.180 D.2.4; kms.md 3.4, 4.2, 7.4).
 *
 * Order: whose keys and which periods; may they be had now (a look); issue outside any lock; then, in one transaction,
 * look again, count, record each issue, commit. Only after the commit the answer leaves: no key set is ever handed out
 * that is not in the audit record, and one that was recorded but lost on the way is simply asked for again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/log.h"
#include "kms/admit.h"
#include "kms/exchange.h"
#include "kms/watch.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

struct job {
	struct exchange *x;
	struct kms_db *db;
	enum store_err e; /* last verdict of the store */
	size_t n_users, n_periods;
	const char *user[KMS_CALLER_MAX];
	int for_other; /* a provisioner asks for an identity that is not its own */
	uint64_t period[2];
	uint64_t current;         /* period */
	struct kms_key_set *sets; /* user by user, period by period */
	struct kms_key_secret *secrets;
	size_t n_sets;
};

/* Each step returns 1, or 0 after it has answered. */
static int refuse(struct job *j, enum kms_refusal what, const char *about)
{
	kms_refuse(j->x, what, about);
	return 0;
}

static int store_failed(struct job *j)
{
	kms_refuse_store(j->x, j->e, j->db ? store_error_text(j->db->store) : "no connection");
	return 0;
}

/* ---- whose keys, which periods
 * ------------------------------------------------------------------------------------------ */

static int choose_users(struct job *j)
{
	struct exchange *x = j->x;
	if (x->n_args) {
		j->user[j->n_users++] = x->arg;
		j->for_other = !kms_caller_owns(&x->caller, x->arg);
		return MCX_CHECK(kms.owner, !j->for_other || kms_caller_provisions(x, x->arg)) ||
		       refuse(j, KMS_R_NOT_PERMITTED, NULL);
	}
	for (size_t i = 0; i < x->caller.n; i++)
		j->user[j->n_users++] = x->caller.identity[i];
	return 1;
}

static int choose_periods(struct job *j)
{
	const struct period_policy policy = kms_periods(j->x->kms), *p = &policy;
	uint64_t now = (uint64_t)j->x->now + MCSEC_NTP_UNIX;
	if (!kms_watch_clock_ok(j->x->kms->watch))
		return refuse(j, KMS_R_CLOCK, NULL);
	j->n_periods = period_plain(p, now, j->period);
	j->current = j->period[0];
	if (!j->n_periods)
		return refuse(j, KMS_R_INTERNAL, NULL);
	if (j->x->n_args < 2)
		return 1;
	j->n_periods = 1;
	return MCX_CHECK(kms.period, !period_at(p, now, j->x->ntp, &j->period[0])) || refuse(j, KMS_R_PERIOD, NULL);
}

/* ---- may they be had
 * ------------------------------------------------------------------------------------------------------ */

/*
 * A revoked user is told so: the set that was asked for with Revoked=true and no key in it (zeroes), so that the client
 * wipes what it has (kms.md 15A row 14). The record is durable first.
 */
static int answer_revoked(struct job *j, const char *uri)
{
	const struct kms_certificate *cert = &j->x->kms->domain->cert;
	struct audit_record r = kms_record(j->x, AUDIT_REFUSED);
	const uint64_t period = j->period[0]; /* the one that was asked for, or the current one */
	struct kms_key_set set = {.revoked = 1, .period_no = period};
	struct kms_response out = {.message = KMS_MSG_KEYPROV, .cache_num = -1, .n_sets = 1, .sets = &set};
	snprintf(set.kms_uri, sizeof set.kms_uri, "%s", cert->kms_uri);
	snprintf(set.cert_uri, sizeof set.cert_uri, "%s", cert->cert_uri);
	snprintf(set.user_uri, sizeof set.user_uri, "%s", uri);
	set.valid_from = (int64_t)(mcsec_period_start(&cert->periods, period) - MCSEC_NTP_UNIX);
	set.valid_to = (int64_t)(mcsec_period_start(&cert->periods, period + 1) - MCSEC_NTP_UNIX);
	set.secret = mcsec_secret_alloc(sizeof *set.secret);
	if (!set.secret || mcsec_uid(uri, cert->kms_uri, &cert->periods, period, set.uid)) {
		mcsec_secret_free(set.secret);
		return refuse(j, KMS_R_INTERNAL, NULL);
	}
	store_rollback(j->db->store); /* whatever else this request was about to record does not happen */
	r.target = uri;
	r.reason = "revoked";
	j->e = audit_append(j->db->audit, &r, kms_now_ns());
	if (j->e)
		store_failed(j);
	else
		kms_respond(j->x, &out, 0);
	mcsec_secret_free(set.secret);
	free(set.wrapped);
	return 0;
}

static int admit(struct job *j, const char *uri, struct kms_user *u)
{
	static const enum kms_refusal refusals[] = {[KMS_ADMIT_SUSPENDED] = KMS_R_SUSPENDED,
						    [KMS_ADMIT_NOT_ENROLLED] = KMS_R_NOT_ENROLLED,
						    [KMS_ADMIT_TOO_OFTEN] = KMS_R_RATE};
	const struct kms_config *c = j->x->kms->config;
	const struct kms_admit_rules rules = {strcmp(c->enrolment, "listed") == 0, c->limit_hour, c->limit_period};
	j->e = kms_db_user(j->db, uri, u);
	if (j->e)
		return store_failed(j);
	enum kms_admission a = kms_admit(u, &rules, j->x->now, j->current);
	if (a == KMS_ADMIT_REVOKED)
		return answer_revoked(j, uri);
	return a == KMS_ADMIT_OK || refuse(j, refusals[a], a == KMS_ADMIT_TOO_OFTEN ? "per identity" : NULL);
}

static int admit_all(struct job *j)
{
	struct kms_user u;
	for (size_t i = 0; i < j->n_users; i++)
		if (!admit(j, j->user[i], &u))
			return 0;
	return 1;
}

/* ---- issue
 * ------------------------------------------------------------------------------------------------------------------ */

static int issue_one(struct job *j, const char *uri, uint64_t period)
{
	struct kms *k = j->x->kms;
	uint64_t number;
	j->e = kms_next_number(k, j->db, &number);
	if (j->e)
		return store_failed(j);
	struct kms_key_set *set = &j->sets[j->n_sets];
	set->secret = &j->secrets[j->n_sets++];
	enum mcsec_err e = issuer_issue(k->issuer, &k->domain->cert, number, uri, period, set);
	if (e == MCSEC_E_NO_KEYS)
		return refuse(j, KMS_R_SEALED, NULL);
	if (e) {
		log_error("kms.issue-failed", log_text("error", mcsec_err_name(e)), log_text("user", uri));
		return refuse(j, KMS_R_INTERNAL, NULL);
	}
	return 1;
}

static int issue_all(struct job *j)
{
	size_t n = j->n_users * j->n_periods;
	/* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): a caller has an identity, and n_periods is not 0 (choose_periods) */
	j->sets = calloc(n, sizeof *j->sets);
	j->secrets = mcsec_secret_alloc(n * sizeof *j->secrets);
	if (!j->sets || !j->secrets)
		return refuse(j, KMS_R_INTERNAL, NULL);
	for (size_t i = 0; i < j->n_users; i++)
		for (size_t p = 0; p < j->n_periods; p++)
			if (!issue_one(j, j->user[i], j->period[p]))
				return 0;
	return 1;
}

/* ---- record
 * ------------------------------------------------------------------------------------------------------------------ */

static int record_set(struct job *j, const struct kms_key_set *set)
{
	char uid[HEX_SIZE(MCSEC_UID_LEN)], period[24];
	struct audit_record r = kms_record(j->x, AUDIT_OK);
	hex_encode(OCTETS(set->uid), uid);
	snprintf(period, sizeof period, "%llu", (unsigned long long)set->period_no);
	r.target = set->user_uri;
	audit_detail(&r, "uid", uid);
	audit_detail(&r, "period", period);
	audit_detail(&r, "cert-uri", set->cert_uri);
	if (j->for_other)
		audit_detail(&r, "role", "provisioner");
	if (j->x->caller.client[0])
		audit_detail(&r, "client", j->x->caller.client);
	j->e = audit_append(j->db->audit, &r, kms_now_ns());
	return !j->e || store_failed(j);
}

static int record_user(struct job *j, const char *uri)
{
	struct kms_user u;
	if (!admit(j, uri, &u)) /* again: an officer may have suspended the user meanwhile */
		return 0;
	kms_admitted(&u, j->x->now, j->period[j->n_periods - 1]);
	j->e = kms_db_user_put(j->db, uri, &u);
	return !j->e || store_failed(j);
}

static int record_in_transaction(struct job *j)
{
	for (size_t i = 0; i < j->n_users; i++)
		if (!record_user(j, j->user[i]))
			return 0;
	for (size_t i = 0; i < j->n_sets; i++)
		if (!record_set(j, &j->sets[i]))
			return 0;
	j->e = store_commit(j->db->store);
	return !j->e || store_failed(j);
}

static int record_all(struct job *j)
{
	j->e = store_begin(j->db->store);
	if (j->e)
		return store_failed(j);
	int ok = record_in_transaction(j);
	store_rollback(j->db->store); /* nothing after a commit */
	return ok;
}

/* ---- answer
 * -------------------------------------------------------------------------------------------------------------------
 */

static int answer(struct job *j)
{
	struct kms_response r = {.message = KMS_MSG_KEYPROV, .cache_num = -1, .n_sets = j->n_sets, .sets = j->sets};
	kms_respond(j->x, &r, 1);
	metric_add(&kms_metrics[KMS_M_ISSUED], (int64_t)j->n_sets);
	return 1;
}

void kms_handle_keyprov(struct exchange *x)
{
	static int (*const steps[])(struct job * j) = {choose_users, choose_periods, admit_all,
						       issue_all,    record_all,     answer};
	struct job j = {.x = x};
	j.db = kms_pool_take(x->kms->pool, &j.e);
	if (!j.db) {
		store_failed(&j);
		return;
	}
	for (size_t i = 0; i < sizeof steps / sizeof *steps && steps[i](&j); i++)
		;
	kms_pool_give(x->kms->pool, j.db, j.e);
	for (size_t i = 0; i < j.n_sets; i++)
		free(j.sets[i].wrapped);
	mcsec_secret_free(j.secrets);
	free(j.sets);
}

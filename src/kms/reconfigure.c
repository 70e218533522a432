/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconfigure.c - the configuration read anew while mcx-kms runs (kms.md 15A row 22): what may change takes the place
 * of what was, all of it or nothing, and only after its record is durable. See watch.h.
 */
#include <stdio.h>

#include "kms/watch.h"

/* What may change while we run; everything else names a listener, a file or the domain, or was copied at the start. */
static const char *const may_change[] = {"aliases",
					 "directory",
					 "servers",
					 "provisioners",
					 "proxies",
					 "preprovision",
					 "max_past",
					 "max_future",
					 "enrolment",
					 "suites",
					 "enforce_time",
					 "suites_minimum",
					 "lenient_client_req_url",
					 "time_tolerance",
					 "limit_hour",
					 "limit_period",
					 "wrap_keys",
					 "sign_responses",
					 "require_signed_request",
					 "wrap_uri",
					 "wrap_always_padded",
					 "rel13_hmac128",
					 "transport_roll_days",
					 "compat_rel13",
					 "schema",
					 "response_media_type",
					 "krr_day"};

int kms_reconfigure(struct kms *k, struct kms_config *c, char *err, size_t err_size)
{
	int rc = c ? kms_config_complete(c, err, err_size) : -1;
	const char *fixed = rc ? NULL
			       : config_fixed_change(kms_options, kms_n_options, k->config, c, may_change,
						     sizeof may_change / sizeof *may_change);
	if (fixed) {
		snprintf(err, err_size, "%s changes only with a restart", fixed);
		rc = -1;
	}
	enum store_err e = STORE_OK;
	struct kms_db *db = rc ? NULL : kms_pool_take(k->pool, &e);
	if (db) { /* the record comes first: a configuration is in use only when it is written down */
		struct audit_record r = {
		    .class_ = 'M', .type = "config.change", .clock = kms_clock(), .actor = k->config->node};
		e = audit_append(db->audit, &r, kms_now_ns());
		kms_pool_give(k->pool, db, e);
	}
	if (e) {
		snprintf(err, err_size, "the change cannot be recorded: %s", store_err_name(e));
		rc = -1;
	}
	if (!rc)
		k->config = c;
	kms_watch_config_said(k->watch, rc != 0);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* alarm.c - see alarm.h: the limits, one line an alarm. */
#include "kms/alarm.h"

enum {
	DAY_S = 86400,
	SOON_S = 30 * DAY_S,
	RECENT_STEP_S = 3600,
	RECENT_S = 300,
	STALE_S = 60,
	CLOCK_ERROR_US = 1000000
};

static const char *const names[KMS_ALARMS] = {
    [KMS_ALARM_SEALED] = "sealed",
    [KMS_ALARM_CERTIFICATE] = "certificate-expiry",
    [KMS_ALARM_TLS] = "tls-certificate",
    [KMS_ALARM_CLOCK] = "clock",
    [KMS_ALARM_CLOCK_EDGE] = "clock-edge",
    [KMS_ALARM_NOT_RENEWED] = "users-not-renewed",
    [KMS_ALARM_ISSUE] = "issue-failures",
    [KMS_ALARM_KRR] = "krr-anomaly",
    [KMS_ALARM_AUDIT] = "audit",
    [KMS_ALARM_REVOCATION_LIST] = "revocation-list",
    [KMS_ALARM_CONFIGURATION] = "configuration",
};

const char *kms_alarm_name(enum kms_alarm a)
{
	return names[a];
}

static int recent(int64_t since_s, int64_t within_s)
{
	return since_s >= 0 && since_s < within_s;
}

static int list_is_stale(const struct kms_facts *f)
{
	if (f->revocation_age == INT64_MIN)
		return 0;
	return f->revocation_age < 0 ? f->running_s > STALE_S : f->revocation_age > STALE_S;
}

unsigned kms_alarms(const struct kms_facts *f)
{
	const int raised[KMS_ALARMS] = {
	    [KMS_ALARM_SEALED] = f->sealed,
	    [KMS_ALARM_CERTIFICATE] = f->cert_ends - f->now < SOON_S,
	    [KMS_ALARM_TLS] = f->tls_refused || (f->tls_ends && f->tls_ends - f->now < SOON_S),
	    [KMS_ALARM_CLOCK] = f->clock_error_us > CLOCK_ERROR_US || recent(f->since_step_s, RECENT_STEP_S),
	    [KMS_ALARM_CLOCK_EDGE] = f->clock_held,
	    [KMS_ALARM_NOT_RENEWED] = f->window > 0 && f->to_period_end <= f->window / 2 && f->without_next > 0,
	    [KMS_ALARM_ISSUE] = recent(f->since_failure_s, RECENT_S),
	    [KMS_ALARM_KRR] = recent(f->since_anomaly_s, DAY_S),
	    [KMS_ALARM_AUDIT] = f->audit_bad,
	    [KMS_ALARM_REVOCATION_LIST] = list_is_stale(f),
	    [KMS_ALARM_CONFIGURATION] = f->config_refused,
	};
	unsigned set = 0;
	for (size_t i = 0; i < KMS_ALARMS; i++)
		set |= raised[i] ? 1u << i : 0;
	return set;
}

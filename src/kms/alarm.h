/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alarm.h - what an operator must be told (kms.md 15A row 20): a table from facts to alarms. Pure.
 *
 * The names are stable: they stand in the log (events alarm.raised, alarm.cleared), in the metric
 * mcx_kms_alarm{name="..."}, in GET /admin/v1/alarms, and in docs/operations.md, which says what to do.
 */
#ifndef MCX_KMS_ALARM_H
#define MCX_KMS_ALARM_H

#include <stddef.h>
#include <stdint.h>

enum kms_alarm {
	KMS_ALARM_SEALED,
	KMS_ALARM_CERTIFICATE,     /* the KMS certificate ends soon */
	KMS_ALARM_TLS,             /* ours, ends soon or a renewed one does not load */
	KMS_ALARM_CLOCK,           /* off by more than a second, or stepped in the last hour */
	KMS_ALARM_CLOCK_EDGE,      /* stepped over a period's edge: nothing is issued */
	KMS_ALARM_NOT_RENEWED,     /* users without next keys at W/2 */
	KMS_ALARM_ISSUE,           /* key sets that could not be issued in the last minutes */
	KMS_ALARM_KRR,             /* redirect responses that contradict what is known */
	KMS_ALARM_AUDIT,           /* the record has a gap, or its checkpoints cannot be made */
	KMS_ALARM_REVOCATION_LIST, /* the identity server's list is old */
	KMS_ALARM_CONFIGURATION,   /* the configuration file as it is was refused */
	KMS_ALARMS
};

struct kms_facts {
	int64_t now; /* Unix seconds */
	int sealed;
	int64_t cert_ends;      /* Unix seconds */
	int64_t tls_ends;       /* Unix seconds, 0: not known */
	int tls_refused;        /* renewed files do not load */
	int64_t clock_error_us; /* as the kernel estimates; 0: not synchronised, so not known */
	int64_t since_step_s;   /* -1: no step */
	int clock_held;
	int64_t to_period_end;   /* seconds */
	int64_t window;          /* W */
	int64_t without_next;    /* users of this period who have no keys of the next */
	int64_t since_failure_s; /* of an issue; -1: none */
	int64_t since_anomaly_s; /* of a redirect response; -1: none */
	int audit_bad;
	int64_t revocation_age; /* seconds; -1: never read, INT64_MIN: no list is configured */
	int64_t running_s;      /* since our start */
	int config_refused;
};

/* Stable: "sealed", "clock-edge", ... */
const char *kms_alarm_name(enum kms_alarm a);
/* One bit an alarm, 1 << enum kms_alarm. */
unsigned kms_alarms(const struct kms_facts *f);

#endif

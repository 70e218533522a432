/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_watch.c - the operator's look at the running KMS: alarms, the clock, a checkpoint of the record for a witness,
 * the configuration read anew (admin.md; kms.md 15A rows 12, 20 to 22).
 */
#include <stdlib.h>
#include <string.h>

#include "app/daemon.h"
#include "kms/admin_call.h"
#include "kms/alarm.h"
#include "kms/watch.h"

void admin_list_alarms(struct call *c)
{
	unsigned raised = kms_watch_alarms(c->kms->watch);
	json_t *list = json_array();
	for (unsigned i = 0; i < KMS_ALARMS; i++)
		if (raised & 1u << i)
			json_array_append_new(list, json_string(kms_alarm_name((enum kms_alarm)i)));
	enum store_err e = admin_record(c, "admin.read", NULL, NULL);
	if (e) {
		json_decref(list);
		admin_store_failed(c, e);
		return;
	}
	admin_json(c, 200, json_pack("{s:o}", "alarms", list));
}

/* An officer says that the clock is right although it was set over the edge of a key period. */
void admin_accept_clock(struct call *c)
{
	char step[24];
	int64_t ns = kms_watch_held_step(c->kms->watch);
	if (!ns) {
		admin_error(c->rs, 409, "clock", "the clock holds nothing back");
		return;
	}
	snprintf(step, sizeof step, "%lld", (long long)ns);
	enum store_err e = admin_record(c, "kms.clock.accept", "step-ns", step);
	if (e) {
		admin_store_failed(c, e);
		return;
	}
	kms_watch_accept_clock(c->kms->watch);
	admin_json(c, 200, json_pack("{s:I}", "step_ns", (json_int_t)ns));
}

void admin_make_checkpoint(struct call *c)
{
	char line[AUDIT_CHECKPOINT_LINE];
	enum store_err e = admin_record(c, "audit.read", NULL, NULL);
	if (e) {
		admin_store_failed(c, e);
		return;
	}
	enum audit_keeper_state s = kms_watch_checkpoint(c->kms->watch, line, sizeof line);
	if (s)
		admin_error(c->rs, 503, "audit", audit_keeper_state_name(s));
	else
		admin_json(c, 200, json_pack("{s:s}", "checkpoint", line));
}

void admin_reload(struct call *c)
{
	char err[1024];
	enum store_err e = admin_record(c, "config.reload", NULL, NULL);
	if (e)
		admin_store_failed(c, e);
	else if (daemon_reload(err, sizeof err))
		admin_error(c->rs, 409, "configuration", err);
	else
		admin_json(c, 200, json_pack("{s:b}", "reloaded", 1));
}

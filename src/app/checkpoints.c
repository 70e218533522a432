/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoints.c - see checkpoints.h. The line in the log is how a checkpoint leaves the host. */
#include "app/checkpoints.h"

#include <stdio.h>

#include "app/alarm.h"
#include "app/log.h"

enum { RECORDS = 1024, SECONDS = 60 };

static void said(void *ctx, const char *line)
{
	(void)ctx;
	log_info("audit.checkpoint", log_text("line", line));
}

static void changed(void *ctx, enum audit_keeper_state state, const char *why)
{
	char detail[512];
	(void)ctx;
	if (state == AUDIT_KEEPER_OK) {
		alarm_clear(ALARM_AUDIT);
		return;
	}
	if (state == AUDIT_KEEPER_GAP)
		log_error("audit.gap", log_text("why", why));
	snprintf(detail, sizeof detail, "%s: %s", audit_keeper_state_name(state), why);
	alarm_raise(ALARM_AUDIT, detail);
}

int checkpoints_start(const char *database, const char *key, const char *file, struct audit_keeper **out, char *err,
		      size_t err_size)
{
	const struct audit_keeper_options o = {.database = database,
					       .key = key,
					       .file = file,
					       .every_records = RECORDS,
					       .every_s = SECONDS,
					       .said = said,
					       .changed = changed};
	*out = NULL;
	if (!key[0] || !file[0])
		return 0;
	*out = audit_keeper_start(&o, err, err_size);
	return *out ? 0 : -1;
}

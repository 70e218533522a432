/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoints.h - the checkpoints of a daemon's audit record (audit.md 3 items 4, 5) as every daemon makes them: each
 * 1024 records or 60 seconds, into a file and into the log; a gap or a file that cannot be written is ALARM_AUDIT.
 */
#ifndef MCX_APP_CHECKPOINTS_H
#define MCX_APP_CHECKPOINTS_H

#include "audit/keeper.h"

/*
 * *out is what audit_keeper_stop ends. Without a key or a file there are none: *out NULL, 0. -1 and a sentence in err.
 */
int checkpoints_start(const char *database, const char *key, const char *file, struct audit_keeper **out, char *err,
		      size_t err_size);

#endif

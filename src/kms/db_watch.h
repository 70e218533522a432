/* SPDX-License-Identifier: Apache-2.0 */
/* db_watch.h - what watch.c asks the database for: the mark of the clock, and who lacks the next keys. */
#ifndef MCX_KMS_DB_WATCH_H
#define MCX_KMS_DB_WATCH_H

#include "kms/db.h"

/* Among the migrations. */
extern const char kms_db_watch_tables[];
/* Unix nanoseconds of the last mark, 0: none. */
enum store_err kms_db_clock(struct kms_db *db, int64_t *seen_ns);
enum store_err kms_db_clock_put(struct kms_db *db, int64_t seen_ns);
/* Active users whose newest keys are those of this period. */
enum store_err kms_db_without_next(struct kms_db *db, int64_t period, int64_t *n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measures.h - the rows of /metrics that only the running mcx-kms knows: durations of keyprov, refusals by their token,
 * time to the end of the period, users without their next keys, alarms (kms.md 15A row 19).
 *
 * Rows are written by any thread at any time; a row of refusals is made when its token is first met.
 */
#ifndef MCX_KMS_MEASURES_H
#define MCX_KMS_MEASURES_H

#include "app/metrics.h"

struct measures;

enum measure { MEASURE_PERIOD_LEFT, MEASURE_WITHOUT_NEXT, MEASURE_SYNCHRONISED, MEASURE_LIST_AGE, MEASURES };

struct measures *measures_new(void); /* NULL: no memory */
void measures_free(struct measures *m);
const struct metric *measures_rows(const struct measures *m, size_t *n);

void measures_set(struct measures *m, enum measure what, int64_t value);
int64_t measures_get(const struct measures *m, enum measure what);
void measures_set_alarms(struct measures *m, unsigned raised);
void measures_add_keyprov(struct measures *m, int64_t us);
void measures_add_refusal(struct measures *m, const char *token);

#endif

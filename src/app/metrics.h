/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - counters and gauges as a table each daemon owns, shown in the Prometheus text format 0.0.4.
 *
 *	static struct metric kms_metrics[] = {
 *		{ "mcx_kms_issued_total", "Key sets issued", NULL, METRIC_COUNTER, 0 },
 *		{ "mcx_kms_refused_total", "Requests refused", "reason=\"token\"", METRIC_COUNTER, 0 },
 *	};
 *	metric_add(&kms_metrics[0], 1);
 *
 * Rows of one name stand together; labels are literals without user data, so that their number stays bounded.
 */
#ifndef MCX_APP_METRICS_H
#define MCX_APP_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *name, *help;
	const char *labels; /* "a=\"b\"" or NULL */
	enum metric_kind kind;
	_Atomic int64_t value;
};

static inline void metric_add(struct metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

static inline void metric_set(struct metric *m, int64_t v)
{
	atomic_store_explicit(&m->value, v, memory_order_relaxed);
}

/* One table after the other (the second may be NULL) as malloc'ed text; NULL without memory. */
char *metrics_render(const struct metric *table, size_t n, const struct metric *more, size_t n_more);

#endif

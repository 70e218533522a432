/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c - a table of metrics as Prometheus text: HELP and TYPE once a name, then one line a row.
 */
#include "app/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void render_row(FILE *out, const struct metric *m, int first_of_name)
{
	static const char *const kinds[] = {[METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge"};
	if (first_of_name)
		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, kinds[m->kind]);
	fprintf(out, "%s", m->name);
	if (m->labels)
		fprintf(out, "{%s}", m->labels);
	fprintf(out, " %lld\n", (long long)atomic_load_explicit(&m->value, memory_order_relaxed));
}

static void render_table(FILE *out, const struct metric *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		render_row(out, &table[i], i == 0 || strcmp(table[i].name, table[i - 1].name) != 0);
}

char *metrics_render(const struct metric *table, size_t n, const struct metric *more, size_t n_more)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	render_table(out, table, n);
	render_table(out, more, n_more);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

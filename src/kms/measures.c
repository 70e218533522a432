/* SPDX-License-Identifier: Apache-2.0 */
/* measures.c - see measures.h. The rows of one name stand together, as the format wants them. */
#include "kms/measures.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kms/alarm.h"

enum { TOKENS = 40, TOKEN_LABEL = 64 };

enum row {
	ROW_BUCKET = MEASURES, /* one a limit of bucket_us, and one for all */
	ROW_SUM = ROW_BUCKET + 11,
	ROW_COUNT,
	ROW_ALARM,
	ROW_TOKEN = ROW_ALARM + KMS_ALARMS, /* added as they are met */
	ROWS = ROW_TOKEN + TOKENS
};

static const struct {
	int64_t us;
	const char *label;
} buckets[] = {
    {1000, "le=\"1000\""},       {2500, "le=\"2500\""},       {5000, "le=\"5000\""},      {10000, "le=\"10000\""},
    {25000, "le=\"25000\""},     {50000, "le=\"50000\""},     {100000, "le=\"100000\""},  {250000, "le=\"250000\""},
    {1000000, "le=\"1000000\""}, {5000000, "le=\"5000000\""}, {INT64_MAX, "le=\"+Inf\""},
};
_Static_assert(sizeof buckets / sizeof *buckets == ROW_SUM - ROW_BUCKET, "one row a bucket");

struct measures {
	pthread_mutex_t lock; /* of making rows */
	size_t n_tokens;
	char token_labels[TOKENS][TOKEN_LABEL];
	char alarm_labels[KMS_ALARMS][TOKEN_LABEL];
	struct metric rows[ROWS];
	_Atomic size_t n_rows;
};

static void make_rows(struct measures *m)
{
	static const struct {
		const char *name, *help;
	} gauges[] = {
	    [MEASURE_PERIOD_LEFT] = {"mcx_kms_period_left_seconds", "Seconds to the end of the key period"},
	    [MEASURE_WITHOUT_NEXT] = {"mcx_kms_users_without_next_keys",
				      "Users of this period without keys of the next"},
	    [MEASURE_SYNCHRONISED] = {"mcx_kms_clock_synchronised", "1 if the kernel says so"},
	    [MEASURE_LIST_AGE] = {"mcx_kms_revocation_list_age_seconds", "Since the list was read; -1 never"},
	};
	for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
		m->rows[i].name = gauges[i].name;
		m->rows[i].help = gauges[i].help;
		m->rows[i].kind = METRIC_GAUGE;
	}
	for (size_t i = ROW_BUCKET; i < ROW_SUM; i++) {
		m->rows[i].name = "mcx_kms_keyprov_microseconds_bucket";
		m->rows[i].help = "Answered keyprov requests by duration";
		m->rows[i].labels = buckets[i - ROW_BUCKET].label;
	}
	m->rows[ROW_SUM].name = "mcx_kms_keyprov_microseconds_sum";
	m->rows[ROW_COUNT].name = "mcx_kms_keyprov_microseconds_count";
	m->rows[ROW_SUM].help = m->rows[ROW_COUNT].help = "Of the same";
	for (size_t i = 0; i < KMS_ALARMS; i++) {
		snprintf(m->alarm_labels[i], TOKEN_LABEL, "name=\"%s\"", kms_alarm_name((enum kms_alarm)i));
		m->rows[ROW_ALARM + i].name = "mcx_kms_alarm";
		m->rows[ROW_ALARM + i].help = "1 while the alarm is raised";
		m->rows[ROW_ALARM + i].kind = METRIC_GAUGE;
		m->rows[ROW_ALARM + i].labels = m->alarm_labels[i];
	}
	atomic_store(&m->n_rows, ROW_TOKEN);
}

struct measures *measures_new(void)
{
	struct measures *m = calloc(1, sizeof *m);
	if (m) {
		pthread_mutex_init(&m->lock, NULL);
		make_rows(m);
	}
	return m;
}

void measures_free(struct measures *m)
{
	if (m)
		pthread_mutex_destroy(&m->lock);
	free(m);
}

const struct metric *measures_rows(const struct measures *m, size_t *n)
{
	*n = atomic_load(&m->n_rows);
	return m->rows;
}

void measures_set(struct measures *m, enum measure what, int64_t value)
{
	metric_set(&m->rows[what], value);
}

int64_t measures_get(const struct measures *m, enum measure what)
{
	return m->rows[what].value;
}

void measures_set_alarms(struct measures *m, unsigned raised)
{
	for (size_t i = 0; i < KMS_ALARMS; i++)
		metric_set(&m->rows[ROW_ALARM + i], raised >> i & 1);
}

void measures_add_keyprov(struct measures *m, int64_t us)
{
	for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++)
		if (us <= buckets[i].us)
			metric_add(&m->rows[ROW_BUCKET + i], 1);
	metric_add(&m->rows[ROW_SUM], us);
	metric_add(&m->rows[ROW_COUNT], 1);
}

/* The row of a token, made when it is first met. Lock held. */
static struct metric *token_row(struct measures *m, const char *token)
{
	char label[TOKEN_LABEL];
	size_t i = 0;
	snprintf(label, sizeof label, "token=\"%s\"", token);
	while (i < m->n_tokens && strcmp(m->token_labels[i], label) != 0)
		i++;
	if (i == TOKENS)
		return NULL;
	if (i == m->n_tokens) {
		struct metric *row = &m->rows[ROW_TOKEN + i];
		strcpy(m->token_labels[i], label);
		row->name = "mcx_kms_refusals_total";
		row->help = "Requests refused, by the token of the error";
		row->labels = m->token_labels[i];
		atomic_store(&m->n_rows, ROW_TOKEN + ++m->n_tokens);
	}
	return &m->rows[ROW_TOKEN + i];
}

void measures_add_refusal(struct measures *m, const char *token)
{
	pthread_mutex_lock(&m->lock);
	struct metric *row = token_row(m, token);
	pthread_mutex_unlock(&m->lock);
	if (row)
		metric_add(row, 1);
}

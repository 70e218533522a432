/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one JSON object a line on standard error: time, level, who, event, fields.
 *
 * An event's name is a dotted word that operators search for ("kms.issue", "sip.refuse"); fields carry the rest.
 *
 *	log_warn("kms.refuse", log_text("peer", rq->peer), log_int("status", 403));
 *
 * Never a key, a token, a password or a body: what is not passed cannot leak. Each line is bounded (LOG_LINE_MAX)
 * and leaves in one write, so lines of several threads do not mix. Thread-safe after log_open.
 */
#ifndef MCX_APP_LOG_H
#define MCX_APP_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum { LOG_LINE_MAX = 4000, LOG_VALUE_MAX = 512 };

struct log_field {
	const char *key;  /* NULL: the field is skipped */
	const char *text; /* NULL: the number counts */
	int64_t number;
};

static inline struct log_field log_text(const char *key, const char *text)
{
	return (struct log_field){.key = key, .text = text ? text : ""};
}

static inline struct log_field log_int(const char *key, int64_t number)
{
	return (struct log_field){.key = key, .number = number};
}

/* `who` is the daemon's name and must live for ever. Events above `level` are dropped. */
void log_open(const char *who, enum log_level level);
/* "error", "warn", "info", "debug"; -1 for anything else. */
int log_level_of(const char *name);

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);
/* The line as log_write would send it, without newline; for tests. Returns its length. */
size_t log_format(char *out, size_t size, const char *who, enum log_level level, int64_t now_ms, const char *event,
		  const struct log_field *fields, size_t n);

#define LOG_EVENT(level, event, ...)                                                                                   \
	log_write(level, event, (const struct log_field[]){{0}, __VA_ARGS__},                                          \
		  sizeof((const struct log_field[]){{0}, __VA_ARGS__}) / sizeof(struct log_field))
#define log_error(...) LOG_EVENT(LOG_LEVEL_ERROR, __VA_ARGS__, {0})
#define log_warn(...)  LOG_EVENT(LOG_LEVEL_WARN, __VA_ARGS__, {0})
#define log_info(...)  LOG_EVENT(LOG_LEVEL_INFO, __VA_ARGS__, {0})
#define log_debug(...) LOG_EVENT(LOG_LEVEL_DEBUG, __VA_ARGS__, {0})

#endif

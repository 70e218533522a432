/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - events as JSON lines. Text is escaped per RFC 8259 and cut at LOG_VALUE_MAX octets; octets that are no
 * UTF-8 text become '?', so that a hostile header can neither break a line nor forge one.
 */
#include "app/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sec/base/text.h"

static const char *log_who = "mcx";
static atomic_int log_limit = LOG_LEVEL_INFO;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_open(const char *who, enum log_level level)
{
	log_who = who;
	atomic_store(&log_limit, (int)level);
}

int log_level_of(const char *name)
{
	for (int i = 0; i < (int)(sizeof level_names / sizeof *level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return i;
	return -1;
}

struct line {
	char *out;
	size_t at, size; /* at < size always; the last octet stays free for NUL */
};

static void put(struct line *l, const char *p, size_t n)
{
	if (l->size - l->at <= n)
		n = l->size - l->at - 1;
	memcpy(l->out + l->at, p, n);
	l->at += n;
}

static void put_escaped(struct line *l, const char *text)
{
	size_t len = strnlen(text, LOG_VALUE_MAX);
	if (len == LOG_VALUE_MAX)
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--; /* do not cut inside a character */
	int clean = utf8_valid((struct octets){(const uint8_t *)text, len});
	put(l, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		char esc[8];
		if (c == '"' || c == '\\')
			put(l, esc, (size_t)snprintf(esc, sizeof esc, "\\%c", c));
		else if (c < 0x20 || c == 0x7f)
			put(l, esc, (size_t)snprintf(esc, sizeof esc, "\\u%04x", c));
		else if (c >= 0x80 && !clean)
			put(l, "?", 1);
		else
			put(l, (const char *)&text[i], 1);
	}
	put(l, "\"", 1);
}

static void put_field(struct line *l, const struct log_field *f)
{
	char number[32];
	put(l, ",", 1);
	put_escaped(l, f->key);
	put(l, ":", 1);
	if (f->text)
		put_escaped(l, f->text);
	else
		put(l, number, (size_t)snprintf(number, sizeof number, "%lld", (long long)f->number));
}

size_t log_format(char *out, size_t size, const char *who, enum log_level level, int64_t now_ms, const char *event,
		  const struct log_field *fields, size_t n)
{
	/* A field that does not fit is left out whole, and the line says so: what is written is always valid JSON. */
	static const char cut[] = ",\"cut\":true}";
	struct line l = {out, 0, size - sizeof cut};
	struct tm tm;
	char when[64];
	time_t seconds = (time_t)(now_ms / 1000);
	(void)gmtime_r(&seconds, &tm);
	size_t w = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(when + w, sizeof when - w, ".%03dZ", (int)(now_ms % 1000));

	put(&l, "{\"time\":\"", 9);
	put(&l, when, strlen(when));
	put(&l, "\",\"level\":\"", 11);
	put(&l, level_names[level], strlen(level_names[level]));
	put(&l, "\"", 1);
	put_field(&l, &(struct log_field){.key = "who", .text = who});
	put_field(&l, &(struct log_field){.key = "event", .text = event});
	int whole = 1;
	for (size_t i = 0; i < n && whole; i++) {
		if (!fields[i].key)
			continue;
		size_t before = l.at;
		put_field(&l, &fields[i]);
		if (l.at + 1 >= l.size) {
			l.at = before;
			whole = 0;
		}
	}
	const char *end = whole ? "}" : cut;
	memcpy(out + l.at, end, strlen(end) + 1);
	return l.at + strlen(end);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	if ((int)level > atomic_load(&log_limit))
		return;
	char line[LOG_LINE_MAX];
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	size_t len = log_format(line, sizeof line - 1, log_who, level, now.tv_sec * 1000 + now.tv_nsec / 1000000, event,
				fields, n);
	line[len++] = '\n';
	/* Nothing sensible can be done when the log is gone; the daemon goes on serving. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

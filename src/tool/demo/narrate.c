/* SPDX-License-Identifier: Apache-2.0 */
/*
 * narrate.c - the lines of the main job: numbered steps with milliseconds, then conditions with their evidence.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tool/demo/demo.h"

enum { STEP_WIDTH = 78, WRAP = 98, MARGIN = 7 };

void narrate_begin(struct narrator *n, int json)
{
	memset(n, 0, sizeof *n);
	pthread_mutex_init(&n->lock, NULL);
	n->json = json;
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* a step is read when it happens, also through a pipe */
}

static void print_json(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

void narrate_title(struct narrator *n, const char *fmt, ...)
{
	va_list ap;
	if (n->json)
		return;
	pthread_mutex_lock(&n->lock);
	printf("\n%s", tool_colour_on(stdout, TOOL_BOLD));
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("%s\n", tool_colour_off(stdout));
	pthread_mutex_unlock(&n->lock);
}

void narrate_step(struct narrator *n, double ms, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&n->lock);
	n->steps++;
	if (n->json && ms >= 0)
		print_json(json_pack("{s:i, s:s, s:f}", "step", (int)n->steps, "text", text, "ms", ms));
	else if (n->json)
		print_json(json_pack("{s:i, s:s}", "step", (int)n->steps, "text", text));
	else if (ms >= 0)
		printf("%3u  %-*s %s%9.1f ms%s\n", n->steps, STEP_WIDTH, text, tool_colour_on(stdout, TOOL_DIM), ms,
		       tool_colour_off(stdout));
	else
		printf("%3u  %s\n", n->steps, text);
	pthread_mutex_unlock(&n->lock);
}

/* Words in lines of at most WRAP columns behind a margin. */
static void print_wrapped(const char *text)
{
	size_t column = 0;
	while (*text) {
		size_t word = strcspn(text, " ");
		if (column && column + 1 + word > WRAP - MARGIN)
			column = 0, putchar('\n');
		column += (size_t)printf("%*s%.*s", column ? 1 : MARGIN, "", (int)word, text) - (column ? 0 : MARGIN);
		text += word + strspn(text + word, " ");
	}
	putchar('\n');
}

void narrate_condition(struct narrator *n, int met, const char *condition, const char *evidence)
{
	n->conditions++;
	n->met += met ? 1 : 0;
	if (n->json) {
		print_json(json_pack("{s:s, s:b, s:s}", "condition", condition, "met", met, "evidence", evidence));
		return;
	}
	printf(" %s%s%s  %s\n%s", tool_colour_on(stdout, met ? TOOL_GOOD : TOOL_BAD), met ? "yes" : "NO ",
	       tool_colour_off(stdout), condition, tool_colour_on(stdout, TOOL_DIM));
	print_wrapped(evidence);
	fputs(tool_colour_off(stdout), stdout);
}

int narrate_verdict(struct narrator *n)
{
	int good = n->conditions > 0 && n->met == n->conditions;
	if (n->json) {
		print_json(json_pack("{s:s, s:i, s:i}", "verdict", good ? "secure" : "failed", "met", (int)n->met, "of",
				     (int)n->conditions));
		return good;
	}
	printf("\n%sVERDICT: %s%s  (%u of %u conditions met)\n", tool_colour_on(stdout, good ? TOOL_GOOD : TOOL_BAD),
	       good ? "secure end to end" : "FAILED", tool_colour_off(stdout), n->met, n->conditions);
	return good;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alarm.h - what an operator has to know at once, as log events of stable names (docs/operations.md lists them).
 *
 *	{"level":"error","event":"alarm.raised","name":"database","detail":"full: ..."}
 *	{"level":"info","event":"alarm.cleared","name":"database"}
 *
 * An alarm is raised once, said again each minute while its cause lasts, and cleared once. Thread-safe.
 */
#ifndef MCX_APP_ALARM_H
#define MCX_APP_ALARM_H

enum alarm {
	ALARM_CLOCK,    /* the wall clock was set by more than a second: clears when it has run evenly for a minute */
	ALARM_DATABASE, /* a write did not go through: clears with the next that does */
	ALARM_DESCRIPTORS, /* nine tenths of the process's descriptors are taken, or none is left */
	ALARM_AUDIT,       /* the audit record has a gap, or its checkpoints cannot be made (checkpoints.h) */
	ALARMS
};

const char *alarm_name(enum alarm a);
void alarm_raise(enum alarm a, const char *detail);
void alarm_clear(enum alarm a);
int alarm_is_raised(enum alarm a);

/* Database failures and successes of this process become ALARM_DATABASE (store.h's observer). */
void alarm_open(void);
/* Once a second: looks at the clocks and counts descriptors. One caller. */
void alarm_tick(void);

/* ---- pure, for the tick and its tests ---- */

/* How far the wall clock moved away from the steady one between two readings, in ms, without what a slow look adds. */
struct alarm_clock {
	long long wall_ms, steady_ms;
};
long long alarm_clock_step(const struct alarm_clock *before, const struct alarm_clock *now);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* alarm.c - see alarm.h. */
#include "app/alarm.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "app/log.h"
#include "net/spare.h"
#include "store/store.h"

enum { AGAIN_MS = 60000, STEP_MS = 1000, EVEN_MS = 60000, CALM_MS = 5000 };

static const char *const names[ALARMS] = {"clock", "database", "descriptors", "audit"};

static struct {
	_Atomic int raised;
	_Atomic long long said_ms;
} alarms[ALARMS];

static long long clock_ms(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *alarm_name(enum alarm a)
{
	return names[a];
}

int alarm_is_raised(enum alarm a)
{
	return atomic_load(&alarms[a].raised);
}

void alarm_raise(enum alarm a, const char *detail)
{
	long long now = clock_ms(CLOCK_MONOTONIC), said = atomic_load(&alarms[a].said_ms);
	int was = atomic_exchange(&alarms[a].raised, 1);
	if (was && (now - said < AGAIN_MS || !atomic_compare_exchange_strong(&alarms[a].said_ms, &said, now)))
		return;
	atomic_store(&alarms[a].said_ms, now);
	log_error("alarm.raised", log_text("name", names[a]), log_text("detail", detail));
}

void alarm_clear(enum alarm a)
{
	if (atomic_load(&alarms[a].raised) && atomic_exchange(&alarms[a].raised, 0))
		log_info("alarm.cleared", log_text("name", names[a]));
}

/* ---- database ---- */

static void on_store(enum store_err e, const char *text)
{
	if (e == STORE_OK)
		alarm_clear(ALARM_DATABASE);
	else
		alarm_raise(ALARM_DATABASE, text);
}

/* ---- clock ---- */

long long alarm_clock_step(const struct alarm_clock *before, const struct alarm_clock *now)
{
	return (now->wall_ms - before->wall_ms) - (now->steady_ms - before->steady_ms);
}

static void look_at_clock(void)
{
	static struct alarm_clock before;
	static long long stepped_ms;
	struct alarm_clock now = {clock_ms(CLOCK_REALTIME), clock_ms(CLOCK_MONOTONIC)};
	long long step = before.steady_ms ? alarm_clock_step(&before, &now) : 0;
	before = now;
	if (step > STEP_MS || step < -STEP_MS) {
		char text[80];
		snprintf(text, sizeof text, "the clock was set %s by %lld ms", step > 0 ? "forward" : "back",
			 step > 0 ? step : -step);
		stepped_ms = now.steady_ms;
		alarm_clear(ALARM_CLOCK); /* each step is news */
		alarm_raise(ALARM_CLOCK, text);
	} else if (stepped_ms && now.steady_ms - stepped_ms > EVEN_MS) {
		stepped_ms = 0;
		alarm_clear(ALARM_CLOCK);
	}
}

/* ---- descriptors ---- */

static _Atomic long long starved_ms;

static void on_starved(void)
{
	atomic_store(&starved_ms, clock_ms(CLOCK_MONOTONIC));
	alarm_raise(ALARM_DESCRIPTORS, "none is left: a connection was turned away");
}

/* The folder stays open: without a descriptor none could be opened to count them. */
static DIR *descriptors;

static void look_at_descriptors(void)
{
	struct rlimit limit;
	rlim_t used = 0;
	if (!descriptors && !(descriptors = opendir("/proc/self/fd"))) {
		alarm_raise(ALARM_DESCRIPTORS, "none is left");
		return;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	rewinddir(descriptors);
	for (struct dirent *e; (e = readdir(descriptors));)
		used += e->d_name[0] != '.';
	if (used >= limit.rlim_cur - limit.rlim_cur / 10) {
		char text[80];
		snprintf(text, sizeof text, "%llu of %llu are taken", (unsigned long long)used,
			 (unsigned long long)limit.rlim_cur);
		alarm_raise(ALARM_DESCRIPTORS, text);
	} else if (used < limit.rlim_cur - limit.rlim_cur / 5 &&
		   clock_ms(CLOCK_MONOTONIC) - atomic_load(&starved_ms) > CALM_MS) {
		alarm_clear(ALARM_DESCRIPTORS);
	}
}

void alarm_open(void)
{
	store_observe(on_store);
	spare_observe(on_starved);
	look_at_clock();
	look_at_descriptors();
}

void alarm_tick(void)
{
	look_at_clock();
	look_at_descriptors();
}

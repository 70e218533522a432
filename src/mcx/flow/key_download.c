/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_download.c - the table of the machine; it is the specification of this file (flows 2.1): first match wins, what
 * is not in it changes nothing. Waits are 10, 60 and 600 s with 20 % of jitter to either side; after a 500 what the
 * client asks for, at least 1, 2, 4 ... 60 s, which counts as no attempt.
 */
#include "mcx/flow/key_download.h"

#include "sec/base/check.h"

enum { ATTEMPTS = 3, MAX_BUSY_S = 60 };

typedef int guard(const struct kd *m, const struct kd_event *ev);
typedef void effect(struct kd *m, const struct kd_event *ev);

enum kd_event_kind kd_answer(int status)
{
	switch (status) {
	case 500:
		return KD_EV_BUSY;
	case 404:
	case 408:
	case 480:
	case 503:
	case 504:
		return KD_EV_LATER;
	default:
		return status / 100 == 2 ? KD_EV_TAKEN : KD_EV_REFUSED;
	}
}

uint64_t kd_time(uint64_t now, uint64_t in_use)
{
	return in_use >= now ? in_use + 1 : now;
}

const char *kd_reason_name(enum kd_reason r)
{
	static const char *const names[KD_REASONS] = {"age", "operator", "compromise", "suite", "crossed", "bearer"};
	return names[r];
}

/* ---- guards ---- */

static int csk_in_clear(const struct kd *m, const struct kd_event *ev)
{
	(void)m;
	return MCX_FAULT(kd.in_clear, ev->what == KD_CSK && !ev->protected);
}

static int no_csk(const struct kd *m, const struct kd_event *ev)
{
	(void)m;
	return MCX_FAULT(kd.no_csk, !ev->has_csk);
}

static int is_proved(const struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	return m->proved;
}

static int must_repeat(const struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	return m->again;
}

static int is_csk(const struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	return m->what == KD_CSK;
}

static int is_musik(const struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	return m->what == KD_MUSIK;
}

static int due(const struct kd *m, const struct kd_event *ev)
{
	return ev->now_ms >= m->due_ms;
}

static int tried_enough(const struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	return m->attempt >= ATTEMPTS;
}

/* A CSK that must not stay in use does not outlive the last attempt (sip 4.1). */
static int must_end(const struct kd *m, const struct kd_event *ev)
{
	return tried_enough(m, ev) && (m->reason == KD_COMPROMISE || m->reason == KD_SUITE || m->reason == KD_CROSSED);
}

/* ---- effects ---- */

static void begin(struct kd *m, const struct kd_event *ev)
{
	*m = (struct kd){.state = m->state, .what = ev->what, .reason = ev->reason};
}

static void resume(struct kd *m, const struct kd_event *ev)
{
	*m = (struct kd){.state = m->state, .what = ev->what, .reason = ev->reason, .attempt = ev->attempt};
}

static void note_proof(struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	m->proved = 1;
}

static void note_crossing(struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	if (m->reason != KD_COMPROMISE)
		m->reason = KD_CROSSED;
	m->again = m->state == KD_SAVING || m->state == KD_SETTLING;
}

/* The key that was taken is overtaken: the next one follows it. */
static void begin_anew(struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	*m = (struct kd){.state = m->state, .what = KD_CSK, .reason = KD_CROSSED};
}

static void clear_again(struct kd *m, const struct kd_event *ev)
{
	(void)ev;
	m->again = 0;
}

/* t_kd1, 2, 3; the stated time where it is longer. */
static void back_off(struct kd *m, const struct kd_event *ev)
{
	static const int64_t t_kd_ms[ATTEMPTS] = {10000, 60000, 600000};
	int64_t wait = t_kd_ms[m->attempt++], asked = (int64_t)ev->retry_after_s * 1000;
	wait = wait * (4 * 255 + 2 * ev->jitter) / (5 * 255); /* 80 to 120 % */
	m->busy = 0;
	m->due_ms = ev->now_ms + (asked > wait ? asked : wait);
}

static void wait_for_upload(struct kd *m, const struct kd_event *ev)
{
	int64_t wait_s = m->busy < 6 ? INT64_C(1) << m->busy : MAX_BUSY_S;
	if (m->busy < 6)
		m->busy++;
	m->due_ms = ev->now_ms + 1000 * (ev->retry_after_s > wait_s ? (int64_t)ev->retry_after_s : wait_s);
}

/* The store does not take it: nothing was sent, so this is no attempt. */
static void wait_for_store(struct kd *m, const struct kd_event *ev)
{
	m->due_ms = ev->now_ms + 2000;
}

#define IN(s)     (1 << (s))
#define ACTS(...) {__VA_ARGS__}, sizeof((enum kd_action[]){__VA_ARGS__}) / sizeof(enum kd_action)

/* clang-format off */
static const struct row {
	int in; /* set of states */
	enum kd_event_kind on;
	guard *when;
	effect *then;
	enum kd_state next;
	enum kd_action acts[4];
	size_t n_acts;
	const char *why;
} rows[] = {
	/* in                          on                 when          then             next         actions, in order */
	{ IN(KD_IDLE),                 KD_EV_START,       csk_in_clear, 0,               KD_IDLE,     { 0 }, 0, "XML confidentiality is off in this deployment" },
	{ IN(KD_IDLE),                 KD_EV_START,       no_csk,       0,               KD_IDLE,     { 0 }, 0, "the client has uploaded no CSK" },
	{ IN(KD_IDLE),                 KD_EV_START,       0,            begin,           KD_SAVING,   ACTS(KD_DO_MAKE), NULL },
	{ IN(KD_IDLE),                 KD_EV_RESTART,     0,            resume,          KD_SAVING,   ACTS(KD_DO_REMAKE), NULL },
	{ IN(KD_SAVING),               KD_EV_SAVED,       is_proved,    0,               KD_SETTLING, ACTS(KD_DO_SETTLE), NULL },
	{ IN(KD_SAVING),               KD_EV_SAVED,       must_repeat,  clear_again,     KD_SAVING,   ACTS(KD_DO_REMAKE), NULL },
	{ IN(KD_SAVING),               KD_EV_SAVED,       0,            0,               KD_OUT,      ACTS(KD_DO_SEND), NULL },
	{ IN(KD_SAVING),               KD_EV_SAVE_FAILED, 0,            wait_for_store,  KD_WAIT,     ACTS(KD_DO_TIMER), NULL },
	{ IN(KD_SAVING),               KD_EV_PROVED,      is_csk,       note_proof,      KD_SAVING,   { 0 }, 0, NULL },
	{ IN(KD_SAVING),               KD_EV_UPLOAD_LOST, is_csk,       note_crossing,   KD_SAVING,   { 0 }, 0, NULL },
	{ IN(KD_OUT),                  KD_EV_TAKEN,       0,            0,               KD_SETTLING, ACTS(KD_DO_SETTLE), NULL },
	{ IN(KD_OUT),                  KD_EV_PROVED,      is_csk,       0,               KD_SETTLING, ACTS(KD_DO_RECALL, KD_DO_SETTLE), NULL },
	{ IN(KD_WAIT),                 KD_EV_PROVED,      is_csk,       0,               KD_SETTLING, ACTS(KD_DO_SETTLE), NULL },
	{ IN(KD_OUT),                  KD_EV_UPLOAD_LOST, is_csk,       note_crossing,   KD_SAVING,   ACTS(KD_DO_RECALL, KD_DO_REMAKE), NULL },
	{ IN(KD_WAIT),                 KD_EV_UPLOAD_LOST, is_csk,       note_crossing,   KD_SAVING,   ACTS(KD_DO_REMAKE), NULL },
	{ IN(KD_OUT),                  KD_EV_BUSY,        0,            wait_for_upload, KD_WAIT,     ACTS(KD_DO_TIMER), NULL },
	{ IN(KD_OUT),                  KD_EV_REFUSED,     must_end,     0,               KD_ENDING,   ACTS(KD_DO_AUDIT, KD_DO_DROP, KD_DO_ERASE), NULL },
	{ IN(KD_OUT),                  KD_EV_REFUSED,     tried_enough, 0,               KD_ENDING,   ACTS(KD_DO_AUDIT, KD_DO_ALARM, KD_DO_ERASE), NULL },
	{ IN(KD_OUT),                  KD_EV_REFUSED,     0,            back_off,        KD_WAIT,     ACTS(KD_DO_AUDIT, KD_DO_TIMER), NULL },
	{ IN(KD_OUT),                  KD_EV_LATER,       must_end,     0,               KD_ENDING,   ACTS(KD_DO_DROP, KD_DO_ERASE), NULL },
	{ IN(KD_OUT),                  KD_EV_LATER,       tried_enough, 0,               KD_ENDING,   ACTS(KD_DO_ALARM, KD_DO_ERASE), NULL },
	{ IN(KD_OUT),                  KD_EV_LATER,       0,            back_off,        KD_WAIT,     ACTS(KD_DO_TIMER), NULL },
	{ IN(KD_WAIT),                 KD_EV_TIMER,       due,          0,               KD_SAVING,   ACTS(KD_DO_REMAKE), NULL },
	{ IN(KD_WAIT),                 KD_EV_SEEN,        0,            0,               KD_SAVING,   ACTS(KD_DO_REMAKE), NULL },
	{ IN(KD_SAVING) | IN(KD_WAIT) | IN(KD_SETTLING) | IN(KD_ENDING), KD_EV_SUPERSEDED, 0, 0, KD_IDLE, ACTS(KD_DO_FORGET), NULL },
	{ IN(KD_OUT),                  KD_EV_SUPERSEDED,  0,            0,               KD_IDLE,     ACTS(KD_DO_RECALL, KD_DO_FORGET), NULL },
	{ IN(KD_SETTLING),             KD_EV_UPLOAD_LOST, is_csk,       note_crossing,   KD_SETTLING, { 0 }, 0, NULL },
	{ IN(KD_SETTLING),             KD_EV_SETTLED,     must_repeat,  begin_anew,      KD_SAVING,   ACTS(KD_DO_SWITCH, KD_DO_MAKE), NULL },
	{ IN(KD_SETTLING),             KD_EV_SETTLED,     is_csk,       0,               KD_IDLE,     ACTS(KD_DO_SWITCH, KD_DO_FORGET), NULL },
	{ IN(KD_SETTLING),             KD_EV_SETTLED,     is_musik,     0,               KD_IDLE,     ACTS(KD_DO_FORGET), NULL },
	{ IN(KD_SETTLING),             KD_EV_SETTLE_FAILED, 0,          wait_for_store,  KD_WAIT,     ACTS(KD_DO_TIMER), NULL },
	{ IN(KD_ENDING),               KD_EV_ENDED,       0,            0,               KD_IDLE,     ACTS(KD_DO_FORGET), NULL },
};
/* clang-format on */

const int kd_rows = sizeof rows / sizeof *rows;

int kd_step(struct kd *m, const struct kd_event *ev, struct kd_actions *out)
{
	*out = (struct kd_actions){0};
	for (int i = 0; i < kd_rows; i++) {
		const struct row *r = &rows[i];
		if (!(r->in & IN(m->state)) || r->on != ev->kind || (r->when && !r->when(m, ev)))
			continue;
		if (r->then)
			r->then(m, ev);
		m->state = r->next;
		out->why = r->why;
		for (size_t a = 0; a < r->n_acts; a++)
			out->do_[out->n++] = r->acts[a];
		return i;
	}
	return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_auth.c - service authorisation, client side (flows 1.1). The table is the specification of this file.
 *
 * First match wins; what is not in the table changes nothing. Renewal is due at half of the registration's life, and a
 * minute before the token ends; CSK age is bounded by the registration's own length. Waits after answers without a
 * verdict double from 1 s to 60 s, less up to half by jitter; a Retry-After that is longer wins (flows 0.3),
 * and is spread over the second that follows it, so that those who were told the same do not come as one.
 */
#include "mcx/flow/client_auth.h"

enum { MAX_REPAIRS = 3, REPAIR_SPAN_MS = 600000, MAX_WAIT_S = 60, TOKEN_MARGIN_S = 60 };

typedef int guard(const struct ca *m, const struct ca_event *ev);
typedef void effect(struct ca *m, const struct ca_event *ev);

static int token_was_renewed(const struct ca *m, const struct ca_event *ev)
{
	(void)ev;
	return m->token_renewed;
}

static int keys_were_refreshed(const struct ca *m, const struct ca_event *ev)
{
	(void)ev;
	return m->keys_refreshed;
}

static int repaired_too_often(const struct ca *m, const struct ca_event *ev)
{
	return m->repairs >= MAX_REPAIRS && ev->now_ms - m->repairs_from_ms < REPAIR_SPAN_MS;
}

static int alone(const struct ca *m, const struct ca_event *ev)
{
	return m->repairing && ev->alone;
}

static int due(const struct ca *m, const struct ca_event *ev)
{
	return ev->now_ms >= m->due_ms;
}

static void begin(struct ca *m, const struct ca_event *ev)
{
	(void)ev;
	*m = (struct ca){0};
}

static void note_token(struct ca *m, const struct ca_event *ev)
{
	(void)ev;
	m->token_renewed = 1;
}

static void note_keys(struct ca *m, const struct ca_event *ev)
{
	(void)ev;
	m->keys_refreshed = 1;
}

static void note_repair(struct ca *m, const struct ca_event *ev)
{
	if (m->repairs == 0 || ev->now_ms - m->repairs_from_ms >= REPAIR_SPAN_MS) {
		m->repairs = 0;
		m->repairs_from_ms = ev->now_ms;
	}
	m->repairs++;
	m->repairing = 1;
}

/* A core's 200 says nothing: what follows a redirect goes to the server itself. */
static void by_publish(struct ca *m, const struct ca_event *ev)
{
	(void)ev;
	m->repairing = 1;
}

/* What goes by PUBLISH alone needs a registration at the core: where that is lost too, REGISTER brings both back. */
static void repair_anew(struct ca *m, const struct ca_event *ev)
{
	(void)ev;
	m->repairing = 0;
}

/* t_renew. */
static void plan_renewal(struct ca *m, const struct ca_event *ev)
{
	uint32_t wait_s = ev->expires_s / 2;
	uint32_t token_s = ev->token_s > TOKEN_MARGIN_S ? ev->token_s - TOKEN_MARGIN_S : 0;
	m->tries = m->token_renewed = m->keys_refreshed = m->repairing = 0;
	m->due_ms = ev->now_ms + (int64_t)(token_s < wait_s ? token_s : wait_s) * 1000;
}

/* t_reauth. */
static void back_off(struct ca *m, const struct ca_event *ev)
{
	uint32_t wait_s = m->tries < 6 ? UINT32_C(1) << m->tries : MAX_WAIT_S;
	int64_t wait_ms = (int64_t)wait_s * 1000, asked_ms = (int64_t)ev->retry_after_s * 1000;
	wait_ms -= wait_ms / 2 * ev->jitter / 256;
	if (asked_ms)
		asked_ms += 1000 * (int64_t)ev->jitter / 256;
	if (m->tries < 6)
		m->tries++;
	m->due_ms = ev->now_ms + (asked_ms > wait_ms ? asked_ms : wait_ms);
}

#define NOTHING   {CA_ACTIONS}, 0
#define ACTS(...) {__VA_ARGS__}, sizeof((enum ca_action[]){__VA_ARGS__}) / sizeof(enum ca_action)

/* clang-format off */
static const struct row {
	enum ca_state in;
	enum ca_event_kind on;
	guard *when;
	effect *then;
	enum ca_state next;
	enum ca_action acts[4];
	size_t n_acts;
} rows[] = {
	/* in            on                  when                 then          next           actions, in order */
	{ CA_OFF,        CA_EV_START,        0,                   begin,        CA_KEYS,       ACTS(CA_DO_FETCH) },
	{ CA_KEYS,       CA_EV_READY,        0,                   0,            CA_UPLOAD,     ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_KEYS,       CA_EV_NOT_READY,    0,                   0,            CA_OFF,        ACTS(CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_ACCEPTED,     0,                   plan_renewal, CA_AUTHORISED, ACTS(CA_DO_INSTALL, CA_DO_TIMER) },
	{ CA_RENEWING,   CA_EV_ACCEPTED,     0,                   plan_renewal, CA_AUTHORISED, ACTS(CA_DO_INSTALL, CA_DO_TIMER) },
	{ CA_UPLOAD,     CA_EV_REGISTERED,   0,                   plan_renewal, CA_UNSURE,     ACTS(CA_DO_INSTALL, CA_DO_TIMER) },
	{ CA_RENEWING,   CA_EV_REGISTERED,   0,                   plan_renewal, CA_UNSURE,     ACTS(CA_DO_INSTALL, CA_DO_TIMER) },
	{ CA_UNSURE,     CA_EV_PROVED,       0,                   0,            CA_AUTHORISED, NOTHING },
	{ CA_UNSURE,     CA_EV_TIMER,        due,                 0,            CA_RENEWING,   ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UNSURE,     CA_EV_SIP_LOST,     0,                   0,            CA_RENEWING,   ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UNSURE,     CA_EV_UNREADABLE,   repaired_too_often,  0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UNSURE,     CA_EV_UNREADABLE,   0,                   note_repair,  CA_UPLOAD,     ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UPLOAD,     CA_EV_UNKNOWN_USER, repaired_too_often,  0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UNSURE,     CA_EV_UNKNOWN_USER, repaired_too_often,  0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_AUTHORISED, CA_EV_UNKNOWN_USER, repaired_too_often,  0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_UNKNOWN_USER, 0,                   note_repair,  CA_UPLOAD,     ACTS(CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UNSURE,     CA_EV_UNKNOWN_USER, 0,                   note_repair,  CA_UPLOAD,     ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_AUTHORISED, CA_EV_UNKNOWN_USER, 0,                   note_repair,  CA_UPLOAD,     ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UPLOAD,     CA_EV_UNAUTHORISED, token_was_renewed,   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_RENEWING,   CA_EV_UNAUTHORISED, token_was_renewed,   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_UNAUTHORISED, 0,                   note_token,   CA_KEYS,       ACTS(CA_DO_WIPE, CA_DO_NEW_TOKEN) },
	{ CA_RENEWING,   CA_EV_UNAUTHORISED, 0,                   note_token,   CA_KEYS,       ACTS(CA_DO_WIPE, CA_DO_NEW_TOKEN) },
	{ CA_UPLOAD,     CA_EV_UNREADABLE,   repaired_too_often,  0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_AUTHORISED, CA_EV_UNREADABLE,   repaired_too_often,  0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_RENEWING,   CA_EV_UNREADABLE,   repaired_too_often,  0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_UNREADABLE,   0,                   note_repair,  CA_UPLOAD,     ACTS(CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND) },
	{ CA_AUTHORISED, CA_EV_UNREADABLE,   0,                   note_repair,  CA_UPLOAD,     ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_RENEWING,   CA_EV_UNREADABLE,   0,                   note_repair,  CA_RENEWING,   ACTS(CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UPLOAD,     CA_EV_MIKEY,        keys_were_refreshed, 0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_RENEWING,   CA_EV_MIKEY,        keys_were_refreshed, 0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_MIKEY,        0,                   note_keys,    CA_KEYS,       ACTS(CA_DO_WIPE, CA_DO_REFRESH_KEYS) },
	{ CA_RENEWING,   CA_EV_MIKEY,        0,                   note_keys,    CA_KEYS,       ACTS(CA_DO_WIPE, CA_DO_REFRESH_KEYS) },
	{ CA_UPLOAD,     CA_EV_NO_SUITE,     0,                   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_RENEWING,   CA_EV_NO_SUITE,     0,                   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_REDIRECTED,   0,                   0,            CA_UPLOAD,     ACTS(CA_DO_WIPE_NEW) },
	{ CA_RENEWING,   CA_EV_REDIRECTED,   0,                   0,            CA_RENEWING,   ACTS(CA_DO_WIPE_NEW) },
	{ CA_UNSURE,     CA_EV_REDIRECTED,   0,                   by_publish,   CA_UPLOAD,     NOTHING },
	{ CA_UPLOAD,     CA_EV_CHOSEN,       0,                   0,            CA_UPLOAD,     ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_RENEWING,   CA_EV_CHOSEN,       0,                   0,            CA_RENEWING,   ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UPLOAD,     CA_EV_EXHAUSTED,    0,                   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_RENEWING,   CA_EV_EXHAUSTED,    0,                   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_REFUSED,      alone,               repair_anew,   CA_UPLOAD,     ACTS(CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND) },
	{ CA_RENEWING,   CA_EV_REFUSED,      alone,               repair_anew,   CA_RENEWING,   ACTS(CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND) },
	{ CA_UPLOAD,     CA_EV_REFUSED,      0,                   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_RENEWING,   CA_EV_REFUSED,      0,                   0,            CA_OFF,        ACTS(CA_DO_WIPE, CA_DO_TELL) },
	{ CA_UPLOAD,     CA_EV_LATER,        0,                   back_off,     CA_UPLOAD,     ACTS(CA_DO_TIMER) },
	{ CA_RENEWING,   CA_EV_LATER,        0,                   back_off,     CA_RENEWING,   ACTS(CA_DO_TIMER) },
	{ CA_UPLOAD,     CA_EV_TIMER,        due,                 0,            CA_UPLOAD,     ACTS(CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND) },
	{ CA_RENEWING,   CA_EV_TIMER,        due,                 0,            CA_RENEWING,   ACTS(CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND) },
	{ CA_AUTHORISED, CA_EV_TIMER,        due,                 0,            CA_RENEWING,   ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_AUTHORISED, CA_EV_SIP_LOST,     0,                   0,            CA_RENEWING,   ACTS(CA_DO_MAKE, CA_DO_SEND) },
	{ CA_KEYS,       CA_EV_LOG_OFF,      0,                   0,            CA_OFF,        ACTS(CA_DO_WIPE) },
	{ CA_UPLOAD,     CA_EV_LOG_OFF,      0,                   0,            CA_OFF,        ACTS(CA_DO_LOG_OFF, CA_DO_WIPE) },
	{ CA_UNSURE,     CA_EV_LOG_OFF,      0,                   0,            CA_OFF,        ACTS(CA_DO_LOG_OFF, CA_DO_WIPE) },
	{ CA_AUTHORISED, CA_EV_LOG_OFF,      0,                   0,            CA_OFF,        ACTS(CA_DO_LOG_OFF, CA_DO_WIPE) },
	{ CA_RENEWING,   CA_EV_LOG_OFF,      0,                   0,            CA_OFF,        ACTS(CA_DO_LOG_OFF, CA_DO_WIPE) },
};
/* clang-format on */

const int ca_rows = sizeof rows / sizeof *rows;

int ca_step(struct ca *m, const struct ca_event *ev, struct ca_actions *out)
{
	out->n = 0;
	for (int i = 0; i < ca_rows; i++) {
		const struct row *r = &rows[i];
		if (r->in != m->state || r->on != ev->kind || (r->when && !r->when(m, ev)))
			continue;
		if (r->then)
			r->then(m, ev);
		m->state = r->next;
		for (size_t a = 0; a < r->n_acts; a++)
			out->do_[out->n++] = r->acts[a];
		return i;
	}
	return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_way.c - the connection to the server, which is also the server's way to us (RFC 5626 4.5, 5.3).
 *
 * It is watched; when it is lost while we are registered, a new one is opened at once, or nobody could call us until
 * the next renewal. A server that was killed has lost the connections of all its clients at the same moment: each comes
 * back at a time of its own. Where the server itself is our registrar an OPTIONS shows it the way; a SIP core may have
 * lost the registration together with the connection, so it gets a new REGISTER.
 */
#include "ue/engine.h"

enum {
	LOOK_MS = 500,
	FIRST_MS = 4000, /* the longest first wait; those after it double, up to the last */
	LAST_MS = 60000,
	ANSWER_MS = 8000,
};

/* Between a sixteenth of this and all of it. */
static int64_t jitter(int64_t longest)
{
	uint16_t r;
	if (ue_random(&r, sizeof r))
		return longest;
	return longest / 16 + (longest - longest / 16) * r / UINT16_MAX;
}

static void wait_longer(struct ue *u, int64_t at_least_ms)
{
	struct ue_way *w = &u->way;
	int64_t longest = (int64_t)FIRST_MS << (w->tries < 4 ? w->tries : 4), wait;
	w->tries++;
	wait = jitter(longest < LAST_MS ? longest : LAST_MS);
	w->due_ms = ue_clock_ms() + (wait > at_least_ms ? wait : at_least_ms);
}

static void forget(struct ue_way *w)
{
	sip_flow_unref(w->flow);
	*w = (struct ue_way){.timer = w->timer};
}

static void look(void *arg);

void ue_way_used(struct ue *u, const struct sip_client_tx *tx)
{
	struct ue_way *w = &u->way;
	struct sip_flow *f = sip_flow_used(tx);
	if (!f)
		return;
	forget(w);
	w->flow = f;
	if (!w->timer)
		w->timer = sip_timer_start(u->loop, LOOK_MS, look, u);
}

static void on_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct ue *u = ctx;
	if (rs->status < 200)
		return;
	u->way.asking = 0;
	if (rs->error || rs->status >= 500) {
		wait_longer(u, 1000 * (int64_t)ue_retry_after(rs));
		return;
	}
	ue_way_used(u, tx);
	ue_core_proof(u, rs->status, sip_warning_code(rs));
}

static void open_anew(struct ue *u)
{
	struct ue_way *w = &u->way;
	if (ue_core_is(u)) {
		forget(w);
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_SIP_LOST});
		return;
	}
	struct sip_request rq = {.method = "OPTIONS",
				 .uri = u->c.sip_psi,
				 .from = u->impu,
				 .to = u->c.sip_psi,
				 .route = u->c.sip_route,
				 .timeout_ms = ANSWER_MS,
				 .with = {.contact = u->contact}};
	w->asking = sip_send(u->port, &rq, on_answer, u) != NULL;
	if (!w->asking)
		wait_longer(u, 0);
}

static void look(void *arg)
{
	struct ue *u = arg;
	struct ue_way *w = &u->way;
	w->timer = NULL;
	if (u->auth.state == CA_OFF || !w->flow) {
		ue_way_close(u);
		return;
	}
	if (sip_flow_alive(w->flow))
		w->due_ms = 0;
	else if (!w->asking && !w->due_ms)
		wait_longer(u, 0);
	else if (!w->asking && ue_clock_ms() >= w->due_ms)
		open_anew(u);
	w->timer = sip_timer_start(u->loop, LOOK_MS, look, u);
}

void ue_way_close(struct ue *u)
{
	sip_timer_stop(u->way.timer);
	u->way.timer = NULL;
	forget(&u->way);
}

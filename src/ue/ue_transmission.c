/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_transmission.c - transmission control of a call of MCVideo at the client: what we transmit and what we receive,
 * and what the user hears of it (TS 24.581 6.2; transmission 5, 6).
 *
 * The server forwards what we transmit only to who has asked to receive it, so a recorded file begins when somebody
 * has: its first picture is the one that all others need.
 */
#include <stdio.h>

#include "ue/ue_control.h"

enum { SHOW_WAIT_MS = 2000 };

static void say(struct ue *u, struct tx_message *m)
{
	uint8_t plain[TX_MAX];
	struct writer w = wr_init(plain, sizeof plain);
	m->ssrc = u->call.line->own;
	(void)tx_message_write(&w, m); /* what cannot be written has no octets */
	ue_line_send(u, wr_result(&w));
}

static const char *cause_text(const struct tx_message *m)
{
	static const char *const rejected[] = {
	    [1] = "another transmits", [2] = "the server failed", [3] = "nobody else is there",
	    [4] = "it is too early",   [5] = "receiving only",    [6] = "no resources"};
	static const char *const revoked[] = {
	    [1] = "nobody else is there", [2] = "transmitted for too long", [3] = "no permission",
	    [4] = "another goes first",   [5] = "the stream is to end",     [6] = "no resources",
	    [7] = "it has to wait",       [8] = "nobody receives it"};
	static const char *const refused[] = {[2] = "the server failed",
					      [4] = "it is too early",
					      [5] = "sending only",
					      [6] = "no resources",
					      [7] = "too many streams"};
	static const struct {
		const char *const *texts;
		size_t n;
	} lists[] = {{rejected, sizeof rejected / sizeof *rejected},
		     {revoked, sizeof revoked / sizeof *revoked},
		     {refused, sizeof refused / sizeof *refused}};
	int which = m->type == TX_REJECTED ? 0 : m->type == TX_RECEIVE_RESPONSE ? 2 : 1;
	return m->cause < lists[which].n && lists[which].texts[m->cause] ? lists[which].texts[m->cause]
									 : "another reason";
}

static void tell(struct ue *u, enum tp_tell what, const struct tx_message *m)
{
	struct ue_call_state *c = &u->call;
	const struct tp *t = &c->line->machine.transmission;
	const char *who = t->who[0] ? t->who : "another";
	uint32_t key = ue_line_key(u);
#define SAY(...) ue_emit(u, UE_EV_TRANSMISSION, c->began_ms, NULL, c->peer, key, __VA_ARGS__)
	switch (what) {
	case TP_TELL_NOTHING:
		break;
	case TP_TELL_IDLE:
		SAY("nobody transmits");
		break;
	case TP_TELL_GRANTED:
		SAY("we may transmit");
		break;
	case TP_TELL_REJECTED:
		SAY("transmission is rejected: %s", m ? cause_text(m) : "");
		break;
	case TP_TELL_REVOKED:
		SAY("transmission is revoked: %s", m ? cause_text(m) : "");
		break;
	case TP_TELL_QUEUED:
		SAY("waiting to transmit, at place %u", m ? m->queue_position : 0u);
		break;
	case TP_TELL_ENDED:
		SAY("our transmission has ended");
		break;
	case TP_TELL_RECEIVED:
		SAY("%.*s receives us", m ? (int)m->user_id.len : 0, m ? (const char *)m->user_id.p : "");
		break;
	case TP_TELL_TRANSMITS:
		SAY("%s transmits", who);
		break;
	case TP_TELL_RECEIVING:
		SAY("receiving %s", who);
		break;
	case TP_TELL_REFUSED:
		SAY("reception is refused: %s", m ? cause_text(m) : "");
		break;
	case TP_TELL_OVER:
		SAY("the transmission of %s is over", who);
		break;
	case TP_TELL_NO_ANSWER:
		SAY("the server does not answer");
		break;
	}
#undef SAY
}

/* Media leaves with permission, and when somebody receives it or none has said so for long. */
static void allow(struct ue *u, int64_t now)
{
	struct ue_line *l = u->call.line;
	if (!tp_may_transmit(&l->machine.transmission))
		l->show_at = l->received = 0;
	else if (!l->show_at)
		l->show_at = now + SHOW_WAIT_MS;
	ue_line_allow(u, l->show_at && (l->received || now >= l->show_at));
}

static void take_note(struct ue_line *l, enum tp_tell what, int64_t now)
{
	l->received |= what == TP_TELL_RECEIVED;
	if (what == TP_TELL_IDLE || what == TP_TELL_NO_ANSWER)
		l->idle_since = now;
	if (what == TP_TELL_IDLE)
		l->ask_at = 0; /* who was refused for another's sake need not wait any more */
	else if (what == TP_TELL_TRANSMITS || what == TP_TELL_GRANTED)
		l->idle_since = 0;
	if (what == TP_TELL_REJECTED || what == TP_TELL_REVOKED || what == TP_TELL_NO_ANSWER)
		l->ask_at = now + LINE_ASK_AGAIN_MS;
}

static void carry_out(struct ue *u, struct tp_out *out, const struct tx_message *m, int64_t now)
{
	if (out->ack && m) {
		struct tx_message ack = tx_ack(m, 0, TX_BY_PARTICIPANT);
		say(u, &ack);
	}
	for (int part = 0; part < TP_PARTS; part++)
		take_note(u->call.line, out->tell[part], now);
	allow(u, now);
	for (size_t i = 0; i < out->n; i++)
		say(u, &out->message[i]);
	for (int part = 0; part < TP_PARTS; part++)
		tell(u, out->tell[part], m);
}

static void step(struct ue *u, enum tp_event ev)
{
	struct tp_out out;
	int64_t now = ue_clock_ms();
	tp_step(&u->call.line->machine.transmission, ev, now, &out);
	carry_out(u, &out, NULL, now);
}

/* ---- rules ---- */

static void init(struct ue_line *l)
{
	tp_init(&l->machine.transmission, &tp_default);
}

static void begin(struct ue *u)
{
	const struct ue_line *l = u->call.line;
	step(u, l->granted ? TP_EV_CALL_GRANTED : l->implicit ? TP_EV_CALL_IMPLICIT : TP_EV_CALL);
}

static void message(struct ue *u, struct octets plain)
{
	struct tx_message m;
	struct tp_out out;
	int64_t now = ue_clock_ms();
	if (tx_message_read(plain, &m, NULL) != APP_READ_OK)
		return;
	tp_message(&u->call.line->machine.transmission, &m, now, &out);
	carry_out(u, &out, &m, now);
}

static void due(struct ue *u, int64_t now)
{
	enum tp_event ev;
	while (tp_due(&u->call.line->machine.transmission, now, &ev))
		step(u, ev);
	allow(u, now);
}

static void press(struct ue *u)
{
	step(u, TP_EV_PRESS);
}

static void let_go(struct ue *u)
{
	step(u, TP_EV_LET_GO);
}

static int resting(const struct ue_line *l)
{
	return l->machine.transmission.at[0] == TP_NO_PERMISSION;
}

const struct ue_line_rules ue_transmission_rules = {MCX_MCVIDEO, init, begin, message, due, press, let_go, resting};

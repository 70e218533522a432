/* SPDX-License-Identifier: Apache-2.0 */
/* control_transmission.c - transmission control as the rules of a call's control (see control_rules.h; transmission 6).
 */
#include <stdio.h>

#include "sec/base/check.h"
#include "server/control_rules.h"

static void say(struct control_turn *t, int to, struct tx_message *m)
{
	uint8_t plain[TX_MAX];
	struct writer w = wr_init(plain, sizeof plain);
	m->ssrc = control_own(t->cc, to);
	(void)tx_message_write(&w, m); /* what cannot be written has no octets, and is recorded as unsent */
	control_say(t->cc, to, wr_result(&w), tx_type_name(m->type));
}

static void carry_out(struct control_turn *t, struct ta_out *out)
{
	control_gates(t->cc);
	for (size_t i = 0; i < out->n; i++)
		say(t, out->send[i].to, &out->send[i].message);
	if (out->inactive)
		control_inactive(t->cc);
}

static void join(union control_machine *m, const char *const ids[CONTROL_ENDS],
		 const struct sdp_control *const said[CONTROL_ENDS])
{
	ta_init(&m->transmission, &ta_default);
	for (int i = 0; i < CONTROL_ENDS; i++) {
		struct ta_participant p = {.audio_ssrc = said[i]->ssrc,
					   .video_ssrc = said[i]->video_ssrc,
					   .priority = said[i]->priority,
					   .queueing = said[i]->queueing};
		snprintf(p.id, sizeof p.id, "%s", ids[i]);
		(void)ta_join(&m->transmission, &p);
	}
}

static void start(struct control_turn *t, int implicit)
{
	struct ta_out out;
	ta_start(&t->m->transmission, implicit, t->now, &out);
	carry_out(t, &out);
}

/*
 * A message may name its sender: then it is who owns the key (F-D15). In an end of transmission the transmitting user
 * is the sender too; elsewhere it is whom the sender receives.
 */
static int names_another(const struct ta *m, int from, const struct tx_message *in)
{
	struct octets own = octets_of(m->p[from].id);
	return (in->has & TX_HAS(TX_F_USER_ID) && !octets_equal(in->user_id, own)) ||
	       (in->type == TX_END_REQUEST && in->has & TX_HAS(TX_F_TRANSMITTING_ID) &&
		!octets_equal(in->transmitting_id, own));
}

static void message(struct control_turn *t, int from, struct octets plain)
{
	struct tx_message in;
	struct ta_out out;
	if (tx_message_read(plain, &in, NULL) != APP_READ_OK ||
	    MCX_FAULT(tx.user, names_another(&t->m->transmission, from, &in)))
		return;
	if (in.ack && in.type != TX_ACK) {
		struct tx_message ack = tx_ack(&in, 0, TX_BY_CONTROLLING);
		say(t, from, &ack);
	}
	ta_message(&t->m->transmission, from, &in, t->now, &out);
	carry_out(t, &out);
}

static void media(struct control_turn *t, int from)
{
	struct ta_out out;
	ta_media(&t->m->transmission, from, t->now, &out);
	carry_out(t, &out);
}

static void repeat(struct control_turn *t, int to)
{
	struct ta_out out;
	ta_repeat(&t->m->transmission, to, t->now, &out);
	carry_out(t, &out);
}

static int due(struct control_turn *t)
{
	struct ta_out out;
	int was = ta_time(&t->m->transmission, t->now, &out);
	if (was)
		carry_out(t, &out);
	return was;
}

static void moved(union control_machine *m, int end, const struct sdp_control *said)
{
	m->transmission.p[end].audio_ssrc = said->has_ssrc ? said->ssrc : 0;
	m->transmission.p[end].video_ssrc = said->has_video_ssrc ? said->video_ssrc : 0;
}

static int64_t next(const union control_machine *m)
{
	return ta_next(&m->transmission);
}

static int forwards(const union control_machine *m, int from)
{
	return ta_forwards(&m->transmission, from);
}

const struct control_rules control_transmission = {
    MCX_MCVIDEO, join, start, message, media, repeat, due, moved, next, forwards,
};

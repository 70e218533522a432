/* SPDX-License-Identifier: Apache-2.0 */
/* transmission_say.c - the messages of the arbiter of transmission control, each made in one place. */
#include "mcx/floor/transmission_say.h"

struct tx_message *ta_put(struct ta_out *out, int to, enum tx_type type, uint32_t has)
{
	struct tx_message *m = &out->send[out->n].message;
	out->send[out->n++].to = to; /* TA_OUT is more than one event makes */
	*m = (struct tx_message){.type = (uint8_t)type, .has = has | TX_HAS(TX_F_INDICATOR), .indicator = TX_NORMAL};
	return m;
}

struct tx_message *ta_put_of(const struct ta *m, int who, struct tx_message *t)
{
	const struct ta_participant *p = &m->p[who];
	t->has |= TX_HAS(TX_F_TRANSMITTING_ID);
	t->transmitting_id = octets_of(p->id);
	t->has |= p->audio_ssrc ? TX_HAS(TX_F_AUDIO_SSRC) : 0;
	t->audio_ssrc = p->audio_ssrc;
	t->has |= p->video_ssrc ? TX_HAS(TX_F_VIDEO_SSRC) : 0;
	t->video_ssrc = p->video_ssrc;
	return t;
}

void ta_say_idle(const struct ta *m, int to, struct ta_out *out)
{
	ta_put(out, to, TX_IDLE, TX_HAS(TX_F_SEQUENCE))->sequence = m->sequence;
}

void ta_say_granted(const struct ta *m, int to, int64_t now, struct ta_out *out)
{
	const struct ta_participant *p = &m->p[to];
	struct tx_message *t = ta_put(out, to, TX_GRANTED, TX_HAS(TX_F_DURATION) | TX_HAS(TX_F_PRIORITY));
	int64_t left = (p->limit ? p->limit - now : m->cfg.limit) / 1000;
	t->ack = 1;
	t->duration = (uint16_t)(left < 0 ? 0 : left > UINT16_MAX ? UINT16_MAX : left);
	t->priority = p->asked;
	t->has |= p->audio_ssrc ? TX_HAS(TX_F_AUDIO_SSRC) : 0;
	t->audio_ssrc = p->audio_ssrc;
	t->has |= p->video_ssrc ? TX_HAS(TX_F_VIDEO_SSRC) : 0;
	t->video_ssrc = p->video_ssrc;
}

void ta_say_cause(int to, enum tx_type type, uint16_t cause, struct ta_out *out)
{
	ta_put(out, to, type, TX_HAS(TX_F_CAUSE))->cause = cause;
}

void ta_say_notification(const struct ta *m, int to, int who, struct ta_out *out)
{
	struct tx_message *t =
	    ta_put_of(m, who, ta_put(out, to, TX_NOTIFICATION, TX_HAS(TX_F_MAY_REQUEST) | TX_HAS(TX_F_RECEPTION_MODE)));
	t->ack = 1;
	t->may_request = !m->p[to].receive_only;
	t->reception_mode = TX_MODE_AUTOMATIC;
}

int ta_before(const struct ta_participant *a, const struct ta_participant *b)
{
	if (a->class != b->class)
		return a->class > b->class;
	return a->asked != b->asked ? a->asked > b->asked : a->place < b->place;
}

static uint8_t position(const struct ta *m, int who)
{
	uint8_t at = 1;
	if (!m->p[who].place)
		return TX_NOT_QUEUED;
	for (int i = 0; i < m->n; i++)
		at = (uint8_t)(at + (i != who && m->p[i].place && ta_before(&m->p[i], &m->p[who])));
	return at;
}

void ta_say_position(const struct ta *m, int to, struct ta_out *out)
{
	struct tx_message *t = ta_put(out, to, TX_QUEUE_POSITION_INFO, TX_HAS(TX_F_QUEUE_INFO));
	t->queue_position = position(m, to);
	t->queue_priority = m->p[to].asked;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_message.c - the codec of floor_message.h. Two tables hold what the clauses say: how long the value of each
 * field is and where it goes, and which fields a message has, in which order.
 */
#include "mcx/floor/floor_message.h"

#include "sec/base/check.h"
#include "sec/base/text.h"

enum { RTCP_APP = 204, ACK_BIT = 0x10, TYPE_BITS = 0x0f, WIDE_LENGTH = 192, NAME = 0x4d435054 /* "MCPT" */ };

/* ---- the tables ---- */

enum kind {
	BYTE,  /* value, spare octet                 */
	WORD,  /* 16 bits                            */
	PAIR,  /* two octets with a meaning of their own */
	CAUSE, /* 16 bits, optional text             */
	SSRC,  /* 32 bits, two spare octets          */
	TEXT,  /* UTF-8                              */
	RAW
};

static const struct {
	enum kind kind;
	size_t at; /* in struct floor_message */
} fields[FLOOR_FIELDS] = {
#define AT(member) offsetof(struct floor_message, member)
    [FLOOR_F_PRIORITY] = {BYTE, AT(priority)},
    [FLOOR_F_DURATION] = {WORD, AT(duration)},
    [FLOOR_F_CAUSE] = {CAUSE, AT(cause)},
    [FLOOR_F_QUEUE_INFO] = {PAIR, AT(queue_position)},
    [FLOOR_F_GRANTED_ID] = {TEXT, AT(granted_id)},
    [FLOOR_F_MAY_REQUEST] = {WORD, AT(may_request)},
    [FLOOR_F_USER_ID] = {TEXT, AT(user_id)},
    [FLOOR_F_QUEUE_SIZE] = {WORD, AT(queue_size)},
    [FLOOR_F_SEQUENCE] = {WORD, AT(sequence)},
    [FLOOR_F_QUEUED_ID] = {TEXT, AT(queued_id)},
    [FLOOR_F_SOURCE] = {WORD, AT(source)},
    [FLOOR_F_TRACK_INFO] = {RAW, AT(track_info)},
    [FLOOR_F_ACKED] = {BYTE, AT(acked)},
    [FLOOR_F_INDICATOR] = {WORD, AT(indicator)},
    [FLOOR_F_SSRC] = {SSRC, AT(granted_ssrc)},
    [FLOOR_F_GRANTED_USERS] = {RAW, AT(granted_users)},
    [FLOOR_F_SSRCS] = {RAW, AT(ssrcs)},
#undef AT
};

enum { MOST_FIELDS = 9, END = 0xff };

/* 8.2.4 to 8.2.13, in the order of floor 4. */
static const struct {
	const char *name;
	uint8_t fields[MOST_FIELDS + 1];
} messages[FLOOR_TYPES] = {
    [FLOOR_REQUEST] = {"Floor Request",
		       {FLOOR_F_PRIORITY, FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, END}},
    [FLOOR_GRANTED] = {"Floor Granted",
		       {FLOOR_F_DURATION, FLOOR_F_SSRC, FLOOR_F_PRIORITY, FLOOR_F_USER_ID, FLOOR_F_QUEUE_SIZE,
			FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, END}},
    [FLOOR_TAKEN] = {"Floor Taken",
		     {FLOOR_F_GRANTED_ID, FLOOR_F_MAY_REQUEST, FLOOR_F_USER_ID, FLOOR_F_SEQUENCE, FLOOR_F_TRACK_INFO,
		      FLOOR_F_INDICATOR, FLOOR_F_SSRC, FLOOR_F_GRANTED_USERS, FLOOR_F_SSRCS, END}},
    [FLOOR_DENY] = {"Floor Deny", {FLOOR_F_CAUSE, FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, END}},
    [FLOOR_RELEASE] = {"Floor Release", {FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, END}},
    [FLOOR_IDLE] = {"Floor Idle", {FLOOR_F_SEQUENCE, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, END}},
    [FLOOR_REVOKE] = {"Floor Revoke", {FLOOR_F_CAUSE, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, END}},
    [FLOOR_QUEUE_POSITION_REQUEST] = {"Floor Queue Position Request", {FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, END}},
    [FLOOR_QUEUE_POSITION_INFO] = {"Floor Queue Position Info",
				   {FLOOR_F_USER_ID, FLOOR_F_SSRC, FLOOR_F_QUEUED_ID, FLOOR_F_QUEUE_INFO,
				    FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, END}},
    [FLOOR_ACK] = {"Floor Ack", {FLOOR_F_SOURCE, FLOOR_F_ACKED, FLOOR_F_TRACK_INFO, END}},
    [FLOOR_RELEASE_MULTI_TALKER] = {"Floor Release Multi Talker",
				    {FLOOR_F_USER_ID, FLOOR_F_SSRC, FLOOR_F_INDICATOR, FLOOR_F_TRACK_INFO, END}},
};

const char *floor_type_name(unsigned type)
{
	return type < FLOOR_TYPES ? messages[type].name : NULL;
}

/* ---- reading ---- */

/* One field's value into its place: 1, or 0 when its length or text is wrong. */
static int take(unsigned id, struct octets value, struct floor_message *m)
{
	uint8_t *to = (uint8_t *)m + fields[id].at;
	struct reader r = rd_init(value);
	switch (fields[id].kind) {
	case BYTE:
		*to = rd_u8(&r);
		rd_u8(&r);
		break;
	case PAIR:
		m->queue_position = rd_u8(&r);
		m->queue_priority = rd_u8(&r);
		break;
	case WORD:
		*(uint16_t *)(void *)to = rd_u16(&r);
		break;
	case SSRC:
		*(uint32_t *)(void *)to = rd_u32(&r);
		rd_u16(&r);
		break;
	case CAUSE:
		m->cause = rd_u16(&r);
		m->phrase = rd_take(&r, rd_left(&r));
		return !r.err && utf8_valid(m->phrase);
	case TEXT:
		*(struct octets *)(void *)to = value;
		return value.len > 0 && utf8_valid(value);
	case RAW:
		*(struct octets *)(void *)to = value;
		return 1;
	}
	return rd_done(&r) == MCSEC_OK;
}

/* A field that comes again says nothing new: the first counts. */
static void read_field(struct reader *r, struct floor_message *m)
{
	size_t begin = rd_at(r);
	uint8_t id = rd_u8(r);
	size_t len = id < WIDE_LENGTH ? rd_u8(r) : rd_u16(r);
	struct octets value = rd_take(r, len);
	rd_take(r, (4 - (rd_at(r) - begin) % 4) % 4);
	if (r->err || id >= FLOOR_FIELDS || m->has & FLOOR_HAS(id))
		return;
	struct floor_message before = *m;
	if (take(id, value, m))
		m->has |= FLOOR_HAS(id);
	else
		*m = before;
}

enum floor_read floor_message_read(struct octets packet, struct floor_message *out)
{
	struct reader r = rd_init(packet);
	memset(out, 0, sizeof *out);
	uint8_t first = rd_u8(&r), type = rd_u8(&r);
	size_t words = rd_u16(&r);
	uint32_t ssrc = rd_u32(&r), name = rd_u32(&r);
	if (MCX_FAULT(floor.version, first >> 6 != 2) || (words + 1) * 4 != packet.len)
		return FLOOR_READ_BROKEN;
	if (type != RTCP_APP)
		return FLOOR_READ_OTHER;
	if (r.err || MCX_FAULT(floor.padding, first & 0x20))
		return FLOOR_READ_BROKEN;
	if (name != NAME || !floor_type_name(first & TYPE_BITS))
		return FLOOR_READ_OTHER;
	*out = (struct floor_message){.type = first & TYPE_BITS, .ack = (first & ACK_BIT) != 0, .ssrc = ssrc};
	while (rd_left(&r))
		read_field(&r, out);
	return MCX_FAULT(floor.overrun, r.err) ? FLOOR_READ_BROKEN : FLOOR_READ_OK;
}

/* ---- writing ---- */

static void write_value(struct writer *w, unsigned id, const struct floor_message *m)
{
	const uint8_t *from = (const uint8_t *)m + fields[id].at;
	switch (fields[id].kind) {
	case BYTE:
		wr_u8(w, *from);
		wr_u8(w, 0);
		break;
	case PAIR:
		wr_u8(w, m->queue_position);
		wr_u8(w, m->queue_priority);
		break;
	case WORD:
		wr_u16(w, *(const uint16_t *)(const void *)from);
		break;
	case SSRC:
		wr_u32(w, *(const uint32_t *)(const void *)from);
		wr_u16(w, 0);
		break;
	case CAUSE:
		wr_u16(w, m->cause);
		wr_octets(w, m->phrase);
		break;
	case TEXT:
	case RAW:
		wr_octets(w, *(const struct octets *)(const void *)from);
		break;
	}
}

static void write_field(struct writer *w, unsigned id, const struct floor_message *m)
{
	static const uint8_t zeros[4];
	uint8_t *head = wr_reserve(w, 2);
	uint8_t *value = w->at;
	write_value(w, id, m);
	size_t len = (size_t)(w->at - value);
	if (!head || w->err)
		return;
	if (len > UINT8_MAX) {
		w->err = MCSEC_E_LENGTH;
		return;
	}
	head[0] = (uint8_t)id;
	head[1] = (uint8_t)len;
	wr_octets(w, (struct octets){zeros, (4 - (2 + len) % 4) % 4});
}

enum mcsec_err floor_message_write(struct writer *w, const struct floor_message *m)
{
	if (!floor_type_name(m->type))
		return MCSEC_E_ARGUMENT;
	uint8_t *start = w->at;
	wr_u8(w, (uint8_t)(0x80 | (m->ack ? ACK_BIT : 0) | m->type));
	wr_u8(w, RTCP_APP);
	uint8_t *length = wr_reserve(w, 2);
	wr_u32(w, m->ssrc);
	wr_u32(w, NAME);
	for (const uint8_t *f = messages[m->type].fields; *f != END; f++)
		if (m->has & FLOOR_HAS(*f))
			write_field(w, *f, m);
	if (w->err)
		return w->err;
	size_t words = (size_t)(w->at - start) / 4 - 1;
	length[0] = (uint8_t)(words >> 8);
	length[1] = (uint8_t)words;
	return MCSEC_OK;
}

struct floor_message floor_ack(const struct floor_message *of, uint32_t ssrc, uint16_t source)
{
	struct floor_message a = {.type = FLOOR_ACK,
				  .ssrc = ssrc,
				  .has = FLOOR_HAS(FLOOR_F_SOURCE) | FLOOR_HAS(FLOOR_F_ACKED),
				  .source = source,
				  .acked = of->type};
	if (of->has & FLOOR_HAS(FLOOR_F_TRACK_INFO)) { /* others copy it unchanged into the answer (8.2.3.13) */
		a.has |= FLOOR_HAS(FLOOR_F_TRACK_INFO);
		a.track_info = of->track_info;
	}
	return a;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_message.c - the codec of floor_message.h. Two tables hold what the clauses say: what the value of each field is
 * and where it goes, and which fields a message has, in which order.
 */
#include "mcx/floor/floor_message.h"

enum { NAME = 0x4d435054 /* "MCPT" */, MOST_FIELDS = 9 };

/* ---- the tables ---- */

static const struct app_field fields[FLOOR_FIELDS] = {
#define AT(member) offsetof(struct floor_message, member)
    [FLOOR_F_PRIORITY] = {APP_BYTE, AT(priority), 0, 0},
    [FLOOR_F_DURATION] = {APP_WORD, AT(duration), 0, 0},
    [FLOOR_F_CAUSE] = {APP_CAUSE, AT(cause), AT(phrase), 0},
    [FLOOR_F_QUEUE_INFO] = {APP_PAIR, AT(queue_position), AT(queue_priority), 0},
    [FLOOR_F_GRANTED_ID] = {APP_TEXT, AT(granted_id), 0, 0},
    [FLOOR_F_MAY_REQUEST] = {APP_WORD, AT(may_request), 0, 0},
    [FLOOR_F_USER_ID] = {APP_TEXT, AT(user_id), 0, 0},
    [FLOOR_F_QUEUE_SIZE] = {APP_WORD, AT(queue_size), 0, 0},
    [FLOOR_F_SEQUENCE] = {APP_WORD, AT(sequence), 0, 0},
    [FLOOR_F_QUEUED_ID] = {APP_TEXT, AT(queued_id), 0, 0},
    [FLOOR_F_SOURCE] = {APP_WORD, AT(source), 0, 0},
    [FLOOR_F_TRACK_INFO] = {APP_RAW, AT(track_info), 0, 0},
    [FLOOR_F_ACKED] = {APP_BYTE, AT(acked), 0, 0},
    [FLOOR_F_INDICATOR] = {APP_WORD, AT(indicator), 0, 0},
    [FLOOR_F_SSRC] = {APP_SSRC, AT(granted_ssrc), 0, 0},
    [FLOOR_F_GRANTED_USERS] = {APP_RAW, AT(granted_users), 0, 0},
    [FLOOR_F_SSRCS] = {APP_RAW, AT(ssrcs), 0, 0},
#undef AT
};

/* 8.2.4 to 8.2.13, in the order of floor 4. */
static const struct {
	const char *name;
	uint8_t fields[MOST_FIELDS + 1];
} messages[FLOOR_TYPES] = {
    [FLOOR_REQUEST] = {"Floor Request",
		       {FLOOR_F_PRIORITY, FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, APP_END}},
    [FLOOR_GRANTED] = {"Floor Granted",
		       {FLOOR_F_DURATION, FLOOR_F_SSRC, FLOOR_F_PRIORITY, FLOOR_F_USER_ID, FLOOR_F_QUEUE_SIZE,
			FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, APP_END}},
    [FLOOR_TAKEN] = {"Floor Taken",
		     {FLOOR_F_GRANTED_ID, FLOOR_F_MAY_REQUEST, FLOOR_F_USER_ID, FLOOR_F_SEQUENCE, FLOOR_F_TRACK_INFO,
		      FLOOR_F_INDICATOR, FLOOR_F_SSRC, FLOOR_F_GRANTED_USERS, FLOOR_F_SSRCS, APP_END}},
    [FLOOR_DENY] = {"Floor Deny", {FLOOR_F_CAUSE, FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, APP_END}},
    [FLOOR_RELEASE] = {"Floor Release", {FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, APP_END}},
    [FLOOR_IDLE] = {"Floor Idle", {FLOOR_F_SEQUENCE, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, APP_END}},
    [FLOOR_REVOKE] = {"Floor Revoke", {FLOOR_F_CAUSE, FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, APP_END}},
    [FLOOR_QUEUE_POSITION_REQUEST] = {"Floor Queue Position Request", {FLOOR_F_USER_ID, FLOOR_F_TRACK_INFO, APP_END}},
    [FLOOR_QUEUE_POSITION_INFO] = {"Floor Queue Position Info",
				   {FLOOR_F_USER_ID, FLOOR_F_SSRC, FLOOR_F_QUEUED_ID, FLOOR_F_QUEUE_INFO,
				    FLOOR_F_TRACK_INFO, FLOOR_F_INDICATOR, APP_END}},
    [FLOOR_ACK] = {"Floor Ack", {FLOOR_F_SOURCE, FLOOR_F_ACKED, FLOOR_F_TRACK_INFO, APP_END}},
    [FLOOR_RELEASE_MULTI_TALKER] = {"Floor Release Multi Talker",
				    {FLOOR_F_USER_ID, FLOOR_F_SSRC, FLOOR_F_INDICATOR, FLOOR_F_TRACK_INFO, APP_END}},
};

const char *floor_type_name(unsigned type)
{
	return type < FLOOR_TYPES ? messages[type].name : NULL;
}

/* ---- reading and writing ---- */

enum app_read floor_message_read(struct octets packet, struct floor_message *out)
{
	struct reader r = rd_init(packet);
	struct app_header h;
	memset(out, 0, sizeof *out);
	enum app_read e = app_header_read(&r, &h);
	if (e)
		return e;
	if (h.name != NAME || !floor_type_name(h.subtype & APP_TYPE_BITS))
		return APP_READ_OTHER;
	*out = (struct floor_message){
	    .type = h.subtype & APP_TYPE_BITS, .ack = (h.subtype & APP_ACK_BIT) != 0, .ssrc = h.ssrc};
	return app_fields_read(&r, fields, FLOOR_FIELDS, out, &out->has);
}

enum mcsec_err floor_message_write(struct writer *w, const struct floor_message *m)
{
	if (!floor_type_name(m->type))
		return MCSEC_E_ARGUMENT;
	struct app_header h = {
	    .subtype = (uint8_t)((m->ack ? APP_ACK_BIT : 0) | m->type), .ssrc = m->ssrc, .name = NAME};
	return app_packet_write(w, &h, fields, messages[m->type].fields, m->has, m);
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

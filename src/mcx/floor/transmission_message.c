/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transmission_message.c - the codec of transmission_message.h. Two tables hold what the clauses say: what the value of
 * each field is and where it goes, and which fields a message has, in which order (transmission 2, 3).
 */
#include "mcx/floor/transmission_message.h"

enum { NAME = 0x4d435630 /* "MCV0" */, NAMES = TX_TYPES >> 4, OLD_VIDEO_SSRC = 24, MOST_FIELDS = 10 };

/* ---- the tables ---- */

static const struct app_field fields[OLD_VIDEO_SSRC + 1] = {
#define AT(member) offsetof(struct tx_message, member)
    [TX_F_PRIORITY] = {APP_BYTE, AT(priority), 0, 0},
    [TX_F_DURATION] = {APP_WORD, AT(duration), 0, 0},
    [TX_F_CAUSE] = {APP_CAUSE, AT(cause), AT(phrase), 0},
    [TX_F_QUEUE_INFO] = {APP_PAIR, AT(queue_position), AT(queue_priority), 0},
    [TX_F_TRANSMITTING_ID] = {APP_TEXT, AT(transmitting_id), 0, 0},
    [TX_F_MAY_REQUEST] = {APP_WORD, AT(may_request), 0, 0},
    [TX_F_USER_ID] = {APP_TEXT, AT(user_id), 0, 0},
    [TX_F_QUEUE_SIZE] = {APP_WORD, AT(queue_size), 0, 0},
    [TX_F_SEQUENCE] = {APP_WORD, AT(sequence), 0, 0},
    [TX_F_QUEUED_ID] = {APP_TEXT, AT(queued_id), 0, 0},
    [TX_F_SOURCE] = {APP_WORD, AT(source), 0, 0},
    [TX_F_TRACK_INFO] = {APP_RAW, AT(track_info), 0, 0},
    [TX_F_ACKED_TYPE] = {APP_BYTE, AT(acked_type), 0, 0},
    [TX_F_INDICATOR] = {APP_WORD, AT(indicator), 0, 0},
    [TX_F_AUDIO_SSRC] = {APP_SSRC, AT(audio_ssrc), 0, 0},
    [TX_F_RESULT] = {APP_WORD, AT(result), 0, 0},
    [TX_F_ACKED_NAME] = {APP_NAME, AT(acked_name), 0, 0},
    [TX_F_OVERRIDING_ID] = {APP_TEXT, AT(overriding_id), 0, 0},
    [TX_F_OVERRIDDEN_ID] = {APP_TEXT, AT(overridden_id), 0, 0},
    [TX_F_RECEPTION_PRIORITY] = {APP_BYTE, AT(reception_priority), 0, 0},
    [TX_F_GROUP_ID] = {APP_TEXT, AT(group_id), 0, 0},
    [TX_F_ALIAS] = {APP_TEXT, AT(alias), 0, 0},
    [TX_F_RECEPTION_MODE] = {APP_WORD, AT(reception_mode), 0, 0},
    [TX_F_VIDEO_SSRC] = {APP_SSRC, AT(video_ssrc), 0, 0},
    [OLD_VIDEO_SSRC] = {APP_SSRC, AT(video_ssrc), 0, TX_F_VIDEO_SSRC}, /* T-D2: never sent */
#undef AT
};

/* clang-format off */
static const struct {
	const char *name;
	uint8_t fields[MOST_FIELDS + 1];
} messages[TX_TYPES] = {
#define ROW(type, name, ...) [type] = {name, {__VA_ARGS__, APP_END}}
	ROW(TX_REQUEST, "Transmission Request",
	    TX_F_PRIORITY, TX_F_USER_ID, TX_F_INDICATOR, TX_F_ALIAS, TX_F_TRACK_INFO),
	ROW(TX_RELEASE, "Transmission Release", TX_F_USER_ID, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_QUEUE_POSITION_REQUEST, "Queue Position Request", TX_F_USER_ID, TX_F_TRACK_INFO),
	ROW(TX_RECEIVE_REQUEST, "Receive Media Request",
	    TX_F_USER_ID, TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_INDICATOR,
	    TX_F_RECEPTION_PRIORITY, TX_F_TRACK_INFO, TX_F_ALIAS),
	ROW(TX_REMOTE_REQUEST, "Remote Transmission Request", TX_F_USER_ID, TX_F_TRACK_INFO),
	ROW(TX_REMOTE_CANCEL_REQUEST, "Remote Transmission Cancel Request", TX_F_USER_ID, TX_F_TRACK_INFO),

	ROW(TX_GRANTED, "Transmission Granted",
	    TX_F_DURATION, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_PRIORITY, TX_F_USER_ID, TX_F_QUEUE_SIZE,
	    TX_F_QUEUED_ID, TX_F_QUEUE_INFO, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_REJECTED, "Transmission Rejected", TX_F_CAUSE, TX_F_USER_ID, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_ARBITRATION_TAKEN, "Transmission Arbitration Taken",
	    TX_F_TRANSMITTING_ID, TX_F_MAY_REQUEST, TX_F_USER_ID, TX_F_SEQUENCE, TX_F_INDICATOR,
	    TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC),
	ROW(TX_ARBITRATION_RELEASE, "Transmission Arbitration Release",
	    TX_F_USER_ID, TX_F_SEQUENCE, TX_F_INDICATOR),
	ROW(TX_REVOKED, "Transmission Revoked", TX_F_CAUSE, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_QUEUE_POSITION_INFO, "Queue Position Info",
	    TX_F_USER_ID, TX_F_QUEUED_ID, TX_F_QUEUE_INFO, TX_F_TRACK_INFO, TX_F_INDICATOR),
	ROW(TX_NOTIFICATION, "Media Transmission Notification",
	    TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_MAY_REQUEST, TX_F_INDICATOR,
	    TX_F_TRACK_INFO, TX_F_ALIAS, TX_F_RECEPTION_MODE),
	ROW(TX_RECEIVE_RESPONSE, "Receive Media Response",
	    TX_F_RESULT, TX_F_CAUSE, TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_INDICATOR,
	    TX_F_TRACK_INFO),
	ROW(TX_RECEPTION_NOTIFICATION, "Media Reception Notification",
	    TX_F_USER_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_ALIAS, TX_F_TRACK_INFO),
	ROW(TX_CANCEL_REQUEST_NOTIFY, "Transmission Cancel Request Notify", TX_F_TRACK_INFO),
	ROW(TX_REMOTE_RESPONSE, "Remote Transmission Response", TX_F_TRACK_INFO),
	ROW(TX_REMOTE_CANCEL_RESPONSE, "Remote Transmission Cancel Response", TX_F_TRACK_INFO),
	ROW(TX_OVERRIDE_NOTIFICATION, "Media Reception Override Notification",
	    TX_F_USER_ID, TX_F_OVERRIDING_ID, TX_F_OVERRIDDEN_ID),
	ROW(TX_END_NOTIFY, "Transmission End Notify", TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC),
	ROW(TX_IDLE, "Transmission Idle", TX_F_SEQUENCE, TX_F_INDICATOR),

	ROW(TX_END_REQUEST, "Transmission End Request",
	    TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_CAUSE, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_END_RESPONSE, "Transmission End Response",
	    TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_RECEPTION_END_REQUEST, "Media Reception End Request",
	    TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_RECEPTION_END_RESPONSE, "Media Reception End Response",
	    TX_F_TRANSMITTING_ID, TX_F_AUDIO_SSRC, TX_F_VIDEO_SSRC, TX_F_INDICATOR, TX_F_TRACK_INFO),
	ROW(TX_ACK, "Transmission Control Ack", TX_F_SOURCE, TX_F_ACKED_NAME, TX_F_ACKED_TYPE, TX_F_TRACK_INFO),
#undef ROW
};
/* clang-format on */

const char *tx_type_name(unsigned type)
{
	return type < TX_TYPES ? messages[type].name : NULL;
}

/* ---- reading and writing ---- */

enum app_read tx_message_read(struct octets packet, struct tx_message *out, size_t *at)
{
	struct reader r = rd_init(packet);
	struct app_header h;
	*out = (struct tx_message){0};
	enum app_read e = app_header_read(&r, &h);
	unsigned name = h.name - NAME, type = TX_TYPE(name, h.subtype & APP_TYPE_BITS);
	if (e == APP_READ_OK && (name >= NAMES || !tx_type_name(type)))
		e = APP_READ_OTHER;
	if (e == APP_READ_OK) {
		out->type = (uint8_t)type;
		out->ack = (h.subtype & APP_ACK_BIT) != 0;
		out->ssrc = h.ssrc;
		e = app_fields_read(&r, fields, OLD_VIDEO_SSRC + 1, out, &out->has);
	}
	if (at)
		*at = e == APP_READ_BROKEN ? r.err_at : 0;
	return e;
}

enum mcsec_err tx_message_write(struct writer *w, const struct tx_message *m)
{
	if (!tx_type_name(m->type))
		return MCSEC_E_ARGUMENT;
	struct app_header h = {.subtype = (uint8_t)((m->ack ? APP_ACK_BIT : 0) | (m->type & APP_TYPE_BITS)),
			       .ssrc = m->ssrc,
			       .name = NAME + (uint32_t)(m->type >> 4)};
	return app_packet_write(w, &h, fields, messages[m->type].fields, m->has, m);
}

/* ---- acknowledgements ---- */

struct tx_message tx_ack(const struct tx_message *of, uint32_t ssrc, uint16_t source)
{
	struct tx_message a = {.type = TX_ACK,
			       .ssrc = ssrc,
			       .has = TX_HAS(TX_F_SOURCE) | TX_HAS(TX_F_ACKED_NAME) | TX_HAS(TX_F_ACKED_TYPE),
			       .source = source,
			       .acked_name = NAME + (uint32_t)(of->type >> 4),
			       .acked_type = of->type & APP_TYPE_BITS};
	if (of->has & TX_HAS(TX_F_TRACK_INFO)) { /* others copy it unchanged into the answer (floor 3.1) */
		a.has |= TX_HAS(TX_F_TRACK_INFO);
		a.track_info = of->track_info;
	}
	return a;
}

int tx_acknowledges(const struct tx_message *ack, unsigned type)
{
	const uint32_t both = TX_HAS(TX_F_ACKED_NAME) | TX_HAS(TX_F_ACKED_TYPE);
	return ack->type == TX_ACK && (ack->has & both) == both && ack->acked_name == NAME + (type >> 4) &&
	       (ack->acked_type & APP_TYPE_BITS) == (type & APP_TYPE_BITS);
}

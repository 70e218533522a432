/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transmission_message.h - transmission control messages of MCVideo: RTCP APP packets named MCV0, MCV1 and MCV2 (TS
 * 24.581; transmission 1 to 4). What floor control is to MCPTT; packets and fields look alike (app_packet.h).
 *
 * The same subtype means different messages under different names, so both together are the message's type here. The
 * reader keeps views into the packet, which must outlive the message; it allocates nothing and its time is linear. What
 * it hands out came in clear: the packet was opened, or is to be sealed, by csk_control.h.
 */
#ifndef MCX_FLOOR_TRANSMISSION_MESSAGE_H
#define MCX_FLOOR_TRANSMISSION_MESSAGE_H

#include "mcx/floor/app_packet.h"

/* The last octet of the name, and the subtype without the acknowledgement bit. */
#define TX_TYPE(name, subtype) ((name) << 4 | (subtype))
enum tx_type {
	TX_REQUEST = TX_TYPE(0, 0), /* MCV0: participant to server */
	TX_RELEASE = TX_TYPE(0, 2),
	TX_QUEUE_POSITION_REQUEST = TX_TYPE(0, 3),
	TX_RECEIVE_REQUEST = TX_TYPE(0, 4),
	TX_REMOTE_REQUEST = TX_TYPE(0, 7),
	TX_REMOTE_CANCEL_REQUEST = TX_TYPE(0, 8),
	TX_GRANTED = TX_TYPE(1, 0), /* MCV1: server to participant */
	TX_REJECTED = TX_TYPE(1, 1),
	TX_ARBITRATION_TAKEN = TX_TYPE(1, 2),
	TX_ARBITRATION_RELEASE = TX_TYPE(1, 3),
	TX_REVOKED = TX_TYPE(1, 4),
	TX_QUEUE_POSITION_INFO = TX_TYPE(1, 5),
	TX_NOTIFICATION = TX_TYPE(1, 6),
	TX_RECEIVE_RESPONSE = TX_TYPE(1, 7),
	TX_RECEPTION_NOTIFICATION = TX_TYPE(1, 8),
	TX_CANCEL_REQUEST_NOTIFY = TX_TYPE(1, 10),
	TX_REMOTE_RESPONSE = TX_TYPE(1, 11),
	TX_REMOTE_CANCEL_RESPONSE = TX_TYPE(1, 12),
	TX_OVERRIDE_NOTIFICATION = TX_TYPE(1, 13),
	TX_END_NOTIFY = TX_TYPE(1, 14),
	TX_IDLE = TX_TYPE(1, 15),
	TX_END_REQUEST = TX_TYPE(2, 0), /* MCV2: both ways */
	TX_END_RESPONSE = TX_TYPE(2, 1),
	TX_RECEPTION_END_REQUEST = TX_TYPE(2, 2),
	TX_RECEPTION_END_RESPONSE = TX_TYPE(2, 3),
	TX_ACK = TX_TYPE(2, 4),
	TX_TYPES = TX_TYPE(3, 0)
};
/* "Transmission Request"; NULL for a type that is not handled here. */
const char *tx_type_name(unsigned type);

/* The number is the bit in tx_message.has too. */
enum tx_field {
	TX_F_PRIORITY = 0,
	TX_F_DURATION = 1,
	TX_F_CAUSE = 2,
	TX_F_QUEUE_INFO = 3,
	TX_F_TRANSMITTING_ID = 4,
	TX_F_MAY_REQUEST = 5,
	TX_F_USER_ID = 6,
	TX_F_QUEUE_SIZE = 7,
	TX_F_SEQUENCE = 8,
	TX_F_QUEUED_ID = 9,
	TX_F_SOURCE = 10,
	TX_F_TRACK_INFO = 11,
	TX_F_ACKED_TYPE = 12,
	TX_F_INDICATOR = 13,
	TX_F_AUDIO_SSRC = 14,
	TX_F_RESULT = 15,
	TX_F_ACKED_NAME = 16,
	TX_F_OVERRIDING_ID = 17,
	TX_F_OVERRIDDEN_ID = 18,
	TX_F_RECEPTION_PRIORITY = 19,
	TX_F_GROUP_ID = 20,
	TX_F_ALIAS = 21,
	TX_F_RECEPTION_MODE = 22,
	TX_F_VIDEO_SSRC = 23,
	TX_FIELDS = 24
};
#define TX_HAS(field) (1u << (field))

/* Transmission Indicator. */
enum { TX_NORMAL = 0x8000, TX_BROADCAST = 0x4000, TX_SYSTEM = 0x2000, TX_EMERGENCY = 0x1000, TX_PERIL = 0x0800 };

/* Causes: three lists (transmission 4). */
enum {
	TX_REJECT_LIMIT = 1,
	TX_REJECT_ALONE = 3,
	TX_REJECT_RETRY_AFTER = 4,
	TX_REJECT_RECEIVE_ONLY = 5,
	TX_REVOKE_TOO_LONG = 2,
	TX_REVOKE_NO_PERMISSION = 3,
	TX_REVOKE_PREEMPTED = 4,
	TX_RECEIVE_SEND_ONLY = 5,
	TX_RECEIVE_STREAMS = 7,
	TX_CAUSE_OTHER = 255
};

enum {
	TX_NOT_QUEUED = 254, /* queue position */
	TX_BY_PARTICIPANT = 0,
	TX_BY_CONTROLLING = 2,
	TX_REFUSED = 0, /* Result */
	TX_ACCEPTED = 1,
	TX_MODE_AUTOMATIC = 0, /* Reception Mode */
	TX_MODE_MANUAL = 1,
	TX_MAX = 1200 /* octets of a message of ours */
};

struct tx_message {
	uint8_t type; /* enum tx_type */
	uint8_t ack;  /* the receiver shall answer Transmission Control Ack */
	uint32_t ssrc;
	uint32_t has; /* which fields below are there */
	uint8_t priority, reception_priority;
	uint16_t duration; /* seconds */
	uint16_t cause;
	struct octets phrase; /* of the cause: UTF-8, may be empty */
	uint8_t queue_position, queue_priority;
	uint16_t may_request, queue_size, sequence, source, indicator, result, reception_mode;
	uint8_t acked_type;                     /* subtype that a Transmission Control Ack is for, */
	uint32_t acked_name;                    /* and its name                                    */
	uint32_t audio_ssrc, video_ssrc;        /* of who transmits */
	struct octets transmitting_id, user_id; /* MC service IDs: UTF-8 text */
	struct octets queued_id, group_id, alias;
	struct octets overriding_id, overridden_id;
	struct octets track_info; /* as it came */
};

/*
 * A whole plain RTCP packet. Wrong fixed lengths and texts that are no UTF-8 drop their field alone. *at (may be NULL):
 * where a broken packet is broken.
 */
enum app_read tx_message_read(struct octets packet, struct tx_message *out, size_t *at);
/* Fields in the order of the message's table. MCSEC_E_ARGUMENT an unknown type, MCSEC_E_LENGTH a value too long. */
enum mcsec_err tx_message_write(struct writer *w, const struct tx_message *m);

/* The answer to a message whose acknowledgement bit is set. ssrc: of who acknowledges. */
struct tx_message tx_ack(const struct tx_message *of, uint32_t ssrc, uint16_t source);
/* 1 if it acknowledges a message of that type. */
int tx_acknowledges(const struct tx_message *ack, unsigned type);

#endif

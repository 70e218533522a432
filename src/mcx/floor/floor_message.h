/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_message.h - floor control messages: RTCP APP packets named MCPT (TS 24.380 8.2; floor 1 to 4), in the form of
 * app_packet.h.
 *
 * The reader keeps views into the packet, which must outlive the message; it allocates nothing and its time is linear.
 * What it hands out came in clear: the packet was opened, or is to be sealed, by csk_control.h.
 */
#ifndef MCX_FLOOR_MESSAGE_H
#define MCX_FLOOR_MESSAGE_H

#include "mcx/floor/app_packet.h"

/* Table 8.2.2.1-1, without the acknowledgement bit. */
enum floor_type {
	FLOOR_REQUEST = 0,
	FLOOR_GRANTED = 1,
	FLOOR_TAKEN = 2,
	FLOOR_DENY = 3,
	FLOOR_RELEASE = 4,
	FLOOR_IDLE = 5,
	FLOOR_REVOKE = 6,
	FLOOR_QUEUE_POSITION_REQUEST = 8,
	FLOOR_QUEUE_POSITION_INFO = 9,
	FLOOR_ACK = 10,
	FLOOR_RELEASE_MULTI_TALKER = 15,
	FLOOR_TYPES = 16
};
/* "Floor Request"; NULL for a type that is not handled here (F-D2). */
const char *floor_type_name(unsigned type);

/* Table 8.2.3.1-2. The number is the bit in floor_message.has too. */
enum floor_field {
	FLOOR_F_PRIORITY = 0,
	FLOOR_F_DURATION = 1,
	FLOOR_F_CAUSE = 2,
	FLOOR_F_QUEUE_INFO = 3,
	FLOOR_F_GRANTED_ID = 4,
	FLOOR_F_MAY_REQUEST = 5,
	FLOOR_F_USER_ID = 6,
	FLOOR_F_QUEUE_SIZE = 7,
	FLOOR_F_SEQUENCE = 8,
	FLOOR_F_QUEUED_ID = 9,
	FLOOR_F_SOURCE = 10,
	FLOOR_F_TRACK_INFO = 11,
	FLOOR_F_ACKED = 12,
	FLOOR_F_INDICATOR = 13,
	FLOOR_F_SSRC = 14,
	FLOOR_F_GRANTED_USERS = 15,
	FLOOR_F_SSRCS = 16,
	FLOOR_FIELDS = 17
};
#define FLOOR_HAS(field) (1u << (field))

/* Floor Indicator (8.2.3.15). */
enum {
	FLOOR_NORMAL = 0x8000,
	FLOOR_BROADCAST = 0x4000,
	FLOOR_SYSTEM = 0x2000,
	FLOOR_EMERGENCY = 0x1000,
	FLOOR_PERIL = 0x0800,
	FLOOR_QUEUEING = 0x0400,
	FLOOR_DUAL = 0x0200,
	FLOOR_TEMPORARY = 0x0100,
	FLOOR_MULTI = 0x0080
};

/* Reject causes: two lists (8.2.6.2, 8.2.10.2). */
enum {
	FLOOR_DENY_TAKEN = 1,
	FLOOR_DENY_ALONE = 3,
	FLOOR_DENY_RETRY_AFTER = 4,
	FLOOR_DENY_RECEIVE_ONLY = 5,
	FLOOR_DENY_QUEUE_FULL = 7,
	FLOOR_DENY_OTHER = 255,
	FLOOR_REVOKE_ALONE = 1,
	FLOOR_REVOKE_TOO_LONG = 2,
	FLOOR_REVOKE_NO_PERMISSION = 3,
	FLOOR_REVOKE_PREEMPTED = 4
};

enum {
	FLOOR_NOT_QUEUED = 254, /* queue position (8.2.3.5) */
	FLOOR_BY_PARTICIPANT = 0,
	FLOOR_BY_PARTICIPATING = 1,
	FLOOR_BY_CONTROLLING = 2,
	FLOOR_MAX = 1200, /* octets of a message of ours */
	FLOOR_HEADER = 12
};

struct floor_message {
	uint8_t type; /* enum floor_type */
	uint8_t ack;  /* the receiver shall answer Floor Ack */
	uint32_t ssrc;
	uint32_t has; /* which fields below are there */
	uint8_t priority;
	uint16_t duration; /* seconds */
	uint16_t cause;
	struct octets phrase; /* of the cause: UTF-8, may be empty */
	uint8_t queue_position, queue_priority;
	uint16_t may_request, queue_size, sequence, source, indicator;
	uint8_t acked;                                  /* the type that a Floor Ack is for */
	uint32_t granted_ssrc;                          /* media SSRC of who has the floor */
	struct octets granted_id, user_id, queued_id;   /* MC service IDs: UTF-8 text */
	struct octets track_info, granted_users, ssrcs; /* as they came */
};

/* A whole plain RTCP packet. Wrong fixed lengths and texts that are no UTF-8 drop their field alone. */
enum app_read floor_message_read(struct octets packet, struct floor_message *out);
/* Fields in the order of the message's table. MCSEC_E_ARGUMENT an unknown type, MCSEC_E_LENGTH a value too long. */
enum mcsec_err floor_message_write(struct writer *w, const struct floor_message *m);

/* The answer to a message whose acknowledgement bit is set (floor 1.2, F-D5, F-D6). ssrc: of who acknowledges. */
struct floor_message floor_ack(const struct floor_message *of, uint32_t ssrc, uint16_t source);

#endif

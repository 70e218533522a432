/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app_packet.h - RTCP APP packets of media control: header and fields, as floor control (TS 24.380 8.1) and
 * transmission control (TS 24.581) have them alike (floor 1; transmission).
 *
 *   V=2 P=0 subtype(5) | 204 | length in words - 1 (2) | SSRC (4) | name (4) | fields
 *   field: ID (1) | length (1, or 2 from ID 192 on) | value | zeros to a multiple of 4
 *
 * A protocol is a table of its fields: what the value of each ID is, and where it goes in the protocol's message.
 * Fields come in any order; the first of an ID counts; one that is unknown is skipped, one whose length or text is
 * wrong is dropped (F-D1). The views that are handed out lie in the packet. Linear, nothing is allocated.
 */
#ifndef MCX_FLOOR_APP_PACKET_H
#define MCX_FLOOR_APP_PACKET_H

#include "sec/base/bytes.h"

enum app_kind {
	APP_UNKNOWN, /* no such field                    */
	APP_BYTE,    /* value, spare octet               */
	APP_WORD,    /* 16 bits                          */
	APP_PAIR,    /* two octets with a meaning of their own: `at` and `also` */
	APP_CAUSE,   /* 16 bits, and text, which may be empty: `at` and `also`  */
	APP_SSRC,    /* 32 bits, two spare octets        */
	APP_NAME,    /* the same: four characters        */
	APP_TEXT,    /* UTF-8, not empty                 */
	APP_RAW
};

/* Offsets in the message: uint8_t, uint16_t, uint32_t or struct octets, as the kind says. */
struct app_field {
	enum app_kind kind;
	size_t at, also;
	uint8_t as; /* another number of the field `as`; 0: its own */
};

struct app_header {
	uint8_t subtype; /* 5 bits */
	uint32_t ssrc, name;
};

enum { APP_ACK_BIT = 0x10, APP_TYPE_BITS = 0x0f, APP_END = 0xff };

enum app_read {
	APP_READ_OK = 0,
	APP_READ_OTHER, /* well formed, but none of the protocol's messages: ignore (8.1.4) */
	APP_READ_BROKEN /* length, header or a field that runs over the end: drop (F-D1) */
};

/* A whole plain RTCP packet's header; r stands at its fields then. r->err_at: what is broken. */
enum app_read app_header_read(struct reader *r, struct app_header *out);
/* All fields, into `message`; *has: one bit an ID. APP_READ_OK or APP_READ_BROKEN. */
enum app_read app_fields_read(struct reader *r, const struct app_field *fields, size_t n, void *message, uint32_t *has);
/* Those of `order` (it ends with APP_END) that `has` names. MCSEC_E_LENGTH: a value is too long for its field. */
enum mcsec_err app_packet_write(struct writer *w, const struct app_header *h, const struct app_field *fields,
				const uint8_t *order, uint32_t has, const void *message);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - reading and writing MIKEY payloads (RFC 3830 6, RFC 6043 6, RFC 6509 4): what the payload files share.
 *
 * Reading: a mikey_in is the bounds-checked reader with a sentence for the first fault and, if a tracer is set, a call
 * for each field, so that the same code parses and explains. Offsets are always those of the whole message.
 * Writing: every payload begins with the code of the one after it; mikey_begin fills that octet in when the next
 * payload comes.
 */
#ifndef SEC_MIKEY_WIRE_H
#define SEC_MIKEY_WIRE_H

#include "sec/base/bytes.h"

/* Next-payload codes (RFC 3830 table 6.1.b, RFC 6043, RFC 6509); the others are refused without reading them. */
enum mikey_payload {
	MIKEY_LAST = 0,
	MIKEY_SIGN = 4,
	MIKEY_T = 5,
	MIKEY_SP = 10,
	MIKEY_RAND = 11,
	MIKEY_ERR = 12,
	MIKEY_IDR = 14,
	MIKEY_GEN = 21,
	MIKEY_SAKKE = 26,
};

/* A field as it is read: `len` octets at offset `at`. len 0: `name` is the heading of a payload. */
typedef void mikey_field(void *ctx, size_t at, size_t len, const char *name);

struct mikey_in {
	struct reader r;
	enum mcsec_err code; /* what the first fault is called outside */
	const char *clause, *detail;
	mikey_field *field; /* may be NULL */
	void *field_ctx;
};

struct mikey_in mikey_in_of(struct octets msg);
/* A payload begins: the clause that faults in it cite. */
void mikey_enter(struct mikey_in *in, const char *name, const char *clause);
uint8_t mikey_u8(struct mikey_in *in, const char *name);
uint16_t mikey_u16(struct mikey_in *in, const char *name);
uint32_t mikey_u32(struct mikey_in *in, const char *name);
uint64_t mikey_u64(struct mikey_in *in, const char *name);
struct octets mikey_take(struct mikey_in *in, size_t n, const char *name);
/* Tell the tracer of octets that were read untold. */
void mikey_tell(struct mikey_in *in, struct octets o, const char *name);
/* What the specification asks of the field that stood `width` octets back; the first that does not hold stays. */
void mikey_require(struct mikey_in *in, int holds, size_t width, const char *detail);
/* The same for what is well formed but not something we carry out. */
void mikey_support(struct mikey_in *in, int holds, size_t width, const char *detail);
/* Something the message lacks as a whole: a fault without an offset. */
void mikey_lacks(struct mikey_in *in, int present, const char *detail);
/* A reader of the next n octets alone; mikey_leave takes its fault over and refuses what it left unread. */
struct mikey_in mikey_within(struct mikey_in *in, size_t n);
void mikey_leave(struct mikey_in *in, struct mikey_in *inner);
/* The first fault; MCSEC_OK leaves *fault all zero. */
enum mcsec_err mikey_fault(const struct mikey_in *in, struct mcsec_fault *fault);

struct mikey_out {
	struct writer w;
	uint8_t *next; /* where the code of the payload that comes goes */
};

void mikey_begin(struct mikey_out *out, enum mikey_payload code);

#endif

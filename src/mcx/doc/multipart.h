/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart.h - SIP bodies: one part, or several in multipart/mixed (RFC 2046 5.1; sip.md 1).
 *
 * A body that is not multipart/mixed reads as a single part of its own type, because the specification says
 * "Content-Type set to X" where in reality X is one part of several (sip.md 3). Parts are chosen by type, never by
 * position. Binary parts pass untouched; base64 transfer encoding is undone on reading. Reading is bounded in parts,
 * headers and lengths, takes one pass, and allocates nothing: decoded parts go into the caller's scratch.
 *
 * One level: no sender of the specification nests, and a part that is a multipart itself could hide from us what
 * another reader on the way sees. Such a body is refused whole.
 */
#ifndef MCX_DOC_MULTIPART_H
#define MCX_DOC_MULTIPART_H

#include "sec/base/bytes.h"

enum {
	MULTIPART_MAX_BODY = 128 * 1024,
	MULTIPART_MAX_PARTS = 16,
	MULTIPART_MAX_HEADERS = 16, /* of one part */
	MULTIPART_MAX_BOUNDARY = 70 /* RFC 2046 5.1.1 */
};

#define TYPE_MULTIPART     "multipart/mixed"
#define TYPE_MIKEY         "application/mikey"
#define TYPE_SDP           "application/sdp"
#define TYPE_MCPTT_INFO    "application/vnd.3gpp.mcptt-info+xml"
#define TYPE_RESOURCE_LIST "application/resource-lists+xml"
#define TYPE_POC_SETTINGS  "application/poc-settings+xml"
#define TYPE_KRR           "application/vnd.3gpp.kmsredirectresponse+xml"

struct body_part {
	char type[100];     /* type/subtype in lower case, without parameters; "text/plain" if the part names none */
	char id[128];       /* Content-ID without angle brackets; "" if none */
	struct octets body; /* in the message, or in scratch when it was base64 */
	size_t at;          /* where the part's content stands in the message */
};

struct multipart {
	size_t n;
	struct body_part parts[MULTIPART_MAX_PARTS];
};

/*
 * Reads a message body. content_type is the header's whole value. scratch holds decoded base64 parts (the body's
 * length suffices) and must outlive *out. On error *at (may be NULL) is the offset in body of what is wrong.
 * MCSEC_E_LENGTH body, part count or header too large; MCSEC_E_VALUE headers or boundary; MCSEC_E_TRUNCATED no closing
 * boundary; MCSEC_E_ENCODING base64; MCSEC_E_UNSUPPORTED a transfer encoding, or a multipart in it; MCSEC_E_NO_SPACE
 * scratch.
 */
enum mcsec_err multipart_read(const char *content_type, struct octets body, uint8_t *scratch, size_t scratch_size,
			      struct multipart *out, size_t *at);

/* The first part of this type, or NULL. *count (may be NULL) receives how many there are: more than one is a 400. */
const struct body_part *multipart_find(const struct multipart *m, const char *type, size_t *count);

/* What to send: id may be NULL; base64 adds Content-Transfer-Encoding: base64 (switch mikey.body), else binary. */
struct body_out {
	const char *type;
	const char *id;
	struct octets body;
	int base64;
};

/*
 * Writes parts in order. The boundary is the caller's (random, 1..70 characters of RFC 2046 bchars without blank);
 * MCSEC_E_VALUE if it is none or occurs in a part, or a part is a multipart itself. The Content-Type header is
 * multipart_type().
 */
enum mcsec_err multipart_write(struct writer *w, const char *boundary, const struct body_out *parts, size_t n);
/* `multipart/mixed;boundary="..."` into out; MCSEC_E_NO_SPACE. */
enum mcsec_err multipart_type(const char *boundary, char *out, size_t out_size);

#endif

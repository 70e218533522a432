/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - `mcx explain`: a message as a list of fields with octet offsets, and why it is refused.
 *
 * Every kind of message fills one explanation; printing it as a table or as JSON is done in one place. Secrets in a
 * document are told by their length unless asked for.
 */
#ifndef MCX_TOOL_EXPLAIN_H
#define MCX_TOOL_EXPLAIN_H

#include <jansson.h>

#include "sec/base/bytes.h"

enum { EXPLAIN_NAME = 64 };

struct explanation {
	const char *type; /* "mikey", "kms", "sip" or "token" */
	json_t *fields;   /* [{"offset","length","part","field","value"}] */
	char error[48];   /* "": nothing is wrong with it */
	char detail[320];
	size_t offset; /* or MCSEC_NO_OFFSET */
	char clause[48];
	char note[160]; /* what was not checked; "" for nothing */
	int show_secrets;
	int64_t now; /* Unix seconds that validity is held against */
};

/* `value` may be NULL. */
void explain_field(struct explanation *e, size_t offset, size_t length, const char *part, const char *field,
		   const char *value);
/* The octets in hex, the long ones cut. */
void explain_octets(struct explanation *e, size_t offset, struct octets o, const char *part, const char *field,
		    const char *meaning);
void explain_wrong(struct explanation *e, const char *error, size_t offset, const char *clause, const char *detail);

/*
 * Each element with its text, and with its attributes when part is given; root receives the local name of the root
 * element, which is the part when there is none. base: where xml stands in the file.
 */
void explain_xml(struct explanation *e, struct octets xml, const char *part, size_t base, char root[EXPLAIN_NAME]);
/* Where this element begins, on this line or a later one; MCSEC_NO_OFFSET. */
size_t explain_xml_find(struct octets xml, const char *element, unsigned line);

/* The CSK or SPK of a protected body. Holds a secret: keep it in secret memory. identity "": no key. */
struct explain_key {
	uint8_t xpk[16];
	uint32_t id;
	char identity[256]; /* the MC service ID whose key it is: P0 of TS 33.180 F.1.4 */
};
/*
 * From what `mcx mikey open --show-secrets` prints; identity replaces the initiator where that is only a UID, or NULL.
 * 0: the file is none such.
 */
int explain_key_read(struct explain_key *k, struct octets file, const char *identity);
/* A SIP message, or a body that begins with its boundary. */
int explain_is_sip(struct octets in);
void explain_sip(struct explanation *e, struct octets in, const struct explain_key *k);

void explain_mikey(struct explanation *e, struct octets msg);
void explain_kms(struct explanation *e, struct octets xml);
void explain_token(struct explanation *e, struct octets text);

#endif

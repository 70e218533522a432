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

struct explanation {
	const char *type; /* "mikey", "kms" or "token" */
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

void explain_mikey(struct explanation *e, struct octets msg);
void explain_kms(struct explanation *e, struct octets xml);
void explain_token(struct explanation *e, struct octets text);

#endif

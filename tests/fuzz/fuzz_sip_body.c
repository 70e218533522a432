/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sip_body.c - the body of a request as mcx-server reads it: parts, mcptt-info, resource lists, and application/
 * mikey in its two spellings. The input's first line is the Content-Type, the rest the body.
 *
 * Invariants: a part is there or not there, never half; each text ends; what is decoded lies in the body or in the
 * scratch room; without a key nothing that is protected opens, and what is open holds nothing encrypted.
 */
#include "app/log.h"
#include "body_line.h"
#include "server/body.h"

static int somewhere(struct octets part, const struct body *b, struct octets body)
{
	return inside(part, body.p, body.len) || (b->scratch && part.len <= body.len + 8192 && part.p >= b->scratch);
}

#define ENDS(v)                                                                                                        \
	HOLDS(memchr((v).value, 0, sizeof(v).value) &&                                                                 \
	      ((v).form == MCPTT_ABSENT || (v).form == MCPTT_PLAIN || (v).form == MCPTT_ENCRYPTED))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct body b;
	char type[BODY_TYPE + 1];
	struct sip_message m;
	log_open("fuzz", LOG_LEVEL_ERROR); /* a line for each body that is refused */
	if (body_line(data, size, type, &m))
		return 0;
	enum body_kind kind = body_read(&m, &b);
	if (kind == BODY_READ) {
		const struct mcptt_info *i = &b.info;
		HOLDS(b.sdp.p || b.mikey.p || b.has_info || b.has_lists);
		HOLDS(somewhere(b.sdp, &b, m.body) && somewhere(b.mikey, &b, m.body));
		ENDS(i->access_token);
		ENDS(i->client_id);
		ENDS(i->request_uri);
		ENDS(i->calling_user_id);
		ENDS(i->called_party_id);
		ENDS(i->calling_group_id);
		struct xml_opened opened;
		const struct xml_keys none = {NULL, 0};
		enum body_verdict v = body_unprotect(&b, &xml_policy_default, &none, &opened);
		HOLDS(opened.why && (v == BODY_OPENED || v == BODY_FORGED || v == BODY_UNDECRYPTABLE));
		HOLDS(v != BODY_OPENED || !opened.protected);
		HOLDS(v != BODY_OPENED ||
		      (i->access_token.form != MCPTT_ENCRYPTED && i->client_id.form != MCPTT_ENCRYPTED &&
		       i->calling_user_id.form != MCPTT_ENCRYPTED));
		HOLDS(b.lists.n <= RESOURCE_LISTS_MAX_ENTRIES && (b.has_lists || b.lists.n == 0));
	}
	body_free(&b);
	HOLDS(!b.scratch && !b.parts);
	return 0;
}

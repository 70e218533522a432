/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab.h - what the tests of the XML protection share: the inputs of the worked example (xml-protection 10), a random
 * source that gives out prepared octets, and a message in multipart form to play with.
 */
#ifndef MCX_TEST_XMLSEC_LAB_H
#define MCX_TEST_XMLSEC_LAB_H

#include "unit/test.h"

#include "mcx/xmlsec/signature.h"
#include "mcx/xmlsec/xmlsec.h"

#define ALICE  "sip:alice@mc.example.org"
#define DECL   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
#define CSK_ID 0x2c3d4e5fu

#define INFO_CLEAR                                                                                                     \
	DECL "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-client-id type=\"Normal\">"          \
	     "<mcpttString>client-0001</mcpttString></mcptt-client-id><anyExt><request-type>"                          \
	     "private-call-call-back-request</request-type></anyExt></mcptt-Params></mcpttinfo>"
#define LISTS_CLEAR                                                                                                    \
	DECL "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>"                                  \
	     "<entry uri=\"sip:bob@mc.example.org\"/></list></resource-lists>"

static inline struct xml_key lab_key(void)
{
	struct xml_key key;
	uint8_t csk[16];
	unhex("5b2d9c41e07f3a68b1c4d2e95f607183", csk, sizeof csk);
	assert_int_equal(xml_key_derive(&key, csk, CSK_ID, ALICE), MCSEC_OK);
	return key;
}

/* Gives out a0 a1 a2 ... in pieces of twelve: a0.., b0.., c0.. as in the example; the last piece may be shorter. */
static inline enum mcsec_err lab_fill(void *ctx, uint8_t *out, size_t n)
{
	uint8_t *next = ctx;
	for (size_t i = 0; i < n; i += XML_IV_LEN) {
		for (size_t k = i; k < n && k < i + XML_IV_LEN; k++)
			out[k] = (uint8_t)(*next + k - i);
		*next = (uint8_t)(*next + 0x10);
	}
	return MCSEC_OK;
}

struct lab {
	struct xml_key key, other;
	const struct xml_key *list[2];
	struct xml_keys keys;
	struct xml_policy policy;
	uint8_t next;
	struct mcsec_rng rng;
	struct body_out parts[8];
	size_t n;
	struct multipart m;
	struct xml_opened opened;
	uint8_t *memory;
	struct writer arena;
};

/* The two bodies of the example, protected with its IVs. */
static inline struct lab *lab_new(void)
{
	struct lab *l = calloc(1, sizeof *l);
	assert_non_null(l);
	l->key = lab_key();
	uint8_t csk[16] = {1};
	assert_int_equal(xml_key_derive(&l->other, csk, 0x21111111, ALICE), MCSEC_OK);
	l->list[0] = &l->key;
	l->keys = (struct xml_keys){l->list, 1};
	l->policy = xml_policy_default;
	l->next = 0xa0;
	l->rng = (struct mcsec_rng){lab_fill, &l->next};
	l->memory = malloc(2 * XML_ARENA_MIN);
	assert_non_null(l->memory);
	l->arena = wr_init(l->memory, 2 * XML_ARENA_MIN);
	l->parts[0] = (struct body_out){TYPE_MCPTT_INFO, "info1@mc.example.org", octets_of(INFO_CLEAR), 0};
	l->parts[1] = (struct body_out){TYPE_RESOURCE_LIST, "rl1@mc.example.org", octets_of(LISTS_CLEAR), 0};
	l->n = 2;
	return l;
}

static inline void lab_free(struct lab *l)
{
	free(l->memory);
	free(l);
}

static inline void lab_protect(struct lab *l)
{
	assert_int_equal(xml_protect(&l->policy, &l->key, &l->rng, "mc.example.org", l->parts, &l->n, 8, &l->arena),
			 MCSEC_OK);
}

/* What was written becomes what is read. */
static inline void lab_send(struct lab *l)
{
	memset(&l->m, 0, sizeof l->m);
	for (size_t i = 0; i < l->n; i++) {
		struct body_part *p = &l->m.parts[l->m.n++];
		strcpy(p->type, l->parts[i].type);
		strcpy(p->id, l->parts[i].id ? l->parts[i].id : "");
		p->body = l->parts[i].body;
	}
}

static inline enum xml_verdict lab_open(struct lab *l)
{
	assert_int_equal(xml_open(&l->policy, &l->keys, &l->m, &l->opened, &l->arena), MCSEC_OK);
	return l->opened.verdict;
}

/* A copy in the arena of a text with the first `from` replaced by `to`. */
static inline struct octets lab_replace(struct lab *l, struct octets in, const char *from, const char *to)
{
	const uint8_t *at = memmem(in.p, in.len, from, strlen(from));
	assert_non_null(at);
	uint8_t *start = l->arena.at;
	wr_octets(&l->arena, (struct octets){in.p, (size_t)(at - in.p)});
	wr_text(&l->arena, to);
	wr_octets(&l->arena, (struct octets){at + strlen(from), in.len - (size_t)(at - in.p) - strlen(from)});
	assert_int_equal(l->arena.err, MCSEC_OK);
	return (struct octets){start, (size_t)(l->arena.at - start)};
}

/* Signs again after a body was changed, so that only the change is wrong. */
static inline void lab_sign_again(struct lab *l)
{
	l->n = 2;
	struct xml_policy sign_only = {.integrity = 1};
	assert_int_equal(xml_protect(&sign_only, &l->key, &l->rng, "mc.example.org", l->parts, &l->n, 8, &l->arena),
			 MCSEC_OK);
}

#define assert_text(octets, text) assert_memory_and_length(octets, text)
static inline void assert_memory_and_length(struct octets o, const char *text)
{
	if (o.len != strlen(text) || memcmp(o.p, text, o.len) != 0)
		print_error("have: %.*s\nwant: %s\n", (int)o.len, (const char *)o.p, text);
	assert_int_equal(o.len, strlen(text));
	assert_memory_equal(o.p, text, o.len);
}

#endif

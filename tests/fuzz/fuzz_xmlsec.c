/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_xmlsec.c - the XML protection of SIP bodies. The input's first line is the Content-Type, the rest the body; its
 * last three octets say where the protected message is changed, and how.
 *
 * Invariants: nothing protected passes that the key's holder has not made; a body protected by us opens, and to the
 * same octets each time; whatever is changed in it on its way, either it is refused or every covered part reads as it
 * was meant; a refusal says why.
 */
#include "body_line.h"
#include "mcx/xmlsec/xmlsec.h"

static const char boundary[] = "a-boundary-that-no-input-has-0123456789";
static struct xml_key key;
static uint8_t arena[2][XML_ARENA_MIN], scratch[3][2 * MULTIPART_MAX_BODY], sealed[2 * MULTIPART_MAX_BODY];
static struct multipart in, meant, got;

static enum mcsec_err counting(void *ctx, uint8_t *out, size_t n)
{
	static uint8_t next;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		out[i] = next++;
	return MCSEC_OK;
}

static enum xml_verdict open_with(const struct xml_key *k, struct multipart *m, uint8_t *room, int *was_protected)
{
	struct writer w = wr_init(room, XML_ARENA_MIN);
	struct xml_opened opened;
	const struct xml_keys keys = {&k, k != NULL};
	if (xml_open(&xml_policy_default, &keys, m, &opened, &w) != MCSEC_OK)
		return XML_UNDECRYPTABLE;
	HOLDS(opened.why && opened.seen.n <= XML_ITEMS_MAX);
	*was_protected = opened.protected;
	return opened.verdict;
}

/* The message as it would be sent under our key; 0 if it cannot be protected. */
static size_t protect(void)
{
	struct body_out parts[MULTIPART_MAX_PARTS];
	const struct mcsec_rng rng = {counting, NULL};
	struct writer room = wr_init(arena[0], sizeof arena[0]), w = wr_init(sealed, MULTIPART_MAX_BODY);
	size_t n = in.n;
	for (size_t i = 0; i < n; i++)
		parts[i] = (struct body_out){.type = in.parts[i].type,
					     .id = in.parts[i].id[0] ? in.parts[i].id : NULL,
					     .body = in.parts[i].body};
	if (xml_protect(&xml_policy_default, &key, &rng, "a.test", parts, &n, MULTIPART_MAX_PARTS, &room) != MCSEC_OK ||
	    multipart_write(&w, boundary, parts, n) != MCSEC_OK)
		return 0;
	return wr_len(&w);
}

static int was_meant(const struct body_part *p)
{
	for (size_t i = 0; i < meant.n; i++)
		if (octets_equal(meant.parts[i].body, p->body))
			return 1;
	return 0;
}

static void changed_on_its_way(const uint8_t *how, size_t len)
{
	char type[128];
	int prot;
	HOLDS(multipart_type(boundary, type, sizeof type) == MCSEC_OK);
	HOLDS(multipart_read(type, (struct octets){sealed, len}, scratch[1], sizeof scratch[1], &meant, NULL) ==
	      MCSEC_OK);
	if (open_with(&key, &meant, arena[1], &prot) != XML_PASSED)
		return; /* made of a message that our own limits refuse */
	static uint8_t changed[sizeof sealed];
	memcpy(changed, sealed, len);
	changed[(how[0] << 8 | how[1]) % len] ^= how[2];
	if (multipart_read(type, (struct octets){changed, len}, scratch[2], sizeof scratch[2], &got, NULL) !=
		MCSEC_OK ||
	    open_with(&key, &got, arena[0], &prot) != XML_PASSED)
		return;
	for (size_t i = 0; i < got.n && prot; i++)
		HOLDS(!xml_part_covered(got.parts[i].type) || was_meant(&got.parts[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t xpk[16] = "nobody guesses!";
	char type[BODY_TYPE + 1];
	struct sip_message m;
	int prot = 0;
	if (!key.id)
		HOLDS(xml_key_derive(&key, xpk, 0x20000001, "sip:alice@run.mcx.test") == MCSEC_OK);
	if (size < 3 || body_line(data, size - 3, type, &m) || m.body.len > MULTIPART_MAX_BODY / 4 ||
	    multipart_read(type, m.body, scratch[0], sizeof scratch[0], &in, NULL) != MCSEC_OK)
		return 0;
	got = in;
	HOLDS(open_with(&key, &got, arena[0], &prot) != XML_PASSED || !prot);
	size_t len = protect();
	if (len)
		changed_on_its_way(data + size - 3, len);
	return 0;
}

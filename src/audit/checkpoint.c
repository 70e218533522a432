/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.c - the Merkle tree over the records, and checkpoints: signed, printed, parsed (checkpoint.h).
 *
 * What is signed is the text of the line without its signature, so that one form serves for signing and for reading;
 * a parsed line is accepted only if printing it again gives the same octets.
 */
#include "audit/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sec/base/text.h"

static const char tag[] = "mcx-audit-checkpoint-1";

/* SHA-256(prefix | a | b) */
static enum mcsec_err hash(uint8_t prefix, struct octets a, struct octets b, uint8_t out[AUDIT_HASH])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) && EVP_DigestUpdate(c, &prefix, 1) &&
		 EVP_DigestUpdate(c, a.p, a.len) && EVP_DigestUpdate(c, b.p, b.len) && EVP_DigestFinal_ex(c, out, NULL);
	EVP_MD_CTX_free(c);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

/* ---- the tree ---- */

enum mcsec_err audit_tree_add(struct audit_tree *t, struct octets record)
{
	uint8_t h[AUDIT_HASH];
	enum mcsec_err e = hash(0, record, (struct octets){0}, h);
	size_t level = 0;
	for (; !e && t->n >> level & 1; level++)
		e = hash(1, OCTETS(t->edge[level]), OCTETS(h), h);
	if (e)
		return e;
	memcpy(t->edge[level], h, AUDIT_HASH);
	t->n++;
	return MCSEC_OK;
}

enum mcsec_err audit_tree_root(const struct audit_tree *t, uint8_t root[AUDIT_HASH])
{
	int first = 1;
	enum mcsec_err e = MCSEC_OK;
	if (t->n == 0)
		return EVP_Digest("", 0, root, NULL, EVP_sha256(), NULL) ? MCSEC_OK : MCSEC_E_CRYPTO;
	for (size_t level = 0; level < AUDIT_TREE_LEVELS && !e; level++) {
		if (!(t->n >> level & 1))
			continue;
		if (first)
			memcpy(root, t->edge[level], AUDIT_HASH);
		else
			e = hash(1, OCTETS(t->edge[level]), (struct octets){root, AUDIT_HASH}, root);
		first = 0;
	}
	return e;
}

/* ---- the line ---- */

enum { SIGNED_PART, WHOLE };

static size_t print(const struct audit_checkpoint *c, int whole, char out[AUDIT_CHECKPOINT_LINE])
{
	char root[HEX_SIZE(AUDIT_HASH)], chain[HEX_SIZE(AUDIT_HASH)], previous[HEX_SIZE(AUDIT_HASH)];
	char signature[HEX_SIZE(AUDIT_SIGNATURE)] = "-";
	hex_encode(OCTETS(c->root), root);
	hex_encode(OCTETS(c->chain), chain);
	hex_encode(OCTETS(c->previous), previous);
	if (whole)
		hex_encode(OCTETS(c->signature), signature);
	int n = snprintf(out, AUDIT_CHECKPOINT_LINE, "%s %" PRIu64 " %" PRIu64 " %s %s %s %s %s", tag, c->size,
			 c->time_ns, root, chain, previous, signature, c->node);
	return (size_t)n;
}

void audit_checkpoint_print(const struct audit_checkpoint *c, char out[AUDIT_CHECKPOINT_LINE])
{
	print(c, WHOLE, out);
}

static enum mcsec_err parse_hex(const char *text, uint8_t *out, size_t size)
{
	size_t n = 0;
	return strlen(text) == 2 * size && !hex_decode(text, 2 * size, out, size, &n) && n == size ? MCSEC_OK
												   : MCSEC_E_MALFORMED;
}

enum mcsec_err audit_checkpoint_parse(struct octets line, struct audit_checkpoint *c)
{
	char text[AUDIT_CHECKPOINT_LINE], again[AUDIT_CHECKPOINT_LINE], word[32];
	char root[80], chain[80], previous[80], signature[144];
	int node_at = 0;
	memset(c, 0, sizeof *c);
	if (line.len >= sizeof text || memchr(line.p, 0, line.len))
		return MCSEC_E_MALFORMED;
	memcpy(text, line.p, line.len);
	text[line.len] = 0;
	/* NOLINTNEXTLINE(cert-err34-c): what was read is written again and compared, so a number too great is refused */
	if (sscanf(text, "%31s %" SCNu64 " %" SCNu64 " %79s %79s %79s %143s %n", word, &c->size, &c->time_ns, root,
		   chain, previous, signature, &node_at) != 7 ||
	    !node_at || strlen(text + node_at) >= sizeof c->node)
		return MCSEC_E_MALFORMED;
	strcpy(c->node, text + node_at);
	if (parse_hex(root, c->root, AUDIT_HASH) || parse_hex(chain, c->chain, AUDIT_HASH) ||
	    parse_hex(previous, c->previous, AUDIT_HASH) || parse_hex(signature, c->signature, AUDIT_SIGNATURE))
		return MCSEC_E_MALFORMED;
	print(c, WHOLE, again);
	return strcmp(text, again) == 0 ? MCSEC_OK : MCSEC_E_MALFORMED;
}

enum mcsec_err audit_checkpoint_hash(const struct audit_checkpoint *c, uint8_t out[AUDIT_HASH])
{
	char text[AUDIT_CHECKPOINT_LINE];
	size_t n = print(c, WHOLE, text);
	return hash(4, (struct octets){(const uint8_t *)text, n}, (struct octets){0}, out);
}

/* ---- the signature ---- */

enum mcsec_err audit_checkpoint_sign(struct audit_checkpoint *c, EVP_PKEY *key)
{
	char text[AUDIT_CHECKPOINT_LINE];
	size_t n = print(c, SIGNED_PART, text), len = sizeof c->signature;
	EVP_MD_CTX *x = EVP_MD_CTX_new();
	int ok = x && EVP_DigestSignInit(x, NULL, NULL, NULL, key) == 1 &&
		 EVP_DigestSign(x, c->signature, &len, (const uint8_t *)text, n) == 1 && len == sizeof c->signature;
	EVP_MD_CTX_free(x);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

enum mcsec_err audit_checkpoint_verify(const struct audit_checkpoint *c, EVP_PKEY *key)
{
	char text[AUDIT_CHECKPOINT_LINE];
	size_t n = print(c, SIGNED_PART, text);
	EVP_MD_CTX *x = EVP_MD_CTX_new();
	int ok = x && EVP_DigestVerifyInit(x, NULL, NULL, NULL, key) == 1 &&
		 EVP_DigestVerify(x, c->signature, sizeof c->signature, (const uint8_t *)text, n) == 1;
	EVP_MD_CTX_free(x);
	return ok ? MCSEC_OK : MCSEC_E_SIGNATURE;
}

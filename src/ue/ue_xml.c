/* SPDX-License-Identifier: Apache-2.0 */
/* ue_xml.c - bodies of a client, protected and opened (see ue_xml.h). */
#include "ue/ue_xml.h"

#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"

enum { PARTS_MAX = 8, PROTECTED_ROOM = 64 * 1024 };

struct xml_policy ue_xml_policy(const struct ue *u)
{
	return (struct xml_policy){.confidentiality = !u->c.xml_confidentiality_off,
				   .integrity = !u->c.xml_integrity_off,
				   .sign_binary_parts = !u->c.xml_integrity_off};
}

static enum mcsec_err protect(const struct ue *u, const struct ue_csk *csk, struct body_out *parts, size_t *n,
			      struct writer *arena)
{
	struct xml_policy policy = ue_xml_policy(u);
	struct xml_key key;
	if (!policy.confidentiality && !policy.integrity)
		return MCSEC_OK;
	if (!csk)
		return MCSEC_E_NO_KEYS;
	size_t len = suite_key_len(csk == u->csk_new ? csk->upload_suite : csk->suite);
	enum mcsec_err e = xml_key_derive_long(&key, csk->key, csk->id, u->own_id, len);
	if (!e)
		e = xml_protect(&policy, &key, &mcsec_rng_system, u->c.sip_address, parts, n, PARTS_MAX, arena);
	xml_key_wipe(&key);
	return e;
}

enum mcsec_err ue_body_write(const struct ue *u, const struct ue_csk *csk, const struct body_out *parts, size_t n,
			     struct writer *w, char *type, size_t type_size)
{
	struct body_out out[PARTS_MAX];
	char hex[HEX_SIZE(8)], boundary[24];
	uint8_t r[8], *room = malloc(PROTECTED_ROOM);
	struct writer arena = wr_init(room, room ? PROTECTED_ROOM : 0);
	enum mcsec_err e = n >= PARTS_MAX ? MCSEC_E_ARGUMENT : !room ? MCSEC_E_MEMORY : MCSEC_OK;
	if (!e && ue_random(r, sizeof r))
		e = MCSEC_E_RANDOM;
	if (!e) {
		memcpy(out, parts, n * sizeof *parts);
		hex_encode(OCTETS(r), hex);
		snprintf(boundary, sizeof boundary, "mcx-%s", hex);
		e = protect(u, csk, out, &n, &arena);
	}
	e = e ? e : multipart_write(w, boundary, out, n);
	free(room);
	return e ? e : multipart_type(boundary, type, type_size);
}

static enum mcsec_err open_parts(struct ue *u, enum mcx_service service, struct ue_body *b)
{
	struct xml_policy policy = ue_xml_policy(u);
	const struct ue_csk *csks[] = {*ue_csk_at(u, service), u->csk_new};
	struct xml_key key[2];
	const struct xml_key *list[2];
	struct xml_keys keys = {list, 0};
	struct writer arena = wr_init(b->arena, XML_ARENA_MIN);
	for (size_t i = 0; i < 2; i++)
		if (csks[i] && xml_key_derive_long(&key[keys.n], csks[i]->key, csks[i]->id, u->own_id,
						   suite_key_len(csks[i]->suite)) == MCSEC_OK) {
			list[keys.n] = &key[keys.n];
			keys.n++;
		}
	enum mcsec_err e = xml_open(&policy, &keys, &b->parts, &b->opened, &arena);
	mcsec_wipe(key, sizeof key);
	return e;
}

struct ue_body *ue_body_read(struct ue *u, enum mcx_service service, const struct sip_message *msg)
{
	struct ue_body *b = calloc(1, sizeof *b);
	if (b) {
		b->scratch = malloc(msg->body.len + 1);
		b->arena = malloc(XML_ARENA_MIN);
	}
	if (b && b->scratch && b->arena && msg->content_type &&
	    multipart_read(msg->content_type, msg->body, b->scratch, msg->body.len + 1, &b->parts, NULL) == MCSEC_OK &&
	    open_parts(u, service, b) == MCSEC_OK)
		return b;
	ue_body_free(b);
	return NULL;
}

void ue_body_free(struct ue_body *b)
{
	if (!b)
		return;
	free(b->scratch);
	free(b->arena);
	free(b);
}

const struct body_part *ue_body_part(const struct ue_body *b, const char *type)
{
	size_t n;
	const struct body_part *part = multipart_find(&b->parts, type, &n);
	return n == 1 ? part : NULL;
}

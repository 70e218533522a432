/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_core.c - a client behind a SIP core: digest access, Service-Route, its instance, and the proof that the service
 * authorisation reached the MC server (RFC 3261 22, RFC 3608, RFC 5626 4.1; flows 1.1 "unsure").
 *
 * The core answers our REGISTER and hands it on; its 200 says nothing of the upload. The first protected message that
 * the server accepts, or sends us, does. The password stays in secret memory; the core has only what digest shows.
 */
#include <stdio.h>

#include "mcsec/secret.h"
#include "mcx/flow/warning.h"
#include "sec/base/text.h"
#include "ue/engine.h"

enum { MAX_ANSWERS = 2 }; /* to challenges in a row: one, and one more when the nonce was stale */

int ue_core_is(const struct ue *u)
{
	return u->c.sip_user != NULL;
}

/* The answer to the challenge we hold, for one request. 0 or -1. */
static int write_answer(struct ue *u, const char *uri, char *out, size_t size)
{
	struct ue_core *c = &u->core;
	uint8_t r[8];
	char cnonce[HEX_SIZE(8)];
	if (ue_random(r, sizeof r))
		return -1;
	hex_encode(OCTETS(r), cnonce);
	const struct sip_digest d = {u->c.sip_user, c->password, "REGISTER", uri, cnonce, ++c->nc};
	return sip_digest_write(&c->challenge, &d, out, size) == MCSEC_OK ? 0 : -1;
}

size_t ue_core_headers(struct ue *u, const char *uri, struct sip_header h[2], char *room, size_t size)
{
	size_t n = 0;
	if (!ue_core_is(u))
		return 0;
	h[n++] = (struct sip_header){"Supported", "path, gruu"};
	if (u->core.challenged && write_answer(u, uri, room, size) == 0)
		h[n++] = (struct sip_header){"Authorization", room};
	return n;
}

int ue_core_challenge(struct ue *u, const struct sip_message *rs)
{
	struct ue_core *c = &u->core;
	struct sip_challenge challenge;
	if (!ue_core_is(u) || rs->status != 401) {
		c->answers = 0;
		return 0;
	}
	int again = c->password && sip_challenge_of(rs, &challenge) == MCSEC_OK && c->answers < MAX_ANSWERS &&
		    (c->answers == 0 || challenge.stale);
	if (!again) { /* a password that is wrong once is wrong again */
		c->answers = 0;
		c->challenged = 0;
		return 0;
	}
	c->challenge = challenge;
	c->challenged = 1;
	c->nc = 0;
	c->answers++;
	return 1;
}

void ue_core_registered(struct ue *u, const struct sip_message *rs)
{
	struct ue_core *c = &u->core;
	struct writer w = wr_init((uint8_t *)c->route, sizeof c->route - 1);
	const char *value;
	for (size_t i = 0; (value = sip_header_at(rs, "Service-Route", i)); i++) {
		wr_text(&w, i ? ", " : "");
		wr_text(&w, value);
	}
	c->route[wr_len(&w)] = 0; /* what does not fit is none */
}

const char *ue_core_route(const struct ue *u)
{
	return u->core.route[0] ? u->core.route : NULL;
}

void ue_core_proof(struct ue *u, int status, int warning)
{
	struct ca_event ev = {.kind = CA_EVENTS};
	if (status / 100 == 2)
		ev.kind = ue_core_is(u) ? CA_EV_PROVED : CA_EVENTS;
	else if (status == 404 && warning == WARN_UNKNOWN_USER)
		ev.kind = CA_EV_UNKNOWN_USER;
	else if (status == 403 && (warning == WARN_INTEGRITY || warning == WARN_DECRYPT))
		ev.kind = CA_EV_UNREADABLE;
	if (ev.kind != CA_EVENTS)
		ue_auth_event(u, &ev);
}

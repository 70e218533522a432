/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_call_read.c - what the messages of a private call hold, whoever sent them: the body of an INVITE, of a re-INVITE
 * and of the answer to ours (sip.md 5, 6).
 *
 * A body may be a description alone or a part of several; parts of one type may stand once. Nothing of a body is
 * believed whose protection did not hold.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcx/doc/mcptt_info.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "ue/engine.h"
#include "ue/ue_xml.h"

void ue_show_sdp(struct ue *u, int sent, struct octets text)
{
	if (u->c.hooks.sdp)
		u->c.hooks.sdp(u->c.hooks.ctx, sent, text);
}

/* What we do: an encoding under a dynamic payload type, and what its parameters must say. */
struct encoding {
	const char *kind, *map, *says;
};
static const struct encoding opus = {"audio", "opus/48000/2", NULL}, /* RFC 7587 7 */
    h264 = {"video", "H264/90000", "packetization-mode=1"};          /* RFC 6184 8.1: else fragments may not be sent */

static int find_format(const struct sdp *s, size_t media, const struct encoding *e, uint8_t *payload_type)
{
	const struct sdp_media *m = &s->media[media];
	for (size_t i = 0; i < m->n_formats; i++) {
		struct octets map = sdp_rtpmap(s, media, m->formats[i]);
		char number[8] = "";
		if (map.len != strlen(e->map) || strncasecmp((const char *)map.p, e->map, map.len) != 0 ||
		    m->formats[i].len >= sizeof number ||
		    (e->says && !sdp_fmtp_says(sdp_fmtp(s, media, m->formats[i]), e->says)))
			continue;
		memcpy(number, m->formats[i].p, m->formats[i].len);
		unsigned long v = strtoul(number, NULL, 10);
		if (v < 96 || v > 127)
			continue;
		*payload_type = (uint8_t)v;
		return 0;
	}
	return -1;
}

/* Where the peer's media of this kind goes, and in which format: `formats` is the description that offered it. */
static int take_remote(struct ue_remote *r, const struct sdp *s, const struct sdp *formats, const struct encoding *e)
{
	size_t at = sdp_find_media(s, e->kind);
	if (at == SIZE_MAX || at >= formats->n_media)
		return -1;
	const struct sdp_media *m = &s->media[at];
	if (m->port == 0 || m->address.len == 0 || m->address.len >= sizeof r->address ||
	    find_format(formats, at, e, &r->payload_type))
		return -1;
	memcpy(r->address, m->address.p, m->address.len);
	r->address[m->address.len] = 0;
	r->port = m->port;
	return 0;
}

/* All streams that the call's service has. Two of one payload type could be taken for each other (sip.md 5.1). */
static int take_remotes(struct ue_call_state *c, const struct sdp *s, const struct sdp *formats)
{
	if (take_remote(&c->remote, s, formats, &opus))
		return -1;
	if (c->service != MCX_MCVIDEO)
		return 0;
	if (take_remote(&c->remote_video, s, formats, &h264))
		return -1;
	return MCX_FAULT(cc.one_type, c->remote.payload_type == c->remote_video.payload_type) ? -1 : 0;
}

/* The key that applies to the call: the same for each stream of it, or none that counts. */
static int same_key(const struct ue_call_state *c, const struct sdp *s)
{
	size_t audio = sdp_find_media(s, "audio"), video = sdp_find_media(s, "video");
	if (c->service != MCX_MCVIDEO || audio == SIZE_MAX || video == SIZE_MAX)
		return 1;
	return MCX_CHECK(cc.one_key, octets_equal(s->media[audio].key_mgmt, s->media[video].key_mgmt));
}

int ue_answer_read(struct ue *u, const struct sip_message *rs, const char **why)
{
	struct ue_call_state *c = &u->call;
	struct sdp *offer = &u->scratch.ours, *answer = &u->scratch.theirs;
	struct ue_body *body = ue_body_read(u, c->service, rs);
	enum sdp_verdict v = SDP_UNREADABLE;
	int believed = body && body->opened.verdict == XML_PASSED;
	const struct body_part *part = believed ? ue_body_part(body, TYPE_SDP) : NULL;
	if (part)
		ue_show_sdp(u, 0, part->body);
	if (part && !sdp_read((struct octets){c->offer, c->offer_len}, offer, NULL) &&
	    !sdp_read(part->body, answer, NULL))
		v = sdp_check_answer(offer, answer);
	if (v == SDP_SECURE && take_remotes(c, answer, offer))
		v = SDP_NO_ADDRESS;
	if (v == SDP_SECURE)
		ue_line_take(u, answer);
	*why = body && !believed ? body->opened.why : sdp_verdict_name(v);
	ue_body_free(body);
	return v == SDP_SECURE;
}

/* Who calls, and that it is us who is called; what the server put in from its bindings (sip.md 6.3). */
static int take_info(struct ue *u, const struct body_part *part, char *peer)
{
	struct mcptt_info *info = part ? malloc(sizeof *info) : NULL;
	int ok = info && !mcx_info_read(u->call.service, part->body, info, NULL) &&
		 info->calling_user_id.form == MCPTT_PLAIN && strlen(info->calling_user_id.value) < MCSEC_ID_MAX &&
		 (info->called_party_id.form != MCPTT_PLAIN || !strcmp(info->called_party_id.value, u->own_id));
	if (ok)
		snprintf(peer, MCSEC_ID_MAX, "%s", info->calling_user_id.value);
	free(info);
	return ok ? 0 : -1;
}

void ue_invite_read(struct ue *u, const struct sip_message *rq, struct cc_event *ev)
{
	struct ue_call_state *c = &u->call;
	struct sdp *sdp = &u->scratch.theirs;
	int again = ev->kind == CC_EV_REINVITE;
	char peer[MCSEC_ID_MAX] = "";
	struct ue_body *body = ue_body_read(u, c->service, rq);
	if (body)
		ev->xml = body->opened.verdict == XML_BAD_INTEGRITY   ? CC_XML_FORGED
			  : body->opened.verdict == XML_UNDECRYPTABLE ? CC_XML_UNDECRYPTABLE
								      : CC_XML_PASSED;
	int believed = body && body->opened.verdict == XML_PASSED;
	if (believed && body->opened.protected)
		ue_core_proof(u, 200, 0);
	const struct body_part *part = believed ? ue_body_part(body, TYPE_SDP) : NULL;
	if (part)
		ue_show_sdp(u, 0, part->body);
	int ok = part && !sdp_read(part->body, sdp, NULL) && !take_remotes(c, sdp, sdp) && same_key(c, sdp) &&
		 part->body.len <= sizeof c->offer;
	if (!again)
		ok = ok && !take_info(u, ue_body_part(body, mcx_services[c->service].info_type), peer);
	if (ok) {
		struct octets key = sdp->media[sdp_find_media(sdp, "audio")].key_mgmt;
		uint8_t message[MCSEC_IM_MAX];
		size_t len = 0;
		ev->known_peer = 1;
		ev->has_key = key.len > 0;
		ev->same_key = c->pck && ev->has_key &&
			       !base64_decode((const char *)key.p, key.len, message, sizeof message, &len) &&
			       len == c->pck->message_len && !memcmp(message, c->pck->message, len);
		memcpy(c->offer, part->body.p, part->body.len);
		c->offer_len = part->body.len;
		if (!again)
			memcpy(c->peer, peer, sizeof c->peer);
	}
	ue_body_free(body);
}

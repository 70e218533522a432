/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ue_sip.c - the bodies a client engine reads from a hostile server: an INVITE, then the answer to its own. The
 * input's first line is the Content-Type, the rest the body; a '!' before it turns the client's XML protection off, a
 * '@' too, and the call is one of MCVideo.
 *
 * Invariants: a call has a peer only if description, audio, address and caller were all read; then the payload type is
 * dynamic, the address a text with a port, the kept offer the one received, and our answer to it is a description that
 * reads back and fits it. An answer counts as secure only with a description in it.
 */
#include "body_line.h"
#include "ue/engine.h"

static struct ue *u;

static void shown(void *ctx, int sent, struct octets text)
{
	(void)ctx;
	HOLDS(!sent && text.p && text.len <= SIP_MAX_MESSAGE);
}

static void prepare(void)
{
	static const uint8_t key[] = "key";
	u = calloc(1, sizeof *u);
	HOLDS(u);
	u->c.hooks.sdp = shown;
	snprintf(u->own_id, sizeof u->own_id, "sip:bob@run.mcx.test");
	struct sdp_audio a = {.session_id = 1,
			      .version = 1,
			      .address = "127.0.0.1",
			      .port = 9000,
			      .proto = "RTP/SAVP",
			      .payload_type = 96,
			      .rtpmap = "opus/48000/2",
			      .key_mgmt = {key, sizeof key}};
	struct writer w = wr_init(u->call.offer, sizeof u->call.offer);
	HOLDS(sdp_write_offer(&w, &a) == MCSEC_OK);
	u->call.offer_len = wr_len(&w);
}

static void answer_fits(const struct ue_call_state *c)
{
	static uint8_t text[2 * SDP_MAX];
	static struct sdp offer, answer;
	struct writer w = wr_init(text, sizeof text);
	const struct sdp_video video = {9002, c->remote_video.payload_type, "H264/90000", NULL};
	struct sdp_audio a = {.session_id = 1,
			      .version = 1,
			      .address = "127.0.0.1",
			      .port = 9000,
			      .proto = "RTP/SAVP",
			      .payload_type = c->remote.payload_type,
			      .rtpmap = "opus/48000/2",
			      .video = c->service == MCX_MCVIDEO ? &video : NULL};
	HOLDS(sdp_read((struct octets){c->offer, c->offer_len}, &offer, NULL) == MCSEC_OK);
	if (sdp_write_answer(&w, &offer, &a) != MCSEC_OK || wr_len(&w) > SDP_MAX)
		return;
	HOLDS(sdp_read(wr_result(&w), &answer, NULL) == MCSEC_OK && answer.n_media == offer.n_media);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t own[SDP_MAX];
	char type[BODY_TYPE + 1];
	struct sip_message m;
	const char *why = NULL;
	if (!u)
		prepare();
	int video = size && data[0] == '@', clear = video || (size && data[0] == '!'); /* a call of MCVideo, in clear */
	u->call.service = video ? MCX_MCVIDEO : MCX_MCPTT;
	u->c.xml_confidentiality_off = u->c.xml_integrity_off = clear;
	if (body_line(data + clear, size - (size_t)clear, type, &m))
		return 0;
	struct ue_call_state *c = &u->call;
	size_t own_len = c->offer_len;
	memcpy(own, c->offer, own_len);
	if (ue_answer_read(u, &m, &why))
		HOLDS(c->remote.address[0] && c->remote.port && c->remote.payload_type >= 96);
	HOLDS(why && why[0]);
	struct cc_event ev = {.kind = CC_EV_INVITE};
	ue_invite_read(u, &m, &ev);
	if (ev.known_peer) {
		HOLDS(c->peer[0] && memchr(c->peer, 0, sizeof c->peer) &&
		      memchr(c->remote.address, 0, sizeof c->remote.address));
		HOLDS(c->remote.address[0] && c->remote.port && c->remote.payload_type >= 96 &&
		      c->remote.payload_type <= 127);
		HOLDS(c->offer_len <= m.body.len && !ev.same_key);
		HOLDS(!video ||
		      (c->remote_video.address[0] && c->remote_video.port && c->remote_video.payload_type >= 96 &&
		       c->remote_video.payload_type != c->remote.payload_type));
		answer_fits(c);
	}
	memcpy(c->offer, own, own_len);
	c->offer_len = own_len;
	return 0;
}

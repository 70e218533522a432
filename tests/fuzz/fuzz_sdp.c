/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions: read, copied as a relay does, judged as offer and answer of itself. */
#include "fuzz/fuzz.h"
#include "mcx/doc/sdp.h"

static uint8_t first[2 * SDP_MAX + 65536], second[sizeof first];
static struct sdp sdp, copy;

static struct octets rewritten(const struct sdp *s, uint8_t *out)
{
	static const uint16_t ports[SDP_MAX_MEDIA] = {30000, 30002, 30004, 30006, 30008, 30010, 30012, 30014};
	struct writer w = wr_init(out, sizeof first);
	HOLDS(sdp_rewrite(s, "192.0.2.1", ports, SDP_MAX_MEDIA, &w) == MCSEC_OK);
	return wr_result(&w);
}

/* What was read of a control line stands in our own description, and reads back the same. */
static void control_reads_back(const struct sdp_control *read)
{
	static uint8_t text[1024];
	static struct sdp mine;
	struct sdp_control again;
	struct sdp_video video = {.port = 4002, .payload_type = 97, .rtpmap = "H264/90000"};
	struct sdp_audio a = {.address = "192.0.2.1",
			      .port = 4000,
			      .proto = "RTP/SAVP",
			      .payload_type = 96,
			      .rtpmap = "opus/48000/2",
			      .control = read,
			      .video = &video};
	struct writer w = wr_init(text, sizeof text);
	HOLDS(sdp_write_offer(&w, &a) == MCSEC_OK && sdp_read(wr_result(&w), &mine, NULL) == MCSEC_OK);
	HOLDS(sdp_control_read(&mine, read->service, &again) == 2);
	HOLDS(again.port == read->port && again.queueing == read->queueing && again.granted == read->granted &&
	      again.implicit == read->implicit && again.priority == read->priority &&
	      again.reception_priority == read->reception_priority && again.has_ssrc == read->has_ssrc &&
	      again.ssrc == read->ssrc && again.has_video_ssrc == read->has_video_ssrc &&
	      again.video_ssrc == read->video_ssrc && again.has_floor_ssrc == read->has_floor_ssrc &&
	      again.floor_ssrc == read->floor_ssrc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octets text = {data, size};
	size_t at = 0;
	if (sdp_read(text, &sdp, &at) != MCSEC_OK) {
		HOLDS(at <= size);
		return 0;
	}
	for (size_t i = 0; i < sdp.n_media; i++) {
		const struct sdp_media *m = &sdp.media[i];
		HOLDS(inside(m->kind, data, size) && inside(m->address, data, size) && inside(m->key_mgmt, data, size));
		for (size_t f = 0; f < m->n_formats; f++) {
			(void)sdp_rtpmap(&sdp, i, m->formats[f]);
			HOLDS(inside(sdp_fmtp(&sdp, i, m->formats[f]), data, size));
			(void)sdp_fmtp_says(sdp_fmtp(&sdp, i, m->formats[f]), "packetization-mode=1");
		}
		(void)sdp_attribute(&sdp, i, "rtcp");
	}
	(void)sdp_attribute(&sdp, SDP_SESSION, "tool");
	struct sdp_control control;
	HOLDS(sdp_control_read(&sdp, MCX_MCPTT, &control) < sdp.n_media || control.port == 0);
	HOLDS(sdp_control_read(&sdp, MCX_MCVIDEO, &control) < sdp.n_media || control.port == 0);
	control_reads_back(&control);
	struct octets once = rewritten(&sdp, first);
	if (once.len > SDP_MAX)
		return 0;
	HOLDS(sdp_read(once, &copy, NULL) == MCSEC_OK && copy.n_media == sdp.n_media);
	for (size_t i = 0; i < sdp.n_media; i++)
		HOLDS(octets_equal(copy.media[i].key_mgmt, sdp.media[i].key_mgmt) &&
		      octets_equal(copy.media[i].proto, sdp.media[i].proto) &&
		      !copy.media[i].port == !sdp.media[i].port);
	struct octets twice = rewritten(&copy, second);
	HOLDS(octets_equal(once, twice));
	enum sdp_verdict v = sdp_check_answer(&sdp, &copy);
	HOLDS(v == SDP_SECURE || v == SDP_NO_AUDIO || v == SDP_REFUSED || v == SDP_NO_ADDRESS || v == SDP_FORMAT);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Video of a real encoder (OpenH264) through our packets, and through SRTP of libsrtp2: the far end's stream is the
 * same octet for octet, and the encoder's own decoder shows the same pictures from it.
 */
#include "unit/test.h"

#include <srtp2/srtp.h>

#include "mcsec/kdf.h"
#include "mcx/media/h264.h"
#include "mcx/media/rtp.h"
#include "mcx/media/srtp.h"
#include "moving_picture.h"

enum { PICTURES = 40, SSRC_AUDIO = 0x0a0a0a0a, SSRC_VIDEO = 0x0b0b0b0b, PT_AUDIO = 96, PT_VIDEO = 97 };

static struct octets clip;
static struct writer joined;

static void keep(void *ctx, struct octets nal)
{
	(void)ctx;
	h264_put_nal(&joined, nal);
}

static int make_clip(void **state)
{
	(void)state;
	clip = picture_encode(PICTURES);
	if (srtp_init() != srtp_err_status_ok || !clip.p)
		return -1;
	joined = wr_init(malloc(clip.len), clip.len);
	return joined.start ? 0 : -1;
}

static int drop_clip(void **state)
{
	(void)state;
	free((uint8_t *)(uintptr_t)clip.p);
	free(joined.start);
	return srtp_shutdown() != srtp_err_status_ok;
}

static void the_encoder_makes_pictures_that_its_decoder_shows_as_they_were_drawn(void **state)
{
	(void)state;
	double worst;
	assert_int_equal(h264_units(clip), PICTURES);
	assert_int_equal(picture_decode(clip, &worst), PICTURES);
	assert_true(worst > 25);
}

/* ---- the streams of one direction of an MCVideo call ------------------------------------------------------------ */

static struct srtp_master master;
static const struct srtp_policy policy = {.key_len = 16, .mki_len = 4};

/* Master key and salt of a crypto session of one PCK. */
static void derive(uint8_t cs_id)
{
	static const uint8_t pck[MCSEC_KEY_LEN] = "a call's own key", rand[MCSEC_RAND_LEN] = "and its RAND, 16";
	const uint32_t pck_id = 0x12345678;
	struct writer w = wr_init(master.mki, sizeof master.mki);
	wr_u32(&w, pck_id);
	assert_int_equal(mcsec_srtp_master(pck, sizeof pck, cs_id, pck_id, rand, sizeof rand, master.key, 16,
					   master.salt, sizeof master.salt),
			 MCSEC_OK);
}

static srtp_t libsrtp_receiver(void)
{
	static uint8_t key[16 + SRTP_SALT];
	static srtp_master_key_t one = {.key = key, .mki_size = 4};
	static srtp_master_key_t *keys[] = {&one};
	srtp_policy_t p = {.keys = keys, .num_master_keys = 1, .window_size = 128};
	srtp_t s;
	memcpy(key, master.key, 16);
	memcpy(key + 16, master.salt, SRTP_SALT);
	one.mki_id = master.mki;
	srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtp);
	srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtcp);
	p.ssrc.type = ssrc_any_inbound;
	assert_int_equal(srtp_create(&s, &p), srtp_err_status_ok);
	return s;
}

static size_t protect(struct srtp_sender *s, struct rtp_packet p, uint8_t *wire, size_t size)
{
	uint8_t plain[RTP_HEADER + H264_PAYLOAD];
	struct writer w = wr_init(plain, sizeof plain);
	size_t len;
	rtp_write(&w, &p);
	assert_int_equal(rtp_protect(s, wr_result(&w), wire, size, &len), SRTP_OK);
	return len;
}

/* libsrtp2 opens what we protected, of either stream; the payload comes back. */
static struct rtp_packet open_there(srtp_t s, uint8_t *wire, size_t len)
{
	struct rtp_packet p;
	int n = (int)len;
	assert_int_equal(srtp_unprotect_mki(s, wire, &n, 1), srtp_err_status_ok);
	assert_int_equal(rtp_read((struct octets){wire, (size_t)n}, &p), MCSEC_OK);
	return p;
}

static void a_clip_crosses_srtp_beside_the_audio_under_the_keys_of_mcvideo(uint8_t cs_id)
{
	derive(cs_id);
	srtp_t there = libsrtp_receiver();
	struct srtp_sender *audio = srtp_sender_new(&policy, &master, SSRC_AUDIO, 0);
	struct srtp_sender *video = srtp_sender_new(&policy, &master, SSRC_VIDEO, 0);
	struct h264_joiner *j = h264_joiner_new();
	struct octets left = clip, unit, nal;
	uint16_t seq = 0x7ff0, audio_seq = 1;
	uint32_t timestamp = 5;
	assert_true(audio && video && j);
	joined.at = joined.start;
	for (; h264_next_unit(&left, &unit); timestamp += H264_CLOCK / PICTURE_FPS) {
		while (h264_next_nal(&unit, &nal)) {
			struct h264_cut cut = {nal, 0};
			uint8_t payload[H264_PAYLOAD];
			_Alignas(4) uint8_t wire[2 * H264_PAYLOAD];
			struct writer w = wr_init(payload, sizeof payload);
			for (; h264_cut_next(&cut, sizeof payload, &w); w = wr_init(payload, sizeof payload)) {
				size_t n = protect(
				    video,
				    (struct rtp_packet){PT_VIDEO, 0, seq++, timestamp, SSRC_VIDEO, wr_result(&w)}, wire,
				    sizeof wire);
				struct rtp_packet p = open_there(there, wire, n);
				assert_int_equal(p.ssrc, SSRC_VIDEO);
				h264_join(j, p.payload, p.timestamp, 0, keep, NULL);
			}
		}
		_Alignas(4) uint8_t wire[2 * H264_PAYLOAD];
		size_t n =
		    protect(audio, (struct rtp_packet){PT_AUDIO, 0, audio_seq++, 0, SSRC_AUDIO, octets_of("sound")},
			    wire, sizeof wire);
		struct rtp_packet p = open_there(there, wire, n);
		assert_true(octets_equal(p.payload, octets_of("sound")));
	}
	assert_int_equal(joined.err, MCSEC_OK);
	assert_int_equal(wr_len(&joined), clip.len);
	assert_memory_equal(joined.start, clip.p, clip.len);
	h264_joiner_free(j);
	srtp_sender_free(audio);
	srtp_sender_free(video);
	srtp_dealloc(there);
}

static void both_streams_of_either_end_open_at_libsrtp2_and_the_video_is_whole(void **state)
{
	(void)state;
	struct srtp_master initiator;
	a_clip_crosses_srtp_beside_the_audio_under_the_keys_of_mcvideo(MCSEC_CS_MCVIDEO_PRIVATE_INITIATOR);
	initiator = master;
	a_clip_crosses_srtp_beside_the_audio_under_the_keys_of_mcvideo(MCSEC_CS_MCVIDEO_PRIVATE_RECEIVER);
	assert_memory_not_equal(initiator.key, master.key, 16); /* CS-ID 2 and 3: two master keys */
	derive(MCSEC_CS_MCPTT_PRIVATE_INITIATOR);
	assert_memory_not_equal(initiator.key, master.key, 16); /* and none of them MCPTT's */
}

static void a_lost_packet_costs_pictures_and_never_makes_a_wrong_one(void **state)
{
	(void)state;
	struct h264_joiner *j = h264_joiner_new();
	struct octets rest = clip, nal, whole = clip, one;
	size_t packets = 0;
	int lost = 0;
	joined.at = joined.start;
	while (h264_next_nal(&rest, &nal)) {
		struct h264_cut cut = {nal, 0};
		uint8_t payload[200];
		struct writer w = wr_init(payload, sizeof payload);
		for (; h264_cut_next(&cut, sizeof payload, &w); w = wr_init(payload, sizeof payload)) {
			if (++packets % 5 == 0)
				lost = 1;
			else
				h264_join(j, wr_result(&w), 0, lost, keep, NULL), lost = 0;
		}
	}
	assert_true(h264_joiner_counts(j).broken > 0);
	assert_true(wr_len(&joined) < clip.len);
	rest = wr_result(&joined);
	while (h264_next_nal(&rest, &nal)) { /* in the clip's order, each one of the clip's */
		do
			assert_int_equal(h264_next_nal(&whole, &one), 1);
		while (!octets_equal(one, nal));
	}
	h264_joiner_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_encoder_makes_pictures_that_its_decoder_shows_as_they_were_drawn),
	    cmocka_unit_test(both_streams_of_either_end_open_at_libsrtp2_and_the_video_is_whole),
	    cmocka_unit_test(a_lost_packet_costs_pictures_and_never_makes_a_wrong_one),
	};
	return cmocka_run_group_tests(tests, make_clip, drop_clip);
}

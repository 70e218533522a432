/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MCVideo private calls of the client engine, whole (seed 000 4.7.1; sip 2.8, 5, 6; media 1.1, 2, 4): real video both
 * ways, each stream under its crypto session, and every way in which a hostile server can spoil the video alone.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "unit/test.h"

#include "interop/moving_picture.h"
#include "mcsec/secret.h"
#include "mcx/doc/sdp.h"
#include "mcx/media/srtp.h"
#include "ue/wav.h"
#include "ue_lab.h"

enum { TEXT = 16384, PICTURES = 20, MAX_PACKETS = 2000, BOTH = 1 << MCX_MCPTT | 1 << MCX_MCVIDEO };

static struct octets clip;
static char shown[64], seen[64], seen_back[64];

struct log {
	pthread_mutex_t lock;
	char offer[TEXT], text[300];
	unsigned alarms, ups, rejected;
	size_t n; /* sent: SSRC and SEQ of each, and the first one of each SSRC */
	struct {
		uint32_t ssrc;
		uint16_t seq;
	} sent[MAX_PACKETS];
	uint8_t first[2][2048];
	size_t first_len[2], streams;
	uint32_t ssrc[2];
};

static void on_event(void *ctx, const struct ue_event *ev)
{
	struct log *g = ctx;
	pthread_mutex_lock(&g->lock);
	g->alarms += ev->kind == UE_EV_ALARM;
	g->ups += ev->kind == UE_EV_CALL_UP;
	g->rejected += ev->kind == UE_EV_REJECTED;
	pthread_mutex_unlock(&g->lock);
}

static void on_sdp(void *ctx, int sent, struct octets text)
{
	struct log *g = ctx;
	if (memmem(text.p, text.len, "key-mgmt", 8))
		snprintf(g->offer, sizeof g->offer, "%.*s", (int)text.len, (const char *)text.p);
	(void)sent;
}

static void on_rtp(void *ctx, int sent, struct octets packet)
{
	struct log *g = ctx;
	struct reader r = rd_init(packet);
	rd_take(&r, 2);
	uint16_t seq = rd_u16(&r);
	rd_take(&r, 4);
	uint32_t ssrc = rd_u32(&r);
	if (!sent)
		return;
	pthread_mutex_lock(&g->lock);
	assert_in_range(g->n, 0, MAX_PACKETS - 1);
	g->sent[g->n].ssrc = ssrc;
	g->sent[g->n++].seq = seq;
	size_t s = 0;
	while (s < g->streams && g->ssrc[s] != ssrc)
		s++;
	if (s == g->streams && s < 2) {
		g->ssrc[g->streams++] = ssrc;
		g->first_len[s] = packet.len;
		memcpy(g->first[s], packet.p, packet.len);
	} else if (s == g->streams) {
		g->streams++; /* more than two: the test says so */
	}
	pthread_mutex_unlock(&g->lock);
}

static struct ue *client(const char *uri, struct log *g, unsigned services)
{
	struct ue_report r;
	memset(g, 0, sizeof *g);
	pthread_mutex_init(&g->lock, NULL);
	struct ue_config c = {.on_event = on_event, .ctx = g, .services = services};
	c.hooks.sdp = on_sdp;
	c.hooks.rtp = on_rtp;
	c.hooks.ctx = g;
	struct ue *u = lab_client(lab, uri, &c);
	if (ue_register(u, &r))
		fail_msg("%s: %s", ue_status_name(r.status), r.text);
	return u;
}

static enum ue_status call_video(struct ue *u, const char *send, const char *record, struct ue_report *r)
{
	return ue_call(u,
		       &(struct ue_call){.target = LAB_BOB,
					 .service = MCX_MCVIDEO,
					 .video = {.send = send, .record = record, .fps = PICTURE_FPS}},
		       r);
}

static struct octets file(const char *path)
{
	FILE *f = fopen(path, "rb");
	static uint8_t all[2][1 << 20];
	static int which;
	which = !which;
	struct octets o = {all[which], f ? fread(all[which], 1, sizeof all[which], f) : 0};
	if (f)
		fclose(f);
	return o;
}

static void assert_seen(const char *path)
{
	double worst;
	struct octets got = file(path);
	assert_int_equal(got.len, clip.len);
	assert_memory_equal(got.p, clip.p, clip.len);
	assert_int_equal(picture_decode(got, &worst), PICTURES);
	assert_true(worst > 25);
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

static struct srtp_master masters[4];

static int find(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	const struct srtp_master *m = ctx;
	*out = *m;
	return !memcmp(mki, m->mki, 4);
}

/* The crypto sessions 0 to 3 of the key in the offer, as its receiver has it. */
static void derive_sessions(const char *offer)
{
	static struct sdp sdp;
	uint8_t message[MCSEC_IM_MAX];
	size_t len = 0;
	struct mcsec_im *im = NULL;
	struct mcsec_fault fault;
	const char *alice = LAB_ALICE, *bob = LAB_BOB;
	struct mcsec_im_expect expect = {.now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX,
					 .tags = MCSEC_TAG_BIT(MCSEC_PCK),
					 .initiators = &alice,
					 .n_initiators = 1,
					 .selves = &bob,
					 .n_selves = 1};
	assert_int_equal(sdp_read(octets_of(offer), &sdp, NULL), MCSEC_OK);
	struct octets text = sdp.media[0].key_mgmt;
	assert_int_equal(base64_decode((const char *)text.p, text.len, message, sizeof message, &len), MCSEC_OK);
	assert_int_equal(mcsec_im_open(lab_book(lab), &expect, message, len, &im, &fault), MCSEC_OK);
	for (uint8_t cs = 0; cs < 4; cs++) {
		struct writer w = wr_init(masters[cs].mki, sizeof masters[cs].mki);
		wr_u32(&w, im->k_id);
		assert_int_equal(mcsec_srtp_master(im->key, MCSEC_KEY_LEN, cs, im->k_id, im->rand, im->rand_len,
						   masters[cs].key, 16, masters[cs].salt, SRTP_SALT),
				 MCSEC_OK);
	}
	mcsec_im_free(im);
}

/* Of the four crypto sessions this packet opens under that one alone. */
static void assert_session(const uint8_t *wire, size_t len, uint8_t cs_id)
{
	for (uint8_t cs = 0; cs < 4; cs++) {
		uint8_t plain[2048];
		size_t n;
		struct srtp_receiver *r =
		    srtp_receiver_new(&(struct srtp_receiver_options){.policy = {.key_len = 16, .mki_len = 4},
								      .find = find,
								      .ctx = &masters[cs],
								      .max_streams = 1,
								      .either_layout = 1});
		enum srtp_verdict v = rtp_unprotect(r, (struct octets){wire, len}, plain, sizeof plain, &n);
		assert_string_equal(srtp_verdict_name(v), srtp_verdict_name(cs == cs_id ? SRTP_OK : SRTP_AUTH));
		srtp_receiver_free(r);
	}
}

static void assert_no_index_twice(const struct log *g)
{
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < i; k++)
			assert_false(g->sent[i].ssrc == g->sent[k].ssrc && g->sent[i].seq == g->sent[k].seq);
}

static void two_users_show_each_other_a_clip_and_record_it_octet_for_octet(void **state)
{
	(void)state;
	static struct log ga, gb;
	struct ue_report r;
	struct ue_media_stats sa, sb;
	struct ue *alice = client(LAB_ALICE, &ga, BOTH), *bob = client(LAB_BOB, &gb, 1 << MCX_MCVIDEO);
	ue_answer(bob, &(struct ue_audio_files){0});
	/* Bob shows his faster: the call ends when Alice has shown hers */
	ue_answer_video(bob, &(struct ue_video_files){.send = shown, .record = seen, .fps = 3 * PICTURE_FPS});
	if (call_video(alice, shown, seen_back, &r))
		fail_msg("%s: %s", ue_status_name(r.status), r.text);
	assert_int_equal(ue_wait_idle(bob, 10000), 0);
	assert_seen(seen);
	assert_seen(seen_back);
	ue_media_stats(alice, &sa);
	ue_media_stats(bob, &sb);
	assert_int_equal(sa.pictures_sent, PICTURES);
	assert_int_equal(sb.pictures_received, PICTURES);
	assert_int_equal(sb.video_received, sa.video_sent);
	assert_true(sa.video_sent > PICTURES); /* some NAL units were cut */
	assert_int_equal(sb.video_lost + sb.video_broken + sb.dropped_auth + sb.dropped_plain, 0);
	assert_int_equal(ga.alarms + gb.alarms, 0);
	/* CS-ID 2 of the one who sent the I_MESSAGE, 3 of the other; none of MCPTT's */
	derive_sessions(ga.offer);
	assert_int_equal(ga.streams, 1);
	assert_session(ga.first[0], ga.first_len[0], MCSEC_CS_MCVIDEO_PRIVATE_INITIATOR);
	assert_session(gb.first[0], gb.first_len[0], MCSEC_CS_MCVIDEO_PRIVATE_RECEIVER);
	assert_no_index_twice(&ga);
	ue_free(alice);
	ue_free(bob);
}

static char speech[64], heard[64];

static void audio_and_video_of_one_call_have_an_ssrc_each_under_one_key(void **state)
{
	(void)state;
	static struct log ga, gb;
	struct ue_report r;
	struct ue_media_stats sa, sb;
	struct ue *alice = client(LAB_ALICE, &ga, 1 << MCX_MCVIDEO), *bob = client(LAB_BOB, &gb, BOTH);
	ue_answer(bob, &(struct ue_audio_files){.record = heard});
	ue_answer_video(bob, &(struct ue_video_files){.record = seen});
	const struct ue_call both = {.target = LAB_BOB,
				     .service = MCX_MCVIDEO,
				     .audio = {.send = speech},
				     .video = {.send = shown, .fps = PICTURE_FPS}};
	if (ue_call(alice, &both, &r))
		fail_msg("%s: %s", ue_status_name(r.status), r.text);
	assert_int_equal(ue_wait_idle(bob, 10000), 0);
	assert_seen(seen);
	ue_media_stats(alice, &sa);
	ue_media_stats(bob, &sb);
	assert_int_equal(sa.sent, 50); /* the second of sound was said to its end too */
	assert_int_equal(sb.received, sa.sent);
	assert_int_equal(ga.streams, 2);
	derive_sessions(ga.offer);
	for (int i = 0; i < 2; i++)
		assert_session(ga.first[i], ga.first_len[i], MCSEC_CS_MCVIDEO_PRIVATE_INITIATOR);
	assert_no_index_twice(&ga);
	ue_free(alice);
	ue_free(bob);
}

static void nobody_calls_for_video_without_being_registered_for_it_or_with_a_file_that_is_none(void **state)
{
	(void)state;
	static struct log ga, gb;
	struct ue_report r;
	struct ue *bob = client(LAB_BOB, &gb, BOTH), *alice = client(LAB_ALICE, &ga, 0);
	ue_answer(bob, &(struct ue_audio_files){0});
	assert_int_equal(call_video(alice, shown, NULL, &r), UE_STATE);
	ue_free(alice);
	alice = client(LAB_ALICE, &ga, BOTH);
	assert_int_equal(call_video(alice, speech, NULL, &r), UE_AUDIO);
	assert_non_null(strstr(r.text, "no H.264"));
	assert_int_equal(call_video(alice, "/nonexistent", NULL, &r), UE_AUDIO);
	assert_int_equal(gb.ups + gb.rejected, 0);
	ue_free(alice);
	ue_free(bob);
}

/* ---- hostile servers -----------------------------------------------------------------------------------------------
 */

struct change {
	const char *from, *to;
};

static void replace(void *ctx, char *text, size_t *len, size_t size)
{
	const struct change *c = ctx;
	char copy[TEXT];
	text[*len < size ? *len : size - 1] = 0;
	char *at = strstr(text, c->from);
	assert_non_null(at);
	snprintf(copy, sizeof copy, "%.*s%s%s", (int)(at - text), text, c->to, at + strlen(c->from));
	*len = (size_t)snprintf(text, size, "%s", copy);
}

static void an_answer_that_downgrades_the_video_is_hung_up_and_nothing_is_sent(void **state)
{
	(void)state;
	static const struct change changes[] = {
	    {"m=video ", "m=video 0 RTP/SAVP 97\r\na=was:"},
	    {"RTP/SAVP 97", "RTP/AVP 97"},
	    {"RTP/SAVP 97", "RTP/SAVP 96"},
	    {"H264/90000", "H263/90000"},
	    {"m=video ", "m=audio "},
	};
	static struct log ga, gb;
	struct ue_report r;
	struct ue *alice = client(LAB_ALICE, &ga, BOTH), *bob = client(LAB_BOB, &gb, BOTH);
	ue_answer(bob, &(struct ue_audio_files){0});
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		int byes = lab_byes(lab);
		lab_set_hooks(lab, &(struct lab_hooks){.answer = replace, .ctx = (void *)(uintptr_t)&changes[i]});
		if (call_video(alice, shown, seen_back, &r) != UE_DOWNGRADE || lab_byes(lab) != byes + 1)
			fail_msg("%s: %s, %s", changes[i].to, ue_status_name(r.status), r.text);
		assert_int_equal(ue_wait_idle(bob, 10000), 0);
	}
	assert_int_equal(ga.n, 0);
	lab_set_hooks(lab, NULL);
	ue_free(alice);
	ue_free(bob);
}

static void an_offer_of_mcvideo_that_is_not_whole_is_refused_before_it_rings(void **state)
{
	(void)state;
	static const struct {
		const char *lines;
		int status, warning;
	} offers[] = {
	    {"", 400, 0}, /* no video */
	    {"m=video 0 RTP/SAVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1\r\n", 400, 0},
	    {"m=video 9 RTP/SAVP 97\r\na=rtpmap:97 H264/90000\r\n", 400, 0}, /* another mode */
	    {"m=video 9 RTP/SAVP 97\r\na=rtpmap:97 H265/90000\r\na=fmtp:97 packetization-mode=1\r\n", 400, 0},
	    /* the audio's payload type: one stream could be taken for the other */
	    {"m=video 9 RTP/SAVP 101\r\na=rtpmap:101 H264/90000\r\na=fmtp:101 packetization-mode=1\r\n", 400, 0},
	    /* a key for the video that is not the call's */
	    {"m=video 9 RTP/SAVP 97\r\na=key-mgmt:mikey AQID\r\na=rtpmap:97 H264/90000\r\n"
	     "a=fmtp:97 packetization-mode=1\r\n",
	     400, 0},
	    {"m=video 9 RTP/SAVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 x=1; packetization-mode=1\r\n", 200, 0},
	};
	static char offer[TEXT];
	static struct log g;
	uint8_t message[MCSEC_IM_MAX];
	struct ue *bob = client(LAB_BOB, &g, BOTH);
	ue_answer(bob, &(struct ue_audio_files){0});
	lab_set_service(lab, MCX_MCVIDEO);
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		size_t n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, message);
		lab_offer(message, n, offer, sizeof offer);
		strcat(offer, offers[i].lines);
		struct lab_answer a = lab_invite(lab, LAB_BOB, LAB_ALICE, offer);
		if (a.status != offers[i].status || a.warning != offers[i].warning)
			fail_msg("%s: %d with %d", offers[i].lines, a.status, a.warning);
		assert_int_equal(ue_wait_idle(bob, 10000), 0);
	}
	assert_int_equal(g.ups, 1);
	lab_set_service(lab, MCX_MCPTT);
	ue_free(bob);
}

static void a_call_of_a_service_that_the_client_is_not_registered_for_is_403(void **state)
{
	(void)state;
	static char offer[TEXT];
	static struct log g;
	uint8_t message[MCSEC_IM_MAX];
	size_t n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, message);
	lab_offer(message, n, offer, sizeof offer);
	struct ue *bob = client(LAB_BOB, &g, 0);
	ue_answer(bob, &(struct ue_audio_files){0});
	lab_set_service(lab, MCX_MCVIDEO);
	assert_int_equal(lab_invite(lab, LAB_BOB, LAB_ALICE, offer).status, 403);
	lab_set_service(lab, MCX_MCDATA);
	assert_int_equal(lab_invite(lab, LAB_BOB, LAB_ALICE, offer).status, 403);
	lab_set_service(lab, MCX_MCPTT);
	assert_int_equal(lab_invite(lab, LAB_BOB, LAB_ALICE, offer).status, 200);
	ue_free(bob);
}

static void make_sound(const char *path)
{
	char err[256];
	static int16_t second[WAV_RATE];
	struct wav_writer *w = wav_create(path, err, sizeof err);
	assert_non_null(w);
	assert_int_equal(wav_append(w, second, WAV_RATE), 0);
	assert_int_equal(wav_close(w), 0);
}

static int make_world(void **state)
{
	(void)state;
	const struct {
		char *path;
		const char *name;
	} files[] = {{shown, "shown"}, {seen, "seen"}, {seen_back, "back"}, {speech, "speech"}, {heard, "heard"}};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		snprintf(files[i].path, 64, "/tmp/mcx-video-%s-%d", files[i].name, (int)getpid());
	clip = picture_encode(PICTURES);
	assert_non_null(clip.p);
	FILE *f = fopen(shown, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(clip.p, clip.len, 1, f), 1);
	fclose(f);
	make_sound(speech);
	lab = lab_new();
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	lab_free(lab);
	const char *files[] = {shown, seen, seen_back, speech, heard};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		unlink(files[i]);
	free((uint8_t *)(uintptr_t)clip.p);
	return mcsec_secret_in_use() != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_users_show_each_other_a_clip_and_record_it_octet_for_octet),
	    cmocka_unit_test(audio_and_video_of_one_call_have_an_ssrc_each_under_one_key),
	    cmocka_unit_test(nobody_calls_for_video_without_being_registered_for_it_or_with_a_file_that_is_none),
	    cmocka_unit_test(an_answer_that_downgrades_the_video_is_hung_up_and_nothing_is_sent),
	    cmocka_unit_test(an_offer_of_mcvideo_that_is_not_whole_is_refused_before_it_rings),
	    cmocka_unit_test(a_call_of_a_service_that_the_client_is_not_registered_for_is_403),
	};
	return cmocka_run_group_tests(tests, make_world, end_world);
}

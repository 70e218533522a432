/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions (sip.md 5): nothing is lost in a relay's copy, and no downgrade passes as an answer. */
#include "unit/test.h"

#include "mcx/doc/sdp.h"

#define OFFER                                                                                                          \
	"v=0\r\no=- 3001 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"                               \
	"a=key-mgmt:mikey ARoFARAB\r\nm=audio 49170 RTP/SAVP 97 98\r\ni=speech\r\na=rtpmap:97 AMR-WB/16000\r\n"        \
	"a=rtpmap:98 opus/48000/2\r\nm=application 49172 udp MCPTT\r\n"                                                \
	"a=fmtp:MCPTT mc_queueing;mc_priority=5;mc_implicit_request\r\n"
#define ANSWER(audio, application)                                                                                     \
	"v=0\r\no=- 9 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n" audio application
#define GOOD_AUDIO "m=audio 5000 RTP/SAVP 98\r\na=rtpmap:98 OPUS/48000/2\r\n"
#define GOOD_APP   "m=application 5002 udp MCPTT\r\n"

static struct sdp s, a;

static enum mcsec_err read_text(const char *text, struct sdp *out)
{
	return sdp_read(octets_of(text), out, NULL);
}

static void assert_text(struct octets o, const char *text)
{
	if (!octets_equal(o, octets_of(text)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)o.len, (const char *)o.p, text);
}

static void an_offer_is_read_into_its_media_addresses_and_key(void **state)
{
	(void)state;
	assert_int_equal(read_text(OFFER, &s), MCSEC_OK);
	assert_int_equal(s.n_media, 2);
	assert_int_equal(s.media[0].port, 49170);
	assert_text(s.media[0].proto, "RTP/SAVP");
	assert_text(s.media[0].address, "192.0.2.10");
	assert_text(s.media[0].key_mgmt, "ARoFARAB");
	assert_text(s.media[1].key_mgmt, "ARoFARAB");
	assert_text(sdp_rtpmap(&s, 0, s.media[0].formats[1]), "opus/48000/2");
	assert_int_equal(sdp_find_media(&s, "application"), 1);
	assert_text(sdp_attribute(&s, 1, "fmtp"), "MCPTT mc_queueing;mc_priority=5;mc_implicit_request");
	assert_null(sdp_attribute(&s, 0, "fmtp").p);
	assert_int_equal(s.n_session, 6);
}

static void mcx_sec_244_a_media_level_key_wins_over_the_session_level(void **state)
{
	(void)state;
	assert_int_equal(read_text("v=0\r\na=key-mgmt:mikey AAAA\r\nm=audio 1 RTP/SAVP 0\r\na=key-mgmt:mikey BBBB\r\n"
				   "m=video 1 RTP/SAVP 1\r\n",
				   &s),
			 MCSEC_OK);
	assert_text(s.media[0].key_mgmt, "BBBB");
	assert_text(s.media[1].key_mgmt, "AAAA");
}

static void two_mikey_lines_at_one_level_are_refused_and_other_protocols_ignored(void **state)
{
	(void)state;
	assert_int_equal(read_text("v=0\na=key-mgmt:mikey AAAA\na=key-mgmt:mikey AAAA\nm=audio 1 RTP/SAVP 0\n", &s),
			 MCSEC_E_VALUE);
	assert_int_equal(read_text("v=0\na=key-mgmt:other AAAA\na=key-mgmt:mikey BBBB\nm=audio 1 RTP/SAVP 0\n", &s),
			 MCSEC_OK);
	assert_text(s.media[0].key_mgmt, "BBBB");
	assert_int_equal(read_text("v=0\na=keymgmt:mikey AAAA\nm=audio 1 RTP/SAVP 0\n", &s), MCSEC_OK);
	assert_int_equal(s.media[0].key_mgmt.len, 0); /* the seeds' spelling is a slip (sip.md 5.1) */
}

static void a_relay_changes_addresses_and_ports_and_not_one_octet_more(void **state)
{
	(void)state;
	static char offer[8192], want[8192];
	char key[3001];
	uint8_t out[8192];
	memset(key, 'k', sizeof key - 1); /* longer than any line limit of old */
	key[3000] = 0;
#define SHAPE                                                                                                          \
	"v=0\r\no=alice 3001 1 IN IP4 %s\r\ns=a b\r\nc=IN IP4 %s\r\nt=0 0\r\n"                                         \
	"a=key-mgmt:mikey %s\r\na=x-unknown:  two  blanks \r\nm=audio %d RTP/SAVP 97\n"                                \
	"a=rtcp:%d IN IP4 %s\r\na=fmtp:97 1;c=IN IP4 192.0.2.10\r\nm=video 0 RTP/SAVP 98\r\n"                          \
	"c=IN IP4 %s\r\nm=application %d udp MCPTT\r\na=fmtp:MCPTT mc_queueing"
#define HERE  "192.0.2.10"
#define THERE "10.9.8.7"
	snprintf(offer, sizeof offer, SHAPE, HERE, HERE, key, 49170, 49171, HERE, "192.0.2.11", 49172);
	snprintf(want, sizeof want, SHAPE, THERE, THERE, key, 30000, 30001, THERE, THERE, 30004);
	assert_int_equal(read_text(offer, &s), MCSEC_OK);
	struct writer w = wr_init(out, sizeof out);
	const uint16_t ports[] = {30000, 30002, 30004};
	assert_int_equal(sdp_rewrite(&s, "10.9.8.7", ports, 3, &w), MCSEC_OK);
	assert_text(wr_result(&w), want);
	assert_int_equal(sdp_rewrite(&s, "10.9.8.7", ports, 2, &w), MCSEC_E_ARGUMENT);
}

static void a_relay_can_turn_the_address_family(void **state)
{
	(void)state;
	uint8_t out[1024];
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(read_text("v=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 1 RTP/AVP 0\r\n", &s), MCSEC_OK);
	assert_int_equal(sdp_rewrite(&s, "2001:db8::7", (uint16_t[]){7}, 1, &w), MCSEC_OK);
	assert_text(wr_result(&w), "v=0\r\nc=IN IP6 2001:db8::7\r\nm=audio 7 RTP/AVP 0\r\n");
}

static void broken_descriptions_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "v=1\r\n",
	    "o=-\r\n",
	    "v=0\r\nx\r\n",
	    "v=0\r\n\r\n",
	    "v=0\r\nm=audio 1 RTP/AVP\r\n",
	    "v=0\r\nm=audio x RTP/AVP 0\r\n",
	    "v=0\r\nm=audio 65536 RTP/AVP 0\r\n",
	    "v=0\r\nm=audio 1/2 RTP/AVP 0\r\n",
	    "v=0\r\nm=\r\n",
	    "v=0\r\nc=IN IP4 \r\n",
	    "v=0\r\nc=IN IP4 224.0.0.1/127\r\n",
	    "v=0\r\nc=IN XX 1\r\n",
	    "v=0\r\no=-\r\n",
	    "v=0\r\no=- 1 IN IP4 192.0.2.1\r\n",
	    "v=0\r\no=- 1 1 IN IP4\r\n",
	    "v=0\r\no=- 1 1 IN IP4 192.0.2.1 x\r\n",
	    "v=0\r\na=key-mgmt:mikey\r\n",
	    "v=0\r\na=key-mgmt:mikey A B\r\n",
	    "v=0\ra=x\r\n",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (read_text(texts[i], &s) != MCSEC_E_VALUE)
			fail_msg("accepted: %s", texts[i]);
	static const char nul[] = "v=0\r\na=x\0y\r\n";
	assert_int_equal(sdp_read((struct octets){(const uint8_t *)nul, sizeof nul - 1}, &s, NULL), MCSEC_E_VALUE);
}

static void a_fault_is_reported_at_its_line(void **state)
{
	(void)state;
	size_t at = 0;
	assert_int_equal(sdp_read(octets_of("v=0\r\ns=-\r\nm=audio x RTP/AVP 0\r\n"), &s, &at), MCSEC_E_VALUE);
	assert_int_equal(at, 10);
}

static void too_many_lines_media_formats_or_octets_are_refused(void **state)
{
	(void)state;
	static char text[SDP_MAX + 2];
	size_t n = (size_t)sprintf(text, "v=0\n");
	for (int i = 0; i < SDP_MAX_LINES; i++)
		n += (size_t)sprintf(text + n, "a=x\n");
	assert_int_equal(read_text(text, &s), MCSEC_E_LENGTH);
	n = (size_t)sprintf(text, "v=0\n");
	for (int i = 0; i < SDP_MAX_MEDIA + 1; i++)
		n += (size_t)sprintf(text + n, "m=audio 1 RTP/AVP 0\n");
	assert_int_equal(read_text(text, &s), MCSEC_E_LENGTH);
	n = (size_t)sprintf(text, "v=0\nm=audio 1 RTP/AVP");
	for (int i = 0; i < SDP_MAX_FORMATS + 1; i++)
		n += (size_t)sprintf(text + n, " %d", i);
	assert_int_equal(read_text(text, &s), MCSEC_E_LENGTH);
	memset(text, 'x', sizeof text - 1);
	memcpy(text, "v=0\na=", 6);
	assert_int_equal(read_text(text, &s), MCSEC_E_LENGTH);
	assert_int_equal(read_text("", &s), MCSEC_E_LENGTH);
}

static void a_faithful_answer_is_secure(void **state)
{
	(void)state;
	assert_int_equal(read_text(OFFER, &s), MCSEC_OK);
	assert_int_equal(read_text(ANSWER(GOOD_AUDIO, GOOD_APP), &a), MCSEC_OK);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_SECURE);
}

static void mcx_sec_245_a_key_in_the_answer_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(read_text(OFFER, &s), MCSEC_OK);
	assert_int_equal(read_text(ANSWER("a=key-mgmt:mikey AAAA\r\n" GOOD_AUDIO, GOOD_APP), &a), MCSEC_OK);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_SECURE);
}

static void each_downgrade_of_an_answer_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *answer;
		enum sdp_verdict verdict;
	} cases[] = {
	    {ANSWER("m=audio 5000 RTP/AVP 98\r\n", GOOD_APP), SDP_PROTO},
	    {ANSWER(GOOD_AUDIO, "m=application 5002 UDP MCPTT\r\n"), SDP_PROTO},
	    {ANSWER(GOOD_AUDIO, ""), SDP_COUNT},
	    {ANSWER(GOOD_AUDIO, GOOD_APP GOOD_AUDIO), SDP_COUNT},
	    {ANSWER(GOOD_APP, GOOD_AUDIO), SDP_KIND},
	    {ANSWER("m=video 5000 RTP/SAVP 98\r\n", GOOD_APP), SDP_KIND},
	    {ANSWER("m=audio 0 RTP/SAVP 98\r\n", GOOD_APP), SDP_REFUSED},
	    {ANSWER("m=audio 5000 RTP/SAVP 0\r\n", GOOD_APP), SDP_FORMAT},
	    {ANSWER("m=audio 5000 RTP/SAVP 98 0\r\n", GOOD_APP), SDP_FORMAT},
	    {ANSWER("m=audio 5000 RTP/SAVP 98\r\na=rtpmap:98 L16/48000/2\r\n", GOOD_APP), SDP_FORMAT},
	    {"v=0\r\n" GOOD_AUDIO GOOD_APP, SDP_NO_ADDRESS},
	};
	assert_int_equal(read_text(OFFER, &s), MCSEC_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(read_text(cases[i].answer, &a), MCSEC_OK);
		assert_string_equal(sdp_verdict_name(sdp_check_answer(&s, &a)), sdp_verdict_name(cases[i].verdict));
	}
	assert_int_equal(read_text("v=0\r\n" GOOD_APP, &s), MCSEC_OK);
	assert_int_equal(sdp_check_answer(&s, &s), SDP_NO_AUDIO);
}

static const struct sdp_audio ours = {.session_id = 7,
				      .version = 1,
				      .address = "127.0.0.1",
				      .port = 4000,
				      .proto = "RTP/SAVP",
				      .payload_type = 98,
				      .rtpmap = "opus/48000/2",
				      .fmtp = "useinbandfec=1"};

static void our_offer_carries_the_key_as_base64_on_one_line(void **state)
{
	(void)state;
	static uint8_t message[900], out[4096];
	uint8_t back[900];
	size_t n = 0;
	memset(message, 0x5a, sizeof message);
	struct sdp_audio offer = ours;
	offer.key_mgmt = OCTETS(message);
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(sdp_write_offer(&w, &offer), MCSEC_OK);
	assert_int_equal(sdp_read(wr_result(&w), &s, NULL), MCSEC_OK);
	assert_int_equal(s.n_media, 1);
	struct octets key = s.media[0].key_mgmt;
	assert_int_equal(base64_decode((const char *)key.p, key.len, back, sizeof back, &n), MCSEC_OK);
	assert_int_equal(n, sizeof message);
	assert_memory_equal(back, message, n);
}

static void our_answer_keeps_number_order_and_profile_and_refuses_what_it_does_not_do(void **state)
{
	(void)state;
	uint8_t out[2048];
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(read_text(OFFER, &s), MCSEC_OK);
	assert_int_equal(sdp_write_answer(&w, &s, &ours), MCSEC_OK);
	assert_int_equal(sdp_read(wr_result(&w), &a, NULL), MCSEC_OK);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_SECURE);
	assert_int_equal(a.media[1].port, 0);
	assert_int_equal(a.media[0].key_mgmt.len, 0);
}

/* ---- the media control line ---- */

static size_t control_of(const char *fmtp, struct sdp_control *c)
{
	char text[600];
	snprintf(text, sizeof text, "v=0\r\nm=audio 1 RTP/SAVP 0\r\nm=application 7 udp MCPTT\r\n%s", fmtp);
	assert_int_equal(read_text(text, &s), MCSEC_OK);
	return sdp_control_read(&s, MCX_MCPTT, c);
}

static void the_media_control_line_is_read_with_its_parameters(void **state)
{
	(void)state;
	struct sdp_control c;
	assert_int_equal(read_text(OFFER, &s), MCSEC_OK);
	assert_int_equal(sdp_control_read(&s, MCX_MCPTT, &c), 1);
	assert_int_equal(c.port, 49172);
	assert_true(c.queueing && c.implicit && !c.granted && !c.has_ssrc && !c.has_floor_ssrc);
	assert_int_equal(c.priority, 5);
	control_of("a=fmtp:MCPTT mc_granted; mc_ssrc=4294967295 ;mc_floor_ssrc=0;mc_unknown=3\r\n", &c);
	assert_true(c.granted && c.has_ssrc && c.has_floor_ssrc && !c.queueing);
	assert_int_equal(c.ssrc, 0xffffffff);
	assert_int_equal(c.floor_ssrc, 0);
}

static void parameters_out_of_range_count_as_absent(void **state)
{
	(void)state;
	struct sdp_control c;
	control_of("a=fmtp:MCPTT mc_priority=0;mc_floor_ssrc=4294967296;mc_ssrc=-1;mc_queueing=1;mc_granted=\r\n", &c);
	assert_true(!c.priority && !c.has_floor_ssrc && !c.has_ssrc && !c.queueing && !c.granted);
	control_of("a=fmtp:MCPTT mc_priority=256;mc_floor_ssrc=;;;mc_ssrc=99999999999\r\n", &c);
	assert_true(!c.priority && !c.has_floor_ssrc && !c.has_ssrc);
	control_of("a=fmtp:97 mc_priority=5\r\n", &c);
	assert_int_equal(c.priority, 0);
	assert_int_equal(control_of("", &c), 1);
	assert_int_equal(c.port, 7);
}

static void other_application_lines_are_no_media_control(void **state)
{
	(void)state;
	struct sdp_control c;
	assert_int_equal(read_text("v=0\r\nm=application 7 TCP/MCPTT MCPTT\r\nm=application 7 udp MCVideo\r\n"
				   "m=audio 7 udp MCPTT\r\n",
				   &s),
			 MCSEC_OK);
	assert_int_equal(sdp_control_read(&s, MCX_MCPTT, &c), SIZE_MAX);
	assert_int_equal(c.port, 0);
}

static void a_relay_changes_the_control_ssrc_and_leaves_every_other_line(void **state)
{
	(void)state;
	const struct sdp_control c = {
	    .queueing = 1, .has_ssrc = 1, .ssrc = 7, .has_floor_ssrc = 1, .floor_ssrc = 0x80000000};
	static const uint16_t ports[] = {30000, 30002};
	static uint8_t plain[4096], changed[4096];
	struct writer w = wr_init(plain, sizeof plain), v = wr_init(changed, sizeof changed);
	assert_int_equal(read_text(OFFER "a=fmtp:other x\r\n", &s), MCSEC_OK);
	assert_int_equal(sdp_rewrite(&s, "192.0.2.1", ports, 2, &w), MCSEC_OK);
	assert_int_equal(sdp_rewrite_control(&s, "192.0.2.1", ports, 2, 1, &c, &v), MCSEC_OK);
	const char *want = "a=fmtp:MCPTT mc_queueing;mc_ssrc=7;mc_floor_ssrc=2147483648\r\n";
	char *at = strstr((char *)plain, "a=fmtp:MCPTT"), *got = strstr((char *)changed, "a=fmtp:MCPTT");
	assert_memory_equal(plain, changed, (size_t)(at - (char *)plain));
	assert_memory_equal(got, want, strlen(want));
	assert_string_equal(strchr(at, '\n'), strchr(got, '\n'));
}

static void our_offer_and_answer_carry_the_media_control_line(void **state)
{
	(void)state;
	const struct sdp_control offered = {
	    .port = 4000, .implicit = 1, .granted = 1, .priority = 5, .has_floor_ssrc = 1, .floor_ssrc = 9};
	const struct sdp_control answered = {.port = 5000, .has_floor_ssrc = 1, .floor_ssrc = 8};
	struct sdp_audio mine = {.session_id = 1,
				 .version = 1,
				 .address = "192.0.2.1",
				 .port = 6000,
				 .proto = "RTP/SAVP",
				 .payload_type = 96,
				 .rtpmap = "opus/48000/2",
				 .control = &offered};
	static uint8_t offer[2048], answer[2048];
	struct writer w = wr_init(offer, sizeof offer), v = wr_init(answer, sizeof answer);
	struct sdp_control c;
	assert_int_equal(sdp_write_offer(&w, &mine), MCSEC_OK);
	assert_int_equal(sdp_read(wr_result(&w), &s, NULL), MCSEC_OK);
	assert_int_equal(sdp_control_read(&s, MCX_MCPTT, &c), 1);
	assert_memory_equal(&c, &offered, sizeof c);
	mine.control = &answered;
	assert_int_equal(sdp_write_answer(&v, &s, &mine), MCSEC_OK);
	assert_int_equal(sdp_read(wr_result(&v), &a, NULL), MCSEC_OK);
	assert_int_equal(sdp_control_read(&a, MCX_MCPTT, &c), 1);
	assert_memory_equal(&c, &answered, sizeof c);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_SECURE);
	mine.control = NULL;
	v = wr_init(answer, sizeof answer);
	assert_int_equal(sdp_write_answer(&v, &s, &mine), MCSEC_OK);
	assert_int_equal(sdp_read(wr_result(&v), &a, NULL), MCSEC_OK);
	assert_int_equal(sdp_control_read(&a, MCX_MCPTT, &c), 1);
	assert_int_equal(c.port, 0);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_SECURE);
}

static void every_truncation_is_read_within_its_bounds(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(OFFER); n++) {
		uint8_t *copy = malloc(n + 1);
		memcpy(copy, OFFER, n);
		(void)sdp_read((struct octets){copy, n}, &s, NULL);
		free(copy);
	}
}

/* ---- MCVideo ---- */

#define VIDEO_OFFER                                                                                                    \
	"v=0\r\nc=IN IP4 192.0.2.1\r\na=key-mgmt:mikey AAAA\r\nm=audio 4000 RTP/SAVP 96\r\na=rtpmap:96 "               \
	"opus/48000/2\r\n"                                                                                             \
	"m=video 4002 RTP/SAVP 97\r\na=rtpmap:97 H264/90000\r\nm=application 4004 udp MCVideo\r\n"                     \
	"a=fmtp:MCVideo "                                                                                              \
	"mc_queueing;mc_reception_priority=3;mc_audio_ssrc=1;mc_video_ssrc=2;mc_transmission_ssrc=3\r\n"

static const struct sdp_video our_video = {4002, 97, "H264/90000", "packetization-mode=1"};

static void the_three_lines_of_an_mcvideo_call_are_written_and_read(void **state)
{
	(void)state;
	uint8_t out[2048];
	struct writer w = wr_init(out, sizeof out);
	const struct sdp_control c = {.service = MCX_MCVIDEO,
				      .port = 4004,
				      .queueing = 1,
				      .priority = 5,
				      .reception_priority = 3,
				      .has_ssrc = 1,
				      .ssrc = 10,
				      .has_video_ssrc = 1,
				      .video_ssrc = 11,
				      .has_floor_ssrc = 1,
				      .floor_ssrc = 12};
	struct sdp_control back;
	struct sdp_audio mine = ours;
	mine.video = &our_video;
	mine.control = &c;
	mine.key_mgmt = octets_of("message");
	assert_int_equal(sdp_write_offer(&w, &mine), MCSEC_OK);
	wr_u8(&w, 0);
	const char *const lines[] = {
	    "m=audio 4000 RTP/SAVP 98\r\ni=audio component of MCVideo\r\n",
	    "m=video 4002 RTP/SAVP 97\r\ni=video component of MCVideo\r\na=rtpmap:97 H264/90000\r\n"
	    "a=fmtp:97 packetization-mode=1\r\n",
	    "m=application 4004 udp MCVideo\r\na=fmtp:MCVideo mc_queueing;mc_priority=5;mc_reception_priority=3;"
	    "mc_audio_ssrc=10;mc_video_ssrc=11;mc_transmission_ssrc=12\r\n"};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_non_null(strstr((char *)out, lines[i]));
	assert_int_equal(read_text((char *)out, &s), MCSEC_OK);
	assert_int_equal(sdp_find_media(&s, "video"), 1);
	assert_true(octets_equal(s.media[1].key_mgmt, s.media[0].key_mgmt)); /* one key for both streams */
	assert_int_equal(sdp_control_read(&s, MCX_MCVIDEO, &back), 2);
	assert_int_equal(back.port, c.port);
	assert_true(back.queueing && back.has_ssrc && back.has_video_ssrc && back.has_floor_ssrc);
	assert_int_equal(back.priority * 16 + back.reception_priority, 5 * 16 + 3);
	assert_int_equal(back.ssrc * 65536 + back.video_ssrc * 256 + back.floor_ssrc, 10 * 65536 + 11 * 256 + 12);
	assert_int_equal(sdp_control_read(&s, MCX_MCPTT, &back), SIZE_MAX);
}

static void parameters_of_the_other_service_say_nothing(void **state)
{
	(void)state;
	struct sdp_control c;
	assert_int_equal(read_text("v=0\r\nm=application 7 udp MCVideo\r\na=fmtp:MCVideo mc_ssrc=1;mc_floor_ssrc=2;"
				   "mc_reception_priority=0;mc_video_ssrc=;mc_audio_ssrc=4294967296\r\n",
				   &s),
			 MCSEC_OK);
	assert_int_equal(sdp_control_read(&s, MCX_MCVIDEO, &c), 0);
	assert_int_equal(c.has_ssrc + c.has_floor_ssrc + c.has_video_ssrc + c.reception_priority, 0);
	assert_int_equal(control_of("a=fmtp:MCPTT mc_audio_ssrc=1;mc_transmission_ssrc=2;mc_video_ssrc=3;"
				    "mc_reception_priority=4\r\n",
				    &c),
			 1);
	assert_int_equal(c.has_ssrc + c.has_floor_ssrc + c.has_video_ssrc + c.reception_priority, 0);
}

static void a_parameter_of_a_format_counts_whole_and_for_its_format_alone(void **state)
{
	(void)state;
	assert_int_equal(
	    read_text("v=0\r\nm=video 1 RTP/SAVP 97 98 99 100\r\na=fmtp:97 a=1; packetization-mode=1 ;b\r\n"
		      "a=fmtp:98 packetization-mode=12\r\na=fmtp:99 xpacketization-mode=1\r\n",
		      &s),
	    MCSEC_OK);
	for (size_t i = 0; i < s.media[0].n_formats; i++)
		assert_int_equal(sdp_fmtp_says(sdp_fmtp(&s, 0, s.media[0].formats[i]), "packetization-mode=1"), i == 0);
}

static void an_mcvideo_offer_is_answered_line_by_line(void **state)
{
	(void)state;
	uint8_t out[2048];
	struct writer w = wr_init(out, sizeof out), v = wr_init(out, sizeof out);
	struct sdp_audio mine = ours;
	mine.payload_type = 96;
	mine.video = &our_video;
	assert_int_equal(read_text(VIDEO_OFFER, &s), MCSEC_OK);
	assert_int_equal(sdp_write_answer(&w, &s, &mine), MCSEC_OK);
	assert_int_equal(sdp_read(wr_result(&w), &a, NULL), MCSEC_OK);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_SECURE);
	assert_int_equal(a.media[1].port, 4002);
	assert_int_equal(a.media[2].port, 0); /* no transmission control */
	mine.video = NULL;                    /* who does no video refuses it, and the call is none */
	assert_int_equal(sdp_write_answer(&v, &s, &mine), MCSEC_OK);
	assert_int_equal(sdp_read(wr_result(&v), &a, NULL), MCSEC_OK);
	assert_int_equal(a.media[1].port, 0);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_REFUSED);
}

static void each_downgrade_of_the_video_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *video;
		enum sdp_verdict verdict;
	} cases[] = {
	    {"m=video 5002 RTP/SAVP 97\r\n", SDP_SECURE},
	    {"m=video 5002 RTP/AVP 97\r\n", SDP_PROTO},
	    {"m=video 0 RTP/SAVP 97\r\n", SDP_REFUSED},
	    {"m=video 5002 RTP/SAVP 31\r\n", SDP_FORMAT},
	    {"m=video 5002 RTP/SAVP 97\r\na=rtpmap:97 H263/90000\r\n", SDP_FORMAT},
	    {"m=audio 5002 RTP/SAVP 97\r\n", SDP_KIND},
	};
	char text[600];
	assert_int_equal(read_text(VIDEO_OFFER, &s), MCSEC_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 5000 RTP/SAVP 96\r\n%s%s",
			 cases[i].video, "m=application 0 udp MCVideo\r\n");
		assert_int_equal(read_text(text, &a), MCSEC_OK);
		assert_string_equal(sdp_verdict_name(sdp_check_answer(&s, &a)), sdp_verdict_name(cases[i].verdict));
	}
	assert_int_equal(
	    read_text("v=0\r\nm=audio 5000 RTP/SAVP 96\r\nc=IN IP4 192.0.2.9\r\nm=video 5002 RTP/SAVP 97\r\n"
		      "m=application 0 udp MCVideo\r\n",
		      &a),
	    MCSEC_OK);
	assert_int_equal(sdp_check_answer(&s, &a), SDP_NO_ADDRESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_offer_is_read_into_its_media_addresses_and_key),
	    cmocka_unit_test(mcx_sec_244_a_media_level_key_wins_over_the_session_level),
	    cmocka_unit_test(two_mikey_lines_at_one_level_are_refused_and_other_protocols_ignored),
	    cmocka_unit_test(a_relay_changes_addresses_and_ports_and_not_one_octet_more),
	    cmocka_unit_test(a_relay_can_turn_the_address_family),
	    cmocka_unit_test(broken_descriptions_are_refused),
	    cmocka_unit_test(a_fault_is_reported_at_its_line),
	    cmocka_unit_test(too_many_lines_media_formats_or_octets_are_refused),
	    cmocka_unit_test(a_faithful_answer_is_secure),
	    cmocka_unit_test(mcx_sec_245_a_key_in_the_answer_changes_nothing),
	    cmocka_unit_test(each_downgrade_of_an_answer_is_named),
	    cmocka_unit_test(our_offer_carries_the_key_as_base64_on_one_line),
	    cmocka_unit_test(our_answer_keeps_number_order_and_profile_and_refuses_what_it_does_not_do),
	    cmocka_unit_test(the_media_control_line_is_read_with_its_parameters),
	    cmocka_unit_test(parameters_out_of_range_count_as_absent),
	    cmocka_unit_test(other_application_lines_are_no_media_control),
	    cmocka_unit_test(a_relay_changes_the_control_ssrc_and_leaves_every_other_line),
	    cmocka_unit_test(our_offer_and_answer_carry_the_media_control_line),
	    cmocka_unit_test(every_truncation_is_read_within_its_bounds),
	    cmocka_unit_test(the_three_lines_of_an_mcvideo_call_are_written_and_read),
	    cmocka_unit_test(parameters_of_the_other_service_say_nothing),
	    cmocka_unit_test(a_parameter_of_a_format_counts_whole_and_for_its_format_alone),
	    cmocka_unit_test(an_mcvideo_offer_is_answered_line_by_line),
	    cmocka_unit_test(each_downgrade_of_the_video_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media of a call over real sockets, with a network in the middle that loses, repeats, reorders, forges and
 * rekeys: what is recorded has its length and sounds like what was said; nothing outside SRTP is heard.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit/test.h"

#include "mcsec/secret.h"
#include "mcx/media/rtp.h"
#include "net/rtp_socket.h"
#include "ue/codec.h"
#include "ue/media_session.h"
#include "ue/wav.h"

enum { FRAMES = 30, PT = 96, MAX_DATAGRAM = 2048 };

static char said[64], heard[64], want[64];
static struct media_keys keys_a, keys_b, new_a, new_b; /* a sends what b receives */

static atomic_int said_all, first, silent, failed;

static void on_event(void *ctx, enum media_event ev, const char *text)
{
	(void)ctx;
	(void)text;
	atomic_fetch_add(ev == MEDIA_SAID_ALL       ? &said_all
			 : ev == MEDIA_FIRST_PACKET ? &first
			 : ev == MEDIA_SILENT       ? &silent
						    : &failed,
			 1);
}

static int again; /* what is sent is said again and again */

static struct media_session *session(const char *send, const char *record, uint32_t ssrc, unsigned silent_ms)
{
	char err[256];
	struct media_options o = {.address = "127.0.0.1",
				  .audio = {send, record, again},
				  .ssrc = ssrc,
				  .silent_ms = silent_ms,
				  .on_event = on_event};
	struct media_session *m = media_new(&o, err, sizeof err);
	if (!m)
		fail_msg("%s", err);
	return m;
}

static void start(struct media_session *m, const struct media_keys *k, uint16_t port)
{
	char err[256];
	if (media_start(m, k, "127.0.0.1", port, PT, err, sizeof err))
		fail_msg("%s", err);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void fill_keys(struct media_keys *a, struct media_keys *b, uint8_t seed)
{
	memset(a, 0, sizeof *a);
	a->policy = (struct srtp_policy){.key_len = 16, .mki_len = 4};
	memset(&a->send, seed, sizeof a->send);
	memset(&a->receive, seed + 1, sizeof a->receive);
	memcpy(a->receive.mki, a->send.mki, sizeof a->send.mki); /* one PCK-ID for both directions */
	*b = *a;
	b->send = a->receive;
	b->receive = a->send;
}

/* ---- the network between the two ------------------------------------------------------------------------------- */

struct network {
	struct rtp_socket *from_a, *to_b;                             /* one end each */
	int (*treat)(struct network *n, uint8_t *packet, size_t len); /* how many copies go on: 0, 1, 2; -1 hold back */
	uint8_t held[MAX_DATAGRAM];
	size_t held_len;
	unsigned seen;
	atomic_int stop;
	pthread_t thread;
};

static void *forward(void *arg)
{
	struct network *n = arg;
	uint8_t packet[MAX_DATAGRAM];
	while (!atomic_load(&n->stop)) {
		size_t len = rtp_socket_receive(n->from_a, packet, sizeof packet, 20);
		if (!len)
			continue;
		int copies = n->treat(n, packet, len);
		n->seen++;
		if (copies < 0) {
			memcpy(n->held, packet, len);
			n->held_len = len;
			continue;
		}
		for (int i = 0; i < copies; i++)
			rtp_socket_send(n->to_b, (struct octets){packet, len});
		if (n->held_len)
			rtp_socket_send(n->to_b, (struct octets){n->held, n->held_len});
		n->held_len = 0;
	}
	return NULL;
}

/* a speaks to b through the network; b records. */
static struct ue_media_stats talk(int (*treat)(struct network *, uint8_t *, size_t))
{
	struct network n = {.treat = treat};
	struct ue_media_stats stats;
	struct media_session *a = session(said, NULL, 1, 60000), *b = session(NULL, heard, 2, 60000);
	atomic_store(&said_all, 0);
	atomic_store(&first, 0);
	n.from_a = rtp_socket_open("127.0.0.1");
	n.to_b = rtp_socket_open("127.0.0.1");
	rtp_socket_connect(n.from_a, "127.0.0.1", media_port(a));
	rtp_socket_connect(n.to_b, "127.0.0.1", media_port(b));
	pthread_create(&n.thread, NULL, forward, &n);
	start(b, &keys_b, rtp_socket_port(n.to_b));
	start(a, &keys_a, rtp_socket_port(n.from_a));
	for (int i = 0; i < 3000 && !atomic_load(&said_all); i++)
		sleep_ms(10);
	assert_int_equal(atomic_load(&said_all), 1);
	assert_int_equal(media_stop(a), 0);
	assert_int_equal(media_stop(b), 0);
	media_stats(b, &stats);
	atomic_store(&n.stop, 1);
	pthread_join(n.thread, NULL);
	rtp_socket_close(n.from_a);
	rtp_socket_close(n.to_b);
	media_free(a);
	media_free(b);
	return stats;
}

/* Correlation of the recording with what a perfect network would give; its length must be exact. */
static double quality(void)
{
	char err[256];
	struct wav got, ref;
	if (wav_load(&got, heard, err, sizeof err) || wav_load(&ref, want, err, sizeof err))
		fail_msg("%s", err);
	double ab = 0, aa = 0, bb = 0;
	assert_int_equal(got.n, ref.n);
	for (size_t i = 0; i < got.n; i++) {
		ab += (double)got.samples[i] * ref.samples[i];
		aa += (double)got.samples[i] * got.samples[i];
		bb += (double)ref.samples[i] * ref.samples[i];
	}
	wav_unload(&got);
	wav_unload(&ref);
	return ab / sqrt(aa * bb + 1);
}

static int pass(struct network *n, uint8_t *packet, size_t len)
{
	(void)n;
	(void)packet;
	(void)len;
	return 1;
}

static int lose_each_seventh(struct network *n, uint8_t *packet, size_t len)
{
	(void)packet;
	(void)len;
	return n->seen % 7 != 5;
}

static int repeat(struct network *n, uint8_t *packet, size_t len)
{
	(void)packet;
	(void)len;
	return n->seen % 3 ? 1 : 2;
}

static int swap_pairs(struct network *n, uint8_t *packet, size_t len)
{
	(void)packet;
	(void)len;
	return n->seen % 4 == 1 && n->seen < FRAMES - 2 ? -1 : 1;
}

static int flood_with_forgeries(struct network *n, uint8_t *packet, size_t len)
{
	uint8_t bad[MAX_DATAGRAM];
	memcpy(bad, packet, len);
	bad[20] ^= 1;
	rtp_socket_send(n->to_b, (struct octets){bad, len}); /* a bit changed */
	memcpy(bad, packet, len);
	bad[len - 1] ^= 1;
	rtp_socket_send(n->to_b, (struct octets){bad, len}); /* another key */
	uint8_t plain[RTP_HEADER + 60] = {0x80, PT, packet[2], packet[3]};
	memcpy(plain + 4, packet + 4, 8);
	rtp_socket_send(n->to_b, OCTETS(plain));              /* in clear */
	rtp_socket_send(n->to_b, (struct octets){packet, 7}); /* cut off */
	return 1;
}

static void what_is_said_is_recorded_sample_for_sample_in_length_and_sound(void **state)
{
	(void)state;
	struct stat st;
	struct ue_media_stats s = talk(pass);
	assert_int_equal(s.received, FRAMES);
	assert_int_equal(s.played_frames, FRAMES);
	assert_int_equal(s.concealed + s.recovered, 0);
	assert_true(quality() > 0.999);
	assert_int_equal(atomic_load(&first), 1);
	assert_int_equal(stat(heard, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void lost_packets_are_made_up_for_and_the_length_stays(void **state)
{
	(void)state;
	struct ue_media_stats s = talk(lose_each_seventh);
	assert_true(s.received < FRAMES);
	assert_int_equal(s.recovered + s.concealed, FRAMES - s.received);
	assert_int_equal(s.played_frames, FRAMES);
	assert_true(quality() > 0.9);
}

static void repeated_packets_are_heard_once(void **state)
{
	(void)state;
	struct ue_media_stats s = talk(repeat);
	assert_int_equal(s.received, FRAMES);
	assert_true(s.dropped_replay >= FRAMES / 3 - 1);
	assert_true(quality() > 0.999);
}

static void reordered_packets_lose_nothing(void **state)
{
	(void)state;
	struct ue_media_stats s = talk(swap_pairs);
	assert_int_equal(s.received, FRAMES);
	assert_int_equal(s.recovered + s.concealed, 0);
	assert_true(quality() > 0.999);
}

static void forged_and_clear_packets_are_dropped_counted_and_never_heard(void **state)
{
	(void)state;
	struct ue_media_stats s = talk(flood_with_forgeries);
	assert_int_equal(s.received, FRAMES);
	assert_true(s.dropped_auth >= FRAMES - 1);
	assert_true(s.dropped_unknown_mki >= FRAMES);
	assert_true(s.dropped_plain >= FRAMES);
	assert_true(quality() > 0.999);
}

/* ---- two sessions face to face ----------------------------------------------------------------------------------- */

static void a_rekey_is_followed_at_the_first_packet_under_the_new_key_without_loss(void **state)
{
	(void)state;
	struct ue_media_stats sa, sb;
	struct media_session *a = session(said, NULL, 1, 60000), *b = session(said, heard, 2, 60000);
	atomic_store(&said_all, 0);
	start(b, &keys_b, media_port(a));
	start(a, &keys_a, media_port(b));
	sleep_ms(200);
	/* One end begins to send under the new key by itself, as the one who offered it does. */
	assert_int_equal(media_rekey(b, &new_b), 0);
	assert_int_equal(media_rekey(a, &new_a), 0);
	for (int i = 0; i < 3000 && atomic_load(&said_all) < 2; i++)
		sleep_ms(10);
	media_stats(a, &sa);
	media_stats(b, &sb);
	media_free(a);
	media_free(b);
	assert_int_equal(sa.received, FRAMES);
	assert_int_equal(sb.received, FRAMES);
	assert_int_equal(sa.dropped_unknown_mki + sb.dropped_unknown_mki, 0);
}

static void what_is_said_again_and_again_goes_on_behind_its_end_until_the_call_ends(void **state)
{
	(void)state;
	struct ue_media_stats s = {0};
	atomic_store(&said_all, 0);
	again = 1;
	struct media_session *a = session(said, NULL, 1, 60000);
	again = 0;
	struct media_session *b = session(NULL, heard, 2, 60000);
	start(b, &keys_b, media_port(a));
	start(a, &keys_a, media_port(b));
	for (int i = 0; i < 1000 && s.received < 2 * FRAMES + FRAMES / 2; i++) {
		sleep_ms(10);
		media_stats(b, &s);
	}
	media_free(a);
	media_free(b);
	assert_true(s.received >= 2 * FRAMES + FRAMES / 2);
	assert_int_equal(atomic_load(&said_all), 0);
}

static void a_packet_that_comes_back_to_its_sender_is_told_from_a_forged_one(void **state)
{
	(void)state;
	struct ue_media_stats s;
	struct rtp_socket *mirror = rtp_socket_open("127.0.0.1");
	struct media_session *a = session(said, NULL, 1, 60000);
	uint8_t packet[MAX_DATAGRAM];
	rtp_socket_connect(mirror, "127.0.0.1", media_port(a));
	start(a, &keys_a, rtp_socket_port(mirror));
	for (int i = 0; i < 10; i++) {
		size_t n = rtp_socket_receive(mirror, packet, sizeof packet, 500);
		assert_true(n > 0);
		rtp_socket_send(mirror, (struct octets){packet, n});
	}
	media_stats(a, &s);
	for (int i = 0; i < 500 && s.dropped_reflected < 10; i++) {
		sleep_ms(10);
		media_stats(a, &s);
	}
	media_free(a);
	rtp_socket_close(mirror);
	assert_int_equal(s.dropped_reflected, 10);
	assert_int_equal(s.received, 0);
}

static void silence_is_told_once_when_the_time_allowed_is_over(void **state)
{
	(void)state;
	struct media_session *a = session(NULL, NULL, 1, 100);
	atomic_store(&silent, 0);
	start(a, &keys_a, 9);
	for (int i = 0; i < 500 && !atomic_load(&silent); i++)
		sleep_ms(10);
	sleep_ms(100);
	media_free(a);
	assert_int_equal(atomic_load(&silent), 1);
}

static void a_recording_that_cannot_be_written_is_told(void **state)
{
	(void)state;
	struct media_session *a = session(said, NULL, 1, 60000), *b = session(NULL, "/nonexistent/x.wav", 2, 60000);
	atomic_store(&failed, 0);
	start(b, &keys_b, media_port(a));
	start(a, &keys_a, media_port(b));
	for (int i = 0; i < 500 && !atomic_load(&failed); i++)
		sleep_ms(10);
	media_free(a);
	media_free(b);
	assert_int_equal(atomic_load(&failed), 1);
}

static void sound_of_any_rate_becomes_48_khz_and_files_that_are_none_are_refused(void **state)
{
	(void)state;
	char err[256];
	struct wav w;
	uint8_t wav[44 + 8000 * 4] = "RIFF....WAVEfmt \x10\0\0\0\1\0\2\0\x40\x1f\0\0\0\x7d\0\0\4\0\x10\0data";
	const uint32_t data = 8000 * 4;
	memcpy(wav + 4, &(uint32_t){36 + data}, 4); /* little endian, as WAV and this machine are */
	memcpy(wav + 40, &data, 4);
	for (int i = 0; i < 8000; i++) { /* one second of 440 Hz at 8 kHz, two channels, the other one silent */
		int16_t v = (int16_t)(10000 * sin(2 * M_PI * 440 * i / 8000));
		memcpy(wav + 44 + i * 4, &v, 2);
	}
	FILE *f = fopen(heard, "wb");
	assert_int_equal(fwrite(wav, sizeof wav, 1, f), 1);
	fclose(f);
	assert_int_equal(wav_load(&w, heard, err, sizeof err), 0);
	assert_int_equal(w.n, 48000);
	for (size_t i = 4800; i < 43200; i++) {
		double v = 5000 * sin(2 * M_PI * 440 * (double)i / 48000);
		assert_true(fabs(w.samples[i] - v) < 60);
	}
	wav_unload(&w);
	f = fopen(heard, "wb");
	fputs("no sound", f);
	fclose(f);
	assert_int_equal(wav_load(&w, heard, err, sizeof err), -1);
	assert_int_equal(wav_load(&w, "/nonexistent", err, sizeof err), -1);
	assert_int_equal(ue_audio_reference("/nonexistent", heard, err, sizeof err), UE_AUDIO);
}

static void packets_that_are_no_opus_last_no_time(void **state)
{
	(void)state;
	uint8_t bad[] = {0xff, 0xff}; /* code 3 with 63 frames: longer than 120 ms */
	assert_int_equal(codec_duration((struct octets){bad, 0}), 0);
	assert_int_equal(codec_duration(OCTETS(bad)), 0);
}

static int begin(void **state)
{
	(void)state;
	char err[256];
	snprintf(said, sizeof said, "/tmp/mcx-said-%d.wav", (int)getpid());
	snprintf(heard, sizeof heard, "/tmp/mcx-got-%d.wav", (int)getpid());
	snprintf(want, sizeof want, "/tmp/mcx-want-%d.wav", (int)getpid());
	struct wav_writer *w = wav_create(said, err, sizeof err);
	for (int i = 0; i < FRAMES * CODEC_FRAME; i++) {
		double t = (double)i / CODEC_RATE;
		int16_t v = (int16_t)(8000 * sin(2 * M_PI * 200 * t) * (0.6 + 0.4 * sin(2 * M_PI * 3 * t)));
		wav_append(w, &v, 1);
	}
	if (wav_close(w) || ue_audio_reference(said, want, err, sizeof err))
		return -1;
	fill_keys(&keys_a, &keys_b, 0x11);
	fill_keys(&new_a, &new_b, 0x71);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(said);
	unlink(heard);
	unlink(want);
	return mcsec_secret_in_use() != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_said_is_recorded_sample_for_sample_in_length_and_sound),
	    cmocka_unit_test(lost_packets_are_made_up_for_and_the_length_stays),
	    cmocka_unit_test(repeated_packets_are_heard_once),
	    cmocka_unit_test(reordered_packets_lose_nothing),
	    cmocka_unit_test(forged_and_clear_packets_are_dropped_counted_and_never_heard),
	    cmocka_unit_test(a_rekey_is_followed_at_the_first_packet_under_the_new_key_without_loss),
	    cmocka_unit_test(what_is_said_again_and_again_goes_on_behind_its_end_until_the_call_ends),
	    cmocka_unit_test(a_packet_that_comes_back_to_its_sender_is_told_from_a_forged_one),
	    cmocka_unit_test(silence_is_told_once_when_the_time_allowed_is_over),
	    cmocka_unit_test(a_recording_that_cannot_be_written_is_told),
	    cmocka_unit_test(sound_of_any_rate_becomes_48_khz_and_files_that_are_none_are_refused),
	    cmocka_unit_test(packets_that_are_no_opus_last_no_time),
	};
	return cmocka_run_group_tests(tests, begin, end);
}

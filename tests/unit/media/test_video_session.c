/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The video of a call over real sockets, with a network in the middle that loses, repeats, reorders, forges and rekeys:
 * what is recorded is what was shown, or less of it where something was lost, and that is told.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit/test.h"

#include "mcsec/secret.h"
#include "mcx/media/h264.h"
#include "mcx/media/rtp.h"
#include "net/rtp_socket.h"
#include "ue/video_session.h"

enum { PICTURES = 24, PT = 97, OTHER_PT = 96, MAX_DATAGRAM = 2048, DEADLINE = 3000 };

static char shown[64], seen[64];
static uint8_t clip[256 * 1024];
static size_t clip_len;
static struct media_keys keys_a, keys_b, new_a, new_b; /* a sends what b receives */
static atomic_int shown_all, first, failed, silent;

/* Pictures of two to four packets each; no zeros, so no start codes. */
static void make_clip(void)
{
	struct writer w = wr_init(clip, sizeof clip);
	static uint8_t nal[5000];
	for (unsigned n = 0; n < PICTURES; n++) {
		size_t len = 1500 + n * 70;
		for (size_t i = 0; i < len; i++)
			nal[i] = (uint8_t)(1 + (i * 7 + n) % 250);
		nal[0] = n % 10 ? 0x41 : 0x65;
		nal[1] = 0x88;
		h264_put_nal(&w, (struct octets){nal, len});
	}
	clip_len = wr_len(&w);
	FILE *f = fopen(shown, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(clip, clip_len, 1, f), 1);
	fclose(f);
}

static void on_event(void *ctx, enum media_event ev, const char *text)
{
	(void)ctx;
	(void)text;
	atomic_fetch_add(ev == MEDIA_SAID_ALL       ? &shown_all
			 : ev == MEDIA_FIRST_PACKET ? &first
			 : ev == MEDIA_SILENT       ? &silent
						    : &failed,
			 1);
}

static _Atomic int64_t alive;

static struct video_session *session(const char *send, const char *record, uint32_t ssrc, unsigned silent_ms)
{
	char err[256];
	struct video_options o = {.address = "127.0.0.1",
				  .files = {.send = send, .record = record, .fps = UE_MAX_FPS},
				  .ssrc = ssrc,
				  .silent_ms = silent_ms,
				  .alive = &alive,
				  .on_event = on_event};
	struct video_session *v = video_new(&o, err, sizeof err);
	if (!v)
		fail_msg("%s", err);
	return v;
}

static void start(struct video_session *v, const struct media_keys *k, uint16_t port)
{
	char err[256];
	if (video_start(v, k, "127.0.0.1", port, PT, err, sizeof err))
		fail_msg("%s", err);
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

static void wait_for(const atomic_int *what)
{
	for (int i = 0; i < DEADLINE && !atomic_load(what); i++)
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	assert_true(atomic_load(what) > 0);
}

/* ---- the network between the two ------------------------------------------------------------------------------- */

struct network {
	struct rtp_socket *from_a, *to_b;                             /* one end each */
	int (*treat)(struct network *n, uint8_t *packet, size_t len); /* how many copies go on; -1: hold back */
	uint8_t held[MAX_DATAGRAM];
	size_t held_len;
	unsigned seen, lost;
	struct srtp_sender *audio; /* another stream under the same key */
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
		n->lost += copies == 0;
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

static unsigned lost;

/* a shows b the clip through the network; b records. */
static struct ue_media_stats show(int (*treat)(struct network *, uint8_t *, size_t))
{
	struct network n = {.treat = treat, .audio = srtp_sender_new(&keys_a.policy, &keys_a.send, 77, 0)};
	struct ue_media_stats a_stats = {0}, stats = {0};
	struct video_session *a = session(shown, NULL, 1, 60000), *b = session(NULL, seen, 2, 60000);
	atomic_store(&shown_all, 0);
	atomic_store(&first, 0);
	unlink(seen);
	n.from_a = rtp_socket_open("127.0.0.1");
	n.to_b = rtp_socket_open("127.0.0.1");
	rtp_socket_connect(n.from_a, "127.0.0.1", video_port(a));
	rtp_socket_connect(n.to_b, "127.0.0.1", video_port(b));
	pthread_create(&n.thread, NULL, forward, &n);
	start(b, &keys_b, rtp_socket_port(n.to_b));
	start(a, &keys_a, rtp_socket_port(n.from_a));
	wait_for(&shown_all);
	assert_int_equal(video_stop(a), 0);
	video_stats(a, &a_stats);
	for (int i = 0; i < DEADLINE; i++) { /* the network may be behind */
		stats = (struct ue_media_stats){0};
		video_stats(b, &stats);
		if (stats.video_received + n.lost >= a_stats.video_sent)
			break;
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
	atomic_store(&n.stop, 1);
	pthread_join(n.thread, NULL);
	assert_int_equal(video_stop(b), 0);
	stats = (struct ue_media_stats){0};
	video_stats(b, &stats);
	assert_int_equal(a_stats.pictures_sent, PICTURES);
	lost = n.lost;
	rtp_socket_close(n.from_a);
	rtp_socket_close(n.to_b);
	srtp_sender_free(n.audio);
	video_free(a);
	video_free(b);
	return stats;
}

static struct octets recorded(void)
{
	static uint8_t all[sizeof clip];
	FILE *f = fopen(seen, "rb");
	size_t n = f ? fread(all, 1, sizeof all, f) : 0;
	if (f)
		fclose(f);
	return (struct octets){all, n};
}

static void assert_whole(void)
{
	struct octets got = recorded();
	assert_int_equal(got.len, clip_len);
	assert_memory_equal(got.p, clip, clip_len);
}

static int pass(struct network *n, uint8_t *packet, size_t len)
{
	(void)n, (void)packet, (void)len;
	return 1;
}

static void a_clip_arrives_octet_for_octet_in_a_file_for_its_owner_alone(void **state)
{
	(void)state;
	struct stat st;
	struct ue_media_stats s = show(pass);
	assert_whole();
	assert_int_equal(s.pictures_received, PICTURES);
	assert_int_equal(s.video_lost + s.video_broken + s.dropped_auth + s.dropped_plain, 0);
	assert_int_equal(atomic_load(&first), 1);
	assert_int_equal(stat(seen, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static int lose_each_seventh(struct network *n, uint8_t *packet, size_t len)
{
	(void)packet, (void)len;
	return n->seen % 7 != 5;
}

static void what_is_lost_is_told_and_only_whole_nal_units_are_recorded(void **state)
{
	(void)state;
	struct ue_media_stats s = show(lose_each_seventh);
	struct octets got = recorded(), all = {clip, clip_len}, nal, one;
	assert_true(lost > 3 && got.len && got.len < clip_len);
	assert_in_range(s.video_lost, lost - 1, lost); /* what is lost at the very end nobody misses */
	assert_true(s.video_broken > 0);
	while (h264_next_nal(&got, &nal)) { /* in the clip's order, each one of the clip's */
		do
			assert_int_equal(h264_next_nal(&all, &one), 1);
		while (!octets_equal(one, nal));
	}
}

static int repeat(struct network *n, uint8_t *packet, size_t len)
{
	(void)n, (void)packet, (void)len;
	return 2;
}

static void packets_that_come_twice_are_recorded_once(void **state)
{
	(void)state;
	struct ue_media_stats s = show(repeat);
	assert_whole();
	assert_true(s.dropped_replay > 0);
}

static int swap_pairs(struct network *n, uint8_t *packet, size_t len)
{
	(void)packet, (void)len;
	return n->seen % 5 == 2 && !n->held_len ? -1 : 1;
}

static void packets_out_of_order_lose_nothing(void **state)
{
	(void)state;
	struct ue_media_stats s = show(swap_pairs);
	assert_whole();
	assert_int_equal(s.video_lost, 0);
}

/* Each packet comes with a changed one, one in clear, and one of the call's audio under the very same key. */
static int flood(struct network *n, uint8_t *packet, size_t len)
{
	uint8_t other[MAX_DATAGRAM], plain[64];
	size_t wire_len;
	struct writer w = wr_init(plain, sizeof plain);
	memcpy(other, packet, len);
	other[len - 30] ^= 1;
	rtp_socket_send(n->to_b, (struct octets){other, len});
	rtp_write(&w, &(struct rtp_packet){OTHER_PT, 0, (uint16_t)n->seen, 1, 77, octets_of("sound")});
	rtp_socket_send(n->to_b, wr_result(&w));
	if (rtp_protect(n->audio, wr_result(&w), other, sizeof other, &wire_len) == SRTP_OK)
		rtp_socket_send(n->to_b, (struct octets){other, wire_len});
	return 1;
}

static void forged_and_clear_packets_and_those_of_the_audio_are_never_recorded(void **state)
{
	(void)state;
	struct ue_media_stats s = show(flood);
	assert_whole();
	assert_true(s.dropped_auth > 0 && s.dropped_plain + s.dropped_unknown_mki > 0);
	assert_int_equal(s.pictures_received, PICTURES);
	assert_int_equal(s.video_broken, 0);
}

static void a_rekey_in_the_middle_of_a_clip_loses_nothing(void **state)
{
	(void)state;
	struct ue_media_stats s = {0};
	struct video_session *a = session(shown, NULL, 1, 60000), *b = session(shown, seen, 2, 60000);
	atomic_store(&shown_all, 0);
	atomic_store(&first, 0);
	unlink(seen);
	start(b, &keys_b, video_port(a));
	start(a, &keys_a, video_port(b));
	wait_for(&first);
	assert_int_equal(video_rekey(b, &new_b), 0);
	assert_int_equal(video_rekey(a, &new_a), 0);
	for (int i = 0; i < DEADLINE && atomic_load(&shown_all) < 2; i++)
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	assert_int_equal(video_stop(a), 0);
	assert_int_equal(video_stop(b), 0);
	video_stats(b, &s);
	assert_whole();
	assert_int_equal(s.dropped_auth + s.dropped_unknown_mki, 0);
	video_free(a);
	video_free(b);
}

/* 120 does not divide 1000: 8 ms each would be 4 % too fast. */
static void a_clip_is_shown_no_faster_than_its_timestamps_say(void **state)
{
	(void)state;
	struct ue_media_stats s = {0};
	struct video_options o = {.address = "127.0.0.1",
				  .files = {.send = shown, .fps = UE_MAX_FPS, .repeat = 1},
				  .silent_ms = 60000,
				  .alive = &alive,
				  .on_event = on_event};
	struct timespec begun, now;
	char err[256];
	struct video_session *a = video_new(&o, err, sizeof err);
	assert_non_null(a);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	start(a, &keys_a, 9);
	for (int i = 0; i < 6000 && s.pictures_sent < UE_MAX_FPS; i++) {
		nanosleep(&(struct timespec){0, 5000000}, NULL);
		s = (struct ue_media_stats){0};
		video_stats(a, &s);
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	int64_t ms = (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000;
	assert_true(s.pictures_sent >= UE_MAX_FPS);
	assert_true(ms + 2 >= (int64_t)(s.pictures_sent - 1) * 1000 / UE_MAX_FPS);
	video_free(a);
}

static void a_recording_that_cannot_be_written_is_told_and_silence_too(void **state)
{
	(void)state;
	struct video_session *a = session(shown, NULL, 1, 60000), *b = session(NULL, "/nonexistent/x.h264", 2, 60000);
	atomic_store(&failed, 0);
	start(b, &keys_b, video_port(a));
	start(a, &keys_a, video_port(b));
	wait_for(&failed);
	video_free(a);
	video_free(b);
	a = session(NULL, NULL, 1, 100);
	atomic_store(&silent, 0);
	start(a, &keys_a, 9);
	wait_for(&silent);
	video_free(a);
}

static int begin(void **state)
{
	(void)state;
	snprintf(shown, sizeof shown, "/tmp/mcx-shown-%d.h264", (int)getpid());
	snprintf(seen, sizeof seen, "/tmp/mcx-seen-%d.h264", (int)getpid());
	make_clip();
	fill_keys(&keys_a, &keys_b, 10);
	fill_keys(&new_a, &new_b, 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(shown);
	unlink(seen);
	return mcsec_secret_in_use() != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_clip_arrives_octet_for_octet_in_a_file_for_its_owner_alone),
	    cmocka_unit_test(what_is_lost_is_told_and_only_whole_nal_units_are_recorded),
	    cmocka_unit_test(packets_that_come_twice_are_recorded_once),
	    cmocka_unit_test(packets_out_of_order_lose_nothing),
	    cmocka_unit_test(forged_and_clear_packets_and_those_of_the_audio_are_never_recorded),
	    cmocka_unit_test(a_rekey_in_the_middle_of_a_clip_loses_nothing),
	    cmocka_unit_test(a_clip_is_shown_no_faster_than_its_timestamps_say),
	    cmocka_unit_test(a_recording_that_cannot_be_written_is_told_and_silence_too),
	};
	return cmocka_run_group_tests(tests, begin, end);
}

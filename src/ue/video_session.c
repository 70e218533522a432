/* SPDX-License-Identifier: Apache-2.0 */
/*
 * video_session.c - see video_session.h. One thread: an access unit is sent when its time has come (--fps), its packets
 * with one timestamp, the last with the marker (RFC 6184 5.1); what comes is opened, put in order, joined to NAL units
 * and written down as it is. Nothing is decoded: what is recorded is what was sent, or less, never something else.
 */
#include "ue/video_session.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "mcx/media/h264.h"
#include "mcx/media/reorder.h"
#include "mcx/media/rtp.h"
#include "net/rtp_socket.h"
#include "ue/video_file.h"

enum {
	TICK_MS = 20,
	SHOWN_TAIL_MS = 200, /* the other end may wait for a packet that is late */
	DRAIN_PACKETS = 64,
	DEFAULT_FPS = 25,
};

struct video_session {
	struct video_options o;
	struct rtp_socket *socket;
	struct video_clip clip;
	struct octets left; /* of the clip */
	unsigned fps;
	char record_path[4096];
	struct video_writer *record;
	uint8_t payload_type;
	uint16_t seq;
	uint32_t first_timestamp, timestamp;
	struct media_crypt *crypt;
	struct reorder *order;
	struct h264_joiner *joiner;

	pthread_mutex_t lock; /* stats */
	struct ue_media_stats stats;

	pthread_t thread;
	int running;
	atomic_int stop, held, has_more;
	int seen, told_shown, told_silent, failed;
	uint32_t peer_ssrc, picture; /* picture: timestamp of the last one that came */
	int64_t due, shown_at;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(struct video_session *v, enum media_event ev, const char *text)
{
	v->o.on_event(v->o.ctx, ev, text);
}

static void fail(struct video_session *v, const char *why)
{
	if (!v->failed)
		tell(v, MEDIA_FAILED, why);
	v->failed = 1;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

/* SEQ begins in the lower half of its range, the timestamp anywhere (media.md M-D13). */
static int draw_start(struct video_session *v)
{
	uint8_t r[6];
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, r, sizeof r))
		return -1;
	struct reader rd = rd_init(OCTETS(r));
	v->seq = rd_u16(&rd) & 0x7fff;
	v->first_timestamp = v->timestamp = rd_u32(&rd);
	return 0;
}

struct video_session *video_new(const struct video_options *o, char *err, size_t err_size)
{
	struct video_session *v = calloc(1, sizeof *v);
	snprintf(err, err_size, "no memory or socket for the video");
	if (!v)
		return NULL;
	v->o = *o;
	pthread_mutex_init(&v->lock, NULL);
	v->fps = o->files.fps && o->files.fps <= UE_MAX_FPS ? o->files.fps : DEFAULT_FPS;
	if (o->files.record)
		snprintf(v->record_path, sizeof v->record_path, "%s", o->files.record);
	v->socket = rtp_socket_open(o->address);
	v->order = reorder_new();
	v->joiner = h264_joiner_new();
	int ok = v->socket && v->order && v->joiner && !draw_start(v) &&
		 (!o->files.send || !video_clip_load(&v->clip, o->files.send, err, err_size));
	v->left = v->clip.stream;
	atomic_store(&v->has_more, v->left.len > 0);
	if (ok)
		return v;
	video_free(v);
	return NULL;
}

void video_free(struct video_session *v)
{
	if (!v)
		return;
	video_stop(v);
	rtp_socket_close(v->socket);
	video_clip_unload(&v->clip);
	media_crypt_free(v->crypt);
	reorder_free(v->order);
	h264_joiner_free(v->joiner);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

uint16_t video_port(const struct video_session *v)
{
	return rtp_socket_port(v->socket);
}

/* ---- seeing ---------------------------------------------------------------------------------------------------- */

static void write_nal(void *ctx, struct octets nal)
{
	struct video_session *v = ctx;
	if (v->record && video_append(v->record, nal))
		fail(v, "the video's recording could not be written");
}

static void count_picture(struct video_session *v, uint32_t timestamp, unsigned lost)
{
	pthread_mutex_lock(&v->lock);
	v->stats.pictures_received += v->stats.pictures_received == 0 || timestamp != v->picture;
	v->stats.video_lost += lost;
	pthread_mutex_unlock(&v->lock);
	v->picture = timestamp;
}

static void take_in_order(struct video_session *v)
{
	struct octets packet;
	struct rtp_packet p;
	unsigned lost;
	while (reorder_next(v->order, now_ms(), &packet, &lost)) {
		if (rtp_read(packet, &p))
			continue;
		count_picture(v, p.timestamp, lost);
		h264_join(v->joiner, p.payload, p.timestamp, lost != 0, write_nal, v);
	}
}

static void open_recording(struct video_session *v)
{
	char err[512];
	if (!v->record_path[0])
		return;
	v->record = video_create(v->record_path, err, sizeof err);
	if (!v->record)
		fail(v, err);
}

/* The peer's stream began anew under another SSRC, as after its restart: with it the order of numbers. */
static void follow_ssrc(struct video_session *v, uint32_t ssrc)
{
	if (v->seen && ssrc == v->peer_ssrc)
		return;
	if (v->seen) {
		struct reorder *fresh = reorder_new();
		if (!fresh)
			return;
		reorder_finish(v->order);
		take_in_order(v);
		reorder_free(v->order);
		v->order = fresh;
		h264_join_end(v->joiner);
	} else {
		v->due = v->due > now_ms() ? now_ms() : v->due; /* the way is open: nothing to wait for */
		open_recording(v);
		tell(v, MEDIA_FIRST_PACKET, "first packet of the video decrypted");
	}
	v->seen = 1;
	v->peer_ssrc = ssrc;
}

static void see(struct video_session *v, struct octets wire)
{
	uint8_t plain[SRTP_MAX_PACKET];
	size_t len;
	struct rtp_packet p;
	if (v->o.hooks.rtp)
		v->o.hooks.rtp(v->o.hooks.ctx, 0, wire);
	if (media_crypt_open(v->crypt, wire, plain, sizeof plain, &len, now_ms()))
		return;
	/* Another payload type: the audio of this call, sent here by somebody in between. */
	if (!rtp_read((struct octets){plain, len}, &p) && p.payload_type == v->payload_type) {
		atomic_store(v->o.alive, now_ms());
		follow_ssrc(v, p.ssrc);
		(void)reorder_put(v->order, p.seq, (struct octets){plain, len}, now_ms());
		take_in_order(v);
	}
	mcsec_wipe(plain, len);
}

/* ---- showing --------------------------------------------------------------------------------------------------- */

static void send_packet(struct video_session *v, struct octets payload, int last)
{
	uint8_t plain[RTP_HEADER + H264_PAYLOAD], wire[sizeof plain + SRTP_MAX_TRAILER];
	size_t len = 0;
	struct writer w = wr_init(plain, sizeof plain);
	rtp_write(&w, &(struct rtp_packet){.payload_type = v->payload_type,
					   .marker = last,
					   .seq = v->seq++,
					   .timestamp = v->timestamp,
					   .ssrc = v->o.ssrc,
					   .payload = payload});
	enum srtp_verdict s = media_crypt_protect(v->crypt, wr_result(&w), wire, sizeof wire, &len);
	mcsec_wipe(plain, sizeof plain);
	if (s) {
		fail(v, srtp_verdict_name(s));
		return;
	}
	if (v->o.hooks.rtp)
		v->o.hooks.rtp(v->o.hooks.ctx, 1, (struct octets){wire, len});
	if (rtp_socket_send(v->socket, (struct octets){wire, len}))
		fail(v, "the video cannot be sent");
}

static void send_nal(struct video_session *v, struct octets nal, int last)
{
	uint8_t payload[H264_PAYLOAD];
	struct h264_cut cut = {nal, 0};
	for (;;) {
		struct writer w = wr_init(payload, sizeof payload);
		if (!h264_cut_next(&cut, sizeof payload, &w))
			break;
		send_packet(v, wr_result(&w), last && cut.at == nal.len);
	}
	mcsec_wipe(payload, sizeof payload);
}

/* The next picture. */
static void show(struct video_session *v)
{
	struct octets unit, nal = {0}, next = {0};
	(void)h264_next_unit(&v->left, &unit);
	int more = h264_next_nal(&unit, &nal);
	while (more) {
		more = h264_next_nal(&unit, &next);
		send_nal(v, nal, !more);
		nal = next;
	}
	pthread_mutex_lock(&v->lock);
	uint64_t shown = ++v->stats.pictures_sent;
	pthread_mutex_unlock(&v->lock);
	v->timestamp = v->first_timestamp + (uint32_t)(shown * H264_CLOCK / v->fps);
	/* From what the timestamps say, so that the clip is shown as fast as they run, whatever fps divides. */
	v->due += (int64_t)(shown * 1000 / v->fps - (shown - 1) * 1000 / v->fps);
	if (!v->left.len && v->o.files.repeat)
		v->left = v->clip.stream;
	else if (!v->left.len) {
		atomic_store(&v->has_more, 0);
		v->shown_at = now_ms();
	}
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

static void tick(struct video_session *v, int64_t now)
{
	if (atomic_load(&v->held))
		v->due = now; /* the next picture goes with the permission, none after it is late */
	else if (v->left.len && now >= v->due) {
		show(v);
		if (v->due < now) /* late: the rest moves, pictures do not come in a burst */
			v->due = now;
		atomic_store(v->o.alive, now); /* who shows may meet a silent viewer: one-way video is a call */
	}
	take_in_order(v); /* what has waited long enough for a lost packet */
	media_crypt_tick(v->crypt, now);
	if (v->shown_at && !v->told_shown && now >= v->shown_at + SHOWN_TAIL_MS) {
		v->told_shown = 1;
		tell(v, MEDIA_SAID_ALL, "everything was shown");
	}
	if (!v->told_silent && now - atomic_load(v->o.alive) >= (int64_t)v->o.silent_ms) {
		v->told_silent = 1;
		tell(v, MEDIA_SILENT, "no media came for too long");
	}
}

static void take_packets(struct video_session *v, int wait_ms)
{
	uint8_t wire[SRTP_MAX_PACKET];
	for (int i = 0; i < DRAIN_PACKETS; i++) {
		size_t n = rtp_socket_receive(v->socket, wire, sizeof wire, i ? 0 : wait_ms);
		if (n == 0)
			return;
		see(v, (struct octets){wire, n});
	}
}

static int wait_for(const struct video_session *v)
{
	int64_t left = v->left.len && !atomic_load(&v->held) ? v->due - now_ms() : TICK_MS;
	return left < 0 ? 0 : left < TICK_MS ? (int)left : TICK_MS;
}

static void *run(void *arg)
{
	struct video_session *v = arg;
	int64_t begin = now_ms();
	v->due = begin + (int64_t)v->o.wait_ms;
	atomic_store(v->o.alive, begin);
	while (!atomic_load(&v->stop)) {
		tick(v, now_ms());
		take_packets(v, wait_for(v));
	}
	take_packets(v, 0); /* what the kernel holds still belongs to the call */
	reorder_finish(v->order);
	take_in_order(v);
	h264_join_end(v->joiner);
	return NULL;
}

int video_start(struct video_session *v, const struct media_keys *keys, const char *address, uint16_t port,
		uint8_t payload_type, char *err, size_t err_size)
{
	v->payload_type = payload_type;
	v->crypt = media_crypt_new(keys, v->o.ssrc);
	if (!v->crypt || rtp_socket_connect(v->socket, address, port)) {
		snprintf(err, err_size, "the video could not be started towards %s port %u", address, port);
		return -1;
	}
	if (pthread_create(&v->thread, NULL, run, v)) {
		snprintf(err, err_size, "no thread for the video");
		return -1;
	}
	v->running = 1;
	return 0;
}

int video_rekey(struct video_session *v, const struct media_keys *keys)
{
	return v->crypt ? media_crypt_rekey(v->crypt, keys) : -1;
}

void video_allow(struct video_session *v, int may_show)
{
	atomic_store(&v->held, !may_show);
}

int video_has_more(struct video_session *v)
{
	return atomic_load(&v->has_more);
}

int video_move(struct video_session *v, const char *address, uint16_t port)
{
	return rtp_socket_connect(v->socket, address, port);
}

int video_stop(struct video_session *v)
{
	if (v->running) {
		atomic_store(&v->stop, 1);
		pthread_join(v->thread, NULL);
		v->running = 0;
		struct h264_counts c = h264_joiner_counts(v->joiner);
		v->stats.video_broken = c.broken + c.refused;
	}
	int rc = video_close(v->record);
	v->record = NULL;
	return rc;
}

void video_stats(struct video_session *v, struct ue_media_stats *out)
{
	pthread_mutex_lock(&v->lock);
	out->pictures_sent = v->stats.pictures_sent;
	out->pictures_received = v->stats.pictures_received;
	out->video_lost = v->stats.video_lost;
	out->video_broken = v->stats.video_broken;
	pthread_mutex_unlock(&v->lock);
	if (v->crypt)
		media_crypt_count(v->crypt, out, &out->video_sent, &out->video_received);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * media_session.c - see media_session.h. One thread, a tick of 20 ms: packets are taken as they come, opened, and put
 * into the playout buffer; at the tick one frame is said and what is due is played.
 *
 * When everything was said the session waits SAY_TAIL_MS before it tells so, because the other end plays behind time.
 * SEQ begins in the lower half of its range and the timestamp anywhere, at random (RFC 3550 5.1, media.md M-D13).
 */
#include "ue/media_session.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "mcx/media/playout.h"
#include "mcx/media/rtp.h"
#include "net/rtp_socket.h"
#include "ue/codec.h"
#include "ue/wav.h"

enum {
	TICK_MS = 20,
	SAY_TAIL_MS = 200,
	DRAIN_PACKETS = 64, /* taken in a row before the clock is looked at again */
	PLAYOUT_DELAY_FRAMES = 3,
	MAX_GAP_FRAMES = 500,
};

struct media_session {
	struct media_options o;
	struct rtp_socket *socket;
	struct wav wav;
	size_t said; /* samples of it */
	struct wav_writer *record;
	char record_path[4096];
	uint8_t payload_type;
	uint16_t seq;
	uint32_t timestamp;
	struct codec_encoder *encoder;
	struct codec_decoder *decoder;
	struct playout *playout;
	struct media_crypt *crypt;

	pthread_mutex_t lock; /* stats */
	struct ue_media_stats stats;

	pthread_t thread;
	int running;
	atomic_int stop, silenced, has_more;
	int heard, told_said, told_silent, failed;
	_Atomic int64_t own_alive;
	int64_t said_all_at;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(struct media_session *m, enum media_event ev, const char *text)
{
	m->o.on_event(m->o.ctx, ev, text);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static int draw_start(struct media_session *m)
{
	uint8_t r[6];
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, r, sizeof r))
		return -1;
	struct reader rd = rd_init(OCTETS(r));
	m->seq = rd_u16(&rd) & 0x7fff;
	m->timestamp = rd_u32(&rd);
	return 0;
}

struct media_session *media_new(const struct media_options *o, char *err, size_t err_size)
{
	struct media_session *m = calloc(1, sizeof *m);
	snprintf(err, err_size, "no memory, socket or codec for the media");
	if (!m)
		return NULL;
	m->o = *o;
	m->o.alive = o->alive ? o->alive : &m->own_alive;
	pthread_mutex_init(&m->lock, NULL);
	if (o->audio.record)
		snprintf(m->record_path, sizeof m->record_path, "%s", o->audio.record);
	m->socket = rtp_socket_open(o->address);
	m->encoder = codec_encoder_new();
	m->decoder = codec_decoder_new();
	m->playout = playout_new(&(struct playout_options){
	    .tick = CODEC_FRAME, .delay = PLAYOUT_DELAY_FRAMES * CODEC_FRAME, .max_gap = MAX_GAP_FRAMES * CODEC_FRAME});
	int ok = m->socket && m->encoder && m->decoder && m->playout && !draw_start(m) &&
		 (!o->audio.send || !wav_load(&m->wav, o->audio.send, err, err_size));
	atomic_store(&m->has_more, m->wav.n > 0);
	if (ok)
		return m;
	media_free(m);
	return NULL;
}

void media_free(struct media_session *m)
{
	if (!m)
		return;
	media_stop(m);
	rtp_socket_close(m->socket);
	wav_unload(&m->wav);
	codec_encoder_free(m->encoder);
	codec_decoder_free(m->decoder);
	playout_free(m->playout);
	media_crypt_free(m->crypt);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

uint16_t media_port(const struct media_session *m)
{
	return rtp_socket_port(m->socket);
}

/* ---- hearing --------------------------------------------------------------------------------------------------- */

static void write_sound(struct media_session *m, const int16_t *pcm, size_t n)
{
	if (m->record && wav_append(m->record, pcm, n) && !m->failed) {
		m->failed = 1;
		tell(m, MEDIA_FAILED, "the recording could not be written");
	}
}

static void play(struct media_session *m)
{
	int16_t pcm[CODEC_MAX_SAMPLES];
	for (;;) {
		struct playout_step s = playout_next(m->playout);
		size_t n = 0;
		if (s.action == PLAYOUT_WAIT || s.action == PLAYOUT_END)
			return;
		if (s.action == PLAYOUT_DECODE)
			n = codec_decode(m->decoder, s.frame, pcm);
		else if (s.action == PLAYOUT_RECOVER)
			n = codec_recover(m->decoder, s.frame, s.duration, pcm);
		if (n == 0)
			n = codec_conceal(m->decoder, s.duration, pcm);
		write_sound(m, pcm, n);
		pthread_mutex_lock(&m->lock);
		m->stats.played_frames += (s.duration + CODEC_FRAME / 2) / CODEC_FRAME;
		m->stats.recovered += s.action == PLAYOUT_RECOVER;
		m->stats.concealed += s.action == PLAYOUT_CONCEAL;
		pthread_mutex_unlock(&m->lock);
	}
}

static void open_recording(struct media_session *m)
{
	char err[512];
	if (!m->record_path[0])
		return;
	m->record = wav_create(m->record_path, err, sizeof err);
	if (!m->record) {
		m->failed = 1;
		tell(m, MEDIA_FAILED, err);
	}
}

static void hear(struct media_session *m, struct octets wire)
{
	uint8_t plain[SRTP_MAX_PACKET];
	size_t len;
	struct rtp_packet p;
	if (m->o.hooks.rtp)
		m->o.hooks.rtp(m->o.hooks.ctx, 0, wire);
	if (media_crypt_open(m->crypt, wire, plain, sizeof plain, &len, now_ms()))
		return;
	atomic_store(m->o.alive, now_ms());
	if (rtp_read((struct octets){plain, len}, &p) || p.payload_type != m->payload_type)
		return;
	if (!m->heard) {
		m->heard = 1;
		open_recording(m);
		tell(m, MEDIA_FIRST_PACKET, "first packet decrypted");
	}
	enum playout_put put = playout_put(m->playout, p.timestamp, codec_duration(p.payload), p.payload);
	pthread_mutex_lock(&m->lock);
	m->stats.late += put == PLAYOUT_LATE;
	m->stats.duplicates += put == PLAYOUT_DUPLICATE;
	pthread_mutex_unlock(&m->lock);
	mcsec_wipe(plain, len);
}

/* ---- saying ---------------------------------------------------------------------------------------------------- */

static void send_frame(struct media_session *m, const int16_t *pcm)
{
	uint8_t frame[CODEC_MAX_PACKET], plain[RTP_HEADER + CODEC_MAX_PACKET], wire[sizeof plain + SRTP_MAX_TRAILER];
	size_t n = codec_encode(m->encoder, pcm, frame), len = 0;
	struct writer w = wr_init(plain, sizeof plain);
	rtp_write(&w, &(struct rtp_packet){.payload_type = m->payload_type,
					   .marker = m->said == 0,
					   .seq = m->seq,
					   .timestamp = m->timestamp,
					   .ssrc = m->o.ssrc,
					   .payload = {frame, n}});
	enum srtp_verdict v = n ? media_crypt_protect(m->crypt, wr_result(&w), wire, sizeof wire, &len) : SRTP_FAILED;
	m->seq++;
	m->timestamp += CODEC_FRAME;
	if (v == SRTP_OK && m->o.hooks.rtp)
		m->o.hooks.rtp(m->o.hooks.ctx, 1, (struct octets){wire, len});
	if ((v || rtp_socket_send(m->socket, (struct octets){wire, len})) && !m->failed) {
		m->failed = 1;
		tell(m, MEDIA_FAILED, v ? srtp_verdict_name(v) : "the media cannot be sent");
	}
	mcsec_wipe(plain, sizeof plain);
	mcsec_wipe(frame, sizeof frame);
}

static void say(struct media_session *m)
{
	int16_t pcm[CODEC_FRAME] = {0};
	if (m->said >= m->wav.n)
		return;
	if (atomic_load(&m->silenced)) {
		m->timestamp += m->said ? CODEC_FRAME : 0; /* a pause takes its time */
		return;
	}
	size_t left = m->wav.n - m->said, n = left < CODEC_FRAME ? left : CODEC_FRAME;
	memcpy(pcm, m->wav.samples + m->said, n * sizeof *pcm);
	send_frame(m, pcm);
	m->said += n;
	if (m->said == m->wav.n && m->o.audio.repeat) {
		m->said = 0;
	} else if (m->said == m->wav.n) {
		atomic_store(&m->has_more, 0);
		m->said_all_at = now_ms();
	}
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

static void tick(struct media_session *m, int64_t now)
{
	say(m);
	playout_tick(m->playout);
	play(m);
	media_crypt_tick(m->crypt, now);
	if (m->said_all_at && !m->told_said && now >= m->said_all_at + SAY_TAIL_MS) {
		m->told_said = 1;
		tell(m, MEDIA_SAID_ALL, "everything was said");
	}
	if (m->said < m->wav.n &&
	    !atomic_load(&m->silenced)) /* who speaks may meet a silent listener: one-way sound is a call */
		atomic_store(m->o.alive, now);
	if (!m->told_silent && now - atomic_load(m->o.alive) >= (int64_t)m->o.silent_ms) {
		m->told_silent = 1;
		tell(m, MEDIA_SILENT, "no media came for too long");
	}
}

static void take_packets(struct media_session *m, int wait_ms)
{
	uint8_t wire[SRTP_MAX_PACKET];
	for (int i = 0; i < DRAIN_PACKETS; i++) {
		size_t n = rtp_socket_receive(m->socket, wire, sizeof wire, i ? 0 : wait_ms);
		if (n == 0)
			return;
		hear(m, (struct octets){wire, n});
		play(m); /* only what is allowed already */
	}
}

static void *run(void *arg)
{
	struct media_session *m = arg;
	int64_t next = now_ms();
	atomic_store(m->o.alive, next);
	while (!atomic_load(&m->stop)) {
		int64_t now = now_ms();
		if (now >= next) {
			tick(m, now);
			next += TICK_MS;
		}
		now = now_ms();
		take_packets(m, next > now ? (int)(next - now) : 0);
	}
	take_packets(m, 0); /* what the kernel holds still belongs to the call */
	playout_finish(m->playout);
	play(m);
	return NULL;
}

int media_start(struct media_session *m, const struct media_keys *keys, const char *address, uint16_t port,
		uint8_t payload_type, char *err, size_t err_size)
{
	m->payload_type = payload_type;
	m->crypt = media_crypt_new(keys, m->o.ssrc);
	if (!m->crypt || rtp_socket_connect(m->socket, address, port)) {
		snprintf(err, err_size, "the media could not be started towards %s port %u", address, port);
		return -1;
	}
	if (pthread_create(&m->thread, NULL, run, m)) {
		snprintf(err, err_size, "no thread for the media");
		return -1;
	}
	m->running = 1;
	return 0;
}

int media_rekey(struct media_session *m, const struct media_keys *keys)
{
	return m->crypt ? media_crypt_rekey(m->crypt, keys) : -1;
}

void media_allow(struct media_session *m, int may_speak)
{
	atomic_store(&m->silenced, !may_speak);
}

int media_has_more(struct media_session *m)
{
	return atomic_load(&m->has_more);
}

int media_move(struct media_session *m, const char *address, uint16_t port)
{
	return rtp_socket_connect(m->socket, address, port); /* one system call: the thread may go on meanwhile */
}

int media_stop(struct media_session *m)
{
	if (m->running) {
		atomic_store(&m->stop, 1);
		pthread_join(m->thread, NULL);
		m->running = 0;
	}
	int rc = wav_close(m->record);
	m->record = NULL;
	return rc;
}

void media_stats(struct media_session *m, struct ue_media_stats *out)
{
	pthread_mutex_lock(&m->lock);
	*out = m->stats;
	pthread_mutex_unlock(&m->lock);
	if (m->crypt)
		media_crypt_count(m->crypt, out, &out->sent, &out->received);
}

enum ue_status ue_audio_reference(const char *wav_in, const char *wav_out, char *err, size_t err_size)
{
	struct wav in;
	if (wav_load(&in, wav_in, err, err_size))
		return UE_AUDIO;
	struct codec_encoder *e = codec_encoder_new();
	struct codec_decoder *d = codec_decoder_new();
	struct wav_writer *w = wav_create(wav_out, err, err_size);
	int ok = e && d && w;
	for (size_t at = 0; ok && at < in.n; at += CODEC_FRAME) {
		int16_t frame[CODEC_FRAME] = {0}, pcm[CODEC_MAX_SAMPLES];
		uint8_t packet[CODEC_MAX_PACKET];
		size_t left = in.n - at;
		memcpy(frame, in.samples + at, (left < CODEC_FRAME ? left : CODEC_FRAME) * sizeof *frame);
		size_t n = codec_encode(e, frame, packet);
		ok = n && !wav_append(w, pcm, codec_decode(d, (struct octets){packet, n}, pcm));
	}
	if (w && !ok)
		snprintf(err, err_size, "%s: the codec failed or the file cannot be written", wav_out);
	ok = wav_close(w) == 0 && ok;
	codec_encoder_free(e);
	codec_decoder_free(d);
	wav_unload(&in);
	return ok ? UE_OK : UE_AUDIO;
}

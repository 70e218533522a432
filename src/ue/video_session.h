/* SPDX-License-Identifier: Apache-2.0 */
/*
 * video_session.h - the video of one MCVideo call: a thread that sends an H.264 file and records what it is shown, both
 * under SRTP. Beside it stands the audio's media_session: each has its port, its SSRC and its SRTP streams, under the
 * call's one pair of master keys.
 *
 * Made before the offer or answer that names its port, started when the call is up. Functions are for one controlling
 * thread; the callbacks come from the session's own.
 */
#ifndef MCX_UE_VIDEO_SESSION_H
#define MCX_UE_VIDEO_SESSION_H

#include "ue/media_session.h"

struct video_session;

struct video_options {
	const char *address; /* own, numeric */
	struct ue_video_files files;
	uint32_t ssrc;
	unsigned silent_ms;     /* without a packet for so long: MEDIA_SILENT */
	_Atomic int64_t *alive; /* see struct media_options */
	/*
	 * A callee's way through the server opens only when the caller has the answer; what is shown before is lost,
	 * the first picture above all. So wait for the caller's first packet, or this long.
	 */
	unsigned wait_ms;
	void (*on_event)(void *ctx, enum media_event ev, const char *text);
	void *ctx;
	struct ue_hooks hooks;
};

/* Opens the socket and loads the file. NULL and a sentence in err. */
struct video_session *video_new(const struct video_options *o, char *err, size_t err_size);
/* Stops, closes files, wipes. NULL is allowed. */
void video_free(struct video_session *v);
uint16_t video_port(const struct video_session *v);
/* As media_start, media_rekey, media_move, media_stop. */
int video_start(struct video_session *v, const struct media_keys *keys, const char *address, uint16_t port,
		uint8_t payload_type, char *err, size_t err_size);
int video_rekey(struct video_session *v, const struct media_keys *keys);
int video_move(struct video_session *v, const char *address, uint16_t port);
int video_stop(struct video_session *v);
/* Transmission control: whether we may transmit. Without a call of this everything is shown at once. */
void video_allow(struct video_session *v, int may_show);
/* 1 while there is something left to show. */
int video_has_more(struct video_session *v);
/* Adds the video's part; after video_stop it is whole. */
void video_stats(struct video_session *v, struct ue_media_stats *out);

#endif

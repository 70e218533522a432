/* SPDX-License-Identifier: Apache-2.0 */
/*
 * media_session.h - the media of one call: a thread that says a WAV and records what it hears, both under SRTP.
 *
 * Made before the offer, because its port and SSRC stand in it or are recorded first; started when the call is up.
 * Nothing is sent or played outside SRTP: without keys there is no session. Functions are for one controlling thread;
 * the callbacks come from the session's own.
 */
#ifndef MCX_UE_MEDIA_SESSION_H
#define MCX_UE_MEDIA_SESSION_H

#include "ue/media_crypt.h"

struct media_session;

enum media_event { MEDIA_FIRST_PACKET, MEDIA_SAID_ALL, MEDIA_SILENT, MEDIA_FAILED };

struct media_options {
	const char *address; /* own, numeric */
	struct ue_audio_files audio;
	uint32_t ssrc;
	unsigned silent_ms; /* without a packet for so long: MEDIA_SILENT */
	/* When something last came or was said, by the monotonic clock: of all streams of the call; NULL: of this one.
	 */
	_Atomic int64_t *alive;
	void (*on_event)(void *ctx, enum media_event ev, const char *text);
	void *ctx;
	struct ue_hooks hooks;
};

/* Opens the socket and loads the WAV. NULL and a sentence in err. */
struct media_session *media_new(const struct media_options *o, char *err, size_t err_size);
/* Stops, closes files, wipes. */
void media_free(struct media_session *m);
uint16_t media_port(const struct media_session *m);

/* The call is up: peer's address and payload type of its description. 0, or -1 and a sentence. */
int media_start(struct media_session *m, const struct media_keys *keys, const char *address, uint16_t port,
		uint8_t payload_type, char *err, size_t err_size);
/* New keys from a re-INVITE: received with both for 5 s, sent with from the peer's first packet under them. */
int media_rekey(struct media_session *m, const struct media_keys *keys);
/* The peer moved (re-INVITE). 0 or -1. */
int media_move(struct media_session *m, const char *address, uint16_t port);
/* Floor control: whether we have the floor. Without a call of this everything is said at once. */
void media_allow(struct media_session *m, int may_speak);
/* 1 while there is something left to say. */
int media_has_more(struct media_session *m);
/* Plays out what has come, closes the files, ends the thread. 0, or -1 when a file could not be written. */
int media_stop(struct media_session *m);
void media_stats(struct media_session *m, struct ue_media_stats *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.h - speech as Opus (RFC 6716, RFC 7587): 48 kHz, one channel, frames of 20 ms.
 *
 * Constant bit rate: the length of an encrypted packet says nothing about what is spoken (RFC 6562). In-band forward
 * error correction carries each frame a second time, coarsely, in the next one.
 */
#ifndef MCX_UE_CODEC_H
#define MCX_UE_CODEC_H

#include "sec/base/bytes.h"

enum {
	CODEC_RATE = 48000,
	CODEC_FRAME = 960, /* samples, and RTP timestamp units, of 20 ms */
	CODEC_MAX_PACKET = 1275,
	CODEC_MAX_SAMPLES = 5760, /* 120 ms: the longest packet a peer may send */
};
#define CODEC_RTPMAP "opus/48000/2" /* always, whatever the channels (RFC 7587 7) */
#define CODEC_FMTP   "useinbandfec=1;cbr=1;stereo=0;sprop-stereo=0"

struct codec_encoder;
struct codec_decoder;

struct codec_encoder *codec_encoder_new(void);
void codec_encoder_free(struct codec_encoder *e);
/* CODEC_FRAME samples in, a packet out; its length, 0 on failure. */
size_t codec_encode(struct codec_encoder *e, const int16_t *pcm, uint8_t out[CODEC_MAX_PACKET]);

struct codec_decoder *codec_decoder_new(void);
void codec_decoder_free(struct codec_decoder *d);
/* Samples that a packet lasts; 0 if it is none. */
uint32_t codec_duration(struct octets packet);
/* pcm has room for CODEC_MAX_SAMPLES. Returns samples, 0 on failure. */
size_t codec_decode(struct codec_decoder *d, struct octets packet, int16_t *pcm);
/* The `samples` before this packet, from its error correction, or made up where it carries none. */
size_t codec_recover(struct codec_decoder *d, struct octets next, uint32_t samples, int16_t *pcm);
size_t codec_conceal(struct codec_decoder *d, uint32_t samples, int16_t *pcm);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.c - see codec.h; libopus behind it. libopus makes up lost sound in steps of 2.5 ms: CODEC_FRAME and every RTP
 * timestamp step of Opus are multiples of that, and anything else is filled with silence.
 */
#include "ue/codec.h"

#include <opus/opus.h>

enum { BIT_RATE = 32000, EXPECTED_LOSS = 10, STEP = CODEC_RATE / 400 };

struct codec_encoder *codec_encoder_new(void)
{
	int err;
	OpusEncoder *e = opus_encoder_create(CODEC_RATE, 1, OPUS_APPLICATION_VOIP, &err);
	if (err != OPUS_OK)
		return NULL;
	opus_encoder_ctl(e, OPUS_SET_BITRATE(BIT_RATE));
	opus_encoder_ctl(e, OPUS_SET_VBR(0));
	opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(1));
	opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(EXPECTED_LOSS));
	opus_encoder_ctl(e, OPUS_SET_DTX(0));
	return (struct codec_encoder *)e;
}

void codec_encoder_free(struct codec_encoder *e)
{
	if (e)
		opus_encoder_destroy((OpusEncoder *)e);
}

size_t codec_encode(struct codec_encoder *e, const int16_t *pcm, uint8_t out[CODEC_MAX_PACKET])
{
	opus_int32 n = opus_encode((OpusEncoder *)e, pcm, CODEC_FRAME, out, CODEC_MAX_PACKET);
	return n > 0 ? (size_t)n : 0;
}

struct codec_decoder *codec_decoder_new(void)
{
	int err;
	OpusDecoder *d = opus_decoder_create(CODEC_RATE, 1, &err);
	return err == OPUS_OK ? (struct codec_decoder *)d : NULL;
}

void codec_decoder_free(struct codec_decoder *d)
{
	if (d)
		opus_decoder_destroy((OpusDecoder *)d);
}

uint32_t codec_duration(struct octets packet)
{
	if (packet.len == 0 || packet.len > INT32_MAX)
		return 0;
	int n = opus_packet_get_nb_samples(packet.p, (opus_int32)packet.len, CODEC_RATE);
	return n > 0 && n <= CODEC_MAX_SAMPLES ? (uint32_t)n : 0;
}

size_t codec_decode(struct codec_decoder *d, struct octets packet, int16_t *pcm)
{
	int n = opus_decode((OpusDecoder *)d, packet.p, (opus_int32)packet.len, pcm, CODEC_MAX_SAMPLES, 0);
	return n > 0 ? (size_t)n : 0;
}

/* data NULL: made up. */
static size_t fill(struct codec_decoder *d, struct octets data, uint32_t samples, int16_t *pcm)
{
	if (samples > CODEC_MAX_SAMPLES)
		samples = CODEC_MAX_SAMPLES;
	int n = 0;
	if (samples % STEP == 0)
		n = opus_decode((OpusDecoder *)d, data.p, (opus_int32)data.len, pcm, (int)samples, data.p != NULL);
	if (n != (int)samples)
		memset(pcm, 0, samples * sizeof *pcm);
	return samples;
}

size_t codec_recover(struct codec_decoder *d, struct octets next, uint32_t samples, int16_t *pcm)
{
	return fill(d, next, samples, pcm);
}

size_t codec_conceal(struct codec_decoder *d, uint32_t samples, int16_t *pcm)
{
	return fill(d, (struct octets){0}, samples, pcm);
}

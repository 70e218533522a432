/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moving_picture.h - a moving picture for tests of video: drawn, encoded to H.264 and decoded by a real codec
 * (OpenH264, Cisco; BSD). The picture of each moment is known, so that what a decoder shows can be compared with what
 * was drawn.
 */
#ifndef TEST_MOVING_PICTURE_H
#define TEST_MOVING_PICTURE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <wels/codec_api.h>

#include "sec/base/bytes.h"

enum {
	PICTURE_W = 176,
	PICTURE_H = 144,
	PICTURE_FPS = 10,
	PICTURE_LUMA = PICTURE_W * PICTURE_H,
	PICTURE_SIZE = PICTURE_LUMA * 3 / 2,
	PICTURE_INTRA = 10, /* every tenth can be shown by itself */
};

/* Picture n: a disc on its way round, over stripes that slide on a grainy ground. I420. */
static inline void picture_draw(unsigned n, uint8_t out[PICTURE_SIZE])
{
	double turn = (double)n / 10, x0 = 88 + 50 * cos(turn), y0 = 72 + 40 * sin(turn);
	for (int y = 0; y < PICTURE_H; y++)
		for (int x = 0; x < PICTURE_W; x++) {
			double dx = x - x0, dy = y - y0;
			int stripe = 90 + 50 * (((x + 2 * (int)n) / 16 + y / 24) % 2);
			unsigned grain = ((unsigned)x * 2654435761u ^ (unsigned)y * 40503u) >> 7 & 15;
			out[y * PICTURE_W + x] = (uint8_t)(dx * dx + dy * dy < 400 ? 220 : stripe + (int)grain);
		}
	memset(out + PICTURE_LUMA, (int)(100 + n % 50), PICTURE_LUMA / 4);
	memset(out + PICTURE_LUMA * 5 / 4, 150, PICTURE_LUMA / 4);
}

/* `n` pictures as a byte stream, malloc'ed; p NULL: the encoder failed. */
static inline struct octets picture_encode(unsigned n)
{
	ISVCEncoder *e = NULL;
	SEncParamExt p;
	static uint8_t yuv[PICTURE_SIZE];
	size_t room = 64 * 1024 + (size_t)n * PICTURE_SIZE;
	uint8_t *stream = malloc(room);
	struct writer w = wr_init(stream, stream ? room : 0);
	if (WelsCreateSVCEncoder(&e))
		w.err = MCSEC_E_MEMORY;
	if (!w.err) {
		int quiet = WELS_LOG_QUIET;
		(*e)->SetOption(e, ENCODER_OPTION_TRACE_LEVEL, &quiet);
		(*e)->GetDefaultParams(e, &p);
		p.iUsageType = CAMERA_VIDEO_REAL_TIME;
		p.iPicWidth = PICTURE_W;
		p.iPicHeight = PICTURE_H;
		p.fMaxFrameRate = PICTURE_FPS;
		p.iTargetBitrate = p.iMaxBitrate = 150000;
		p.iRCMode = RC_QUALITY_MODE;
		p.bEnableFrameSkip = 0; /* every picture that is drawn is sent */
		p.uiIntraPeriod = PICTURE_INTRA;
		p.iMultipleThreadIdc = 1;
		p.sSpatialLayers[0].iVideoWidth = PICTURE_W;
		p.sSpatialLayers[0].iVideoHeight = PICTURE_H;
		p.sSpatialLayers[0].fFrameRate = PICTURE_FPS;
		p.sSpatialLayers[0].iSpatialBitrate = p.sSpatialLayers[0].iMaxSpatialBitrate = 150000;
		if ((*e)->InitializeExt(e, &p))
			w.err = MCSEC_E_ARGUMENT;
	}
	for (unsigned i = 0; i < n && !w.err; i++) {
		SFrameBSInfo info = {0};
		SSourcePicture pic = {.iColorFormat = videoFormatI420,
				      .iStride = {PICTURE_W, PICTURE_W / 2, PICTURE_W / 2},
				      .iPicWidth = PICTURE_W,
				      .iPicHeight = PICTURE_H,
				      .pData = {yuv, yuv + PICTURE_LUMA, yuv + PICTURE_LUMA * 5 / 4},
				      .uiTimeStamp = i * 1000 / PICTURE_FPS};
		picture_draw(i, yuv);
		if ((*e)->EncodeFrame(e, &pic, &info) || info.eFrameType == videoFrameTypeSkip)
			w.err = MCSEC_E_ARGUMENT;
		for (int l = 0; l < info.iLayerNum && !w.err; l++) {
			size_t len = 0;
			for (int k = 0; k < info.sLayerInfo[l].iNalCount; k++)
				len += (size_t)info.sLayerInfo[l].pNalLengthInByte[k];
			wr_octets(&w, (struct octets){info.sLayerInfo[l].pBsBuf, len});
		}
	}
	if (e) {
		(*e)->Uninitialize(e);
		WelsDestroySVCEncoder(e);
	}
	if (!w.err)
		return wr_result(&w);
	free(stream);
	return (struct octets){0};
}

/* Mean error of a decoded picture against what was drawn, as a signal-to-noise ratio in dB. */
static inline double picture_psnr(unsigned n, uint8_t *const planes[3], const int stride[2])
{
	static uint8_t want[PICTURE_SIZE];
	double sum = 0;
	picture_draw(n, want);
	for (int y = 0; y < PICTURE_H; y++)
		for (int x = 0; x < PICTURE_W; x++) {
			double d = (double)planes[0][y * stride[0] + x] - want[y * PICTURE_W + x];
			sum += d * d;
		}
	return 10 * log10(255.0 * 255 * PICTURE_LUMA / (sum + 1e-9));
}

/* Decodes a byte stream: how many pictures it shows; *worst: the lowest likeness of picture i to the one drawn as i. */
static inline unsigned picture_decode(struct octets stream, double *worst)
{
	ISVCDecoder *d = NULL;
	SDecodingParam p = {.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC, .eEcActiveIdc = ERROR_CON_DISABLE};
	unsigned shown = 0;
	*worst = 1000;
	if (WelsCreateDecoder(&d))
		return 0;
	int ok = !(*d)->Initialize(d, &p);
	uint8_t *copy = malloc(stream.len + 1);
	memcpy(copy, stream.p, stream.len);
	/* one NAL unit at a time, as it would come from the network */
	for (size_t at = 0; ok && at < stream.len + 1;) {
		size_t next = at + 4;
		while (next + 4 <= stream.len && memcmp(copy + next, "\0\0\0\1", 4) != 0)
			next++;
		if (next + 4 > stream.len)
			next = stream.len;
		uint8_t *planes[3] = {NULL, NULL, NULL};
		SBufferInfo info = {0};
		int last = at >= stream.len;
		DECODING_STATE state = last ? (*d)->FlushFrame(d, planes, &info)
					    : (*d)->DecodeFrameNoDelay(d, copy + at, (int)(next - at), planes, &info);
		ok = state == dsErrorFree;
		if (ok && info.iBufferStatus == 1) {
			double likeness = picture_psnr(shown++, planes, info.UsrData.sSystemBuffer.iStride);
			*worst = likeness < *worst ? likeness : *worst;
		}
		at = last ? stream.len + 1 : next;
	}
	free(copy);
	(*d)->Uninitialize(d);
	WelsDestroyDecoder(d);
	return ok ? shown : 0;
}

#endif

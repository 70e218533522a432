/* SPDX-License-Identifier: Apache-2.0 */
/* ue_speech.h - something to say in a call, and whether it was heard at the other end. */
#ifndef MCX_UE_SPEECH_H
#define MCX_UE_SPEECH_H

#include <math.h>

#include "unit/test.h"

#include "ue/ue.h"
#include "ue/wav.h"

/* Something like speech: a voice of changing pitch in syllables, with noise. */
static inline void make_speech(const char *path, int seconds)
{
	char err[256];
	uint32_t seed = 7;
	struct wav_writer *w = wav_create(path, err, sizeof err);
	assert_non_null(w);
	double phase = 0;
	for (int i = 0; i < seconds * WAV_RATE; i++) {
		double t = (double)i / WAV_RATE, loud = 0.5 + 0.5 * sin(2 * M_PI * 3 * t);
		phase += 2 * M_PI * (140 + 40 * sin(2 * M_PI * 0.7 * t)) / WAV_RATE;
		seed = seed * 1103515245 + 12345;
		double v =
		    sin(phase) + 0.5 * sin(2 * phase) + 0.3 * sin(5 * phase) + 0.02 * ((seed >> 16 & 0xff) / 128.0 - 1);
		int16_t s = (int16_t)(6000 * loud * v);
		assert_int_equal(wav_append(w, &s, 1), 0);
	}
	assert_int_equal(wav_close(w), 0);
}

static inline double correlation(const struct wav *a, const struct wav *b)
{
	double ab = 0, aa = 0, bb = 0;
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		ab += (double)a->samples[i] * b->samples[i];
		aa += (double)a->samples[i] * a->samples[i];
		bb += (double)b->samples[i] * b->samples[i];
	}
	return ab / sqrt(aa * bb + 1);
}

/* reference: what a perfect network would have delivered (ue_audio_reference). */
static inline void assert_heard_as(const char *path, const char *reference)
{
	struct wav got, want;
	char err[256];
	if (wav_load(&got, path, err, sizeof err) || wav_load(&want, reference, err, sizeof err))
		fail_msg("%s", err);
	long difference = (long)got.n - (long)want.n;
	double c = correlation(&got, &want);
	wav_unload(&got);
	wav_unload(&want);
	if (labs(difference) > WAV_RATE / 5 || c < 0.9)
		fail_msg("%ld samples of difference, correlation %.3f", difference, c);
}

#endif

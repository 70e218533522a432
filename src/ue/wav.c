/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wav.c - see wav.h.
 *
 * Resampling is a windowed sinc over the whole file in memory: for each output sample the input around its instant is
 * weighted, with the pass band narrowed when the input's rate is the higher one.
 */
#include "ue/wav.h"

#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAPS = 32, CHUNK = 4096, MAX_CHANNELS = 32 };

static int16_t clip(double v)
{
	return v >= 32767 ? 32767 : v <= -32768 ? -32768 : (int16_t)lrint(v);
}

static double window(double x) /* -1..1, Hann */
{
	return 0.5 + 0.5 * cos(M_PI * x);
}

static double sinc(double x)
{
	return fabs(x) < 1e-9 ? 1 : sin(M_PI * x) / (M_PI * x);
}

/* Input around the instant `at` (in input samples); band 0..1 of the input's own. */
static double interpolate(const int16_t *in, size_t n, double at, double band)
{
	double reach = TAPS / band, sum = 0, weights = 0;
	double first = ceil(at - reach), last = floor(at + reach);
	for (double i = first; i <= last; i++) {
		double weight = sinc((i - at) * band) * window((i - at) / reach);
		weights += weight;
		if (i >= 0 && i < (double)n)
			sum += weight * in[(size_t)i];
	}
	return sum / weights;
}

static int resample(struct wav *w, int rate)
{
	double step = (double)rate / WAV_RATE, band = step > 1 ? 1 / step : 1;
	size_t n = (size_t)((double)w->n / step);
	int16_t *out = malloc((n ? n : 1) * sizeof *out);
	if (!out)
		return -1;
	for (size_t i = 0; i < n; i++)
		out[i] = clip(interpolate(w->samples, w->n, (double)i * step, band));
	free(w->samples);
	*w = (struct wav){out, n};
	return 0;
}

/* All frames of an open file as one channel. */
static int read_mono(struct wav *w, SNDFILE *f, const SF_INFO *info)
{
	size_t frames = (size_t)info->frames, channels = (size_t)info->channels;
	int16_t *chunk = malloc(CHUNK * channels * sizeof *chunk);
	w->samples = malloc((frames ? frames : 1) * sizeof *w->samples);
	for (sf_count_t got = 1; chunk && w->samples && got > 0 && w->n < frames;) {
		got = sf_readf_short(f, chunk, CHUNK);
		for (sf_count_t i = 0; i < got && w->n < frames; i++) {
			int sum = 0;
			for (size_t c = 0; c < channels; c++)
				sum += chunk[(size_t)i * channels + c];
			w->samples[w->n++] = (int16_t)(sum / (int)channels);
		}
	}
	int ok = chunk && w->samples;
	free(chunk);
	return ok ? 0 : -1;
}

int wav_load(struct wav *w, const char *path, char *err, size_t err_size)
{
	SF_INFO info = {0};
	*w = (struct wav){0};
	SNDFILE *f = sf_open(path, SFM_READ, &info);
	if (!f) {
		snprintf(err, err_size, "%s: %s", path, sf_strerror(NULL));
		return -1;
	}
	int ok = info.samplerate >= 8000 && info.samplerate <= 192000 && info.channels >= 1 &&
		 info.channels <= MAX_CHANNELS && info.frames > 0 &&
		 info.frames <= (sf_count_t)WAV_MAX_SECONDS * info.samplerate;
	if (!ok)
		snprintf(err, err_size, "%s: not between 1 sample and %d minutes of sound at 8 to 192 kHz", path,
			 WAV_MAX_SECONDS / 60);
	else if (read_mono(w, f, &info) || (info.samplerate != WAV_RATE && resample(w, info.samplerate))) {
		snprintf(err, err_size, "%s: no memory", path);
		ok = 0;
	}
	sf_close(f);
	if (!ok)
		wav_unload(w);
	return ok ? 0 : -1;
}

void wav_unload(struct wav *w)
{
	free(w->samples);
	*w = (struct wav){0};
}

struct wav_writer {
	SNDFILE *file;
	int failed;
};

struct wav_writer *wav_create(const char *path, char *err, size_t err_size)
{
	SF_INFO info = {.samplerate = WAV_RATE, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
	struct wav_writer *w = calloc(1, sizeof *w);
	if (w)
		w->file = sf_open(path, SFM_WRITE, &info);
	if (w && w->file)
		return w;
	snprintf(err, err_size, "%s: %s", path, w ? sf_strerror(NULL) : "no memory");
	free(w);
	return NULL;
}

int wav_append(struct wav_writer *w, const int16_t *samples, size_t n)
{
	if (sf_writef_short(w->file, samples, (sf_count_t)n) != (sf_count_t)n)
		w->failed = 1;
	return w->failed ? -1 : 0;
}

int wav_close(struct wav_writer *w)
{
	if (!w)
		return 0;
	int failed = sf_close(w->file) != 0 || w->failed;
	free(w);
	return failed ? -1 : 0;
}

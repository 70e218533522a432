/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wav.c - see wav.h. Files by libsndfile, resampling (band-limited, whole file in memory) by libsamplerate.
 */
#include "ue/wav.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <samplerate.h>
#include <sndfile.h>

enum { CHUNK = 4096, MAX_CHANNELS = 32 };

static int resample(struct wav *w, int rate)
{
	double ratio = (double)WAV_RATE / rate;
	size_t room = (size_t)((double)w->n * ratio) + 1;
	float *in = malloc(w->n * sizeof *in), *out = malloc(room * sizeof *out);
	int16_t *samples = malloc(room * sizeof *samples);
	int failed = !in || !out || !samples;
	if (!failed) {
		src_short_to_float_array(w->samples, in, (int)w->n);
		SRC_DATA d = {.data_in = in,
			      .data_out = out,
			      .input_frames = (long)w->n,
			      .output_frames = (long)room,
			      .src_ratio = ratio};
		failed = src_simple(&d, SRC_SINC_FASTEST, 1) != 0;
		if (!failed) {
			src_float_to_short_array(out, samples, (int)d.output_frames_gen);
			free(w->samples);
			*w = (struct wav){samples, (size_t)d.output_frames_gen};
		}
	}
	if (failed)
		free(samples);
	free(in);
	free(out);
	return failed ? -1 : 0;
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
		snprintf(err, err_size, "%s: cannot be resampled", path);
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
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* what was said is nobody else's */
	if (w && fd >= 0 && fchmod(fd, 0600) == 0)
		w->file = sf_open_fd(fd, SFM_WRITE, &info, SF_TRUE);
	if (w && w->file)
		return w;
	snprintf(err, err_size, "%s: %s", path, fd < 0 ? strerror(errno) : sf_strerror(NULL));
	if (fd >= 0)
		close(fd);
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

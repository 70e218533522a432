/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wav.h - sound files in and out (libsndfile): whatever a file holds comes out as 48 kHz, one channel; what is written
 * is a WAV of that kind, 16 bits.
 */
#ifndef MCX_UE_WAV_H
#define MCX_UE_WAV_H

#include <stddef.h>
#include <stdint.h>

enum { WAV_RATE = 48000, WAV_MAX_SECONDS = 1800 };

/* The whole file, mixed to one channel and resampled. */
struct wav {
	int16_t *samples;
	size_t n;
};

/* 0, or -1 and a sentence in err. */
int wav_load(struct wav *w, const char *path, char *err, size_t err_size);
void wav_unload(struct wav *w);

struct wav_writer;

/* NULL and a sentence in err. */
struct wav_writer *wav_create(const char *path, char *err, size_t err_size);
/* 0 or -1. */
int wav_append(struct wav_writer *w, const int16_t *samples, size_t n);
/* 0 if everything was written. */
int wav_close(struct wav_writer *w);

#endif

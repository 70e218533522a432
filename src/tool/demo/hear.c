/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hear.c - comparing two recordings. The shift is found on block averages (2 kHz) first, then to the sample around the
 * best of them; the verdict's correlation is computed at full rate.
 */
#include "tool/demo/hear.h"

#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COARSE_RATE = 2000, MAX_SECONDS = 600 };

int hear_load(const char *path, struct sound *out, char *err, size_t err_size)
{
	SF_INFO info = {0};
	memset(out, 0, sizeof *out);
	SNDFILE *f = sf_open(path, SFM_READ, &info);
	if (!f) {
		snprintf(err, err_size, "%s: %s", path, sf_strerror(NULL));
		return -1;
	}
	int fits = info.frames > 0 && info.channels > 0 && info.channels <= 8 && info.samplerate > 0 &&
		   info.frames <= (sf_count_t)MAX_SECONDS * info.samplerate;
	size_t n = fits ? (size_t)info.frames : 0, channels = (size_t)info.channels;
	float *all = fits ? calloc(n * channels, sizeof *all) : NULL;
	out->samples = fits ? calloc(n, sizeof *out->samples) : NULL;
	int rc = all && out->samples && sf_readf_float(f, all, info.frames) == info.frames ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < n; i++)
		for (size_t c = 0; c < channels; c++)
			out->samples[i] += all[i * channels + c] / (float)channels;
	out->n = n;
	out->rate = (unsigned)info.samplerate;
	free(all);
	sf_close(f);
	if (rc) {
		hear_free(out);
		snprintf(err, err_size, "%s: empty, too long or cut off", path);
	}
	return rc;
}

void hear_free(struct sound *s)
{
	free(s->samples);
	memset(s, 0, sizeof *s);
}

/* Sums of samples and of their squares up to each index: a shift then costs one sum of products. */
struct sums {
	const struct sound *s;
	double *sum, *square; /* n + 1 each */
};

static int sums_make(struct sums *u, const struct sound *s)
{
	u->s = s;
	u->sum = calloc(s->n + 1, sizeof *u->sum);
	u->square = calloc(s->n + 1, sizeof *u->square);
	if (!u->sum || !u->square)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		double x = (double)s->samples[i];
		u->sum[i + 1] = u->sum[i] + x;
		u->square[i + 1] = u->square[i] + x * x;
	}
	return 0;
}

static void sums_free(struct sums *u)
{
	free(u->sum);
	free(u->square);
}

/* Four sums side by side: the loop need not wait for its own last addition. */
static double products(const float *a, const float *b, size_t n)
{
	double s[4] = {0};
	size_t i = 0;
	for (; i + 4 <= n; i += 4)
		for (size_t k = 0; k < 4; k++)
			s[k] += (double)(a[i + k] * b[i + k]);
	for (; i < n; i++)
		s[0] += (double)(a[i] * b[i]);
	return s[0] + s[1] + s[2] + s[3];
}

/* Pearson's correlation of a[i] and b[i + shift] over all i both have; 0 below half a second or in silence. */
static double correlate(const struct sums *a, const struct sums *b, long shift)
{
	size_t a0 = shift < 0 ? (size_t)-shift : 0, b0 = shift > 0 ? (size_t)shift : 0;
	if (a0 >= a->s->n || b0 >= b->s->n)
		return 0;
	size_t na = a->s->n - a0, nb = b->s->n - b0, n = na < nb ? na : nb;
	if (n < a->s->rate / 2)
		return 0;
	double count = (double)n, sa = a->sum[a0 + n] - a->sum[a0], sb = b->sum[b0 + n] - b->sum[b0];
	double va = a->square[a0 + n] - a->square[a0] - sa * sa / count;
	double vb = b->square[b0 + n] - b->square[b0] - sb * sb / count;
	if (va <= 1e-9 || vb <= 1e-9)
		return 0;
	return (products(a->s->samples + a0, b->s->samples + b0, n) - sa * sb / count) / sqrt(va * vb);
}

static struct sound averaged(const struct sound *s, size_t block)
{
	struct sound out = {.n = s->n / block, .rate = s->rate / (unsigned)block};
	out.samples = calloc(out.n ? out.n : 1, sizeof *out.samples);
	for (size_t i = 0; out.samples && i < out.n; i++)
		for (size_t k = 0; k < block; k++)
			out.samples[i] += s->samples[i * block + k] / (float)block;
	if (!out.samples)
		out.n = 0;
	return out;
}

/* The shift within from..to at which they fit best; *best stays 0 without memory. */
static long best_shift(const struct sound *a, const struct sound *b, long from, long to, double *best)
{
	struct sums ua = {0}, ub = {0};
	long at = 0;
	*best = 0;
	if (sums_make(&ua, a) == 0 && sums_make(&ub, b) == 0)
		for (long shift = from; shift <= to; shift++) {
			double c = correlate(&ua, &ub, shift);
			if (c > *best)
				*best = c, at = shift;
		}
	sums_free(&ua);
	sums_free(&ub);
	return at;
}

void hear_compare(const struct sound *a, const struct sound *b, unsigned max_delay_ms, struct hear_verdict *out)
{
	memset(out, 0, sizeof *out);
	if (!a->n || !b->n || a->rate != b->rate)
		return;
	double rate = (double)a->rate;
	out->length_difference_ms = ((double)b->n - (double)a->n) * 1000 / rate;
	size_t block = a->rate > COARSE_RATE ? a->rate / COARSE_RATE : 1;
	struct sound ca = averaged(a, block), cb = averaged(b, block);
	long reach = (long)(max_delay_ms * (double)ca.rate / 1000);
	double best;
	long coarse = best_shift(&ca, &cb, -reach, reach, &best) * (long)block;
	hear_free(&ca);
	hear_free(&cb);
	long fine = best_shift(a, b, coarse - (long)block, coarse + (long)block, &best);
	out->delay_ms = (double)fine * 1000 / rate;
	out->correlation = best;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hear.h - whether two recordings say the same: their lengths, and their correlation once one is shifted onto the
 * other. Pure but for hear_load, which reads a WAV file by libsndfile.
 */
#ifndef MCX_TOOL_HEAR_H
#define MCX_TOOL_HEAR_H

#include <stddef.h>

struct sound {
	float *samples; /* mono, -1..1 */
	size_t n;
	unsigned rate; /* per second */
};

/* Channels are averaged. 0, or -1 and a sentence in err. */
int hear_load(const char *path, struct sound *out, char *err, size_t err_size);
void hear_free(struct sound *s);

struct hear_verdict {
	double length_difference_ms; /* b longer than a: positive */
	double delay_ms;             /* b begins that much later */
	double correlation; /* Pearson's, over the part both have; 0 if either is silent or shorter than 0.5 s */
};

/* Looks for the best shift up to max_delay_ms either way. Both must have the same rate (else correlation 0). */
void hear_compare(const struct sound *a, const struct sound *b, unsigned max_delay_ms, struct hear_verdict *out);

#endif

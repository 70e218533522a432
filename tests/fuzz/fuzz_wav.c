/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_wav.c - a sound file: `mcx call` sends one, the main job compares two.
 *
 * Invariants: a file that is refused says why and leaves nothing; one that is read has at most WAV_MAX_SECONDS of
 * samples at WAV_RATE, or, for the comparison, only finite ones.
 */
#include <math.h>

#include "memfile.h"
#include "tool/demo/hear.h"
#include "ue/wav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[256] = "";
	struct wav w;
	struct sound s;
	const char *path = memfile(data, size);
	if (wav_load(&w, path, err, sizeof err) == 0) {
		HOLDS(w.samples && w.n <= (size_t)WAV_MAX_SECONDS * WAV_RATE + WAV_RATE);
		wav_unload(&w);
	} else {
		HOLDS(err[0] && strlen(err) < sizeof err);
	}
	err[0] = 0;
	if (hear_load(path, &s, err, sizeof err) == 0) {
		for (size_t i = 0; i < s.n; i++)
			HOLDS(isfinite(s.samples[i]));
		hear_free(&s);
	} else {
		HOLDS(err[0]);
	}
	return 0;
}

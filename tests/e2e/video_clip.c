/* SPDX-License-Identifier: Apache-2.0 */
/*
 * video_clip.c - a moving picture for whole-process tests, made and looked at by a real codec (moving_picture.h).
 *
 *	video_clip make FILE PICTURES      encodes that many pictures, 10 a second
 *	video_clip look FILE PICTURES      decodes them again: exit 0 if each is like the one that was drawn
 */
#include <stdio.h>

#include "interop/moving_picture.h"

enum { LIKE_DB = 25 };

static int make(const char *path, unsigned n)
{
	struct octets clip = picture_encode(n);
	FILE *f = clip.p ? fopen(path, "wb") : NULL;
	int ok = f && fwrite(clip.p, clip.len, 1, f) == 1;
	return f && fclose(f) == 0 && ok ? 0 : 1;
}

static int look(const char *path, unsigned n)
{
	static uint8_t all[8 << 20];
	double worst = 0;
	FILE *f = fopen(path, "rb");
	size_t len = f ? fread(all, 1, sizeof all, f) : 0;
	unsigned shown = picture_decode((struct octets){all, len}, &worst);
	if (f)
		fclose(f);
	printf("%u pictures, the worst %.1f dB like what was drawn\n", shown, worst);
	return shown == n && worst > LIKE_DB ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	unsigned n = (unsigned)strtoul(argv[3], NULL, 10);
	return strcmp(argv[1], "make") == 0 ? make(argv[2], n) : look(argv[2], n);
}

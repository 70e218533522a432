/* SPDX-License-Identifier: Apache-2.0 */
/* video_file.c - see video_file.h. */
#include "ue/video_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mcx/media/h264.h"

static uint8_t *read_all(int fd, size_t size)
{
	uint8_t *all = malloc(size);
	size_t n = 0;
	while (all && n < size) {
		ssize_t got = read(fd, all + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	if (n == size)
		return all;
	free(all);
	return NULL;
}

int video_clip_load(struct video_clip *c, const char *path, char *err, size_t err_size)
{
	struct stat st;
	*c = (struct video_clip){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int fits = S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= VIDEO_FILE_MAX;
	size_t size = fits ? (size_t)st.st_size : 0;
	uint8_t *all = fits ? read_all(fd, size) : NULL;
	close(fd);
	if (all)
		*c = (struct video_clip){{all, size}, h264_units((struct octets){all, size})};
	if (c->pictures)
		return 0;
	snprintf(err, err_size, "%s: no H.264 byte stream of at most %d MiB that can be sent", path,
		 VIDEO_FILE_MAX / (1024 * 1024));
	video_clip_unload(c);
	return -1;
}

void video_clip_unload(struct video_clip *c)
{
	free((uint8_t *)(uintptr_t)c->stream.p);
	*c = (struct video_clip){0};
}

struct video_writer {
	FILE *file;
	int failed;
};

struct video_writer *video_create(const char *path, char *err, size_t err_size)
{
	struct video_writer *w = calloc(1, sizeof *w);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* what was seen is nobody else's */
	if (w && fd >= 0 && fchmod(fd, 0600) == 0)
		w->file = fdopen(fd, "w");
	if (w && w->file)
		return w;
	snprintf(err, err_size, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(w);
	return NULL;
}

int video_append(struct video_writer *w, struct octets nal)
{
	static const uint8_t start_code[] = {0, 0, 0, 1};
	if (fwrite(start_code, sizeof start_code, 1, w->file) != 1 || fwrite(nal.p, nal.len, 1, w->file) != 1)
		w->failed = 1;
	return w->failed ? -1 : 0;
}

int video_close(struct video_writer *w)
{
	if (!w)
		return 0;
	int failed = fclose(w->file) != 0 || w->failed;
	free(w);
	return failed ? -1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * video_file.h - H.264 in a file (ITU-T H.264 annex B): a clip that is read whole, and a recording of NAL units, each
 * behind a start code of four octets.
 */
#ifndef MCX_UE_VIDEO_FILE_H
#define MCX_UE_VIDEO_FILE_H

#include "sec/base/bytes.h"

enum { VIDEO_FILE_MAX = 256 * 1024 * 1024 };

struct video_clip {
	struct octets stream;
	size_t pictures; /* access units */
};

/* 0, or -1 and a sentence in err: no file, too long, or not such a stream. */
int video_clip_load(struct video_clip *c, const char *path, char *err, size_t err_size);
void video_clip_unload(struct video_clip *c);

struct video_writer;

/* For its owner's eyes (0600). NULL and a sentence in err. */
struct video_writer *video_create(const char *path, char *err, size_t err_size);
/* 0 or -1. */
int video_append(struct video_writer *w, struct octets nal);
/* 0, or -1 when anything could not be written. NULL is allowed. */
int video_close(struct video_writer *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* memfile.h - octets as a file with a name, in memory: for parsers that want a path. */
#ifndef FUZZ_MEMFILE_H
#define FUZZ_MEMFILE_H

#include <fcntl.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

static char memfile_path[64];

static inline void memfile_remove(void)
{
	unlink(memfile_path);
}

/* The same file each time, with new contents. */
static inline const char *memfile(const void *data, size_t size)
{
	static int fd = -1;
	if (fd < 0) {
		snprintf(memfile_path, sizeof memfile_path, "/dev/shm/mcx-fuzz-file-XXXXXX");
		fd = mkstemp(memfile_path);
		atexit(memfile_remove);
	}
	HOLDS(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	return memfile_path;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h - a folder of its own for a test that needs files; removed with what is in it. */
#ifndef MCX_TEST_SCRATCH_H
#define MCX_TEST_SCRATCH_H

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/test.h"

struct scratch {
	char dir[64];
	char path[400];
};

static inline void scratch_make(struct scratch *s)
{
	snprintf(s->dir, sizeof s->dir, "/tmp/mcx-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
}

/* Lives until the next call. */
static inline const char *scratch_path(struct scratch *s, const char *name)
{
	snprintf(s->path, sizeof s->path, "%s/%s", s->dir, name);
	return s->path;
}

static inline void scratch_remove(struct scratch *s)
{
	DIR *d = opendir(s->dir);
	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		if (e->d_name[0] != '.')
			unlink(scratch_path(s, e->d_name));
	if (d)
		closedir(d);
	rmdir(s->dir);
}

#endif

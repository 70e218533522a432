/* SPDX-License-Identifier: Apache-2.0 */
/* check_waived.c - which checks are waived; part of builds with -Dbite=true alone (check.h). */
#include "sec/base/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *waived, *seen;

/* Before main: mcx-kms empties its environment. */
__attribute__((constructor)) static void read_environment(void)
{
	const char *w = getenv("MCX_BITE"), *s = getenv("MCX_BITE_SEEN");
	waived = w ? strdup(w) : NULL;
	seen = s ? strdup(s) : NULL;
}

/* One write of one line: the lines of several threads and processes do not mix. */
static void note(const char *name)
{
	char line[160];
	size_t n = strnlen(name, sizeof line - 1);
	int fd = seen ? open(seen, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	memcpy(line, name, n);
	line[n++] = '\n';
	if (write(fd, line, n) < 0)
		abort();
	close(fd);
}

int mcx_check_waived(const char *name)
{
	static const char prefix[] = "bite:";
	if (strncmp(name, prefix, sizeof prefix - 1) == 0)
		name += sizeof prefix - 1;
	note(name);
	for (const char *at = waived; at && *at;) {
		size_t n = strcspn(at, "+");
		if (strlen(name) == n && memcmp(at, name, n) == 0)
			return 1;
		at += n + (at[n] == '+');
	}
	return 0;
}

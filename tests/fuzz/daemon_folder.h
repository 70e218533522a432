/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_folder.h - a folder in memory for a daemon's database and keys; gone with the process's end. */
#ifndef FUZZ_DAEMON_FOLDER_H
#define FUZZ_DAEMON_FOLDER_H

#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

static char daemon_folder[32];

static inline void daemon_folder_remove(void)
{
	char command[96];
	snprintf(command, sizeof command, "rm -rf %s", daemon_folder);
	(void)!system(command);
}

static inline void daemon_folder_make(void)
{
	snprintf(daemon_folder, sizeof daemon_folder, "/dev/shm/mcx-fuzz-XXXXXX");
	HOLDS(mkdtemp(daemon_folder));
	atexit(daemon_folder_remove);
}

/* "FOLDER/name" into a field of a configuration. */
#define daemon_path(field, name) snprintf(field, sizeof field, "%s/%s", daemon_folder, name)

static inline void daemon_file(const char *name, const char *text)
{
	char path[128];
	daemon_path(path, name);
	FILE *f = fopen(path, "w");
	HOLDS(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, 0600) == 0);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_processes.h - the processes of a running mcx-kms, and a search of their memory (root).
 */
#ifndef MCX_TEST_KMS_PROCESSES_H
#define MCX_TEST_KMS_PROCESSES_H

#include <dirent.h>

#include "e2e/kms_lab.h"

/* The one child of a process; 0 when it has none (yet). */
static inline pid_t kp_child(pid_t parent)
{
	char path[64], line[256];
	pid_t found = 0;
	if (parent <= 0)
		return 0; /* the children of 0 are the machine's own */
	DIR *d = opendir("/proc");
	for (struct dirent *e = readdir(d); e && !found; e = readdir(d)) {
		int pid = atoi(e->d_name), ppid = 0;
		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		FILE *f = pid > 0 ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		char *end = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
		char kind = 'Z';
		if (end && sscanf(end + 1, " %c %d", &kind, &ppid) == 2 && ppid == parent && kind != 'Z')
			found = pid;
		fclose(f);
	}
	closedir(d);
	return found;
}

static inline pid_t kp_keeper(const struct kms_lab *k)
{
	return kp_child(k->pid);
}

static inline pid_t kp_issuer(const struct kms_lab *k)
{
	return kp_child(kp_keeper(k));
}

/* Never a group of processes, which 0 would mean. */
static inline void kp_kill(pid_t pid)
{
	assert_true(pid > 1);
	kill(pid, SIGKILL);
}

/* A number of /proc/PID/status, -1 if the process is gone. */
static inline long kp_status(pid_t pid, const char *key)
{
	char path[64], line[256];
	long value = -1;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			value = strtol(line + strlen(key) + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* Waits for a condition, a minute at most. */
#define kp_until(condition)                                                                                            \
	do {                                                                                                           \
		for (int kp_tries = 0; !(condition); kp_tries++) {                                                     \
			assert_true(kp_tries < 6000);                                                                  \
			usleep(10000);                                                                                 \
		}                                                                                                      \
	} while (0)

/* How often these octets stand in the readable memory of a process; -1 if it cannot be read. */
static inline int kp_memory_holds(pid_t pid, const void *what, size_t n)
{
	enum { CHUNK = 1 << 20, KEEP = 256 };
	static char buf[CHUNK + KEEP];
	char path[64], line[512], mode[8];
	int hits = 0, any = 0;
	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	int mem = open(path, O_RDONLY);
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "r");
	while (mem >= 0 && maps && fgets(line, sizeof line, maps)) {
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[0] != 'r' || strstr(line, "[v"))
			continue;
		for (size_t kept = 0; from < to;) {
			size_t want = to - from < CHUNK ? to - from : CHUNK;
			ssize_t got = pread(mem, buf + kept, want, (off_t)from);
			if (got <= 0)
				break;
			any = 1;
			size_t len = kept + (size_t)got;
			for (char *at = buf; (at = memmem(at, len - (size_t)(at - buf), what, n)); at++)
				hits++;
			kept = len < n - 1 ? len : n - 1;
			memmove(buf, buf + len - kept, kept);
			from += (unsigned long)got;
		}
	}
	if (maps)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	memset(buf, 0, sizeof buf);
	return any ? hits : -1;
}

#endif

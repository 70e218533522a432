/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seek.c - looks for many octet strings at once in the memory of processes and in files: one pass over each.
 *
 *	seek WHAT... < NEEDLES        WHAT: /proc/PID, or a file; NEEDLES: one hex string a line, 12 octets or more
 *
 * Prints `WHAT<TAB>octets looked at<TAB>regions that could not be read`, then `WHAT<TAB>line of the needle` for each
 * needle that is there. A process's memory is read region by region through /proc/PID/mem, secret memory marked as such:
 * a hit there is `WHAT<TAB>line<TAB>secret`, elsewhere `...<TAB>plain`.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NEEDLES = 4096, MAX_LEN = 5000, CHUNK = 1 << 22, HASH = 1 << 16 };

static struct needle {
	uint8_t *p;
	size_t len;
	int next; /* of the same first two octets */
	uint8_t plain, secret;
} needles[MAX_NEEDLES];
static size_t n_needles;
static int first[HASH];
static uint8_t buf[CHUNK + MAX_LEN];

static void read_needles(void)
{
	static char line[2 * MAX_LEN + 3];
	memset(first, -1, sizeof first);
	while (n_needles < MAX_NEEDLES && fgets(line, sizeof line, stdin)) {
		struct needle *n = &needles[n_needles];
		size_t len = strcspn(line, "\n") / 2;
		n->p = malloc(len + 1);
		for (size_t i = 0; n->p && i < len; i++) {
			unsigned v = 0;
			if (sscanf(line + 2 * i, "%2x", &v) != 1)
				exit(2);
			n->p[i] = (uint8_t)v;
		}
		if (!n->p || len < 12 || len >= MAX_LEN)
			exit(2);
		n->len = len;
		int h = n->p[0] << 8 | n->p[1];
		n->next = first[h];
		first[h] = (int)n_needles++;
	}
}

static void look(const uint8_t *p, size_t n, int secret)
{
	for (size_t at = 0; at + 12 <= n; at++)
		for (int i = first[p[at] << 8 | p[at + 1]]; i >= 0; i = needles[i].next)
			if (needles[i].len <= n - at && memcmp(p + at, needles[i].p, needles[i].len) == 0)
				*(secret ? &needles[i].secret : &needles[i].plain) = 1;
}

/* From `at` to `end` of this descriptor, with overlap. Returns what was read; 0 at the first failure. */
static uint64_t range(int fd, uint64_t at, uint64_t end, int secret)
{
	uint64_t all = 0;
	size_t kept = 0;
	while (at < end) {
		size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = pread(fd, buf + kept, want, (off_t)at);
		if (n <= 0)
			break;
		look(buf, kept + (size_t)n, secret);
		at += (uint64_t)n;
		all += (uint64_t)n;
		size_t have = kept + (size_t)n;
		kept = have < MAX_LEN ? have : MAX_LEN;
		memmove(buf, buf + have - kept, kept);
	}
	return all;
}

/* Secret memory is what a core would leave out although it can be written: VmFlags with dd and wr. */
static void process(const char *what)
{
	char path[64], line[600];
	unsigned long long from = 0, to = 0, all = 0;
	unsigned unreadable = 0;
	char perms[8] = "";
	snprintf(path, sizeof path, "%s/mem", what);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s/smaps", what);
	FILE *maps = fopen(path, "re");
	while (fd >= 0 && maps && fgets(line, sizeof line, maps)) {
		unsigned long long a, b; /* other lines may begin like a number */
		if (sscanf(line, "%llx-%llx %7s", &a, &b, perms) == 3) {
			from = a;
			to = b;
			continue;
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || from >> 63 || strstr(line, " io"))
			continue;
		uint64_t n = range(fd, from, to, strstr(line, " dd") && strstr(line, " wr"));
		all += n;
		unreadable += n == 0;
	}
	printf("%s\t%llu\t%u\n", what, all, unreadable);
	if (maps)
		fclose(maps);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	read_needles();
	for (int a = 1; a < argc; a++) {
		for (size_t i = 0; i < n_needles; i++)
			needles[i].plain = needles[i].secret = 0;
		if (strncmp(argv[a], "/proc/", 6) == 0) {
			process(argv[a]);
		} else {
			int fd = open(argv[a], O_RDONLY | O_CLOEXEC);
			printf("%s\t%llu\t%d\n", argv[a],
			       (unsigned long long)(fd < 0 ? 0 : range(fd, 0, UINT64_MAX, 0)), fd < 0);
			if (fd >= 0)
				close(fd);
		}
		for (size_t i = 0; i < n_needles; i++) {
			if (needles[i].plain)
				printf("%s\t%zu\tplain\n", argv[a], i);
			if (needles[i].secret)
				printf("%s\t%zu\tsecret\n", argv[a], i);
		}
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - the search itself, and its run as a child with root's rights. Needles travel as hex lines on the child's
 * standard input; its answer is one line of numbers.
 */
#include "tool/demo/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/commands.h"

enum { CHUNK = 1 << 20, LONGEST_NEEDLE = 256 };

static void search_chunk(const uint8_t *p, size_t len, size_t fresh, const struct octets *needles, size_t n,
			 struct memory_result *out)
{
	/* `fresh` octets at the end are new; what ends before them was counted with the chunk before. */
	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = p, *end = p + len;
		while ((at = memmem(at, (size_t)(end - at), needles[i].p, needles[i].len)) != NULL) {
			if (at + needles[i].len > end - fresh)
				out->hits[i]++;
			at++;
		}
	}
}

static int search_region(int fd, uint64_t from, uint64_t to, uint8_t *buf, const struct octets *needles, size_t n,
			 struct memory_result *out)
{
	size_t kept = 0;
	int any = 0;
	while (from < to) {
		size_t want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t got = pread(fd, buf + kept, want, (off_t)from);
		if (got <= 0)
			break;
		any = 1;
		out->octets += (uint64_t)got;
		search_chunk(buf, kept + (size_t)got, (size_t)got, needles, n, out);
		size_t len = kept + (size_t)got;
		kept = len < LONGEST_NEEDLE ? len : LONGEST_NEEDLE;
		memmove(buf, buf + len - kept, kept);
		from += (uint64_t)got;
	}
	return any ? 0 : -1;
}

int memory_search(pid_t pid, const struct octets *needles, size_t n, struct memory_result *out)
{
	char path[64], line[512];
	memset(out, 0, sizeof *out);
	snprintf(path, sizeof path, "/proc/%ld/mem", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
	FILE *maps = fd >= 0 ? fopen(path, "re") : NULL;
	uint8_t *buf = maps ? malloc(CHUNK + LONGEST_NEEDLE) : NULL;
	int rc = buf ? 0 : -1;
	while (rc == 0 && fgets(line, sizeof line, maps)) {
		uint64_t from, to;
		char mode[8];
		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote these addresses */
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, mode) != 3 || mode[0] != 'r' ||
		    strstr(line, "[vvar") || strstr(line, "[vsyscall]"))
			continue;
		out->regions++;
		if (search_region(fd, from, to, buf, needles, n, out))
			out->unreadable++;
	}
	if (buf) {
		mcsec_wipe(buf, CHUNK + LONGEST_NEEDLE);
		free(buf);
	}
	if (maps)
		fclose(maps);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- as a program: mcx memory PID < needles ---- */

static size_t read_needles(FILE *in, uint8_t (*store)[LONGEST_NEEDLE], struct octets *needles)
{
	char line[2 * LONGEST_NEEDLE + 2];
	size_t n = 0, len;
	while (n < MEMORY_NEEDLES && fgets(line, sizeof line, in)) {
		line[strcspn(line, "\n")] = '\0';
		if (hex_decode(line, strlen(line), store[n], LONGEST_NEEDLE, &len) || len < MEMORY_MIN_NEEDLE)
			return 0;
		needles[n] = (struct octets){store[n], len};
		n++;
	}
	mcsec_wipe(line, sizeof line);
	return n;
}

int cmd_memory(const struct tool_command *c, int argc, char **argv)
{
	int rc = tool_parse(c, NULL, 0, &argc, argv, 1, 1);
	if (rc >= 0)
		return rc;
	uint8_t(*store)[LONGEST_NEEDLE] = mcsec_secret_alloc(MEMORY_NEEDLES * LONGEST_NEEDLE);
	struct octets needles[MEMORY_NEEDLES];
	struct memory_result r = {0};
	size_t n = store ? read_needles(stdin, store, needles) : 0;
	if (!n)
		rc = tool_fail(c, TOOL_USAGE, NULL,
			       "no needles: hex lines of 12 to 256 octets are read from standard input");
	else if (memory_search((pid_t)strtol(argv[0], NULL, 10), needles, n, &r))
		rc = tool_fail(c, TOOL_FAILED, "run as root", "process %s: %s", argv[0], strerror(errno));
	else
		rc = TOOL_OK;
	if (rc == TOOL_OK) {
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64, r.octets, r.regions, r.unreadable);
		for (size_t i = 0; i < n; i++)
			printf(" %" PRIu64, r.hits[i]);
		putchar('\n');
	}
	mcsec_secret_free(store);
	return rc;
}

/* ---- its caller ---- */

static void run_child(pid_t pid, int in, int out)
{
	char number[24];
	snprintf(number, sizeof number, "%ld", (long)pid);
	dup2(in, 0);
	dup2(out, 1);
	char self[4096] = "";
	if (readlink("/proc/self/exe", self, sizeof self - 1) > 0) {
		if (geteuid() == 0)
			execl(self, self, "memory", number, (char *)NULL);
		else
			execlp("sudo", "sudo", "-n", self, "memory", number, (char *)NULL);
	}
	_exit(127);
}

static int send_needles(int fd, const struct octets *needles, size_t n)
{
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		char hex[2 * LONGEST_NEEDLE + 2];
		hex_encode(needles[i], hex);
		size_t len = strlen(hex);
		hex[len++] = '\n';
		rc = write(fd, hex, len) == (ssize_t)len ? 0 : -1;
		mcsec_wipe(hex, sizeof hex);
	}
	close(fd);
	return rc;
}

static int read_answer(FILE *f, size_t n, struct memory_result *out)
{
	memset(out, 0, sizeof *out);
	int good =
	    /* NOLINTNEXTLINE(cert-err34-c): what our own process wrote */
	    f && fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &out->octets, &out->regions, &out->unreadable) == 3;
	for (size_t i = 0; good && i < n; i++)
		/* NOLINTNEXTLINE(cert-err34-c): what our own process wrote */
		good = fscanf(f, " %" SCNu64, &out->hits[i]) == 1;
	return good ? 0 : -1;
}

int memory_search_as_root(pid_t pid, const struct octets *needles, size_t n, struct memory_result *out, char *err,
			  size_t err_size)
{
	int to[2], from[2], status = 0;
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
		snprintf(err, err_size, "%s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	pid_t child = fork();
	if (child == 0)
		run_child(pid, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	int sent = send_needles(to[1], needles, n);
	FILE *f = fdopen(from[0], "r");
	int rc = read_answer(f, n, out);
	if (f)
		fclose(f);
	if (child > 0)
		waitpid(child, &status, 0);
	if (rc || sent || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		snprintf(err, err_size,
			 "the memory of process %ld could not be read (root or password-less sudo is needed)",
			 (long)pid);
		return -1;
	}
	return 0;
}

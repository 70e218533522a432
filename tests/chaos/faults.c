/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.c - preloaded into a daemon under test: a machine that fails on demand, each fault ruled by a small file.
 *
 * MCX_CLOCK_FILE: the wall clock is off by as many seconds as the file says (a signed decimal number); the steady
 * clocks stay true, as they do when an operator or a time server sets the clock. MCX_READONLY_FILE: while it begins
 * with 1, what SQLite does to change a file ends in EROFS, as on a file system the kernel made read-only; the log, on
 * standard error, goes on.
 */
/* Both names of each call are defined here; with 64-bit offsets by default they would be one. */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static char clock_file[256], readonly_file[256];

static void keep(const char *variable, char *out, size_t size)
{
	const char *path = getenv(variable);
	snprintf(out, size, "%s", path ? path : "");
}

/* Before main: a daemon may empty its environment, and close what it did not open. */
__attribute__((constructor)) static void begin(void)
{
	keep("MCX_CLOCK_FILE", clock_file, sizeof clock_file);
	keep("MCX_READONLY_FILE", readonly_file, sizeof readonly_file);
}

/* The number in the file; 0 without one. errno stays. */
static long ruled_by(const char *path)
{
	char text[32];
	int saved = errno, fd = *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : 0;
	if (fd >= 0)
		close(fd);
	errno = saved;
	text[n > 0 ? n : 0] = 0;
	return atol(text);
}

static long off_s(void)
{
	return ruled_by(clock_file);
}

static int read_only(void)
{
	if (ruled_by(readonly_file) != 1)
		return 0;
	errno = EROFS;
	return 1;
}

/* SQLite writes with write() where it was built so: any regular file but the log, which is standard error. */
__attribute__((visibility("default"))) ssize_t write(int fd, const void *p, size_t n)
{
	struct stat st;
	if (fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read_only())
		return -1;
	return (ssize_t)syscall(SYS_write, (long)fd, (long)p, (long)n);
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return read_only() ? -1 : (ssize_t)syscall(SYS_pwrite64, (long)fd, (long)p, (long)n, (long)at);
}

__attribute__((visibility("default"))) ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return read_only() ? -1 : (ssize_t)syscall(SYS_pwrite64, (long)fd, (long)p, (long)n, (long)at);
}

__attribute__((visibility("default"))) int ftruncate(int fd, off_t size)
{
	return read_only() ? -1 : (int)syscall(SYS_ftruncate, (long)fd, (long)size);
}

__attribute__((visibility("default"))) int ftruncate64(int fd, off64_t size)
{
	return read_only() ? -1 : (int)syscall(SYS_ftruncate, (long)fd, (long)size);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, (long)id, (long)t);
	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += off_s();
	return rc;
}

__attribute__((visibility("default"))) time_t time(time_t *out)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec t;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	*tv = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_trace.c - preloaded into a daemon or a client: the (CSK-ID, SSRC, index) of each SRTCP packet it sends is
 * written to the file that MCX_CONTROL_TRACE names, before the packet leaves.
 *
 * All three stand in clear in the packet (media 3.4): SSRC in octets 4 to 7, the index and the MKI in the last eight.
 * One write of 12 octets to a file opened for appending is whole or not there, also when the process is killed. The
 * product knows nothing of it.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char path[256];

/* Before main: a daemon may empty its environment, and close what it did not open. */
__attribute__((constructor)) static void begin(void)
{
	const char *given = getenv("MCX_CONTROL_TRACE");
	snprintf(path, sizeof path, "%s", given ? given : "");
}

/* An APP packet under SRTCP: header, ciphertext, tag, E and index, MKI of a CSK. */
static void look(const uint8_t *p, size_t n)
{
	uint8_t triple[12];
	if (!path[0] || n < 8 + 16 + 8 || p[0] >> 6 != 2 || p[1] != 204 || !(p[n - 8] & 0x80) || p[n - 4] >> 4 != 2)
		return;
	memcpy(triple, p + n - 4, 4);
	memcpy(triple + 4, p + 4, 4);
	memcpy(triple + 8, p + n - 8, 4);
	int trace = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (trace < 0 || write(trace, triple, sizeof triple) != (ssize_t)sizeof triple)
		abort(); /* a test that cannot see proves nothing */
	close(trace);
}

__attribute__((visibility("default"))) ssize_t send(int fd, const void *p, size_t n, int flags)
{
	static ssize_t (*real)(int, const void *, size_t, int);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "send");
	look(p, n);
	return real(fd, p, n, flags);
}

__attribute__((visibility("default"))) ssize_t sendto(int fd, const void *p, size_t n, int flags,
						      const struct sockaddr *to, socklen_t to_len)
{
	static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sendto");
	look(p, n);
	return real(fd, p, n, flags, to, to_len);
}

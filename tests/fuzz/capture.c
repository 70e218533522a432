/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.c - records what a client of the domain says and hears, before TLS and after it: where the corpora of the
 * fuzz targets come from. Preloaded into `mcx demo` by cut_corpus.py; the domain it runs against is thrown away.
 *
 * Each record is a file in $CAPTURE: a number, the process and the connection, then "w" (written to TLS), "r" (read
 * from it) or "u" (an RTP or RTCP datagram sent).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int SSL_write(void *ssl, const void *octets, int n);
int SSL_read(void *ssl, void *octets, int n);

static void record(const void *channel, const char *kind, const void *octets, size_t n)
{
	static int number;
	const char *folder = getenv("CAPTURE");
	char path[512];
	if (!folder)
		return;
	snprintf(path, sizeof path, "%s/%06d-%d.%p-%s", folder, __sync_add_and_fetch(&number, 1), (int)getpid(),
		 channel, kind);
	FILE *f = fopen(path, "w");
	if (f) {
		fwrite(octets, 1, n, f);
		fclose(f);
	}
}

int SSL_write(void *ssl, const void *octets, int n)
{
	int (*real)(void *, const void *, int) = (int (*)(void *, const void *, int))dlsym(RTLD_NEXT, "SSL_write");
	record(ssl, "w", octets, (size_t)n);
	return real(ssl, octets, n);
}

int SSL_read(void *ssl, void *octets, int n)
{
	int (*real)(void *, void *, int) = (int (*)(void *, void *, int))dlsym(RTLD_NEXT, "SSL_read");
	int got = real(ssl, octets, n);
	if (got > 0)
		record(ssl, "r", octets, (size_t)got);
	return got;
}

ssize_t send(int fd, const void *octets, size_t n, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int) =
	    (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
	if (n > 12 && n < 2048 && (*(const unsigned char *)octets & 0xc0) == 0x80)
		record(NULL, "u", octets, n);
	return real(fd, octets, n, flags);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_copy.c - clear copies of what the SIP port of a test's process sends and gets, for tshark to read.
 *
 * It stands before OpenSSL's SSL_read and SSL_write as the SIP library calls them, and only in a program of the tests
 * that is linked with it: no daemon and no library of ours can write such a file. Each piece goes to the file that
 * MCX_SIP_COPY names: a line `sent|recv CONNECTION OCTETS`, then the octets.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void copy(const char *way, const SSL *ssl, const void *octets, int n)
{
	const char *path = getenv("MCX_SIP_COPY");
	if (n <= 0 || !path)
		return;
	pthread_mutex_lock(&lock);
	FILE *f = fopen(path, "ae");
	if (f) {
		fprintf(f, "%s %p %d\n", way, (const void *)ssl, n);
		fwrite(octets, 1, (size_t)n, f);
		fclose(f);
	}
	pthread_mutex_unlock(&lock);
}

static int by_sofia(const void *return_address)
{
	Dl_info info;
	return dladdr(return_address, &info) && info.dli_fname && strstr(info.dli_fname, "libsofia-sip-ua");
}

static void next_symbol(const char *name, void *pointer, size_t size)
{
	void *found = dlsym(RTLD_NEXT, name);
	memcpy(pointer, &found, size);
}

__attribute__((visibility("default"))) int SSL_write(SSL *ssl, const void *buf, int num)
{
	static int (*real)(SSL *, const void *, int);
	if (!real)
		next_symbol("SSL_write", &real, sizeof real);
	int n = real ? real(ssl, buf, num) : -1;
	if (by_sofia(__builtin_return_address(0)))
		copy("sent", ssl, buf, n);
	return n;
}

__attribute__((visibility("default"))) int SSL_read(SSL *ssl, void *buf, int num)
{
	static int (*real)(SSL *, void *, int);
	if (!real)
		next_symbol("SSL_read", &real, sizeof real);
	int n = real ? real(ssl, buf, num) : -1;
	if (by_sofia(__builtin_return_address(0)))
		copy("recv", ssl, buf, n);
	return n;
}

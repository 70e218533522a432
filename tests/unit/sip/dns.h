/* SPDX-License-Identifier: Apache-2.0 */
/* dns.h - a name server for tests: every A question is answered 127.0.0.1, everything else with "no such data". */
#ifndef TEST_DNS_H
#define TEST_DNS_H

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/test.h"

struct dns {
	int fd;
	pthread_t thread;
	char conf[64]; /* a resolv.conf that names it */
};

static inline void *dns_thread(void *arg)
{
	struct dns *d = arg;
	uint8_t q[512];
	struct sockaddr_in from;
	for (;;) {
		socklen_t len = sizeof from;
		ssize_t n = recvfrom(d->fd, q, sizeof q - 16, 0, (struct sockaddr *)&from, &len);
		if (n < 17)
			return NULL; /* a short datagram is the sign to end */
		size_t at = 12;
		while (at < (size_t)n && q[at])
			at += q[at] + 1u;
		at++;
		int a = q[at + 1] == 1;
		at += 4;
		q[2] = 0x84;
		q[3] = 0;
		q[7] = (uint8_t)a;
		q[9] = q[11] = 0;
		static const uint8_t answer[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1};
		if (a) {
			memcpy(q + at, answer, sizeof answer);
			at += sizeof answer;
		}
		sendto(d->fd, q, at, 0, (struct sockaddr *)&from, len);
	}
}

static inline void dns_start(struct dns *d, const char *dir)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	d->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(d->fd, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(d->fd, (struct sockaddr *)&a, &len);
	snprintf(d->conf, sizeof d->conf, "%s/resolv.conf", dir);
	FILE *f = fopen(d->conf, "w");
	assert_non_null(f);
	fprintf(f, "nameserver 127.0.0.1\nport %u\n", ntohs(a.sin_port));
	fclose(f);
	assert_int_equal(pthread_create(&d->thread, NULL, dns_thread, d), 0);
}

static inline void dns_stop(struct dns *d)
{
	struct sockaddr_in a;
	socklen_t len = sizeof a;
	getsockname(d->fd, (struct sockaddr *)&a, &len);
	sendto(d->fd, "x", 1, 0, (struct sockaddr *)&a, len);
	pthread_join(d->thread, NULL);
	close(d->fd);
}

#endif

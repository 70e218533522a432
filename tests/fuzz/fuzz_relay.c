/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_relay.c - datagrams through the media relay, over loopback sockets. The relay reads nothing of them but where
 * they come from: that is what is shown.
 *
 * Invariants: a datagram of a party arrives at the other end octet for octet, up to RELAY_MAX_PACKET, and a longer one
 * not at all; a stranger's never arrives; each is counted once, as what it was.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "net/relay.h"

static struct relay *relay;
static int a, b, stranger;
static struct sockaddr_in door; /* where a's datagrams go in */

static int open_udp(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	HOLDS(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof at) &&
	      !getsockname(fd, (struct sockaddr *)&at, &len));
	*port = ntohs(at.sin_port);
	return fd;
}

static void prepare(void)
{
	uint16_t pa, pb, ps;
	const struct relay_options o = {"127.0.0.1", 20000, 29999};
	a = open_udp(&pa), b = open_udp(&pb), stranger = open_udp(&ps);
	relay = relay_new(&o);
	struct relay_session *s = relay ? relay_open(relay, 1) : NULL;
	HOLDS(s && !relay_set_remote(s, 0, 0, "127.0.0.1", pa) && !relay_set_remote(s, 0, 1, "127.0.0.1", pb));
	door = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(relay_port(s, 0, 0)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void send_from(int fd, struct octets o)
{
	HOLDS(sendto(fd, o.p, o.len, 0, (struct sockaddr *)&door, sizeof door) == (ssize_t)o.len);
}

static void arrives(struct octets what)
{
	static uint8_t got[65536];
	ssize_t n;
	do /* the fuzzer's clock interrupts */
		n = recv(b, got, sizeof got, 0);
	while (n < 0 && errno == EINTR);
	HOLDS(n == (ssize_t)what.len && !memcmp(got, what.p, what.len));
}

static uint64_t counted(void)
{
	struct relay_stats s;
	relay_stats(relay, &s);
	return s.forwarded + s.dropped_send + s.dropped_source + s.dropped_unready;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octets in = {data, size}, last = octets_of("last");
	if (!relay)
		prepare();
	if (size > 4096)
		return 0;
	uint64_t before = counted();
	send_from(stranger, in);
	send_from(a, in);
	send_from(a, last); /* what comes first is the input, or, if that was dropped, this */
	if (size <= RELAY_MAX_PACKET)
		arrives(in);
	arrives(last);
	for (int i = 0; counted() < before + 3 && i < 10000; i++) /* the counting may end after the sending */
		nanosleep(&(struct timespec){0, 100000}, NULL);
	HOLDS(counted() == before + 3);
	return 0;
}

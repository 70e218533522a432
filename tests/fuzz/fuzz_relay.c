/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_relay.c - the media relay over loopback sockets: the datagrams, of which it reads nothing but where they come
 * from, and the addresses that a party's description gives for its media. An input is an octet of what happens to a
 * second session, its port (two octets), an address as text up to the first line end, and the datagram.
 *
 * Invariants: a datagram of a party arrives at the other end octet for octet, up to RELAY_MAX_PACKET, and a longer one
 * not at all; a stranger's never arrives; each is counted once, as what it was; an address is taken if it is numeric
 * and none of the relay's own, and what became of the second session is nothing to the first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "net/relay.h"

enum { CLOSE = 0x80, ADDRESS_MAX = 64 };

static struct relay *relay, *relay6;
static struct relay_session *first, *second;
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

static void end(void)
{
	relay_close(second);
	relay_close(NULL);
	relay_free(relay);
	relay_free(relay6);
	relay_free(NULL);
}

static void prepare(void)
{
	uint16_t pa, pb, ps;
	const struct relay_options o = {"127.0.0.1", 20000, 29999}, no_address = {"localhost", 20000, 29999},
				   o6 = {"::1", 20000, 29999}, full = {"127.0.0.1", 20001, 20001};
	a = open_udp(&pa), b = open_udp(&pb), stranger = open_udp(&ps);
	relay = relay_new(&o);
	relay6 = relay_new(&o6);
	HOLDS(!relay_new(&no_address));
	struct relay *none = relay_new(&full);
	HOLDS(none && !relay_open(none, 1));
	relay_free(none);
	first = relay ? relay_open(relay, 1) : NULL;
	HOLDS(first && !relay_set_remote(first, 0, 0, "127.0.0.1", pa) &&
	      !relay_set_remote(first, 0, 1, "127.0.0.1", pb));
	door = (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(relay_port(first, 0, 0)),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	HOLDS(!relay_open(relay, 0) && !relay_open(relay, RELAY_MAX_STREAMS + 1));
	atexit(end);
}

/* ---- the second session: whose addresses a stranger chose ---- */

static int is_address(const char *text)
{
	uint8_t in6[16];
	return inet_pton(AF_INET, text, in6) == 1 || inet_pton(AF_INET6, text, in6) == 1;
}

static int is_own(uint16_t port)
{
	for (int end_ = 0; end_ < 2; end_++) {
		uint16_t one = relay_port(first, 0, end_);
		if (port == one || port == one + 1)
			return 1;
		for (size_t i = 0; i < RELAY_MAX_STREAMS; i++) {
			uint16_t other = relay_port(second, i, end_);
			if (other && (port == other || port == other + 1))
				return 1;
		}
	}
	return 0;
}

static void take_address(unsigned how, uint16_t port, const char *text)
{
	if (!second)
		second = relay_open(relay, 1 + how % RELAY_MAX_STREAMS);
	HOLDS(second);
	size_t stream = how >> 2 & 3;
	enum mcsec_err e = relay_set_remote(second, stream, how >> 4 & 1, text, port);
	if (!relay_port(second, stream, 0) || port == 0 || port == UINT16_MAX)
		HOLDS(e == MCSEC_E_ARGUMENT);
	else if (!is_address(text))
		HOLDS(e == MCSEC_E_ENCODING);
	else
		HOLDS(e == (!strcmp(text, "127.0.0.1") && is_own(port) ? MCSEC_E_VALUE : MCSEC_OK));
	HOLDS(relay_set_remote(second, 0, 0, "127.0.0.1", relay_port(first, 0, 0)) == MCSEC_E_VALUE);
	HOLDS(relay_silent_ms(second) >= 0);
	struct relay_session *s6 = relay6 ? relay_open(relay6, 1) : NULL; /* where the machine has IPv6 */
	if (s6)
		HOLDS((relay_set_remote(s6, 0, 0, text, 9000) == MCSEC_OK) == is_address(text));
	relay_close(s6);
	if (how & CLOSE) {
		relay_close(second);
		second = NULL;
	}
}

/* ---- the first: a call that goes on ---- */

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

static struct relay_stats counted(void)
{
	struct relay_stats s;
	relay_stats(relay, &s);
	return s;
}

static uint64_t all(const struct relay_stats *s)
{
	return s->forwarded + s->dropped_send + s->dropped_source + s->dropped_unready;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octets last = octets_of("last");
	char address[ADDRESS_MAX + 1] = "";
	if (!relay)
		prepare();
	struct reader r = rd_init((struct octets){data, size});
	unsigned how = rd_u8(&r);
	uint16_t port = rd_u16(&r);
	if (r.err || size > 4096)
		return 0;
	const uint8_t *line = memchr(data + 3, '\n', size - 3);
	size_t n = line ? (size_t)(line - data - 3) : 0;
	if (n && n <= ADDRESS_MAX && !memchr(data + 3, 0, n)) {
		memcpy(address, data + 3, n);
		take_address(how, port, address);
	}
	struct octets in = line ? (struct octets){line + 1, size - n - 4} : (struct octets){data + 3, size - 3};
	const struct relay_stats before = counted();
	send_from(stranger, in);
	send_from(a, in);
	send_from(a, last); /* what comes first is the input, or, if that was dropped, this */
	int fits = in.len <= RELAY_MAX_PACKET;
	if (fits)
		arrives(in);
	arrives(last);
	struct relay_stats now = counted();
	for (int i = 0; all(&now) < all(&before) + 3 && i < 10000; i++) { /* the counting may end after the sending */
		nanosleep(&(struct timespec){0, 100000}, NULL);
		now = counted();
	}
	HOLDS(all(&now) == all(&before) + 3 && now.dropped_source == before.dropped_source + 1);
	HOLDS(now.forwarded == before.forwarded + 1 + (unsigned)fits &&
	      now.dropped_send == before.dropped_send + !fits);
	return 0;
}

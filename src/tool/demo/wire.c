/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c - collecting a call's RTP datagrams: a raw socket on the loopback interface, or packets handed in.
 *
 * On loopback a packet socket sees each datagram twice (leaving and arriving); only the arriving one is kept. What the
 * relay forwards is a datagram of its own and counts again, as it would on a real network's two links.
 */
#include "tool/demo/wire.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool/demo/wire_in.h"

struct wire *wire_new(void)
{
	struct wire *w = calloc(1, sizeof *w);
	if (w) {
		w->socket = w->end = -1;
		pthread_mutex_init(&w->lock, NULL);
	}
	return w;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	wire_stop(w);
	for (size_t i = 0; i < w->n; i++)
		free(w->packets[i].data);
	pthread_mutex_destroy(&w->lock);
	free(w->packets);
	free(w);
}

static void add(struct wire *w, struct octets packet, uint16_t from, uint16_t to)
{
	if (packet.len == 0 || packet.len > WIRE_MAX_PACKET)
		return;
	pthread_mutex_lock(&w->lock);
	if (w->n == w->room && w->room < WIRE_MAX_PACKETS) {
		size_t room = w->room ? 2 * w->room : 1024;
		struct wire_packet *grown = realloc(w->packets, room * sizeof *grown);
		if (grown)
			w->packets = grown, w->room = room;
	}
	uint8_t *copy = w->n < w->room ? malloc(packet.len) : NULL;
	if (copy) {
		memcpy(copy, packet.p, packet.len);
		/* NOLINTNEXTLINE(-Wanalyzer-malloc-leak): wire_free gives back each of the n packets */
		w->packets[w->n++] = (struct wire_packet){copy, packet.len, from, to};
	}
	pthread_mutex_unlock(&w->lock);
}

void wire_add(struct wire *w, struct octets packet)
{
	add(w, packet, 0, 0);
}

static int is_one_of(uint16_t port, const uint16_t *ports, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ports[i] == port)
			return 1;
	return 0;
}

void wire_keep(struct wire *w, const uint16_t *ports, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < w->n; i++) {
		if (is_one_of(w->packets[i].from, ports, n) && is_one_of(w->packets[i].to, ports, n))
			w->packets[kept++] = w->packets[i];
		else
			free(w->packets[i].data);
	}
	w->n = kept;
}

size_t wire_count(struct wire *w)
{
	pthread_mutex_lock(&w->lock);
	size_t n = w->n;
	pthread_mutex_unlock(&w->lock);
	return n;
}

void wire_each(struct wire *w, void (*fn)(void *ctx, struct octets packet), void *ctx)
{
	for (size_t i = 0; i < w->n; i++)
		fn(ctx, (struct octets){w->packets[i].data, w->packets[i].len});
}

/* An IPv4 datagram as the packet socket gives it: kept when it is UDP from or to one of our ports. */
static void take_datagram(struct wire *w, const uint8_t *p, size_t len)
{
	struct iphdr ip;
	struct udphdr udp;
	if (len < sizeof ip)
		return;
	memcpy(&ip, p, sizeof ip);
	size_t at = (size_t)ip.ihl * 4;
	if (ip.version != 4 || ip.protocol != IPPROTO_UDP || at < sizeof ip || len < at + sizeof udp)
		return;
	memcpy(&udp, p + at, sizeof udp);
	uint16_t from = ntohs(udp.source), to = ntohs(udp.dest), total = ntohs(udp.len);
	int ours = (from >= w->port_min && from <= w->port_max) || (to >= w->port_min && to <= w->port_max);
	if (ours && total >= sizeof udp && at + total <= len)
		add(w, (struct octets){p + at + sizeof udp, total - sizeof udp}, from, to);
}

static void *capture_thread(void *arg)
{
	struct wire *w = arg;
	uint8_t buf[65536];
	for (;;) {
		struct pollfd fds[2] = {{.fd = w->socket, .events = POLLIN}, {.fd = w->end, .events = POLLIN}};
		if (poll(fds, 2, -1) < 0)
			continue;
		struct sockaddr_ll from = {0};
		socklen_t len = sizeof from;
		ssize_t n = recvfrom(w->socket, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING)
			take_datagram(w, buf, (size_t)n);
		if (n <= 0 && (fds[1].revents & POLLIN))
			return NULL; /* told to end, and nothing is left in the socket */
	}
}

int wire_capture(struct wire *w, uint16_t port_min, uint16_t port_max)
{
	struct sockaddr_ll on = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)if_nametoindex("lo")};
	int buffer = 8 << 20;
	w->port_min = port_min, w->port_max = port_max;
	w->socket = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
	if (w->socket < 0)
		return -1;
	setsockopt(w->socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
	w->end = eventfd(0, EFD_CLOEXEC);
	if (w->end >= 0 && on.sll_ifindex && bind(w->socket, (struct sockaddr *)&on, sizeof on) == 0 &&
	    pthread_create(&w->thread, NULL, capture_thread, w) == 0) {
		w->running = 1;
		return 0;
	}
	wire_stop(w);
	return -1;
}

void wire_stop(struct wire *w)
{
	uint64_t one = 1;
	if (w->running && write(w->end, &one, sizeof one) == sizeof one)
		pthread_join(w->thread, NULL);
	w->running = 0;
	if (w->socket >= 0)
		close(w->socket);
	if (w->end >= 0)
		close(w->end);
	w->socket = w->end = -1;
}

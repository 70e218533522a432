/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_control_lab.h - for the tests of control signalling at a whole server: a user agent's end of the control line,
 * with the CSK of its last REGISTER, and what the server makes of its packets.
 */
#ifndef TEST_SERVER_CONTROL_LAB_H
#define TEST_SERVER_CONTROL_LAB_H

#include "e2e/server_bed.h"

#include <poll.h>

#include "mcx/media/csk_control.h"

enum { ROOM = 512 };

struct end {
	struct ua *ua;
	int fd;
	enum mcx_service service;
	uint16_t port, server_port;
	uint32_t own, server_ssrc;
	struct csk_control *csk;
	char line[300];
};

static inline void open_socket(struct end *e)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	if (e->fd >= 0)
		close(e->fd);
	e->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(e->fd, (struct sockaddr *)&at, sizeof at), 0);
	getsockname(e->fd, (struct sockaddr *)&at, &len);
	e->port = ntohs(at.sin_port);
}

/* The key of the last REGISTER of that user agent. */
static inline void use_csk(struct end *e)
{
	struct csk_control_key k = {e->ua->csk_id, e->ua->csk, OCTETS(e->ua->csk_rand), 16, e->service == MCX_MCVIDEO};
	assert_int_equal(csk_control_hold(e->csk, &k), 0);
	csk_control_send_with(e->csk, k.id);
	csk_control_grant(e->csk, k.id, 1, 1000);
}

static inline void use_first_csk(struct end *e)
{
	csk_control_free(e->csk);
	e->csk = csk_control_new(NULL, NULL);
	use_csk(e);
}

/* The same CSK-ID over another key: what it seals cannot verify. */
static inline struct csk_control *forged_csk(const struct end *e)
{
	static const uint8_t other[16] = {9};
	struct csk_control_key k = {e->ua->csk_id, other, OCTETS(e->ua->csk_rand), 16, e->service == MCX_MCVIDEO};
	struct csk_control *c = csk_control_new(NULL, NULL);
	assert_int_equal(csk_control_hold(c, &k), 0);
	csk_control_send_with(c, k.id);
	csk_control_grant(c, k.id, 1, 9);
	return c;
}

static inline void take_line(struct end *e, size_t at, struct sdp_control *c)
{
	static struct sdp s;
	assert_non_null(e->ua->sdp);
	assert_int_equal(sdp_read(octets_of(e->ua->sdp), &s, NULL), MCSEC_OK);
	assert_int_equal(sdp_control_read(&s, e->service, c), at);
	e->server_port = c->port;
	e->server_ssrc = c->floor_ssrc;
}

static inline void close_end(struct end *e)
{
	csk_control_free(e->csk);
	close(e->fd);
}

/* ---- packets ---- */

static inline void put(const struct end *e, struct octets packet)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(e->server_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(sendto(e->fd, packet.p, packet.len, 0, (struct sockaddr *)&at, sizeof at), packet.len);
}

static inline struct octets seal(struct end *e, struct octets plain, uint8_t out[ROOM])
{
	size_t len;
	assert_int_equal(csk_control_protect(e->csk, plain, out, ROOM, &len), SRTP_OK);
	return (struct octets){out, len};
}

/* The next packet of the server's to that end, opened; *raw receives it as it came. Fails the test after a long wait.
 */
static inline struct octets hear_packet(struct end *e, uint8_t raw[ROOM], size_t *raw_len)
{
	static uint8_t plain[ROOM];
	for (int i = 0; i < 3000; i++) {
		struct pollfd p = {e->fd, POLLIN, 0};
		pump(1);
		if (poll(&p, 1, 5) != 1)
			continue;
		ssize_t n = recv(e->fd, raw, ROOM, 0);
		size_t len;
		uint32_t id;
		assert_true(n > 0);
		*raw_len = (size_t)n;
		assert_int_equal(csk_control_unprotect(e->csk, e->own, e->server_ssrc, (struct octets){raw, (size_t)n},
						       plain, sizeof plain, &len, &id),
				 SRTP_OK);
		return (struct octets){plain, len};
	}
	fail_msg("%s hears nothing", e->ua->name);
	return (struct octets){0};
}

static inline int64_t count(enum server_metric m)
{
	return atomic_load(&bed.server->metrics[m].value);
}

/* The server has taken one more packet than that. */
static inline void wait_taken(int64_t before)
{
	for (int i = 0; i < 3000 && count(M_CONTROL_TAKEN) == before; i++)
		pump(5);
	assert_int_equal(count(M_CONTROL_TAKEN), before + 1);
}

/* The server drops this packet of that end, and nothing comes back. */
static inline void is_dropped(struct end *e, struct octets packet)
{
	int64_t before = count(M_CONTROL_DROPPED), taken = count(M_CONTROL_TAKEN);
	put(e, packet);
	for (int i = 0; i < 3000 && count(M_CONTROL_DROPPED) == before; i++)
		pump(5);
	assert_int_equal(count(M_CONTROL_DROPPED), before + 1);
	assert_int_equal(count(M_CONTROL_TAKEN), taken);
}

#endif

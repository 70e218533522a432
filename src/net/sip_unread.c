/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_unread.c - what the SIP library will not read: a body too long is passed over, all else ends its connection.
 *
 * A connection may carry the requests of a whole SIP core. One of them whose body is too long is refused with 413
 * (RFC 3261 21.4.11), but the others must go on: its Content-Length says where the next message begins. sofia-sip
 * 1.12.11 would answer, shut down its sending side and read no more. So such a message is complete for it without its
 * body (sip_body_is_cut() tells, who gets it answers 413), and the octets of the body are dropped as they come, up to
 * PASSED_OVER of them, so that nothing of them is kept.
 *
 * Once a message of a stream does not parse, or has headers without end, nobody knows where the next one begins (RFC
 * 3261 18.3). The library then answers if it can, and stops reading: tport_stall(). Over TLS nothing else happens, and
 * the connection would stay, unread, for as long as the gate lets a connection be idle.
 *
 * The way in is as in sip_tls_free.c: a symbol of the program goes before that of a shared object, so the library's
 * calls come here. A connection is known by its descriptor and the kernel's cookie (sip_gate.c).
 */
#include "net/sip_unread.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/ssl.h>
#include <sofia-sip/sip_parser.h>

#include "sec/base/check.h"

enum { PASSED_OVER = 16 * 1024 * 1024, AT_ONCE = 64, READ_AT_ONCE = 16384 };

void sip_unread_wanted(void)
{
	/* its name is all that is needed */
#ifdef MCX_BITE
	sip_waived_wanted();
#endif
}

int sip_body_is_cut(const sip_t *sip)
{
	size_t there = sip->sip_payload ? sip->sip_payload->pl_len : 0;
	return MCX_FAULT(size.sip_body, sip->sip_content_length && sip->sip_content_length->l_length > there);
}

static void next_symbol(const char *name, void *pointer, size_t size)
{
	void *found = dlsym(RTLD_NEXT, name);
	memcpy(pointer, &found, size);
}

/* ---- bodies that are passed over --------------------------------------------------------------------------------- */

/* A connection whose next octets are dropped; left 0: nobody's. */
struct over {
	int fd;
	uint64_t cookie;
	size_t left;
};
static _Thread_local struct over overs[AT_ONCE];
static _Thread_local size_t n_overs;   /* those with something left */
static _Thread_local int reading = -1; /* the connection whose octets are parsed now */

static int cookie_of(int fd, uint64_t *cookie)
{
	socklen_t len = sizeof *cookie;
	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len);
}

static void drop(struct over *o, size_t n)
{
	o->left -= n;
	n_overs -= o->left == 0;
}

/* Those whose connection is gone are forgotten here. */
static struct over *over_of(int fd)
{
	uint64_t cookie;
	for (size_t i = 0; n_overs && i < AT_ONCE; i++) {
		struct over *o = &overs[i];
		if (!o->left || o->fd != fd)
			continue;
		if (cookie_of(fd, &cookie) == 0 && cookie == o->cookie)
			return o;
		drop(o, o->left);
	}
	return NULL;
}

static int is_there(const struct over *o)
{
	uint64_t cookie;
	return cookie_of(o->fd, &cookie) == 0 && cookie == o->cookie;
}

static int pass_over(int fd, size_t n)
{
	uint64_t cookie;
	for (size_t i = 0; cookie_of(fd, &cookie) == 0 && i < AT_ONCE; i++) {
		struct over *o = &overs[i];
		if (o->left && !is_there(o))
			drop(o, o->left);
		if (o->left)
			continue;
		*o = (struct over){fd, cookie, n};
		n_overs++;
		return 1;
	}
	return 0;
}

/* The message is of the connection that was read last. */
static int is_of(int fd, msg_t *msg)
{
	su_sockaddr_t peer = {0};
	const su_sockaddr_t *from = msg_addr(msg);
	socklen_t len = sizeof peer;
	return from && getpeername(fd, &peer.su_sa, &len) == 0 && su_cmp_sockaddr(&peer, from) == 0;
}

/* The library's parser, behind the headers. When the empty line was taken it is known how much follows. */
__attribute__((visibility("default"))) issize_t sip_extract_body(msg_t *msg, sip_t *sip, char b[], isize_t bsiz,
								 int eos)
{
	static issize_t (*real)(msg_t *, sip_t *, char[], isize_t, int);
	if (!real)
		next_symbol("sip_extract_body", &real, sizeof real);
	int begins = !(sip->sip_flags & MSG_FLG_BODY);
	issize_t taken = real ? real(msg, sip, b, bsiz, eos) : -1;
	if (!begins || taken <= 0 || eos || !sip->sip_content_length)
		return taken;
	size_t body = sip->sip_content_length->l_length, here = (size_t)(bsiz - taken);
	if (msg_size(msg) + (size_t)taken + body <= SIP_MAX_MESSAGE || body > PASSED_OVER || here >= body ||
	    !is_of(reading, msg) || !pass_over(reading, body - here))
		return taken;
	sip->sip_flags |= MSG_FLG_FRAGS | MSG_FLG_COMPLETE;
	return bsiz;
}

/* How much the library reads at once over TCP: what is more than a message may have would be none, whatever it holds.
 */
__attribute__((visibility("default"))) issize_t su_getmsgsize(su_socket_t fd)
{
	static issize_t (*real)(su_socket_t);
	if (!real)
		next_symbol("su_getmsgsize", &real, sizeof real);
	int type = SOCK_DGRAM;
	socklen_t len = sizeof type;
	issize_t n = real ? real(fd) : -1;
	if (n > READ_AT_ONCE)
		(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	return type == SOCK_STREAM ? READ_AT_ONCE : n;
}

/* The library's reading, over TCP: nothing but what comes behind the octets that are dropped. */
__attribute__((visibility("default"))) issize_t su_vrecv(su_socket_t fd, su_iovec_t iov[], isize_t n, int flags,
							 su_sockaddr_t *from, socklen_t *from_len)
{
	static issize_t (*real)(su_socket_t, su_iovec_t[], isize_t, int, su_sockaddr_t *, socklen_t *);
	char dropped[16384];
	if (!real)
		next_symbol("su_vrecv", &real, sizeof real);
	reading = fd;
	for (struct over *o; (o = over_of(fd)) != NULL;) {
		ssize_t got = recv(fd, dropped, o->left < sizeof dropped ? o->left : sizeof dropped, 0);
		if (got <= 0)
			return (issize_t)got;
		drop(o, (size_t)got);
	}
	return real ? real(fd, iov, n, flags, from, from_len) : -1;
}

/* And over TLS. Weak, so that a program of the tests may stand here itself (tests/e2e/sip_copy.c). */
__attribute__((visibility("default"), weak)) int SSL_read(SSL *ssl, void *buf, int size)
{
	static int (*real)(SSL *, void *, int);
	if (!real)
		next_symbol("SSL_read", &real, sizeof real);
	int n = real ? real(ssl, buf, size) : -1, fd = SSL_get_fd(ssl);
	reading = fd;
	for (struct over *o; n > 0 && (o = over_of(fd)) != NULL;) {
		size_t got = (size_t)n;
		if (got > o->left) {
			memmove(buf, (char *)buf + o->left, got - o->left);
			n -= (int)o->left;
			drop(o, o->left);
			break;
		}
		drop(o, got);
		n = real(ssl, buf, size);
	}
	return n;
}

/* ---- connections that end ---------------------------------------------------------------------------------------- */

__attribute__((visibility("default"))) int tport_stall(tport_t *tp)
{
	static int (*real)(tport_t *);
	if (!real)
		next_symbol("tport_stall", &real, sizeof real);
	int rc = real ? real(tp) : -1;
	const su_addrinfo_t *peer = tport_get_address(tp);
	if (MCX_FAULT(msg.framing, tport_is_shutdown(tp)) && peer && peer->ai_addr)
		sip_gate_end(peer->ai_addr);
	return rc;
}

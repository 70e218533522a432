/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtp_socket.h - one end of an RTP stream: a UDP socket on an even port, bound to its one peer.
 *
 * The kernel drops what does not come from the peer's address and port, so a stranger costs no cipher run.
 */
#ifndef MCX_NET_RTP_SOCKET_H
#define MCX_NET_RTP_SOCKET_H

#include "sec/base/bytes.h"

struct rtp_socket;

/* A free even port of this numeric address. NULL if there is none. */
struct rtp_socket *rtp_socket_open(const char *address);
void rtp_socket_close(struct rtp_socket *s);
/* To wait on. */
int rtp_socket_fd(const struct rtp_socket *s);
uint16_t rtp_socket_port(const struct rtp_socket *s);
/* The peer's numeric address and port; until then nothing is received. 0 or -1. */
int rtp_socket_connect(struct rtp_socket *s, const char *address, uint16_t port);
/* 0 or -1. A peer that is not there yet is no error: datagrams get lost. */
int rtp_socket_send(struct rtp_socket *s, struct octets packet);
/* One datagram, waiting at most wait_ms: its length, 0 when none came. Longer ones than size are dropped. */
size_t rtp_socket_receive(struct rtp_socket *s, uint8_t *buf, size_t size, int wait_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spare.h - what happens when the process has no descriptor left for a connection that comes in.
 *
 * The connection would wait in the kernel's queue, and the listener, readable for ever, would keep a loop spinning
 * until descriptors come back. So one descriptor is kept in reserve: it is given up, the connection is taken with it
 * and closed at once (the peer learns that it was turned away), and the reserve is taken again. libmicrohttpd's
 * accept4() and, through sip_gate.c, the SIP library's accept() come here, because a symbol of the program goes before
 * that of a shared object. Thread-safe.
 */
#ifndef MCX_NET_SPARE_H
#define MCX_NET_SPARE_H

#include <sys/socket.h>

/* As accept4. Without a descriptor: -1 with ECONNABORTED, and the first in the queue was turned away. */
int spare_accept(int listener, struct sockaddr *addr, socklen_t *len, int flags);
/* How often that happened. */
unsigned long long spare_starved(void);
/* Called whenever it happens. For the whole process; NULL: nobody wants to know. */
void spare_observe(void (*fn)(void));
/* Takes the reserve now, and again should it be gone. */
void spare_keep(void);

#endif

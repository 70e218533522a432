/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire_in.h - the collection of packets, shared by wire.c (filling it) and wire_listen.c (trying to hear it).
 */
#ifndef MCX_TOOL_WIRE_IN_H
#define MCX_TOOL_WIRE_IN_H

#include <pthread.h>

#include "tool/demo/wire.h"

struct wire_packet {
	uint8_t *data;
	size_t len;
	uint16_t from, to; /* UDP ports; 0 when it was handed in */
};

struct wire {
	pthread_mutex_t lock; /* packets, n, room */
	struct wire_packet *packets;
	size_t n, room;
	/* capture */
	int socket, end, running;
	uint16_t port_min, port_max;
	pthread_t thread;
};

#endif

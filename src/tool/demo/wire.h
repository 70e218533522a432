/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - the RTP of a call as a stranger on the wire sees it: captured on the loopback interface (AF_PACKET; needs
 * CAP_NET_RAW), or handed in packet by packet where that is not allowed; and the stranger's try to listen in.
 *
 * "Decodes as the codec" needs care: the Opus decoder accepts nearly any octets. So the packets are decoded as if they
 * were plain RTP and what comes out is compared with what was said. The same try over the same speech sent in clear
 * must succeed, or the test would prove nothing.
 */
#ifndef MCX_TOOL_WIRE_H
#define MCX_TOOL_WIRE_H

#include <stdint.h>

#include "sec/base/bytes.h"
#include "tool/demo/hear.h"

enum { WIRE_MAX_PACKET = 1500, WIRE_MAX_PACKETS = 20000 };

struct wire;

/* An empty collection. NULL without memory. */
struct wire *wire_new(void);
void wire_free(struct wire *w);
/* Captures UDP datagrams on `lo` from or to these ports until wire_stop. 0, or -1 if that is not allowed (errno). */
int wire_capture(struct wire *w, uint16_t port_min, uint16_t port_max);
void wire_stop(struct wire *w);
/*
 * After the capture: forget datagrams that did not go from one of these ports to another. The loopback interface is
 * everybody's, and its ephemeral ports may fall into the range.
 */
void wire_keep(struct wire *w, const uint16_t *ports, size_t n);
/* A datagram from elsewhere. Thread-safe. */
void wire_add(struct wire *w, struct octets packet);
size_t wire_count(struct wire *w);

struct wire_verdict {
	size_t packets;     /* RTP datagrams that were tried */
	size_t streams;     /* SSRCs */
	double correlation; /* best of all streams against the speech, whatever part of a packet is taken for payload */
	double entropy;     /* bits an octet, over all payloads */
};

/* The stranger's try. speech: what was said, 48 kHz. */
void wire_listen(struct wire *w, const struct sound *speech, struct wire_verdict *out);
/* The speech as plain RTP packets of 20 ms: what would be on the wire without SRTP. NULL on failure. */
struct wire *wire_encode(const struct sound *speech);

/* Each packet in turn, as it came; not while capturing. */
void wire_each(struct wire *w, void (*fn)(void *ctx, struct octets packet), void *ctx);

#endif

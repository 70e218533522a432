/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_inner.h - a SIP message that another one carries as its body: message/sip (RFC 3261 27.5), as a SIP core hands on
 * a client's REGISTER to an application server (TS 24.229 5.4.1.7; sip.md 2.5).
 *
 * Parsed by itself and one level deep: what lies in its own body is the reader's business, never parsed from here. It
 * came over no connection: its source proves nothing and stays empty. Same bounds as for messages off the wire.
 */
#ifndef MCX_NET_SIP_INNER_H
#define MCX_NET_SIP_INNER_H

#include "net/sip_message.h"

#define TYPE_SIP "message/sip"

struct sip_inner;

/* NULL: it does not read as one whole message with From, To, Call-ID and CSeq, it is beyond our bounds, or no memory.
 */
struct sip_inner *sip_inner_read(struct octets text);
/* Lives as long as *i. */
const struct sip_message *sip_inner_message(const struct sip_inner *i);
void sip_inner_free(struct sip_inner *i); /* NULL is allowed */

#endif

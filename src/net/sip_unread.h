/* SPDX-License-Identifier: Apache-2.0 */
/* sip_unread.h - see sip_unread.c. */
#ifndef MCX_NET_SIP_UNREAD_H
#define MCX_NET_SIP_UNREAD_H

#include "net/sip_nta.h"

/* Links sip_unread.c in: the library calls it, nobody else does. */
void sip_unread_wanted(void);
/* 1: the body was too long, and passed over. */
int sip_body_is_cut(const sip_t *sip);

#endif

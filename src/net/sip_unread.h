/* SPDX-License-Identifier: Apache-2.0 */
/* sip_unread.h - see sip_unread.c. */
#ifndef MCX_NET_SIP_UNREAD_H
#define MCX_NET_SIP_UNREAD_H

/* Links sip_unread.c in: the library calls it, nobody else does. */
void sip_unread_wanted(void);

#endif

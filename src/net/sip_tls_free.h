/* SPDX-License-Identifier: Apache-2.0 */
/* sip_tls_free.h - see sip_tls_free.c. */
#ifndef MCX_NET_SIP_TLS_FREE_H
#define MCX_NET_SIP_TLS_FREE_H

/* 1 if the SIP library built against is one that forgets to free its TLS connections. */
int sip_tls_free_wanted(void);
/* When no agent of this thread is left. */
void sip_tls_free_rest(void);

#endif

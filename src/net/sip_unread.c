/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_unread.c - ends a connection that the SIP library will not read any more.
 *
 * Once a message of a stream does not parse or is too long, nobody knows where the next one begins (RFC 3261 18.3).
 * sofia-sip 1.12.11 then answers if it can, and stops reading: tport_stall(). Over TLS nothing else happens, and the
 * connection would stay, unread, for as long as the gate lets a connection be idle. The way in is as in sip_tls_free.c:
 * a symbol of the program goes before that of a shared object, so the library's call comes here.
 */
#include "net/sip_unread.h"

#include <dlfcn.h>
#include <string.h>

#include "net/sip_nta.h"
#include "sec/base/check.h"

void sip_unread_wanted(void)
{
	/* its name is all that is needed */
}

__attribute__((visibility("default"))) int tport_stall(tport_t *tp)
{
	static int (*real)(tport_t *);
	if (!real) {
		void *found = dlsym(RTLD_NEXT, "tport_stall");
		memcpy(&real, &found, sizeof real);
	}
	int rc = real ? real(tp) : -1;
	const su_addrinfo_t *peer = tport_get_address(tp);
	if (MCX_FAULT(msg.framing, tport_is_shutdown(tp)) && peer && peer->ai_addr)
		sip_gate_end(peer->ai_addr);
	return rc;
}

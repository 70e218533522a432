/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_waived.c - part of builds with -Dbite=true alone (check.h): what the SIP library refuses before we see it.
 *
 * sofia-sip answers a request by itself when its parser marked a header, or the framing, as wrong (400, RFC 3261
 * 21.4.1). Here the marks are taken off on the way to it where the check is waived, so that a test can show what it
 * depends on. The way in is as in sip_unread.c.
 */
#include "net/sip_nta.h"

#include <dlfcn.h>
#include <string.h>

#include "sec/base/check.h"

void sip_waived_wanted(void)
{
	/* its name is all that is needed */
}

/* The symbol of this name behind ours. */
static void behind(const char *name, void *out)
{
	void *found = dlsym(RTLD_NEXT, name);
	memcpy(out, &found, sizeof found);
}

/* Which headers do not parse: bits, of which the library refuses some. */
__attribute__((visibility("default"))) unsigned msg_extract_errors(msg_t const *msg)
{
	static unsigned (*real)(msg_t const *);
	if (!real)
		behind("msg_extract_errors", &real);
	unsigned wrong = real(msg);
	return MCX_FAULT(sip.bad_header, wrong) ? wrong : 0;
}

/* The mark of a message whose framing is wrong. */
__attribute__((visibility("default"))) void tport_deliver(tport_t *tp, msg_t *msg, msg_t *next,
							  struct tport_compressor *comp, su_time_t now);

void tport_deliver(tport_t *tp, msg_t *msg, msg_t *next, struct tport_compressor *comp, su_time_t now)
{
	static void (*real)(tport_t *, msg_t *, msg_t *, struct tport_compressor *, su_time_t);
	if (!real)
		behind("tport_deliver", &real);
	sip_t *sip = sip_object(msg);
	unsigned marks = sip && sip->sip_request ? (unsigned)sip->sip_flags : 0;
	if ((marks & MSG_FLG_ERROR) && !MCX_FAULT(sip.bad_header, 1))
		sip->sip_flags = (int)(marks & ~(unsigned)(MSG_FLG_ERROR | MSG_FLG_TRUNC));
	real(tp, msg, next, comp, now);
}

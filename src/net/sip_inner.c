/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_inner.c - see sip_inner.h.
 *
 * The library's own parser reads it, with the library's message as home of all its text. The body is what Content-Length
 * says, or all that is left without one (RFC 3261 18.3); less than it says is no message.
 */
#include "net/sip_inner.h"

#include <stdlib.h>

#include "net/sip_nta.h"

struct sip_inner {
	msg_t *msg;
	struct sip_message text;
};

void sip_inner_free(struct sip_inner *i)
{
	if (!i)
		return;
	if (i->msg)
		msg_destroy(i->msg);
	free(i);
}

static int whole(msg_t *msg, const sip_t *sip)
{
	return sip && msg_is_complete(msg) && !msg_has_error(msg) && (sip->sip_request || sip->sip_status) &&
	       sip->sip_from && sip->sip_to && sip->sip_call_id && sip->sip_cseq;
}

struct sip_inner *sip_inner_read(struct octets text)
{
	sip_library_prepare();
	struct sip_inner *i = text.len && text.len <= SIP_MAX_MESSAGE ? calloc(1, sizeof *i) : NULL;
	if (!i)
		return NULL;
	i->msg = msg_make(sip_default_mclass(), 0, text.p, (ssize_t)text.len);
	const sip_t *sip = i->msg ? sip_object(i->msg) : NULL;
	if (whole(i->msg, sip) && sip_parse(NULL, i->msg, sip, &i->text) == MCSEC_OK)
		return i;
	sip_inner_free(i);
	return NULL;
}

const struct sip_message *sip_inner_message(const struct sip_inner *i)
{
	return &i->text;
}

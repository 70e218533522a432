/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_inner.c - see sip_inner.h.
 *
 * The library's own parser reads it, with the library's message as home of all its text. The body is what
 * Content-Length says, or all that is left without one (RFC 3261 18.3); less than it says is no message.
 */
#include "net/sip_inner.h"

#include <stdlib.h>
#include <string.h>

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

/* The library takes the end of the octets for the end of the headers, too; a message that was cut there is none. */
static int whole(struct octets text, const msg_t *msg, const sip_t *sip)
{
	size_t body = sip && sip->sip_payload ? sip->sip_payload->pl_len : 0;
	return sip && memmem(text.p, text.len, "\r\n\r\n", 4) && msg_is_complete(msg) && !msg_has_error(msg) &&
	       strcasecmp(sip->sip_request  ? sip->sip_request->rq_version
			  : sip->sip_status ? sip->sip_status->st_version
					    : "",
			  SIP_VERSION_CURRENT) == 0 &&
	       sip->sip_from && sip->sip_to && sip->sip_call_id && sip->sip_cseq &&
	       (!sip->sip_content_length || sip->sip_content_length->l_length <= body);
}

struct sip_inner *sip_inner_read(struct octets text)
{
	sip_library_prepare();
	struct sip_inner *i = text.len && text.len <= SIP_MAX_MESSAGE ? calloc(1, sizeof *i) : NULL;
	if (!i)
		return NULL;
	i->msg = msg_make(sip_default_mclass(), 0, text.p, (ssize_t)text.len);
	const sip_t *sip = i->msg ? sip_object(i->msg) : NULL;
	if (whole(text, i->msg, sip) && sip_parse(NULL, i->msg, sip, &i->text) == MCSEC_OK)
		return i;
	sip_inner_free(i);
	return NULL;
}

const struct sip_message *sip_inner_message(const struct sip_inner *i)
{
	return &i->text;
}

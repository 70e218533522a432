/* SPDX-License-Identifier: Apache-2.0 */
/* body.c - reading a request's body; application/mikey in its two spellings (mikey 9). */
#include "server/body.h"

#include <ctype.h>
#include <stdlib.h>

#include "mcsec/mikey.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

/*
 * Binary as it is; or base64 text, told by its first characters `ARo` (01 1a: version 1, type 26) or `mikey ARo`.
 * Text is decoded into `scratch`. A text that does not decode stays as it is: the parser refuses it as malformed.
 */
static struct octets mikey_octets(struct octets in, uint8_t *scratch, size_t size)
{
	static const char name[] = "mikey ";
	const char *text = (const char *)in.p;
	size_t len = in.len, n;
	if (len > sizeof name - 1 && memcmp(text, name, sizeof name - 1) == 0) {
		text += sizeof name - 1;
		len -= sizeof name - 1;
	}
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (len < 3 || memcmp(text, "ARo", 3) != 0 || base64_decode(text, len, scratch, size, &n) != MCSEC_OK)
		return in;
	return (struct octets){scratch, n};
}

static enum body_kind read_parts(const struct multipart *m, struct body *out, uint8_t *mikey, size_t mikey_size)
{
	size_t n_sdp, n_info, n_mikey, n_lists;
	const struct body_part *sdp = multipart_find(m, TYPE_SDP, &n_sdp);
	const struct body_part *info = multipart_find(m, TYPE_MCPTT_INFO, &n_info);
	const struct body_part *im = multipart_find(m, TYPE_MIKEY, &n_mikey);
	const struct body_part *lists = multipart_find(m, TYPE_RESOURCE_LIST, &n_lists);
	if (MCX_FAULT(size.one_part, n_sdp > 1 || n_info > 1 || n_mikey > 1 || n_lists > 1))
		return BODY_BROKEN;
	if (sdp)
		out->sdp = sdp->body;
	if (im)
		out->mikey = mikey_octets(im->body, mikey, mikey_size);
	if (info && mcptt_info_read(info->body, &out->info) != MCSEC_OK)
		return BODY_BROKEN;
	if (lists && resource_lists_read(lists->body, &out->lists) != MCSEC_OK)
		return BODY_BROKEN;
	out->has_info = info != NULL;
	out->has_lists = lists != NULL;
	return sdp || info || im || lists ? BODY_READ : BODY_NONE;
}

enum body_kind body_read(const struct sip_message *m, struct body *out)
{
	memset(out, 0, sizeof *out);
	if (!m->content_type || m->body.len == 0)
		return BODY_NONE;
	struct multipart *parts = malloc(sizeof *parts);
	out->scratch = malloc(m->body.len + MCSEC_IM_MAX);
	enum body_kind kind = BODY_BROKEN;
	if (parts && out->scratch &&
	    multipart_read(m->content_type, m->body, out->scratch, m->body.len, parts, NULL) == MCSEC_OK)
		kind = read_parts(parts, out, out->scratch + m->body.len, MCSEC_IM_MAX);
	free(parts);
	return kind;
}

void body_free(struct body *b)
{
	mcsec_wipe(&b->info.access_token, sizeof b->info.access_token);
	free(b->scratch);
	b->scratch = NULL;
}

enum mcsec_err body_unprotect(struct body *b, const uint8_t *csk)
{
	(void)csk;
	const struct mcptt_info *i = &b->info;
	int encrypted = i->access_token.form == MCPTT_ENCRYPTED || i->client_id.form == MCPTT_ENCRYPTED ||
			i->request_uri.form == MCPTT_ENCRYPTED || i->calling_user_id.form == MCPTT_ENCRYPTED ||
			i->called_party_id.form == MCPTT_ENCRYPTED || i->calling_group_id.form == MCPTT_ENCRYPTED;
	return MCX_FAULT(xml.encrypted, encrypted) ? MCSEC_E_UNSUPPORTED : MCSEC_OK;
}

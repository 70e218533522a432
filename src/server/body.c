/* SPDX-License-Identifier: Apache-2.0 */
/* body.c - reading a request's body. */
#include "server/body.h"

#include <stdlib.h>

#include "mcsec/mikey.h"
#include "mcsec/secret.h"
#include "app/log.h"
#include "mcx/doc/mikey_body.h"
#include "sec/base/check.h"

/* Which part of a peer's body cannot be read, and where in it: its octets are nobody's to log. */
static int unread(const char *type, enum mcsec_err e, size_t at)
{
	if (e)
		log_info("body.refused", log_text("part", type), log_text("error", mcsec_err_name(e)),
			 log_int("at", (int64_t)at));
	return e != MCSEC_OK;
}

static int info_unread(enum mcx_service service, const struct body_part *part, struct mcptt_info *out)
{
	size_t at = 0;
	enum mcsec_err e = mcx_info_read(service, part->body, out, &at);
	return unread(mcx_services[service].info_type, e, at);
}

static int lists_unread(const struct body_part *part, struct resource_lists *out)
{
	size_t at = 0;
	enum mcsec_err e = resource_lists_read(part->body, out, &at);
	return unread(TYPE_RESOURCE_LIST, e, at);
}

static int settings_unread(const struct body_part *part, enum poc_answer *out)
{
	size_t at = 0;
	enum mcsec_err e = poc_settings_read(part->body, out, &at);
	return unread(TYPE_POC_SETTINGS, e, at);
}

/* mcvideo-info and mcdata-info. *n: how many there are. -1: one stands twice, or does not read. */
static int find_others(struct body *out, size_t *n)
{
	*n = 0;
	for (int s = MCX_MCPTT + 1; s < MCX_SERVICES; s++) {
		size_t count;
		const struct body_part *part = multipart_find(out->parts, mcx_services[s].info_type, &count);
		if (!part)
			continue;
		out->xml_read = 1;
		if (MCX_FAULT(size.one_part, count > 1) || !(out->more[s] = calloc(1, sizeof *out->more[s])) ||
		    info_unread((enum mcx_service)s, part, out->more[s]))
			return -1;
		*n += 1;
	}
	return 0;
}

static enum body_kind find_parts(struct body *out, uint8_t *mikey, size_t mikey_size)
{
	const struct multipart *m = out->parts;
	size_t n_sdp, n_info, n_mikey, n_lists, n_settings, n_others;
	const struct body_part *sdp = multipart_find(m, TYPE_SDP, &n_sdp);
	const struct body_part *info = multipart_find(m, TYPE_MCPTT_INFO, &n_info);
	const struct body_part *im = multipart_find(m, TYPE_MIKEY, &n_mikey);
	const struct body_part *lists = multipart_find(m, TYPE_RESOURCE_LIST, &n_lists);
	out->has_settings = multipart_find(m, TYPE_POC_SETTINGS, &n_settings) != NULL;
	if (MCX_FAULT(size.one_part, n_sdp > 1 || n_info > 1 || n_mikey > 1 || n_lists > 1 || n_settings > 1))
		return BODY_BROKEN;
	if (sdp)
		out->sdp = sdp->body;
	if (im)
		out->mikey = mikey_body(im->body, mikey, mikey_size);
	out->xml_read = info || lists;
	if ((info && info_unread(MCX_MCPTT, info, &out->info)) || find_others(out, &n_others))
		return BODY_BROKEN;
	out->has_info = info != NULL;
	out->has_lists = lists != NULL;
	return sdp || info || im || lists || n_others ? BODY_READ : BODY_NONE;
}

const struct mcptt_info *body_info(const struct body *b, enum mcx_service service)
{
	return service != MCX_MCPTT ? b->more[service] : b->has_info ? &b->info : NULL;
}

enum body_kind body_read(const struct sip_message *m, struct body *out)
{
	memset(out, 0, sizeof *out);
	if (!m->content_type || m->body.len == 0)
		return BODY_NONE;
	out->parts = malloc(sizeof *out->parts);
	out->scratch = malloc(m->body.len + MCSEC_IM_MAX);
	if (!out->parts || !out->scratch)
		return BODY_BROKEN;
	size_t at = 0;
	if (unread("all", multipart_read(m->content_type, m->body, out->scratch, m->body.len, out->parts, &at), at))
		return BODY_BROKEN;
	return find_parts(out, out->scratch + m->body.len, MCSEC_IM_MAX);
}

void body_free(struct body *b)
{
	mcsec_wipe(&b->info.access_token, sizeof b->info.access_token);
	for (size_t i = 0; i < MCX_SERVICES; i++) {
		if (b->more[i])
			mcsec_wipe(b->more[i], sizeof *b->more[i]);
		free(b->more[i]);
		b->more[i] = NULL;
	}
	if (b->arena)
		mcsec_wipe(b->arena, b->arena_used);
	free(b->arena);
	free(b->scratch);
	free(b->parts);
	b->arena = b->scratch = NULL;
	b->parts = NULL;
}

/* Nothing encrypted is left, and nothing is missing that was announced. */
static int read_documents(struct body *b)
{
	const struct body_part *info = multipart_find(b->parts, TYPE_MCPTT_INFO, NULL);
	const struct body_part *lists = multipart_find(b->parts, TYPE_RESOURCE_LIST, NULL);
	const struct body_part *settings = multipart_find(b->parts, TYPE_POC_SETTINGS, NULL);
	for (int s = MCX_MCPTT + 1; s < MCX_SERVICES; s++)
		if (b->more[s] && info_unread((enum mcx_service)s,
					      multipart_find(b->parts, mcx_services[s].info_type, NULL), b->more[s]))
			return 0;
	return !(settings && settings_unread(settings, &b->answer)) &&
	       !(info && info_unread(MCX_MCPTT, info, &b->info)) && !(lists && lists_unread(lists, &b->lists));
}

enum body_verdict body_unprotect(struct body *b, const struct xml_policy *policy, const struct xml_keys *keys,
				 struct xml_opened *opened)
{
	*opened = (struct xml_opened){.why = "no body"};
	if (!b->parts)
		return BODY_OPENED;
	b->arena = malloc(XML_ARENA_MIN);
	struct writer arena = wr_init(b->arena, b->arena ? XML_ARENA_MIN : 0);
	enum mcsec_err e = xml_open(policy, keys, b->parts, opened, &arena);
	/* Half an opened document may stand behind what was kept, where one did not open. */
	b->arena_used = !e && opened->verdict == XML_PASSED ? wr_len(&arena) : XML_ARENA_MIN;
	if (e != MCSEC_OK) {
		opened->why = "no memory";
		return BODY_UNDECRYPTABLE;
	}
	if (opened->verdict != XML_PASSED)
		return opened->verdict == XML_BAD_INTEGRITY ? BODY_FORGED : BODY_UNDECRYPTABLE;
	if (read_documents(b))
		return BODY_OPENED;
	opened->why = "an opened document does not read";
	return BODY_UNDECRYPTABLE;
}

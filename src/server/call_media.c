/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_media.c - session descriptions of a call: which may be relayed, and their copies for the other end.
 *
 * `a=key-mgmt` crosses octet for octet: the rewriter changes addresses and ports only (sip 5.2). The I_MESSAGE is
 * looked at without keys, for the record (PCK-ID, KMS URIs) and to turn away what does not parse. Media goes to the
 * address the signalling came from, unless `media_any_address` says otherwise: an SDP must not aim our relay at a
 * stranger.
 */
#include "server/call.h"

#include <stdlib.h>

#include "mcsec/rng.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "server/control.h"
#include "server/xml.h"

enum { SDP_ROOM = SDP_MAX + 1024, INFO_ROOM = 4096, PROTECTED_ROOM = 32 * 1024, BODY_ROOM = SDP_ROOM + PROTECTED_ROOM };

static int is_text(struct octets o, const char *text)
{
	return o.len == strlen(text) && memcmp(o.p, text, o.len) == 0;
}

int media_wanted(const struct call *c, const struct sdp *offer)
{
	size_t video = sdp_find_media(offer, "video");
	return c->service != MCX_MCVIDEO || (video != SIZE_MAX && offer->media[video].port);
}

int media_acceptable(const struct call *c, const struct sdp *sdp, const char *source)
{
	if (sdp->n_media == 0 || sdp->n_media > RELAY_MAX_STREAMS)
		return 0;
	size_t live = 0;
	for (size_t i = 0; i < sdp->n_media; i++) {
		const struct sdp_media *m = &sdp->media[i];
		if (m->port == 0)
			continue;
		live++;
		if (m->address.len == 0 || m->address.len >= 48 || m->port == UINT16_MAX)
			return 0;
		if (!c->s->cfg->media_any_address && !is_text(m->address, source))
			return 0;
		if (MCX_FAULT(sc.other_media, c->service != MCX_MCVIDEO && is_text(m->kind, "video")))
			return 0;
	}
	return live > 0;
}

static void copy_slice(char *out, size_t size, struct mcsec_slice s, int hidden)
{
	out[0] = 0;
	if (!hidden && s.len < size) {
		memcpy(out, s.p, s.len);
		out[s.len] = 0;
	}
}

static struct octets key_line(const struct sdp *sdp)
{
	size_t audio = sdp_find_media(sdp, "audio");
	return audio == SIZE_MAX ? sdp->key_mgmt : sdp->media[audio].key_mgmt;
}

int media_message(const struct sdp *sdp, uint8_t msg[MCSEC_IM_MAX], size_t *len)
{
	struct octets text = key_line(sdp);
	return base64_decode((const char *)text.p, text.len, msg, MCSEC_IM_MAX, len) == MCSEC_OK ? 0 : -1;
}

int media_key(const struct sdp *sdp, struct db_call *row, int *ok)
{
	size_t video = sdp_find_media(sdp, "video");
	struct octets text = key_line(sdp);
	uint8_t msg[MCSEC_IM_MAX];
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	size_t len;
	*ok = 0;
	if (MCX_FAULT(sc.one_key, video != SIZE_MAX && !octets_equal(text, sdp->media[video].key_mgmt)))
		return 1;
	if (text.len == 0)
		return 0;
	if (media_message(sdp, msg, &len) || mcsec_im_peek(msg, len, &peek, &fault) != MCSEC_OK ||
	    peek.tag != MCSEC_PCK)
		return 1;
	*ok = 1;
	row->pck_id = peek.csb_id;
	copy_slice(row->kms_initiator, sizeof row->kms_initiator, peek.initiator_kms, 0);
	copy_slice(row->kms_responder, sizeof row->kms_responder, peek.responder_kms, 0);
	return 1;
}

void media_remotes(struct call *c, const struct sdp *sdp, int end)
{
	for (size_t i = 0; i < sdp->n_media && i < c->n_media; i++) {
		char address[48];
		const struct sdp_media *m = &sdp->media[i];
		if (m->port == 0 || m->address.len >= sizeof address)
			continue;
		memcpy(address, m->address.p, m->address.len);
		address[m->address.len] = 0;
		(void)relay_set_remote(c->relay, i, end, address, m->port);
	}
}

int media_read(const struct sip_message *m, char **text, struct sdp *out)
{
	struct body *b = malloc(sizeof *b);
	*text = NULL;
	if (!b)
		return -1;
	if (body_read(m, b) == BODY_READ && b->sdp.p)
		*text = strndup((const char *)b->sdp.p, b->sdp.len);
	size_t len = b->sdp.len;
	body_free(b);
	free(b);
	/* A NUL would have cut the copy; no description has one. */
	if (*text && strlen(*text) == len && sdp_read(octets_of(*text), out, NULL) == MCSEC_OK)
		return 0;
	free(*text);
	*text = NULL;
	return -1;
}

static int random_boundary(char *out, size_t size)
{
	uint8_t raw[12];
	if (size < HEX_SIZE(sizeof raw) || mcsec_rng_system.fill(mcsec_rng_system.ctx, raw, sizeof raw))
		return -1;
	hex_encode(OCTETS(raw), out);
	return 0;
}

/* The service's info document and description as one body, protected for the client it goes to. */
static int put_with_info(const struct call *c, int to, const struct mcptt_info *info, struct octets sdp, char *type,
			 size_t type_size, struct writer *w)
{
	const struct leg *leg = to == 0 ? &c->a : &c->b;
	uint8_t *room = malloc(PROTECTED_ROOM), text[INFO_ROOM];
	struct writer iw = wr_init(text, sizeof text), arena = wr_init(room, room ? PROTECTED_ROOM : 0);
	char boundary[32];
	int ok = room && mcx_info_write(&iw, c->service, info) == MCSEC_OK &&
		 random_boundary(boundary, sizeof boundary) == 0;
	struct body_out parts[3] = {{.type = mcx_services[c->service].info_type, .body = wr_result(&iw)},
				    {.type = TYPE_SDP, .body = sdp}};
	size_t n = 2;
	ok = ok && server_xml_protect(c->s, &leg->who, parts, &n, 3, &arena) == MCSEC_OK &&
	     multipart_write(w, boundary, parts, n) == MCSEC_OK &&
	     multipart_type(boundary, type, type_size) == MCSEC_OK;
	free(room);
	return ok;
}

uint8_t *media_body(struct call *c, const struct sdp *sdp, int to, const struct mcptt_info *info, char *type,
		    size_t type_size, size_t *len)
{
	uint16_t ports[SDP_MAX_MEDIA] = {0};
	uint8_t *text = malloc(SDP_ROOM), *out = malloc(BODY_ROOM);
	for (size_t i = 0; i < sdp->n_media; i++)
		ports[i] = relay_port(c->relay, i, to);
	struct sdp_control control;
	size_t at;
	int controlled = control_describe(c, sdp, to, &at, &control);
	for (int i = MCX_MCPTT; i <= MCX_MCVIDEO; i++) {
		struct sdp_control any;
		size_t line = sdp_control_read(sdp, (enum mcx_service)i, &any);
		if (line < sdp->n_media && !(controlled && line == at))
			ports[line] = 0; /* never in clear, never past us (F-D19) */
	}
	struct writer sw = wr_init(text, text ? SDP_ROOM : 0), w = wr_init(out, out ? BODY_ROOM : 0);
	int ok = text && out &&
		 sdp_rewrite_control(sdp, c->s->cfg->address, ports, sdp->n_media, at, controlled ? &control : NULL,
				     &sw) == MCSEC_OK;
	if (ok && info) {
		ok = put_with_info(c, to, info, wr_result(&sw), type, type_size, &w);
	} else if (ok) {
		wr_octets(&w, wr_result(&sw));
		db_copy(type, type_size, TYPE_SDP);
	}
	free(text);
	if (!ok || w.err) {
		free(out);
		return NULL;
	}
	*len = wr_len(&w);
	return out;
}

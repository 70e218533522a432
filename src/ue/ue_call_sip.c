/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_call_sip.c - the messages of a private call as we send them: INVITE, its answer, BYE (sip.md 5, 6; RFC 3261). What
 * a peer's hold is ue_call_read.c.
 *
 * Our offers stand in the INVITE; the key at session level is that of every stream. What differs between MCPTT and
 * MCVideo is looked up in mcx_services.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/flow/warning.h"
#include "mcx/media/h264.h"
#include "ue/codec.h"
#include "ue/engine.h"
#include "ue/ue_xml.h"

enum { PAYLOAD_TYPE = 96, VIDEO_PAYLOAD_TYPE = 97, BYE_MS = 8000 };
#define SECURE_PROFILE "RTP/SAVP" /* switch sdp.secure_profile (sip.md 5.1) */

/* ---- descriptions ---------------------------------------------------------------------------------------------- */

/* *video is what it points to, where there is one. */
static struct sdp_audio our_audio(struct ue *u, const char *proto, unsigned payload_type, unsigned video_type,
				  struct sdp_video *video)
{
	struct ue_call_state *c = &u->call;
	if (c->video)
		*video = (struct sdp_video){video_port(c->video), video_type, H264_RTPMAP, H264_FMTP};
	return (struct sdp_audio){.video = c->video ? video : NULL,
				  .session_id = c->session_id,
				  .version = c->sdp_version,
				  .address = u->c.sip_address,
				  .port = media_port(c->media),
				  .proto = proto,
				  .payload_type = payload_type,
				  .rtpmap = CODEC_RTPMAP,
				  .fmtp = CODEC_FMTP};
}

static int draw_session(struct ue_call_state *c)
{
	uint32_t r;
	if (ue_random(&r, sizeof r))
		return -1;
	c->session_id = r;
	c->sdp_version = 1;
	return 0;
}

/* ---- INVITE, as caller ------------------------------------------------------------------------------------------- */

static enum mcsec_err write_offer(struct ue *u, struct writer *w)
{
	struct ue_call_state *c = &u->call;
	uint8_t message[MCSEC_IM_MAX];
	size_t len = c->pck->message_len;
	memcpy(message, c->pck->message, len);
	if (u->c.hooks.offer) /* a test may damage it on its way out */
		u->c.hooks.offer(u->c.hooks.ctx, message, len);
	struct sdp_video video;
	struct sdp_audio a = our_audio(u, SECURE_PROFILE, PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE, &video);
	struct sdp_control control;
	if (c->floor_wanted && !ue_line_open(u)) {
		control = ue_line_describe(u);
		a.control = &control;
	}
	a.key_mgmt = (struct octets){message, len};
	return sdp_write_offer(w, &a);
}

/* Info document of an INVITE: session type and client id. */
static enum mcsec_err write_info(const struct ue *u, struct writer *w)
{
	struct mcptt_info *info = calloc(1, sizeof *info);
	if (!info)
		return MCSEC_E_MEMORY;
	snprintf(info->session_type, sizeof info->session_type, "private");
	info->client_id.form = MCPTT_PLAIN;
	snprintf(info->client_id.value, sizeof info->client_id.value, "%s", u->client_uuid);
	enum mcsec_err e = mcx_info_write(w, u->call.service, info);
	free(info);
	return e;
}

static int write_invite_body(struct ue *u, struct writer *w, char *type, size_t type_size)
{
	struct ue_call_state *c = &u->call;
	struct ue_scratch *room = &u->scratch;
	const char *target = c->peer;
	struct writer offer = wr_init(c->offer, sizeof c->offer), i = wr_init(room->info, sizeof room->info),
		      l = wr_init(room->list, sizeof room->list);
	if (write_offer(u, &offer) || write_info(u, &i) || resource_lists_write(&l, &target, 1))
		return -1;
	c->offer_len = wr_len(&offer);
	const struct body_out parts[] = {{TYPE_SDP, NULL, wr_result(&offer), 0},
					 {mcx_services[c->service].info_type, NULL, wr_result(&i), 0},
					 {TYPE_RESOURCE_LIST, NULL, wr_result(&l), 0}};
	return ue_body_write(u, *ue_csk_at(u, c->service), parts, 3, w, type, type_size) ? -1 : 0;
}

static void on_invite_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct ue *u = ctx;
	struct ue_call_state *c = &u->call;
	if (tx != c->invite)
		return;
	if (rs->status < 200) {
		if (rs->status == 180)
			ue_call_event(u, &(struct cc_event){.kind = CC_EV_RINGING}, NULL);
		return;
	}
	c->invite = NULL;
	if (!rs->error)
		ue_core_proof(u, rs->status, sip_warning_code(rs));
	struct cc_event ev = {.kind = CC_EV_REFUSED, .status = rs->status, .warning = sip_warning_code(rs)};
	c->unreachable = rs->error != NULL;
	c->report.sip_status = rs->error ? 0 : rs->status;
	c->report.warning = ev.warning;
	if (ue_is_redirect(rs) && !ue_redirect_call(u, rs->body))
		return;
	if (rs->status / 100 == 2) {
		const char *why;
		ev = (struct cc_event){.kind = CC_EV_ANSWER, .secure = ue_answer_read(u, rs, &why)};
		if (!ev.secure)
			ue_emit(u, UE_EV_ALARM, c->began_ms, NULL, c->peer, 0, "downgrade: %s", why);
	}
	ue_call_event(u, &ev, NULL);
}

int ue_invite_send(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	const struct mcx_service_names *service = &mcx_services[c->service];
	char type[128], feature[64], icsi[160];
	uint8_t *body = malloc(UE_BODY);
	struct writer w = wr_init(body, body ? UE_BODY : 0);
	snprintf(feature, sizeof feature, "*;%s;require;explicit", service->feature_tag);
	snprintf(icsi, sizeof icsi, "*;%s;require;explicit", service->icsi_tag);
	const struct sip_header headers[] = {{"P-Preferred-Service", service->icsi},
					     {"Accept-Contact", feature},
					     {"Accept-Contact", icsi},
					     {"Answer-Mode", "Auto"},
					     {"Route", ue_core_route(u)}};
	int ok = body && !draw_session(c) && !write_invite_body(u, &w, type, sizeof type);
	struct sip_request rq = {.method = "INVITE",
				 .uri = u->c.sip_psi,
				 .from = u->impu,
				 .to = u->c.sip_psi,
				 .route = u->c.sip_route,
				 .with = {.n_headers = sizeof headers / sizeof *headers - !ue_core_route(u),
					  .headers = headers,
					  .contact = u->contact,
					  .content_type = type,
					  .body = wr_result(&w)}};
	sip_dialog_free(c->dialog); /* of an INVITE that was redirected */
	c->dialog = NULL;
	if (ok) {
		ue_show_sdp(u, 1, (struct octets){c->offer, c->offer_len});
		c->dialog = sip_dialog_invite(u->port, &rq, on_invite_answer, &ue_dialog_events, u, &c->invite);
	}
	free(body);
	return ok && c->dialog ? 0 : -1;
}

/* ---- INVITE, as callee ------------------------------------------------------------------------------------------- */

int ue_answer_send(struct ue *u, struct sip_server_tx *tx)
{
	struct ue_call_state *c = &u->call;
	struct sdp *offer = &u->scratch.theirs;
	struct writer w = wr_init(u->scratch.text, sizeof u->scratch.text);
	if (sdp_read((struct octets){c->offer, c->offer_len}, offer, NULL))
		return -1;
	size_t audio = sdp_find_media(offer, "audio");
	char proto[32];
	struct octets p = offer->media[audio].proto;
	if (p.len >= sizeof proto || (c->session_id == 0 && draw_session(c)))
		return -1;
	memcpy(proto, p.p, p.len);
	proto[p.len] = 0;
	struct sdp_video video;
	struct sdp_audio a = our_audio(u, proto, c->remote.payload_type, c->remote_video.payload_type, &video);
	struct sdp_control control;
	ue_line_take(u, offer);
	if (c->line) {
		control = ue_line_describe(u);
		a.control = &control;
	}
	if (sdp_write_answer(&w, offer, &a))
		return -1;
	if (!c->dialog)
		c->dialog = sip_dialog_accept(tx, &ue_dialog_events, u);
	const struct sip_header headers[] = {{"P-Preferred-Service", mcx_services[c->service].icsi}};
	struct sip_out with = {
	    .n_headers = 1, .headers = headers, .contact = u->contact, .content_type = TYPE_SDP, .body = wr_result(&w)};
	if (!c->dialog || sip_reply(tx, 200, NULL, &with))
		return -1;
	ue_show_sdp(u, 1, wr_result(&w));
	return 0;
}

/* ---- short ones -------------------------------------------------------------------------------------------------- */

void ue_call_reply(struct ue *u, struct sip_server_tx *tx, int status, int warning)
{
	char value[256];
	struct sip_header headers[] = {{"Warning", value}};
	struct sip_out with = {.headers = headers};
	if (warning && !mcx_warning_value(warning, u->c.sip_address, NULL, value, sizeof value))
		with.n_headers = 1;
	(void)sip_reply(tx, status, NULL, &with); /* our own values: nothing in them can be refused */
}

struct bye {
	struct ue *u;
	struct sip_dialog *dialog;
};

static void bye_over(struct bye *b)
{
	struct ue *u = b->u;
	sip_dialog_free(b->dialog);
	free(b);
	u->call.byes--;
	ue_call_event(u, NULL, NULL); /* the call may be over now */
}

static void on_bye_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)tx;
	if (rs->status >= 200)
		bye_over(ctx);
}

void ue_bye_send(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	struct bye *b = calloc(1, sizeof *b);
	struct sip_dialog *d = c->dialog;
	c->dialog = NULL;
	if (!b || !d) {
		sip_dialog_free(d);
		free(b);
		return;
	}
	*b = (struct bye){u, d};
	c->byes++;
	struct sip_request rq = {.method = "BYE", .timeout_ms = BYE_MS};
	if (!sip_dialog_send(d, &rq, on_bye_answer, b))
		bye_over(b);
}

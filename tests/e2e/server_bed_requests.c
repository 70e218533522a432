/* SPDX-License-Identifier: Apache-2.0 */
/* server_bed_requests.c - what the bed's user agents send: REGISTER with token and CSK, OPTIONS, INVITE with a PCK,
 * BYE. */
#include "e2e/server_bed_parts.h"

uint8_t last_mikey[MCSEC_IM_MAX];
size_t last_mikey_len;
uint8_t last_csk[16];
uint32_t last_csk_id;
char last_key_mgmt[4096];

/* ---- REGISTER ---- */

static uint8_t last_rand[16];

static void make_message(const struct ua *u, const struct reg *r)
{
	/* Our KMS, or the user's, under the names that the message is to give it. */
	struct mcsec_im_kms k[2];
	struct mcsec_im_own own;
	struct mcsec_im_book book = bed_book_of(u, k, &own);
	const char *initiator = r->initiator ? r->initiator : u->mcptt_id;
	k[0] = k[u->elsewhere];
	k[1] = bed_kms();
	k[0].uri = r->initiator_kms ? r->initiator_kms : k[0].uri;
	k[1].uri = r->responder_kms ? r->responder_kms : KMS_URI;
	own.uri = initiator;
	own.kms_uri = k[0].uri;
	own.keys = r->keys ? r->keys : u->keys;
	book.n_kms = 2;
	struct mcsec_im_make what = {.kind = r->kind ? r->kind : MCSEC_CSK,
				     .time = bed_now_ntp() - (uint64_t)r->age,
				     .initiator = initiator,
				     .initiator_kms = k[0].uri,
				     .responder = r->responder ? r->responder : PSI,
				     .responder_kms = k[1].uri,
				     .key = last_csk,
				     .rand = last_rand};
	struct mcsec_alg_list algs = {.selected = r->suite, .suites = {r->suite, r->second_suite}, .n = 1};
	algs.n += r->second_suite != 0;
	what.algs = r->suite ? &algs : NULL;
	what.hide_initiator = r->hide_initiator;
	what.hide_responder = r->hide_responder;
	what.to_self = r->to_self;
	assert_int_equal(mcsec_rng_system.fill(NULL, last_csk, sizeof last_csk), MCSEC_OK);
	assert_int_equal(mcsec_rng_system.fill(NULL, last_rand, sizeof last_rand), MCSEC_OK);
	assert_int_equal(mcsec_kid_new(what.kind, &mcsec_rng_system, NULL, NULL, &last_csk_id), MCSEC_OK);
	what.k_id = last_csk_id;
	assert_int_equal(mcsec_im_make(&book, &what, &mcsec_rng_system, last_mikey, sizeof last_mikey, &last_mikey_len),
			 MCSEC_OK);
}

void (*bed_on_body)(struct ua *u, struct body_out *parts, size_t *n, size_t max);

size_t ua_register_body(struct ua *u, const struct reg *r, uint8_t *out, size_t size)
{
	static uint8_t xml[16384], base64[MCSEC_IM_MAX * 2];
	static struct mcptt_info info;
	memset(&info, 0, sizeof info);
	char *token =
	    r->token ? NULL : make_token(bed.signer, u->mcptt_id, bed.cfg.audience, "openid " SCOPE_PTT_SERVICE, 600);
	const char *use = r->token ? r->token : token;
	info.access_token.form = *use ? MCPTT_PLAIN : MCPTT_ABSENT;
	bed_text(info.access_token.value, sizeof info.access_token.value, "%s", use);
	info.client_id.form = r->no_client ? MCPTT_ABSENT : MCPTT_PLAIN;
	bed_text(info.client_id.value, sizeof info.client_id.value, "%s", u->client_id);
	struct writer xw = wr_init(xml, sizeof xml);
	assert_int_equal(mcptt_info_write(&xw, &info), MCSEC_OK);
	free(token);
	if (!r->no_mikey && !r->mikey.len)
		make_message(u, r);
	if (r->mikey.len) {
		memcpy(last_mikey, r->mikey.p, r->mikey.len);
		last_mikey_len = r->mikey.len;
	}
	if (r->flip)
		last_mikey[r->flip] ^= 1;
	struct octets mikey = {last_mikey, last_mikey_len};
	if (r->text)
		mikey = (struct octets){base64, base64_encode(mikey, (char *)base64)};
	struct body_out parts[8];
	size_t n = 0;
	if (!r->no_mikey)
		parts[n++] = (struct body_out){.type = TYPE_MIKEY, .body = mikey, .base64 = r->base64};
	if (!r->no_info)
		parts[n++] =
		    (struct body_out){.type = TYPE_MCPTT_INFO, .body = r->info ? octets_of(r->info) : wr_result(&xw)};
	struct writer w = wr_init(out, size);
	memcpy(u->csk, last_csk, sizeof u->csk);
	memcpy(u->csk_rand, last_rand, sizeof u->csk_rand);
	u->csk_id = last_csk_id;
	if (bed_on_body && n)
		bed_on_body(u, parts, &n, 8);
	if (n)
		assert_int_equal(multipart_write(&w, "bed-boundary-5f0d1", parts, n), MCSEC_OK);
	return wr_len(&w);
}

void ua_send_register(struct ua *u, const struct reg *r)
{
	static uint8_t body[32768];
	char uri[128], contact[300];
	size_t len = ua_register_body(u, r, body, sizeof body);
	int tls = r->transport == SIP_TLS || r->transport == 0;
	bed_text(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=%s",
		 tls ? bed.server->sips_number : bed.server->sip_number, tls ? "tls" : "tcp");
	if (r->contact)
		bed_text(contact, sizeof contact, "%s", r->contact);
	else
		bed_text(contact, sizeof contact, "<sip:%s@127.0.0.1:%u;transport=tls>%s", u->name,
			 sip_port_number(u->port, 0), r->no_tags ? "" : ";+g.3gpp.mcptt");
	char expires[24];
	bed_text(expires, sizeof expires, "%lld", (long long)(r->expires == -1 ? 600 : r->expires));
	struct sip_header h = {"Expires", expires};
	struct sip_request rq = {.method = "REGISTER",
				 .uri = uri,
				 .from = r->from   ? r->from
					 : r->impu ? r->impu
						   : u->impu,
				 .to = r->impu ? r->impu : u->impu,
				 .call_id = r->call_id,
				 .with = {.n_headers = 1,
					  .headers = &h,
					  .contact = contact,
					  .content_type = len ? BED_REGISTER_TYPE : NULL,
					  .body = {body, len}}};
	if (r->junk_body)
		rq.with.body = octets_of("no boundary here"), rq.with.content_type = BED_REGISTER_TYPE;
	u->status = u->warning = 0;
	assert_non_null(sip_send(u->port, &rq, ua_response, u));
}

int ua_register(struct ua *u, const struct reg *r)
{
	ua_send_register(u, r);
	wait_until(&u->status, 1);
	return u->status;
}

int ua_options(struct ua *u)
{
	char uri[128];
	bed_text(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	struct sip_request rq = {.method = "OPTIONS", .uri = uri, .from = u->impu, .to = PSI};
	u->status = 0;
	assert_non_null(sip_send(u->port, &rq, ua_response, u));
	wait_until(&u->status, 1);
	return u->status;
}

/* ---- INVITE ---- */

static void make_pck(const struct ua *u, const struct inv *i)
{
	uint8_t msg[MCSEC_IM_MAX], key[16];
	size_t len;
	const char *target = i->target ? i->target : "sip:bob@mcptt." ZONE;
	struct mcsec_im_kms k[3];
	struct mcsec_im_own own;
	struct mcsec_im_book book = bed_book_of(u, k, &own);
	if (i->responder_kms) { /* ours under another name, unless it is the other domain's */
		k[book.n_kms] = strcmp(i->responder_kms, BED_OTHER_KMS) ? bed_kms() : bed_other_kms();
		k[book.n_kms++].uri = i->responder_kms;
	}
	struct mcsec_im_make what = {.kind = i->wrong_tag ? MCSEC_CSK : MCSEC_PCK,
				     .time = bed_now_ntp(),
				     .initiator = u->mcptt_id,
				     .initiator_kms = own.kms_uri,
				     .responder = target,
				     .responder_kms = i->responder_kms ? i->responder_kms : KMS_URI,
				     .key = key};
	assert_int_equal(mcsec_rng_system.fill(NULL, key, sizeof key), MCSEC_OK);
	assert_int_equal(mcsec_kid_new(what.kind, &mcsec_rng_system, NULL, NULL, &what.k_id), MCSEC_OK);
	assert_int_equal(mcsec_im_make(&book, &what, &mcsec_rng_system, msg, sizeof msg, &len), MCSEC_OK);
	if (i->damaged_key)
		len -= 3; /* cut: no syntax is left */
	base64_encode((struct octets){msg, len}, last_key_mgmt);
}

static size_t invite_body(struct ua *u, const struct inv *i, uint8_t *out, size_t size)
{
	static struct mcptt_info info;
	char sdp[6000], xml[2048], lists[2048], key[4200] = "";
	memset(&info, 0, sizeof info);
	bed_text(info.session_type, sizeof info.session_type, "%s", i->session ? i->session : "private");
	info.client_id.form = MCPTT_PLAIN;
	bed_text(info.client_id.value, sizeof info.client_id.value, "%s", i->client ? i->client : u->client_id);
	struct writer iw = wr_init((uint8_t *)xml, sizeof xml), lw = wr_init((uint8_t *)lists, sizeof lists);
	assert_int_equal(mcptt_info_write(&iw, &info), MCSEC_OK);
	const char *uris[2] = {i->target ? i->target : "sip:bob@mcptt." ZONE, i->second_target};
	assert_int_equal(resource_lists_write(&lw, uris, i->second_target ? 2 : 1), MCSEC_OK);
	if (!i->no_key) {
		make_pck(u, i);
		bed_text(key, sizeof key, "a=key-mgmt:mikey %s\r\n", last_key_mgmt);
	}
	const char *address = i->address ? i->address : "127.0.0.1";
	bed_text(sdp, sizeof sdp,
		 "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n%sa=x-unknown: kept  as it is \r\n"
		 "m=audio %u RTP/SAVP 97\r\na=rtpmap:97 opus/48000/2\r\na=x-media-level\r\n%s",
		 address, address, key, u->media_port, u->control_line ? u->control_line : "");
	struct body_out parts[5];
	size_t n = 0;
	if (!i->no_sdp)
		parts[n++] = (struct body_out){.type = TYPE_SDP, .body = octets_of(sdp)};
	parts[n++] = (struct body_out){.type = TYPE_MCPTT_INFO, .body = wr_result(&iw)};
	if (!i->no_lists)
		parts[n++] = (struct body_out){.type = TYPE_RESOURCE_LIST, .body = wr_result(&lw)};
	struct writer w = wr_init(out, size);
	if (bed_on_body)
		bed_on_body(u, parts, &n, 5);
	assert_int_equal(multipart_write(&w, "bed-boundary-77c2e", parts, n), MCSEC_OK);
	return wr_len(&w);
}

int ua_invite(struct ua *u, const struct inv *i)
{
	static uint8_t body[16384];
	char uri[128], preferred[128], asserted[128];
	size_t len = invite_body(u, i, body, sizeof body);
	bed_text(uri, sizeof uri, "sip:mcptt@sip." ZONE ":%u;transport=%s",
		 i->plain ? bed.server->sip_number : bed.server->sips_number, i->plain ? "tcp" : "tls");
	struct sip_header h[5] = {{"P-Preferred-Service", i->service ? i->service : ICSI_MCPTT}};
	size_t n = 1;
	if (i->preferred) {
		bed_text(preferred, sizeof preferred, "<%s>", i->preferred);
		h[n++] = (struct sip_header){"P-Preferred-Identity", preferred};
	}
	if (i->asserted) {
		bed_text(asserted, sizeof asserted, "<%s>", i->asserted);
		h[n++] = (struct sip_header){"P-Asserted-Identity", asserted};
		if (i->assert_twice)
			h[n] = h[n - 1], n++;
	}
	if (i->mode)
		h[n++] = (struct sip_header){"Answer-Mode", i->mode};
	struct sip_request rq = {.method = "INVITE",
				 .uri = uri,
				 .from = i->from ? i->from : u->impu,
				 .to = PSI,
				 .with = {.n_headers = n,
					  .headers = h,
					  .content_type = "multipart/mixed;boundary=\"bed-boundary-77c2e\"",
					  .body = {body, len}}};
	u->status = u->warning = u->provisional = 0;
	sip_dialog_free(u->dialog);
	u->dialog = sip_dialog_invite(u->port, &rq, ua_response, &ua_dialog_events, u, &u->tx);
	assert_non_null(u->dialog);
	if (i->dont_wait)
		return 0;
	wait_until(&u->status, 1);
	return u->status;
}

int ua_bye(struct ua *u)
{
	struct sip_request rq = {.method = "BYE", .timeout_ms = 5000};
	u->status = 0;
	assert_non_null(sip_dialog_send(u->dialog, &rq, ua_response, u));
	wait_until(&u->status, 1);
	return u->status;
}

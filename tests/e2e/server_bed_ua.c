/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_bed_ua.c - the bed's user agents: their ports and certificates, what they answer to requests, and what they
 * keep of what came.
 */
#include "e2e/server_bed_parts.h"

/* ---- user agents ---- */

static void keep_body(struct ua *u, const struct sip_message *m)
{
	struct multipart parts;
	static uint8_t scratch[MULTIPART_MAX_BODY];
	free(u->sdp);
	u->sdp = NULL;
	u->called_party[0] = u->calling_user[0] = 0;
	u->body.len = m->body.len < sizeof u->body_copy ? m->body.len : 0;
	memcpy(u->body_copy, m->body.p ? m->body.p : (const uint8_t *)"", u->body.len);
	u->body.p = u->body_copy;
	bed_text(u->body_type, sizeof u->body_type, "%s", m->content_type ? m->content_type : "");
	if (!m->content_type ||
	    multipart_read(m->content_type, m->body, scratch, sizeof scratch, &parts, NULL) != MCSEC_OK)
		return;
	const struct body_part *sdp = multipart_find(&parts, TYPE_SDP, NULL);
	if (sdp)
		u->sdp = strndup((const char *)sdp->body.p, sdp->body.len);
	static struct mcptt_info i;
	for (int s = 0; s < MCX_SERVICES; s++) {
		const struct body_part *info = multipart_find(&parts, mcx_services[s].info_type, NULL);
		if (!info || mcx_info_read((enum mcx_service)s, info->body, &i, NULL) != MCSEC_OK)
			continue;
		u->service = (enum mcx_service)s;
		bed_text(u->called_party, sizeof u->called_party, "%s", i.called_party_id.value);
		bed_text(u->calling_user, sizeof u->calling_user, "%s", i.calling_user_id.value);
	}
}

void (*bed_on_answer)(struct ua *u, const struct sip_message *rs);

void ua_response(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct ua *u = ctx;
	(void)tx;
	if (rs->status < 200) {
		u->provisional = rs->status;
		return;
	}
	const char *w = sip_header_at(rs, "Warning", 0), *after = sip_header_at(rs, "Retry-After", 0);
	u->warning = sip_warning_code(rs);
	u->retry_after = after ? atoi(after) : 0;
	bed_text(u->warning_text, sizeof u->warning_text, "%s", w ? w : "");
	bed_text(u->error, sizeof u->error, "%s", rs->error ? rs->error : "");
	bed_text(u->contact, sizeof u->contact, "%s", rs->n_contacts ? rs->contacts[0].uri : "");
	keep_body(u, rs);
	u->tx = NULL;
	if (bed_on_answer)
		bed_on_answer(u, rs);
	u->status = rs->status;
}

static void on_cancel(void *ctx, struct sip_server_tx *tx)
{
	struct ua *u = ctx;
	u->cancels++;
	u->held = NULL;
	(void)sip_reply(tx, 487, NULL, NULL);
}

static void in_dialog(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq);

static void on_ack(void *ctx, struct sip_dialog *d, int ok)
{
	(void)d;
	((struct ua *)ctx)->acks += ok;
}

const struct sip_dialog_events ua_dialog_events = {in_dialog, on_ack};

static void answer_sdp(const struct ua *u, char *out, size_t size)
{
	bed_text(out, size,
		 "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/SAVP 97\r\n"
		 "a=rtpmap:97 opus/48000/2\r\na=answered-by:%s\r\n%s",
		 u->media_port, u->name, u->control_line ? u->control_line : "");
}

static void accept_invite(struct ua *u, struct sip_server_tx *tx, int in)
{
	char sdp[512];
	answer_sdp(u, sdp, sizeof sdp);
	if (!in) {
		sip_dialog_free(u->dialog);
		u->dialog = sip_dialog_accept(tx, &ua_dialog_events, u);
	}
	assert_int_equal(sip_reply(tx, 200, NULL, &(struct sip_out){.content_type = TYPE_SDP, .body = octets_of(sdp)}),
			 MCSEC_OK);
}

static void in_dialog(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct ua *u = ctx;
	if (strcmp(rq->method, "INVITE") == 0) {
		u->reinvites++;
		keep_body(u, rq);
		if (u->reanswer)
			(void)sip_reply(tx, u->reanswer, NULL, NULL);
		else
			accept_invite(u, tx, 1);
		return;
	}
	if (strcmp(rq->method, "BYE") == 0)
		u->byes++;
	(void)sip_reply(tx, 200, NULL, NULL);
}

void (*bed_on_message)(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq);

struct mcsec_im *ua_open_im(const struct ua *u, struct octets message)
{
	const char *servers[SERVER_IDENTITIES], *self = u->mcptt_id;
	size_t n = server_identities(&bed.cfg, servers);
	struct mcsec_im_kms k[2];
	struct mcsec_im_own own;
	struct mcsec_im_book book = bed_book_of(u, k, &own);
	struct mcsec_im_expect expect = {
	    .now = bed_now_ntp(), .initiators = servers, .n_initiators = n, .selves = &self, .n_selves = 1};
	struct mcsec_fault fault;
	struct mcsec_im *im = NULL;
	return mcsec_im_open(&book, &expect, message.p, message.len, &im, &fault) ? NULL : im;
}

struct ua *(*bed_addressee)(struct ua *port, const struct sip_message *rq);

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct ua *u = bed_addressee ? bed_addressee(ctx, rq) : ctx;
	if (strcmp(rq->method, "MESSAGE") == 0 && bed_on_message) {
		bed_on_message(u, tx, rq);
		return;
	}
	if (strcmp(rq->method, "INVITE") != 0) {
		(void)sip_reply(tx, 200, NULL, NULL);
		return;
	}
	const char *asserted = sip_header_at(rq, "P-Asserted-Identity", 0), *mode = sip_header_at(rq, "Answer-Mode", 0);
	bed_text(u->asserted, sizeof u->asserted, "%s", asserted ? asserted : "");
	bed_text(u->answer_mode, sizeof u->answer_mode, "%s", mode ? mode : "");
	bed_text(u->target, sizeof u->target, "%s", rq->uri);
	bed_text(u->route, sizeof u->route, "%s", sip_header_at(rq, "Route", 0) ? sip_header_at(rq, "Route", 0) : "");
	bed_text(u->asserted_service, sizeof u->asserted_service, "%s",
		 sip_header_at(rq, "P-Asserted-Service", 0) ? sip_header_at(rq, "P-Asserted-Service", 0) : "");
	size_t n = 0;
	for (size_t k = 0; k < sip_header_count(rq, "Accept-Contact"); k++)
		n += (size_t)snprintf(u->accept + n, sizeof u->accept - n, "%s\n",
				      sip_header_at(rq, "Accept-Contact", k));
	keep_body(u, rq);
	u->invites++;
	(void)sip_reply(tx, 180, NULL, NULL);
	if (u->answer == 0) {
		u->held = tx;
		sip_tx_on_cancel(tx, on_cancel, u);
	} else if (u->answer == 200) {
		accept_invite(u, tx, 0);
	} else {
		struct sip_header h = {"Warning", u->refuse_warning};
		struct sip_out with = {.n_headers = u->refuse_warning ? 1 : 0,
				       .headers = &h,
				       .content_type = u->refuse_body.len ? "application/x-reason" : NULL,
				       .body = u->refuse_body};
		(void)sip_reply(tx, u->answer, NULL, &with);
	}
}

static void open_port(struct ua *u)
{
	char err[256] = "";
	struct sip_port_options o = {.n_listen = 2,
				     .listen = {{SIP_TLS, "127.0.0.1", 0}, {SIP_TCP, "127.0.0.1", 0}},
				     .tls_dir = u->tls,
				     .resolv_conf = bed.dns.conf,
				     .connect_ms = 1000,
				     .on_request = on_request,
				     .ctx = u};
	u->port = sip_port_new(bed.loop, &o, err, sizeof err);
	if (!u->port)
		fail_msg("%s: %s", u->name, err);
}

void ua_make(struct ua *u, const char *name, const char *user, const char *impu_user)
{
	char san[128];
	memset(u, 0, sizeof *u);
	u->name = name;
	u->answer = 200;
	bed_text(u->mcptt_id, sizeof u->mcptt_id, "sip:%s@mcptt." ZONE, user);
	bed_text(u->impu, sizeof u->impu, "sip:%s@" ZONE, impu_user);
	bed_text(u->client_id, sizeof u->client_id, "urn:uuid:00000000-0000-4000-8000-%012x",
		 (unsigned)strlen(name) * 7919u + (unsigned char)name[0]);
	bed_text(san, sizeof san, "URI:%s", u->impu);
	pki_agent(&bed.ca, &bed.ca, name, san, u->tls, sizeof u->tls);
	u->keys = bed_issue(u->mcptt_id);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	u->media = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(u->media, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(u->media, (struct sockaddr *)&a, &len);
	u->media_port = ntohs(a.sin_port);
}

void ua_move(struct ua *u)
{
	char id[64];
	bed_text(id, sizeof id, "sip:%s@b.test", u->name);
	bed_text(u->mcptt_id, sizeof u->mcptt_id, "%s", id);
	mcsec_keyset_free(u->keys);
	u->keys = bed_issue_elsewhere(u->mcptt_id);
	u->elsewhere = 1;
}

void ua_open(struct ua *u, const char *name, const char *user, const char *impu_user)
{
	ua_make(u, name, user, impu_user);
	open_port(u);
}

void ua_close(struct ua *u)
{
	sip_port_free(u->port);
	mcsec_keyset_free(u->keys);
	free(u->sdp);
	close(u->media);
}

void ua_reconnect(struct ua *u)
{
	sip_port_free(u->port);
	u->dialog = NULL;
	u->tx = NULL;
	u->held = NULL;
	open_port(u);
}

void pump(unsigned ms)
{
	sip_loop_step(bed.loop, ms);
}

void wait_until(const int *value, int at_least)
{
	for (int i = 0; i < 1500 && *value < at_least; i++)
		pump(10);
}

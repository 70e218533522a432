/* SPDX-License-Identifier: Apache-2.0 */
/* ue_lab_own.c - see ue_lab.h: INVITEs and key downloads of the server's own making. */
#include "ue_lab_in.h"

#include <time.h>

#include "mcx/doc/multipart.h"

/* ---- INVITEs ----------------------------------------------------------------------------------------------------- */

static void own_answer(struct lab *l, const struct sip_message *rs)
{
	l->answer = (struct lab_answer){.status = rs->status, .warning = sip_warning_code(rs)};
	if (rs->status < 300 || l->second)
		lab_send_bye(l, &l->own_dialog);
	else {
		sip_dialog_free(l->own_dialog);
		l->own_dialog = NULL;
	}
	sem_post(&l->answered);
}

static void on_own_second(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)tx;
	if (rs->status >= 200)
		own_answer(ctx, rs);
}

static void on_own_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct lab *l = ctx;
	static uint8_t body[TEXT];
	(void)tx;
	if (rs->status < 200)
		return;
	if (rs->status >= 300 || !l->second) {
		own_answer(l, rs);
		return;
	}
	size_t n = lab_invite_body(l->service, l->second, strlen(l->second), l->calling, l->to, body, sizeof body);
	struct sip_request again = {.method = "INVITE",
				    .with = {.content_type = "multipart/mixed;boundary=b0undary", .body = {body, n}}};
	if (!sip_dialog_send(l->own_dialog, &again, on_own_second, l))
		own_answer(l, rs);
}

static void begin_own(void *arg)
{
	struct lab *l = arg;
	static uint8_t body[TEXT];
	struct registered *c = lab_find(l, l->to);
	size_t n = lab_invite_body(l->service, l->offer, strlen(l->offer), l->calling, l->to, body, sizeof body);
	l->answer = (struct lab_answer){0};
	if (c) {
		struct sip_request rq = lab_invite_to(l->service, c, l->calling, (struct octets){body, n});
		l->own_dialog = sip_dialog_invite(l->port, &rq, on_own_answer, &lab_dialog_events, l, NULL);
	}
	if (!c || !l->own_dialog)
		sem_post(&l->answered);
}

void lab_set_service(struct lab *l, enum mcx_service service)
{
	l->service = service;
}

struct lab_answer lab_invite_twice(struct lab *l, const char *to, const char *calling, const char *offer,
				   const char *second)
{
	l->to = to;
	l->calling = calling;
	l->offer = offer;
	l->second = second;
	sip_loop_post(l->loop, begin_own, l);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	if (sem_timedwait(&l->answered, &until))
		fail_msg("no answer to an INVITE");
	return l->answer;
}

struct lab_answer lab_invite(struct lab *l, const char *to, const char *calling, const char *offer)
{
	return lab_invite_twice(l, to, calling, offer, NULL);
}

/* ---- key downloads ----------------------------------------------------------------------------------------------- */

static void on_message_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct lab *l = ctx;
	(void)tx;
	if (rs->status < 200)
		return;
	const char *after = sip_header_at(rs, "Retry-After", 0);
	l->answer = (struct lab_answer){rs->status, sip_warning_code(rs), after ? atoi(after) : 0, "", 0, {0}};
	snprintf(l->answer.type, sizeof l->answer.type, "%s", rs->content_type ? rs->content_type : "");
	l->answer.len = rs->body.len < sizeof l->answer.body ? rs->body.len : 0;
	if (l->answer.len)
		memcpy(l->answer.body, rs->body.p, l->answer.len);
	sem_post(&l->answered);
}

static void make_message(struct lab *l, const char *to, struct lab_message *m)
{
	struct mcsec_alg_list algs = {.selected = m->suite, .suites = {m->suite}, .n = 1};
	struct mcsec_im_make what = {.kind = m->kind,
				     .key = m->key,
				     .initiator = m->from ? m->from : LAB_PSI,
				     .initiator_kms = LAB_KMS,
				     .responder = m->to ? m->to : to,
				     .responder_kms = m->kms ? m->kms : LAB_KMS,
				     .hide_initiator = m->hide,
				     .hide_responder = m->hide,
				     .to_self = m->to_self,
				     .algs = m->suite ? &algs : NULL};
	m->time = what.time = (uint64_t)(time(NULL) + m->ahead) + MCSEC_NTP_UNIX;
	if (!m->again)
		mcsec_rng_system.fill(NULL, m->key, sizeof m->key);
	if (!m->k_id)
		assert_int_equal(mcsec_kid_new(m->kind, &mcsec_rng_system, NULL, NULL, &m->k_id), MCSEC_OK);
	what.k_id = m->k_id;
	assert_int_equal(mcsec_im_make(&l->book, &what, &mcsec_rng_system, m->message, sizeof m->message, &m->len),
			 MCSEC_OK);
	if (m->flip)
		m->message[m->flip > 0 ? (size_t)m->flip : m->len - (size_t)-m->flip] ^= 1;
}

static void begin_message(void *arg)
{
	struct lab *l = arg;
	struct lab_message *m = l->outgoing;
	struct registered *c = lab_find(l, l->to);
	const char *icsi = m->icsi ? m->icsi : "urn:urn-7:3gpp-service.ims.icsi.mcptt";
	const struct sip_header h[] = {{"P-Asserted-Identity", m->asserted ? m->asserted : "<" LAB_PSI ">"},
				       {"P-Asserted-Service", icsi}};
	struct sip_request rq = {.method = "MESSAGE",
				 .uri = c ? c->contact : NULL,
				 .from = LAB_PSI,
				 .to = l->to,
				 .flow = c ? c->flow : NULL,
				 .with = {.n_headers = *icsi ? 2 : 1,
					  .headers = h,
					  .content_type = m->type ? m->type : TYPE_MIKEY,
					  .body = {m->message, m->len}}};
	l->answer = (struct lab_answer){0};
	if (!c || !sip_send(l->port, &rq, on_message_answer, l))
		sem_post(&l->answered);
}

struct lab_answer lab_message(struct lab *l, const char *to, struct lab_message *m)
{
	struct timespec until;
	if (!m->octets)
		make_message(l, to, m);
	l->to = to;
	l->outgoing = m;
	sip_loop_post(l->loop, begin_message, l);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30;
	if (sem_timedwait(&l->answered, &until))
		fail_msg("no answer to a MESSAGE");
	return l->answer;
}

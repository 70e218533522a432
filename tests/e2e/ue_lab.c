/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_lab.c - see ue_lab.h.
 *
 * The clients' stores are filled as an earlier run would have left them; what they hold came from a real master and
 * passes every check. The server is a back-to-back user agent of a few lines: one call at a time, offer and answer are
 * handed on as they are unless a hook changes them.
 */
#include "ue_lab.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit/test.h"

#include "mcsec/secret.h"
#include "mcx/doc/kms_doc.h"
#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/multipart.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/doc/sdp.h"
#include "net/sip_port.h"
#include "ue/ue_store.h"

enum { MAX_OWN = 8, TEXT = 16384, PERIOD = 28 * 86400 };
static const char *const identities[] = {LAB_ALICE, LAB_BOB, LAB_MALLORY, LAB_PSI};
enum { IDENTITIES = sizeof identities / sizeof *identities };

struct registered {
	char impu[256], contact[512];
	struct sip_flow *flow;
};

struct lab {
	char dir[64];
	struct mcsec_master *master;
	struct kms_certificate cert;
	struct kms_key_set sets[MAX_OWN];
	struct mcsec_im_own own[MAX_OWN];
	size_t n_own;
	struct mcsec_im_kms kms;
	struct mcsec_im_book book;

	pthread_t thread;
	sem_t ready, answered;
	struct sip_loop *loop;
	struct sip_port *port;
	uint16_t number;
	struct lab_hooks hooks;
	struct registered clients[IDENTITIES];
	size_t n_clients;
	struct lab_register last;
	int byes;
	struct refusal {
		const char *method;
		int n, status;
		char warning[128];
	} refusals[3];
	_Atomic unsigned registers, publishes;
	struct lab_message *outgoing;
	const char *suites, *minimum; /* suites NULL: the KMS says nothing */

	/* the call between two clients */
	struct sip_dialog *a, *b;
	struct sip_server_tx *invite;
	struct sip_client_tx *forwarded;
	/* an INVITE of the server's own */
	const char *to, *calling, *offer, *second;
	struct sip_dialog *own_dialog;
	struct lab_answer answer;
};

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void issue(struct lab *l, const char *uri, uint64_t period)
{
	struct kms_key_set *s = &l->sets[l->n_own];
	struct mcsec_issued *issued = mcsec_secret_alloc(sizeof *issued);
	snprintf(s->kms_uri, sizeof s->kms_uri, LAB_KMS);
	snprintf(s->user_uri, sizeof s->user_uri, "%s", uri);
	s->period_no = period;
	s->valid_from = (int64_t)(mcsec_period_start(&l->cert.periods, period) - MCSEC_NTP_UNIX);
	s->valid_to = s->valid_from + PERIOD;
	s->secret = mcsec_secret_alloc(sizeof *s->secret);
	assert_int_equal(mcsec_uid(uri, LAB_KMS, &l->cert.periods, period, s->uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(l->master, &mcsec_rng_system, l->n_own + 1, s->uid, sizeof s->uid, issued),
			 MCSEC_OK);
	memcpy(s->pvt, issued->pvt, sizeof s->pvt);
	memcpy(s->secret->rsk, issued->rsk, sizeof s->secret->rsk);
	memcpy(s->secret->ssk, issued->ssk, sizeof s->secret->ssk);
	mcsec_secret_free(issued);
	struct mcsec_keyset *keys;
	struct kms_fault f;
	if (kms_key_set_check(s, &l->cert, l->kms.kms, uri, &keys, &f))
		fail_msg("key set of %s: %s %s", uri, f.element, f.detail);
	l->own[l->n_own++] = (struct mcsec_im_own){s->user_uri, l->cert.kms_uri, period, keys};
}

static void make_keys(struct lab *l)
{
	uint64_t period, now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
	struct kms_certificate *c = &l->cert;
	assert_int_equal(mcsec_master_generate(&l->master, &mcsec_rng_system), MCSEC_OK);
	c->role = KMS_ROLE_ROOT;
	snprintf(c->kms_uri, sizeof c->kms_uri, LAB_KMS);
	snprintf(c->cert_uri, sizeof c->cert_uri, "cert." LAB_KMS);
	snprintf(c->user_id_format, sizeof c->user_id_format, "2");
	c->valid_from = (int64_t)(now - MCSEC_NTP_UNIX) - 86400;
	c->valid_to = c->valid_from + 365 * 86400;
	c->periods = (struct mcsec_periods){PERIOD, (now % PERIOD + PERIOD / 2) % PERIOD}; /* now is in its middle */
	c->parameter_set = 1;
	c->n_domains = 1;
	snprintf(c->domains[0], sizeof c->domains[0], "lab.mcx.test");
	mcsec_master_public(l->master, c->pub_auth_key, c->pub_enc_key);
	l->kms = (struct mcsec_im_kms){.uri = c->kms_uri, .periods = c->periods};
	assert_int_equal(mcsec_kms_new(&l->kms.kms, c->pub_auth_key, c->pub_enc_key), MCSEC_OK);
	assert_int_equal(mcsec_period_number(&c->periods, now, &period), MCSEC_OK);
	for (size_t i = 0; i < IDENTITIES; i++)
		issue(l, identities[i], period);
	l->book = (struct mcsec_im_book){.kms = &l->kms, .n_kms = 1, .own = l->own, .n_own = l->n_own};
}

const struct mcsec_im_book *lab_book(const struct lab *l)
{
	return &l->book;
}

static size_t pck_message(struct lab *l, struct mcsec_im_make *what, uint8_t out[MCSEC_IM_MAX])
{
	uint8_t key[MCSEC_KEY_LEN];
	size_t n = 0;
	what->kind = MCSEC_PCK;
	what->key = key;
	what->initiator_kms = what->responder_kms = LAB_KMS;
	mcsec_rng_system.fill(NULL, key, sizeof key);
	assert_int_equal(mcsec_kid_new(MCSEC_PCK, &mcsec_rng_system, NULL, NULL, &what->k_id), MCSEC_OK);
	assert_int_equal(mcsec_im_make(&l->book, what, &mcsec_rng_system, out, MCSEC_IM_MAX, &n), MCSEC_OK);
	return n;
}

size_t lab_pck_message(struct lab *l, const char *from, const char *to, uint64_t when, uint8_t out[MCSEC_IM_MAX])
{
	return pck_message(l, &(struct mcsec_im_make){.time = when, .initiator = from, .responder = to}, out);
}

size_t lab_pck_message_with(struct lab *l, uint64_t when, const struct mcsec_key_params *params,
			    uint8_t out[MCSEC_IM_MAX])
{
	return pck_message(
	    l, &(struct mcsec_im_make){.time = when, .initiator = LAB_ALICE, .responder = LAB_BOB, .params = params},
	    out);
}

void lab_offer(const uint8_t *message, size_t len, char *out, size_t size)
{
	struct sdp_audio a = {.session_id = 1,
			      .version = 1,
			      .address = "127.0.0.1",
			      .port = 9,
			      .proto = "RTP/SAVP",
			      .payload_type = 101,
			      .rtpmap = "opus/48000/2",
			      .key_mgmt = {message, len}};
	struct writer w = wr_init((uint8_t *)out, size - 1);
	assert_int_equal(sdp_write_offer(&w, &a), MCSEC_OK);
	out[wr_len(&w)] = 0;
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

static void plant(struct ue_store *s, const char *name, void (*write)(struct writer *, const void *), const void *doc)
{
	uint8_t *buf = mcsec_secret_alloc(KMS_CERTIFICATE_BOUND);
	struct writer w = wr_init(buf, KMS_CERTIFICATE_BOUND);
	write(&w, doc);
	assert_int_equal(ue_store_put(s, name, wr_result(&w)), 0);
	mcsec_secret_free(buf);
}

static void write_certificate(struct writer *w, const void *doc)
{
	kms_certificate_write(w, doc);
}

static void write_key_set(struct writer *w, const void *doc)
{
	kms_key_set_write(w, doc);
}

static void plant_tokens(struct ue_store *s, const char *uri)
{
	uint8_t buf[1024];
	const char *texts[] = {"token-of-the-lab", "", "scope", uri, "sid", "acr", uri};
	uint64_t day = (uint64_t)time(NULL) + 86400;
	const uint64_t times[] = {day, day, 0, 0};
	struct writer w = wr_init(buf, sizeof buf);
	wr_u8(&w, 1);
	for (size_t i = 0; i < 4; i++)
		wr_u64(&w, times[i]);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		wr_octets(&w, (struct octets){(const uint8_t *)texts[i], strlen(texts[i]) + 1});
	assert_int_equal(ue_store_put(s, "tokens", wr_result(&w)), 0);
}

void lab_set_suites(struct lab *l, const char *list, const char *minimum)
{
	l->suites = list;
	l->minimum = minimum;
}

static void plant_suites(const struct lab *l, struct ue_store *s)
{
	uint8_t text[64];
	struct writer w = wr_init(text, sizeof text);
	wr_text(&w, l->suites ? l->suites : "");
	wr_u8(&w, 0);
	wr_text(&w, l->suites ? l->minimum : "");
	wr_u8(&w, 0);
	assert_int_equal(ue_store_put(s, "kms-suites", wr_result(&w)), 0);
}

struct ue *lab_client(struct lab *l, const char *uri, const struct ue_config *extra)
{
	char dir[128], route[64], err[512];
	snprintf(dir, sizeof dir, "%s/%.*s", l->dir, (int)strcspn(uri + 4, "@"), uri + 4);
	struct ue_store *s = ue_store_open(dir, err, sizeof err);
	if (!s)
		fail_msg("%s", err);
	plant_tokens(s, uri);
	plant(s, "kms-certificate", write_certificate, &l->cert);
	plant_suites(l, s);
	for (size_t i = 0; i < l->n_own; i++)
		if (!strcmp(l->own[i].uri, uri))
			plant(s, "key-set/00000000000000000001", write_key_set, &l->sets[i]);
	ue_store_close(s);
	snprintf(route, sizeof route, "sip:127.0.0.1:%u;transport=tcp", l->number);
	struct ue_config c = extra ? *extra : (struct ue_config){0};
	c.xml_confidentiality_off = c.xml_integrity_off = 1; /* the lab's server reads bodies as they are */
	c.dir = dir;
	c.user = uri;
	c.idms_url = "https://idms.lab.mcx.test";
	c.kms_url = "https://kms.lab.mcx.test";
	c.kms_uri = LAB_KMS;
	c.ca_file = "/nonexistent";
	c.sip_psi = LAB_PSI;
	c.sip_route = route;
	c.sip_address = "127.0.0.1";
	struct ue *u = ue_new(&c, err, sizeof err);
	if (!u)
		fail_msg("%s", err);
	return u;
}

/* ---- server: REGISTER -------------------------------------------------------------------------------------------- */

static struct registered *find_client(struct lab *l, const char *impu)
{
	for (size_t i = 0; i < l->n_clients; i++)
		if (!strcmp(l->clients[i].impu, impu))
			return &l->clients[i];
	return NULL;
}

static void copy_header(char *out, size_t size, const struct sip_message *rq, const char *name)
{
	const char *value = sip_header_at(rq, name, 0);
	snprintf(out, size, "%s", value ? value : "");
}

static void read_register(struct lab *l, const struct sip_message *rq)
{
	static struct multipart parts;
	static struct mcptt_info info;
	static uint8_t scratch[MULTIPART_MAX_BODY];
	const char *user = rq->from, *const us = LAB_PSI;
	copy_header(l->last.event, sizeof l->last.event, rq, "Event");
	copy_header(l->last.expires, sizeof l->last.expires, rq, "Expires");
	copy_header(l->last.service, sizeof l->last.service, rq, "P-Preferred-Service");
	copy_header(l->last.accept, sizeof l->last.accept, rq, "Accept-Contact");
	l->last.uploads = rq->content_type != NULL;
	if (!rq->content_type || multipart_read(rq->content_type, rq->body, scratch, sizeof scratch, &parts, NULL))
		return;
	const struct body_part *mikey = multipart_find(&parts, TYPE_MIKEY, NULL);
	const struct body_part *xml = multipart_find(&parts, TYPE_MCPTT_INFO, NULL);
	const struct body_part *settings = multipart_find(&parts, TYPE_POC_SETTINGS, NULL);
	l->last.csk_opened = 0;
	l->last.answer = POC_ANSWER_NONE;
	if (settings)
		(void)poc_settings_read(settings->body, &l->last.answer, NULL);
	if (xml && !mcptt_info_read(xml->body, &info, NULL)) {
		snprintf(l->last.token, sizeof l->last.token, "%.255s", info.access_token.value);
		snprintf(l->last.client_id, sizeof l->last.client_id, "%.63s", info.client_id.value);
	}
	struct mcsec_im_expect expect = {.now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX,
					 .tags = MCSEC_TAG_BIT(MCSEC_CSK),
					 .initiators = &user,
					 .n_initiators = 1,
					 .selves = &us,
					 .n_selves = 1};
	struct mcsec_im *im = NULL;
	struct mcsec_fault fault;
	if (mikey && !mcsec_im_open(&l->book, &expect, mikey->body.p, mikey->body.len, &im, &fault)) {
		l->last.csk_opened = 1;
		l->last.csk_id = im->k_id;
		l->last.time = im->time;
	}
	struct mcsec_im_peek peek;
	if (mikey && !mcsec_im_peek(mikey->body.p, mikey->body.len, &peek, &fault)) {
		l->last.algs = peek.algs;
		l->last.initiator_hidden = peek.initiator_hidden;
		l->last.responder_hidden = peek.responder_hidden;
		l->last.to_self = peek.to_self;
	}
	mcsec_im_free(im);
}

static int refuse(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	for (size_t i = 0; i < sizeof l->refusals / sizeof *l->refusals; i++) {
		struct refusal *r = &l->refusals[i];
		if (!r->n || strcmp(r->method, rq->method) != 0)
			continue;
		struct sip_header warning[] = {{"Warning", r->warning}};
		r->n--;
		sip_reply(tx, r->status, NULL, &(struct sip_out){.n_headers = r->warning[0] != 0, .headers = warning});
		return 1;
	}
	return 0;
}

/* The core lets nobody publish who is not registered; here both are one. */
static void on_publish(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	read_register(l, rq);
	l->publishes++;
	if (refuse(l, tx, rq))
		return;
	struct sip_header expires[] = {{"Expires", "3600"}, {"SIP-ETag", "e1"}};
	sip_reply(tx, 200, NULL, &(struct sip_out){.n_headers = 2, .headers = expires});
}

static void on_register(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	read_register(l, rq);
	l->registers++;
	if (refuse(l, tx, rq))
		return;
	struct registered *c = find_client(l, rq->to);
	if (!c && l->n_clients < IDENTITIES)
		c = &l->clients[l->n_clients++];
	if (c && rq->n_contacts && rq->expires != 0) {
		snprintf(c->impu, sizeof c->impu, "%s", rq->to);
		snprintf(c->contact, sizeof c->contact, "%s", rq->contacts[0].uri);
		sip_flow_unref(c->flow);
		c->flow = sip_flow_of(tx);
	}
	struct sip_header expires[] = {{"Expires", "600"}};
	sip_reply(tx, 200, NULL, &(struct sip_out){.n_headers = 1, .headers = expires});
}

/* ---- server: a call between two clients ---------------------------------------------------------------------------
 */

static void in_dialog(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq);
static const struct sip_dialog_events dialog_events = {.on_request = in_dialog};

/* The forwarded INVITE's body: description, and who calls. */
static size_t write_body(const char *sdp, size_t sdp_len, const char *calling, const char *called, uint8_t *out,
			 size_t size)
{
	static struct mcptt_info info;
	static uint8_t xml[4096];
	memset(&info, 0, sizeof info);
	snprintf(info.session_type, sizeof info.session_type, "private");
	info.calling_user_id.form = info.called_party_id.form = MCPTT_PLAIN;
	snprintf(info.calling_user_id.value, sizeof info.calling_user_id.value, "%s", calling);
	snprintf(info.called_party_id.value, sizeof info.called_party_id.value, "%s", called);
	struct writer x = wr_init(xml, sizeof xml), w = wr_init(out, size);
	mcptt_info_write(&x, &info);
	const struct body_out parts[] = {{TYPE_MCPTT_INFO, NULL, wr_result(&x), 0},
					 {TYPE_SDP, NULL, {(const uint8_t *)sdp, sdp_len}, 0}};
	multipart_write(&w, "b0undary", parts, 2);
	return wr_len(&w);
}

static struct sip_request invite_to(const struct lab *l, const struct registered *c, const char *from,
				    struct octets body)
{
	(void)l;
	return (struct sip_request){.method = "INVITE",
				    .uri = c->contact,
				    .from = from,
				    .to = c->impu,
				    .flow = c->flow,
				    .with = {.content_type = "multipart/mixed;boundary=b0undary", .body = body}};
}

static void on_forward_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct lab *l = ctx;
	static char text[TEXT];
	(void)tx;
	if (rs->status < 200 || !l->invite)
		return;
	struct sip_server_tx *invite = l->invite;
	l->invite = NULL;
	l->forwarded = NULL;
	if (rs->status >= 300) {
		const char *warning = sip_header_at(rs, "Warning", 0);
		struct sip_header h[] = {{"Warning", warning}};
		sip_reply(invite, rs->status, NULL, &(struct sip_out){.n_headers = warning != NULL, .headers = h});
		sip_dialog_free(l->b);
		l->b = NULL;
		return;
	}
	size_t len = rs->body.len < TEXT ? rs->body.len : 0;
	memcpy(text, rs->body.p, len);
	if (l->hooks.answer)
		l->hooks.answer(l->hooks.ctx, text, &len, TEXT);
	l->a = sip_dialog_accept(invite, &dialog_events, l);
	sip_reply(invite, 200, NULL, &(struct sip_out){.content_type = TYPE_SDP, .body = {(const uint8_t *)text, len}});
}

static void on_forward_cancel(void *ctx, struct sip_server_tx *tx)
{
	struct lab *l = ctx;
	l->invite = NULL;
	sip_cancel(l->forwarded);
	sip_reply(tx, 487, NULL, NULL);
}

static void on_invite(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	static struct multipart parts;
	static struct resource_lists lists;
	static uint8_t scratch[MULTIPART_MAX_BODY], body[TEXT];
	static char text[TEXT];
	if (multipart_read(rq->content_type, rq->body, scratch, sizeof scratch, &parts, NULL) ||
	    !multipart_find(&parts, TYPE_RESOURCE_LIST, NULL) || !multipart_find(&parts, TYPE_SDP, NULL) ||
	    resource_lists_read(multipart_find(&parts, TYPE_RESOURCE_LIST, NULL)->body, &lists, NULL) || lists.n != 1) {
		sip_reply(tx, 400, NULL, NULL);
		return;
	}
	struct registered *c = find_client(l, lists.uri[0]);
	if (!c || l->invite) {
		sip_reply(tx, c ? 486 : 404, NULL, NULL);
		return;
	}
	struct octets sdp = multipart_find(&parts, TYPE_SDP, NULL)->body;
	size_t len = sdp.len < TEXT ? sdp.len : 0;
	memcpy(text, sdp.p, len);
	if (l->hooks.offer)
		l->hooks.offer(l->hooks.ctx, text, &len, TEXT);
	size_t n = write_body(text, len, rq->from, c->impu, body, sizeof body);
	struct sip_request out = invite_to(l, c, rq->from, (struct octets){body, n});
	l->invite = tx;
	sip_tx_on_cancel(tx, on_forward_cancel, l);
	l->b = sip_dialog_invite(l->port, &out, on_forward_answer, &dialog_events, l, &l->forwarded);
	if (!l->b) {
		l->invite = NULL;
		sip_reply(tx, 503, NULL, NULL);
	}
}

struct ending {
	struct lab *l;
	struct sip_dialog *d;
};

static void on_bye_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct ending *e = ctx;
	(void)tx;
	if (rs->status < 200)
		return;
	sip_dialog_free(e->d);
	free(e);
}

static void send_bye(struct lab *l, struct sip_dialog **d)
{
	struct ending *e = malloc(sizeof *e);
	*e = (struct ending){l, *d};
	*d = NULL;
	if (!e->d ||
	    !sip_dialog_send(e->d, &(struct sip_request){.method = "BYE", .timeout_ms = 5000}, on_bye_answer, e)) {
		sip_dialog_free(e->d);
		free(e);
	}
}

static void in_dialog(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct lab *l = ctx;
	int bye = !strcmp(rq->method, "BYE"), from_a = l->a && !strcmp(rq->call_id, sip_dialog_call_id(l->a));
	l->byes += bye;
	sip_reply(tx, bye ? 200 : 405, NULL, NULL);
	if (!bye)
		return;
	struct sip_dialog **same = from_a ? &l->a : &l->b, **other = from_a ? &l->b : &l->a;
	if (l->own_dialog && !strcmp(rq->call_id, sip_dialog_call_id(l->own_dialog))) {
		sip_dialog_free(l->own_dialog);
		l->own_dialog = NULL;
		return;
	}
	sip_dialog_free(*same);
	*same = NULL;
	if (*other)
		send_bye(l, other);
}

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct lab *l = ctx;
	if (!strcmp(rq->method, "REGISTER"))
		on_register(l, tx, rq);
	else if (!strcmp(rq->method, "PUBLISH"))
		on_publish(l, tx, rq);
	else if (!strcmp(rq->method, "INVITE") && !rq->to_tag) {
		if (!refuse(l, tx, rq))
			on_invite(l, tx, rq);
	} else
		sip_reply(tx, 481, NULL, NULL);
}

/* ---- server: INVITEs of its own -----------------------------------------------------------------------------------
 */

static void own_answer(struct lab *l, const struct sip_message *rs)
{
	l->answer = (struct lab_answer){rs->status, sip_warning_code(rs), 0};
	if (rs->status < 300 || l->second)
		send_bye(l, &l->own_dialog);
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
	size_t n = write_body(l->second, strlen(l->second), l->calling, l->to, body, sizeof body);
	struct sip_request again = {.method = "INVITE",
				    .with = {.content_type = "multipart/mixed;boundary=b0undary", .body = {body, n}}};
	if (!sip_dialog_send(l->own_dialog, &again, on_own_second, l))
		own_answer(l, rs);
}

static void begin_own(void *arg)
{
	struct lab *l = arg;
	static uint8_t body[TEXT];
	struct registered *c = find_client(l, l->to);
	size_t n = write_body(l->offer, strlen(l->offer), l->calling, l->to, body, sizeof body);
	l->answer = (struct lab_answer){0};
	if (c) {
		struct sip_request rq = invite_to(l, c, l->calling, (struct octets){body, n});
		l->own_dialog = sip_dialog_invite(l->port, &rq, on_own_answer, &dialog_events, l, NULL);
	}
	if (!c || !l->own_dialog)
		sem_post(&l->answered);
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

/* ---- server: key downloads of its own ---------------------------------------------------------------------------- */

static void on_message_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct lab *l = ctx;
	(void)tx;
	if (rs->status < 200)
		return;
	const char *after = sip_header_at(rs, "Retry-After", 0);
	l->answer = (struct lab_answer){rs->status, sip_warning_code(rs), after ? atoi(after) : 0};
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
				     .responder_kms = LAB_KMS,
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
	struct registered *c = find_client(l, l->to);
	const char *icsi = m->icsi ? m->icsi : "urn:urn-7:3gpp-service.ims.icsi.mcptt";
	const struct sip_header h[] = {{"P-Asserted-Identity", m->asserted ? m->asserted : "<" LAB_PSI ">"},
				       {"P-Asserted-Service", icsi}};
	struct sip_request rq = {
	    .method = "MESSAGE",
	    .uri = c ? c->contact : NULL,
	    .from = LAB_PSI,
	    .to = l->to,
	    .flow = c ? c->flow : NULL,
	    .with = {
		.n_headers = *icsi ? 2 : 1, .headers = h, .content_type = TYPE_MIKEY, .body = {m->message, m->len}}};
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

unsigned lab_registers(struct lab *l)
{
	return l->registers;
}

unsigned lab_publishes(struct lab *l)
{
	return l->publishes;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void *run(void *arg)
{
	struct lab *l = arg;
	char err[256];
	l->loop = sip_loop_new();
	struct sip_port_options o = {
	    .n_listen = 1, .listen = {{SIP_TCP, "127.0.0.1", 0}}, .on_request = on_request, .ctx = l};
	l->port = l->loop ? sip_port_new(l->loop, &o, err, sizeof err) : NULL;
	l->number = l->port ? sip_port_number(l->port, 0) : 0;
	sem_post(&l->ready);
	if (l->port)
		sip_loop_run(l->loop);
	for (size_t i = 0; i < l->n_clients; i++)
		sip_flow_unref(l->clients[i].flow);
	if (l->port)
		sip_port_free(l->port);
	if (l->loop)
		sip_loop_free(l->loop);
	return NULL;
}

struct lab *lab_new(void)
{
	struct lab *l = calloc(1, sizeof *l);
	snprintf(l->dir, sizeof l->dir, "/tmp/mcx-lab-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	make_keys(l);
	sem_init(&l->ready, 0, 0);
	sem_init(&l->answered, 0, 0);
	assert_int_equal(pthread_create(&l->thread, NULL, run, l), 0);
	sem_wait(&l->ready);
	assert_true(l->number);
	return l;
}

static void stop(void *arg)
{
	struct lab *l = arg;
	sip_dialog_free(l->a);
	sip_dialog_free(l->b);
	sip_loop_stop(l->loop);
}

void lab_free(struct lab *l)
{
	char command[128];
	sip_loop_post(l->loop, stop, l);
	pthread_join(l->thread, NULL);
	for (size_t i = 0; i < l->n_own; i++) {
		mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)l->own[i].keys);
		mcsec_secret_free(l->sets[i].secret);
	}
	mcsec_kms_free(l->kms.kms);
	mcsec_master_free(l->master);
	snprintf(command, sizeof command, "rm -rf %s", l->dir);
	if (system(command))
		print_message("%s stays\n", l->dir);
	free(l);
}

void lab_set_hooks(struct lab *l, const struct lab_hooks *h)
{
	l->hooks = h ? *h : (struct lab_hooks){0};
}

struct lab_register lab_last_register(struct lab *l)
{
	return l->last;
}

void lab_refuse(struct lab *l, const char *method, int n, int status, const char *warning)
{
	size_t i = 0;
	while (l->refusals[i].method && strcmp(l->refusals[i].method, method) != 0)
		i++;
	struct refusal *r = &l->refusals[i];
	snprintf(r->warning, sizeof r->warning, "%s", warning ? warning : "");
	r->method = method;
	r->status = status;
	r->n = n;
}

void lab_refuse_registers(struct lab *l, int n, int status, const char *warning)
{
	lab_refuse(l, "REGISTER", n, status, warning);
}

int lab_byes(struct lab *l)
{
	return l->byes;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_download.c - SIP MESSAGE requests that come to the client: their kind (24.379 6.2.0.1), and key downloads carried
 * out as mcx/flow/key_receive.c decides (TS 24.379 7.2.5; flows 2.2).
 *
 * The I_MESSAGE is opened on a worker; what the client holds is looked at when that has ended, on the loop, and the
 * change is made there at once. Durable before the 200: K-ID and T of the CSK, a MuSiK with its key, and the message in
 * the replay memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "mcx/doc/mikey_body.h"
#include "mcx/flow/key_receive.h"
#include "mcx/flow/message_kind.h"
#include "mcx/flow/server_auth.h"
#include "mcx/flow/warning.h"
#include "sec/base/text.h"
#include "ue/engine.h"

struct download {
	struct ue *u;
	struct kr machine;
	struct sip_server_tx *tx;
	struct ue_ring *ring;
	struct mcsec_im_job *job;
	struct mcsec_im *im;
	enum mcsec_err err;
	enum mcx_service service;
	uint32_t csb_id;
	uint16_t suite, wanted; /* that it is for, 0: none of ours; our own choice */
	struct suite_list offered;
	char detail[UE_TEXT];
	size_t len;
	uint8_t message[MCSEC_IM_MAX + 1]; /* what is too long shows it */
};

static void download_free(struct download *d)
{
	mcsec_im_free(d->im);
	ue_ring_unref(d->u, d->ring);
	free(d);
}

static void reply(struct ue *u, struct sip_server_tx *tx, int status, int warning, int retry_after_s)
{
	char value[256], after[16];
	struct sip_header h[2];
	struct sip_out with = {.headers = h};
	if (warning && !mcx_warning_value(warning, u->c.sip_address, NULL, value, sizeof value))
		h[with.n_headers++] = (struct sip_header){"Warning", value};
	snprintf(after, sizeof after, "%d", retry_after_s);
	if (retry_after_s)
		h[with.n_headers++] = (struct sip_header){"Retry-After", after};
	(void)sip_reply(tx, status, NULL, &with);
}

/* ---- MuSiKs ---- */

static void musik_name(uint32_t id, char out[32])
{
	snprintf(out, 32, "musik/%08x", id);
}

static struct ue_musik *musik_of(const struct ue *u, uint32_t id)
{
	struct ue_musik *m = u->musiks;
	while (m && m->id != id)
		m = m->next;
	return m;
}

static void musik_add(struct ue *u, const struct ue_musik *m)
{
	struct ue_musik *copy = mcsec_secret_alloc(sizeof *copy);
	if (!copy)
		return;
	*copy = *m;
	pthread_mutex_lock(&u->lock);
	copy->next = u->musiks;
	u->musiks = copy;
	pthread_mutex_unlock(&u->lock);
}

static int musik_read(void *ctx, const char *name, struct octets secret)
{
	struct ue *u = ctx;
	struct ue_musik m = {0};
	struct reader r = rd_init(secret);
	(void)name;
	m.id = rd_u32(&r);
	m.expires = (int64_t)rd_u64(&r);
	struct octets key = rd_take(&r, sizeof m.key), rand = rd_take(&r, sizeof m.rand);
	if (rd_done(&r))
		return 0;
	memcpy(m.key, key.p, sizeof m.key);
	memcpy(m.rand, rand.p, sizeof m.rand);
	if (!m.expires || m.expires > ue_unix_now())
		musik_add(u, &m);
	mcsec_wipe(&m, sizeof m);
	return 0;
}

int ue_musik_load(struct ue *u)
{
	return ue_store_each(u->store, "musik/", musik_read, u);
}

void ue_musik_wipe(struct ue *u, int for_ever)
{
	pthread_mutex_lock(&u->lock);
	while (u->musiks) {
		struct ue_musik *m = u->musiks;
		u->musiks = m->next;
		mcsec_secret_free(m);
	}
	pthread_mutex_unlock(&u->lock);
	if (for_ever)
		(void)ue_store_drop_range(u->store, "musik/", "musik0");
}

/* ---- what is held, and what becomes of it ---- */

static uint64_t on_wire(uint64_t time)
{
	return (time & UINT32_MAX) << 32;
}

/* What we offered with the CSK in use; without one, what we would offer. */
static void offers(struct ue *u, struct download *d)
{
	const struct ue_csk *csk = *ue_csk_at(u, d->service);
	d->offered = csk ? csk->offered : d->ring->suites;
	d->wanted = csk ? csk->wanted : d->offered.at[0];
	d->suite = suite_taken(&d->im->algs, &d->offered);
}

static struct kr_event facts(struct ue *u, struct download *d)
{
	const struct mcsec_im *im = d->im;
	const struct ue_csk *csk = *ue_csk_at(u, d->service);
	const struct ue_musik *m = musik_of(u, d->csb_id);
	struct kr_event ev = {.kind = KR_EV_CHECKED, .im = d->err, .musik = d->csb_id >> 28 == MCSEC_MUSIK};
	ev.uploading = u->auth.state == CA_UPLOAD || u->auth.state == CA_RENEWING;
	ev.same_id = ev.musik ? m != NULL : csk && csk->id == d->csb_id;
	if (d->err || !im || !im->key)
		return ev;
	ev.same_key = ev.same_id && mcsec_equal(im->key, ev.musik ? m->key : csk->key, MCSEC_KEY_LEN);
	offers(u, d);
	ev.suite_ok = d->suite != 0;
	ev.wins = sa_csk_wins(im->ntp, im->k_id, csk != NULL, csk ? on_wire(csk->time) : 0, csk ? csk->id : 0);
	return ev;
}

/* RAND of other lengths than ours cannot be kept: no server of ours sends one. */
static int fits(const struct mcsec_im *im)
{
	return im->key && im->rand_len == sizeof((struct ue_musik *)0)->rand;
}

static int store(struct ue *u, const struct download *d)
{
	const struct mcsec_im *im = d->im;
	uint8_t *item = mcsec_secret_alloc(64);
	char name[32] = "csk";
	struct writer w = wr_init(item, item ? 64 : 0);
	wr_u32(&w, im->k_id);
	if (im->kind == MCSEC_CSK) {
		wr_u64(&w, im->time);
	} else {
		musik_name(im->k_id, name);
		wr_u64(&w, im->has_params ? im->params.expiry : 0);
		wr_octets(&w, (struct octets){im->key, MCSEC_KEY_LEN});
		wr_octets(&w, (struct octets){im->rand, im->rand_len});
	}
	int rc = !item || w.err ? -1 : ue_store_take(u->store, name, wr_result(&w), im->remember ? &im->entry : NULL);
	mcsec_secret_free(item);
	return rc;
}

/* The next upload of ours must be later than it (flows 0.4). */
static void note_time(struct ue *u, const struct download *d)
{
	(*ue_csk_at(u, d->service))->time = d->im->time;
	if (d->im->time > u->csk_time)
		u->csk_time = d->im->time;
}

static void install(struct ue *u, const struct download *d)
{
	const struct mcsec_im *im = d->im;
	if (im->kind == MCSEC_MUSIK) {
		struct ue_musik m = {.id = im->k_id, .expires = im->has_params ? (int64_t)im->params.expiry : 0};
		memcpy(m.key, im->key, sizeof m.key);
		memcpy(m.rand, im->rand, sizeof m.rand);
		musik_add(u, &m);
		mcsec_wipe(&m, sizeof m);
		ue_emit(u, UE_EV_MUSIK, ue_clock_ms(), NULL, u->own_id, im->k_id, "MuSiK downloaded and added");
		return;
	}
	struct ue_csk **at = ue_csk_at(u, d->service);
	*at = mcsec_secret_alloc(sizeof **at);
	if (!*at)
		return; /* the 200 leaves all the same: what comes under the key is refused, which uploads another */
	(*at)->id = im->k_id;
	note_time(u, d);
	memcpy((*at)->key, im->key, sizeof(*at)->key);
	(*at)->suite = d->suite;
	(*at)->wanted = d->wanted;
	(*at)->offered = d->offered;
	memcpy((*at)->rand, im->rand, im->rand_len); /* no more than `fits` allows */
	(*at)->rand_len = (uint8_t)im->rand_len;
	ue_set_csk_id(u, d->service, im->k_id);
	ue_emit(u, UE_EV_CSK_REPLACED, ue_clock_ms(), NULL, u->own_id, im->k_id,
		"key download: CSK of the server for %s installed, algorithm suite %04x, the old one discarded",
		mcx_services[d->service].name, d->suite);
	if (suite_downgrades(&d->offered, d->wanted, d->suite))
		ue_emit(u, UE_EV_ALARM, ue_clock_ms(), NULL, u->own_id, im->k_id,
			"downgrade: the server chose algorithm suite %04x, we had selected %04x", d->suite, d->wanted);
}

static void tell(struct ue *u, const struct download *d, const struct kr_actions *a)
{
	if (a->status == 200)
		return; /* told when it was installed; else nothing changed */
	struct ue_report r = {.sip_status = a->status, .warning = a->warning};
	ue_emit(u, UE_EV_REJECTED, ue_clock_ms(), &r, u->own_id, d->csb_id, "key download refused: %s (%s)",
		a->audit ? a->audit : "", d->detail);
}

/* Its signature held, but its KMS is not ours (flows 0.2). */
static void redirect(struct download *d)
{
	struct octets text = {0}, message = {d->message, d->len};
	uint8_t *made = ue_redirect_make(d->u, d->ring, message, d->u->c.sip_psi, &text.len);
	text.p = made;
	ue_redirect_reply(d->tx, text);
	free(made);
}

static void step(struct download *d, const struct kr_event *ev);

static void start_check(struct download *d);

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void act(struct download *d, enum kr_action what, const struct kr_actions *a)
{
	struct ue *u = d->u;
	switch (what) {
	case KR_DO_CHECK:
		start_check(d);
		break;
	case KR_DO_STORE: {
		int ok = fits(d->im) && !store(u, d);
		if (ok && d->im->kind == MCSEC_CSK && !d->machine.install) {
			note_time(u, d); /* the same key with a new T (flows 0.4) */
			(*ue_csk_at(u, d->service))->suite = d->suite;
		}
		step(d, &(struct kr_event){.kind = ok ? KR_EV_STORED : KR_EV_STORE_FAILED});
		break;
	}
	case KR_DO_DISCARD:
		mcsec_secret_free(*ue_csk_at(u, d->service));
		*ue_csk_at(u, d->service) = NULL;
		ue_set_csk_id(u, d->service, 0);
		break;
	case KR_DO_INSTALL:
		install(u, d);
		break;
	case KR_DO_RENEW:
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_SIP_LOST});
		break;
	case KR_DO_REPLY:
		if (d->err == MCSEC_E_KMS_REFUSED && a->status == 488)
			redirect(d);
		else
			reply(u, d->tx, a->status, a->warning, a->retry_after_s);
		d->tx = NULL;
		if (a->status == 200 && u->auth.state == CA_UNSURE) /* a valid key download proves the upload */
			ue_auth_event(u, &(struct ca_event){.kind = CA_EV_PROVED, .expires_s = u->granted_s});
		break;
	case KR_DO_TELL:
		tell(u, d, a);
		break;
	case KR_ACTIONS:
		break;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void step(struct download *d, const struct kr_event *ev)
{
	struct kr_actions acts;
	kr_step(&d->machine, ev, &acts);
	for (size_t i = 0; i < acts.n; i++)
		act(d, acts.do_[i], &acts);
}

/* ---- V-IM ---- */

static void check_run(void *arg, void *state)
{
	struct download *d = arg;
	(void)state;
	mcsec_im_work(d->job);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void check_over(struct download *d, const struct mcsec_fault *fault)
{
	if (d->err)
		snprintf(d->detail, sizeof d->detail, "%s%s%s", mcsec_err_name(d->err), fault->detail ? ": " : "",
			 fault->detail ? fault->detail : "");
	struct kr_event ev = facts(d->u, d);
	step(d, &ev);
	download_free(d);
}

static void check_done(void *arg)
{
	struct download *d = arg;
	struct ue *u = d->u;
	struct mcsec_fault fault = {0};
	if (!u->port) { /* the client ends: nobody waits any more */
		mcsec_im_cancel(d->job);
		download_free(d);
		return;
	}
	struct kr_event now = facts(u, d);
	/* One that is answered 500 comes again; what is refused by its signature is not remembered either. */
	int forget = now.uploading && !now.musik;
	d->err = mcsec_im_finish(d->job, forget ? NULL : u->replay, ue_time_now(), &d->im, &fault);
	check_over(d, &fault);
}

/* The identity this client uploads to, or the other one of its configuration (sip 4.1, 4.2). */
/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void start_check(struct download *d)
{
	struct ue *u = d->u;
	struct mcsec_fault fault = {0};
	const char *initiators[2] = {u->c.sip_psi, u->c.mdsi}, *const selves[] = {u->own_id};
	struct mcsec_im_expect expect = {.now = ue_time_now(),
					 .tags = MCSEC_TAG_BIT(MCSEC_CSK) | MCSEC_TAG_BIT(MCSEC_MUSIK),
					 .initiators = initiators,
					 .n_initiators = u->c.mdsi && u->c.mdsi[0] ? 2 : 1,
					 .selves = selves,
					 .n_selves = 1,
					 .replay = u->replay};
	d->ring = ue_ring_ref(u);
	d->err =
	    !d->ring ? MCSEC_E_NO_KEYS : mcsec_im_begin(&d->job, &d->ring->book, &expect, d->message, d->len, &fault);
	if (!d->err && !worker_submit(u->workers, &(struct worker_job){check_run, check_done, d}))
		return;
	if (!d->err) {
		mcsec_im_cancel(d->job);
		d->err = MCSEC_E_MEMORY;
	} else if (d->ring && d->err == MCSEC_E_NO_KEYS) {
		d->err = MCSEC_E_UNDECRYPTABLE; /* own period key missing: 136, as MCX-SEC-173 wants */
	} else if (d->err == MCSEC_E_KMS_REFUSED) {
		d->err = MCSEC_E_BAD_SIGNATURE; /* nothing can be verified (flows 0.2) */
	}
	check_over(d, &fault);
}

/* ---- MESSAGE ---- */

/* P-Asserted-Identity, where it is there, is the serving function's; and we are its client. */
static int from_serving(const struct ue *u, const struct sip_message *rq)
{
	char uri[MCSEC_ID_MAX];
	const char *asserted = sip_header_at(rq, "P-Asserted-Identity", 0);
	if (u->auth.state == CA_OFF || u->auth.state == CA_KEYS)
		return 0;
	return !asserted || (sip_uri_of(asserted, uri, sizeof uri) == MCSEC_OK && sip_uri_equal(uri, u->c.sip_psi));
}

static void key_download(struct ue *u, struct sip_server_tx *tx, const struct sip_message *rq, enum mcx_service service,
			 uint32_t csb_id, struct octets part)
{
	struct download *d = calloc(1, sizeof *d);
	if (!d) {
		reply(u, tx, 503, 0, 2);
		return;
	}
	struct octets message = mikey_body(part, d->message, sizeof d->message);
	d->u = u;
	d->tx = tx;
	d->service = service;
	d->csb_id = csb_id;
	d->len = message.len < sizeof d->message ? message.len : sizeof d->message;
	if (message.p != d->message)
		memcpy(d->message, message.p, d->len);
	struct kr_event ev = {.kind = KR_EV_MESSAGE, .from_server = from_serving(u, rq)};
	int goes_on = ev.from_server;
	step(d, &ev);
	if (!goes_on)
		download_free(d);
}

void ue_message(struct ue *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	static const struct multipart none;
	struct multipart *parts = calloc(1, sizeof *parts);
	uint8_t *scratch = malloc(rq->body.len + 1);
	const char *icsi =
	    sip_header_count(rq, "P-Asserted-Service") == 1 ? sip_header_at(rq, "P-Asserted-Service", 0) : NULL;
	enum mcx_service service = icsi ? mcx_service_of(icsi) : MCX_SERVICES;
	if (service == MCX_SERVICES || !(u->c.services >> service & 1))
		service = ue_first_service(u); /* which then finds that it is not meant */
	struct message_class c = {.status = 503};
	if (!rq->content_type || rq->body.len == 0)
		c = message_classify(service, icsi, &none);
	else if (parts && scratch)
		c = message_classify(
		    service, icsi,
		    multipart_read(rq->content_type, rq->body, scratch, rq->body.len + 1, parts, NULL) ? NULL : parts);
	const struct body_part *mikey = parts ? multipart_find(parts, TYPE_MIKEY, NULL) : NULL;
	if ((c.kind == MESSAGE_CSK_DOWNLOAD || c.kind == MESSAGE_MUSIK_DOWNLOAD) && mikey) {
		key_download(u, tx, rq, service, c.csb_id, mikey->body);
	} else if (c.kind == MESSAGE_KMS_REDIRECT && from_serving(u, rq)) {
		ue_redirect_message(u, multipart_find(parts, TYPE_KRR, NULL)->body); /* the answer ends its text */
		reply(u, tx, 200, 0, 0);
	} else if (c.status == 415) {
		struct sip_header h = {"Accept", message_accept(service)};
		(void)sip_reply(tx, 415, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
	} else { /* of no kind, or of one that this client has no procedure for */
		reply(u, tx, c.kind == MESSAGE_NONE ? c.status : 403, 0, c.status == 503 ? 2 : 0);
	}
	free(scratch);
	free(parts);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_lab.c - see ue_lab.h: the world, its keys and its clients.
 *
 * The clients' stores are filled as an earlier run would have left them; what they hold came from a real master and
 * passes every check.
 */
#include "ue_lab_in.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "mcx/doc/sdp.h"
#include "ue/ue_store.h"

enum { PERIOD = 28 * 86400 };
static const char *const identities[IDENTITIES] = {LAB_ALICE, LAB_BOB, LAB_MALLORY, LAB_PSI, LAB_CAROL};

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* 1 where LAB_OTHER is this identity's home. */
static int of_other(const char *uri)
{
	return strcmp(uri, LAB_CAROL) == 0;
}

static void issue(struct lab *l, const char *uri)
{
	int other = of_other(uri);
	const struct kms_certificate *cert = other ? &l->other : &l->cert;
	uint64_t period;
	assert_int_equal(mcsec_period_number(&cert->periods, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, &period), MCSEC_OK);
	struct kms_key_set *s = &l->sets[l->n_own];
	struct mcsec_issued *issued = mcsec_secret_alloc(sizeof *issued);
	snprintf(s->kms_uri, sizeof s->kms_uri, "%s", cert->kms_uri);
	snprintf(s->user_uri, sizeof s->user_uri, "%s", uri);
	s->period_no = period;
	s->valid_from = (int64_t)(mcsec_period_start(&cert->periods, period) - MCSEC_NTP_UNIX);
	s->valid_to = s->valid_from + PERIOD;
	s->secret = mcsec_secret_alloc(sizeof *s->secret);
	assert_int_equal(mcsec_uid(uri, cert->kms_uri, &cert->periods, period, s->uid), MCSEC_OK);
	assert_int_equal(
	    mcsec_master_issue(l->masters[other], &mcsec_rng_system, l->n_own + 1, s->uid, sizeof s->uid, issued),
	    MCSEC_OK);
	memcpy(s->pvt, issued->pvt, sizeof s->pvt);
	memcpy(s->secret->rsk, issued->rsk, sizeof s->secret->rsk);
	memcpy(s->secret->ssk, issued->ssk, sizeof s->secret->ssk);
	mcsec_secret_free(issued);
	struct mcsec_keyset *keys;
	struct kms_fault f;
	if (kms_key_set_check(s, cert, l->kms[other].kms, uri, &keys, &f))
		fail_msg("key set of %s: %s %s", uri, f.element, f.detail);
	l->own[l->n_own++] = (struct mcsec_im_own){s->user_uri, cert->kms_uri, period, keys};
}

static void describe(struct kms_certificate *c, enum kms_role role, const char *kms, const char *domain,
		     struct mcsec_master *master, struct mcsec_im_kms *out)
{
	uint64_t now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
	c->role = role;
	snprintf(c->kms_uri, sizeof c->kms_uri, "%s", kms);
	snprintf(c->cert_uri, sizeof c->cert_uri, "cert.%s", kms);
	snprintf(c->user_id_format, sizeof c->user_id_format, "2");
	c->valid_from = (int64_t)(now - MCSEC_NTP_UNIX) - 86400;
	c->valid_to = c->valid_from + 365 * 86400;
	c->periods = (struct mcsec_periods){PERIOD, (now % PERIOD + PERIOD / 2) % PERIOD}; /* now is in its middle */
	c->parameter_set = 1;
	c->n_domains = 1;
	snprintf(c->domains[0], sizeof c->domains[0], "%s", domain);
	mcsec_master_public(master, c->pub_auth_key, c->pub_enc_key);
	*out = (struct mcsec_im_kms){.uri = c->kms_uri, .periods = c->periods};
	assert_int_equal(mcsec_kms_new(&out->kms, c->pub_auth_key, c->pub_enc_key), MCSEC_OK);
}

static void make_keys(struct lab *l)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(mcsec_master_generate(&l->masters[i], &mcsec_rng_system), MCSEC_OK);
	describe(&l->cert, KMS_ROLE_ROOT, LAB_KMS, "lab.mcx.test", l->masters[0], &l->kms[0]);
	describe(&l->other, KMS_ROLE_EXTERNAL, LAB_OTHER, "other.mcx.test", l->masters[1], &l->kms[1]);
	for (size_t i = 0; i < IDENTITIES; i++)
		issue(l, identities[i]);
	l->book = (struct mcsec_im_book){.kms = l->kms, .n_kms = 2, .own = l->own, .n_own = l->n_own};
}

const struct mcsec_im_book *lab_book(const struct lab *l)
{
	return &l->book;
}

const struct mcsec_im_book *lab_impostor_book(struct lab *l)
{
	struct mcsec_master *m;
	struct kms_certificate *c = calloc(1, sizeof *c);
	struct mcsec_issued *issued = mcsec_secret_alloc(sizeof *issued);
	uint8_t uid[MCSEC_UID_LEN];
	uint64_t period;
	assert_int_equal(mcsec_master_generate(&m, &mcsec_rng_system), MCSEC_OK);
	describe(c, KMS_ROLE_ROOT, LAB_OTHER, "other.mcx.test", m, &l->false_kms[1]);
	l->false_kms[0] = l->kms[0];
	l->false_kms[1].uri = LAB_OTHER;
	assert_int_equal(mcsec_period_number(&c->periods, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, &period), MCSEC_OK);
	assert_int_equal(mcsec_uid(LAB_CAROL, LAB_OTHER, &c->periods, period, uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(m, &mcsec_rng_system, 1, uid, sizeof uid, issued), MCSEC_OK);
	struct mcsec_keyset *keys;
	assert_int_equal(
	    mcsec_keyset_new(&keys, l->false_kms[1].kms, uid, sizeof uid, issued->ssk, issued->pvt, issued->rsk),
	    MCSEC_OK);
	l->false_own = (struct mcsec_im_own){LAB_CAROL, LAB_OTHER, period, keys};
	l->false_book = (struct mcsec_im_book){.kms = l->false_kms, .n_kms = 2, .own = &l->false_own, .n_own = 1};
	mcsec_secret_free(issued);
	mcsec_master_free(m);
	free(c);
	return &l->false_book;
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

static void plant_tokens(struct ue_store *s, const char *uri, const char *token)
{
	uint8_t buf[4096];
	const char *texts[] = {token, "", "scope", uri, "sid", "acr", uri};
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

void lab_hold_other(struct lab *l, int held)
{
	l->hold_other = held;
}

void lab_plant_other(struct lab *l, const struct kms_certificate *c)
{
	l->planted = c;
}

const struct kms_certificate *lab_other_certificate(const struct lab *l)
{
	return &l->other;
}

/* The certificate cache as a client keeps it: its number, then each certificate with its length. */
static void plant_cache(const struct lab *l, struct ue_store *s, int at_other)
{
	struct kms_certificate *c = malloc(sizeof *c);
	*c = l->planted ? *l->planted : at_other ? l->cert : l->other;
	c->role = KMS_ROLE_EXTERNAL;
	uint8_t *buf = malloc(2 * KMS_CERTIFICATE_BOUND), *one = malloc(KMS_CERTIFICATE_BOUND);
	struct writer w = wr_init(buf, 2 * KMS_CERTIFICATE_BOUND), x = wr_init(one, KMS_CERTIFICATE_BOUND);
	wr_u64(&w, 1);
	if (l->hold_other) {
		kms_certificate_write(&x, c);
		wr_u32(&w, (uint32_t)wr_len(&x));
		wr_octets(&w, wr_result(&x));
	}
	assert_int_equal(w.err, MCSEC_OK);
	assert_int_equal(ue_store_put(s, "kms-cache", wr_result(&w)), 0);
	free(c);
	free(one);
	free(buf);
}

/* Its store, with this token in it; the folder's name is the user's. */
static struct ue_store *begin_client(const struct lab *l, const char *uri, const char *token, char *dir, size_t size)
{
	char err[512];
	snprintf(dir, size, "%s/%.*s", l->dir, (int)strcspn(uri + 4, "@"), uri + 4);
	struct ue_store *s = ue_store_open(dir, err, sizeof err);
	if (!s)
		fail_msg("%s", err);
	plant_tokens(s, uri, token);
	return s;
}

/* What every client of the lab has in common. */
static struct ue *open_client(const struct lab *l, const char *uri, const char *dir, struct ue_config c)
{
	char route[64], err[512];
	snprintf(route, sizeof route, "sip:127.0.0.1:%u;transport=tcp", l->number);
	c.xml_confidentiality_off = c.xml_integrity_off = 1; /* the lab's server reads bodies as they are */
	c.dir = dir;
	c.user = uri;
	c.idms_url = "https://idms.lab.mcx.test";
	c.sip_psi = LAB_PSI;
	c.sip_route = route;
	c.sip_address = "127.0.0.1";
	struct ue *u = ue_new(&c, err, sizeof err);
	if (!u)
		fail_msg("%s", err);
	return u;
}

struct ue *lab_bare_client(struct lab *l, const char *uri, const char *token, const struct ue_config *c)
{
	char dir[128];
	ue_store_close(begin_client(l, uri, token, dir, sizeof dir));
	return open_client(l, uri, dir, *c);
}

struct ue *lab_client(struct lab *l, const char *uri, const struct ue_config *extra)
{
	char dir[128];
	struct ue_store *s = begin_client(l, uri, "token-of-the-lab", dir, sizeof dir);
	int other = of_other(uri);
	struct kms_certificate *root = malloc(sizeof *root);
	*root = other ? l->other : l->cert;
	root->role = KMS_ROLE_ROOT;
	plant(s, "kms-certificate", write_certificate, root);
	free(root);
	plant_suites(l, s);
	plant_cache(l, s, other);
	for (size_t i = 0; i < l->n_own; i++)
		if (!strcmp(l->own[i].uri, uri))
			plant(s, "key-set/00000000000000000001", write_key_set, &l->sets[i]);
	ue_store_close(s);
	struct ue_config c = extra ? *extra : (struct ue_config){0};
	c.kms_url = c.kms_url ? c.kms_url : "https://kms.lab.mcx.test";
	c.kms_uri = other ? LAB_OTHER : LAB_KMS;
	c.sip_kms_uri = c.sip_kms_uri ? c.sip_kms_uri : LAB_KMS;
	c.ca_file = c.ca_file ? c.ca_file : "/nonexistent";
	return open_client(l, uri, dir, c);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct lab *l = ctx;
	if (!strcmp(rq->method, "REGISTER"))
		lab_on_register(l, tx, rq);
	else if (!strcmp(rq->method, "PUBLISH"))
		lab_on_publish(l, tx, rq);
	else if (!strcmp(rq->method, "OPTIONS"))
		lab_on_options(l, tx, rq);
	else if (!strcmp(rq->method, "INVITE") && !rq->to_tag) {
		if (!lab_refused(l, tx, rq))
			lab_on_invite(l, tx, rq);
	} else
		sip_reply(tx, 481, NULL, NULL);
}

/* At the number it had before, if it had one. */
static void open_port(struct lab *l)
{
	char err[256];
	struct sip_port_options o = {
	    .n_listen = 1, .listen = {{SIP_TCP, "127.0.0.1", l->number}}, .on_request = on_request, .ctx = l};
	l->port = sip_port_new(l->loop, &o, err, sizeof err);
	l->number = l->port ? sip_port_number(l->port, 0) : 0;
}

static void *run(void *arg)
{
	struct lab *l = arg;
	l->loop = sip_loop_new();
	if (l->loop)
		open_port(l);
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
	mcsec_kms_free(l->kms[0].kms);
	mcsec_kms_free(l->kms[1].kms);
	mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)l->false_own.keys);
	mcsec_kms_free(l->false_kms[1].kms);
	for (int i = 0; i < 2; i++)
		mcsec_master_free(l->masters[i]);
	snprintf(command, sizeof command, "rm -rf %s", l->dir);
	if (system(command))
		print_message("%s stays\n", l->dir);
	free(l);
}

static void go(void *arg)
{
	struct lab *l = arg;
	for (size_t i = 0; i < l->n_clients; i++) {
		sip_flow_unref(l->clients[i].flow);
		l->clients[i].flow = NULL;
	}
	sip_port_free(l->port);
	l->port = NULL;
	sem_post(&l->ready);
}

void lab_go(struct lab *l)
{
	sip_loop_post(l->loop, go, l);
	sem_wait(&l->ready);
}

static void come_back(void *arg)
{
	struct lab *l = arg;
	open_port(l);
	sem_post(&l->ready);
}

void lab_come_back(struct lab *l)
{
	sip_loop_post(l->loop, come_back, l);
	sem_wait(&l->ready);
	assert_true(l->number);
}

struct hooking {
	struct lab *l;
	struct lab_hooks hooks;
};

static void hook(void *arg)
{
	const struct hooking *h = arg;
	h->l->hooks = h->hooks;
	sem_post(&h->l->ready);
}

/* On the loop that reads them: a request of the test before may still be on its way. */
void lab_set_hooks(struct lab *l, const struct lab_hooks *h)
{
	struct hooking to = {l, h ? *h : (struct lab_hooks){0}};
	sip_loop_post(l->loop, hook, &to);
	sem_wait(&l->ready);
}

struct lab *lab;
struct ue *lab_alice;

int lab_set_up(void **state)
{
	(void)state;
	lab = lab_new();
	return 0;
}

int lab_tear_down(void **state)
{
	(void)state;
	ue_free(lab_alice);
	lab_free(lab);
	return 0;
}

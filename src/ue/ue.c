/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue.c - a client's life: folder, threads, events; the functions of ue.h that belong to no procedure.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mcsec/secret.h"
#include "net/http.h"
#include "sec/base/text.h"
#include "ue/engine.h"

enum { WORKERS = 2, WORKER_QUEUE = 64, FREE_WAIT_MS = 5000 };

int64_t ue_clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t ue_unix_now(void)
{
	return (int64_t)time(NULL);
}

uint64_t ue_time_now(void)
{
	return (uint64_t)ue_unix_now() + MCSEC_NTP_UNIX;
}

int ue_random(void *out, size_t n)
{
	return mcsec_rng_system.fill(mcsec_rng_system.ctx, out, n) ? -1 : 0;
}

const char *ue_status_name(enum ue_status s)
{
	static const char *const names[] = {
	    [UE_OK] = "ok",
	    [UE_STATE] = "state",
	    [UE_STORE] = "store",
	    [UE_SIGN_IN] = "sign-in",
	    [UE_KEYS] = "keys",
	    [UE_REFUSED] = "refused",
	    [UE_DOWNGRADE] = "downgrade",
	    [UE_UNREACHABLE] = "unreachable",
	    [UE_NO_KMS] = "no-kms",
	    [UE_PROFILE] = "profile",
	    [UE_AUDIO] = "audio",
	    [UE_NO_MEDIA] = "no-media",
	    [UE_INTERNAL] = "internal",
	};
	return (size_t)s < sizeof names / sizeof *names ? names[s] : "unknown";
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

enum ue_status ue_report_set(struct ue_report *r, enum ue_status s, int64_t began_ms, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	r->status = s;
	r->ms = (double)(ue_clock_ms() - began_ms);
	vsnprintf(r->text, sizeof r->text, fmt, args);
	va_end(args);
	return s;
}

void ue_emit(struct ue *u, enum ue_event_kind kind, int64_t began_ms, const struct ue_report *r, const char *peer,
	     uint32_t key_id, const char *fmt, ...)
{
	char text[UE_TEXT];
	if (!u->c.on_event)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	struct ue_event ev = {.kind = kind,
			      .ms = (double)(ue_clock_ms() - began_ms),
			      .sip_status = r ? r->sip_status : 0,
			      .warning = r ? r->warning : 0,
			      .peer = peer ? peer : "",
			      .key_id = key_id,
			      .text = text};
	pthread_mutex_lock(&u->emit_lock);
	u->c.on_event(u->c.ctx, &ev);
	pthread_mutex_unlock(&u->emit_lock);
}

/* ---- configuration: one block of text that is the client's own --------------------------------------------------- */

static const char **config_texts(struct ue_config *c, size_t i)
{
	const char **const all[] = {
	    &c->dir,         &c->user,      &c->impu,        &c->idms_url,     &c->client_id,    &c->redirect_uri,
	    &c->kms_url,     &c->kms_uri,   &c->ca_file,     &c->resolve,      &c->https_proxy,  &c->sip_psi,
	    &c->mdsi,        &c->sip_route, &c->sip_address, &c->tls_dir,      &c->resolv_conf,  &c->sip_user,
	    &c->sip_kms_uri, &c->krr_ca,    &c->krr_key,     &c->user_profile, &c->video_profile};
	return i < sizeof all / sizeof *all ? all[i] : NULL;
}

/* What every client needs, and each further service of the configuration. */
static void write_scopes(struct ue *u)
{
	struct writer w = wr_init((uint8_t *)u->scopes, sizeof u->scopes - 1);
	wr_text(&w, SIGNIN_SCOPES);
	for (int s = MCX_MCPTT + 1; s < MCX_SERVICES; s++)
		if (u->c.services >> s & 1) {
			wr_text(&w, " ");
			wr_text(&w, mcx_services[s].scope);
		}
	u->scopes[wr_len(&w)] = 0;
}

static int copy_config(struct ue *u, const struct ue_config *c)
{
	size_t size = 1;
	u->c = *c;
	const char **field;
	for (size_t i = 0; (field = config_texts(&u->c, i)); i++)
		size += *field ? strlen(*field) + 1 : 0;
	char *at = u->text = malloc(size);
	for (size_t i = 0; at && (field = config_texts(&u->c, i)); i++) {
		if (!*field)
			continue;
		size_t n = strlen(*field) + 1;
		memcpy(at, *field, n);
		*field = at;
		at += n;
	}
	if (!u->c.register_s)
		u->c.register_s = 3600;
	if (!u->c.services)
		u->c.services = 1u << MCX_MCPTT;
	write_scopes(u);
	u->c.sip_password = NULL;
	if (c->sip_password && (u->core.password = mcsec_secret_alloc(strlen(c->sip_password) + 1)))
		strcpy(u->core.password, c->sip_password);
	return u->text && (u->core.password || !c->sip_password) ? 0 : -1;
}

static int complete(const struct ue_config *c)
{
	return c->dir && c->user && c->idms_url && c->kms_url && c->kms_uri && c->ca_file && c->sip_psi &&
	       c->sip_route && c->sip_address;
}

/* urn:uuid: made once per installation (sip.md 2.2). */
static int load_client_uuid(struct ue *u)
{
	size_t len;
	uint8_t *kept = ue_store_get(u->store, "client-id", &len), r[16];
	char hex[HEX_SIZE(16)];
	if (kept) {
		snprintf(u->client_uuid, sizeof u->client_uuid, "%s", (const char *)kept);
		mcsec_secret_free(kept);
		return 0;
	}
	if (ue_random(r, sizeof r))
		return -1;
	r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* RFC 4122 4.4 */
	r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
	hex_encode(OCTETS(r), hex);
	snprintf(u->client_uuid, sizeof u->client_uuid, "urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		 hex + 16, hex + 20);
	return ue_store_put(u->store, "client-id", octets_of(u->client_uuid));
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

struct ue *ue_new(const struct ue_config *c, char *err, size_t err_size)
{
	struct ue *u = complete(c) ? calloc(1, sizeof *u) : NULL;
	if (!u) {
		snprintf(err, err_size, complete(c) ? "no memory" : "the client's configuration is not complete");
		return NULL;
	}
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->emit_lock, NULL);
	pthread_mutex_init(&u->kms_lock, NULL);
	pthread_mutex_init(&u->token_lock, NULL);
	u->key_policy = c->key_policy ? *c->key_policy : kp_policy_default;
	pthread_condattr_t steady; /* waits do not depend on the wall clock */
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&u->changed, &steady);
	pthread_condattr_destroy(&steady);
	u->require_protection = 1;
	snprintf(err, err_size, "no memory, or the random source failed");
	u->tokens = signin_tokens_new();
	(void)!mcsec_signers_new(&u->signers, UE_SIGNERS);
	int ok = !copy_config(u, c) && u->tokens && !mcsec_replay_new(&u->replay, UE_REPLAYS);
	if (ok && (suite_list_read(c->suites ? c->suites : SUITES_KNOWN, &u->suites) || u->suites.n == 0)) {
		snprintf(err, err_size, "suites is a list like \"" SUITES_KNOWN "\"");
		ok = 0;
	}
	u->c.suites = NULL; /* the caller's text: read */
	if (ok && c->https_proxy && c->https_proxy[0] && !http_proxy_valid(c->https_proxy)) {
		snprintf(err, err_size, "https_proxy is http://host:port");
		ok = 0;
	}
	ok = ok && !ue_redirect_open(u, err, err_size) && !ue_profiles_open(u, err, err_size);
	if (ok)
		u->store = ue_store_open(u->c.dir, err, err_size);
	ok = ok && u->store && !load_client_uuid(u) && !ue_keys_load(u) && !ue_musik_load(u) &&
	     !ue_store_replays(u->store, ue_time_now(), u->replay);
	if (ok)
		return u;
	ue_free(u);
	return NULL;
}

static void stop_loop(void *arg)
{
	struct ue *u = arg;
	ue_call_close(u);
	ue_auth_close(u);
	sip_loop_stop(u->loop);
}

void ue_free(struct ue *u)
{
	if (!u)
		return;
	if (u->loop_runs) {
		ue_hang_up(u);
		ue_wait_idle(u, FREE_WAIT_MS);
		sip_loop_post(u->loop, stop_loop, u);
		pthread_join(u->loop_thread, NULL);
	}
	ue_provision_stop(u);
	ue_ring_unref(u, u->ring);
	signin_tokens_free(u->tokens);
	mcsec_secret_free(u->transport);
	mcsec_secret_free(u->kept);
	ue_musik_wipe(u, 0);
	ue_control_wipe(u);
	mcsec_secret_free(u->core.password);
	ue_redirect_close(u);
	ue_profiles_close(u);
	mcsec_replay_free(u->replay);
	mcsec_signers_free(u->signers);
	ue_store_close(u->store);
	pthread_cond_destroy(&u->changed);
	pthread_mutex_destroy(&u->emit_lock);
	pthread_mutex_destroy(&u->kms_lock);
	pthread_mutex_destroy(&u->token_lock);
	pthread_mutex_destroy(&u->lock);
	free(u->text);
	free(u);
}

static int post_to_loop(void *loop, void (*fn)(void *arg), void *arg)
{
	return sip_loop_post(loop, fn, arg);
}

/* The listener takes a free port; the server reaches us over the connection we opened. */
static int open_port(struct ue *u)
{
	int tls = strstr(u->c.sip_route, "transport=tls") || !strncmp(u->c.sip_route, "sips:", 5);
	struct sip_port_options o = {.n_listen = 1,
				     .listen = {{tls ? SIP_TLS : SIP_TCP, u->c.sip_address, 0}},
				     .tls_dir = u->c.tls_dir,
				     .resolv_conf = u->c.resolv_conf,
				     .on_request = ue_call_request,
				     .ctx = u};
	u->port = sip_port_new(u->loop, &o, u->port_error, sizeof u->port_error);
	if (!u->port)
		return -1;
	const char *user = strchr(u->impu, ':');
	size_t user_len = user ? strcspn(user + 1, "@") : 0;
	int n = snprintf(u->contact, sizeof u->contact, "<sip:%.*s@%s:%u;transport=%s>", (int)user_len,
			 user ? user + 1 : "", u->c.sip_address, sip_port_number(u->port, 0), tls ? "tls" : "tcp");
	struct writer w = wr_init((uint8_t *)u->contact + n, sizeof u->contact - 1 - (size_t)n);
	mcx_services_tags(&w, u->c.services);
	wr_text(&w, ";+sip.instance=\"<");
	wr_text(&w, u->client_uuid);
	wr_text(&w, ">\"");
	u->contact[(size_t)n + wr_len(&w)] = 0;
	u->workers = worker_pool_new(&(struct worker_options){
	    .threads = WORKERS, .max_queue = WORKER_QUEUE, .post = post_to_loop, .loop = u->loop});
	if (!u->workers)
		snprintf(u->port_error, sizeof u->port_error, "no threads for the workers");
	return u->workers ? 0 : -1;
}

static void say_ready(struct ue *u, int failed)
{
	pthread_mutex_lock(&u->lock);
	u->loop_runs = !failed;
	u->port_failed = failed;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

static void *run_loop(void *arg)
{
	struct ue *u = arg;
	u->loop = sip_loop_new();
	int failed = !u->loop || open_port(u);
	say_ready(u, failed);
	if (!failed)
		sip_loop_run(u->loop);
	worker_pool_free(u->workers); /* its last results are posted, and run when the loop is freed */
	u->workers = NULL;
	if (u->port)
		sip_port_free(u->port);
	u->port = NULL;
	if (u->loop)
		sip_loop_free(u->loop);
	u->loop = NULL;
	return NULL;
}

int ue_loop_start(struct ue *u, char *err, size_t err_size)
{
	if (u->loop_runs)
		return 0;
	pthread_mutex_lock(&u->lock);
	snprintf(u->own_id, sizeof u->own_id, "%s", u->tokens->mcptt_id);
	pthread_mutex_unlock(&u->lock);
	snprintf(u->impu, sizeof u->impu, "%s", u->c.impu ? u->c.impu : u->own_id);
	u->port_failed = 0;
	snprintf(u->port_error, sizeof u->port_error, "no thread or no memory for SIP");
	if (pthread_create(&u->loop_thread, NULL, run_loop, u)) {
		snprintf(err, err_size, "%s", u->port_error);
		return -1;
	}
	pthread_mutex_lock(&u->lock);
	while (!u->loop_runs && !u->port_failed)
		pthread_cond_wait(&u->changed, &u->lock);
	pthread_mutex_unlock(&u->lock);
	if (!u->port_failed)
		return 0;
	pthread_join(u->loop_thread, NULL);
	snprintf(err, err_size, "%s", u->port_error);
	return -1;
}

/* ---- looking in ------------------------------------------------------------------------------------------------ */

const char *ue_mcptt_id(const struct ue *u)
{
	return u->tokens->mcptt_id;
}

uint32_t ue_csk_id(const struct ue *u)
{
	return ue_csk_id_of(u, MCX_MCPTT);
}

static int has_scope(const char *granted, const char *scope)
{
	size_t n = strlen(scope);
	for (const char *at = granted; (at = strstr(at, scope)); at += n)
		if ((at == granted || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return 1;
	return 0;
}

int ue_needs_sign_in(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	int needs = !u->tokens->mcptt_id[0];
	for (int s = 0; s < MCX_SERVICES; s++)
		needs |= (u->c.services >> s & 1) && !has_scope(u->tokens->scope, mcx_services[s].scope);
	pthread_mutex_unlock(&u->lock);
	return needs;
}

uint32_t ue_csk_id_of(const struct ue *u, enum mcx_service service)
{
	struct ue *w = (struct ue *)(uintptr_t)u; /* only the lock is touched */
	pthread_mutex_lock(&w->lock);
	uint32_t id = u->csk_ids[service];
	pthread_mutex_unlock(&w->lock);
	return id;
}

size_t ue_musik_ids(const struct ue *u, uint32_t *ids, size_t max)
{
	struct ue *w = (struct ue *)(uintptr_t)u; /* only the lock is touched */
	size_t n = 0;
	pthread_mutex_lock(&w->lock);
	for (const struct ue_musik *m = u->musiks; m; m = m->next, n++)
		if (n < max)
			ids[n] = m->id;
	pthread_mutex_unlock(&w->lock);
	return n;
}

void ue_answer_for(struct ue *u, unsigned max_ms)
{
	pthread_mutex_lock(&u->lock);
	u->answer_max_ms = max_ms;
	pthread_mutex_unlock(&u->lock);
}

void ue_answer(struct ue *u, const struct ue_audio_files *audio)
{
	pthread_mutex_lock(&u->lock);
	u->answering = audio != NULL;
	u->answer_repeat = audio && audio->repeat;
	snprintf(u->answer_send, sizeof u->answer_send, "%s", audio && audio->send ? audio->send : "");
	snprintf(u->answer_record, sizeof u->answer_record, "%s", audio && audio->record ? audio->record : "");
	pthread_mutex_unlock(&u->lock);
}

void ue_answer_video(struct ue *u, const struct ue_video_files *video)
{
	pthread_mutex_lock(&u->lock);
	u->show = video ? *video : (struct ue_video_files){0};
	snprintf(u->show_send, sizeof u->show_send, "%s", video && video->send ? video->send : "");
	snprintf(u->show_record, sizeof u->show_record, "%s", video && video->record ? video->record : "");
	pthread_mutex_unlock(&u->lock);
}

void ue_require_protection(struct ue *u, int required)
{
	pthread_mutex_lock(&u->lock);
	u->require_protection = required;
	pthread_mutex_unlock(&u->lock);
}

void ue_media_stats(struct ue *u, struct ue_media_stats *out)
{
	pthread_mutex_lock(&u->lock);
	*out = u->stats;
	pthread_mutex_unlock(&u->lock);
}

void ue_inspect_keep(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	u->keep = 1;
	pthread_mutex_unlock(&u->lock);
}

int ue_inspect_call(struct ue *u, struct ue_call_keys *out)
{
	pthread_mutex_lock(&u->lock);
	int there = u->kept != NULL;
	if (there)
		*out = *u->kept;
	pthread_mutex_unlock(&u->lock);
	return there ? 0 : -1;
}

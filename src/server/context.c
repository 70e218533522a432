/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.c - the running server: what is opened in which order, the loop's thread, the pool's connections, the end.
 *
 * Start: sealing key, database (made or migrated), then the loop thread reads bindings, users, replay memory and calls
 * back before it opens a listener. So the first request already meets everything that was ever acknowledged.
 */
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/checkpoints.h"
#include "app/log.h"
#include "mcx/flow/warning.h"
#include "sec/base/check.h"
#include "server/commits.h"
#include "server/control.h"
#include "server/download.h"
#include "server/redirect.h"
#include "server/register.h"
#include "server/uids.h"
#include "server/waiting.h"

enum {
	TICK_MS = 1000,
	REPLAY_CAPACITY = 200000,
	CHANGES =
	    4 /* so many times the queue of jobs may wait as changes: their jobs are done, it would be for nothing */
};

static const struct metric metric_names[M_METRICS] = {
    [M_REGISTER_OK] = {"mcx_server_register_total", "REGISTER requests answered", "result=\"ok\"", METRIC_COUNTER, 0},
    [M_REGISTER_REFUSED] = {"mcx_server_register_total", "REGISTER requests answered", "result=\"refused\"",
			    METRIC_COUNTER, 0},
    [M_BINDINGS] = {"mcx_server_bindings", "Bindings in force", NULL, METRIC_GAUGE, 0},
    [M_CALLS] = {"mcx_server_calls", "Calls in progress", NULL, METRIC_GAUGE, 0},
    [M_CALL_STARTED] = {"mcx_server_calls_total", "Call attempts", "result=\"answered\"", METRIC_COUNTER, 0},
    [M_CALL_REFUSED] = {"mcx_server_calls_total", "Call attempts", "result=\"refused\"", METRIC_COUNTER, 0},
    [M_BUSY] = {"mcx_server_busy_total", "Requests refused because the job queue was full", NULL, METRIC_COUNTER, 0},
    [M_STORE_FAILED] = {"mcx_server_store_failed_total", "Writes the database refused", NULL, METRIC_COUNTER, 0},
    [M_RELAYED] = {"mcx_server_relayed_packets", "RTP and RTCP packets forwarded", NULL, METRIC_COUNTER, 0},
    [M_RELAY_DROPPED] = {"mcx_server_relay_dropped_packets", "Packets from sources that are no party", NULL,
			 METRIC_COUNTER, 0},
    [M_CONTROL_TAKEN] = {"mcx_server_control_total", "Control packets of clients", "result=\"opened\"", METRIC_COUNTER,
			 0},
    [M_CONTROL_DROPPED] = {"mcx_server_control_total", "Control packets of clients", "result=\"dropped\"",
			   METRIC_COUNTER, 0},
    [M_READ_MIKEY] = {"mcx_server_read_total", "Requests whose documents of this kind were read, good or bad",
		      "kind=\"mikey\"", METRIC_COUNTER, 0},
    [M_READ_XML] = {"mcx_server_read_total", "Requests whose documents of this kind were read, good or bad",
		    "kind=\"xml\"", METRIC_COUNTER, 0},
    [M_WAITING] = {"mcx_server_waiting_requests", "REGISTER and PUBLISH requests that wait for one before them", NULL,
		   METRIC_GAUGE, 0},
    [M_READ_SDP] = {"mcx_server_read_total", "Requests whose documents of this kind were read, good or bad",
		    "kind=\"sdp\"", METRIC_COUNTER, 0},
};

/* ---- requests ---- */

/* After a lost connection this shows us the new one: of the client whose Contact it names, else of the latest. */
static void handle_options(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	int same;
	struct binding *who[CLIENTS_MAX];
	const char *contact = rq->n_contacts == 1 ? rq->contacts[0].uri : NULL;
	for (int i = 0; i < MCX_SERVICES; i++) {
		size_t n = identity_bindings_of(s, rq, (enum mcx_service)i, who, CLIENTS_MAX);
		const struct binding *latest = identity_binding(who, n, "", &same);
		for (size_t k = 0; k < n; k++)
			if (contact ? same_contact(who[k]->row.contact, contact) : who[k] == latest)
				identity_seen(who[k], tx);
	}
	struct sip_header h[] = {{"Allow", "REGISTER, INVITE, ACK, CANCEL, BYE, MESSAGE, PUBLISH, OPTIONS"},
				 {"Accept", "multipart/mixed, application/sdp"}};
	(void)sip_reply(tx, 200, NULL, &(struct sip_out){.n_headers = 2, .headers = h});
}

static int requires_something(const struct sip_message *rq, struct sip_server_tx *tx)
{
	const char *wanted = sip_header_at(rq, "Require", 0);
	if (!wanted)
		wanted = sip_header_at(rq, "Proxy-Require", 0);
	if (!MCX_FAULT(msg.extension, wanted))
		return 0;
	struct sip_header h = {"Unsupported", wanted};
	(void)sip_reply(tx, 420, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
	return 1;
}

/* Behind a SIP core nobody else speaks for a user, nor to us past the core (sip 2.5). */
static int past_the_core(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	if (!s->cfg->core.n || strcmp(rq->method, "OPTIONS") == 0 || identity_trusted(s, rq))
		return 0;
	char peer[DB_PEER];
	identity_peer(rq, peer, sizeof peer);
	log_warn("sip.past-the-core", log_text("method", rq->method), log_text("peer", peer));
	server_audit(s, 'B', "svc.refuse", peer, peer, s->cfg->psi, rq->call_id, "not through the SIP core");
	server_refuse(s, tx, 403, WARN_NONE, NULL);
	return 1;
}

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct server *s = ctx;
	if (s->ending) {
		server_refuse(s, tx, 503, WARN_NONE, NULL); /* nobody is left to work on it */
	} else if (MCX_FAULT(msg.scheme, strncmp(rq->uri, "sip:", 4) != 0 && strncmp(rq->uri, "sips:", 5) != 0)) {
		(void)sip_reply(tx, 416, NULL, NULL);
	} else if (past_the_core(s, tx, rq) || requires_something(rq, tx)) {
		return;
	} else if (strcmp(rq->method, "REGISTER") == 0) {
		handle_register(s, tx, rq);
	} else if (strcmp(rq->method, "INVITE") == 0) {
		handle_invite(s, tx, rq);
	} else if (strcmp(rq->method, "PUBLISH") == 0) {
		handle_publish(s, tx, rq);
	} else if (strcmp(rq->method, "MESSAGE") == 0) {
		handle_message(s, tx, rq);
	} else if (strcmp(rq->method, "OPTIONS") == 0) {
		handle_options(s, tx, rq);
	} else {
		struct sip_header h = {"Allow", "REGISTER, INVITE, ACK, CANCEL, BYE, MESSAGE, PUBLISH, OPTIONS"};
		(void)sip_reply(tx, 405, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
	}
}

static void tick(void *arg)
{
	struct server *s = arg;
	struct relay_stats st;
	register_tick(s);
	waiting_tick(s);
	call_tick(s);
	control_tick(s);
	download_tick(s);
	record_tick(s);
	relay_stats(s->relay, &st);
	metric_set(&s->metrics[M_RELAYED], (int64_t)st.forwarded);
	metric_set(&s->metrics[M_RELAY_DROPPED], (int64_t)st.dropped_source);
	s->tick = sip_timer_start(s->loop, TICK_MS, tick, s);
}

/* ---- the loop thread ---- */

static int load_binding(void *ctx, const struct db_binding *b)
{
	return bindings_put(((struct server *)ctx)->bindings, b, 0) ? 0 : -1;
}

static int load_user(void *ctx, const struct db_user *u)
{
	return users_put(((struct server *)ctx)->bindings, u);
}

static int load_replay(void *ctx, const struct mcsec_replay_entry *e)
{
	struct server *s = ctx;
	enum mcsec_err err = mcsec_replay_add(s->replay, e, (uint64_t)db_now() + MCSEC_NTP_UNIX);
	return err == MCSEC_E_MEMORY ? -1 : 0; /* one that ran out meanwhile is not needed */
}

static int load_call(void *ctx, const struct db_call *c)
{
	return call_restore(ctx, c);
}

static int load(struct server *s)
{
	enum store_err e = db_each_binding(s->admin_db, load_binding, s);
	if (e == STORE_OK)
		e = db_each_user(s->admin_db, load_user, s);
	if (e == STORE_OK)
		e = db_each_replay(s->admin_db, load_replay, s);
	if (e == STORE_OK)
		e = db_each_call(s->admin_db, load_call, s);
	if (e == STORE_OK && download_restore(s) != 0)
		e = STORE_BROKEN;
	if (e != STORE_OK)
		snprintf(s->start_error, sizeof s->start_error, "database: %s", store_err_name(e));
	metric_set(&s->metrics[M_BINDINGS], (int64_t)bindings_count(s->bindings));
	return e == STORE_OK ? 0 : -1;
}

/* A neighbour is known by its address only where nothing better proves it (identity.c); limits a source are not for it.
 */
static int is_neighbour(void *ctx, const char *address)
{
	const struct server *s = ctx;
	return server_lists(&s->cfg->trusted, address, 0) || server_lists(&s->cfg->core, address, 0);
}

/* Over a transport that proves nothing a stranger is never granted anything that has to be remembered. */
static int is_stranger(void *ctx, const struct sip_source *from)
{
	const struct server *s = ctx;
	return from->transport != SIP_TLS && !is_neighbour(ctx, from->address) &&
	       !server_lists(&s->cfg->register_over, sip_transport_name(from->transport), 0);
}

/* A user's refused INVITEs stay for 32 s when nobody acknowledges them: so many a second, four seconds' worth at once.
 */
static int may_invite(void *ctx, const struct sip_source *from)
{
	struct server *s = ctx;
	char key[IDENTITY_KEY];
	if (identity_is_neighbour(s, from))
		return 1;
	identity_key(from, key);
	return source_limit_take(s->invites, key, sip_loop_now_ms(s->loop));
}

/* The library looks at them with the first connection, which then fails without a word. */
static int tls_is_there(struct server *s)
{
	static const char *const names[] = {"agent.pem", "cafile.pem"};
	char path[300];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", s->cfg->tls_dir, names[i]);
		if (access(path, R_OK) != 0) {
			snprintf(s->start_error, sizeof s->start_error, "%s: %s", path, strerror(errno));
			return 0;
		}
	}
	return 1;
}

static int open_port(struct server *s)
{
	const struct server_config *cfg = s->cfg;
	struct sip_port_options o = {.host = cfg->host,
				     .tls_dir = cfg->tls_dir,
				     .resolv_conf = cfg->resolv_conf,
				     .connect_ms = (unsigned)cfg->connect_ms,
				     .max_connections = (unsigned)cfg->max_connections,
				     .max_per_source = (unsigned)cfg->max_per_source,
				     .new_per_second = (unsigned)cfg->new_per_source,
				     .first_request_ms = (unsigned)cfg->first_request_s * 1000,
				     .idle_ms = (unsigned)cfg->idle_s * 1000,
				     .trusted = is_neighbour,
				     .stateless = is_stranger,
				     .may_invite = may_invite,
				     .on_request = on_request,
				     .ctx = s};
	uint16_t sip = (uint16_t)cfg->sip_port, sips = (uint16_t)cfg->sips_port;
	size_t tls_at = SIZE_MAX, plain_at = SIZE_MAX;
	if (server_lists(&cfg->transports, "tls", 1)) {
		if (!tls_is_there(s))
			return -1;
		tls_at = o.n_listen;
		o.listen[o.n_listen++] = (struct sip_listen){SIP_TLS, cfg->address, sips};
	}
	if (server_lists(&cfg->transports, "tcp", 1)) {
		plain_at = o.n_listen;
		o.listen[o.n_listen++] = (struct sip_listen){SIP_TCP, cfg->address, sip};
	}
	if (server_lists(&cfg->transports, "udp", 1)) {
		if (plain_at == SIZE_MAX)
			plain_at = o.n_listen;
		o.listen[o.n_listen++] = (struct sip_listen){SIP_UDP, cfg->address, sip};
	}
	s->port = sip_port_new(s->loop, &o, s->start_error, sizeof s->start_error);
	if (!s->port)
		return -1;
	s->sips_number = tls_at == SIZE_MAX ? 0 : sip_port_number(s->port, tls_at);
	s->sip_number = plain_at == SIZE_MAX ? 0 : sip_port_number(s->port, plain_at);
	return 0;
}

static int begin(struct server *s)
{
	const struct server_config *cfg = s->cfg;
	s->loop = sip_loop_new();
	struct relay_options r = {cfg->address, (uint16_t)cfg->rtp_min, (uint16_t)cfg->rtp_max};
	s->bindings = bindings_new();
	s->uids = uids_new();
	s->refusals = audit_refusals_new();
	s->invites = source_limit_new((unsigned)cfg->invites_per_user, 4 * (unsigned)cfg->invites_per_user);
	if (!s->loop || !s->bindings || !s->uids || !s->refusals || !s->invites ||
	    mcsec_replay_new(&s->replay, REPLAY_CAPACITY) != MCSEC_OK || !(s->pool = work_pool_new(s)) ||
	    !(s->commits = commits_new(s, CHANGES * (size_t)cfg->queue)) || !(s->relay = relay_new(&r))) {
		snprintf(s->start_error, sizeof s->start_error, "loop, pool or relay cannot be made (address %s)",
			 cfg->address);
		return -1;
	}
	s->began_ms = sip_loop_now_ms(s->loop);
	/* Calls are read back after the port is there: their dialogs need it. No request is looked at before we run. */
	return open_port(s) != 0 || load(s) != 0 ? -1 : 0;
}

static void end(struct server *s)
{
	sip_timer_stop(s->tick);
	waiting_end(s);
	worker_pool_free(s->pool);
	s->pool = NULL;
	commits_free(s->commits);
	s->commits = NULL;
	if (s->loop)
		sip_loop_step(s->loop, 1); /* results of the last jobs */
	download_free_all(s);
	call_free_all(s);
	sip_port_free(s->port);
	relay_free(s->relay);
	bindings_free(s->bindings);
	uids_free(s->uids);
	mcsec_replay_free(s->replay);
	sip_loop_free(s->loop);
	source_limit_free(s->invites);
}

static void *loop_main(void *arg)
{
	struct server *s = arg;
	s->start_failed = begin(s) != 0;
	if (!s->start_failed)
		tick(s);
	sem_post(&s->started);
	if (!s->start_failed)
		sip_loop_run(s->loop);
	end(s);
	return NULL;
}

/* ---- start and stop ---- */

static void release(struct server *s)
{
	revocations_stop(s->revocations);
	server_keys_stop(s->keys);
	record_end(s);
	audit_keeper_stop(s->checkpoints); /* the last one covers the last record */
	jwks_cache_free(s->jwks);
	redirect_stop(s);
	db_close(s->admin_db);
	seal_close(s->seal);
	pthread_mutex_destroy(&s->admin_lock);
	sem_destroy(&s->started);
	free(s);
}

static void list_said(void *ctx, const char *error)
{
	(void)ctx;
	if (error)
		log_warn("server.revocation-list", log_text("error", error));
	else
		log_info("server.revocation-list-read");
}

/* Tokens that the identity server took back (TS 33.180 B.12). */
static int start_revocations(struct server *s, char *err, size_t err_size)
{
	const struct server_config *cfg = s->cfg;
	struct revocations_options o = {.url = cfg->revocations,
					.http = {.ca_file = cfg->ca,
						 .cert_file = cfg->revocations_cert,
						 .key_file = cfg->revocations_cert,
						 .resolve = *cfg->resolve ? cfg->resolve : NULL},
					.every_s = (unsigned)cfg->revocations_every,
					.said = list_said};
	if (!*cfg->revocations)
		return 0;
	s->revocations = *cfg->revocations_cert ? revocations_start(&o) : NULL;
	if (!s->revocations)
		snprintf(err, err_size, "revocations needs revocations_cert, which the identity server accepts");
	return s->revocations ? 0 : -1;
}

static int open_stores(struct server *s, char *err, size_t err_size)
{
	const struct server_config *cfg = s->cfg;
	int fresh = access(cfg->database, F_OK) != 0;
	s->seal = seal_open(cfg->seal_key, cfg->passphrase, fresh, err, err_size);
	if (!s->seal)
		return -1;
	s->admin_db = work_db(s, err, err_size);
	if (!s->admin_db)
		return -1;
	char jwks[600];
	snprintf(jwks, sizeof jwks, *cfg->jwks ? "%s" : "%s/jwks", *cfg->jwks ? cfg->jwks : cfg->issuer);
	struct jwks_cache_options j = {.url = jwks,
				       .http = {.ca_file = cfg->ca,
						.max_body = 65536,
						.timeout_ms = 5000,
						.resolve = *cfg->resolve ? cfg->resolve : NULL}};
	s->jwks = jwks_cache_new(&j);
	if (redirect_start(s, err, err_size) != 0)
		return -1;
	s->keys = server_keys_start(cfg);
	if (!s->jwks || !s->keys) {
		snprintf(err, err_size, "no memory");
		return -1;
	}
	return start_revocations(s, err, err_size) ||
		       checkpoints_start(cfg->database, cfg->audit_key, cfg->audit_checkpoints, &s->checkpoints, err,
					 err_size)
		   ? -1
		   : 0;
}

static int valid_protection(const char *p)
{
	return strcmp(p, "required") == 0 || strcmp(p, "allowed") == 0 || strcmp(p, "forbidden") == 0;
}

struct server *server_start(const struct server_config *cfg, char *err, size_t err_size)
{
	struct server *s = calloc(1, sizeof *s);
	if (!s) {
		snprintf(err, err_size, "no memory");
		return NULL;
	}
	struct suite_list suites;
	if (suite_list_read(cfg->suites, &suites) != MCSEC_OK || suites.n == 0) {
		snprintf(err, err_size, "suites is a list like \"" SUITES_KNOWN "\"");
		free(s);
		return NULL;
	}
	if (!valid_protection(cfg->protection)) {
		snprintf(err, err_size, "protection is required, allowed or forbidden, not '%s'", cfg->protection);
		free(s);
		return NULL;
	}
	if (cfg->core.n && !*cfg->core_route) {
		snprintf(err, err_size, "core is given, but not core_route: where requests to its users go");
		free(s);
		return NULL;
	}
	s->cfg = cfg;
	atomic_store(&s->store_ok, 1);
	for (size_t i = 0; i < M_METRICS; i++) {
		s->metrics[i].name = metric_names[i].name;
		s->metrics[i].help = metric_names[i].help;
		s->metrics[i].labels = metric_names[i].labels;
		s->metrics[i].kind = metric_names[i].kind;
	}
	sem_init(&s->started, 0, 0);
	pthread_mutex_init(&s->admin_lock, NULL);
	int rc = open_stores(s, err, err_size);
	if (!rc && (rc = pthread_create(&s->thread, NULL, loop_main, s)))
		snprintf(err, err_size, "no thread for the loop: %s", strerror(rc));
	if (rc) {
		release(s);
		return NULL;
	}
	while (sem_wait(&s->started) != 0 && errno == EINTR)
		;
	if (s->start_failed) {
		pthread_join(s->thread, NULL);
		snprintf(err, err_size, "%s", s->start_error);
		release(s);
		return NULL;
	}
	if (admin_start(s, err, err_size) != 0) {
		server_stop(s);
		return NULL;
	}
	return s;
}

void server_stop(struct server *s)
{
	if (s->admin)
		http_server_stop(s->admin);
	sip_loop_stop(s->loop);
	pthread_join(s->thread, NULL);
	release(s);
}

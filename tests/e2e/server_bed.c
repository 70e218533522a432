/* SPDX-License-Identifier: Apache-2.0 */
/* server_bed.c - the bed: authorities, key issuing, JWKS, the server, and user agents as SIP clients. */
#include "e2e/server_bed.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

#include "mcsec/ibc.h"
#include "mcsec/secret.h"

struct bed bed;
uint8_t last_mikey[MCSEC_IM_MAX];
size_t last_mikey_len;
uint8_t last_csk[16];
uint32_t last_csk_id;
char last_key_mgmt[4096];

static struct mcsec_master *master;
static struct mcsec_kms *kms;
static struct mcsec_periods periods = {PERIOD, 0};

/* Text that must fit. */
static void text(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void text(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < size);
}

static uint64_t now_ntp(void)
{
	return (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
}

static uint64_t period_now(void)
{
	uint64_t n;
	assert_int_equal(mcsec_period_number(&periods, now_ntp(), &n), MCSEC_OK);
	return n;
}

struct mcsec_keyset *bed_keys(const char *uri, size_t tables)
{
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued got;
	struct mcsec_keyset *keys;
	assert_int_equal(mcsec_uid(uri, KMS_URI, &periods, period_now(), uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(master, &mcsec_rng_system, ++bed.issued, uid, sizeof uid, &got), MCSEC_OK);
	assert_int_equal(mcsec_keyset_new_sized(&keys, kms, uid, sizeof uid, got.ssk, got.pvt, got.rsk, tables), MCSEC_OK);
	return keys;
}

static struct mcsec_keyset *issue(const char *uri)
{
	return bed_keys(uri, MCSEC_RSK_TABLES);
}

/* ---- the server's keys, in place of src/server/keys.c ---- */

struct server_book {
	struct mcsec_im_kms kms;
	struct mcsec_im_own own[SERVER_IDENTITIES];
	struct mcsec_im_book tables;
	struct suite_list suites;
};
struct server_keys {
	struct server_book book;
};

const char *bed_suites = "", *bed_suites_minimum = "";

struct server_keys *server_keys_start(const struct server_config *cfg)
{
	struct server_keys *k = calloc(1, sizeof *k);
	struct server_book *b = &k->book;
	b->kms = (struct mcsec_im_kms){.uri = KMS_URI, .kms = kms, .periods = periods};
	const char *ids[SERVER_IDENTITIES];
	size_t n = server_identities(cfg, ids);
	for (size_t i = 0; i < n; i++)
		b->own[i] = (struct mcsec_im_own){
		    .uri = ids[i], .kms_uri = KMS_URI, .period = period_now(), .keys = issue(ids[i])};
	b->tables = (struct mcsec_im_book){.kms = &b->kms, .n_kms = 1, .own = b->own, .n_own = n};
	struct suite_list own;
	assert_int_equal(suite_list_read(cfg->suites, &own), MCSEC_OK);
	assert_int_equal(suite_allowed(bed_suites, bed_suites_minimum, &own, &b->suites), MCSEC_OK);
	return k;
}

void server_keys_stop(struct server_keys *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->book.tables.n_own; i++)
		mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)k->book.own[i].keys);
	free(k);
}

struct server_book *server_keys_book(struct server_keys *k)
{
	return &k->book;
}

const struct mcsec_im_book *server_book_tables(const struct server_book *b)
{
	return &b->tables;
}

const struct suite_list *server_book_suites(const struct server_book *b)
{
	return &b->suites;
}

void server_book_release(struct server_book *b)
{
	(void)b;
}

void server_keys_renew(struct server_keys *k)
{
	(void)k;
}

/* ---- tokens ---- */

static void serve_jwks(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	(void)ctx;
	http_response_text(rs, strcmp(rq->path, "/jwks") == 0 ? 200 : 404, "application/json", bed.jwks_text);
}

char *make_token(const struct token_signer *s, const char *mcptt_id, const char *audience, const char *scope,
		 int64_t exp)
{
	char json[1024];
	int64_t now = (int64_t)time(NULL);
	text(json, sizeof json,
	     "{\"iss\":\"%s\",\"sub\":\"u-1\",\"aud\":[\"%s\"],\"client_id\":\"mcx-ue\",\"iat\":%lld,\"nbf\":%lld,"
	     "\"exp\":%lld,"
	     "\"jti\":\"t-%lld\",\"scope\":\"%s\",\"mcptt_id\":\"%s\",\"auth_time\":%lld,\"acr\":\"3gpp:acr:"
	     "password\",\"sid\":\"s-1\"}",
	     bed.cfg.issuer, audience, (long long)now - 5, (long long)now - 5, (long long)(now + exp), (long long)now,
	     scope, mcptt_id, (long long)now - 5);
	char *t = token_sign(s, "at+jwt", json);
	assert_non_null(t);
	return t;
}

/* ---- the bed ---- */

void bed_begin(void)
{
	struct mcsec_kms *k;
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	char path[200];
	assert_int_equal(mcsec_master_generate(&master, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(master, kpak, z_pub);
	assert_int_equal(mcsec_kms_new(&k, kpak, z_pub), MCSEC_OK);
	kms = k;
	pki_init(&bed.ca, "Domain CA");
	pki_init(&bed.other, "Other CA");
	pki_init(&bed.admin_ca, "Admin CA");
	dns_start(&bed.dns, bed.ca.dir);
	bed.loop = sip_loop_new();
	bed.signer = token_signer_generate(TOKEN_ES256);
	bed.stranger = token_signer_generate(TOKEN_ES256);
	const struct token_signer *signers[] = {bed.signer};
	bed.jwks_text = token_jwks(signers, 1);
	struct server_config *c = &bed.cfg;
	pki_agent(&bed.ca, &bed.ca, "server", "DNS:sip." ZONE ",URI:" PSI, c->tls_dir, sizeof c->tls_dir);
	pki_agent(&bed.ca, &bed.ca, "idms", "DNS:idms." ZONE, path, sizeof path);
	strcat(path, "/agent.pem");
	char err[256] = "";
	struct http_server_options j = {.address = "127.0.0.1",
					.cert_file = path,
					.key_file = path,
					.max_body = 1024,
					.threads = 1,
					.max_connections = 16,
					.max_per_peer = 16,
					.idle_timeout_s = 10,
					.handler = serve_jwks};
	bed.jwks = http_server_start(&j, err, sizeof err);
	if (!bed.jwks)
		fail_msg("jwks: %s", err);
	text(c->issuer, sizeof c->issuer, "https://idms." ZONE ":%u", http_server_port(bed.jwks));
	text(c->resolve, sizeof c->resolve, "idms." ZONE ":%u:127.0.0.1", http_server_port(bed.jwks));
	strcpy(c->audience, "https://mc." ZONE);
	strcpy(c->host, "sip." ZONE);
	strcpy(c->psi, PSI);
	strcpy(c->mdsi, MDSI);
	strcpy(c->address, "127.0.0.1");
	text(c->tls, sizeof c->tls, "%s/agent.pem", c->tls_dir);
	text(c->ca, sizeof c->ca, "%s/cafile.pem", c->tls_dir);
	pki_agent(&bed.admin_ca, &bed.admin_ca, "officer", NULL, path, sizeof path);
	text(c->admin_ca, sizeof c->admin_ca, "%s/cafile.pem", path);
	strcpy(c->resolv_conf, bed.dns.conf);
	text(c->database, sizeof c->database, "%s/db", bed.ca.dir);
	text(c->seal_key, sizeof c->seal_key, "%s/seal.key", bed.ca.dir);
	strcpy(c->protection, "required");
	strcpy(c->suites, SUITES_KNOWN);
	c->rtp_min = 40000;
	c->rtp_max = 40999;
	c->expires_min = 60;
	c->expires_max = 3600;
	c->ring_s = 60;
	c->silent_s = 60;
	c->max_private_calls = 10;
	c->workers = 2;
	c->queue = 64;
	c->busy_ms = 200;
	c->connect_ms = 1000;
}

void bed_end(void)
{
	http_server_stop(bed.jwks);
	dns_stop(&bed.dns);
	pki_end(&bed.ca);
	pki_end(&bed.other);
	pki_end(&bed.admin_ca);
	free(bed.jwks_text);
	token_signer_free(bed.signer);
	token_signer_free(bed.stranger);
	sip_loop_free(bed.loop);
	mcsec_kms_free(kms);
	mcsec_master_free(master);
}

void bed_start(void)
{
	char err[512] = "";
	bed.server = server_start(&bed.cfg, err, sizeof err);
	if (!bed.server)
		fail_msg("server: %s", err);
}

void bed_stop(void)
{
	server_stop(bed.server);
	bed.server = NULL;
}

void bed_fresh(void)
{
	char cmd[600];
	text(cmd, sizeof cmd, "rm -f '%s' '%s-wal' '%s-shm'", bed.cfg.database, bed.cfg.database, bed.cfg.database);
	assert_int_equal(system(cmd), 0);
}

/* ---- a server of its own process ---- */

struct handover {
	struct server_config cfg;
	uint8_t ksak[MCSEC_KSAK_LEN], z_t[MCSEC_ZT_LEN];
};

static pid_t child;

uint16_t bed_free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	close(fd);
	return ntohs(a.sin_port);
}

void bed_spawn(void)
{
	static struct handover h;
	int in[2], out[2];
	char ready;
	bed.cfg.sips_port = bed_free_port();
	h.cfg = bed.cfg;
	mcsec_master_export(master, h.ksak, h.z_t);
	assert_int_equal(pipe(in) | pipe(out), 0);
	child = fork();
	bed.pid = child;
	if (child == 0) {
		dup2(in[0], 0);
		dup2(out[1], 3);
		execl("/proc/self/exe", "server", "serve", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	assert_int_equal(write(in[1], &h, sizeof h), sizeof h);
	assert_int_equal(read(out[0], &ready, 1), 1);
	close(in[1]);
	close(out[0]);
	mcsec_wipe(&h, sizeof h);
	free(bed.server);
	bed.server = calloc(1, sizeof *bed.server);
	bed.server->sips_number = (uint16_t)bed.cfg.sips_port;
}

void bed_kill(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

void bed_serve_if_asked(int argc, char **argv)
{
	static struct handover h;
	char err[512];
	if (argc != 2 || strcmp(argv[1], "serve") != 0)
		return;
	size_t got = 0;
	ssize_t n;
	while (got < sizeof h && (n = read(0, (uint8_t *)&h + got, sizeof h - got)) > 0)
		got += (size_t)n;
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	if (got != sizeof h || mcsec_master_load(&master, h.ksak, h.z_t))
		_exit(1);
	mcsec_master_public(master, kpak, z_pub);
	if (mcsec_kms_new(&kms, kpak, z_pub) || !server_start(&h.cfg, err, sizeof err) || write(3, "r", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void put_user(void *arg)
{
	(void)users_put(bed.server->bindings, arg);
}

void bed_user(const char *mcptt_id, const char *answer_mode, int private_call, int auto_answer)
{
	struct db_user u = {.private_call = private_call, .auto_answer = auto_answer};
	db_copy(u.mcptt_id, sizeof u.mcptt_id, mcptt_id);
	db_copy(u.answer_mode, sizeof u.answer_mode, answer_mode);
	pthread_mutex_lock(&bed.server->admin_lock);
	assert_int_equal(db_put_user(bed.server->admin_db, &u, "CN=officer"), STORE_OK);
	pthread_mutex_unlock(&bed.server->admin_lock);
	server_on_loop(bed.server, put_user, &u);
}

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
	text(u->body_type, sizeof u->body_type, "%s", m->content_type ? m->content_type : "");
	if (!m->content_type ||
	    multipart_read(m->content_type, m->body, scratch, sizeof scratch, &parts, NULL) != MCSEC_OK)
		return;
	const struct body_part *sdp = multipart_find(&parts, TYPE_SDP, NULL);
	const struct body_part *info = multipart_find(&parts, TYPE_MCPTT_INFO, NULL);
	if (sdp)
		u->sdp = strndup((const char *)sdp->body.p, sdp->body.len);
	static struct mcptt_info i;
	if (info && mcptt_info_read(info->body, &i, NULL) == MCSEC_OK) {
		text(u->called_party, sizeof u->called_party, "%s", i.called_party_id.value);
		text(u->calling_user, sizeof u->calling_user, "%s", i.calling_user_id.value);
	}
}

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
	text(u->warning_text, sizeof u->warning_text, "%s", w ? w : "");
	text(u->error, sizeof u->error, "%s", rs->error ? rs->error : "");
	text(u->contact, sizeof u->contact, "%s", rs->n_contacts ? rs->contacts[0].uri : "");
	keep_body(u, rs);
	u->tx = NULL;
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
	text(out, size,
	     "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/SAVP 97\r\n"
	     "a=rtpmap:97 opus/48000/2\r\na=answered-by:%s\r\n",
	     u->media_port, u->name);
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
	struct mcsec_im_kms k = {.uri = KMS_URI, .kms = kms, .periods = periods};
	struct mcsec_im_own own = {u->mcptt_id, KMS_URI, period_now(), u->keys};
	struct mcsec_im_book book = {.kms = &k, .n_kms = 1, .own = &own, .n_own = 1};
	struct mcsec_im_expect expect = {
	    .now = now_ntp(), .initiators = servers, .n_initiators = n, .selves = &self, .n_selves = 1};
	struct mcsec_fault fault;
	struct mcsec_im *im = NULL;
	return mcsec_im_open(&book, &expect, message.p, message.len, &im, &fault) ? NULL : im;
}

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct ua *u = ctx;
	if (strcmp(rq->method, "MESSAGE") == 0 && bed_on_message) {
		bed_on_message(u, tx, rq);
		return;
	}
	if (strcmp(rq->method, "INVITE") != 0) {
		(void)sip_reply(tx, 200, NULL, NULL);
		return;
	}
	const char *asserted = sip_header_at(rq, "P-Asserted-Identity", 0), *mode = sip_header_at(rq, "Answer-Mode", 0);
	text(u->asserted, sizeof u->asserted, "%s", asserted ? asserted : "");
	text(u->answer_mode, sizeof u->answer_mode, "%s", mode ? mode : "");
	text(u->target, sizeof u->target, "%s", rq->uri);
	text(u->route, sizeof u->route, "%s", sip_header_at(rq, "Route", 0) ? sip_header_at(rq, "Route", 0) : "");
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
	text(u->mcptt_id, sizeof u->mcptt_id, "sip:%s@mcptt." ZONE, user);
	text(u->impu, sizeof u->impu, "sip:%s@" ZONE, impu_user);
	text(u->client_id, sizeof u->client_id, "urn:uuid:00000000-0000-4000-8000-%012x",
	     (unsigned)strlen(name) * 7919u + (unsigned char)name[0]);
	text(san, sizeof san, "URI:%s", u->impu);
	pki_agent(&bed.ca, &bed.ca, name, san, u->tls, sizeof u->tls);
	u->keys = issue(u->mcptt_id);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	u->media = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(u->media, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(u->media, (struct sockaddr *)&a, &len);
	u->media_port = ntohs(a.sin_port);
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
	for (int i = 0; i < 600 && *value < at_least; i++)
		pump(10);
}

/* ---- REGISTER ---- */

static void make_message(const struct ua *u, const struct reg *r)
{
	struct mcsec_im_kms k = {.uri = KMS_URI, .kms = kms, .periods = periods};
	const char *initiator = r->initiator ? r->initiator : u->mcptt_id;
	struct mcsec_im_own own = {initiator, KMS_URI, period_now(), r->keys ? r->keys : u->keys};
	struct mcsec_im_book book = {.kms = &k, .n_kms = 1, .own = &own, .n_own = 1};
	struct mcsec_im_make what = {.kind = r->kind ? r->kind : MCSEC_CSK,
				     .time = now_ntp() - (uint64_t)r->age,
				     .initiator = initiator,
				     .initiator_kms = KMS_URI,
				     .responder = r->responder ? r->responder : PSI,
				     .responder_kms = KMS_URI,
				     .key = last_csk};
	struct mcsec_alg_list algs = {.selected = r->suite, .suites = {r->suite, r->second_suite}, .n = 1};
	algs.n += r->second_suite != 0;
	what.algs = r->suite ? &algs : NULL;
	what.hide_initiator = r->hide_initiator;
	what.hide_responder = r->hide_responder;
	what.to_self = r->to_self;
	assert_int_equal(mcsec_rng_system.fill(NULL, last_csk, sizeof last_csk), MCSEC_OK);
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
	text(info.access_token.value, sizeof info.access_token.value, "%s", use);
	info.client_id.form = r->no_client ? MCPTT_ABSENT : MCPTT_PLAIN;
	text(info.client_id.value, sizeof info.client_id.value, "%s", u->client_id);
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
	text(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=%s",
	     tls ? bed.server->sips_number : bed.server->sip_number, tls ? "tls" : "tcp");
	if (r->contact)
		text(contact, sizeof contact, "%s", r->contact);
	else
		text(contact, sizeof contact, "<sip:%s@127.0.0.1:%u;transport=tls>%s", u->name,
		     sip_port_number(u->port, 0), r->no_tags ? "" : ";+g.3gpp.mcptt");
	char expires[24];
	text(expires, sizeof expires, "%lld", (long long)(r->expires == -1 ? 600 : r->expires));
	struct sip_header h = {"Expires", expires};
	struct sip_request rq = {.method = "REGISTER",
				 .uri = uri,
				 .from = r->from   ? r->from
					 : r->impu ? r->impu
						   : u->impu,
				 .to = r->impu ? r->impu : u->impu,
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
	text(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
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
	struct mcsec_im_kms k = {.uri = KMS_URI, .kms = kms, .periods = periods};
	struct mcsec_im_own own = {u->mcptt_id, KMS_URI, period_now(), u->keys};
	struct mcsec_im_book book = {.kms = &k, .n_kms = 1, .own = &own, .n_own = 1};
	struct mcsec_im_make what = {.kind = i->wrong_tag ? MCSEC_CSK : MCSEC_PCK,
				     .time = now_ntp(),
				     .initiator = u->mcptt_id,
				     .initiator_kms = KMS_URI,
				     .responder = target,
				     .responder_kms = KMS_URI,
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
	text(info.session_type, sizeof info.session_type, "%s", i->session ? i->session : "private");
	info.client_id.form = MCPTT_PLAIN;
	text(info.client_id.value, sizeof info.client_id.value, "%s", i->client ? i->client : u->client_id);
	struct writer iw = wr_init((uint8_t *)xml, sizeof xml), lw = wr_init((uint8_t *)lists, sizeof lists);
	assert_int_equal(mcptt_info_write(&iw, &info), MCSEC_OK);
	const char *uris[2] = {i->target ? i->target : "sip:bob@mcptt." ZONE, i->second_target};
	assert_int_equal(resource_lists_write(&lw, uris, i->second_target ? 2 : 1), MCSEC_OK);
	if (!i->no_key) {
		make_pck(u, i);
		text(key, sizeof key, "a=key-mgmt:mikey %s\r\n", last_key_mgmt);
	}
	const char *address = i->address ? i->address : "127.0.0.1";
	text(sdp, sizeof sdp,
	     "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n%sa=x-unknown: kept  as it is \r\n"
	     "m=audio %u RTP/SAVP 97\r\na=rtpmap:97 opus/48000/2\r\na=x-media-level\r\n",
	     address, address, key, u->media_port);
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
	text(uri, sizeof uri, "sip:mcptt@sip." ZONE ":%u;transport=%s",
	     i->plain ? bed.server->sip_number : bed.server->sips_number, i->plain ? "tcp" : "tls");
	struct sip_header h[5] = {{"P-Preferred-Service", i->service ? i->service : ICSI_MCPTT}};
	size_t n = 1;
	if (i->preferred) {
		text(preferred, sizeof preferred, "<%s>", i->preferred);
		h[n++] = (struct sip_header){"P-Preferred-Identity", preferred};
	}
	if (i->asserted) {
		text(asserted, sizeof asserted, "<%s>", i->asserted);
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

/* ---- the database, from outside ---- */

size_t rows_in_db(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_open_v2(bed.cfg.database, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 1000);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	size_t n = (size_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

size_t bindings_in_db(void)
{
	return rows_in_db("SELECT count(*) FROM bindings");
}

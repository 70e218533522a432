/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_bed.c - the bed: authorities, key issuing, JWKS, and the server. Its user agents are server_bed_ua.c, what
 * they send server_bed_requests.c.
 */
#include "e2e/server_bed_parts.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "mcsec/ibc.h"
#include "mcsec/secret.h"
#include "sec/ibc/engine.h"

struct bed bed;

static struct mcsec_master *master, *other_master;
static struct mcsec_kms *kms, *other_kms;
static struct mcsec_periods periods = {PERIOD, 0}, other_periods = {PERIOD, 86400};

void bed_text(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < size);
}

uint64_t bed_now_ntp(void)
{
	return (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
}

uint64_t bed_period_now(void)
{
	uint64_t n;
	assert_int_equal(mcsec_period_number(&periods, bed_now_ntp(), &n), MCSEC_OK);
	return n;
}

struct mcsec_keyset *bed_keys(const char *uri, size_t tables)
{
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued got;
	struct mcsec_keyset *keys;
	assert_int_equal(mcsec_uid(uri, KMS_URI, &periods, bed_period_now(), uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(master, &mcsec_rng_system, ++bed.issued, uid, sizeof uid, &got), MCSEC_OK);
	assert_int_equal(mcsec_keyset_new_sized(&keys, kms, uid, sizeof uid, got.ssk, got.pvt, got.rsk, tables),
			 MCSEC_OK);
	return keys;
}

struct mcsec_keyset *bed_signer(const char *uri)
{
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued got;
	struct mcsec_keyset *keys = mcsec_secret_alloc(sizeof *keys);
	assert_non_null(keys);
	assert_int_equal(mcsec_uid(uri, KMS_URI, &periods, bed_period_now(), uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(master, &mcsec_rng_system, ++bed.issued, uid, sizeof uid, &got), MCSEC_OK);
	keys->kms = mcsec_kms_ref(kms);
	assert_int_equal(ident_set(&keys->id, uid, sizeof uid), MCSEC_OK);
	assert_int_equal(keyset_take_pair(keys, got.ssk, got.pvt), MCSEC_OK);
	mcsec_wipe(&got, sizeof got);
	return keys;
}

struct mcsec_keyset *bed_issue(const char *uri)
{
	return bed_keys(uri, MCSEC_RSK_TABLES);
}

struct mcsec_im_kms bed_kms(void)
{
	return (struct mcsec_im_kms){.uri = KMS_URI, .kms = kms, .periods = periods};
}

/* ---- the other domain ---- */

/* Made when it is first asked for: most tests have none. */
static void make_other(void)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	if (other_master)
		return;
	assert_int_equal(mcsec_master_generate(&other_master, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(other_master, kpak, z_pub);
	assert_int_equal(mcsec_kms_new(&other_kms, kpak, z_pub), MCSEC_OK);
}

struct mcsec_im_kms bed_other_kms(void)
{
	make_other();
	return (struct mcsec_im_kms){.uri = BED_OTHER_KMS, .kms = other_kms, .periods = other_periods};
}

static uint64_t other_period_now(void)
{
	uint64_t n;
	assert_int_equal(mcsec_period_number(&other_periods, bed_now_ntp(), &n), MCSEC_OK);
	return n;
}

struct mcsec_keyset *bed_issue_elsewhere(const char *uri)
{
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued got;
	struct mcsec_keyset *keys;
	make_other();
	assert_int_equal(mcsec_uid(uri, BED_OTHER_KMS, &other_periods, other_period_now(), uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(other_master, &mcsec_rng_system, ++bed.issued, uid, sizeof uid, &got),
			 MCSEC_OK);
	assert_int_equal(mcsec_keyset_new(&keys, other_kms, uid, sizeof uid, got.ssk, got.pvt, got.rsk), MCSEC_OK);
	mcsec_wipe(&got, sizeof got);
	return keys;
}

struct mcsec_im_book bed_book_of(const struct ua *u, struct mcsec_im_kms k[2], struct mcsec_im_own *own)
{
	k[0] = bed_kms();
	if (u->elsewhere)
		k[1] = bed_other_kms();
	*own = (struct mcsec_im_own){u->mcptt_id, k[u->elsewhere].uri,
				     u->elsewhere ? other_period_now() : bed_period_now(), u->keys};
	return (struct mcsec_im_book){.kms = k, .n_kms = u->elsewhere ? 2 : 1, .own = own, .n_own = 1};
}

/* ---- the server's keys, in place of src/server/keys.c ---- */

int bed_holds_other;

struct server_book {
	struct mcsec_im_kms kms[2];
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
	static const char *const domains[] = {"mcptt." ZONE, ZONE};
	b->kms[0] = bed_kms();
	if (bed_holds_other) {
		b->kms[0].domains = domains;
		b->kms[0].n_domains = 2;
		b->kms[1] = bed_other_kms();
	}
	const char *ids[SERVER_IDENTITIES];
	size_t n = server_identities(cfg, ids);
	for (size_t i = 0; i < n; i++)
		b->own[i] = (struct mcsec_im_own){
		    .uri = ids[i], .kms_uri = KMS_URI, .period = bed_period_now(), .keys = bed_issue(ids[i])};
	b->tables = (struct mcsec_im_book){.kms = b->kms, .n_kms = bed_holds_other ? 2 : 1, .own = b->own, .n_own = n};
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
	char json[1024], video[128] = "";
	int64_t now = (int64_t)time(NULL);
	if (strstr(scope, SCOPE_VIDEO_SERVICE))
		bed_text(video, sizeof video, ",\"mcvideo_id\":\"%s\"", mcptt_id);
	bed_text(json, sizeof json,
		 "{\"iss\":\"%s\",\"sub\":\"u-1\",\"aud\":[\"%s\"],\"client_id\":\"mcx-ue\",\"iat\":%lld,\"nbf\":%lld,"
		 "\"exp\":%lld,"
		 "\"jti\":\"t-%lld\",\"scope\":\"%s\",\"mcptt_id\":\"%s\",\"auth_time\":%lld,\"acr\":\"3gpp:acr:"
		 "password\",\"sid\":\"s-1\"%s}",
		 bed.cfg.issuer, audience, (long long)now - 5, (long long)now - 5, (long long)(now + exp),
		 (long long)now, scope, mcptt_id, (long long)now - 5, video);
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
	bed_text(c->issuer, sizeof c->issuer, "https://idms." ZONE ":%u", http_server_port(bed.jwks));
	bed_text(c->resolve, sizeof c->resolve, "idms." ZONE ":%u:127.0.0.1", http_server_port(bed.jwks));
	strcpy(c->audience, "https://mc." ZONE);
	strcpy(c->host, "sip." ZONE);
	strcpy(c->psi, PSI);
	strcpy(c->mdsi, MDSI);
	strcpy(c->address, "127.0.0.1");
	bed_text(c->tls, sizeof c->tls, "%s/agent.pem", c->tls_dir);
	bed_text(c->ca, sizeof c->ca, "%s/cafile.pem", c->tls_dir);
	pki_agent(&bed.admin_ca, &bed.admin_ca, "officer", NULL, path, sizeof path);
	bed_text(c->admin_ca, sizeof c->admin_ca, "%s/cafile.pem", path);
	strcpy(c->resolv_conf, bed.dns.conf);
	bed_text(c->database, sizeof c->database, "%s/db", bed.ca.dir);
	bed_text(c->seal_key, sizeof c->seal_key, "%s/seal.key", bed.ca.dir);
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
	c->waiting = 256;
	c->waiting_s = 30;
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
	mcsec_kms_free(other_kms);
	mcsec_master_free(other_master);
	other_kms = NULL;
	other_master = NULL;
	bed_holds_other = 0;
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
	if (bed.server)
		server_stop(bed.server);
	bed.server = NULL;
}

void bed_fresh(void)
{
	char cmd[600];
	bed_text(cmd, sizeof cmd, "rm -f '%s' '%s-wal' '%s-shm'", bed.cfg.database, bed.cfg.database, bed.cfg.database);
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
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a test fails */
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

static void put_settings(const char *mcptt_id, const char *answer_mode, struct db_user u)
{
	db_copy(u.mcptt_id, sizeof u.mcptt_id, mcptt_id);
	db_copy(u.answer_mode, sizeof u.answer_mode, answer_mode);
	pthread_mutex_lock(&bed.server->admin_lock);
	assert_int_equal(db_put_user(bed.server->admin_db, &u, "CN=officer"), STORE_OK);
	pthread_mutex_unlock(&bed.server->admin_lock);
	server_on_loop(bed.server, put_user, &u);
}

void bed_user(const char *mcptt_id, const char *answer_mode, int private_call, int auto_answer)
{
	put_settings(
	    mcptt_id, answer_mode,
	    (struct db_user){.private_call = private_call, .auto_answer = auto_answer, .private_video = private_call});
}

void bed_user_kms(const char *mcptt_id, const char *kms_uris)
{
	struct db_user u = {.private_call = 1, .auto_answer = 1, .private_video = 1};
	bed_text(u.kms_uri, sizeof u.kms_uri, "%s", kms_uris);
	put_settings(mcptt_id, "automatic", u);
}

void bed_user_video(const char *mcptt_id, int private_video)
{
	put_settings(mcptt_id, "automatic",
		     (struct db_user){.private_call = 1, .auto_answer = 1, .private_video = private_video});
}

/* ---- the people of most tests ---- */

void bed_begin_for(struct ua *alice, struct ua *bob, struct ua *tablet)
{
	bed_begin();
	ua_open(alice, "alice", "alice", "alice");
	if (tablet)
		ua_open(tablet, "alice-tablet", "alice", "alice");
	ua_open(bob, "bob", "bob", "bob");
}

void bed_end_for(struct ua *alice, struct ua *bob, struct ua *tablet)
{
	bed_stop();
	ua_close(alice);
	if (tablet)
		ua_close(tablet);
	ua_close(bob);
	bed_end();
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

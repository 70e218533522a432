/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_hostile_lab.h - for the tests of a hostile peer at a whole server: Alice and Bob, registered and in a call all
 * the while, a peer with Alice's own certificate, keys to make bad messages with, and what must not change.
 */
#ifndef TEST_SERVER_HOSTILE_LAB_H
#define TEST_SERVER_HOSTILE_LAB_H

#include "e2e/body_rows.h"
#include "e2e/hostile_peer.h"
#include "e2e/im_rows.h"
#include "e2e/server_bed_parts.h"

#include <signal.h>
#include <sqlite3.h>

#include "mcx/doc/poc_settings.h"

static struct ua alice, bob;
static struct peer peer; /* with Alice's certificate */

#if defined(__SANITIZE_ADDRESS__)
enum { WITH_SANITIZER = 1 };
#else
enum { WITH_SANITIZER = 0 };
#endif

#define NOBODY  "sip:nobody@" ZONE
#define FAR     "sip:carol@mcptt.far.test"
#define FAR_KMS "kms.far.test"

/* ---- what must not change ---- */

static char *before;

static inline void put_row(FILE *f, sqlite3_stmt *st)
{
	for (int i = 0; i < sqlite3_column_count(st); i++) {
		const uint8_t *p = sqlite3_column_blob(st, i);
		for (int k = 0; k < sqlite3_column_bytes(st, i); k++)
			fprintf(f, "%02x", p[k]);
		fputc(' ', f);
	}
	fputc('\n', f);
}

/* All that the server keeps but the record of what it refused. */
static inline char *everything_stored(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	sqlite3 *db;
	sqlite3_stmt *tables, *rows;
	assert_int_equal(sqlite3_open_v2(bed.cfg.database, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT 'SELECT * FROM ' || name || ' ORDER BY 1, 2' FROM sqlite_master "
					    "WHERE type='table' AND name NOT LIKE 'audit%' AND name NOT LIKE 'sqlite%'",
					    -1, &tables, NULL),
			 SQLITE_OK);
	while (sqlite3_step(tables) == SQLITE_ROW) {
		const char *sql = (const char *)sqlite3_column_text(tables, 0);
		fprintf(f, "%s\n", sql);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
		while (sqlite3_step(rows) == SQLITE_ROW)
			put_row(f, rows);
		sqlite3_finalize(rows);
	}
	sqlite3_finalize(tables);
	sqlite3_close(db);
	fclose(f);
	return text;
}

static inline void remember(void)
{
	free(before);
	before = everything_stored();
}

static inline void nothing_came_of_it(void)
{
	char *now = everything_stored();
	assert_string_equal(now, before);
	free(now);
	assert_int_equal(alice.byes + bob.byes, 0);
	assert_int_equal(bob.invites, 1);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 1);
	assert_int_equal(ua_options(&bob), 200);
}

/* ---- who plays what ---- */

static struct mcsec_im_book book, forger;
static struct mcsec_im_kms kmss[2], forged_kms;
static struct mcsec_im_own owns[6], forged_owns[3];
static struct mcsec_master *far_master;

static inline struct mcsec_im_own own_of(struct mcsec_master *master, const struct mcsec_im_kms *kms, const char *uri)
{
	static uint64_t issued;
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued got;
	struct mcsec_keyset *keys;
	uint64_t period = (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
	assert_int_equal(mcsec_period_number(&kms->periods, period, &period), MCSEC_OK);
	assert_int_equal(mcsec_uid(uri, kms->uri, &kms->periods, period, uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(master, &mcsec_rng_system, ++issued, uid, sizeof uid, &got), MCSEC_OK);
	assert_int_equal(mcsec_keyset_new(&keys, kms->kms, uid, sizeof uid, got.ssk, got.pvt, got.rsk), MCSEC_OK);
	return (struct mcsec_im_own){uri, kms->uri, period, keys};
}

static inline void make_cast(void)
{
	static struct mcsec_master *forger_master;
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	struct mcsec_kms *kms;
	kmss[0] = bed_kms();
	assert_int_equal(mcsec_master_generate(&far_master, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(far_master, kpak, z_pub);
	assert_int_equal(mcsec_kms_new(&kms, kpak, z_pub), MCSEC_OK);
	kmss[1] = (struct mcsec_im_kms){.uri = FAR_KMS, .kms = kms, .periods = kmss[0].periods};
	assert_int_equal(mcsec_master_generate(&forger_master, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(forger_master, kpak, z_pub);
	assert_int_equal(mcsec_kms_new(&kms, kpak, z_pub), MCSEC_OK);
	forged_kms = (struct mcsec_im_kms){.uri = KMS_URI, .kms = kms, .periods = kmss[0].periods};
	const char *ours[] = {alice.mcptt_id, bob.mcptt_id, PSI};
	for (size_t i = 0; i < 3; i++) {
		owns[i] = (struct mcsec_im_own){ours[i], KMS_URI, 0, bed_keys(ours[i], 0)};
		assert_int_equal(
		    mcsec_period_number(&kmss[0].periods, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, &owns[i].period),
		    MCSEC_OK);
		forged_owns[i] = own_of(forger_master, &forged_kms, ours[i]);
	}
	owns[3] = own_of(far_master, &kmss[1], FAR);
	owns[4] = own_of(far_master, &kmss[1], alice.mcptt_id);
	book = (struct mcsec_im_book){.kms = kmss, .n_kms = 2, .own = owns, .n_own = 5};
	forger = (struct mcsec_im_book){.kms = &forged_kms, .n_kms = 1, .own = forged_owns, .n_own = 3};
	mcsec_master_free(forger_master);
}

static inline struct im_cast cast_of(enum im_way way)
{
	int offer = way == IM_OFFER;
	return (struct im_cast){.book = &book,
				.forger = &forger,
				.kind = offer ? MCSEC_PCK : MCSEC_CSK,
				.from = alice.mcptt_id,
				.to = offer ? bob.mcptt_id : PSI,
				.other = offer ? PSI : bob.mcptt_id,
				.kms = KMS_URI,
				.far = FAR,
				.far_kms = FAR_KMS};
}

/* ---- what a message is made of ---- */

static struct parts good;

static inline void make_documents(void)
{
	static uint8_t info[4096], lists[1024], settings[512];
	static struct mcptt_info i;
	char *token = make_token(bed.signer, alice.mcptt_id, bed.cfg.audience, "openid " SCOPE_PTT_SERVICE, 600);
	memset(&i, 0, sizeof i);
	i.access_token.form = i.client_id.form = MCPTT_PLAIN;
	snprintf(i.access_token.value, sizeof i.access_token.value, "%s", token);
	snprintf(i.client_id.value, sizeof i.client_id.value, "%s", alice.client_id);
	snprintf(i.session_type, sizeof i.session_type, "private");
	free(token);
	struct writer w = wr_init(info, sizeof info);
	assert_int_equal(mcptt_info_write(&w, &i), MCSEC_OK);
	good.info = wr_result(&w);
	const char *nobody = NOBODY;
	w = wr_init(lists, sizeof lists);
	assert_int_equal(resource_lists_write(&w, &nobody, 1), MCSEC_OK);
	good.lists = wr_result(&w);
	w = wr_init(settings, sizeof settings);
	assert_int_equal(poc_settings_write(&w, "do1", POC_ANSWER_AUTOMATIC), MCSEC_OK);
	good.settings = wr_result(&w);
}

static inline struct said request_of(enum im_way way)
{
	static char contact[200];
	snprintf(contact, sizeof contact, "<sip:alice@127.0.0.1:%u;transport=tls>;+g.3gpp.mcptt",
		 sip_port_number(alice.port, 0));
	static const struct said said[] = {
	    [IM_REGISTER] = {.method = "REGISTER", .uri = "sip:sip." ZONE, .headers = "Expires: 600\r\n"},
	    [IM_PUBLISH] = {.method = "PUBLISH",
			    .uri = PSI,
			    .to = PSI,
			    .headers = "Event: poc-settings\r\nExpires: 4294967295\r\nP-Preferred-Service: " ICSI_MCPTT
				       "\r\n"},
	    [IM_OFFER] = {.method = "INVITE",
			  .uri = PSI,
			  .to = PSI,
			  .headers = "P-Preferred-Service: " ICSI_MCPTT "\r\n"},
	    [IM_DOWNLOAD] = {.method = "MESSAGE",
			     .uri = PSI,
			     .to = PSI,
			     .headers = "P-Preferred-Service: " ICSI_MCPTT "\r\n"},
	};
	struct said s = said[way];
	s.from = alice.impu;
	s.to = s.to ? s.to : alice.impu;
	s.contact = way == IM_REGISTER || way == IM_OFFER ? contact : NULL;
	return s;
}

#define UPLOAD_REST  PART(TYPE_MCPTT_INFO, "$i")
#define PUBLISH_REST UPLOAD_REST PART(TYPE_POC_SETTINGS, "$p")
#define OFFER_REST   UPLOAD_REST PART(TYPE_RESOURCE_LIST, "$l")

static const char *const rightly[] = {
    [IM_REGISTER] = KEY UPLOAD_REST END,
    [IM_PUBLISH] = KEY PUBLISH_REST END,
    [IM_OFFER] = SDP_PART OFFER_REST END,
    [IM_DOWNLOAD] = KEY END,
};

/* That body on that way; the connection is made anew if the server ended it. */
static inline int ask(enum im_way way, const char *type, const char *body)
{
	struct said s = request_of(way);
	s.type = type;
	uint8_t *octets = body_filled(body, &good, &s.body.len);
	s.body.p = octets;
	if (!peer.fd)
		peer_open(&peer, bed.server->sips_number, alice.tls);
	int status = peer_ask(&peer, &s);
	free(octets);
	return status;
}

#define WARNING_136 "399 sip." ZONE " \"136 authentication of the MIKEY-SAKKE I_MESSAGE failed\""
#define WARNING_101 "399 sip." ZONE " \"101 service authorisation failed\""

static inline void warned(int warning)
{
	assert_string_equal(peer_header(&peer, "Warning"), warning == 136   ? WARNING_136
							   : warning == 101 ? WARNING_101
									    : "");
}

/* A good one, later than all before it: it wins, whatever is in use (flows 0.4). */
static inline struct im_octets fresh_key(enum im_way way)
{
	static uint64_t last;
	struct im_octets m;
	struct im_cast c = cast_of(way);
	struct mcsec_im_make w = im_good(&c);
	last = last ? last + 1 : w.time - 100;
	w.time = last;
	im_made_by(&book, &w, &m);
	return m;
}

static inline int say_key(enum im_way way, const struct im_octets *m)
{
	good.mikey = (struct octets){m->p, m->len};
	return ask(way, MIXED, rightly[way]);
}

static inline int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	bed_begin_for(&alice, &bob, NULL);
	bed.cfg.silent_s = 86400;
	bed.cfg.register_over.n = 2; /* so that TCP is refused for what it brings too */
	strcpy(bed.cfg.register_over.item[0], "tls");
	strcpy(bed.cfg.register_over.item[1], "tcp");
	bed_start();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 150}), 200);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1, .age = 150}), 200);
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	wait_until(&bob.acks, 1);
	bed_wait_rows("SELECT count(*) FROM calls", 1);
	make_cast();
	make_documents();
	remember();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	if (peer.fd)
		peer_close(&peer);
	free(before);
	for (size_t i = 0; i < book.n_own; i++)
		mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)owns[i].keys);
	for (size_t i = 0; i < forger.n_own; i++)
		mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)forged_owns[i].keys);
	mcsec_kms_free(kmss[1].kms);
	mcsec_kms_free(forged_kms.kms);
	mcsec_master_free(far_master);
	bed_end_for(&alice, &bob, NULL);
	return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MCPTT, MCVideo and MCData at a whole server (TS 24.281 and 24.282 clause 7; seed 000 4.7.2; sip 2.1, 2.8, 4.4):
 * several services in one REGISTER under one CSK, one alone, what one authorises is nothing to another, each leaves and
 * expires by itself, and its key downloads carry its ICSI. All XML is protected.
 */
#include "e2e/server_bed.h"

#include <sqlite3.h>

#include "mcx/doc/poc_settings.h"
#include "mcx/xmlsec/xmlsec.h"
#include "server/download.h"

#define PSI_VIDEO  "sip:mcvideo@" ZONE
#define PSI_DATA   "sip:mcdata@" ZONE
#define ICSI_VIDEO "urn:urn-7:3gpp-service.ims.icsi.mcvideo"
#define ICSI_DATA  "urn:urn-7:3gpp-service.ims.icsi.mcdata"
#define ALL_SCOPES SCOPE_PTT_SERVICE " " SCOPE_VIDEO_SERVICE " " SCOPE_DATA_SERVICE

enum { PTT = 1 << MCX_MCPTT, VIDEO = 1 << MCX_MCVIDEO, DATA = 1 << MCX_MCDATA, ALL = PTT | VIDEO | DATA };

static struct ua alice, bob;

/* How the next upload is made. */
static struct how {
	int services;                           /* whose documents it brings; 0: none */
	int tags;                               /* of its Contact; 0: those of the services */
	const char *scope, *video_id, *data_id; /* of the token; NULL: all of them, her own */
	const char *psi;                        /* the CSK is for; NULL: PSI */
	int twice, in_clear, bare, settings;    /* a document twice; unprotected; no body; poc-settings too */
	int64_t age, expires;                   /* of T; 0: 600 */
} how;

static char token[2048];
static uint8_t memory[XML_ARENA_MIN], documents[4][16384];

static void make_services_token(const struct ua *u)
{
	char json[1500];
	int64_t now = (int64_t)time(NULL);
	int n = snprintf(json, sizeof json,
			 "{\"iss\":\"%s\",\"sub\":\"u-1\",\"aud\":[\"%s\"],\"client_id\":\"mcx-ue\",\"iat\":%lld,"
			 "\"exp\":%lld,\"jti\":\"t-%lld\",\"scope\":\"openid %s\",\"mcptt_id\":\"%s\","
			 "\"auth_time\":%lld,\"acr\":\"3gpp:acr:password\",\"sid\":\"s-1\"",
			 bed.cfg.issuer, bed.cfg.audience, (long long)now - 5, (long long)now + 600, (long long)now,
			 how.scope ? how.scope : ALL_SCOPES, u->mcptt_id, (long long)now - 5);
	const char *video = how.video_id ? how.video_id : u->mcptt_id, *data = how.data_id ? how.data_id : u->mcptt_id;
	n += snprintf(json + n, sizeof json - (size_t)n, "%s%s%s", *video ? ",\"mcvideo_id\":\"" : "", video,
		      *video ? "\"" : "");
	snprintf(json + n, sizeof json - (size_t)n, "%s%s%s}", *data ? ",\"mcdata_id\":\"" : "", data,
		 *data ? "\"" : "");
	char *t = token_sign(bed.signer, "at+jwt", json);
	assert_non_null(t);
	assert_true(strlen(t) < sizeof token);
	strcpy(token, t);
	free(t);
}

/* The documents of the services wanted take the place of the one that the bed made. */
static void on_body(struct ua *u, struct body_out *parts, size_t *n, size_t max)
{
	static struct mcptt_info info;
	struct writer arena = wr_init(memory, sizeof memory);
	struct xml_key key;
	*n = 1; /* application/mikey */
	for (int s = 0; s < MCX_SERVICES + how.twice; s++) {
		int of = s < MCX_SERVICES ? s : MCX_MCVIDEO;
		if (!(how.services >> of & 1))
			continue;
		memset(&info, 0, sizeof info);
		info.access_token.form = info.client_id.form = MCPTT_PLAIN;
		strcpy(info.access_token.value, token);
		strcpy(info.client_id.value, u->client_id);
		struct writer w = wr_init(documents[s], sizeof documents[s]);
		assert_int_equal(mcx_info_write(&w, (enum mcx_service)of, &info), MCSEC_OK);
		parts[(*n)++] = (struct body_out){.type = mcx_services[of].info_type, .body = wr_result(&w)};
	}
	if (how.settings) {
		static uint8_t settings[512];
		struct writer w = wr_init(settings, sizeof settings);
		assert_int_equal(poc_settings_write(&w, "do1", POC_ANSWER_MANUAL), MCSEC_OK);
		parts[(*n)++] = (struct body_out){.type = TYPE_POC_SETTINGS, .body = wr_result(&w)};
	}
	if (how.in_clear)
		return;
	assert_int_equal(xml_key_derive(&key, u->csk, u->csk_id, u->mcptt_id), MCSEC_OK);
	assert_int_equal(xml_protect(&xml_policy_default, &key, &mcsec_rng_system, "ua.test", parts, n, max, &arena),
			 MCSEC_OK);
}

static struct reg reg_of(const struct ua *u, char contact[400])
{
	int tags = how.tags ? how.tags : how.services;
	int n = snprintf(contact, 400, "<sip:%s@127.0.0.1:%u;transport=tls>", u->name, sip_port_number(u->port, 0));
	for (int s = 0; s < MCX_SERVICES; s++)
		if (tags >> s & 1)
			n += snprintf(contact + n, 400 - (size_t)n, ";%s", mcx_services[s].feature_tag);
	make_services_token(u);
	return (struct reg){.token = token,
			    .contact = contact,
			    .age = how.age,
			    .responder = how.psi,
			    .no_info = how.bare,
			    .no_mikey = how.bare,
			    .expires = how.expires ? how.expires : -1};
}

static int register_(struct ua *u, struct how h)
{
	char contact[400];
	how = h;
	struct reg r = reg_of(u, contact);
	return ua_register(u, &r);
}

#define REGISTER(...) register_(&alice, (struct how){__VA_ARGS__})

static int64_t granted; /* Expires of the last 200 to a PUBLISH */

static void on_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	granted = rs->expires;
	ua_response(ctx, tx, rs);
}

static int publish_(struct ua *u, const char *icsi, struct how h)
{
	static uint8_t body[32768];
	char contact[400], uri[128], expires[24];
	how = h;
	struct reg r = reg_of(u, contact);
	size_t len = how.bare ? 0 : ua_register_body(u, &r, body, sizeof body);
	snprintf(uri, sizeof uri, "sip:mcptt@sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	snprintf(expires, sizeof expires, "%lld", (long long)how.expires);
	struct sip_header headers[] = {{"Event", "poc-settings"}, {"Expires", expires}, {"P-Preferred-Service", icsi}};
	struct sip_request rq = {.method = "PUBLISH",
				 .uri = uri,
				 .from = u->impu,
				 .to = PSI,
				 .with = {.n_headers = 3,
					  .headers = headers,
					  .content_type = len ? BED_REGISTER_TYPE : NULL,
					  .body = {body, len}}};
	u->status = u->warning = 0;
	assert_non_null(sip_send(u->port, &rq, on_answer, u));
	wait_until(&u->status, 1);
	return u->status;
}

#define PUBLISH(icsi, ...) publish_(&alice, icsi, (struct how){__VA_ARGS__})

/* ---- what the server holds ---- */

static int bound(void)
{
	int set = 0;
	char sql[120];
	for (int s = 0; s < MCX_SERVICES; s++) {
		snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk IS NOT NULL AND service=%d", s);
		set |= rows_in_db(sql) ? 1 << s : 0;
	}
	return set;
}

static uint32_t csk_of(enum mcx_service s)
{
	char sql[120];
	snprintf(sql, sizeof sql, "SELECT csk_id FROM bindings WHERE csk IS NOT NULL AND service=%d", (int)s);
	return (uint32_t)rows_in_db(sql);
}

static void begin(void)
{
	bed_stop();
	bed_fresh();
	bed_start();
	bed_user(alice.mcptt_id, "automatic", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
	how = (struct how){0};
}

static void refused(int status, int warning)
{
	assert_int_equal(alice.status, status);
	assert_int_equal(alice.warning, warning);
}

/* ---- authorisation ---- */

static void mcx_sec_155_one_register_authorises_three_services_under_one_csk(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = ALL, .psi = MDSI), 200);
	assert_int_equal(bound(), ALL);
	assert_int_equal(bindings_in_db(), 3);
	for (int s = 0; s < MCX_SERVICES; s++)
		assert_int_equal(csk_of((enum mcx_service)s), alice.csk_id);
	assert_int_equal(rows_in_db("SELECT count(DISTINCT csk) FROM bindings"), 3); /* each sealed for itself */
}

static void an_mcvideo_info_alone_authorises_mcvideo_and_its_csk_is_its_own(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = PTT, .age = 9), 200);
	uint32_t ptt = alice.csk_id;
	assert_int_equal(REGISTER(.services = VIDEO, .tags = PTT | VIDEO, .psi = PSI_VIDEO), 200);
	assert_int_equal(bound(), PTT | VIDEO);
	assert_int_equal(csk_of(MCX_MCPTT), ptt);
	assert_int_equal(csk_of(MCX_MCVIDEO), alice.csk_id);
	assert_int_equal(REGISTER(.services = DATA, .tags = ALL, .psi = PSI_DATA), 200);
	assert_int_equal(bound(), ALL);
	assert_int_equal(csk_of(MCX_MCPTT), ptt);
}

static void the_mdsi_receives_the_csk_of_every_service(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = DATA, .psi = MDSI), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE service=2 AND server_id='" MDSI "'"), 1);
	assert_int_equal(REGISTER(.services = PTT | VIDEO, .tags = ALL, .psi = MDSI), 200);
	assert_int_equal(bound(), ALL);
}

static void a_csk_for_the_identity_of_another_service_is_488_136(void **state)
{
	(void)state;
	static const struct {
		int services;
		const char *psi;
	} rows[] = {{PTT, PSI_VIDEO}, {VIDEO, PSI}, {VIDEO, PSI_DATA}, {DATA, PSI_VIDEO}, {PTT | VIDEO, PSI_VIDEO}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin();
		REGISTER(.services = rows[i].services, .psi = rows[i].psi);
		refused(488, 136);
		assert_int_equal(bindings_in_db(), 0);
	}
}

static void one_public_service_identity_may_be_that_of_all_services(void **state)
{
	(void)state;
	bed_stop(); /* its threads read what is set here */
	bed.cfg.psi_mcvideo[0] = bed.cfg.psi_mcdata[0] = 0;
	begin();
	assert_int_equal(REGISTER(.services = ALL), 200);
	assert_int_equal(bound(), ALL);
	bed_stop();
	strcpy(bed.cfg.psi_mcvideo, PSI_VIDEO);
	strcpy(bed.cfg.psi_mcdata, PSI_DATA);
}

static void a_token_without_the_scope_of_one_service_authorises_none_of_them_403_101(void **state)
{
	(void)state;
	static const char *const scopes[] = {SCOPE_VIDEO_SERVICE " " SCOPE_DATA_SERVICE,
					     SCOPE_PTT_SERVICE " " SCOPE_DATA_SERVICE,
					     SCOPE_PTT_SERVICE " " SCOPE_VIDEO_SERVICE};
	for (size_t i = 0; i < 3; i++) {
		begin();
		REGISTER(.services = ALL, .psi = MDSI, .scope = scopes[i]);
		refused(403, 101);
		assert_int_equal(bindings_in_db(), 0);
	}
	assert_int_equal(REGISTER(.services = PTT | VIDEO, .psi = MDSI, .scope = scopes[2]), 200);
	assert_int_equal(bound(), PTT | VIDEO);
}

static void a_token_without_the_id_of_a_service_does_not_authorise_it_403_101(void **state)
{
	(void)state;
	begin();
	REGISTER(.services = VIDEO, .psi = PSI_VIDEO, .video_id = "");
	refused(403, 101);
	REGISTER(.services = PTT | DATA, .psi = MDSI, .data_id = "");
	refused(403, 101);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_csk_signed_by_another_id_than_the_services_is_488_136(void **state)
{
	(void)state;
	begin();
	REGISTER(.services = VIDEO, .psi = PSI_VIDEO, .video_id = "sip:other@" ZONE);
	refused(488, 136);
	REGISTER(.services = PTT | VIDEO, .psi = MDSI, .video_id = "sip:other@" ZONE); /* right for the one alone */
	refused(488, 136);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_document_of_mcvideo_that_is_not_protected_is_403_139(void **state)
{
	(void)state;
	begin();
	REGISTER(.services = VIDEO, .psi = PSI_VIDEO, .in_clear = 1);
	refused(403, 139);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_document_of_a_service_that_stands_twice_is_400(void **state)
{
	(void)state;
	begin();
	REGISTER(.services = PTT | VIDEO, .psi = MDSI, .twice = 1);
	refused(400, 0);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_service_that_is_not_served_is_not_looked_at(void **state)
{
	(void)state;
	struct config_list all = bed.cfg.services;
	bed_stop();
	bed.cfg.services.n = 2; /* mcptt, mcvideo */
	begin();
	assert_int_equal(REGISTER(.services = ALL, .psi = MDSI, .scope = SCOPE_PTT_SERVICE " " SCOPE_VIDEO_SERVICE),
			 200);
	assert_int_equal(bound(), PTT | VIDEO);
	bed_stop();
	bed.cfg.services = all;
}

/* ---- what one authorises is nothing to another ---- */

static void a_call_of_mcptt_by_a_client_of_mcvideo_alone_is_404_141(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = VIDEO, .psi = PSI_VIDEO), 200);
	ua_invite(&alice, &(struct inv){0});
	refused(404, 141);
}

static void a_call_to_a_client_of_mcvideo_alone_finds_nobody(void **state)
{
	(void)state;
	begin();
	assert_int_equal(register_(&bob, (struct how){.services = VIDEO, .psi = PSI_VIDEO}), 200);
	assert_int_equal(REGISTER(.services = PTT), 200);
	int invites = bob.invites;
	how.in_clear = 1;
	assert_int_not_equal(ua_invite(&alice, &(struct inv){0}), 200);
	assert_int_equal(bob.invites, invites);
}

static void a_call_of_mcdata_is_404_with_141_or_where_it_is_authorised_142(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = PTT, .age = 9), 200);
	ua_invite(&alice, &(struct inv){.service = ICSI_DATA});
	refused(404, 141);
	assert_int_equal(REGISTER(.services = PTT | DATA, .psi = MDSI), 200);
	ua_invite(&alice, &(struct inv){.service = ICSI_DATA});
	refused(404, 142);
}

static int message(const char *icsi, const char *type, const char *text)
{
	char uri[128];
	snprintf(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	struct sip_header h = {"P-Preferred-Service", icsi};
	struct sip_request rq = {
	    .method = "MESSAGE",
	    .uri = uri,
	    .from = alice.impu,
	    .to = PSI,
	    .with = {.n_headers = 1, .headers = &h, .content_type = type, .body = octets_of(text)}};
	alice.status = alice.warning = 0;
	assert_non_null(sip_send(alice.port, &rq, ua_response, &alice));
	wait_until(&alice.status, 1);
	return alice.status;
}

static void a_message_of_a_service_that_is_not_authorised_is_404_141(void **state)
{
	(void)state;
	static const char data[] = "<mcdatainfo xmlns=\"urn:3gpp:ns:mcdataInfo:1.0\"/>";
	begin();
	assert_int_equal(REGISTER(.services = PTT | VIDEO, .psi = MDSI), 200);
	message(ICSI_DATA, mcx_services[MCX_MCDATA].info_type, data);
	refused(404, 141);
	message("urn:urn-7:3gpp-service.ims.icsi.mcdata.sds", mcx_services[MCX_MCDATA].info_type, data);
	refused(404, 141);
	message(ICSI_VIDEO, mcx_services[MCX_MCVIDEO].info_type,
		"<mcvideoinfo xmlns=\"urn:3gpp:ns:mcvideoInfo:1.0\"/>");
	refused(403, 0); /* known, and of no kind */
	assert_int_equal(REGISTER(.services = DATA, .tags = ALL, .psi = MDSI), 200);
	message(ICSI_DATA, mcx_services[MCX_MCDATA].info_type, data);
	refused(403, 0);
}

/* ---- each leaves and expires by itself ---- */

static void a_register_without_the_tag_of_one_service_ends_that_one_alone(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = ALL, .psi = MDSI), 200);
	assert_int_equal(REGISTER(.bare = 1, .tags = PTT | DATA), 200);
	assert_int_equal(bound(), PTT | DATA);
	assert_int_equal(REGISTER(.bare = 1, .tags = DATA), 200);
	assert_int_equal(bound(), DATA);
	assert_int_equal(rows_in_db("SELECT count(*) FROM audit WHERE instr(CAST(record AS TEXT), 'svc.deauth') > 0"),
			 2);
	assert_int_equal(REGISTER(.bare = 1, .tags = DATA, .expires = 0), 200);
}

static void a_register_that_brings_one_service_and_offers_another_no_more_ends_the_other(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = PTT | VIDEO, .psi = MDSI, .age = 9), 200);
	assert_int_equal(REGISTER(.services = PTT), 200);
	assert_int_equal(bound(), PTT);
}

static void expires_0_ends_them_all(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = ALL, .psi = MDSI), 200);
	char contact[400];
	how = (struct how){.tags = ALL};
	struct reg r = reg_of(&alice, contact);
	r.no_info = r.no_mikey = 1;
	r.expires = 0;
	assert_int_equal(ua_register(&alice, &r), 200);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_publish_authorises_its_service_and_ends_it_alone(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = PTT), 200);
	assert_int_equal(PUBLISH(ICSI_VIDEO, .services = VIDEO, .psi = PSI_VIDEO, .settings = 1, .expires = 600), 200);
	assert_int_equal(bound(), PTT | VIDEO);
	/* The answer mode is that of calls, which are MCPTT's. */
	assert_int_equal(rows_in_db("SELECT count(*) FROM users WHERE answer_mode='manual'"), 0);
	assert_int_equal(PUBLISH(ICSI_VIDEO, .bare = 1, .expires = 0), 200);
	assert_int_equal(bound(), PTT);
	assert_int_equal(PUBLISH(ICSI_MCPTT, .bare = 1, .expires = 0), 200);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_service_expires_by_itself(void **state)
{
	(void)state;
	bed_stop();
	bed.cfg.expires_min = 1;
	begin();
	assert_int_equal(REGISTER(.services = PTT), 200);
	assert_int_equal(PUBLISH(ICSI_VIDEO, .services = VIDEO, .psi = PSI_VIDEO, .settings = 1, .expires = 1), 200);
	assert_in_range(granted, 0, 1); /* of a second, what a slow machine has left of it */
	for (int i = 0; i < 4000 && bound() != PTT; i++)
		pump(5);
	assert_int_equal(bound(), PTT);
	bed_stop();
	bed.cfg.expires_min = 60;
}

/* ---- key download of each service ---- */

static struct {
	int n;
	char service[128], accept[200], asserted[128], initiator[128];
	uint32_t id;
} got;

static void on_message(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct mcsec_im *im = ua_open_im(u, rq->body);
	assert_non_null(im);
	snprintf(got.service, sizeof got.service, "%s", sip_header_at(rq, "P-Asserted-Service", 0));
	snprintf(got.accept, sizeof got.accept, "%s", sip_header_at(rq, "Accept-Contact", 0));
	snprintf(got.asserted, sizeof got.asserted, "%s", sip_header_at(rq, "P-Asserted-Identity", 0));
	snprintf(got.initiator, sizeof got.initiator, "%s", im->initiator);
	got.id = im->k_id;
	mcsec_im_free(im);
	got.n++;
	(void)sip_reply(tx, 200, NULL, NULL);
}

static int renew_one(void *ctx, struct binding *b)
{
	const enum mcx_service *s = ctx;
	if (b->row.service == *s)
		assert_null(download_start(bed.server, b, KD_CSK, KD_OPERATOR));
	return 0;
}

static void renew_on_loop(void *arg)
{
	bindings_each(bed.server->bindings, renew_one, arg);
}

static void a_key_download_carries_the_icsi_and_the_identity_of_its_service(void **state)
{
	(void)state;
	static const struct {
		enum mcx_service service;
		const char *psi, *icsi, *initiator;
	} rows[] = {{MCX_MCPTT, PSI, ICSI_MCPTT, PSI},
		    {MCX_MCVIDEO, PSI_VIDEO, ICSI_VIDEO, PSI_VIDEO},
		    {MCX_MCDATA, PSI_DATA, ICSI_DATA, MDSI}}; /* uploaded to the MDSI, so downloaded from it */
	begin();
	assert_int_equal(REGISTER(.services = PTT, .age = 9), 200);
	assert_int_equal(REGISTER(.services = VIDEO, .tags = PTT | VIDEO, .psi = PSI_VIDEO, .age = 9), 200);
	assert_int_equal(REGISTER(.services = DATA, .tags = ALL, .psi = MDSI, .age = 9), 200);
	uint32_t before[MCX_SERVICES];
	for (int s = 0; s < MCX_SERVICES; s++)
		before[s] = csk_of((enum mcx_service)s);
	for (size_t i = 0; i < 3; i++) {
		enum mcx_service s = rows[i].service;
		char text[200];
		int n = got.n;
		server_on_loop(bed.server, renew_on_loop, &s);
		wait_until(&got.n, n + 1);
		assert_string_equal(got.service, rows[i].icsi);
		snprintf(text, sizeof text, "*;%s;require;explicit", mcx_services[s].icsi_tag);
		assert_string_equal(got.accept, text);
		snprintf(text, sizeof text, "<%s>", rows[i].psi);
		assert_string_equal(got.asserted, text);
		assert_string_equal(got.initiator, rows[i].initiator);
		for (int k = 0; k < 2000 && csk_of(s) != got.id; k++)
			pump(5);
		assert_int_equal(csk_of(s), got.id);
		before[s] = got.id;
		for (int o = 0; o < MCX_SERVICES; o++)
			assert_int_equal(csk_of((enum mcx_service)o), before[o]);
	}
}

/* ---- the database of before ---- */

/* What a server of one service left, version 4 of the schema. */
static void turn_back(void)
{
	static const char sql[] =
	    "CREATE TABLE old(id INTEGER PRIMARY KEY, impu TEXT NOT NULL, client_id TEXT NOT NULL, mcptt_id TEXT NOT "
	    "NULL,"
	    " contact TEXT NOT NULL, peer TEXT NOT NULL, server_id TEXT NOT NULL, csk BLOB, csk_id INTEGER NOT NULL,"
	    " rand BLOB, t INTEGER NOT NULL, suite INTEGER NOT NULL, authorised_at INTEGER NOT NULL,"
	    " expires INTEGER NOT NULL, sid TEXT NOT NULL, jti TEXT NOT NULL, wanted INTEGER NOT NULL, offered TEXT "
	    "NOT NULL,"
	    " UNIQUE(impu, client_id)) STRICT;"
	    "INSERT INTO old SELECT id, impu, client_id, mcptt_id, contact, peer, server_id, csk, csk_id, rand, t, "
	    "suite,"
	    " authorised_at, expires, sid, jti, wanted, offered FROM bindings WHERE service=0;"
	    "INSERT INTO downloads SELECT id, 0, 536870913, zeroblob(64), zeroblob(16), 1, csk_id, 0, 0, 257 FROM old;"
	    "ALTER TABLE users DROP COLUMN private_video;"
	    "DROP TABLE control; DROP TABLE bindings; ALTER TABLE old RENAME TO bindings;"
	    "CREATE TRIGGER binding_gone AFTER DELETE ON bindings BEGIN"
	    " DELETE FROM downloads WHERE binding=OLD.id; DELETE FROM musik_holders WHERE binding=OLD.id; END;"
	    "CREATE TRIGGER csk_replaced AFTER UPDATE OF csk_id ON bindings WHEN OLD.csk_id <> NEW.csk_id BEGIN"
	    " DELETE FROM downloads WHERE binding=NEW.id AND kind=0; END;"
	    "PRAGMA user_version=4;";
	sqlite3 *db;
	char *why = NULL;
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	sqlite3_close(db);
}

static void a_database_of_before_keeps_its_bindings_their_csks_and_what_is_pending(void **state)
{
	(void)state;
	begin();
	assert_int_equal(REGISTER(.services = PTT, .age = 9), 200);
	bed_user(bob.mcptt_id, "manual", 0, 0);
	bed_stop();
	turn_back();
	assert_int_equal(rows_in_db("SELECT count(*) FROM downloads"), 1);
	struct db *d;
	char err[256];
	d = db_open(&(struct db_options){.path = bed.cfg.database, .node = bed.cfg.host, .busy_ms = 1000}, err,
		    sizeof err);
	if (!d)
		fail_msg("%s", err);
	db_close(d);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE service=0 AND csk IS NOT NULL"), 1);
	assert_int_equal(rows_in_db("SELECT count(*) FROM downloads"), 1);
	assert_int_equal(rows_in_db("SELECT count(*) FROM sqlite_master WHERE type='trigger'"), 2);
	/* who could call may call with video, who could not may not */
	assert_int_equal(rows_in_db("SELECT count(*) FROM users WHERE private_call=1 AND private_video=1"), 1);
	assert_int_equal(rows_in_db("SELECT count(*) FROM users WHERE private_call=0 AND private_video=0"), 1);
	sqlite3 *db; /* one that no seal opens is nothing to go on with */
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM downloads", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	bed_start();
	ua_options(&alice); /* shows her connection again */
	int n = got.n;
	enum mcx_service s = MCX_MCPTT;
	server_on_loop(bed.server, renew_on_loop, &s);
	wait_until(&got.n, n + 1);
	for (int k = 0; k < 2000 && csk_of(MCX_MCPTT) != got.id; k++)
		pump(5);
	assert_int_equal(csk_of(MCX_MCPTT), got.id);
	assert_int_equal(REGISTER(.services = VIDEO, .tags = PTT | VIDEO, .psi = PSI_VIDEO), 200);
	assert_int_equal(bound(), PTT | VIDEO);
}

static int set_up(void **state)
{
	(void)state;
	bed_begin();
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = bed.cfg.xml_require = 1;
	bed.cfg.services = (struct config_list){.n = 3, .item = {"mcptt", "mcvideo", "mcdata"}};
	strcpy(bed.cfg.psi_mcvideo, PSI_VIDEO);
	strcpy(bed.cfg.psi_mcdata, PSI_DATA);
	bed_start();
	ua_open(&alice, "alice", "alice", "alice");
	ua_open(&bob, "bob", "bob", "bob");
	bed_on_body = on_body;
	bed_on_message = on_message;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ua_close(&alice);
	ua_close(&bob);
	bed_stop();
	bed_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_155_one_register_authorises_three_services_under_one_csk),
	    cmocka_unit_test(an_mcvideo_info_alone_authorises_mcvideo_and_its_csk_is_its_own),
	    cmocka_unit_test(the_mdsi_receives_the_csk_of_every_service),
	    cmocka_unit_test(a_csk_for_the_identity_of_another_service_is_488_136),
	    cmocka_unit_test(one_public_service_identity_may_be_that_of_all_services),
	    cmocka_unit_test(a_token_without_the_scope_of_one_service_authorises_none_of_them_403_101),
	    cmocka_unit_test(a_token_without_the_id_of_a_service_does_not_authorise_it_403_101),
	    cmocka_unit_test(a_csk_signed_by_another_id_than_the_services_is_488_136),
	    cmocka_unit_test(a_document_of_mcvideo_that_is_not_protected_is_403_139),
	    cmocka_unit_test(a_document_of_a_service_that_stands_twice_is_400),
	    cmocka_unit_test(a_service_that_is_not_served_is_not_looked_at),
	    cmocka_unit_test(a_call_of_mcptt_by_a_client_of_mcvideo_alone_is_404_141),
	    cmocka_unit_test(a_call_to_a_client_of_mcvideo_alone_finds_nobody),
	    cmocka_unit_test(a_call_of_mcdata_is_404_with_141_or_where_it_is_authorised_142),
	    cmocka_unit_test(a_message_of_a_service_that_is_not_authorised_is_404_141),
	    cmocka_unit_test(a_register_without_the_tag_of_one_service_ends_that_one_alone),
	    cmocka_unit_test(a_register_that_brings_one_service_and_offers_another_no_more_ends_the_other),
	    cmocka_unit_test(expires_0_ends_them_all),
	    cmocka_unit_test(a_publish_authorises_its_service_and_ends_it_alone),
	    cmocka_unit_test(a_service_expires_by_itself),
	    cmocka_unit_test(a_key_download_carries_the_icsi_and_the_identity_of_its_service),
	    cmocka_unit_test(a_database_of_before_keeps_its_bindings_their_csks_and_what_is_pending),
	};
	return cmocka_run_group_tests_name("server_services", tests, set_up, tear_down);
}

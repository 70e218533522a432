/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guessing, load, and a database that does not answer (lines K1 to K5 of identity.md 18): the rules as pure code under
 * an injected clock, and against the server.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "idms/form.h"
#include "idms/logins.h"
#include "idms/redirect.h"
#include "idms/schema.h"
#include "lab_idms.h"

static int set_up(void **state)
{
	(void)state;
	lab_idms_open();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_idms_close();
	return 0;
}

/* ---- pure ---- */

static void a_bucket_gives_its_burst_then_its_rate(void **state)
{
	struct throttle *t = throttle_new(64);
	struct throttle_rule r = {'x', 2, 4};
	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(throttle_take(t, &r, "a", 1000), 0);
	assert_int_equal(throttle_take(t, &r, "a", 1000), 1);
	assert_int_equal(throttle_take(t, &r, "b", 1000), 0); /* another key */
	assert_int_equal(throttle_look(t, &r, "a", 1500), 0);
	assert_int_equal(throttle_take(t, &r, "a", 1500), 0);
	assert_int_equal(throttle_take(t, &r, "a", 1500), 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(throttle_take(t, &r, "a", 100000), 0);
	assert_int_equal(throttle_take(t, &r, "a", 100000), 1); /* never more than the burst */
	throttle_free(t);
}

static void k2_the_delay_doubles_from_the_fifth_failure_up_to_300_seconds(void **state)
{
	static const unsigned expected[] = {0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
	struct throttle *t = throttle_new(64);
	int64_t now = 1000000;
	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		throttle_ladder_fail(t, "alice 10.0.0.1", now);
		assert_int_equal(throttle_ladder_wait(t, "alice 10.0.0.1", now), expected[i]);
		assert_int_equal(throttle_ladder_wait(t, "alice 10.0.0.2", now), 0);
		now += expected[i] * 1000;
		assert_int_equal(throttle_ladder_wait(t, "alice 10.0.0.1", now), 0);
	}
	throttle_ladder_clear(t, "alice 10.0.0.1");
	throttle_ladder_fail(t, "alice 10.0.0.1", now);
	assert_int_equal(throttle_ladder_wait(t, "alice 10.0.0.1", now), 0);
	throttle_free(t);
}

static void a_flood_of_strangers_uses_no_more_memory_and_forgets_the_quietest(void **state)
{
	struct throttle *t = throttle_new(64);
	char key[32];
	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(key, sizeof key, "stranger %d", i);
		throttle_ladder_fail(t, key, i);
	}
	for (int i = 0; i < 5; i++)
		throttle_ladder_fail(t, "loud", 200000);
	assert_int_equal(throttle_ladder_wait(t, "loud", 200000), 1);
	throttle_free(t);
}

static void a_flood_of_sign_in_forms_drives_out_its_own(void **state)
{
	(void)state;
	enum { MAX = 64, FLOOD = 5000, SOURCES = 7 };
	struct logins *l = logins_new(MAX);
	struct login_request mine = {.client_id = "mcx-ue",
				     .redirect_uri = REDIRECT,
				     .state = "s",
				     .nonce = "n",
				     .scope = "openid",
				     .challenge = CHALLENGE,
				     .login_hint = ALICE,
				     .pre_hash = {1, 2}};
	struct login_request other = {.client_id = "flood"}, got;
	char tx[RANDOM_TEXT], long_tx[RANDOM_TEXT], last[RANDOM_TEXT], source[32];
	struct login_request longer = mine;
	memset(longer.state, 'x', sizeof longer.state - 1);
	assert_int_equal(logins_put(l, &mine, "192.0.2.1", 1000, tx), 0);
	assert_int_equal(logins_put(l, &longer, "192.0.2.2", 1000, long_tx), 0);
	for (int i = 0; i < FLOOD; i++) {
		snprintf(source, sizeof source, "198.51.100.%d", i % SOURCES);
		assert_int_equal(logins_put(l, &other, source, 1001, last), 0);
	}
	assert_int_equal(logins_get(l, last, 1001, &got), 0);
	assert_int_equal(logins_get(l, tx, 1001, &got), 0);
	assert_memory_equal(&got, &mine, sizeof got);
	assert_int_equal(logins_get(l, long_tx, 1001, &got), 0);
	assert_memory_equal(&got, &longer, sizeof got);
	logins_purge(l, 1000 + LOGIN_LIFE_S);
	assert_int_equal(logins_get(l, tx, 1001, &got), -1); /* gone, and not only too old */
	assert_int_equal(logins_get(l, last, 1001, &got), 0);
	assert_int_equal(logins_drop(l, last), 0);
	assert_int_equal(logins_drop(l, last), -1);
	logins_free(l);
}

static void scopes_follow_catalogue_account_and_client(void **state)
{
	struct scope_catalogue c;
	struct scope_limits l = {{1, 0, 0}, "", ""};
	char out[SCOPE_MAX_TEXT];
	(void)state;
	scope_catalogue_default(&c);
	assert_int_equal(scope_grant(&c, "openid 3gpp:mc:ptt_service 3gpp:mc:video_service nonsense", &l, out), 1);
	assert_string_equal(out, "openid 3gpp:mc:ptt_service");
	l.client = "3gpp:mc:ptt_key_management_service";
	assert_int_equal(scope_grant(&c, "openid 3gpp:mc:ptt_service", &l, out), 0);
	l.client = "";
	l.user = "3gpp:mc:ptt_service";
	assert_int_equal(scope_grant(&c, "3gpp:mcptt:ptt_server 3gpp:mc:ptt_service 3gpp:mc:ptt_service", &l, out), 1);
	assert_string_equal(out, "3gpp:mc:ptt_service");
	l.user = "";
	assert_int_equal(scope_grant(&c, "3gpp:mc:location_management_service", &l, out), 1);
	l.service[0] = 0;
	assert_int_equal(scope_grant(&c, "3gpp:mc:location_management_service", &l, out), 0);
	/* the catalogue is a table of the configuration */
	assert_int_equal(scope_catalogue_add(&c, "3gpp:mc:new_service data"), 0);
	assert_int_equal(scope_catalogue_add(&c, "3gpp:mc:new_service"), -1);
	assert_int_equal(scope_catalogue_add(&c, "a voice"), -1);
	assert_int_equal(scope_catalogue_add(&c, "a\"b ptt"), -1);
	l.service[SERVICE_DATA] = 1;
	assert_int_equal(scope_grant(&c, "3gpp:mc:new_service", &l, out), 1);
	assert_true(scope_of_service(&c, out, SERVICE_DATA));
	assert_false(scope_of_service(&c, out, SERVICE_PTT));
	static const char *const bad[] = {"", " a", "a ", "a  b", "a\\b", "a\"b", "\x7f", "\xc3\xa9"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(scope_well_formed(bad[i]));
	assert_true(scope_well_formed("3gpp:mc:ptt_service !x"));
}

static void redirect_uris_are_registered_and_matched_by_rule(void **state)
{
	static const char *const good[] = {"https://a.example/cb",   "https://a.example:8443/cb?x=1",
					   "com.example.app:/cb",    "http://127.0.0.1/cb",
					   "http://127.0.0.1:80/cb", "http://[::1]/cb"};
	static const char *const bad[] = {"",
					  "https://",
					  "https:///cb",
					  "https://u@a.example/cb",
					  "https://a.example/cb#f",
					  "https://*.example/cb",
					  "http://a.example/cb",
					  "http://localhost/cb",
					  "http://127.0.0.1.evil.example/cb",
					  "http://127.0.0.1:99999999/cb",
					  "http://127.0.0.1",
					  "app:/cb",
					  "app.:/cb",
					  "javascript:alert(1)",
					  "data:text/html,x",
					  "a b.c:/cb",
					  "com.example:/\xc3\xa9"};
	char source[REDIRECT_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_null(redirect_refusal(good[i], 0));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(redirect_refusal(bad[i], 0));
	assert_true(redirect_matches("http://[::1]/cb", "http://[::1]:4711/cb"));
	assert_false(redirect_matches("http://[::1]/cb", "http://127.0.0.1:4711/cb"));
	assert_false(redirect_matches("https://a.example/cb", "https://a.example:443/cb"));
	assert_false(redirect_matches("http://127.0.0.1/cb", "http://127.0.0.1:/cb"));
	redirect_form_source("https://a.example:8443/cb?x=1", source, sizeof source);
	assert_string_equal(source, "https://a.example:8443");
	redirect_form_source("com.example.app:/cb", source, sizeof source);
	assert_string_equal(source, "com.example.app:");
}

static void a_form_is_parsed_once_and_within_its_limits(void **state)
{
	struct form f;
	char many[2000] = "a=1";
	(void)state;
	assert_int_equal(form_parse(&f, "a=1&b=&c=x+y%21&&d", 18), 0);
	assert_string_equal(form_get(&f, "a"), "1");
	assert_null(form_get(&f, "b")); /* empty counts as absent */
	assert_string_equal(form_get(&f, "c"), "x y!");
	assert_null(form_get(&f, "d"));
	assert_null(form_repeated(&f));
	form_free(&f);
	assert_int_equal(form_parse(&f, "a=1&%61=2", 9), 0);
	assert_string_equal(form_repeated(&f), "a");
	form_free(&f);
	assert_int_equal(form_parse(&f, "", 0), 0);
	form_free(&f);
	for (int i = 0; i < 64; i++)
		strcat(many, "&b=2");
	assert_int_equal(form_parse(&f, many, strlen(many)), -1);
	assert_int_equal(form_parse(&f, "a=%", 3), -1);
	char *big = calloc(1, 16 * 1024 + 2);
	memset(big, 'a', 16 * 1024 + 1);
	assert_int_equal(form_parse(&f, big, 16 * 1024 + 1), -1);
	assert_int_equal(form_parse(&f, big, 16 * 1024), 0);
	form_free(&f);
	free(big);
}

/* ---- against the server ---- */

/* Every check of a password is counted with its cost (the linker puts this before the library's). */
int __real_argon2id_verify(const char *encoded, const void *pwd, size_t len);
int __wrap_argon2id_verify(const char *encoded, const void *pwd, size_t len);

static atomic_int checks;
static char last_cost[64];

int __wrap_argon2id_verify(const char *encoded, const void *pwd, size_t len)
{
	int m = 0, t = 0, p = 0;
	sscanf(encoded, "$argon2id$v=19$m=%d,t=%d,p=%d$", &m, &t, &p);
	snprintf(last_cost, sizeof last_cost, "m=%d,t=%d,p=%d", m, t, p);
	checks++;
	return __real_argon2id_verify(encoded, pwd, len);
}

static void failed_login(const char *user, char cost[64])
{
	struct reply page = get(AUTHORIZE);
	char tx[60];
	strcpy(tx, tx_of(&page));
	checks = 0;
	submit(tx, user, "this is wrong");
	assert_int_equal(checks, 1);
	strcpy(cost, last_cost);
}

/* The same work, not a similar clock reading: timings never decide a test. */
static void k1_an_unknown_user_takes_as_long_as_a_wrong_password(void **state)
{
	char known[64], unknown[64];
	(void)state;
	failed_login(ALICE, known);
	failed_login("nobody@x", unknown);
	assert_string_equal(unknown, known);
	assert_null(strstr(known, "m=0"));
	pass_s(3600);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
}

static void k2_failures_delay_and_never_touch_who_is_signed_in(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char access[3000], token[60];
	strcpy(access, member(&r, "access_token"));
	strcpy(token, member(&r, "refresh_token"));
	for (int i = 0; i < 5; i++)
		assert_int_equal(log_in_at(AUTHORIZE, ALICE, "wrong wrong").status, 200);
	r = log_in_at(AUTHORIZE, ALICE, PASSWORD); /* even the right one has to wait: it is not looked at */
	assert_int_equal(r.status, 429);
	assert_int_equal(r.retry_after, 1);
	assert_non_null(strstr(r.body, "too many failed attempts"));
	assert_int_equal(userinfo(access).status, 200);
	assert_int_equal(refresh(token).status, 200);
	pass_s(1);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, "wrong wrong").status, 200); /* counted anew */
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
}

static const char *device_cookie(void)
{
	static char out[200];
	struct reply r = log_in_at(AUTHORIZE, ALICE, PASSWORD);
	const char *at = strstr(r.cookie, "__Host-mcxdev=");
	assert_non_null(at);
	snprintf(out, sizeof out, "%.*s", (int)strcspn(at, ";"), at);
	return out;
}

static struct reply log_in_from(const char *device, const char *user, const char *password)
{
	struct reply page = get(AUTHORIZE);
	char form[600], u[200], p[200];
	http_percent_encode(user, u, sizeof u);
	http_percent_encode(password, p, sizeof p);
	snprintf(form, sizeof form, "tx=%s&username=%s&password=%s", tx_of(&page), u, p);
	return post_with("/login", form, device, NULL);
}

static void k3_a_spray_from_one_source_is_stopped_and_a_known_device_is_not(void **state)
{
	(void)state;
	char device[200], name[40];
	strcpy(device, device_cookie());
	pass_s(3600);
	idms->cfg.source_failures = 5;
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "victim%d", i);
		assert_int_equal(log_in_at(AUTHORIZE, name, "Spring2026!").status, 200);
	}
	struct reply r = log_in_at(AUTHORIZE, "victim6", "Spring2026!");
	assert_int_equal(r.status, 429);
	assert_true(r.retry_after > 0);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 429);
	assert_int_equal(log_in_from(device, ALICE, PASSWORD).status, 302);
	assert_int_equal(
	    log_in_from("__Host-mcxdev=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ALICE, PASSWORD).status, 429);
	pass_s(300);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
	idms->cfg.source_failures = 100000;
}

static void k3_after_a_hundred_failures_only_a_known_device_or_an_unlock_helps(void **state)
{
	(void)state;
	char device[200];
	strcpy(device, device_cookie());
	assert_int_equal(store_run(idms->store, "UPDATE user SET fail_count = 100 WHERE folded = 'alice@a.example'"),
			 STORE_OK);
	struct reply r = log_in_at(AUTHORIZE, ALICE, PASSWORD);
	assert_int_equal(r.status, 200); /* and says nothing else than a wrong password would */
	assert_non_null(strstr(r.body, "MC ID or password is wrong."));
	assert_int_equal(log_in_from(device, ALICE, PASSWORD).status, 302);
	store_run(idms->store, "UPDATE user SET fail_count = 100 WHERE folded = 'alice@a.example'");
	assert_int_equal(admin("POST", "/admin/v1/users/alice%40a.example/unlock", NULL).status, 200);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
}

static void a_strict_lockout_can_be_set(void **state)
{
	(void)state;
	idms->cfg.lockout_failures = 3;
	for (int i = 0; i < 3; i++)
		assert_int_equal(log_in_at(AUTHORIZE, ALICE, "wrong wrong").status, 200);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 200);
	pass_s(15 * 60 + 1);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
	idms->cfg.lockout_failures = 0;
}

static void k4_a_full_queue_of_hashes_is_503_and_the_server_lives(void **state)
{
	static struct lone_form forms[12];
	pthread_t t[12];
	int answered = 0, busy = 0;
	(void)state;
	config.argon2_threads = 1;
	config.argon2_queue = 2;
	restart_idms();
	for (int i = 0; i < 12; i++) {
		struct reply page = get(AUTHORIZE);
		forms[i].target = "/login";
		snprintf(forms[i].text, sizeof forms[i].text,
			 "tx=%s&username=alice%%40a.example&password=correct+horse+battery", tx_of(&page));
	}
	for (int i = 0; i < 12; i++)
		pthread_create(&t[i], NULL, post_alone, &forms[i]);
	for (int i = 0; i < 12; i++) {
		void *status;
		pthread_join(t[i], &status);
		answered += (intptr_t)status == 302;
		busy += (intptr_t)status == 503;
	}
	assert_int_equal(answered + busy, 12);
	assert_true(answered >= 2);
	assert_true(busy >= 1);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
	config.argon2_threads = 2;
	config.argon2_queue = 8;
	restart_idms();
}

static void k5_a_form_of_16_kib_and_one_octet_is_refused_and_so_are_1000_parameters(void **state)
{
	char *body = calloc(1, 20000);
	(void)state;
	memset(body, 'a', 16 * 1024 + 1);
	assert_int_equal(post("/token", body).status, 413);
	strcpy(body, "a=1");
	for (int i = 0; i < 1000; i++)
		sprintf(body + strlen(body), "&p%d=1", i);
	assert_int_equal(post("/token", body).status, 400);
	assert_int_equal(post("/authorize", body).status, 400);
	free(body);
}

static void token_requests_are_limited_by_rate_and_by_refusals(void **state)
{
	(void)state;
	struct reply r = {0};
	pass_s(600);
	idms->cfg.token_rate = 1;
	for (int i = 0; i < 3; i++)
		r = refresh("nonsense");
	assert_int_equal(r.status, 429);
	assert_true(r.retry_after > 0);
	idms->cfg.token_rate = 100000;
	pass_s(600);
	for (int i = 0; i < 30; i++)
		assert_int_equal(refresh("nonsense").status, 400);
	assert_int_equal(refresh("nonsense").status, 429);
	pass_s(60);
	assert_int_equal(refresh("nonsense").status, 400);
	pass_s(600);
}

static void login_pages_are_limited_by_source(void **state)
{
	(void)state;
	struct reply r = {0};
	pass_s(60);
	idms->cfg.login_pages_per_s = 2;
	for (int i = 0; i < 5; i++)
		r = get(AUTHORIZE);
	assert_int_equal(r.status, 429);
	pass_s(10);
	assert_int_equal(get(AUTHORIZE).status, 200);
	idms->cfg.login_pages_per_s = 100000;
	pass_s(10);
}

/* ---- a database that does not answer ---- */

static void a_locked_database_is_503_and_service_returns_by_itself(void **state)
{
	const char *migrations[8] = {0};
	struct store *other;
	char err[256];
	(void)state;
	struct reply r = redeem(new_code());
	char token[60];
	strcpy(token, member(&r, "refresh_token"));
	char code[60];
	strcpy(code, new_code());
	struct reply page = get(AUTHORIZE);
	char tx[60];
	strcpy(tx, tx_of(&page));
	idms_migration_list(migrations);
	assert_int_equal(store_open(&other,
				    &(struct store_options){.path = config.database,
							    .migrations = migrations,
							    .n_migrations = IDMS_MIGRATIONS},
				    err, sizeof err),
			 STORE_OK);
	assert_int_equal(store_begin(other), STORE_OK);
	r = redeem(code);
	assert_int_equal(r.status, 503);
	assert_true(r.retry_after > 0);
	assert_int_equal(refresh(token).status, 503);
	r = submit(tx, ALICE, PASSWORD);
	assert_int_equal(r.status, 503);
	assert_int_equal(strlen(tx_of(&r)), 43); /* the form again, ready for another try */
	assert_int_equal(admin("PUT", "/admin/v1/users/x", "{}").status, 503);
	assert_int_equal(get("/jwks").status, 200);
	store_rollback(other);
	store_close(other);
	assert_int_equal(submit(tx_of(&r), ALICE, PASSWORD).status, 302);
	assert_int_equal(redeem(code).status, 200); /* nothing was half done: the code was not used up */
	assert_int_equal(refresh(token).status, 200);
}

static void a_full_database_is_503_and_service_returns_by_itself(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char token[60];
	strcpy(token, member(&r, "refresh_token"));
	pthread_mutex_lock(&idms->db_lock);
	assert_int_equal(store_run(idms->store, "PRAGMA max_page_count = 1"), STORE_OK); /* as small as it now is */
	pthread_mutex_unlock(&idms->db_lock);
	int full = 0;
	for (int i = 0; i < 40 && !full; i++) {
		r = refresh(token);
		full = r.status == 503;
		if (!full)
			strcpy(token, member(&r, "refresh_token"));
	}
	assert_true(full);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 503);
	pthread_mutex_lock(&idms->db_lock);
	assert_int_equal(store_run(idms->store, "PRAGMA max_page_count = 1000000"), STORE_OK);
	pthread_mutex_unlock(&idms->db_lock);
	assert_int_equal(refresh(token).status, 200);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
}

/* Records of this type, and the refusals they stand for. */
static void records_of(const char *type, unsigned *records, unsigned *refusals)
{
	char reason[128], wanted[64], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_int_equal(audit_export(config.database, 1, 0, out, reason, sizeof reason), 0);
	fclose(out);
	snprintf(wanted, sizeof wanted, "\"type\":\"%s\"", type);
	*records = *refusals = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *count = strstr(line, "\"count\":\"");
		if (!strstr(line, wanted))
			continue;
		++*records;
		*refusals += count ? (unsigned)strtoul(count + 9, NULL, 10) : 1;
	}
	free(text);
}

static void a_flood_of_refusals_is_a_few_records_and_none_is_missing(void **state)
{
	enum { FLOOD = 40 };
	unsigned records, refusals;
	(void)state;
	records_of("introspect.denied", &records, &refusals);
	assert_int_equal(records, 0);
	for (int i = 0; i < FLOOD; i++) {
		assert_int_equal(post("/introspect", "token=x").status, 401);
		assert_int_equal(post("/revoke", "client_id=mcx-ue&token=nobodys").status, 200);
	}
	pass_s(AUDIT_REFUSALS_WINDOW_MS / 1000);
	idms_housekeeping(idms);
	records_of("introspect.denied", &records, &refusals);
	assert_int_equal(records, AUDIT_REFUSALS_EACH + 1);
	assert_int_equal(refusals, FLOOD);
	records_of("token.revoke", &records, &refusals);
	assert_int_equal(records, AUDIT_REFUSALS_EACH + 1);
	assert_int_equal(refusals, FLOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_bucket_gives_its_burst_then_its_rate),
	    cmocka_unit_test(k2_the_delay_doubles_from_the_fifth_failure_up_to_300_seconds),
	    cmocka_unit_test(a_flood_of_strangers_uses_no_more_memory_and_forgets_the_quietest),
	    cmocka_unit_test(a_flood_of_sign_in_forms_drives_out_its_own),
	    cmocka_unit_test(scopes_follow_catalogue_account_and_client),
	    cmocka_unit_test(redirect_uris_are_registered_and_matched_by_rule),
	    cmocka_unit_test(a_form_is_parsed_once_and_within_its_limits),
	    cmocka_unit_test(k1_an_unknown_user_takes_as_long_as_a_wrong_password),
	    cmocka_unit_test(k2_failures_delay_and_never_touch_who_is_signed_in),
	    cmocka_unit_test(k3_a_spray_from_one_source_is_stopped_and_a_known_device_is_not),
	    cmocka_unit_test(k3_after_a_hundred_failures_only_a_known_device_or_an_unlock_helps),
	    cmocka_unit_test(a_strict_lockout_can_be_set),
	    cmocka_unit_test(k4_a_full_queue_of_hashes_is_503_and_the_server_lives),
	    cmocka_unit_test(k5_a_form_of_16_kib_and_one_octet_is_refused_and_so_are_1000_parameters),
	    cmocka_unit_test(token_requests_are_limited_by_rate_and_by_refusals),
	    cmocka_unit_test(login_pages_are_limited_by_source),
	    cmocka_unit_test(a_flood_of_refusals_is_a_few_records_and_none_is_missing),
	    cmocka_unit_test(a_locked_database_is_503_and_service_returns_by_itself),
	    cmocka_unit_test(a_full_database_is_503_and_service_returns_by_itself),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

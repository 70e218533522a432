/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_refusals.c - what the identity server refuses that no other test of its asks for: forms that are none, words
 * that cannot be a password, a session that is good for nothing that was asked, calls of the admin interface that there
 * are not, and settings and key files it does not start with (identity.md 3, 7, 8, 11; admin.md).
 */
#include <sys/stat.h>

#include "lab_idms.h"

#define OTHER_SCOPE                                                                                                    \
	"/authorize?response_type=code&client_id=mcx-ue&scope=openid%203gpp%3Amc%3Adata_service"                       \
	"&redirect_uri=com.example.mcx%3A%2Fcb&state=s&nonce=n&acr_values=3gpp%3Aacr%3Apassword"                       \
	"&code_challenge=" CHALLENGE "&code_challenge_method=S256"
#define FORM "application/x-www-form-urlencoded"

/* ---- forms ---- */

static void a_body_that_is_no_form_is_invalid_request_at_every_endpoint(void **state)
{
	static const struct {
		const char *type, *body;
		int status;
	} rows[] = {
	    {"application/json", "{}", 400}, {FORM "x", "a=1", 400},         {FORM, "a=%", 400},
	    {FORM, "tx=1&tx=2", 400},        {FORM, "token=1&token=2", 400},
	};
	static const char *const targets[] = {"/login", "/token", "/introspect", "/revoke"};
	(void)state;
	for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct reply r =
			    ask_as(NULL, issuer,
				   &(struct http_call){
				       .method = "POST", .content_type = rows[i].type, .body = octets_of(rows[i].body)},
				   targets[t]);
			if (r.status != rows[i].status || strcmp(member(&r, "error"), "invalid_request") != 0)
				fail_msg("%s %s: %d %s", targets[t], rows[i].body, r.status, r.body);
		}
}

static void a_password_that_cannot_be_one_gets_the_page_of_a_wrong_one(void **state)
{
	char longer[200];
	const char *const words[] = {"", longer};
	(void)state;
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = 0;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		pass_s(600);
		struct reply r = log_in_at(AUTHORIZE, "nobody@x", words[i]);
		assert_int_equal(r.status, 200);
		assert_non_null(strstr(r.body, "MC ID or password is wrong."));
	}
}

/* ---- sessions and tokens ---- */

static void a_session_whose_user_gets_nothing_of_what_is_asked_is_invalid_scope(void **state)
{
	char cookie[200];
	(void)state;
	struct reply r = log_in_at(AUTHORIZE, ALICE, PASSWORD);
	const char *at = strstr(r.cookie, "__Host-mcxsid=");
	assert_non_null(at);
	snprintf(cookie, sizeof cookie, "%.*s", (int)strcspn(at, ";"), at);
	r = get_with(OTHER_SCOPE, cookie);
	assert_int_equal(r.status, 302);
	assert_string_equal(param(r.location, "error"), "invalid_scope");
	assert_string_equal(param(r.location, "code"), "");
	r = get_with(AUTHORIZE, cookie); /* and stays good for the rest */
	assert_int_equal(strlen(param(r.location, "code")), 43);
	/* An account that was disabled behind the server's back, sessions and all: the session is no longer any good.
	 */
	pthread_mutex_lock(&idms->db_lock);
	assert_int_equal(store_run(idms->store, "UPDATE user SET enabled = 0"), STORE_OK);
	pthread_mutex_unlock(&idms->db_lock);
	r = get_with(AUTHORIZE, cookie);
	assert_string_equal(param(r.location, "error"), "access_denied");
	pthread_mutex_lock(&idms->db_lock);
	assert_int_equal(store_run(idms->store, "UPDATE user SET enabled = 1"), STORE_OK);
	pthread_mutex_unlock(&idms->db_lock);
}

static void rights_lost_between_code_and_token_are_not_granted(void **state)
{
	char code[60];
	(void)state;
	strcpy(code, new_code());
	pthread_mutex_lock(&idms->db_lock);
	assert_int_equal(store_run(idms->store, "CREATE TABLE kept AS SELECT * FROM user_service;"
						"DELETE FROM user_service"),
			 STORE_OK);
	pthread_mutex_unlock(&idms->db_lock);
	struct reply r = redeem(code);
	assert_int_equal(r.status, 400);
	assert_string_equal(member(&r, "error"), "invalid_scope");
	pthread_mutex_lock(&idms->db_lock);
	assert_int_equal(store_run(idms->store, "INSERT INTO user_service SELECT * FROM kept; DROP TABLE kept"),
			 STORE_OK);
	pthread_mutex_unlock(&idms->db_lock);
}

static void a_client_asks_only_for_its_own_kinds_of_grant(void **state)
{
	(void)state;
	assert_int_equal(admin("PUT", "/admin/v1/clients/once",
			       "{\"redirect_uris\":[\"" REDIRECT "\"],\"grant_types\":[\"authorization_code\"]}")
			     .status,
			 201);
	struct reply r = post("/token", "grant_type=refresh_token&client_id=once&refresh_token=x");
	assert_int_equal(r.status, 400);
	assert_string_equal(member(&r, "error"), "unauthorized_client");
	r = post("/token", "grant_type=password&client_id=once&username=a&password=b");
	assert_string_equal(member(&r, "error"), "unsupported_grant_type");
}

static void userinfo_needs_one_token_that_can_be_read_with_openid(void **state)
{
	static const char *const bad[] = {"access_token=%", "access_token=1&access_token=2"};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct reply r = post("/userinfo", bad[i]);
		assert_int_equal(r.status, 400);
		assert_non_null(strstr(r.www, "invalid_request"));
	}
	assert_int_equal(admin("PUT", "/admin/v1/clients/bare",
			       "{\"redirect_uris\":[\"" REDIRECT
			       "\"],\"headless_login\":true,\"allow_no_openid\":true}")
			     .status,
			 201);
	struct reply r =
	    log_in_at("/authorize?response_type=code&client_id=bare&scope=3gpp%3Amc%3Aptt_service"
		      "&redirect_uri=com.example.mcx%3A%2Fcb&state=s&nonce=n"
		      "&acr_values=3gpp%3Aacr%3Apassword&code_challenge=" CHALLENGE "&code_challenge_method=S256",
		      ALICE, PASSWORD);
	char form[400];
	snprintf(form, sizeof form,
		 "grant_type=authorization_code&code=%s&client_id=bare&redirect_uri=com.example.mcx%%3A%%2Fcb"
		 "&code_verifier=" VERIFIER,
		 param(r.location, "code"));
	r = post("/token", form);
	assert_int_equal(r.status, 200);
	r = userinfo(member(&r, "access_token"));
	assert_int_equal(r.status, 403);
	assert_non_null(strstr(r.www, "insufficient_scope"));
}

/* ---- the admin interface ---- */

static void calls_that_there_are_not_are_404_405_or_400(void **state)
{
	static const struct {
		const char *method, *target, *body;
		int status;
	} rows[] = {
	    {"GET", "/admin/v2/users", NULL, 404},
	    {"GET", "/admin/v1/", NULL, 404},
	    {"GET", "/admin/v1/nothing", NULL, 404},
	    {"GET", "/admin/v1/users/a/b/c", NULL, 404},
	    {"PATCH", "/admin/v1/users", NULL, 405},
	    {"POST", "/admin/v1/keys/burn", NULL, 404},
	    {"POST", "/admin/v1/keys/rotate", "[]", 400},
	    {"POST", "/admin/v1/keys/rotate", "{\"emergency\":1}", 400},
	    {"POST", "/admin/v1/keys/rotate", "{\"emergency\":false,\"x\":1}", 400},
	    {"GET", "/admin/v1/touches", NULL, 400},
	    {"GET", "/admin/v1/revoked?since=x", NULL, 400},
	    {"GET", "/admin/v1/users/nobody", NULL, 404},
	    {"POST", "/admin/v1/users/nobody/cut", NULL, 404},
	    {"DELETE", "/admin/v1/users/nobody", NULL, 404},
	    {"DELETE", "/admin/v1/clients/nobody", NULL, 404},
	    {"PUT", "/admin/v1/users/x", "{\"scopes\":\"openid\"}", 400},
	    {"PUT", "/admin/v1/users/x", "{\"scopes\":[\"a b\"]}", 400},
	    {"PUT", "/admin/v1/users/x", "{\"scopes\":[\"openid\",\"3gpp:mc:ptt_service\"]}", 201},
	    {"PUT", "/admin/v1/clients/x", "{\"scopes_allowed\":[\"a b\"]}", 400},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct reply r = admin(rows[i].method, rows[i].target, rows[i].body);
		if (r.status != rows[i].status)
			fail_msg("%s %s %s: %d %s", rows[i].method, rows[i].target, rows[i].body ? rows[i].body : "",
				 r.status, r.body);
	}
	struct reply r = admin("GET", "/admin/v1/users/x", NULL);
	assert_non_null(strstr(r.body, "[\"openid\",\"3gpp:mc:ptt_service\"]"));
	assert_int_equal(admin("DELETE", "/admin/v1/users/x", NULL).status, 200);
}

/* ---- the start ---- */

static void does_not_start(const struct idms_config *c, const char *why)
{
	char err[512] = "";
	assert_null(idms_start(c, test_clock, err, sizeof err));
	if (!strstr(err, why))
		fail_msg("'%s' is not in '%s'", why, err);
}

static void settings_and_key_files_that_do_not_fit_are_told_at_the_start(void **state)
{
	static struct idms_config c;
	static const char *const issuers[] = {"http://a.example", "https://", "https://a.example/x",
					      "https://a.example?x"};
	char kid[80], path[1300], text[8192];
	struct reply r = admin("GET", "/admin/v1/keys", NULL);
	json_t *list = json_of(&r);
	(void)state;
	snprintf(kid, sizeof kid, "%s", json_string_value(json_object_get(json_array_get(list, 0), "kid")));
	json_decref(list);
	idms_stop(idms);
	for (size_t i = 0; i < sizeof issuers / sizeof *issuers; i++) {
		c = config;
		strcpy(c.issuer, issuers[i]);
		does_not_start(&c, "issuer is https://host[:port]");
	}
	c = config;
	c.scopes = (struct config_list){.n = 1, .item = {"x:y nonsense"}};
	does_not_start(&c, "scopes: \"x:y nonsense\"");
	c = config;
	strcpy(c.client_ca, "/nowhere/ca.pem");
	does_not_start(&c, "/nowhere/ca.pem");
	/* a key file that others may read, one with another key, none */
	snprintf(path, sizeof path, "%s/%s.pem", config.keys, kid);
	FILE *f = fopen(path, "r");
	size_t n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0640), 0);
	does_not_start(&config, "others may read its file");
	assert_int_equal(chmod(path, 0600), 0);
	f = fopen(path, "w");
	fputs("no key\n", f);
	fclose(f);
	does_not_start(&config, "its file holds no such key");
	assert_int_equal(unlink(path), 0);
	does_not_start(&config, "its file cannot be opened");
	f = fopen(path, "w");
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	fclose(f);
	start_idms(); /* and as it was it starts */
	assert_int_equal(get("/jwks").status, 200);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_body_that_is_no_form_is_invalid_request_at_every_endpoint),
	    cmocka_unit_test(a_password_that_cannot_be_one_gets_the_page_of_a_wrong_one),
	    cmocka_unit_test(a_session_whose_user_gets_nothing_of_what_is_asked_is_invalid_scope),
	    cmocka_unit_test(rights_lost_between_code_and_token_are_not_granted),
	    cmocka_unit_test(a_client_asks_only_for_its_own_kinds_of_grant),
	    cmocka_unit_test(userinfo_needs_one_token_that_can_be_read_with_openid),
	    cmocka_unit_test(calls_that_there_are_not_are_404_405_or_400),
	    cmocka_unit_test(settings_and_key_files_that_do_not_fit_are_told_at_the_start),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery, keys and their rotation, userinfo, introspection, revocation (lines I, J and L2 of identity.md 18), and
 * the admin interface (admin.md).
 */
#include "idms/signing.h"
#include "idms/routes.h"
#include "lab_idms.h"

#define ACCOUNT "/admin/v1/users/alice%40a.example"

static char rs_secret[60];

static int set_up(void **state)
{
	(void)state;
	lab_idms_open();
	admin("PUT", "/admin/v1/clients/gms-1",
	      "{\"type\":\"resource_server\",\"token_endpoint_auth_method\":\"client_secret_basic\"}");
	struct reply r = admin("POST", "/admin/v1/clients/gms-1/secret", NULL);
	snprintf(rs_secret, sizeof rs_secret, "%s", member(&r, "client_secret"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_idms_close();
	return 0;
}

static const char *basic(const char *id, const char *secret)
{
	static char out[300];
	char pair[200];
	snprintf(pair, sizeof pair, "%s:%s", id, secret);
	strcpy(out, "Basic ");
	base64_encode(octets_of(pair), out + 6);
	return out;
}

static struct reply introspect(const char *token)
{
	char form[9000];
	snprintf(form, sizeof form, "token=%s", token);
	return post_with("/introspect", form, NULL, basic("gms-1", rs_secret));
}

static const char *tokens[2]; /* access, refresh */

static void sign_in(void)
{
	static char kept[2][3000];
	struct reply r = redeem(new_code());
	for (int i = 0; i < 2; i++) {
		strcpy(kept[i], member(&r, i ? "refresh_token" : "access_token"));
		tokens[i] = kept[i];
	}
}

static int is_active(const char *token)
{
	struct reply r = introspect(token);
	assert_int_equal(r.status, 200);
	json_t *j = json_of(&r);
	int active = json_is_true(json_object_get(j, "active"));
	if (!active)
		assert_string_equal(r.body, "{\"active\":false}"); /* J3 */
	json_decref(j);
	return active;
}

/* ---- I ---- */

static void i1_both_well_known_paths_say_the_same_and_name_the_issuer(void **state)
{
	(void)state;
	struct reply a = get("/.well-known/openid-configuration");
	char first[16000];
	strcpy(first, a.body);
	struct reply b = get("/.well-known/oauth-authorization-server");
	assert_string_equal(first, b.body);
	assert_string_equal(member(&b, "issuer"), issuer);
	json_t *j = json_of(&b);
	static const char *const urls[] = {"authorization_endpoint", "token_endpoint",
					   "userinfo_endpoint",      "jwks_uri",
					   "revocation_endpoint",    "introspection_endpoint"};
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		const char *u = json_string_value(json_object_get(j, urls[i]));
		assert_int_equal(strncmp(u, issuer, strlen(issuer)), 0);
	}
	assert_true(json_is_false(json_object_get(j, "request_uri_parameter_supported")));
	assert_true(json_is_true(json_object_get(j, "authorization_response_iss_parameter_supported")));
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(j, "code_challenge_methods_supported"), 0)), "S256");
	assert_int_equal(json_array_size(json_object_get(j, "code_challenge_methods_supported")), 1);
	json_decref(j);
}

static void i2_the_key_set_holds_es256_and_rs256_keys_and_nothing_private(void **state)
{
	static const char *const secret[] = {"\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\""};
	(void)state;
	struct reply r = get("/jwks");
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
		assert_null(strstr(r.body, secret[i]));
	assert_non_null(strstr(r.body, "\"alg\":\"ES256\""));
	assert_non_null(strstr(r.body, "\"alg\":\"RS256\""));
	char command[1300];
	struct reply list = admin("GET", "/admin/v1/keys", NULL);
	assert_non_null(strstr(list.body, "\"state\":\"next\""));
	snprintf(command, sizeof command, "test -z \"$(find %s -type f -not -perm 600)\"", config.keys);
	assert_int_equal(system(command), 0);
}

static void i3_a_rotation_waits_for_the_warm_up_and_old_tokens_verify_until_their_key_is_deleted(void **state)
{
	(void)state;
	struct token_claims c;
	assert_int_equal(admin("POST", "/admin/v1/keys/rotate", NULL).status, 409);
	pass_s(86400);
	sign_in();
	assert_int_equal(admin("POST", "/admin/v1/keys/rotate", "{\"emergency\":false}").status, 200);
	assert_int_equal(check_token(tokens[0], AUDIENCE, "at+jwt", &c), TOKEN_OK);
	assert_int_equal(userinfo(tokens[0]).status, 200);
	struct reply r = redeem(new_code());
	assert_int_equal(check_token(member(&r, "access_token"), AUDIENCE, "at+jwt", &c), TOKEN_OK);
	restart_idms(); /* states and keys are durable */
	assert_int_equal(check_token(tokens[0], AUDIENCE, "at+jwt", &c), TOKEN_OK);
	pass_s(14400 + 3600 + 1);
	idms_housekeeping(idms);
	assert_int_equal(check_token(tokens[0], AUDIENCE, "at+jwt", &c), TOKEN_UNKNOWN_KEY);
}

static void i3_an_emergency_rotation_ends_the_old_keys_at_once(void **state)
{
	(void)state;
	struct token_claims c;
	sign_in();
	char old[3000];
	strcpy(old, tokens[0]);
	assert_int_equal(
	    ask_as("user-admin", admin_url, &(struct http_call){.method = "POST"}, "/admin/v1/keys/rotate").status,
	    403);
	assert_int_equal(admin("POST", "/admin/v1/keys/rotate", "{\"emergency\":true}").status, 200);
	assert_int_equal(check_token(old, AUDIENCE, "at+jwt", &c), TOKEN_UNKNOWN_KEY);
	assert_int_equal(userinfo(old).status, 401);
	sign_in();
	assert_int_equal(userinfo(tokens[0]).status, 200);
	char command[1300];
	snprintf(command, sizeof command, "test $(ls %s | wc -l) = 4", config.keys); /* the old files are gone */
	assert_int_equal(system(command), 0);
}

static void i3_keys_rotate_by_themselves_when_they_are_old(void **state)
{
	(void)state;
	struct reply before = admin("GET", "/admin/v1/keys", NULL);
	char first[16000];
	strcpy(first, before.body);
	pass_s(91 * 86400);
	idms_housekeeping(idms);
	struct reply after = admin("GET", "/admin/v1/keys", NULL);
	assert_string_not_equal(first, after.body);
	assert_non_null(strstr(after.body, "\"state\":\"retired\""));
}

static void i4_the_key_set_may_be_kept_for_an_hour(void **state)
{
	struct http_response rs = {0};
	struct http_request rq = {0};
	(void)state;
	handle_jwks(idms, &rq, &rs);
	assert_string_equal(rs.headers[0].name, "Cache-Control");
	assert_string_equal(rs.headers[0].value, "public, max-age=3600");
	http_response_clear(&rs);
}

/* ---- userinfo ---- */

static void userinfo_answers_get_header_post_header_and_post_body(void **state)
{
	(void)state;
	char form[4000];
	sign_in();
	struct reply r = userinfo(tokens[0]);
	assert_int_equal(r.status, 200);
	assert_string_equal(member(&r, "mcptt_id"), "sip:alice@mcptt.a.example");
	assert_int_equal(strncmp(member(&r, "sub"), "u-", 2), 0);
	r = ask_as(NULL, issuer, &(struct http_call){.method = "POST", .bearer = tokens[0]}, "/userinfo");
	assert_int_equal(r.status, 200);
	snprintf(form, sizeof form, "access_token=%s", tokens[0]);
	assert_int_equal(post("/userinfo", form).status, 200);
	r = ask_as(NULL, issuer,
		   &(struct http_call){.method = "POST",
				       .bearer = tokens[0],
				       .body = octets_of(form),
				       .content_type = "application/x-www-form-urlencoded"},
		   "/userinfo");
	assert_int_equal(r.status, 400); /* two ways at once */
	r = get("/userinfo");
	assert_int_equal(r.status, 401);
	assert_null(strstr(r.www, "error="));
	r = userinfo("abc");
	assert_int_equal(r.status, 401);
	assert_non_null(strstr(r.www, "invalid_token"));
	pass_s(3600 + 30);
	assert_int_equal(userinfo(tokens[0]).status, 401);
}

static void rfc9068_2_an_id_token_is_no_access_token(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char id[4000];
	strcpy(id, member(&r, "id_token"));
	assert_int_equal(userinfo(id).status, 401);
	assert_false(is_active(id));
}

/* ---- J ---- */

static void j1_introspection_needs_a_resource_server(void **state)
{
	(void)state;
	sign_in();
	char form[4000];
	snprintf(form, sizeof form, "token=%s", tokens[0]);
	assert_int_equal(post("/introspect", form).status, 401);
	assert_int_equal(post_with("/introspect", form, NULL, basic("gms-1", "wrong")).status, 401);
	snprintf(form, sizeof form, "token=%s&client_id=mcx-ue", tokens[0]);
	assert_int_equal(post("/introspect", form).status, 401);
	assert_int_equal(post_with("/introspect", "x=1", NULL, basic("gms-1", rs_secret)).status, 400);
}

static void j2_a_token_for_another_resource_server_is_inactive(void **state)
{
	(void)state;
	sign_in();
	assert_true(is_active(tokens[0]));
	admin("PUT", "/admin/v1/clients/gms-1",
	      "{\"type\":\"resource_server\",\"token_endpoint_auth_method\":\"client_secret_basic\","
	      "\"audience\":\"https://gms.b.example\"}");
	assert_false(is_active(tokens[0]));
	admin("PUT", "/admin/v1/clients/gms-1",
	      "{\"type\":\"resource_server\",\"token_endpoint_auth_method\":\"client_secret_basic\"}");
	struct reply r = introspect(tokens[0]);
	assert_string_equal(member(&r, "mcptt_id"), "sip:alice@mcptt.a.example");
	assert_string_equal(member(&r, "scope"), PTT_SCOPE_TEXT);
	assert_string_equal(member(&r, "client_id"), "mcx-ue");
	assert_string_equal(member(&r, "token_type"), "Bearer");
}

static void j3_what_is_not_active_says_exactly_that(void **state)
{
	(void)state;
	sign_in();
	assert_false(is_active("abc"));
	assert_false(is_active(tokens[1])); /* refresh tokens are nobody's business */
	pass_s(3600 + 30);
	assert_false(is_active(tokens[0]));
}

static void j4_revoking_an_unknown_token_is_200(void **state)
{
	(void)state;
	struct reply r = post("/revoke", "client_id=mcx-ue&token=abc");
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "");
	assert_int_equal(post("/revoke", "client_id=mcx-ue").status, 400);
	assert_int_equal(post("/revoke", "token=abc").status, 400);
}

static void j5_revoking_a_refresh_token_ends_its_family_and_access_tokens(void **state)
{
	(void)state;
	char form[400];
	sign_in();
	assert_true(is_active(tokens[0]));
	snprintf(form, sizeof form, "client_id=mcx-ue&token=%s&token_type_hint=refresh_token", tokens[1]);
	assert_int_equal(post("/revoke", form).status, 200);
	assert_false(is_active(tokens[0]));
	struct reply r = refresh(tokens[1]);
	assert_int_equal(r.status, 400);
	/* an access token alone */
	sign_in();
	char access_form[4000];
	snprintf(access_form, sizeof access_form, "client_id=mcx-ue&token=%s", tokens[0]);
	assert_int_equal(post("/revoke", access_form).status, 200);
	assert_false(is_active(tokens[0]));
	assert_int_equal(refresh(tokens[1]).status, 200);
}

static void j6_another_clients_token_is_not_revoked(void **state)
{
	(void)state;
	char form[4000];
	admin("PUT", "/admin/v1/clients/other", "{\"redirect_uris\":[\"" REDIRECT "\"]}");
	sign_in();
	for (int i = 0; i < 2; i++) {
		snprintf(form, sizeof form, "client_id=other&token=%s", tokens[i]);
		struct reply r = post("/revoke", form);
		assert_int_equal(r.status, 400);
		assert_string_equal(member(&r, "error"), "unauthorized_client");
	}
	assert_true(is_active(tokens[0]));
	assert_int_equal(refresh(tokens[1]).status, 200);
}

/* ---- L2 ---- */

static void l2_a_client_proves_itself_by_its_certificate(void **state)
{
	(void)state;
	lab_cert(&lab, &(struct lab_cert){.name = "gms", .cn = "gms", .san = "DNS:gms.a.example"});
	lab_cert(&lab,
		 &(struct lab_cert){.name = "impostor", .cn = "gms", .san = "DNS:gms.a.example", .self_signed = 1});
	admin("PUT", "/admin/v1/clients/gms-2",
	      "{\"type\":\"resource_server\",\"token_endpoint_auth_method\":\"tls_client_auth\","
	      "\"tls_name\":\"gms.a.example\"}");
	sign_in();
	char form[4000];
	snprintf(form, sizeof form, "client_id=gms-2&token=%s", tokens[0]);
	struct http_call call = {
	    .method = "POST", .content_type = "application/x-www-form-urlencoded", .body = octets_of(form)};
	struct reply r = ask_as("gms", issuer, &call, "/introspect");
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.body, "\"active\":true"));
	r = ask_as("officer", issuer, &call, "/introspect");
	assert_int_equal(r.status, 401);
	r = ask_as(NULL, issuer, &call, "/introspect");
	assert_int_equal(r.status, 401);
	r = ask_as("impostor", issuer, &call, "/introspect");
	assert_true(r.status == 401 || r.status == 0);
}

/* ---- admin ---- */

static int admin_as(const char *who, const char *method, const char *target)
{
	return ask_as(who, admin_url, &(struct http_call){.method = method, .body = octets_of("{}")}, target).status;
}

static void an_admin_call_needs_a_certificate_and_the_right_role(void **state)
{
	(void)state;
	lab_cert(&lab, &(struct lab_cert){.name = "nobody", .cn = "n", .ou = "nobody"});
	assert_int_equal(admin_as(NULL, "GET", "/healthz"), 403);
	assert_int_equal(admin_as("nobody", "GET", ACCOUNT), 403);
	assert_int_equal(admin_as("auditor", "GET", ACCOUNT), 200);
	assert_int_equal(admin_as("auditor", "PUT", ACCOUNT), 403);
	assert_int_equal(admin_as("auditor", "POST", ACCOUNT "/cut"), 403);
	assert_int_equal(admin_as("user-admin", "PUT", "/admin/v1/clients/x"), 403);
	assert_int_equal(admin_as("backup", "GET", "/metrics"), 200);
	assert_int_equal(admin_as("officer", "GET", "/readyz"), 200);
	assert_int_equal(admin_as("officer", "GET", "/admin/v1/nothing"), 404);
	assert_int_equal(admin_as("officer", "PATCH", ACCOUNT), 405);
	/* and nothing of it on the public address */
	assert_int_equal(get("/admin/v1/users").status, 404);
	assert_int_equal(get("/metrics").status, 404);
}

static void an_account_is_made_read_changed_and_removed(void **state)
{
	(void)state;
	static const char body[] = "{\"display\":\"Dora\",\"services\":{\"ptt\":\"sip:dora@a\",\"data\":\"tel:+4670\"},"
				   "\"scopes\":[\"3gpp:mc:ptt_service\"]}";
	struct reply r = admin("PUT", "/admin/v1/users/dora%40a", body);
	assert_int_equal(r.status, 201);
	char sub[100];
	strcpy(sub, member(&r, "sub"));
	r = admin("PUT", "/admin/v1/users/dora%40a", body);
	assert_int_equal(r.status, 200);
	assert_string_equal(member(&r, "sub"), sub);
	r = admin("GET", "/admin/v1/users/DORA%40a", NULL); /* compared without case */
	assert_string_equal(member(&r, "display"), "Dora");
	assert_non_null(strstr(r.body, "\"services\":{\"ptt\":\"sip:dora@a\",\"data\":\"tel:+4670\"}"));
	r = admin("GET", "/admin/v1/users", NULL);
	assert_non_null(strstr(r.body, "dora@a"));
	assert_int_equal(admin("DELETE", "/admin/v1/users/dora%40a", NULL).status, 200);
	assert_int_equal(admin("GET", "/admin/v1/users/dora%40a", NULL).status, 404);
	r = admin("PUT", "/admin/v1/users/dora%40a", body);
	assert_string_not_equal(member(&r, "sub"), sub); /* never reassigned */
}

static void a_bad_account_is_refused_and_an_mc_id_belongs_to_one(void **state)
{
	static const char *const bad[] = {"",
					  "[]",
					  "{\"x\":1}",
					  "{\"enabled\":1}",
					  "{\"display\":7}",
					  "{\"services\":{\"voice\":\"sip:a@b\"}}",
					  "{\"services\":{\"ptt\":\"alice\"}}",
					  "{\"services\":{\"ptt\":\"sip:a b@c\"}}",
					  "{\"scopes\":[\"a b\"]}",
					  "{\"display\":\"a\",\"display\":\"b\"}",
					  "{\"services\":[]}"};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct reply r = admin("PUT", "/admin/v1/users/eve", bad[i]);
		assert_int_equal(r.status, 400);
	}
	struct reply r = admin("PUT", "/admin/v1/users/eve", "{\"services\":{\"ptt\":\"sip:alice@mcptt.a.example\"}}");
	assert_int_equal(r.status, 409);
	assert_int_equal(admin("GET", "/admin/v1/users/eve", NULL).status, 404);
	static const char *const passwords[] = {"{\"password\":\"short\"}",
						"{\"password\":\"tab\\there there\"}",
						"{\"password\":7}",
						"{}",
						"x",
						"{\"password\":\"long enough\",\"x\":1}"};
	for (size_t i = 0; i < sizeof passwords / sizeof *passwords; i++)
		assert_int_equal(admin("POST", ACCOUNT "/password", passwords[i]).status, 400);
	assert_int_equal(admin("POST", "/admin/v1/users/nobody/password", "{\"password\":\"long enough\"}").status,
			 404);
}

static void passwords_are_compared_as_normalised_text(void **state)
{
	(void)state;
	/* set decomposed and with a non-ASCII blank; typed composed and with a blank (RFC 8265 4.2) */
	assert_int_equal(admin("POST", ACCOUNT "/password", "{\"password\":\"cafe\xcc\x81\xc2\xa0noir 42\"}").status,
			 204);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, "caf\xc3\xa9 noir 42").status, 302);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, "Caf\xc3\xa9 noir 42").status, 200);
	assert_int_equal(admin("POST", ACCOUNT "/password", "{\"password\":\"" PASSWORD "\"}").status, 204);
}

static void a_hash_with_less_cost_is_made_anew_at_the_next_sign_in(void **state)
{
	(void)state;
	config.argon2_passes = 3;
	restart_idms();
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
	struct store_stmt *st = store_sql(idms->store, "SELECT password FROM user WHERE folded = 'alice@a.example'");
	assert_int_equal(store_step(st), STORE_ROW);
	assert_int_equal(strncmp(store_text(st, 0), "$argon2id$v=19$m=19456,t=3,p=1$", 31), 0);
	store_reset(st);
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
	config.argon2_passes = 2;
	restart_idms();
}

static void a_blocked_password_cannot_be_chosen(void **state)
{
	(void)state;
	char path[60];
	snprintf(path, sizeof path, "%s/blocked", lab.dir);
	FILE *f = fopen(path, "w");
	fputs("password1234\r\nhunter2hunter2\n", f);
	fclose(f);
	strcpy(idms->cfg.password_blocklist, path);
	struct reply r = admin("POST", ACCOUNT "/password", "{\"password\":\"HUNTER2hunter2\"}");
	assert_int_equal(r.status, 400);
	assert_non_null(strstr(r.body, "forbidden"));
	idms->cfg.password_blocklist[0] = 0;
}

static void g11_a_cut_ends_sessions_families_and_tokens_and_lists_them(void **state)
{
	(void)state;
	sign_in();
	struct reply r = admin("GET", "/admin/v1/touches?id=sip%3Aalice%40mcptt.a.example", NULL);
	assert_string_equal(member(&r, "mc_id"), ALICE);
	r = admin("GET", "/admin/v1/revoked?since=0", NULL);
	json_t *j = json_of(&r);
	char since[80];
	snprintf(since, sizeof since, "/admin/v1/revoked?since=%lld",
		 (long long)json_integer_value(json_object_get(j, "next")));
	json_decref(j);
	r = admin("POST", ACCOUNT "/cut", NULL);
	assert_int_equal(r.status, 200);
	assert_int_equal(userinfo(tokens[0]).status, 401);
	assert_int_equal(refresh(tokens[1]).status, 400);
	r = admin("GET", since, NULL);
	struct token_claims c;
	assert_int_equal(token_peek(tokens[0], strlen(tokens[0]), &c), TOKEN_OK);
	assert_non_null(strstr(r.body, c.jti));
	sign_in(); /* at once, in the same second */
	assert_int_equal(userinfo(tokens[0]).status, 200);
	assert_int_equal(admin("GET", "/admin/v1/revoked?since=x", NULL).status, 400);
	r = admin("GET", "/admin/v1/touches?id=nobody", NULL);
	assert_non_null(strstr(r.body, "\"known\":false"));
}

static void a_client_record_is_checked_field_by_field(void **state)
{
	static const char *const bad[] = {
	    "x",
	    "{\"unknown\":1}",
	    "{\"redirect_uris\":\"a\"}",
	    "{\"redirect_uris\":[\"http://evil.example/cb\"]}",
	    "{\"redirect_uris\":[\"mcx-ue:/cb\"]}",
	    "{\"redirect_uris\":[\"https://a@b/cb\"]}",
	    "{\"redirect_uris\":[\"https://a/cb#f\"]}",
	    "{\"redirect_uris\":[\"http://3gpp.mcptt/cb\"]}",
	    "{\"redirect_uris\":[\"http://localhost/cb\"]}",
	    "{\"grant_types\":[\"password\"]}",
	    "{\"grant_types\":[\"implicit\"]}",
	    "{\"access_ttl\":59}",
	    "{\"access_ttl\":14401}",
	    "{\"enabled\":\"yes\"}",
	    "{\"type\":\"partner\"}",
	    "{\"type\":\"resource_server\"}",
	    "{\"token_endpoint_auth_method\":\"tls_client_auth\"}",
	    "{\"id_token_alg\":\"none\"}",
	    "{\"require_pkce\":false}",
	    "{\"scopes_allowed\":[\"a b\"]}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (admin("PUT", "/admin/v1/clients/bad", bad[i]).status != 400)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(admin("GET", "/admin/v1/clients/bad", NULL).status, 404);
	assert_int_equal(
	    admin("PUT", "/admin/v1/clients/tester",
		  "{\"redirect_uris\":[\"http://3gpp.mcptt/cb\",\"http://[::1]:5/cb\"],\"headless_login\":true,"
		  "\"scopes_allowed\":[\"3gpp:mc:ptt_service\"],\"access_ttl\":60}")
		.status,
	    201);
	struct reply r = admin("GET", "/admin/v1/clients/tester", NULL);
	assert_non_null(strstr(r.body, "\"access_ttl\":60"));
	assert_int_equal(admin("POST", "/admin/v1/clients/tester/secret", NULL).status, 409);
	assert_int_equal(admin("DELETE", "/admin/v1/clients/tester", NULL).status, 204);
	assert_int_equal(admin("DELETE", "/admin/v1/clients/tester", NULL).status, 404);
	r = admin("GET", "/admin/v1/clients", NULL);
	assert_non_null(strstr(r.body, "mcx-ue"));
}

static void oidc_basic_a_client_with_a_secret_may_go_without_pkce_and_a_verifier_then_is_a_downgrade(void **state)
{
	(void)state;
	admin("PUT", "/admin/v1/clients/conformance",
	      "{\"redirect_uris\":[\"https://suite.example/cb\"],\"headless_login\":true,\"require_pkce\":false,"
	      "\"require_acr_values\":false,\"require_state\":false,\"token_endpoint_auth_method\":\"client_secret_"
	      "post\"}");
	struct reply r = admin("POST", "/admin/v1/clients/conformance/secret", NULL);
	char secret[60], form[600];
	strcpy(secret, member(&r, "client_secret"));
	for (int downgrade = 0; downgrade < 2; downgrade++) {
		r = log_in_at("/authorize?response_type=code&client_id=conformance&scope=" PTT_SCOPES
			      "&redirect_uri=https%3A%2F%2Fsuite.example%2Fcb",
			      ALICE, PASSWORD);
		snprintf(form, sizeof form,
			 "grant_type=authorization_code&code=%s&client_id=conformance&client_secret=%s"
			 "&redirect_uri=https%%3A%%2F%%2Fsuite.example%%2Fcb%s",
			 param(r.location, "code"), secret, downgrade ? "&code_verifier=" VERIFIER : "");
		r = post("/token", form);
		assert_int_equal(r.status, downgrade ? 400 : 200);
	}
}

static void every_change_stands_in_an_intact_audit_chain(void **state)
{
	struct audit_finding f;
	char db[1100];
	(void)state;
	snprintf(db, sizeof db, "%s", config.database);
	sign_in();
	idms_stop(idms);
	assert_int_equal(audit_verify(db, NULL, &f), 0);
	assert_true(f.records > 20);
	start_idms();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(i1_both_well_known_paths_say_the_same_and_name_the_issuer),
	    cmocka_unit_test(i2_the_key_set_holds_es256_and_rs256_keys_and_nothing_private),
	    cmocka_unit_test(i3_a_rotation_waits_for_the_warm_up_and_old_tokens_verify_until_their_key_is_deleted),
	    cmocka_unit_test(i3_an_emergency_rotation_ends_the_old_keys_at_once),
	    cmocka_unit_test(i3_keys_rotate_by_themselves_when_they_are_old),
	    cmocka_unit_test(i4_the_key_set_may_be_kept_for_an_hour),
	    cmocka_unit_test(userinfo_answers_get_header_post_header_and_post_body),
	    cmocka_unit_test(rfc9068_2_an_id_token_is_no_access_token),
	    cmocka_unit_test(j1_introspection_needs_a_resource_server),
	    cmocka_unit_test(j2_a_token_for_another_resource_server_is_inactive),
	    cmocka_unit_test(j3_what_is_not_active_says_exactly_that),
	    cmocka_unit_test(j4_revoking_an_unknown_token_is_200),
	    cmocka_unit_test(j5_revoking_a_refresh_token_ends_its_family_and_access_tokens),
	    cmocka_unit_test(j6_another_clients_token_is_not_revoked),
	    cmocka_unit_test(l2_a_client_proves_itself_by_its_certificate),
	    cmocka_unit_test(an_admin_call_needs_a_certificate_and_the_right_role),
	    cmocka_unit_test(an_account_is_made_read_changed_and_removed),
	    cmocka_unit_test(a_bad_account_is_refused_and_an_mc_id_belongs_to_one),
	    cmocka_unit_test(passwords_are_compared_as_normalised_text),
	    cmocka_unit_test(a_hash_with_less_cost_is_made_anew_at_the_next_sign_in),
	    cmocka_unit_test(a_blocked_password_cannot_be_chosen),
	    cmocka_unit_test(g11_a_cut_ends_sessions_families_and_tokens_and_lists_them),
	    cmocka_unit_test(a_client_record_is_checked_field_by_field),
	    cmocka_unit_test(oidc_basic_a_client_with_a_secret_may_go_without_pkce_and_a_verifier_then_is_a_downgrade),
	    cmocka_unit_test(every_change_stands_in_an_intact_audit_chain),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

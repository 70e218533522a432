/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authorization endpoint and the form: lines A1 to A19 of identity.md 18, one test each, and the modules of the
 * OpenID conformance suite that concern it (testcases.md 8).
 */
#include <openssl/ssl.h>

#include "lab_idms.h"

/* What a browser without headless privileges uses. */
#define WEB       "mcx-web"
#define WEB_LOGIN "/authorize?response_type=code&client_id=" WEB AUTHORIZE_REST

static int set_up(void **state)
{
	(void)state;
	lab_idms_open();
	assert_int_equal(admin("PUT", "/admin/v1/clients/" WEB,
			       "{\"name\":\"Dispatch <b>&\\\"1\\\"\",\"redirect_uris\":[\"" REDIRECT "\"]}")
			     .status,
			 201);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_idms_close();
	return 0;
}

/* AUTHORIZE with one parameter replaced ("name=value"), removed ("name=") or added. */
static const char *with(const char *change)
{
	static char out[4][9000];
	static unsigned next;
	char *o = out[next++ % 4];
	size_t name = strcspn(change, "=") + 1;
	strcpy(o, "/authorize?");
	for (const char *at = strchr(AUTHORIZE, '?') + 1; *at;) {
		size_t n = strcspn(at, "&");
		if (strncmp(at, change, name) != 0)
			sprintf(o + strlen(o), "%.*s&", (int)n, at);
		at += n + (at[n] == '&');
	}
	if (change[name])
		strcat(o, change);
	else
		o[strlen(o) - 1] = 0;
	return o;
}

static void expect_error(const char *target, const char *error)
{
	struct reply r = get(target);
	if (r.status != 302 || strcmp(param(r.location, "error"), error) != 0)
		fail_msg("%s: %d %s, not %s", target, r.status, r.location, error);
	assert_int_equal(strncmp(r.location, REDIRECT "?", strlen(REDIRECT "?")), 0);
	assert_string_equal(param(r.location, "iss"), issuer);
}

static void expect_page(const char *target, int status)
{
	struct reply r = get(target);
	if (r.status != status || r.location[0] || strncmp(r.type, "text/html", 9) != 0)
		fail_msg("%s: %d %s", target, r.status, r.location);
}

/* A browser: its cookies, as the server set them. */
static const char *browser_login(const char *target, const char *cookie)
{
	struct reply page = get_with(target, cookie);
	char form[600], jar[400];
	snprintf(jar, sizeof jar, "%s", cookie ? cookie : cookie_of(&page));
	snprintf(form, sizeof form, "tx=%s&username=alice%%40a.example&password=correct+horse+battery", tx_of(&page));
	struct reply r = post_with("/login", form, jar, NULL);
	if (r.status != 302)
		fail_msg("%d %s", r.status, r.body);
	return param(r.location, "code");
}

/* The session cookie of a fresh sign-in. */
static const char *session_cookie(void)
{
	static char out[200];
	struct reply r = log_in_at(AUTHORIZE, ALICE, PASSWORD);
	const char *at = strstr(r.cookie, "__Host-mcxsid=");
	assert_non_null(at);
	assert_non_null(strstr(at, "; Path=/; Secure; HttpOnly; SameSite=Lax"));
	snprintf(out, sizeof out, "%.*s", (int)strcspn(at, ";"), at);
	return out;
}

static void a1_get_and_post_both_work(void **state)
{
	(void)state;
	struct reply r = get(AUTHORIZE);
	assert_int_equal(r.status, 200);
	assert_int_equal(strlen(tx_of(&r)), 43);
	r = post("/authorize", strchr(AUTHORIZE, '?') + 1);
	assert_int_equal(r.status, 200);
	assert_int_equal(strlen(tx_of(&r)), 43);
	assert_int_equal(ask_as(NULL, issuer, &(struct http_call){.method = "PUT"}, "/authorize").status, 405);
}

static void a2_an_unknown_client_gets_a_page_and_no_redirect(void **state)
{
	(void)state;
	expect_page(with("client_id=nobody"), 400);
	expect_page(with("client_id="), 400);
	expect_page(with("client_id=mcx-ue&client_id=mcx-ue"), 400);
}

static void a3_a_redirect_uri_that_is_not_registered_gets_a_page_and_no_redirect(void **state)
{
	static const char *const bad[] = {
	    "com.example.mcx%3A%2Fcb%2F",
	    "com.example.mcx%3A%2Fcb%3Fa%3D1",
	    "com.example.mcx%3A%2FCB",
	    "com.example.mcx%3A%2Fcb%2Fx",
	    "com.example.mcx.evil%3A%2Fcb",
	    "https%3A%2F%2Fapp.example%2Fcb",
	    "https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1%26y%3D2",
	    "https%3A%2F%2Fapp.example%40evil.example%2Fcb%3Fx%3D1",
	    "https%3A%2F%2Fapp.example.evil.example%2Fcb%3Fx%3D1",
	    "com.example.mcx%3A%2Fcb%23f",
	    "",
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char change[200];
		snprintf(change, sizeof change, "redirect_uri=%s", bad[i]);
		expect_page(with(change), 400);
	}
	expect_page(with("redirect_uri=com.example.mcx%3A%2Fcb&redirect_uri=com.example.mcx%3A%2Fcb"), 400);
}

static void a4_the_port_of_a_loopback_address_may_differ_and_localhost_is_none(void **state)
{
	(void)state;
	assert_int_equal(get(with("redirect_uri=http%3A%2F%2F127.0.0.1%3A51234%2Fcb")).status, 200);
	assert_int_equal(get(with("redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb")).status, 200);
	expect_page(with("redirect_uri=http%3A%2F%2Flocalhost%3A51234%2Fcb"), 400);
	expect_page(with("redirect_uri=http%3A%2F%2F127.0.0.1%3A51234%2Fother"), 400);
	expect_page(with("redirect_uri=http%3A%2F%2F127.0.0.1%3A51234%40evil.example%2Fcb"), 400);
}

static void a5_each_missing_parameter_is_named_with_the_state(void **state)
{
	static const char *const names[] = {
	    "scope=", "acr_values=", "code_challenge=", "code_challenge_method=", "response_type="};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		expect_error(with(names[i]), "invalid_request");
		struct reply r = get(with(names[i]));
		assert_string_equal(param(r.location, "state"), "9tKx0b7m");
	}
	expect_error(with("state="), "invalid_request");
}

static void a6_plain_pkce_is_refused(void **state)
{
	(void)state;
	expect_error(with("code_challenge_method=plain"), "invalid_request");
	expect_error(with("code_challenge=tooshort"), "invalid_request");
	expect_error(with("code_challenge=ws4aZz5u8DDZ9xI_UoNTe_PznxBwZTB9SRt0KFVPEt%2B"), "invalid_request");
}

static void a7_other_response_types_are_unsupported(void **state)
{
	static const char *const types[] = {"token", "id_token", "code+id_token", "none", "CODE"};
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		char change[64];
		snprintf(change, sizeof change, "response_type=%s", types[i]);
		expect_error(with(change), "unsupported_response_type");
	}
}

static void a8_a_repeated_parameter_is_an_invalid_request(void **state)
{
	(void)state;
	expect_error(with("nonce=a&nonce=b"), "invalid_request");
	expect_error(with("x=1&x=2"), "invalid_request");
}

static void a9_a_scope_without_openid_is_invalid_unless_the_client_may(void **state)
{
	(void)state;
	expect_error(with("scope=3gpp%3Amc%3Aptt_service"), "invalid_scope");
	expect_error(with("scope=openid%20%20x"), "invalid_scope");
	expect_error(with("scope=openid%20%22x%22"), "invalid_scope");
	admin("PUT", "/admin/v1/clients/old-sdk",
	      "{\"redirect_uris\":[\"" REDIRECT "\"],\"allow_no_openid\":true,\"headless_login\":true}");
	struct reply r = log_in_at("/authorize?response_type=code&client_id=old-sdk&scope=3gpp%3Amc%3Aptt_service"
				   "&redirect_uri=com.example.mcx%3A%2Fcb&state=s&acr_values=3gpp%3Aacr%3Apassword"
				   "&code_challenge=" CHALLENGE "&code_challenge_method=S256",
				   ALICE, PASSWORD);
	char form[500];
	snprintf(form, sizeof form,
		 "grant_type=authorization_code&code=%s&client_id=old-sdk&redirect_uri=com.example.mcx%%3A%%2Fcb"
		 "&code_verifier=" VERIFIER,
		 param(r.location, "code"));
	r = post("/token", form);
	assert_int_equal(r.status, 200);
	assert_string_equal(member(&r, "id_token"), "");
}

static void a10_unknown_and_foreign_scopes_are_dropped_and_the_answer_is_truthful(void **state)
{
	(void)state;
	struct reply r = log_in_at(with("scope=openid%203gpp%3Amc%3Aptt_service%20email%203gpp%3Amc%3Adata_service"),
				   ALICE, PASSWORD);
	r = redeem(param(r.location, "code"));
	assert_string_equal(member(&r, "scope"), "openid 3gpp:mc:ptt_service");
	/* nothing left: invalid_scope, after the sign-in */
	r = log_in_at(with("scope=openid%203gpp%3Amc%3Adata_service"), ALICE, PASSWORD);
	assert_string_equal(param(r.location, "error"), "invalid_scope");
	/* a Rel-13 name brings its PTT counterpart, and nothing else */
	r = log_in_at(with("scope=openid%203gpp%3Amcptt%3Akey_management_server"), ALICE, PASSWORD);
	r = redeem(param(r.location, "code"));
	assert_string_equal(member(&r, "scope"),
			    "openid 3gpp:mcptt:key_management_server 3gpp:mc:ptt_key_management_service");
}

static void a11_prompt_none_needs_a_session(void **state)
{
	(void)state;
	expect_error(with("prompt=none"), "login_required");
	expect_error(with("prompt=none%20login"), "invalid_request");
	struct reply r = get_with(with("prompt=none"), session_cookie());
	assert_int_equal(r.status, 302);
	assert_int_equal(strlen(param(r.location, "code")), 43);
	r = redeem(param(r.location, "code"));
	assert_int_equal(r.status, 200);
}

static void a12_prompt_login_and_max_age_sign_in_again(void **state)
{
	(void)state;
	const char *cookie = session_cookie();
	struct reply r = get_with(with("prompt=login"), cookie);
	assert_int_equal(r.status, 200);
	assert_int_equal(get_with(with("max_age=10000"), cookie).status, 302);
	assert_int_equal(get_with(AUTHORIZE, cookie).status, 302);
	int64_t first = clock_ms / 1000;
	pass_s(2);
	assert_int_equal(get_with(with("max_age=1"), cookie).status, 200);
	r = log_in_at(with("max_age=1"), ALICE, PASSWORD);
	r = redeem(param(r.location, "code"));
	json_t *id = payload_of(member(&r, "id_token"));
	assert_int_equal(json_integer_value(json_object_get(id, "auth_time")), first + 2);
	json_decref(id);
	expect_error(with("max_age=-1"), "invalid_request");
	expect_error(with("max_age=x"), "invalid_request");
	/* idle and absolute end */
	pass_s(43200);
	assert_int_equal(get_with(AUTHORIZE, cookie).status, 200);
}

static void a12_a_session_that_is_used_lives_until_its_absolute_end(void **state)
{
	(void)state;
	const char *cookie = session_cookie();
	for (int i = 0; i < 3; i++) {
		pass_s(28000);
		assert_int_equal(get_with(AUTHORIZE, cookie).status, i < 3 && (i + 1) * 28000 < 86400 ? 302 : 200);
	}
	pass_s(3000);
	assert_int_equal(get_with(AUTHORIZE, cookie).status, 200);
}

static void a13_request_objects_are_refused_by_name(void **state)
{
	(void)state;
	expect_error(with("request=eyJ"), "request_not_supported");
	expect_error(with("request_uri=https%3A%2F%2Fa%2F"), "request_uri_not_supported");
	expect_error(with("registration=%7B%7D"), "registration_not_supported");
	expect_error(with("resource=https%3A%2F%2Felse.example"), "invalid_target");
	assert_int_equal(get(with("resource=https%3A%2F%2Fmc.a.example")).status, 200);
}

static void a14_the_answer_names_its_issuer(void **state)
{
	(void)state;
	struct reply r = log_in_at(AUTHORIZE, ALICE, PASSWORD);
	assert_string_equal(param(r.location, "iss"), issuer);
	assert_string_equal(param(r.location, "state"), "9tKx0b7m");
}

static void a15_the_redirect_is_302_or_by_setting_303_and_never_307(void **state)
{
	(void)state;
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 302);
	idms->cfg.redirect_303 = 1;
	assert_int_equal(log_in_at(AUTHORIZE, ALICE, PASSWORD).status, 303);
	idms->cfg.redirect_303 = 0;
}

/* All header lines of an answer, as they stand on the wire. */
static const char *headers_of(const char *target)
{
	static char out[8000];
	char request[3000];
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)config.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n = 0, got;
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	assert_int_equal(SSL_connect(ssl), 1);
	int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", target);
	assert_int_equal(SSL_write(ssl, request, len), len);
	while (n < (int)sizeof out - 1 && (got = SSL_read(ssl, out + n, (int)sizeof out - 1 - n)) > 0)
		n += got;
	out[n] = 0;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return out;
}

static void a16_pages_forbid_framing_caching_scripts_and_foreign_origins(void **state)
{
	static const char *const wanted[] = {
	    "Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; "
	    "base-uri 'none'; form-action 'self' com.example.mcx:\r\n",
	    "X-Frame-Options: DENY\r\n",
	    "X-Content-Type-Options: nosniff\r\n",
	    "Cache-Control: no-store\r\n",
	    "Referrer-Policy: no-referrer\r\n",
	    "Strict-Transport-Security: max-age=31536000\r\n", /* L3 */
	};
	(void)state;
	const char *h = headers_of(AUTHORIZE);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_non_null(strstr(h, wanted[i]));
	assert_null(strcasestr(h, "Access-Control"));
	h = headers_of(with("redirect_uri=http%3A%2F%2F127.0.0.1%3A51234%2Fcb"));
	assert_non_null(strstr(h, "form-action 'self' http://127.0.0.1:51234\r\n"));
	h = headers_of(with("scope="));
	assert_non_null(strstr(h, "Cache-Control: no-store\r\n"));
	assert_non_null(strstr(h, "Referrer-Policy: no-referrer\r\n"));
}

static void a17_whatever_is_reflected_is_escaped(void **state)
{
	(void)state;
	struct reply r = get(with("login_hint=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"));
	assert_null(strstr(r.body, "<script"));
	assert_non_null(strstr(r.body, "value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\""));
	r = get(WEB_LOGIN);
	assert_non_null(strstr(r.body, "Dispatch &lt;b&gt;&amp;&quot;1&quot;"));
	r = submit(tx_of(&r), "'><img src=x>", "x");
	assert_null(strstr(r.body, "<img"));
	r = get(with("state=%22%3E%3Cb%3E%0d"));
	assert_int_equal(r.status, 400); /* a control octet is no text */
	r = get(with("state=%22%3E%3Cb%3E&scope=x"));
	assert_null(strchr(r.location, '<'));
}

static void a18_a_form_counts_only_with_its_handle_and_in_its_browser(void **state)
{
	(void)state;
	assert_int_equal(submit("", ALICE, PASSWORD).status, 400);
	assert_int_equal(submit("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ALICE, PASSWORD).status, 400);
	/* a browser client: without the cookie of its page, or with another's */
	struct reply page = get(WEB_LOGIN);
	assert_int_equal(submit(tx_of(&page), ALICE, PASSWORD).status, 400);
	char form[300];
	snprintf(form, sizeof form, "tx=%s&username=alice%%40a.example&password=correct+horse+battery", tx_of(&page));
	assert_int_equal(
	    post_with("/login", form, "__Host-mcxpre=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL).status, 400);
	assert_int_equal(post_with("/login", form, cookie_of(&page), NULL).status, 302);
	/* the handle is used up, and it dies by itself */
	assert_int_equal(post_with("/login", form, cookie_of(&page), NULL).status, 400);
	page = get(AUTHORIZE);
	pass_s(600);
	assert_int_equal(submit(tx_of(&page), ALICE, PASSWORD).status, 400);
}

static void a18_two_tabs_of_one_browser_do_not_disturb_each_other(void **state)
{
	(void)state;
	struct reply first = get(WEB_LOGIN);
	char jar[200];
	snprintf(jar, sizeof jar, "%s", cookie_of(&first));
	assert_int_equal(strlen(browser_login(WEB_LOGIN, jar)), 43);
	char form[300];
	snprintf(form, sizeof form, "tx=%s&username=alice%%40a.example&password=correct+horse+battery", tx_of(&first));
	assert_int_equal(post_with("/login", form, jar, NULL).status, 302);
}

static void a19_the_form_needs_no_script_and_serves_a_headless_client(void **state)
{
	(void)state;
	struct reply r = get(AUTHORIZE);
	char action[200];
	assert_null(strstr(r.body, "<script"));
	assert_null(strstr(r.body, " on"));
	assert_null(strstr(r.body, "style="));
	snprintf(action, sizeof action, "<form method=\"post\" action=\"%s/login\">", issuer);
	assert_non_null(strstr(r.body, action));
	assert_non_null(strstr(r.body, "name=\"username\""));
	assert_non_null(strstr(r.body, "name=\"password\""));
	assert_int_equal(submit(tx_of(&r), ALICE, PASSWORD).status, 302); /* no cookie sent */
	assert_int_equal(get("/style.css").status, 200);
}

static void wrong_credentials_show_one_page_whoever_the_user_is(void **state)
{
	(void)state;
	struct reply page = get(AUTHORIZE);
	char tx[50], first[16000];
	strcpy(tx, tx_of(&page));
	struct reply r = submit(tx, ALICE, "wrong password");
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.body, "MC ID or password is wrong."));
	strcpy(first, strstr(r.body, "role=\"alert\""));
	r = submit(tx, "nobody-at-all@x", "wrong password");
	assert_int_equal(r.status, 200);
	first[strcspn(first, "\n")] = 0;
	assert_non_null(strstr(r.body, first));
	assert_int_equal(submit(tx, ALICE, PASSWORD).status, 302); /* the same form once more */
}

static void a_disabled_account_is_told_to_the_application_only_after_its_password(void **state)
{
	(void)state;
	make_user("bob@a.example", "{\"ptt\":\"sip:bob@mcptt.a.example\"}");
	admin("PUT", "/admin/v1/users/bob%40a.example",
	      "{\"enabled\":false,\"services\":{\"ptt\":\"sip:bob@mcptt.a.example\"}}");
	assert_int_equal(log_in_at(AUTHORIZE, "bob@a.example", "wrong").status, 200);
	struct reply r = log_in_at(AUTHORIZE, "bob@a.example", PASSWORD);
	assert_string_equal(param(r.location, "error"), "access_denied");
}

static void oidcc_unknown_and_ignored_parameters_disturb_nothing(void **state)
{
	static const char *const ok[] = {
	    "extra=1",           "display=page",    "display=popup",    "ui_locales=se",
	    "claims_locales=se", "id_token_hint=x", "login_hint=alice", "acr_values=urn:x 3gpp:acr:password",
	    "prompt=consent"};
	(void)state;
	for (size_t i = 0; i < sizeof ok / sizeof *ok; i++) {
		char change[100];
		snprintf(change, sizeof change, "%s", ok[i]);
		for (char *c = change; *c; c++)
			*c = *c == ' ' ? '+' : *c;
		assert_int_equal(get(with(change)).status, 200);
	}
}

static void limits_of_the_parser_are_kept(void **state)
{
	static char big[9100];
	(void)state;
	strcpy(big, "state=");
	memset(big + 6, 'a', 2048);
	assert_int_equal(get(with(big)).status, 200);
	big[6 + 2048] = 'a';
	expect_error(with(big), "invalid_request");
	char many[1500] = "p0=1";
	for (int i = 1; i < 70; i++)
		sprintf(many + strlen(many), "&p%d=1", i);
	expect_page(with(many), 400);
	expect_page(with("nonce=%zz"), 400);
	expect_page(with("nonce=%00"), 400);
	expect_page(with("nonce=%ff"), 400);
}

static void a_client_without_the_code_grant_or_disabled_is_refused(void **state)
{
	(void)state;
	admin("PUT", "/admin/v1/clients/no-code",
	      "{\"redirect_uris\":[\"" REDIRECT "\"],\"grant_types\":[\"refresh_token\"]}");
	expect_error(with("client_id=no-code"), "unauthorized_client");
	admin("PUT", "/admin/v1/clients/off", "{\"redirect_uris\":[\"" REDIRECT "\"],\"enabled\":false}");
	expect_page(with("client_id=off"), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a1_get_and_post_both_work),
	    cmocka_unit_test(a2_an_unknown_client_gets_a_page_and_no_redirect),
	    cmocka_unit_test(a3_a_redirect_uri_that_is_not_registered_gets_a_page_and_no_redirect),
	    cmocka_unit_test(a4_the_port_of_a_loopback_address_may_differ_and_localhost_is_none),
	    cmocka_unit_test(a5_each_missing_parameter_is_named_with_the_state),
	    cmocka_unit_test(a6_plain_pkce_is_refused),
	    cmocka_unit_test(a7_other_response_types_are_unsupported),
	    cmocka_unit_test(a8_a_repeated_parameter_is_an_invalid_request),
	    cmocka_unit_test(a9_a_scope_without_openid_is_invalid_unless_the_client_may),
	    cmocka_unit_test(a10_unknown_and_foreign_scopes_are_dropped_and_the_answer_is_truthful),
	    cmocka_unit_test(a11_prompt_none_needs_a_session),
	    cmocka_unit_test(a12_prompt_login_and_max_age_sign_in_again),
	    cmocka_unit_test(a12_a_session_that_is_used_lives_until_its_absolute_end),
	    cmocka_unit_test(a13_request_objects_are_refused_by_name),
	    cmocka_unit_test(a14_the_answer_names_its_issuer),
	    cmocka_unit_test(a15_the_redirect_is_302_or_by_setting_303_and_never_307),
	    cmocka_unit_test(a16_pages_forbid_framing_caching_scripts_and_foreign_origins),
	    cmocka_unit_test(a17_whatever_is_reflected_is_escaped),
	    cmocka_unit_test(a18_a_form_counts_only_with_its_handle_and_in_its_browser),
	    cmocka_unit_test(a18_two_tabs_of_one_browser_do_not_disturb_each_other),
	    cmocka_unit_test(a19_the_form_needs_no_script_and_serves_a_headless_client),
	    cmocka_unit_test(wrong_credentials_show_one_page_whoever_the_user_is),
	    cmocka_unit_test(a_disabled_account_is_told_to_the_application_only_after_its_password),
	    cmocka_unit_test(oidcc_unknown_and_ignored_parameters_disturb_nothing),
	    cmocka_unit_test(limits_of_the_parser_are_kept),
	    cmocka_unit_test(a_client_without_the_code_grant_or_disabled_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's sign-in: against the real server, and against one that lies (bad signature, nonce, audience, issuer,
 * state ...): each lie is refused (testcases.md 8, oidcc-client-*; RFC 9207 2).
 */
#include "lab_idms.h"
#include "ue/signin.h"
#include "ue/signin_form.h"

/* ---- a server that says what the test wants ---- */

static struct http_server *liar;
static char liar_url[64];
static struct token_signer *liar_key, *other_key;
static struct {
	const char *iss, *aud, *nonce, *at_hash, *acr, *callback_iss, *state, *token_type, *discovery_issuer, *typ,
	    *extra;
	int64_t exp, iat;
	int forged, form_status, token_status;
	const char *token_error;
	const char *path, *body; /* what stands here is the answer there, with this status */
	int status;
} lie;

static char seen_state[100], seen_nonce[100];

static void say_tokens(struct http_response *rs)
{
	char payload[1500], body[6000], at_hash[TOKEN_AT_HASH];
	token_at_hash("opaque-access", at_hash);
	int64_t now = clock_ms / 1000;
	snprintf(
	    payload, sizeof payload,
	    "{\"iss\":\"%s\",\"sub\":\"u-1\",\"aud\":%s,\"exp\":%lld,\"iat\":%lld,\"nonce\":\"%s\",\"at_hash\":\"%s\","
	    "\"acr\":\"%s\",\"mcptt_id\":\"sip:a@a.example\"%s}",
	    lie.iss ? lie.iss : liar_url, lie.aud ? lie.aud : "\"mcx-ue\"", (long long)(lie.exp ? lie.exp : now + 3600),
	    (long long)(lie.iat ? lie.iat : now), lie.nonce ? lie.nonce : seen_nonce,
	    lie.at_hash ? lie.at_hash : at_hash, lie.acr ? lie.acr : SIGNIN_ACR, lie.extra ? lie.extra : "");
	char *id = token_sign(lie.forged ? other_key : liar_key, lie.typ ? lie.typ : "JWT", payload);
	snprintf(body, sizeof body,
		 "{\"access_token\":\"opaque-access\",\"token_type\":\"%s\",\"expires_in\":3600,\"id_token\":\"%s\"}",
		 lie.token_type ? lie.token_type : "bearer", id);
	free(id);
	http_response_text(rs, 200, "application/json", body);
}

static void lying(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	char body[2000], encoded[200];
	(void)ctx;
	if (lie.path && strcmp(rq->path, lie.path) == 0) {
		http_response_text(rs, lie.status, "text/plain", lie.body);
		return;
	}
	if (strcmp(rq->path, "/.well-known/openid-configuration") == 0) {
		snprintf(
		    body, sizeof body,
		    "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/authorize\",\"token_endpoint\":\"%s/token\","
		    "\"jwks_uri\":\"%s/jwks\"}",
		    lie.discovery_issuer ? lie.discovery_issuer : liar_url, liar_url, liar_url, liar_url);
		http_response_text(rs, 200, "application/json", body);
	} else if (strcmp(rq->path, "/jwks") == 0) {
		const struct token_signer *one[] = {liar_key};
		char *set = token_jwks(one, 1);
		http_response_text(rs, 200, "application/json", set);
		free(set);
	} else if (strcmp(rq->path, "/authorize") == 0) {
		http_form_value(rq->query, strlen(rq->query), "state", seen_state, sizeof seen_state);
		http_form_value(rq->query, strlen(rq->query), "nonce", seen_nonce, sizeof seen_nonce);
		snprintf(body, sizeof body,
			 "<form action='%s/login'><input name=username><input name=password type=password></form>",
			 liar_url);
		http_response_text(rs, 200, "text/html", body);
	} else if (strcmp(rq->path, "/login") == 0) {
		http_percent_encode(lie.callback_iss ? lie.callback_iss : liar_url, encoded, sizeof encoded);
		rs->status = lie.form_status ? lie.form_status : 302;
		http_response_header(rs, "Retry-After", "7");
		http_response_header(rs, "Location", SIGNIN_REDIRECT_URI "?code=abc&state=%s&iss=%s",
				     lie.state ? lie.state : seen_state, encoded);
	} else if (lie.token_status) {
		snprintf(body, sizeof body, "{\"error\":\"%s\"}", lie.token_error);
		http_response_text(rs, lie.token_status, "application/json", body);
	} else {
		say_tokens(rs);
	}
}

static int set_up(void **state)
{
	char err[256];
	(void)state;
	lab_idms_open();
	assert_int_equal(admin("PUT", "/admin/v1/clients/mcx-ue",
			       "{\"redirect_uris\":[\"" SIGNIN_REDIRECT_URI "\"],\"headless_login\":true}")
			     .status,
			 200);
	liar_key = token_signer_generate(TOKEN_ES256);
	other_key = token_signer_generate(TOKEN_ES256);
	struct http_server_options o = {.address = "127.0.0.1",
					.cert_file = config.tls,
					.key_file = config.tls,
					.max_body = 10000,
					.threads = 2,
					.handler = lying};
	liar = http_server_start(&o, err, sizeof err);
	snprintf(liar_url, sizeof liar_url, "https://127.0.0.1:%u", http_server_port(liar));
	return liar ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_stop(liar);
	token_signer_free(liar_key);
	token_signer_free(other_key);
	lab_idms_close();
	return 0;
}

/* Answers carry the machine's Date, tokens the lab's clock: the client learns the difference and lives by ours. */
static int64_t device_clock(void)
{
	return clock_ms / 1000;
}

static struct http_client *http;

static struct signin_config config_for(const char *url)
{
	http_client_free(http);
	http = http_client_new(&(struct http_client_options){.ca_file = lab_path(&lab, "ca.pem"), .timeout_ms = 10000});
	return (struct signin_config){.issuer = url, .http = http, .now = device_clock};
}

static enum signin_status sign_in(const char *url, const char *user, const char *password, struct signin_tokens *t,
				  struct signin_report *r)
{
	struct signin_config c = config_for(url);
	return signin_password(&c, user, password, t, r);
}

/* The lab's time is the machine's in this file. */
static void use_machine_time(void)
{
	clock_ms = (int64_t)time(NULL) * 1000;
}

static void a_user_signs_in_refreshes_and_signs_out(void **state)
{
	(void)state;
	use_machine_time();
	struct signin_tokens *t = signin_tokens_new();
	struct signin_report r;
	assert_int_equal(sign_in(issuer, ALICE, PASSWORD, t, &r), SIGNIN_OK);
	assert_string_equal(t->mcptt_id, "sip:alice@mcptt.a.example");
	assert_string_equal(t->scope, SIGNIN_SCOPES);
	assert_int_equal(t->expires_at, clock_ms / 1000 + 3600);
	assert_int_equal(t->refresh_at, clock_ms / 1000 + 3300);
	assert_int_equal(userinfo(t->access).status, 200);
	char before[512], old_access[4096];
	strcpy(before, t->refresh);
	strcpy(old_access, t->access);
	struct signin_config c = config_for(issuer);
	assert_int_equal(signin_refresh(&c, t, &r), SIGNIN_OK);
	assert_string_not_equal(t->refresh, before);
	assert_int_equal(userinfo(t->access).status, 200);
	strcpy(before, t->refresh);
	assert_int_equal(signin_revoke(&c, t, &r), SIGNIN_OK);
	assert_string_equal(t->access, "");
	assert_int_equal(userinfo(old_access).status, 401);
	strcpy(t->refresh, before);
	assert_int_equal(signin_refresh(&c, t, &r), SIGNIN_EXPIRED);
	assert_string_equal(t->refresh, "");
	signin_tokens_free(t);
}

static void wrong_credentials_are_told_as_such(void **state)
{
	(void)state;
	use_machine_time();
	struct signin_tokens *t = signin_tokens_new(), zero = {0};
	struct signin_report r;
	assert_int_equal(sign_in(issuer, ALICE, "not it at all", t, &r), SIGNIN_CREDENTIALS);
	assert_memory_equal(t, &zero, sizeof zero);
	assert_int_equal(sign_in(issuer, "nobody", PASSWORD, t, &r), SIGNIN_CREDENTIALS);
	signin_tokens_free(t);
}

static void a_client_or_server_that_is_not_there_is_told_apart(void **state)
{
	(void)state;
	struct signin_tokens *t = signin_tokens_new();
	struct signin_report r;
	struct signin_config c = config_for(issuer);
	c.client_id = "somebody-else";
	assert_int_equal(signin_password(&c, ALICE, PASSWORD, t, &r), SIGNIN_PROTOCOL);
	c.issuer = "https://127.0.0.1:1";
	assert_int_equal(signin_password(&c, ALICE, PASSWORD, t, &r), SIGNIN_UNREACHABLE);
	c = config_for(issuer);
	c.scopes = "openid 3gpp:mc:data_service"; /* Alice has no MCData */
	assert_int_equal(signin_password(&c, ALICE, PASSWORD, t, &r), SIGNIN_REFUSED);
	assert_string_equal(r.error, "invalid_scope");
	c.scopes = "3gpp:mc:ptt_service"; /* refused before the form */
	assert_int_equal(signin_password(&c, ALICE, PASSWORD, t, &r), SIGNIN_REFUSED);
	signin_tokens_free(t);
}

static void expect_lie(enum signin_status status, const char *text)
{
	struct signin_tokens *t = signin_tokens_new(), zero = {0};
	struct signin_report r;
	use_machine_time();
	if (sign_in(liar_url, "a", "b", t, &r) != status)
		fail_msg("%s: %s", signin_status_name(r.status), r.text);
	if (text && !strstr(r.text, text))
		fail_msg("\"%s\" does not say \"%s\"", r.text, text);
	if (status)
		assert_memory_equal(t, &zero, sizeof zero);
	signin_tokens_free(t);
	memset(&lie, 0, sizeof lie);
}

static void an_honest_stranger_is_believed(void **state)
{
	(void)state;
	expect_lie(SIGNIN_OK, NULL);
}

static void an_id_token_that_does_not_pass_is_refused(void **state)
{
	(void)state;
	int64_t now = time(NULL);
	lie.forged = 1;
	expect_lie(SIGNIN_TOKEN, "unknown key");
	lie.iss = "https://evil.example";
	expect_lie(SIGNIN_TOKEN, "wrong issuer");
	lie.aud = "\"another-client\"";
	expect_lie(SIGNIN_TOKEN, "wrong audience");
	lie.aud = "[\"mcx-ue\",\"another\"]";
	expect_lie(SIGNIN_TOKEN, "authorized party");
	lie.extra = ",\"azp\":\"another\"";
	expect_lie(SIGNIN_TOKEN, "authorized party");
	lie.nonce = "of-another-request";
	expect_lie(SIGNIN_TOKEN, "nonce");
	lie.at_hash = "AAAAAAAAAAAAAAAAAAAAAA";
	expect_lie(SIGNIN_TOKEN, "at_hash");
	lie.acr = "urn:x:weaker";
	expect_lie(SIGNIN_TOKEN, "acr");
	lie.exp = now - 60;
	expect_lie(SIGNIN_TOKEN, "expired");
	lie.iat = now + 120;
	expect_lie(SIGNIN_TOKEN, "not valid yet");
	lie.iat = now - 700;
	expect_lie(SIGNIN_TOKEN, "too long ago");
	lie.typ = "at+jwt";
	expect_lie(SIGNIN_TOKEN, "wrong kind");
}

static void rfc9207_2_an_answer_with_another_issuer_or_state_is_dropped(void **state)
{
	(void)state;
	lie.callback_iss = "https://idms.b.example";
	expect_lie(SIGNIN_PROTOCOL, "not for this request");
	lie.state = "somebody-elses";
	expect_lie(SIGNIN_PROTOCOL, "not for this request");
	lie.discovery_issuer = "https://idms.b.example";
	expect_lie(SIGNIN_PROTOCOL, "discovery");
}

static void limits_and_overload_carry_their_waiting_time(void **state)
{
	struct signin_tokens *t = signin_tokens_new();
	struct signin_report r;
	(void)state;
	lie.form_status = 429;
	assert_int_equal(sign_in(liar_url, "a", "b", t, &r), SIGNIN_THROTTLED);
	assert_int_equal(r.retry_after_s, 7);
	lie.form_status = 503;
	assert_int_equal(sign_in(liar_url, "a", "b", t, &r), SIGNIN_BUSY);
	memset(&lie, 0, sizeof lie);
	lie.token_type = "N_A";
	expect_lie(SIGNIN_PROTOCOL, "token");
	lie.token_status = 400;
	lie.token_error = "invalid_grant";
	expect_lie(SIGNIN_EXPIRED, "invalid_grant");
	lie.token_status = 400;
	lie.token_error = "unauthorized_client";
	expect_lie(SIGNIN_REFUSED, "unauthorized_client");
	signin_tokens_free(t);
}

static void a_form_is_read_however_it_is_written(void **state)
{
	static const char html[] =
	    "<html><form action=search><input name=q></form><p>5 < 6</p>"
	    "<FORM method='post' ACTION=\"https://x/a?b=1&amp;c=2\"><input type=hidden name='tx' value='a&quot;b'/>"
	    "<INPUT TYPE=\"hidden\" NAME=\"csrf\" VALUE=\"1 2\"><input name=username><input type=password "
	    "name=password>"
	    "<button></button></FORM>";
	struct signin_form f;
	(void)state;
	assert_int_equal(signin_form_parse(octets_of(html), &f), 0);
	assert_string_equal(f.action, "https://x/a?b=1&c=2");
	assert_int_equal(f.n, 2);
	assert_string_equal(f.hidden[0].name, "tx");
	assert_string_equal(f.hidden[0].value, "a\"b");
	assert_string_equal(f.hidden[1].value, "1 2");
	for (size_t n = 0; n < sizeof html - 8; n++)
		signin_form_parse((struct octets){(const uint8_t *)html, n}, &f);
	assert_int_equal(signin_form_parse(octets_of("<form><input name=username><input name=password></form>"), &f),
			 -1);
	assert_int_equal(signin_form_parse(octets_of("<form action=x><input name=username></form>"), &f), -1);
	assert_int_equal(signin_form_parse(octets_of("<form action=x><input name="), &f), -1);
}

static void a_redirect_is_ours_only_with_our_address_state_and_issuer(void **state)
{
	struct signin_callback c;
	static const struct {
		const char *location;
		enum signin_callback_verdict verdict;
	} cases[] = {
	    {"a.b:/cb?code=x&state=s&iss=https%3A%2F%2Fi", CALLBACK_CODE},
	    {"a.b:/cb?code=x&state=s", CALLBACK_CODE}, /* RFC 9207 is not everywhere */
	    {"a.b:/cb?code=x&state=t", CALLBACK_FOREIGN},
	    {"a.b:/cb?code=x", CALLBACK_FOREIGN},
	    {"a.b:/cb?code=x&state=s&state=s", CALLBACK_FOREIGN},
	    {"a.b:/cb?code=x&code=y&state=s", CALLBACK_FOREIGN},
	    {"a.b:/cbx?code=x&state=s", CALLBACK_FOREIGN},
	    {"a.b:/cb", CALLBACK_FOREIGN},
	    {"https://evil/?code=x&state=s", CALLBACK_FOREIGN},
	    {"a.b:/cb?code=x&state=s&iss=https%3A%2F%2Fj", CALLBACK_FOREIGN},
	    {"a.b:/cb?error=access_denied&state=s", CALLBACK_ERROR},
	    {"a.b:/cb?error=access_denied&state=t", CALLBACK_FOREIGN},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(signin_callback_read(cases[i].location, "a.b:/cb", "s", "https://i", &c),
				 cases[i].verdict);
}

#define DISCOVERY               "/.well-known/openid-configuration"
#define FORM(attributes, inner) "<form action=" attributes ">" inner "</form>"
#define FIELDS                  "<input name=username><input name=password type=password>"

/* Each step's answer replaced by one that a client must not go on with. */
static void every_answer_that_leads_nowhere_ends_the_sign_in_at_its_step(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		int status;
		const char *body;
		enum signin_status says;
		const char *text;
	} t[] = {
	    {DISCOVERY, 404, "", SIGNIN_PROTOCOL, "discovery: the identity server answered 404"},
	    {DISCOVERY, 503, "", SIGNIN_BUSY, "discovery"},
	    {DISCOVERY, 429, "", SIGNIN_THROTTLED, "discovery"},
	    {DISCOVERY, 200, "[]", SIGNIN_PROTOCOL, "not this issuer's"},
	    {DISCOVERY, 200, "{", SIGNIN_PROTOCOL, "not this issuer's"},
	    {DISCOVERY, 200, "", SIGNIN_PROTOCOL, "not this issuer's"},
	    {"/authorize", 500, "", SIGNIN_PROTOCOL, "authorization: the identity server answered 500"},
	    {"/authorize", 503, "", SIGNIN_BUSY, "authorization"},
	    {"/authorize", 302, "", SIGNIN_PROTOCOL, "a redirect where the sign-in form should be"},
	    {"/authorize", 200, "", SIGNIN_PROTOCOL, "no form to sign in with"},
	    {"/authorize", 200, "welcome", SIGNIN_PROTOCOL, "no form to sign in with"},
	    {"/authorize", 200, FORM("'http://127.0.0.1/login'", FIELDS), SIGNIN_PROTOCOL, "no form to sign in with"},
	    {"/authorize", 200, FORM("'https://127.0.0.1:1/login'", FIELDS), SIGNIN_UNREACHABLE, "sign-in"},
	    {"/login", 200, "try again", SIGNIN_CREDENTIALS, "wrong"},
	    {"/login", 500, "", SIGNIN_PROTOCOL, "sign-in: the identity server answered 500"},
	    {"/login", 302, "", SIGNIN_PROTOCOL, "not for this request"},
	    {"/token", 500, "oops", SIGNIN_PROTOCOL, "token: the identity server answered 500"},
	    {"/token", 400, "{\"error\":7}", SIGNIN_PROTOCOL, "token: the identity server answered 400"},
	    {"/token", 503, "{\"error\":\"busy\"}", SIGNIN_BUSY, "token"},
	    {"/token", 429, "", SIGNIN_THROTTLED, "token"},
	    {"/token", 200, "[]", SIGNIN_PROTOCOL, "no usable tokens"},
	    {"/token", 200, "{\"access_token\":\"a\",\"token_type\":\"mac\",\"expires_in\":60}", SIGNIN_PROTOCOL,
	     "no usable tokens"},
	    {"/token", 200, "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":0}", SIGNIN_PROTOCOL,
	     "no usable tokens"},
	    {"/token", 200, "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":60,\"refresh_token\":1}",
	     SIGNIN_PROTOCOL, "no usable tokens"},
	    {"/token", 200, "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":60,\"id_token\":1}",
	     SIGNIN_PROTOCOL, "no usable tokens"},
	    {"/token", 200, "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":60}", SIGNIN_PROTOCOL,
	     "token: no ID token"},
	    {"/jwks", 404, "", SIGNIN_PROTOCOL, "key set: the identity server answered 404"},
	    {"/jwks", 503, "", SIGNIN_BUSY, "key set"},
	    {"/jwks", 200, "{\"keys\":[]}", SIGNIN_PROTOCOL, "the key set holds no key"},
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		lie.path = t[i].path;
		lie.status = t[i].status;
		lie.body = t[i].body;
		expect_lie(t[i].says, t[i].text);
	}
}

static enum mcsec_err no_randomness(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx, (void)out, (void)n;
	return MCSEC_E_RANDOM;
}

static void what_cannot_be_asked_is_asked_of_nobody(void **state)
{
	(void)state;
	static char much[40 * 1024]; /* more than any request of a client has */
	static const struct mcsec_rng broken = {no_randomness, NULL};
	struct signin_tokens *t = signin_tokens_new();
	struct signin_report r;
	use_machine_time();
	memset(much, 'a', sizeof much - 1);
	assert_int_equal(sign_in(liar_url, much, "b", t, &r), SIGNIN_INTERNAL);
	assert_int_equal(sign_in(liar_url, "a", much, t, &r), SIGNIN_INTERNAL);
	assert_int_equal(sign_in(much, "a", "b", t, &r), SIGNIN_PROTOCOL);
	assert_non_null(strstr(r.text, "too long"));
	struct signin_config c = config_for(liar_url);
	c.scopes = much;
	assert_int_equal(signin_password(&c, "a", "b", t, &r), SIGNIN_INTERNAL);
	c = config_for(liar_url);
	c.rng = &broken;
	assert_int_equal(signin_password(&c, "a", "b", t, &r), SIGNIN_INTERNAL);
	assert_string_equal(r.text, "the random source failed");
	strcpy(t->refresh, "r");
	assert_int_equal(signin_refresh(&c, t, &r), SIGNIN_INTERNAL);
	assert_string_equal(t->refresh, "r");
	assert_int_equal(signin_revoke(&c, t, &r), SIGNIN_INTERNAL);
	assert_string_equal(t->refresh, ""); /* signed out here, whatever the server hears */
	signin_tokens_free(t);
}

static void a_refresh_never_makes_another_user_of_the_first(void **state)
{
	(void)state;
	struct signin_tokens *t = signin_tokens_new();
	struct signin_report r;
	use_machine_time();
	struct signin_config c = config_for(liar_url);
	lie.nonce = "";
	strcpy(t->refresh, "r");
	strcpy(t->subject, "u-2"); /* the server's answer is of u-1 */
	assert_int_equal(signin_refresh(&c, t, &r), SIGNIN_TOKEN);
	assert_non_null(strstr(r.text, "another user"));
	assert_string_equal(t->subject, "u-2");
	assert_string_equal(t->access, "");
	strcpy(t->subject, "u-1");
	assert_int_equal(signin_refresh(&c, t, &r), SIGNIN_OK);
	memset(t->refresh, 'r', sizeof t->refresh - 1);
	assert_int_equal(signin_revoke(&c, t, &r), SIGNIN_PROTOCOL);
	assert_string_equal(r.text, "this server cannot revoke");
	assert_string_equal(t->refresh, "");
	memset(&lie, 0, sizeof lie);
	signin_tokens_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_user_signs_in_refreshes_and_signs_out),
	    cmocka_unit_test(wrong_credentials_are_told_as_such),
	    cmocka_unit_test(a_client_or_server_that_is_not_there_is_told_apart),
	    cmocka_unit_test(an_honest_stranger_is_believed),
	    cmocka_unit_test(an_id_token_that_does_not_pass_is_refused),
	    cmocka_unit_test(rfc9207_2_an_answer_with_another_issuer_or_state_is_dropped),
	    cmocka_unit_test(every_answer_that_leads_nowhere_ends_the_sign_in_at_its_step),
	    cmocka_unit_test(what_cannot_be_asked_is_asked_of_nobody),
	    cmocka_unit_test(a_refresh_never_makes_another_user_of_the_first),
	    cmocka_unit_test(limits_and_overload_carry_their_waiting_time),
	    cmocka_unit_test(a_form_is_read_however_it_is_written),
	    cmocka_unit_test(a_redirect_is_ours_only_with_our_address_state_and_issuer),
	};
	int rc = cmocka_run_group_tests(tests, set_up, tear_down);
	http_client_free(http);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_requests.c - every request mcx-kms must refuse, with its exact status and error (issue "Bad input", kms.md
 * 5, 6.4 and 12), and those it must answer. One real daemon serves the whole file.
 */
#include <openssl/hmac.h>

#include "e2e/kms_lab.h"
#include "sec/base/text.h"
#include "unit/kms/kms_vector.h"

static struct kms_lab k;

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kl_make(&k, LAB_UNLIMITED);
	kl_start(&k);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(kl_stop(&k, SIGTERM), 0);
	kl_remove(&k);
	return 0;
}

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/* A KmsRequest of alice for `path`; malloc'ed. */
static char *request(const char *user, const char *kms, const char *url_path, const char *more)
{
	char time_text[32], *xml;
	time_t now = time(NULL);
	strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	assert_true(asprintf(&xml,
			     XML "<KmsRequest xmlns=\"" KMS_NS "\" Version=\"1.1.0\"><UserUri>%s</UserUri><KmsUri>%s"
				 "</KmsUri><Time>%s</Time><ClientReqUrl>%s%s</ClientReqUrl>%s</KmsRequest>",
			     user, kms, time_text, k.base, url_path, more) > 0);
	return xml;
}

/* Sends it with alice's token and checks status, KmsError code and what every answer has. */
static void expect(struct kl_post p, int status, int64_t code)
{
	char *token = kl_token(&k, (struct kl_claims){0});
	p.token = token;
	struct http_answer a = kl_send(&k, k.plain, p);
	assert_int_equal(a.status, status);
	assert_int_equal(kl_error_code(&a), code);
	http_answer_free(&a);
	free(token);
}

static void expect_token(const char *token, const char *error_description)
{
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = token});
	assert_int_equal(a.status, 401);
	assert_non_null(strstr(a.www_authenticate, "Bearer realm=\"kms.example.org\""));
	assert_non_null(strstr(a.www_authenticate, "error=\"invalid_token\""));
	assert_non_null(strstr(a.www_authenticate, error_description));
	assert_int_equal(a.body_len, 0);
	http_answer_free(&a);
}

static void expect_claims(struct kl_claims c, const char *error_description)
{
	char *token = kl_token(&k, c);
	expect_token(token, error_description);
	free(token);
}

/* ---- tokens
 * ------------------------------------------------------------------------------------------------------------- */

static void no_token_is_403_with_a_challenge_and_no_error(void **state)
{
	(void)state;
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov"});
	assert_int_equal(a.status, 403);
	assert_string_equal(a.www_authenticate, "Bearer realm=\"kms.example.org\"");
	assert_int_equal(a.body_len, 0);
	http_answer_free(&a);
}

static void a_malformed_token_is_401_invalid_token(void **state)
{
	(void)state;
	expect_token("not.a.token", "malformed");
	expect_token("abc", "malformed");
}

static void a_forged_token_is_401_invalid_token(void **state)
{
	(void)state;
	struct token_signer *ours = k.signer, *forger = token_signer_generate(TOKEN_ES256);
	k.signer = forger;
	expect_claims((struct kl_claims){0}, "unknown");
	k.signer = ours;
	token_signer_free(forger);
	char *token = kl_token(&k, (struct kl_claims){0});
	char *last = token + strlen(token) - 10;
	*last = *last == 'A' ? 'B' : 'A';
	expect_token(token, "signature");
	free(token);
}

static char *header_and_payload(const char *header)
{
	char *json = kl_payload(&k, &(struct kl_claims){0});
	char *out = calloc(1, 4096);
	size_t n = base64url_encode(octets_of(header), out);
	out[n++] = '.';
	base64url_encode(octets_of(json), out + n);
	free(json);
	return out;
}

static void alg_none_is_401_invalid_token(void **state)
{
	(void)state;
	char *token = header_and_payload("{\"alg\":\"none\",\"typ\":\"at+jwt\"}");
	strcat(token, ".");
	expect_token(token, "");
	free(token);
}

static void hs256_with_the_public_key_is_401_invalid_token(void **state)
{
	(void)state;
	char header[256], jwks[4096] = "";
	snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		 token_signer_kid(k.signer));
	char *token = header_and_payload(header);
	FILE *f = fopen(kl_path(&k, "jwks.json"), "r");
	size_t n = fread(jwks, 1, sizeof jwks - 1, f);
	fclose(f);
	uint8_t mac[32];
	unsigned mac_len;
	HMAC(EVP_sha256(), jwks, (int)n, (uint8_t *)token, strlen(token), mac, &mac_len);
	strcat(token, ".");
	base64url_encode(OCTETS(mac), token + strlen(token));
	expect_token(token, "alg");
	free(token);
}

static void an_expired_token_is_401_invalid_token(void **state)
{
	(void)state;
	expect_claims((struct kl_claims){.exp_in = -31}, "expired");
}

static void a_token_of_another_issuer_is_401_invalid_token(void **state)
{
	(void)state;
	expect_claims((struct kl_claims){.issuer = "https://idms.example.com"}, "issuer");
}

static void a_token_for_another_audience_is_401_invalid_token(void **state)
{
	(void)state;
	expect_claims((struct kl_claims){.audience = "https://mc.example.com"}, "audience");
}

static void a_token_without_a_key_scope_is_403_insufficient_scope(void **state)
{
	(void)state;
	char *token = kl_token(&k, (struct kl_claims){.scope = "openid " SCOPE_PTT_SERVICE});
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = token});
	assert_int_equal(a.status, 403);
	assert_non_null(strstr(a.www_authenticate, "error=\"insufficient_scope\""));
	assert_non_null(strstr(a.www_authenticate, SCOPE_PTT_KEYS));
	http_answer_free(&a);
	free(token);
}

static void a_malformed_authorization_header_is_400_invalid_request(void **state)
{
	(void)state;
	struct http_answer a =
	    kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .authorization = "Bearer two tokens"});
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.www_authenticate, "error=\"invalid_request\""));
	http_answer_free(&a);
}

static void a_token_in_the_query_counts_as_none(void **state)
{
	(void)state;
	char path[3000], *token = kl_token(&k, (struct kl_claims){0});
	snprintf(path, sizeof path, "keyprov?access_token=%s", token);
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = path});
	assert_int_equal(a.status, 403);
	http_answer_free(&a);
	free(token);
}

static void refusals_of_strangers_are_audited(void **state)
{
	(void)state;
	int before = kl_audited(&k, "\"token.refuse\"");
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov"});
	http_answer_free(&a);
	/* At once, or after many others with their count. */
	for (int i = 0; i < 60 && kl_audited(&k, "\"token.refuse\"") == before; i++)
		sleep(1);
	assert_true(kl_audited(&k, "\"token.refuse\"") > before);
}

/* ---- whose keys
 * ----------------------------------------------------------------------------------------------------------- */

static void mcx_sec_111_another_users_uri_is_403_however_it_is_encoded(void **state)
{
	(void)state;
	int before = kl_audited(&k, "identity_not_permitted");
	expect((struct kl_post){.path = "keyprov/sip:bob@example.org"}, 403, 40302);
	expect((struct kl_post){.path = "keyprov/sip%3Abob%40example.org"}, 403, 40302);
	expect((struct kl_post){.path = "keyprov/sip%253Abob%2540example.org"}, 403, 40302);
	expect((struct kl_post){.path = "keyprov/sip%3Aalice%40example.org%2Fx"}, 403, 40302);
	expect((struct kl_post){.path = "keyprov/sip%3AALICE%40example.org"}, 403, 40302);
	assert_int_equal(kl_audited(&k, "identity_not_permitted"), before + 5);
	expect((struct kl_post){.path = "keyprov/sip:alice@example.org"}, 200, 0);
	expect((struct kl_post){.path = "keyprov/sip%3Aalice%40example.org"}, 200, 0);
}

static void another_user_in_the_body_is_403(void **state)
{
	(void)state;
	char *xml = request(BOB, LAB_KMS, KMS_ROOT "/keyprov", "");
	expect((struct kl_post){.path = "keyprov", .body = xml}, 403, 40302);
	free(xml);
}

static void each_identity_of_the_token_gets_its_own_set(void **state)
{
	(void)state;
	char *token = kl_token(&k, (struct kl_claims){.scope = SCOPE_PTT_KEYS " " SCOPE_VIDEO_KEYS, .mcvideo = BOB});
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = token});
	struct kms_response r;
	struct kms_fault f;
	assert_int_equal(a.status, 200);
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE, (struct octets){a.body, a.body_len}, &f), MCSEC_OK);
	assert_true(r.n_sets >= 2);
	assert_string_equal(r.user_uri, ALICE);
	assert_string_equal(r.sets[0].user_uri, ALICE);
	assert_string_equal(r.sets[r.n_sets - 1].user_uri, BOB);
	kms_response_free(&r);
	http_answer_free(&a);
	free(token);
	/* a claim whose scope is missing gives nothing */
	token = kl_token(&k, (struct kl_claims){.scope = SCOPE_PTT_KEYS, .mcvideo = BOB});
	a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov/" BOB, .token = token});
	assert_int_equal(a.status, 403);
	assert_int_equal(kl_error_code(&a), 40302);
	http_answer_free(&a);
	free(token);
}

static void a_server_gets_the_sets_of_its_mapped_names_and_no_others(void **state)
{
	(void)state;
	struct kms_client *c = kl_kms_client(&k, "sip");
	struct kms_domain home;
	struct kms_keys set[KL_ROOM];
	struct kms_result r;
	static const char *const mine[] = {PSI, MDSI};
	int64_t now = time(NULL);
	size_t n = KL_ROOM;
	assert_true(kms_client_init(c, NULL, PSI, now, &home, &r));
	assert_true(kms_client_keyprov(c, NULL, PSI, NULL, KMS_NO_TIME, now, &home, mine, 2, set, &n, &r));
	assert_true(n >= 2);
	assert_string_equal(set[0].set.user_uri, PSI);
	assert_string_equal(set[n - 1].set.user_uri, MDSI);
	kms_keys_free(set, n);
	n = KL_ROOM;
	assert_false(kms_client_keyprov(c, NULL, PSI, ALICE, KMS_NO_TIME, now, &home, mine, 2, set, &n, &r));
	assert_int_equal(r.outcome, KMS_REFUSED);
	assert_int_equal(r.error_code, 40302);
	kms_domain_free(&home);
	kms_client_free(c);
}

static void a_certificate_that_is_not_mapped_is_no_credential(void **state)
{
	(void)state;
	struct http_client *other = kl_client(&k, "other");
	struct http_answer a = kl_send(&k, other, (struct kl_post){.path = "keyprov"});
	assert_int_equal(a.status, 403);
	http_answer_free(&a);
	http_client_free(other);
}

/* ---- bodies
 * ---------------------------------------------------------------------------------------------------------------- */

static void a_malformed_body_is_400_bad_xml(void **state)
{
	(void)state;
	expect((struct kl_post){.path = "init", .body = "<KmsRequest"}, 400, 40001);
	expect((struct kl_post){.path = "init", .body = "{}"}, 400, 40001);
	expect((struct kl_post){.path = "init", .body = "<KmsRequest xmlns=\"" KMS_NS "\"/>"}, 400, 40001);
	expect((struct kl_post){.path = "init", .body = "<KmsResponse xmlns=\"" KMS_NS "\"/>"}, 400, 40001);
	expect((struct kl_post){.path = "init", .body = "<KmsRequest xmlns=\"urn:other\"/>"}, 400, 40001);
	expect((struct kl_post){.path = "init", .body = "<a>\xff</a>"}, 400, 40001);
}

static void mcx_sec_126_a_body_with_a_doctype_is_400_bad_xml(void **state)
{
	(void)state;
	expect((struct kl_post){.path = "init",
				.body = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
					"<KmsRequest xmlns=\"" KMS_NS "\"><UserUri>&b;</UserUri></KmsRequest>"},
	       400, 40001);
}

static void mcx_sec_126_a_body_nested_too_deeply_is_400_bad_xml(void **state)
{
	(void)state;
	char xml[4096] = "<KmsRequest xmlns=\"" KMS_NS "\">";
	for (int i = 0; i < 40; i++)
		strcat(xml, "<x>");
	for (int i = 0; i < 40; i++)
		strcat(xml, "</x>");
	strcat(xml, "</KmsRequest>");
	expect((struct kl_post){.path = "init", .body = xml}, 400, 40001);
}

static void mcx_sec_126_a_body_of_64_kib_and_1_is_413(void **state)
{
	(void)state;
	char *xml = request(ALICE, LAB_KMS, KMS_ROOT "/init", ""), *big = malloc(65537);
	size_t n = strlen(xml);
	memcpy(big, xml, n);
	memset(big + n, '\n', 65537 - n);
	expect((struct kl_post){.path = "init", .body = big, .body_len = 65536}, 200, 0);
	expect((struct kl_post){.path = "init", .body = big, .body_len = 65537}, 413, 0);
	free(big);
	free(xml);
}

static void mcx_sec_126_a_body_in_utf_16_is_415(void **state)
{
	(void)state;
	expect((struct kl_post){.path = "init", .body = "\xff\xfe<\0a\0/\0>\0", .body_len = 10}, 415, 41501);
	expect((struct kl_post){.path = "init", .body = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>"}, 415,
	       41501);
}

static void a_body_of_another_media_type_is_415(void **state)
{
	(void)state;
	char *xml = request(ALICE, LAB_KMS, KMS_ROOT "/init", "");
	expect((struct kl_post){.path = "init", .body = xml, .type = "application/json"}, 415, 0);
	expect((struct kl_post){.path = "init", .body = xml, .type = "application/xmlx"}, 415, 0);
	expect((struct kl_post){.path = "init", .body = xml, .type = "application/xml; charset=utf-16"}, 415, 0);
	expect((struct kl_post){.path = "init", .body = xml, .type = "text/xml"}, 200, 0);
	expect((struct kl_post){.path = "init", .body = xml, .type = "application/xml; charset=\"UTF-8\""}, 200, 0);
	expect((struct kl_post){.path = "init"}, 200, 0);
	free(xml);
}

static void a_request_to_another_kms_is_400_wrong_kms(void **state)
{
	(void)state;
	char *xml = request(ALICE, "kms.example.com", KMS_ROOT "/init", "");
	expect((struct kl_post){.path = "init", .body = xml}, 400, 40002);
	free(xml);
}

static void a_client_req_url_of_another_resource_is_400_wrong_url(void **state)
{
	(void)state;
	static const struct {
		const char *path, *url;
		int status;
	} cases[] = {
	    {"init", KMS_ROOT "/keyprov", 400},
	    {"init", "/init", 400},
	    {"init", ".evil.example" KMS_ROOT "/init", 400},
	    {"init", KMS_ROOT "/ini", 400},
	    {"init", KMS_ROOT "/init/", 400},
	    {"init", KMS_ROOT "/init", 200},
	    {"init", KMS_ROOT "/%69nit", 200},
	    {"keyprov/sip%3Aalice%40example.org", KMS_ROOT "/keyprov", 200}, /* seen in the field */
	    {"keyprov/sip%3Aalice%40example.org", KMS_ROOT "/keyprov/sip:alice@example.org", 200},
	    {"keyprov/sip%3Aalice%40example.org", KMS_ROOT "/key", 400},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *xml = request(ALICE, LAB_KMS, cases[i].url, "");
		expect((struct kl_post){.path = cases[i].path, .body = xml}, cases[i].status,
		       cases[i].status == 200 ? 0 : 40003);
		free(xml);
	}
}

static void a_signed_request_is_401_because_no_key_for_it_is_known(void **state)
{
	(void)state;
	char *xml = kms_vector_text("kms_signed_request.xml");
	expect((struct kl_post){.path = "keyprov", .body = xml}, 401, 40103);
	expect((struct kl_post){.path = "keyprov", .body = "<SignedKmsRequest xmlns=\"" KMS_NS "\"/>"}, 401, 40103);
	free(xml);
}

static void a_transport_key_id_is_409_because_none_is_known(void **state)
{
	(void)state;
	char *xml = request(ALICE, LAB_KMS, KMS_ROOT "/keyprov", "<TrK-ID>tk.1</TrK-ID>");
	expect((struct kl_post){.path = "keyprov", .body = xml}, 409, 40901);
	free(xml);
}

/* ---- methods, paths, times
 * ---------------------------------------------------------------------------------------------------- */

static void another_method_is_405_with_allow_post(void **state)
{
	(void)state;
	static const char *const methods[] = {"GET", "PUT", "DELETE"};
	for (size_t i = 0; i < 3; i++)
		expect((struct kl_post){.path = "init", .method = methods[i]}, 405, 0);
}

static void an_unknown_path_is_404(void **state)
{
	(void)state;
	static const char *const paths[] = {"",     "Init",     "init/",         "init/x",   "initx", "keyprov/a/b/c",
					    "cert", "cert/a/b", "../v1/init/..", "i%6eit%2f"};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		expect((struct kl_post){.path = paths[i]}, 404, 0);
}

static void a_bad_path_segment_is_400_bad_uri(void **state)
{
	(void)state;
	expect((struct kl_post){.path = "keyprov/sip%3"}, 400, 40005);
	expect((struct kl_post){.path = "keyprov/sip%zz"}, 400, 40005);
	expect((struct kl_post){.path = "keyprov/sip%00"}, 400, 40005);
	expect((struct kl_post){.path = "keyprov/sip%0a"}, 400, 40005);
	expect((struct kl_post){.path = "keyprov/"}, 400, 40005);
	expect((struct kl_post){.path = "keyprov/%ff"}, 400, 40005);
}

static void time_path(char *out, size_t size, int upper, int64_t at)
{
	unsigned long long ntp = mcsec_ntp_fold((uint64_t)at + MCSEC_NTP_UNIX, 0);
	if (upper)
		snprintf(out, size, "keyprov/sip%%3Aalice%%40example.org/%016llX", ntp);
	else
		snprintf(out, size, "keyprov/sip%%3Aalice%%40example.org/%016llx", ntp);
}

static void a_time_is_16_hex_digits_of_a_permitted_period(void **state)
{
	(void)state;
	enum { PERIOD = 2592000 };
	char path[256];
	int64_t now = time(NULL);
	expect((struct kl_post){.path = "keyprov/sip%3Aalice%40example.org/D6B43232"}, 400, 40005);
	expect((struct kl_post){.path = "keyprov/sip%3Aalice%40example.org/D6B432320000000g"}, 400, 40005);
	expect((struct kl_post){.path = "keyprov/sip%3Aalice%40example.org/D6B4323200000000"}, 403, 40303); /* 2014 */
	for (int offset = -2; offset <= 2; offset++) {
		int allowed = offset >= -1 && offset <= 1;
		time_path(path, sizeof path, offset != 0, now + (int64_t)offset * PERIOD);
		expect((struct kl_post){.path = path}, allowed ? 200 : 403, allowed ? 0 : 40303);
	}
}

static void a_certificate_of_an_unknown_kms_is_404_no_certificate(void **state)
{
	(void)state;
	expect((struct kl_post){.path = "cert/kms.unknown.example"}, 404, 40402);
	expect((struct kl_post){.path = "cert/" LAB_KMS}, 404, 40402);
}

/* ---- answers
 * --------------------------------------------------------------------------------------------------------------------
 */

/* http_answer shows only some headers: this looks at the octets. */
static void every_answer_says_no_store(void **state)
{
	(void)state;
	static const char *const curl =
	    "curl -s --cacert %s/ca.pem --resolve kms.test:%u:127.0.0.1 -D - -o /dev/null "
	    "-X %s %s https://kms.test:%u" KMS_ROOT "/%s | grep -ci '^cache-control: no-store'";
	char *token = kl_token(&k, (struct kl_claims){0}), header[4096], command[6000], count[16];
	const struct {
		const char *method, *path;
		int with_token;
	} cases[] = {{"POST", "init", 1},
		     {"POST", "keyprov", 1},
		     {"POST", "keyprov", 0},
		     {"GET", "init", 1},
		     {"POST", "nothing", 1},
		     {"POST", "cert/x", 1},
		     {"POST", "keyprov/sip:bob@example.org", 1}};
	snprintf(header, sizeof header, "-H 'Authorization: Bearer %s'", token);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(command, sizeof command, curl, k.lab.dir, k.port, cases[i].method,
			 cases[i].with_token ? header : "", k.port, cases[i].path);
		FILE *p = popen(command, "r");
		assert_non_null(fgets(count, sizeof count, p));
		pclose(p);
		assert_int_equal(atoi(count), 1);
	}
	free(token);
}

static void an_answer_echoes_who_and_what_was_asked(void **state)
{
	(void)state;
	char *token = kl_token(&k, (struct kl_claims){0}), url[256];
	char *xml = request(ALICE, LAB_KMS, KMS_ROOT "/init",
			    "<ClientError><ErrorCode>3</ErrorCode><ErrorMsg>uid_mismatch"
			    "</ErrorMsg></ClientError>");
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "init", .token = token, .body = xml});
	struct kms_response r;
	struct kms_fault f;
	assert_int_equal(a.status, 200);
	assert_string_equal(a.content_type, "application/xml; charset=utf-8");
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE, (struct octets){a.body, a.body_len}, &f), MCSEC_OK);
	snprintf(url, sizeof url, "%s" KMS_ROOT "/init", k.base);
	assert_string_equal(r.user_uri, ALICE);
	assert_string_equal(r.kms_uri, LAB_KMS);
	assert_string_equal(r.kms_id, "kms-a-01");
	assert_string_equal(r.client_req_url, url);
	assert_true(llabs(r.time - time(NULL)) < 5);
	kms_response_free(&r);
	http_answer_free(&a);
	a = kl_send(&k, k.plain, (struct kl_post){.path = "init", .token = token});
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE, (struct octets){a.body, a.body_len}, &f), MCSEC_OK);
	assert_string_equal(r.client_req_url, url);
	kms_response_free(&r);
	http_answer_free(&a);
	free(xml);
	free(token);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(no_token_is_403_with_a_challenge_and_no_error),
	    T(a_malformed_token_is_401_invalid_token),
	    T(a_forged_token_is_401_invalid_token),
	    T(alg_none_is_401_invalid_token),
	    T(hs256_with_the_public_key_is_401_invalid_token),
	    T(an_expired_token_is_401_invalid_token),
	    T(a_token_of_another_issuer_is_401_invalid_token),
	    T(a_token_for_another_audience_is_401_invalid_token),
	    T(a_token_without_a_key_scope_is_403_insufficient_scope),
	    T(a_malformed_authorization_header_is_400_invalid_request),
	    T(a_token_in_the_query_counts_as_none),
	    T(refusals_of_strangers_are_audited),
	    T(mcx_sec_111_another_users_uri_is_403_however_it_is_encoded),
	    T(another_user_in_the_body_is_403),
	    T(each_identity_of_the_token_gets_its_own_set),
	    T(a_server_gets_the_sets_of_its_mapped_names_and_no_others),
	    T(a_certificate_that_is_not_mapped_is_no_credential),
	    T(a_malformed_body_is_400_bad_xml),
	    T(mcx_sec_126_a_body_with_a_doctype_is_400_bad_xml),
	    T(mcx_sec_126_a_body_nested_too_deeply_is_400_bad_xml),
	    T(mcx_sec_126_a_body_of_64_kib_and_1_is_413),
	    T(mcx_sec_126_a_body_in_utf_16_is_415),
	    T(a_body_of_another_media_type_is_415),
	    T(a_request_to_another_kms_is_400_wrong_kms),
	    T(a_client_req_url_of_another_resource_is_400_wrong_url),
	    T(a_signed_request_is_401_because_no_key_for_it_is_known),
	    T(a_transport_key_id_is_409_because_none_is_known),
	    T(another_method_is_405_with_allow_post),
	    T(an_unknown_path_is_404),
	    T(a_bad_path_segment_is_400_bad_uri),
	    T(a_time_is_16_hex_digits_of_a_permitted_period),
	    T(a_certificate_of_an_unknown_kms_is_404_no_certificate),
	    T(every_answer_says_no_store),
	    T(an_answer_echoes_who_and_what_was_asked),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

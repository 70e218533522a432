/* SPDX-License-Identifier: Apache-2.0 */
/* Digest access, client side: the examples of RFC 7616 3.9.1, and challenges that we do not answer. */
#include "unit/test.h"

#include "net/sip_digest.h"

#define CHALLENGE                                                                                                      \
	"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=%s, "                               \
	"nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                                                     \
	"opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

static const struct sip_digest mufasa = {
    "Mufasa", "Circle of Life", "GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1};

static void answer(const char *algorithm, const char *response)
{
	char value[600], out[1024], want[160];
	struct sip_challenge c;
	snprintf(value, sizeof value, CHALLENGE, algorithm);
	assert_int_equal(sip_challenge_read(value, &c), MCSEC_OK);
	assert_int_equal(sip_digest_write(&c, &mufasa, out, sizeof out), MCSEC_OK);
	snprintf(want, sizeof want, "response=\"%s\"", response);
	assert_non_null(strstr(out, want));
	assert_non_null(strstr(out, "qop=auth, nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\""));
	assert_non_null(strstr(out, "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""));
	assert_non_null(strstr(out, algorithm));
}

static void rfc_7616_3_9_1_the_example_with_sha_256(void **state)
{
	(void)state;
	answer("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

static void rfc_7616_3_9_1_the_example_with_md5(void **state)
{
	(void)state;
	answer("MD5", "8ca523f5e9506fed4657c9700eebdbec");
}

static void rfc_2069_an_answer_without_qop(void **state)
{
	(void)state;
	struct sip_challenge c;
	char out[512];
	/* RFC 2617 3.5's nonce and user; its response without qop was computed with openssl dgst. */
	assert_int_equal(sip_challenge_read("Digest realm=\"testrealm@host.com\","
					    "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
					    &c),
			 MCSEC_OK);
	assert_int_equal(
	    sip_digest_write(&c, &(struct sip_digest){"Mufasa", "Circle Of Life", "GET", "/dir/index.html", "", 1}, out,
			     sizeof out),
	    MCSEC_OK);
	assert_non_null(strstr(out, "response=\"670fd8c2df070c60b045671b8b24ff02\""));
	assert_null(strstr(out, "qop"));
}

static void the_strongest_challenge_is_answered(void **state)
{
	(void)state;
	struct sip_challenge c;
	struct sip_message rs = {.n_headers = 3,
				 .headers = {{"WWW-Authenticate", "Digest realm=\"r\", nonce=\"m\""},
					     {"WWW-Authenticate", "Digest realm=\"r\", nonce=\"s\", algorithm=SHA-256, "
								  "qop=\"auth\", stale=TRUE"},
					     {"WWW-Authenticate", "Digest realm=\"r\", nonce=\"m2\", algorithm=MD5"}}};
	assert_int_equal(sip_challenge_of(&rs, &c), MCSEC_OK);
	assert_string_equal(c.nonce, "s");
	assert_true(c.sha256 && c.stale && c.qop_auth);
	rs.n_headers = 0;
	assert_int_equal(sip_challenge_of(&rs, &c), MCSEC_E_VALUE);
}

static void a_challenge_that_we_do_not_speak_or_that_is_out_of_shape_is_not_answered(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "",
	    "Basic realm=\"r\"",
	    "Digest ",
	    "Digest realm=\"r\"",
	    "Digest nonce=\"n\"",
	    "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
	    "Digest realm=\"r\", nonce=\"n\", algorithm=AKAv1-MD5",
	    "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
	    "Digest realm=\"r\", nonce=\"n",
	    "Digest realm=\"r\\\"x\", nonce=\"n\"",
	    "Digest realm=\"r\" nonce",
	    "Digest realm, nonce=\"n\"",
	};
	struct sip_challenge c;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (sip_challenge_read(bad[i], &c) != MCSEC_E_VALUE)
			fail_msg("answered: %s", bad[i]);
}

static void a_name_with_a_quote_is_not_written(void **state)
{
	(void)state;
	struct sip_challenge c = {.realm = "r", .nonce = "n"};
	char out[64];
	struct sip_digest d = mufasa;
	assert_int_equal(sip_digest_write(&c, &d, out, sizeof out), MCSEC_E_NO_SPACE);
	d.user = "a\", realm=\"x";
	assert_int_equal(sip_digest_write(&c, &d, out, sizeof out), MCSEC_E_VALUE);
	d = mufasa;
	d.uri = "sip:a\"b";
	assert_int_equal(sip_digest_write(&c, &d, out, sizeof out), MCSEC_E_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc_7616_3_9_1_the_example_with_sha_256),
	    cmocka_unit_test(rfc_7616_3_9_1_the_example_with_md5),
	    cmocka_unit_test(rfc_2069_an_answer_without_qop),
	    cmocka_unit_test(the_strongest_challenge_is_answered),
	    cmocka_unit_test(a_challenge_that_we_do_not_speak_or_that_is_out_of_shape_is_not_answered),
	    cmocka_unit_test(a_name_with_a_quote_is_not_written),
	};
	return cmocka_run_group_tests_name("sip_digest", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_config.c - the settings of mcx-kms (kms.md 18): what does not fit together is refused by a sentence that
 * names it, before anything is opened; what is left out has its documented value.
 */
#include "kms/config.h"
#include "unit/test.h"

#include <unistd.h>

#define BASE                                                                                                           \
	"uri = \"kms.a.test\"\ntls = \"x\"\nadmin_ca = \"y\"\ndatabase = \"db\"\nissuer = \"https://idms.a.test\"\n"   \
	"audience = \"https://mc.a.test\"\n"

static struct kms_config config;
static char err[512];

static int complete(const char *more)
{
	char path[] = "/tmp/mcx-kms-config-XXXXXX";
	int fd = mkstemp(path);
	dprintf(fd, "%s%s\n", BASE, more);
	close(fd);
	err[0] = 0;
	int rc = config_load(path, kms_options, kms_n_options, &config, err, sizeof err);
	if (!rc)
		rc = kms_config_complete(&config, err, sizeof err);
	unlink(path);
	return rc;
}

static void settings_that_do_not_fit_are_refused_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *more, *says;
	} t[] = {
	    {"period = 10\noffset = 10", "offset must be below period"},
	    {"enrolment = \"open\"", "enrolment is"},
	    {"custody = \"paper\"", "custody is"},
	    {"memory_lock = \"no\"", "memory_lock is"},
	    {"revocations = \"https://idms.a.test/r\"", "revocations needs revocations_cert"},
	    {"protect = \"all\"", "protect is"},
	    {"wrap_keys = \"some\"", "wrap_keys is"},
	    {"sign_responses = \"always\"", "sign_responses is"},
	    {"wrap_uri = \"rfc\"", "wrap_uri is"},
	    {"schema = \"rel16\"", "schema is"},
	    {"response_media_type = \"text/html\"", "response_media_type is"},
	    {"require_signed_request = true", "need protect"},
	    {"wrap_keys = \"always\"", "need protect"},
	    {"no_token_status = 402", "no_token_status is 401 or 403"},
	    {"no_token_status = 400", "no_token_status"},
	    {"servers = { \"srv\" }", "an entry of servers"},
	    {"servers = { \"=sip:srv@a.test\" }", "an entry of servers"},
	    {"directory = { \"*@a.test\" }", "an entry of directory"},
	    {"directory = { \"=kms.a.test\" }", "an entry of directory"},
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		if (complete(t[i].more) == 0 || !strstr(err, t[i].says))
			fail_msg("%s: %s", t[i].more, err);
}

static void an_issuer_too_long_for_its_key_set_is_refused(void **state)
{
	(void)state;
	char more[sizeof config.jwks + 64];
	size_t n = (size_t)snprintf(more, sizeof more, "issuer = \"https://");
	memset(more + n, 'a', sizeof config.jwks - 12);
	strcpy(more + n + sizeof config.jwks - 12, "\"");
	assert_int_not_equal(complete(more), 0);
	assert_non_null(strstr(err, "issuer"));
}

static void what_is_left_out_follows_from_the_rest(void **state)
{
	(void)state;
	assert_int_equal(complete("client_ca = \"z\"\nprotect = \"trk+ink\"\nrequire_signed_request = true"), 0);
	assert_string_equal(config.tls_key, config.tls);
	assert_string_equal(config.ca, config.client_ca);
	assert_string_equal(config.realm, config.uri);
	assert_string_equal(config.jwks, "https://idms.a.test/jwks");
	assert_non_null(strstr(config.transport_key, "db.transport-key"));
	assert_int_equal(
	    complete("custody = \"pkcs11\"\npkcs11_module = \"/m\"\npkcs11_token = \"t\"\njwks_file = \"j\""), 0);
	assert_string_equal(config.jwks, "");
	struct custody_place p = kms_custody_place(&config);
	assert_string_equal(p.token.token, "t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(settings_that_do_not_fit_are_refused_by_name),
	    cmocka_unit_test(an_issuer_too_long_for_its_key_set_is_refused),
	    cmocka_unit_test(what_is_left_out_follows_from_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

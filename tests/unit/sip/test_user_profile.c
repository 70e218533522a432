/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User profiles (TS 24.484 8.3.2, 9.3.2; user_profile.h): the KMS of each user of a private call list, in every place
 * where it is written; and documents that do not say whose KMS they name.
 */
#include "unit/test.h"

#include "mcx/doc/user_profile.h"
#include "unit/sip/user_profiles.h"

#define VIDEO                                                                                                          \
	"<mcvideo-user-profile xmlns=\"urn:3gpp:ns:mcvideo:user-profile:1.0\" XUI-URI=\"sip:alice@a.test\""            \
	" user-profile-index=\"0\"><Common><PrivateCall><PrivateCallList>"                                             \
	"<PrivateCallOnNetwork>" USER("0", BOB)                                                                        \
	    KMS("0", "kms.b") "</PrivateCallOnNetwork>"                                                                \
			      "<PrivateCallOnNetwork>" USER("0", CAROL)                                                \
				  KMS("0", "kms.c") "</PrivateCallOnNetwork>"                                          \
						    "</PrivateCallList></PrivateCall></Common></mcvideo-user-profile>"

static struct user_profile p;

static void reads(const char *text)
{
	size_t at = 0;
	enum mcsec_err e = user_profile_read(octets_of(text), &p, &at);
	if (e)
		fail_msg("%s at \"%.40s\"", mcsec_err_name(e), text + at);
}

static void refuses(const char *text, enum mcsec_err e, const char *where)
{
	size_t at = SIZE_MAX;
	assert_int_equal(user_profile_read(octets_of(text), &p, &at), e);
	assert_int_equal(p.n, 0);
	assert_null(p.entry);
	assert_true(at <= strlen(text));
	if (where && strncmp(text + at, where, strlen(where)) != 0)
		fail_msg("at \"%.40s\"", text + at);
}

static void the_kms_of_a_user_is_read_from_its_own_entry(void **state)
{
	(void)state;
	reads(in_entry);
	assert_int_equal(p.service, MCX_MCPTT);
	assert_string_equal(p.owner, "sip:alice@a.test");
	assert_int_equal(p.n, 1);
	assert_string_equal(user_profile_kms(&p, BOB), "kms.b");
	assert_null(user_profile_kms(&p, CAROL));
	assert_null(user_profile_kms(&p, "sip:BOB@b.test")); /* octet for octet */
	user_profile_free(&p);
}

static void a_kms_beside_the_entries_belongs_to_the_one_of_its_index(void **state)
{
	(void)state;
	reads(by_index);
	assert_int_equal(p.n, 2);
	assert_string_equal(user_profile_kms(&p, BOB), "kms.b");
	assert_string_equal(user_profile_kms(&p, CAROL), "kms.c");
	assert_null(user_profile_kms(&p, "sip:dave@a.test"));
	user_profile_free(&p);
}

static void one_entry_and_one_kms_belong_together(void **state)
{
	(void)state;
	reads(only_one);
	assert_string_equal(user_profile_kms(&p, BOB), "kms.b");
	user_profile_free(&p);
	/* as a public client writes it: without the outer element, and without anyExt */
	reads(HEAD("0") LIST(USER("0", BOB) "<PrivateCallKMSURI><uri-entry>kms.b</uri-entry></PrivateCallKMSURI>")
		  TAIL);
	assert_string_equal(user_profile_kms(&p, BOB), "kms.b");
	user_profile_free(&p);
}

static void an_empty_kms_uri_means_the_home_kms(void **state)
{
	(void)state;
	reads(HEAD("0") LIST(USER("0", BOB) EXT(KMS("0", ""))) TAIL);
	assert_string_equal(user_profile_kms(&p, BOB), "");
	user_profile_free(&p);
}

static void a_profile_of_mcvideo_has_the_kms_beside_each_user(void **state)
{
	(void)state;
	reads(VIDEO);
	assert_int_equal(p.service, MCX_MCVIDEO);
	assert_string_equal(user_profile_kms(&p, BOB), "kms.b");
	assert_string_equal(user_profile_kms(&p, CAROL), "kms.c");
	user_profile_free(&p);
}

static void what_else_a_profile_says_is_passed_over(void **state)
{
	(void)state;
	reads("<mcptt-user-profile xmlns=\"urn:3gpp:mcptt:user-profile:1.0\"><Status>true</Status><OnNetwork><anyExt>"
	      "<PrivateCallKMSURI/></anyExt></OnNetwork><x:y xmlns:x=\"urn:x\"/></mcptt-user-profile>");
	assert_int_equal(p.n, 0);
	assert_string_equal(p.owner, "");
	user_profile_free(&p);
}

static void a_kms_that_belongs_to_nobody_refuses_the_document(void **state)
{
	(void)state;
	refuses(HEAD("0") LIST(USER("0", BOB) USER("1", CAROL) EXT(KMS("2", "kms.b"))) TAIL, MCSEC_E_VALUE,
		"<PrivateCallKMSURI><");
	refuses(HEAD("0") LIST(USER("0", BOB) USER("0", CAROL) EXT(KMS("0", "kms.b"))) TAIL, MCSEC_E_VALUE,
		"<PrivateCallKMSURI><");
	refuses(HEAD("0") LIST(EXT(KMS("0", "kms.b"))) TAIL, MCSEC_E_VALUE, "<PrivateCallKMSURI><");
	refuses(HEAD("0") LIST(USER("0", BOB) EXT(KMS("1", "kms.b") KMS("2", "kms.c"))) TAIL, MCSEC_E_VALUE,
		"<PrivateCallKMSURI><");
}

static void a_user_of_two_kmss_or_without_a_name_refuses_the_document(void **state)
{
	(void)state;
	refuses(HEAD("0") LIST(USER("0", BOB) USER("1", BOB) EXT(KMS("0", "kms.b") KMS("1", "kms.c"))) TAIL,
		MCSEC_E_VALUE, "<PrivateCallURI index=\"1\"");
	refuses(HEAD("0") LIST("<PrivateCallURI><uri-entry>" BOB
			       "</uri-entry>" EXT(KMS("0", "kms.b") KMS("1", "kms.c")) "</PrivateCallURI>") TAIL,
		MCSEC_E_VALUE, "<PrivateCallURI>");
	refuses(HEAD("0") LIST("<PrivateCallURI index=\"0\"/>" EXT(KMS("0", "kms.b"))) TAIL, MCSEC_E_VALUE,
		"<PrivateCallURI");
	refuses(HEAD("0") LIST(USER("0", " ") EXT(KMS("0", "kms.b"))) TAIL, MCSEC_E_VALUE, "<PrivateCallURI");
	refuses(HEAD("0") LIST(USER("0", BOB) EXT("<PrivateCallKMSURI/>")) TAIL, MCSEC_E_VALUE, "<PrivateCallKMSURI/>");
	/* twice the same is no contradiction */
	reads(HEAD("0") LIST(USER("0", BOB) USER("1", BOB) EXT(KMS("0", "kms.b") KMS("1", "kms.b"))) TAIL);
	assert_int_equal(p.n, 1);
	user_profile_free(&p);
}

static void what_is_no_profile_is_refused(void **state)
{
	(void)state;
	refuses("", MCSEC_E_LENGTH, NULL);
	refuses("<a/>", MCSEC_E_MALFORMED, "<a/>");
	refuses("<mcptt-user-profile/>", MCSEC_E_MALFORMED, "<mcptt");
	refuses("<mcvideo-user-profile xmlns=\"urn:3gpp:mcptt:user-profile:1.0\"/>", MCSEC_E_MALFORMED, "<mcvideo");
	refuses("<!DOCTYPE a><mcptt-user-profile xmlns=\"urn:3gpp:mcptt:user-profile:1.0\"/>", MCSEC_E_MALFORMED,
		"<!DOCTYPE");
	refuses(HEAD("0"), MCSEC_E_MALFORMED, NULL);
}

static void texts_and_entries_are_bounded(void **state)
{
	(void)state;
	static char text[USER_PROFILE_MAX + 2];
	char longer[400];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	snprintf(text, sizeof text, "%s<PrivateCallList>%s<PrivateCallURI index=\"0\"><uri-entry>%s</uri-entry>%s%s%s",
		 HEAD("0"), "", longer, "</PrivateCallURI>" EXT(KMS("0", "kms.b")), "</PrivateCallList>", TAIL);
	refuses(text, MCSEC_E_NO_SPACE, "<PrivateCallURI");
	snprintf(text, sizeof text, "<mcptt-user-profile xmlns=\"urn:3gpp:mcptt:user-profile:1.0\" XUI-URI=\"%s\"/>",
		 longer);
	refuses(text, MCSEC_E_NO_SPACE, "<mcptt");
	struct writer w = wr_init((uint8_t *)text, sizeof text - 1);
	wr_text(&w, HEAD("0") "<PrivateCallList>");
	for (int i = 0; i <= USER_PROFILE_ENTRIES; i++) {
		char one[200];
		snprintf(
		    one, sizeof one,
		    "<PrivateCallURI><uri-entry>s:%d</uri-entry><anyExt><PrivateCallKMSURI><uri-entry>k</uri-entry>"
		    "</PrivateCallKMSURI></anyExt></PrivateCallURI>",
		    i);
		wr_text(&w, one);
	}
	wr_text(&w, "</PrivateCallList>" TAIL);
	assert_int_equal(w.err, MCSEC_OK);
	text[wr_len(&w)] = 0;
	refuses(text, MCSEC_E_NO_SPACE, "<PrivateCallURI><uri-entry>s:4096<");
	memset(text, ' ', sizeof text - 1);
	text[sizeof text - 1] = 0;
	refuses(text, MCSEC_E_LENGTH, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_kms_of_a_user_is_read_from_its_own_entry),
	    cmocka_unit_test(a_kms_beside_the_entries_belongs_to_the_one_of_its_index),
	    cmocka_unit_test(one_entry_and_one_kms_belong_together),
	    cmocka_unit_test(an_empty_kms_uri_means_the_home_kms),
	    cmocka_unit_test(a_profile_of_mcvideo_has_the_kms_beside_each_user),
	    cmocka_unit_test(what_else_a_profile_says_is_passed_over),
	    cmocka_unit_test(a_kms_that_belongs_to_nobody_refuses_the_document),
	    cmocka_unit_test(a_user_of_two_kmss_or_without_a_name_refuses_the_document),
	    cmocka_unit_test(what_is_no_profile_is_refused),
	    cmocka_unit_test(texts_and_entries_are_bounded),
	};
	return cmocka_run_group_tests_name("user_profile", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the form to tokens and on (checklist lines B and C of identity.md 18), against a server in this process.
 */
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

static void b1_the_flow_ends_in_tokens_that_verify_with_the_published_keys(void **state)
{
	(void)state;
	struct token_claims access, id;
	struct reply r = redeem(new_code());
	assert_int_equal(r.status, 200);
	assert_string_equal(member(&r, "token_type"), "Bearer");
	assert_string_equal(member(&r, "scope"), PTT_SCOPE_TEXT);
	assert_int_equal(check_token(member(&r, "access_token"), AUDIENCE, "at+jwt", &access), TOKEN_OK);
	assert_int_equal(check_token(member(&r, "id_token"), "mcx-ue", "JWT", &id), TOKEN_OK);
	assert_string_equal(access.mcptt_id, "sip:alice@mcptt.a.example");
	assert_string_equal(id.mcptt_id, "sip:alice@mcptt.a.example");
	assert_string_equal(id.subject, access.subject);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(b1_the_flow_ends_in_tokens_that_verify_with_the_published_keys),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ue_signin.c - tokens at a client engine (flows 1.1, 0.2; kms.md 8.2): whose they are, when they are renewed,
 * what the user hears where they cannot be had, and where new ones or new keys are the server's condition for the next
 * try.
 */
#include "e2e/ue_lab.h"
#include "mcx/doc/kms_doc.h"
#include "ue/engine.h"
#include "unit/test.h"

#include <time.h>
#include <unistd.h>

static struct signin_tokens given;

/* What the identity server gives from now on: of that user, NULL for nobody's. */
static void gives(const char *mcptt_id, const char *access)
{
	given = (struct signin_tokens){.expires_at = time(NULL) + 86400, .refresh_at = time(NULL) + 86400};
	snprintf(given.access, sizeof given.access, "%s", access);
	snprintf(given.refresh, sizeof given.refresh, "refresh-%s", access);
	snprintf(given.mcptt_id, sizeof given.mcptt_id, "%s", mcptt_id ? mcptt_id : "");
	lab_tokens = &given;
}

static void begin(void)
{
	ue_free(lab_alice);
	lab_tokens = NULL;
	lab_alice = lab_client(lab, LAB_ALICE, NULL);
}

static void registered(void)
{
	struct ue_report r;
	begin();
	if (ue_register(lab_alice, &r))
		fail_msg("register: %s", r.text);
}

static void has_token(const char *access)
{
	assert_string_equal(lab_alice->tokens->access, access);
}

static void a_sign_in_that_does_not_serve_leaves_the_tokens_that_were(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	assert_int_equal(ue_sign_in(lab_alice, "secret", &r), UE_SIGN_IN);
	assert_non_null(strstr(r.text, "no identity server"));
	gives(NULL, "nobodys");
	assert_int_equal(ue_sign_in(lab_alice, "secret", &r), UE_SIGN_IN);
	assert_non_null(strstr(r.text, "gave no MCPTT ID"));
	has_token("token-of-the-lab");
	lab_tokens = NULL;
	assert_int_equal(ue_register(lab_alice, &r), UE_OK);
	gives(LAB_BOB, "bobs");
	assert_int_equal(ue_sign_in(lab_alice, "secret", &r), UE_STATE);
	assert_non_null(strstr(r.text, "log off first"));
	has_token("token-of-the-lab");
}

static void a_new_sign_in_of_the_same_user_is_taken_while_registered_and_uploaded_next(void **state)
{
	(void)state;
	struct ue_report r;
	registered();
	gives(LAB_ALICE, "second");
	assert_int_equal(ue_sign_in(lab_alice, "secret", &r), UE_OK);
	has_token("second");
	assert_int_equal(ue_register(lab_alice, &r), UE_OK);
	assert_string_equal(lab_last_register(lab).token, "second");
	ue_free(lab_alice);
	lab_alice = NULL;
}

static void a_token_is_refreshed_when_it_is_time_and_used_while_it_is_good(void **state)
{
	(void)state;
	struct ue_report r;
	struct signin_tokens *t;
	begin();
	t = lab_alice->tokens;
	assert_int_equal(ue_token_fresh(lab_alice, 0, &r), UE_OK);
	assert_string_equal(r.text, "the token is fresh");
	t->refresh_at = 1;
	assert_int_equal(ue_token_fresh(lab_alice, 0, &r), UE_OK); /* there is no refresh token */
	assert_string_equal(r.text, "the token is still good");
	assert_int_equal(ue_token_fresh(lab_alice, 1, &r), UE_SIGN_IN);
	assert_string_equal(r.text, "sign in anew");
	strcpy(t->refresh, "refresh-1");
	assert_int_equal(ue_token_fresh(lab_alice, 0, &r), UE_OK); /* the identity server is away */
	assert_string_equal(r.text, "the token is still good");
	assert_int_equal(ue_token_fresh(lab_alice, 1, &r), UE_UNREACHABLE);
	t->expires_at = 1;
	assert_int_equal(ue_token_fresh(lab_alice, 0, &r), UE_UNREACHABLE);
	gives(LAB_ALICE, "third");
	assert_int_equal(ue_token_fresh(lab_alice, 0, &r), UE_OK);
	assert_string_equal(r.text, "the token was refreshed");
	has_token("third");
}

#define UNAUTHORISED "399 lab \"101 service authorisation failed\""
#define BAD_MIKEY    "399 lab \"136 authentication of the MIKEY-SAKKE I_MESSAGE failed\""

static void a_server_that_refuses_the_token_gets_a_new_one_once(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	strcpy(lab_alice->tokens->refresh, "refresh-1");
	gives(LAB_ALICE, "renewed");
	lab_refuse_registers(lab, 1, 403, UNAUTHORISED);
	assert_int_equal(ue_register(lab_alice, &r), UE_OK);
	assert_string_equal(lab_last_register(lab).token, "renewed");
	unsigned before = lab_registers(lab);
	lab_refuse_registers(lab, 100, 403, UNAUTHORISED);
	assert_int_equal(ue_register(lab_alice, &r), UE_REFUSED);
	assert_int_equal(r.warning, 101);
	assert_int_equal(lab_registers(lab), before + 2);
	assert_int_equal(ue_csk_id(lab_alice), 0);
	lab_refuse_registers(lab, 0, 0, NULL);
}

static void where_no_new_token_can_be_had_the_user_is_told_and_nothing_is_sent(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	unsigned before = lab_registers(lab);
	lab_refuse_registers(lab, 1, 403, UNAUTHORISED);
	assert_int_equal(ue_register(lab_alice, &r), UE_SIGN_IN);
	assert_string_equal(r.text, "sign in anew");
	assert_int_equal(lab_registers(lab), before + 1);
	assert_int_equal(ue_csk_id(lab_alice), 0);
	assert_int_equal(ue_register(lab_alice, &r), UE_OK); /* the next try begins anew */
}

static void where_the_keys_are_doubted_and_no_kms_answers_the_user_is_told(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	unsigned before = lab_registers(lab);
	lab_refuse_registers(lab, 1, 488, BAD_MIKEY);
	assert_int_equal(ue_register(lab_alice, &r), UE_KEYS);
	assert_non_null(strstr(r.text, "unreachable"));
	assert_int_equal(lab_registers(lab), before + 1);
	assert_int_equal(ue_csk_id(lab_alice), 0);
	assert_int_equal(ue_register(lab_alice, &r), UE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sign_in_that_does_not_serve_leaves_the_tokens_that_were),
	    cmocka_unit_test(a_new_sign_in_of_the_same_user_is_taken_while_registered_and_uploaded_next),
	    cmocka_unit_test(a_token_is_refreshed_when_it_is_time_and_used_while_it_is_good),
	    cmocka_unit_test(a_server_that_refuses_the_token_gets_a_new_one_once),
	    cmocka_unit_test(where_no_new_token_can_be_had_the_user_is_told_and_nothing_is_sent),
	    cmocka_unit_test(where_the_keys_are_doubted_and_no_kms_answers_the_user_is_told),
	};
	return cmocka_run_group_tests_name("ue_signin", tests, lab_set_up, lab_tear_down);
}

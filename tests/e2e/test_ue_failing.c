/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ue_failing.c - a client engine whose store, random source, threads, sockets or sending fail in the middle of
 * what its user does: each such call fails once, alone. The engine then does what it was asked or says in a sentence
 * that it did not, and the next try succeeds; nothing is sent under a key that the store does not hold.
 */
#include "fuzz/failing.h"

#include "e2e/ue_lab_in.h"
#include "ue/engine.h"
#include "unit/test.h"

enum { RUNS_MAX = 200 };

static void client(const struct ue_config *c)
{
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, c);
}

static void signed_in(void)
{
	client(NULL);
}

static void publishing(void)
{
	client(&(struct ue_config){.publish = 1});
}

static void registered(void)
{
	struct ue_report r;
	client(NULL);
	if (ue_register(lab_alice, &r))
		fail_msg("register: %s", r.text);
}

static enum ue_status come(struct ue_report *r)
{
	return ue_register(lab_alice, r);
}

static enum ue_status go(struct ue_report *r)
{
	return ue_log_off(lab_alice, r);
}

/* Bob is not there: the key, the offer and the INVITE are made all the same. */
static enum ue_status call(struct ue_report *r)
{
	lab_refuse(lab, "INVITE", 1, 480, NULL);
	enum ue_status s = ue_call(lab_alice, &(struct ue_call){.target = LAB_BOB}, r);
	return s == UE_REFUSED && r->sip_status == 480 ? UE_OK : s;
}

/* Tokens that could not be kept are not used: they would not be there after the next start. */
static enum ue_status sign_in(struct ue_report *r)
{
	static const struct signin_tokens tokens = {.access = "new", .mcptt_id = LAB_ALICE, .expires_at = INT64_MAX};
	char before[sizeof tokens.access];
	strcpy(before, lab_alice->tokens->access);
	lab_tokens = &tokens;
	enum ue_status s = ue_sign_in(lab_alice, "secret", r);
	assert_string_equal(lab_alice->tokens->access, s ? before : "new");
	return s;
}

static void csk_is_the_servers(void)
{
	struct lab_register l = lab_last_register(lab);
	assert_true(l.csk_opened);
	assert_int_equal(l.csk_id, ue_csk_id(lab_alice));
}

static void csk_is_gone(void)
{
	assert_int_equal(ue_csk_id(lab_alice), 0);
}

static void nothing(void)
{
}

static const struct deed {
	const char *name;
	void (*prepare)(void);
	enum ue_status (*act)(struct ue_report *r);
	void (*holds)(void); /* after success */
} deeds[] = {
    {"a sign-in", signed_in, sign_in, nothing},
    {"a registration", signed_in, come, csk_is_the_servers},
    {"a registration by PUBLISH", publishing, come, csk_is_the_servers},
    {"a call", registered, call, nothing},
    {"a log-off", registered, go, csk_is_gone},
};

static unsigned try_all(const struct deed *d)
{
	failing_forget();
	for (unsigned n = 0; n < RUNS_MAX; n++) {
		struct ue_report r = {0};
		d->prepare();
		failing_begin();
		enum ue_status s = d->act(&r);
		int failed = failing_end() != FAILING_NONE;
		if (s && (!failed || !r.text[0]))
			fail_msg("%s: %s '%s'", d->name, ue_status_name(s), r.text);
		if (s && (s = d->act(&r)))
			fail_msg("%s again: %s '%s'", d->name, ue_status_name(s), r.text);
		d->holds();
		if (!failed)
			return n;
	}
	fail_msg("%s never came to an end", d->name);
	return 0;
}

static void spare(void *arg)
{
	struct lab *l = arg;
	failing_spare(1);
	sem_post(&l->answered);
}

static void each_call_that_fails_is_told_and_the_next_try_succeeds(void **state)
{
	unsigned all = 0;
	(void)state;
	assert_int_equal(sip_loop_post(lab->loop, spare, lab), 0); /* the server is the test's */
	while (sem_wait(&lab->answered))
		;
	for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
		unsigned n = try_all(&deeds[i]);
		print_message("# %s: %u calls failed\n", deeds[i].name, n);
		all += n;
	}
	assert_true(all > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_call_that_fails_is_told_and_the_next_try_succeeds),
	};
	return cmocka_run_group_tests_name("ue_failing", tests, lab_set_up, lab_tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initiator of a refused I_MESSAGE and the KMS redirect it gets (interconnect.md 5.3; flows 9): what is believed,
 * and which KMS is tried next. What a maker writes is tested where one does: test_server_redirect.c,
 * test_ue_redirect.c.
 */
#include "unit/test.h"

#include "mcx/flow/redirect.h"

#define HOME "kms.home.test"
static const struct redirect_sent sent = {0x2a1b3c4d, {"sip:mdsi@home.test", NULL}};

static struct krr *a_krr(const char *const *kmss, size_t n)
{
	struct krr *k = krr_new();
	strcpy(k->key_id, "2a1b3c4d");
	strcpy(k->initiator_uri, "sip:alice@home.test");
	strcpy(k->receiver_uri, "sip:mdsi@home.test");
	strcpy(k->rejected_receiver_kms, "kms.first.test");
	strcpy(k->processor_uri, "sip:mcptt@home.test");
	k->time = 1390733998;
	k->receiver_kms.present = 1;
	for (size_t i = 0; i < n; i++)
		strcpy(k->receiver_kms.uri[k->receiver_kms.n++], kmss[i]);
	return k;
}

static void one_is_believed_that_names_our_message_and_is_signed_by_whom_we_trust(void **state)
{
	(void)state;
	struct krr *k = a_krr(NULL, 0);
	assert_int_equal(redirect_judge(k, KRR_VERIFIED, 0, &sent), REDIRECT_OURS);
	krr_free(k);
}

static void mcx_sec_344_one_of_no_message_of_ours_is_unsolicited_whoever_signed_it(void **state)
{
	(void)state;
	struct redirect_sent other = sent;
	struct krr *k = a_krr(NULL, 0);
	other.key_id ^= 1;
	assert_int_equal(redirect_judge(k, KRR_VERIFIED, 1, &other), REDIRECT_UNSOLICITED);
	other = sent;
	other.receiver[0] = "sip:bob@home.test";
	assert_int_equal(redirect_judge(k, KRR_VERIFIED, 1, &other), REDIRECT_UNSOLICITED);
	other.receiver[1] = "sip:mdsi@home.test"; /* a hidden receiver goes by either of its names */
	assert_int_equal(redirect_judge(k, KRR_VERIFIED, 1, &other), REDIRECT_OURS);
	krr_free(k);
}

static void mcx_sec_343_a_forged_one_is_never_trusted_and_an_unsigned_one_only_by_setting(void **state)
{
	(void)state;
	struct krr *k = a_krr(NULL, 0);
	assert_int_equal(redirect_judge(k, KRR_FORGED, 0, &sent), REDIRECT_UNTRUSTED);
	assert_int_equal(redirect_judge(k, KRR_FORGED, 1, &sent), REDIRECT_UNTRUSTED);
	assert_int_equal(redirect_judge(k, KRR_UNSIGNED, 0, &sent), REDIRECT_UNTRUSTED);
	assert_int_equal(redirect_judge(k, KRR_UNSIGNED, 1, &sent), REDIRECT_OURS);
	krr_free(k);
}

/* ---- the choice ---- */

static const char *holds[8], *revoked;
static unsigned looked;

static int certificate(void *ctx, const char *kms_uri)
{
	(void)ctx;
	looked++;
	for (size_t i = 0; holds[i]; i++)
		if (!strcmp(holds[i], kms_uri))
			return 1;
	return revoked && !strcmp(revoked, kms_uri) ? -1 : 0;
}

static const struct redirect_held held = {certificate, HOME, NULL};
static char chosen[KMS_URI_MAX];
static const char *why;

static enum redirect_choice choose(struct redirect *r, const struct krr *k)
{
	return redirect_choose(r, k, "kms.first.test", &held, chosen, &why);
}

static void hold(const char *a, const char *b, const char *c)
{
	memset(holds, 0, sizeof holds);
	holds[0] = a;
	holds[1] = a ? b : NULL;
	holds[2] = b ? c : NULL;
	revoked = NULL;
}

static void the_first_listed_kms_whose_certificate_is_held_is_tried(void **state)
{
	(void)state;
	const char *list[] = {"kms.first.test", "kms.b.test", "kms.c.test"};
	struct krr *k = a_krr(list, 3);
	struct redirect r = {0};
	hold("kms.first.test", "kms.b.test", "kms.c.test");
	assert_int_equal(choose(&r, k), REDIRECT_TRY); /* not the one that was just refused */
	assert_string_equal(chosen, "kms.b.test");
	assert_int_equal(choose(&r, k), REDIRECT_TRY);
	assert_string_equal(chosen, "kms.c.test");
	assert_int_equal(choose(&r, k), REDIRECT_END); /* never the same twice */
	krr_free(k);
}

static void mcx_sec_342_a_certificate_that_is_not_held_is_asked_for_once_and_else_the_next_is_tried(void **state)
{
	(void)state;
	const char *list[] = {"kms.b.test", "kms.c.test"};
	struct krr *k = a_krr(list, 2);
	struct redirect r = {0};
	hold("kms.c.test", NULL, NULL);
	assert_int_equal(choose(&r, k), REDIRECT_FETCH);
	assert_string_equal(chosen, "kms.b.test");
	assert_int_equal(choose(&r, k), REDIRECT_TRY);
	assert_string_equal(chosen, "kms.c.test");
	r = (struct redirect){0};
	assert_int_equal(choose(&r, k), REDIRECT_FETCH);
	hold("kms.c.test", "kms.b.test", NULL); /* it came */
	assert_int_equal(choose(&r, k), REDIRECT_TRY);
	assert_string_equal(chosen, "kms.b.test");
	krr_free(k);
}

static void so_many_certificates_are_asked_for_in_a_round_and_no_more(void **state)
{
	(void)state;
	const char *list[] = {"kms.1.test", "kms.2.test", "kms.3.test", "kms.4.test", "kms.5.test"};
	struct krr *k = a_krr(list, 5);
	struct redirect r = {0};
	hold(NULL, NULL, NULL);
	for (int i = 0; i < REDIRECT_FETCHES; i++)
		assert_int_equal(choose(&r, k), REDIRECT_FETCH);
	assert_int_equal(choose(&r, k), REDIRECT_END);
	assert_non_null(strstr(why, "none is left"));
	krr_free(k);
}

static void a_revoked_kms_is_neither_tried_nor_asked_for(void **state)
{
	(void)state;
	const char *list[] = {"kms.b.test"};
	struct krr *k = a_krr(list, 1);
	struct redirect r = {0};
	hold(NULL, NULL, NULL);
	revoked = "kms.b.test";
	assert_int_equal(choose(&r, k), REDIRECT_END);
	krr_free(k);
}

static void mcx_sec_346_after_three_rounds_it_is_over(void **state)
{
	(void)state;
	const char *names[] = {"kms.a.test", "kms.b.test", "kms.c.test", "kms.d.test"};
	struct redirect r = {0};
	memset(holds, 0, sizeof holds);
	memcpy(holds, names, sizeof names);
	for (int i = 0; i < 4; i++) {
		struct krr *k = a_krr(names, 4);
		assert_int_equal(choose(&r, k), i < REDIRECT_ROUNDS ? REDIRECT_TRY : REDIRECT_END);
		krr_free(k);
	}
	assert_non_null(strstr(why, "three"));
}

static void mcx_sec_347_an_empty_list_or_none_ends_it_and_nothing_is_looked_for(void **state)
{
	(void)state;
	struct krr *k = a_krr(NULL, 0);
	struct redirect r = {0};
	looked = 0;
	assert_int_equal(choose(&r, k), REDIRECT_END);
	k->receiver_kms.present = 0;
	assert_int_equal(choose(&r, k), REDIRECT_END);
	assert_int_equal(looked, 0);
	krr_free(k);
}

static void a_domain_that_does_not_accept_our_own_kms_ends_it(void **state)
{
	(void)state;
	const char *list[] = {"kms.b.test"};
	struct krr *k = a_krr(list, 1);
	struct redirect r = {0};
	hold("kms.b.test", NULL, NULL);
	k->initiator_kms.present = 1;
	strcpy(k->initiator_kms.uri[k->initiator_kms.n++], "kms.other.test");
	assert_int_equal(choose(&r, k), REDIRECT_END);
	assert_non_null(strstr(why, "our own KMS"));
	strcpy(k->initiator_kms.uri[k->initiator_kms.n++], HOME);
	assert_int_equal(choose(&r, k), REDIRECT_TRY);
	memset(&k->initiator_kms, 0, sizeof k->initiator_kms);
	r = (struct redirect){0};
	strcpy(k->rejected_initiator_kms, HOME); /* no list, but it is what was refused */
	assert_int_equal(choose(&r, k), REDIRECT_END);
	krr_free(k);
}

static void a_document_gets_an_id_unlike_those_it_embeds(void **state)
{
	(void)state;
	static uint8_t text[KRR_BOUND];
	struct krr *k = a_krr(NULL, 0), *back;
	struct kms_fault f;
	struct writer w = wr_init(text, sizeof text);
	k->embedded = a_krr(NULL, 0);
	assert_int_equal(redirect_write(&w, k->embedded, NULL, &mcsec_rng_system), MCSEC_OK);
	w = wr_init(text, sizeof text);
	assert_int_equal(redirect_write(&w, k, NULL, &mcsec_rng_system), MCSEC_OK);
	assert_string_not_equal(k->id, k->embedded->id);
	assert_int_equal(krr_read(&back, wr_result(&w), &f), MCSEC_OK);
	assert_true(krr_same_matter(k, back));
	assert_string_equal(back->embedded->id, k->embedded->id);
	krr_free(back);
	krr_free(k);
}

static void what_is_no_i_message_has_no_redirect(void **state)
{
	(void)state;
	struct redirect_refusal r = {.message = octets_of("no message"), .processor = "sip:mcptt@home.test"};
	assert_null(redirect_make(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_is_believed_that_names_our_message_and_is_signed_by_whom_we_trust),
	    cmocka_unit_test(mcx_sec_344_one_of_no_message_of_ours_is_unsolicited_whoever_signed_it),
	    cmocka_unit_test(mcx_sec_343_a_forged_one_is_never_trusted_and_an_unsigned_one_only_by_setting),
	    cmocka_unit_test(the_first_listed_kms_whose_certificate_is_held_is_tried),
	    cmocka_unit_test(mcx_sec_342_a_certificate_that_is_not_held_is_asked_for_once_and_else_the_next_is_tried),
	    cmocka_unit_test(so_many_certificates_are_asked_for_in_a_round_and_no_more),
	    cmocka_unit_test(a_revoked_kms_is_neither_tried_nor_asked_for),
	    cmocka_unit_test(mcx_sec_346_after_three_rounds_it_is_over),
	    cmocka_unit_test(mcx_sec_347_an_empty_list_or_none_ends_it_and_nothing_is_looked_for),
	    cmocka_unit_test(a_domain_that_does_not_accept_our_own_kms_ends_it),
	    cmocka_unit_test(a_document_gets_an_id_unlike_those_it_embeds),
	    cmocka_unit_test(what_is_no_i_message_has_no_redirect),
	};
	return cmocka_run_group_tests_name("redirect", tests, NULL, NULL);
}

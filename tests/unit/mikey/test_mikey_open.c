/* SPDX-License-Identifier: Apache-2.0 */
/* The order of checks when a message is opened (mikey 10): each refusal with its name and offset. */
#include "lab.h"

#include <pthread.h>

#include "mcsec/secret.h"
#include "sec/ibc/engine.h"

enum { RAND = 20, IDRI_ID = 43, IDRR_ID = 68 };

/* Offsets that depend on who is named: in Alice's message to Bob, and to the server. */
struct offsets {
	size_t kmsi_id, kmsr_id, sed, sig;
};
static const struct offsets to_bob = {91, 110, 129, 404}, to_mdsi = {88, 107, 126, 401};

static unsigned decapsulations;
enum mcsec_err __real_mcsec_sakke_decapsulate(const struct mcsec_keyset *keys, const uint8_t *sed, size_t sed_len,
					      uint8_t ssv[MCSEC_SSV_LEN]);
enum mcsec_err __wrap_mcsec_sakke_decapsulate(const struct mcsec_keyset *keys, const uint8_t *sed, size_t sed_len,
					      uint8_t ssv[MCSEC_SSV_LEN]);

/* The linker sends every decapsulation here (--wrap): they are counted. */
enum mcsec_err __wrap_mcsec_sakke_decapsulate(const struct mcsec_keyset *keys, const uint8_t *sed, size_t sed_len,
					      uint8_t ssv[MCSEC_SSV_LEN])
{
	decapsulations++;
	return __real_mcsec_sakke_decapsulate(keys, sed, sed_len, ssv);
}

static struct message call(void **state)
{
	struct mcsec_im_make what = private_call(*state);
	return made(*state, &what);
}

static void a_tag_that_is_not_expected_or_not_defined_is_refused(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	expect.tags = MCSEC_TAG_BIT(MCSEC_CSK) | MCSEC_TAG_BIT(MCSEC_MUSIK);
	refused(&lab->bob, &expect, &m, MCSEC_E_WRONG_TAG, 4);
	expect.tags |= MCSEC_TAG_BIT(MCSEC_PCK);
	mcsec_im_free(opened(&lab->bob, &expect, &m));
}

static void a_message_over_8_kib_is_refused_before_it_is_copied(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_job *job;
	struct mcsec_fault fault;
	struct mcsec_im_expect expect = now();
	uint8_t *big = calloc(1, MCSEC_IM_MAX + 1);
	assert_int_equal(mcsec_im_begin(&job, &lab->bob, &expect, big, MCSEC_IM_MAX + 1, &fault), MCSEC_E_MALFORMED);
	assert_null(job);
	assert_string_equal(fault.detail, "the message is longer than 8 KiB");
	free(big);
}

static void mcx_sec_140_tags_7_to_15_are_refused(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	for (uint8_t tag = 7; tag < 16; tag++) {
		struct message m = call(state);
		m.octets[4] = (uint8_t)(tag << 4 | 0x0a);
		signed_by(lab, &lab->alice, &m);
		refused(&lab->bob, &expect, &m, MCSEC_E_WRONG_TAG, 4);
	}
}

static void a_message_for_another_identity_is_not_for_us(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	const char *const me[] = {MDSI};
	refused(&lab->mdsi, &expect, &m, MCSEC_E_NOT_FOR_US, IDRR_ID);
	expect.selves = me; /* ours, but not meant in this context */
	expect.n_selves = 1;
	refused(&lab->all, &expect, &m, MCSEC_E_NOT_FOR_US, IDRR_ID);
}

static void a_responders_kms_that_is_not_ours_is_told_after_the_signature(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	what.responder_kms = FAR_KMS;
	struct message m = made(lab, &what);
	struct mcsec_im_job *job;
	struct mcsec_im *im;
	struct mcsec_fault fault;
	refused(&lab->bob, &expect, &m, MCSEC_E_KMS_REFUSED, to_bob.kmsr_id);
	assert_int_equal(mcsec_im_begin(&job, &lab->bob, &expect, m.octets, m.len, &fault), MCSEC_OK);
	decapsulations = 0;
	mcsec_im_work(job);
	assert_int_equal(mcsec_im_finish(job, NULL, NOW, &im, &fault), MCSEC_E_KMS_REFUSED);
	assert_int_equal(decapsulations, 0);
	m.octets[m.len - 1] ^= 1; /* a forged one earns no redirect; FAR_KMS is one octet longer */
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_SIGNATURE, to_bob.sig + 1);
}

static void an_initiators_kms_without_certificate_is_refused_unverified(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	struct mcsec_im_kms kms = lab->kms[0];
	struct mcsec_im_book book = lab->bob;
	book.kms = &lab->kms[1];
	book.n_kms = 1;
	refused(&book, &expect, &m, MCSEC_E_KMS_REFUSED, to_bob.kmsi_id);
	book.kms = &kms;
	kms.valid_from = NOW + 1;
	refused(&book, &expect, &m, MCSEC_E_KMS_REFUSED, to_bob.kmsi_id);
	kms.valid_from = NOW - 10;
	kms.valid_to = NOW - 1;
	refused(&book, &expect, &m, MCSEC_E_KMS_REFUSED, to_bob.kmsi_id);
	kms.valid_to = NOW;
	mcsec_im_free(opened(&book, &expect, &m));
}

static void mcx_sec_146_t_may_lie_300_seconds_off_and_no_more(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	static const int64_t good[] = {-300, 0, 300}, bad[] = {-301, 301, -600, 600, 100000000};
	for (size_t i = 0; i < 3; i++) {
		expect.now = (uint64_t)((int64_t)NOW + good[i]);
		mcsec_im_free(opened(&lab->bob, &expect, &m));
	}
	for (size_t i = 0; i < 5; i++) {
		expect.now = (uint64_t)((int64_t)NOW + bad[i]);
		refused(&lab->bob, &expect, &m, MCSEC_E_BAD_TIME, 12);
	}
	expect = now();
	expect.now = NOW + 900; /* off network */
	expect.past = 900;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	expect.now = NOW - 2;
	expect.future = 1;
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_TIME, 12);
}

static void a_stored_group_key_may_be_old_but_not_older_than_the_current_one(void **state)
{
	struct lab *lab = *state;
	static const enum mcsec_key_kind stored[] = {MCSEC_GMK, MCSEC_MKFC};
	for (size_t i = 0; i < 2; i++) {
		struct mcsec_im_make what = private_call(lab);
		struct mcsec_im_expect expect = now();
		what.kind = stored[i];
		what.k_id = (uint32_t)stored[i] << 28 | 0x0a1b2c3d;
		struct message m = made(lab, &what);
		expect.now = NOW + 80000000;
		mcsec_im_free(opened(&lab->bob, &expect, &m));
		expect.not_before = NOW;
		mcsec_im_free(opened(&lab->bob, &expect, &m));
		expect.not_before = NOW + 1;
		refused(&lab->bob, &expect, &m, MCSEC_E_BAD_TIME, 12);
		expect.not_before = 0;
		expect.past = 1000;
		refused(&lab->bob, &expect, &m, MCSEC_E_BAD_TIME, 12);
		expect.now = NOW - 301;
		refused(&lab->bob, &expect, &m, MCSEC_E_BAD_TIME, 12);
	}
}

static struct mcsec_replay *memory(void)
{
	struct mcsec_replay *cache;
	assert_int_equal(mcsec_replay_new(&cache, 100), MCSEC_OK);
	return cache;
}

static void mcx_sec_147_the_same_message_again_is_a_replay(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	expect.replay = memory();
	struct mcsec_im *im = opened(&lab->bob, &expect, &m);
	assert_int_equal(im->remember, 1);
	assert_int_equal(im->entry.until, NOW + 600);
	mcsec_im_free(im);
	refused(&lab->bob, &expect, &m, MCSEC_E_REPLAY, MCSEC_NO_OFFSET);
	mcsec_replay_free(expect.replay);
}

static void a_second_form_of_the_same_signature_is_a_replay_too(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	expect.replay = memory();
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	struct n256 s, minus_s, zero = {{0}};
	assert_true(scalar_load(&s, m.octets + to_bob.sig + 32));
	scalar_sub(&minus_s, &zero, &s);
	scalar_store(m.octets + to_bob.sig + 32, &minus_s); /* r, n - s verifies as well as r, s */
	refused(&lab->bob, &expect, &m, MCSEC_E_REPLAY, MCSEC_NO_OFFSET);
	mcsec_replay_free(expect.replay);
	expect.replay = NULL;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
}

static void mcx_sec_148_the_dialogs_current_message_is_no_replay_and_may_be_old(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state), other = call(state);
	struct mcsec_im_expect expect = now();
	other.octets[RAND + 2] ^= 1;
	signed_by(lab, &lab->alice, &other);
	expect.replay = memory();
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	mcsec_im_free(opened(&lab->bob, &expect, &other));
	expect.current = m.octets;
	expect.current_len = m.len;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	expect.now += 3600;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	expect.now = NOW;
	refused(&lab->bob, &expect, &other, MCSEC_E_REPLAY, MCSEC_NO_OFFSET);
	mcsec_replay_free(expect.replay);
}

static void a_group_key_seen_before_opens_again_with_a_note(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	what.kind = MCSEC_GMK;
	what.k_id = 0x0a1b2c3d;
	struct message m = made(lab, &what);
	expect.replay = memory();
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	struct mcsec_im *im = opened(&lab->bob, &expect, &m);
	assert_int_equal(im->notes, MCSEC_NOTE_AGAIN);
	assert_int_equal(im->remember, 0);
	mcsec_im_free(im);
	mcsec_replay_free(expect.replay);
}

/* A sender whose clock is ahead: the message stays good until T itself is past its window. */
static void a_message_from_ahead_is_remembered_as_long_as_it_would_be_accepted(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	expect.past = 60;
	expect.replay = memory();
	expect.now = NOW - 300;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	expect.now = NOW + 60;
	refused(&lab->bob, &expect, &m, MCSEC_E_REPLAY, MCSEC_NO_OFFSET);
	mcsec_replay_free(expect.replay);
}

static void a_message_that_is_refused_is_not_remembered(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	expect.replay = memory();
	m.octets[m.len - 40] ^= 1;
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_SIGNATURE, to_bob.sig);
	assert_int_equal(mcsec_replay_count(expect.replay), 0);
	m.octets[m.len - 40] ^= 1;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	mcsec_replay_free(expect.replay);
}

static void of_two_copies_at_work_at_once_the_second_is_refused(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	struct mcsec_im_job *a, *b;
	struct mcsec_im *im;
	struct mcsec_fault fault;
	expect.replay = memory();
	assert_int_equal(mcsec_im_begin(&a, &lab->bob, &expect, m.octets, m.len, &fault), MCSEC_OK);
	assert_int_equal(mcsec_im_begin(&b, &lab->bob, &expect, m.octets, m.len, &fault), MCSEC_OK);
	mcsec_im_work(b);
	mcsec_im_work(a);
	assert_int_equal(mcsec_im_finish(b, expect.replay, NOW, &im, &fault), MCSEC_OK);
	mcsec_im_free(im);
	assert_int_equal(mcsec_im_finish(a, expect.replay, NOW, &im, &fault), MCSEC_E_REPLAY);
	assert_null(im);
	mcsec_replay_free(expect.replay);
}

static void a_full_replay_memory_refuses_as_busy_and_keeps_no_key(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state), second = call(state);
	struct mcsec_im_expect expect = now();
	struct mcsec_im *im;
	struct mcsec_fault fault;
	assert_int_equal(mcsec_replay_new(&expect.replay, 1), MCSEC_OK);
	mcsec_im_free(opened(&lab->bob, &expect, &m));
	size_t before = mcsec_secret_in_use();
	second.octets[RAND + 2] ^= 1; /* another message, not only another signature */
	signed_by(lab, &lab->alice, &second);
	assert_int_equal(mcsec_im_open(&lab->bob, &expect, second.octets, second.len, &im, &fault), MCSEC_E_NO_SPACE);
	assert_null(im);
	assert_string_equal(mcsec_im_refusal(fault.code), "busy");
	assert_int_equal(mcsec_secret_in_use(), before);
	mcsec_replay_free(expect.replay);
}

static void another_initiator_than_expected_is_refused(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	const char *const carol[] = {CAROL, BOB}, *const either[] = {CAROL, ALICE};
	expect.initiators = carol;
	expect.n_initiators = 2;
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_IDENTITY, IDRI_ID);
	expect.initiators = either;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
}

static void an_initiator_whose_domain_the_kms_does_not_serve_is_refused(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	static const struct {
		const char *domain;
		int serves;
	} cases[] = {{"mc.example", 1},  {"MC.Example", 1},    {"example", 1},        {"c.example", 0},
		     {"xmc.example", 0}, {"other.example", 0}, {"mc.example.org", 0}, {"", 0}};
	struct message m = call(state);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mcsec_im_kms kms = lab->kms[0];
		struct mcsec_im_book book = lab->bob;
		kms.domains = &cases[i].domain;
		book.kms = &kms;
		book.n_kms = 1;
		if (cases[i].serves)
			mcsec_im_free(opened(&book, &expect, &m));
		else
			refused(&book, &expect, &m, MCSEC_E_BAD_IDENTITY, IDRI_ID);
	}
}

/* Carol's KMS claims these domains; Alice's is the home KMS of whoever opens, and of the domain mc.example. */
static void a_kms_that_we_let_in_never_speaks_for_users_of_our_own_or_of_a_third(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	static const char *const theirs[] = {"far.example", "mc.example", "sub.far.example", "example"};
	static const struct {
		const char *initiator; /* signed under the far KMS */
		size_t n_far,
		    n_third; /* domains from theirs[] that the far KMS names; that a third one names, from `third` */
		size_t third;
		int passes;
	} cases[] = {
	    {ALICE, 0, 0, 0, 0},                    /* it names none: ours are ours */
	    {ALICE, 2, 0, 0, 0},                    /* it names ours */
	    {ALICE, 4, 0, 0, 0},                    /* it names what ours lies in */
	    {CAROL, 1, 0, 0, 1},                    /* its own */
	    {CAROL, 0, 0, 0, 1},                    /* nobody else's */
	    {CAROL, 0, 1, 0, 0},                    /* a third one's by name */
	    {CAROL, 1, 1, 0, 1},                    /* alike: two whom we let in */
	    {CAROL, 1, 1, 3, 1},                    /* the third one names it less exactly */
	    {"sip:dan@sub.far.example", 1, 1, 2, 0} /* more exactly */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mcsec_im_kms kms[3] = {lab->kms[0], lab->kms[1], lab->kms[1]};
		struct mcsec_im_book book = lab->bob, far = lab->all;
		struct mcsec_im_make what = private_call(lab);
		size_t first = lab->n;
		uint64_t period;
		assert_int_equal(mcsec_period_number(&lab->kms[1].periods, NOW, &period), MCSEC_OK);
		lab_own(lab, lab->far_master, &lab->kms[1], cases[i].initiator, period);
		far.own = lab->own;
		far.n_own = lab->n;
		what.initiator = cases[i].initiator;
		what.initiator_kms = FAR_KMS;
		struct message m = {.len = 0};
		assert_int_equal(mcsec_im_make(&far, &what, &lab->rng, m.octets, sizeof m.octets, &m.len), MCSEC_OK);
		kms[1].domains = theirs;
		kms[1].n_domains = cases[i].n_far;
		kms[2].uri = "kms.third.example";
		kms[2].domains = theirs + cases[i].third;
		kms[2].n_domains = cases[i].n_third;
		book.kms = kms;
		book.n_kms = cases[i].n_third ? 3 : 2;
		if (cases[i].passes)
			mcsec_im_free(opened(&book, &expect, &m));
		else
			refused(&book, &expect, &m, MCSEC_E_BAD_IDENTITY, IDRI_ID);
		mcsec_keyset_free(lab->keys[first]);
		lab->n = first;
	}
}

static void nothing_is_made_under_a_responders_certificate_that_has_expired(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_kms kms = lab->kms[0];
	struct mcsec_im_book book = lab->alice;
	struct mcsec_im_make what = private_call(lab);
	struct message m;
	book.kms = &kms;
	book.n_kms = 1;
	kms.valid_from = kms.valid_to = NOW;
	assert_int_equal(mcsec_im_make(&book, &what, &lab->rng, m.octets, sizeof m.octets, &m.len), MCSEC_OK);
	kms.valid_to = NOW - 1;
	kms.valid_from = 0;
	assert_int_equal(mcsec_im_make(&book, &what, &lab->rng, m.octets, sizeof m.octets, &m.len),
			 MCSEC_E_KMS_REFUSED);
}

static void a_signature_by_another_member_or_over_other_octets_is_refused(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct message m = call(state);
	signed_by(lab, &lab->bob, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_SIGNATURE, to_bob.sig);
	m = call(state);
	m.octets[RAND + 5] ^= 1;
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_SIGNATURE, to_bob.sig);
}

static void mcx_sec_144_a_bad_signature_with_a_bad_sed_costs_no_decapsulation(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct message m = call(state);
	m.octets[to_bob.sed + 1 + 100] ^= 1;
	decapsulations = 0;
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_SIGNATURE, to_bob.sig);
	assert_int_equal(decapsulations, 0);
	signed_by(lab, &lab->alice, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_UNDECRYPTABLE, to_bob.sed);
	assert_int_equal(decapsulations, 1);
}

static void sed_made_for_somebody_else_is_undecryptable(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct mcsec_im_make what = csk_upload(lab);
	struct message m = call(state), other = made(lab, &what);
	memcpy(m.octets + to_bob.sed, other.octets + to_mdsi.sed, MCSEC_SED_LEN);
	signed_by(lab, &lab->alice, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_UNDECRYPTABLE, to_bob.sed);
}

static void mcx_sec_105_a_message_of_the_last_second_of_a_period_opens_in_the_next(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	what.time = mcsec_period_start(&lab->kms[0].periods, PERIOD + 1) - 1;
	struct message m = made(lab, &what);
	expect.now = what.time + 5;
	mcsec_im_free(opened(&lab->bob, &expect, &m));
}

static void mcx_sec_106_without_the_keys_of_that_period_no_other_is_tried(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	struct mcsec_im_book later = lab->bob;
	what.time = mcsec_period_start(&lab->kms[0].periods, PERIOD + 1) - 1;
	struct message m = made(lab, &what);
	expect.now = what.time + 5;
	later.own++; /* Bob with the keys of the next period alone */
	later.n_own = 1;
	decapsulations = 0;
	refused(&later, &expect, &m, MCSEC_E_NO_KEYS, 12);
	assert_int_equal(decapsulations, 0);
	assert_string_equal(mcsec_im_refusal(MCSEC_E_NO_KEYS), "undecryptable");
}

static void mcx_sec_104_two_kmss_with_different_periods_each_count_their_own(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	what.responder = CAROL;
	what.responder_kms = FAR_KMS;
	struct message m = made(lab, &what);
	struct mcsec_im *im = opened(&lab->carol, &expect, &m);
	assert_string_equal(im->responder, CAROL);
	assert_string_equal(im->responder_kms, FAR_KMS);
	assert_memory_equal(im->key, lab->key, sizeof lab->key);
	mcsec_im_free(im);
	what = private_call(lab);
	what.initiator = CAROL;
	what.initiator_kms = FAR_KMS;
	m = made(lab, &what);
	im = opened(&lab->bob, &expect, &m);
	assert_string_equal(im->initiator, CAROL);
	mcsec_im_free(im);
}

static void *work(void *job)
{
	mcsec_im_work(job);
	return NULL;
}

static void the_costly_step_runs_on_another_thread(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	struct mcsec_im_job *job[4];
	struct mcsec_im *im;
	struct mcsec_fault fault;
	pthread_t thread[4];
	for (int i = 0; i < 4; i++) {
		assert_int_equal(mcsec_im_begin(&job[i], &lab->bob, &expect, m.octets, m.len, &fault), MCSEC_OK);
		assert_int_equal(pthread_create(&thread[i], NULL, work, job[i]), 0);
	}
	memset(m.octets, 0, m.len); /* the job has its own copy */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(mcsec_im_finish(job[i], NULL, NOW, &im, &fault), MCSEC_OK);
		assert_memory_equal(im->key, lab->key, sizeof lab->key);
		mcsec_im_free(im);
	}
}

static void a_cancelled_job_and_a_job_never_worked_leave_nothing(void **state)
{
	struct lab *lab = *state;
	struct message m = call(state);
	struct mcsec_im_expect expect = now();
	struct mcsec_im_job *job;
	struct mcsec_im *im;
	struct mcsec_fault fault;
	size_t before = mcsec_secret_in_use();
	assert_int_equal(mcsec_im_begin(&job, &lab->bob, &expect, m.octets, m.len, &fault), MCSEC_OK);
	mcsec_im_cancel(job);
	assert_int_equal(mcsec_im_begin(&job, &lab->bob, &expect, m.octets, m.len, &fault), MCSEC_OK);
	mcsec_im_work(job);
	mcsec_im_cancel(job);
	assert_int_equal(mcsec_im_begin(&job, &lab->bob, &expect, m.octets, m.len, &fault), MCSEC_OK);
	assert_int_equal(mcsec_im_finish(job, NULL, NOW, &im, &fault), MCSEC_E_ARGUMENT);
	assert_null(im);
	mcsec_im_cancel(NULL);
	mcsec_im_free(NULL);
	assert_int_equal(mcsec_secret_in_use(), before);
}

static void every_refusal_has_one_of_the_names_of_the_procedures(void **state)
{
	(void)state;
	static const char *const names[] = {"malformed",     "wrong-tag",  "not-for-us",   "kms-refused",
					    "bad-time",      "replay",     "bad-identity", "bad-signature",
					    "undecryptable", "bad-params", "revoked",      "busy"};
	for (int code = 1; code <= MCSEC_ERR_COUNT; code++) {
		size_t i = 0;
		while (i < 12 && strcmp(names[i], mcsec_im_refusal((enum mcsec_err)code)) != 0)
			i++;
		assert_in_range(i, 0, 11);
	}
	assert_string_equal(mcsec_im_refusal(MCSEC_E_UNSUPPORTED), "malformed");
	assert_string_equal(mcsec_im_refusal(MCSEC_E_MEMORY), "busy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_tag_that_is_not_expected_or_not_defined_is_refused),
	    cmocka_unit_test(a_message_over_8_kib_is_refused_before_it_is_copied),
	    cmocka_unit_test(mcx_sec_140_tags_7_to_15_are_refused),
	    cmocka_unit_test(a_message_for_another_identity_is_not_for_us),
	    cmocka_unit_test(a_responders_kms_that_is_not_ours_is_told_after_the_signature),
	    cmocka_unit_test(an_initiators_kms_without_certificate_is_refused_unverified),
	    cmocka_unit_test(mcx_sec_146_t_may_lie_300_seconds_off_and_no_more),
	    cmocka_unit_test(a_stored_group_key_may_be_old_but_not_older_than_the_current_one),
	    cmocka_unit_test(mcx_sec_147_the_same_message_again_is_a_replay),
	    cmocka_unit_test(a_second_form_of_the_same_signature_is_a_replay_too),
	    cmocka_unit_test(mcx_sec_148_the_dialogs_current_message_is_no_replay_and_may_be_old),
	    cmocka_unit_test(a_group_key_seen_before_opens_again_with_a_note),
	    cmocka_unit_test(a_message_from_ahead_is_remembered_as_long_as_it_would_be_accepted),
	    cmocka_unit_test(a_message_that_is_refused_is_not_remembered),
	    cmocka_unit_test(of_two_copies_at_work_at_once_the_second_is_refused),
	    cmocka_unit_test(a_full_replay_memory_refuses_as_busy_and_keeps_no_key),
	    cmocka_unit_test(another_initiator_than_expected_is_refused),
	    cmocka_unit_test(an_initiator_whose_domain_the_kms_does_not_serve_is_refused),
	    cmocka_unit_test(a_kms_that_we_let_in_never_speaks_for_users_of_our_own_or_of_a_third),
	    cmocka_unit_test(nothing_is_made_under_a_responders_certificate_that_has_expired),
	    cmocka_unit_test(a_signature_by_another_member_or_over_other_octets_is_refused),
	    cmocka_unit_test(mcx_sec_144_a_bad_signature_with_a_bad_sed_costs_no_decapsulation),
	    cmocka_unit_test(sed_made_for_somebody_else_is_undecryptable),
	    cmocka_unit_test(mcx_sec_105_a_message_of_the_last_second_of_a_period_opens_in_the_next),
	    cmocka_unit_test(mcx_sec_106_without_the_keys_of_that_period_no_other_is_tried),
	    cmocka_unit_test(mcx_sec_104_two_kmss_with_different_periods_each_count_their_own),
	    cmocka_unit_test(the_costly_step_runs_on_another_thread),
	    cmocka_unit_test(a_cancelled_job_and_a_job_never_worked_leave_nothing),
	    cmocka_unit_test(every_refusal_has_one_of_the_names_of_the_procedures),
	};
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

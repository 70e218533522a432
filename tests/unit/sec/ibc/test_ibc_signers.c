/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signers remembered between verifications (signers.c): the same verdicts, a fixed number of octets, the least recently
 * used leaves and is wiped, forgeries neither enter nor meet an entry, and threads share one memory.
 */
#include "domain.h"

#include <pthread.h>

#include "mcsec/secret.h"
#include "sec/ibc/p256/p256.h"

enum { SIGNERS = 12, MSGS = 3, MSG = 40 };

static struct domain d;
static uint8_t ids[SIGNERS][32], msgs[MSGS][MSG], sigs[SIGNERS][MSGS][MCSEC_SIG_LEN];
static struct mcsec_issued issued[SIGNERS];

static void sign_all(int who, const struct mcsec_issued *set, uint8_t to[MSGS][MCSEC_SIG_LEN])
{
	struct mcsec_keyset *k = mcsec_secret_alloc(sizeof *k);
	assert_non_null(k);
	k->kms = mcsec_kms_ref(d.kms);
	assert_int_equal(ident_set(&k->id, ids[who], 32), MCSEC_OK);
	assert_int_equal(keyset_take_pair(k, set->ssk, set->pvt), MCSEC_OK);
	for (int m = 0; m < MSGS; m++)
		assert_int_equal(mcsec_eccsi_sign(k, &d.rng, msgs[m], MSG, to[m]), MCSEC_OK);
	mcsec_keyset_free(k);
}

static int setup(void **state)
{
	(void)state;
	domain_new(&d);
	for (int m = 0; m < MSGS; m++)
		memset(msgs[m], 'a' + m, MSG);
	for (int i = 0; i < SIGNERS; i++) {
		memset(ids[i], 0x40 + i, 32);
		if (mcsec_master_issue(d.master, &d.rng, (uint64_t)i + 10, ids[i], 32, &issued[i]))
			return -1;
		sign_all(i, &issued[i], sigs[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	domain_free(&d);
	return 0;
}

static enum mcsec_err verify(struct mcsec_signers *c, int who, int msg, const uint8_t *sig)
{
	return mcsec_signers_verify(c, d.kms, ids[who], 32, msgs[msg], MSG, sig);
}

/* One valid message of this signer, and whether it was known before. */
static int was_known(struct mcsec_signers *c, int who)
{
	struct mcsec_signers_state before, after;
	mcsec_signers_look(c, &before);
	assert_int_equal(verify(c, who, who % MSGS, sigs[who][who % MSGS]), MCSEC_OK);
	mcsec_signers_look(c, &after);
	assert_int_equal(after.hits + after.misses, before.hits + before.misses + 1);
	return after.hits > before.hits;
}

/* Octets that hold exactly so many. */
static size_t room_for(size_t places)
{
	for (size_t bytes = 64;; bytes += 64) {
		struct mcsec_signers *c;
		struct mcsec_signers_state s = {0};
		if (mcsec_signers_new(&c, bytes))
			continue;
		mcsec_signers_look(c, &s);
		mcsec_signers_free(c);
		if (s.places == places)
			return bytes;
	}
}

static void a_signer_is_known_from_the_third_message_on(void **state)
{
	(void)state;
	struct mcsec_signers *c;
	struct mcsec_signers_state s;
	assert_int_equal(mcsec_signers_new(&c, 64 * 1024), MCSEC_OK);
	assert_false(was_known(c, 0));
	assert_false(was_known(c, 0));
	for (int i = 0; i < 5; i++)
		assert_true(was_known(c, 0));
	mcsec_signers_look(c, &s);
	assert_int_equal(s.signers, 1);
	mcsec_signers_forget(c);
	mcsec_signers_look(c, &s);
	assert_int_equal(s.signers, 0);
	assert_false(was_known(c, 0));
	mcsec_signers_free(c);
}

static void without_a_memory_the_verdict_is_that_of_plain_verification(void **state)
{
	(void)state;
	assert_int_equal(verify(NULL, 0, 0, sigs[0][0]), MCSEC_OK);
	assert_int_equal(verify(NULL, 0, 1, sigs[0][0]), MCSEC_E_SIGNATURE);
	assert_int_equal(mcsec_signers_verify(NULL, d.kms, ids[0], 0, msgs[0], MSG, sigs[0][0]), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_signers_verify(NULL, d.kms, ids[0], MCSEC_ID_MAX + 1, msgs[0], MSG, sigs[0][0]),
			 MCSEC_E_LENGTH);
}

static void the_one_unused_for_longest_leaves(void **state)
{
	(void)state;
	struct mcsec_signers *c;
	struct mcsec_signers_state s;
	assert_int_equal(mcsec_signers_new(&c, room_for(3)), MCSEC_OK);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3; i++)
			assert_false(was_known(c, i));
	assert_true(was_known(c, 0));  /* order of use now: 1 2 0 */
	assert_false(was_known(c, 3)); /* 1 leaves: 2 0 3 */
	assert_true(was_known(c, 2));  /* 0 3 2 */
	assert_true(was_known(c, 0));  /* 3 2 0 */
	assert_false(was_known(c, 1)); /* 3 leaves: 2 0 1 */
	assert_false(was_known(c, 3)); /* 2 leaves: 0 1 3 */
	assert_true(was_known(c, 0));  /* 1 3 0 */
	assert_false(was_known(c, 2)); /* 1 leaves */
	mcsec_signers_look(c, &s);
	assert_int_equal(s.evicted, 4);
	assert_int_equal(s.signers, 3);
	mcsec_signers_free(c);
}

static void no_octet_beyond_the_bound_is_touched(void **state)
{
	(void)state;
	enum { FENCE = 256 };
	for (size_t places = 1; places <= 5; places += 2) {
		size_t bytes = room_for(places);
		uint8_t *memory = aligned_alloc(64, bytes + 2 * FENCE);
		assert_non_null(memory);
		memset(memory, 0xa5, bytes + 2 * FENCE);
		struct mcsec_signers *c = signers_place(memory + FENCE, bytes);
		assert_non_null(c);
		for (int round = 0; round < 4; round++)
			for (int i = 0; i < SIGNERS; i++)
				assert_int_equal(verify(c, i, round % MSGS, sigs[i][round % MSGS]), MCSEC_OK);
		struct mcsec_signers_state s;
		mcsec_signers_look(c, &s);
		assert_int_equal(s.bytes, bytes);
		assert_int_equal(s.signers, places);
		signers_end(c);
		for (int i = 0; i < FENCE; i++) {
			assert_int_equal(memory[i], 0xa5);
			assert_int_equal(memory[FENCE + bytes + (size_t)i], 0xa5);
		}
		free(memory);
	}
	struct mcsec_signers *c;
	assert_int_equal(mcsec_signers_new(&c, 0), MCSEC_E_NO_SPACE);
	assert_int_equal(mcsec_signers_new(&c, room_for(1) - 64), MCSEC_E_NO_SPACE);
	assert_null(c);
}

static int holds(const uint8_t *memory, size_t bytes, const uint8_t *what, size_t len)
{
	return memmem(memory, bytes, what, len) != NULL;
}

static void who_leaves_is_wiped_and_so_is_all_at_the_end(void **state)
{
	(void)state;
	size_t bytes = room_for(1);
	uint8_t *memory = aligned_alloc(64, bytes), *table = NULL;
	assert_non_null(memory);
	struct mcsec_signers *c = signers_place(memory, bytes);
	assert_non_null(c);
	for (int i = 0; i < 3; i++)
		(void)was_known(c, 0);
	assert_true(holds(memory, bytes, ids[0], 32));
	assert_true(holds(memory, bytes, issued[0].pvt + 1, 64));
	/* the table's first point is Y itself */
	struct p256_split y;
	eccsi_know(&y, d.kms, issued[0].hs, issued[0].pvt);
	table = memmem(memory, bytes, &y, sizeof y);
	assert_non_null(table);
	assert_false(was_known(c, 1)); /* enters without a table of its own yet */
	assert_false(holds(memory, bytes, ids[0], 32));
	assert_false(holds(memory, bytes, issued[0].pvt + 1, 64));
	for (int part = 0; part < P256_SPLIT_PARTS; part++)
		for (int i = 0; i < P256_SPLIT_ODD; i++)
			assert_false(holds(memory, bytes, (const uint8_t *)&y.odd[part][i].x, 32));
	signers_end(c);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(memory[i], 0);
	free(memory);
}

/* A signature, or one with something about it changed. */
static int pick(uint64_t *seed, uint8_t sig[MCSEC_SIG_LEN], int *who, int *msg)
{
	uint8_t r[8];
	assert_int_equal(test_fill(seed, r, sizeof r), MCSEC_OK);
	*who = r[0] % SIGNERS;
	*msg = r[1] % MSGS;
	memcpy(sig, sigs[*who][*msg], MCSEC_SIG_LEN);
	switch (r[2] % 12) {
	case 0: /* another message */
		*msg = (*msg + 1) % MSGS;
		return 0;
	case 1: /* another's identity */
		*who = (*who + 1) % SIGNERS;
		return 0;
	case 2: /* another's PVT */
		memcpy(sig + 64, issued[(*who + 1) % SIGNERS].pvt, MCSEC_PVT_LEN);
		return 0;
	case 3: /* any octet */
		sig[r[3] % MCSEC_SIG_LEN] ^= (uint8_t)(r[4] | 1);
		return 0;
	case 4: /* s = 0 */
		memset(sig + 32, 0, 32);
		return 0;
	case 5: /* r = 0 */
		memset(sig, 0, 32);
		return 0;
	case 6: /* s above n */
		memset(sig + 32, 0xff, 32);
		return 0;
	default:
		return 1;
	}
}

static void verdicts_are_those_of_plain_verification(void **state)
{
	(void)state;
	struct mcsec_signers *c;
	uint64_t seed = 7;
	size_t n = getenv("MCX_LONG") ? 200000 : 3000;
	assert_int_equal(mcsec_signers_new(&c, room_for(8)), MCSEC_OK);
	for (size_t i = 0; i < n; i++) {
		uint8_t sig[MCSEC_SIG_LEN];
		int who, msg, good = pick(&seed, sig, &who, &msg);
		struct mcsec_identity *id;
		assert_int_equal(mcsec_identity_new(&id, d.kms, ids[who], 32), MCSEC_OK);
		enum mcsec_err plain = mcsec_eccsi_verify(id, msgs[msg], MSG, sig);
		mcsec_identity_free(id);
		assert_int_equal(plain, good ? MCSEC_OK : MCSEC_E_SIGNATURE);
		assert_int_equal(verify(c, who, msg, sig), plain);
	}
	struct mcsec_signers_state s;
	mcsec_signers_look(c, &s);
	assert_true(s.hits > n / 8 && s.misses > n / 8 && s.evicted > 0);
	mcsec_signers_free(c);
}

static void forgeries_neither_enter_nor_push_anyone_out(void **state)
{
	(void)state;
	struct mcsec_signers *c;
	struct mcsec_signers_state s;
	uint8_t sig[MCSEC_SIG_LEN];
	assert_int_equal(mcsec_signers_new(&c, room_for(2)), MCSEC_OK);
	for (int i = 0; i < 3; i++)
		for (int who = 0; who < 2; who++)
			assert_int_equal(was_known(c, who), i == 2);
	for (int i = 0; i < 200; i++) {
		memcpy(sig, sigs[2 + i % 10][0], sizeof sig);
		sig[i % 64] ^= 1;
		assert_int_equal(verify(c, 2 + i % 10, 0, sig), MCSEC_E_SIGNATURE);
	}
	mcsec_signers_look(c, &s);
	assert_int_equal(s.signers, 2);
	assert_int_equal(s.evicted, 0);
	assert_true(was_known(c, 0));
	assert_true(was_known(c, 1));
	mcsec_signers_free(c);
}

static void another_pvt_or_kms_of_a_known_signer_is_not_known(void **state)
{
	(void)state;
	struct mcsec_signers *c;
	struct mcsec_issued second;
	uint8_t again[MSGS][MCSEC_SIG_LEN], mixed[MCSEC_SIG_LEN], kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	assert_int_equal(mcsec_signers_new(&c, 64 * 1024), MCSEC_OK);
	for (int i = 0; i < 3; i++)
		(void)was_known(c, 0);
	/* a second key set of the same identity: its own PVT, its own entry */
	assert_int_equal(mcsec_master_issue(d.master, &d.rng, 99, ids[0], 32, &second), MCSEC_OK);
	sign_all(0, &second, again);
	struct mcsec_signers_state before, after;
	mcsec_signers_look(c, &before);
	assert_int_equal(verify(c, 0, 0, again[0]), MCSEC_OK);
	/* the known signer's r and s under the other PVT, and the other way round */
	memcpy(mixed, sigs[0][0], sizeof mixed);
	memcpy(mixed + 64, second.pvt, MCSEC_PVT_LEN);
	assert_int_equal(verify(c, 0, 0, mixed), MCSEC_E_SIGNATURE);
	mcsec_signers_look(c, &after);
	assert_int_equal(after.hits, before.hits);
	memcpy(mixed, again[0], sizeof mixed);
	memcpy(mixed + 64, issued[0].pvt, MCSEC_PVT_LEN);
	assert_int_equal(verify(c, 0, 0, mixed), MCSEC_E_SIGNATURE);
	/* the same identity and PVT under another KMS */
	struct mcsec_master *other;
	struct mcsec_kms *kms;
	assert_int_equal(mcsec_master_generate(&other, &d.rng), MCSEC_OK);
	mcsec_master_public(other, kpak, z_pub);
	assert_int_equal(mcsec_kms_new(&kms, kpak, z_pub), MCSEC_OK);
	mcsec_signers_look(c, &before);
	assert_int_equal(mcsec_signers_verify(c, kms, ids[0], 32, msgs[0], MSG, sigs[0][0]), MCSEC_E_SIGNATURE);
	mcsec_signers_look(c, &after);
	assert_int_equal(after.hits, before.hits);
	mcsec_kms_free(kms);
	mcsec_master_free(other);
	mcsec_wipe(&second, sizeof second);
	mcsec_signers_free(c);
}

static struct mcsec_signers *shared;

static void *member(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;
	size_t wrong = 0;
	for (int i = 0; i < 400; i++) {
		uint8_t sig[MCSEC_SIG_LEN];
		int who, msg, good = pick(&seed, sig, &who, &msg);
		wrong += verify(shared, who, msg, sig) != (good ? MCSEC_OK : MCSEC_E_SIGNATURE);
	}
	return (void *)(uintptr_t)wrong;
}

static void threads_share_one_memory(void **state)
{
	(void)state;
	pthread_t t[4];
	assert_int_equal(mcsec_signers_new(&shared, room_for(5)), MCSEC_OK);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, member, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		void *wrong;
		assert_int_equal(pthread_join(t[i], &wrong), 0);
		assert_null(wrong);
	}
	struct mcsec_signers_state s;
	mcsec_signers_look(shared, &s);
	assert_int_equal(s.hits + s.misses, 4 * 400);
	assert_int_equal(s.signers, 5);
	mcsec_signers_free(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_signer_is_known_from_the_third_message_on),
	    cmocka_unit_test(without_a_memory_the_verdict_is_that_of_plain_verification),
	    cmocka_unit_test(the_one_unused_for_longest_leaves),
	    cmocka_unit_test(no_octet_beyond_the_bound_is_touched),
	    cmocka_unit_test(who_leaves_is_wiped_and_so_is_all_at_the_end),
	    cmocka_unit_test(verdicts_are_those_of_plain_verification),
	    cmocka_unit_test(forgeries_neither_enter_nor_push_anyone_out),
	    cmocka_unit_test(another_pvt_or_kms_of_a_known_signer_is_not_known),
	    cmocka_unit_test(threads_share_one_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

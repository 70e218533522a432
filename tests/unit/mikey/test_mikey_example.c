/* SPDX-License-Identifier: Apache-2.0 */
/* The worked example of the MIKEY page, made octet for octet with its nonces injected, and opened. */
#include "lab.h"

#include <openssl/sha.h>

#include "mcsec/secret.h"
#include "sec/ibc/engine.h"

static struct n256 scalar(const char *hex)
{
	uint8_t octets[32] = {0};
	struct n256 k;
	unhex(hex, octets + 32 - strlen(hex) / 2, sizeof octets);
	assert_true(scalar_load(&k, octets));
	return k;
}

/* The linker sends mcsec_eccsi_sign here (--wrap): the example's nonce j = 034567 in place of a drawn one. */
enum mcsec_err __wrap_mcsec_eccsi_sign(const struct mcsec_keyset *keys, const struct mcsec_rng *rng, const uint8_t *msg,
				       size_t msg_len, uint8_t sig[MCSEC_SIG_LEN]);

enum mcsec_err __wrap_mcsec_eccsi_sign(const struct mcsec_keyset *keys, const struct mcsec_rng *rng, const uint8_t *msg,
				       size_t msg_len, uint8_t sig[MCSEC_SIG_LEN])
{
	const struct n256 j = scalar("034567");
	(void)rng;
	return eccsi_sign_with(keys, &j, (struct octets){msg, msg_len}, sig);
}

/* Alice's key set made with v = 023456, in place of the one of the lab. */
static struct mcsec_keyset *example_keys(struct lab *lab)
{
	const struct n256 v = scalar("023456");
	uint8_t uid[MCSEC_UID_LEN], ssk[MCSEC_SSK_LEN];
	struct mcsec_issued set;
	struct mcsec_keyset *keys;
	assert_int_equal(mcsec_uid(ALICE, KMS, &lab->kms[0].periods, PERIOD, uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(lab->master, &lab->rng, 99, uid, sizeof uid, &set), MCSEC_OK);
	assert_int_equal(eccsi_pair_with(lab->master, &v, OCTETS(uid), &set), MCSEC_OK);
	unhex("c2e4e0c271126ebe9435a958a68f56c434b25084414c7b20d11c73a9a3f30a00", ssk, sizeof ssk);
	assert_memory_equal(set.ssk, ssk, sizeof ssk);
	assert_int_equal(mcsec_keyset_new(&keys, lab->kms[0].kms, uid, sizeof uid, set.ssk, set.pvt, set.rsk),
			 MCSEC_OK);
	return keys;
}

static struct message example(struct lab *lab)
{
	struct mcsec_keyset *keys = example_keys(lab);
	struct mcsec_im_own own = {ALICE, KMS, PERIOD, keys};
	struct mcsec_im_book book = lab->alice;
	struct mcsec_im_make what = csk_upload(lab);
	struct message m;
	book.own = &own;
	assert_int_equal(mcsec_im_make(&book, &what, &lab->rng, m.octets, sizeof m.octets, &m.len), MCSEC_OK);
	mcsec_keyset_free(keys);
	return m;
}

static const char head[] = "011a05012a1b2c3d0001"
			   "0b00ec89908000000000"
			   "0e10101112131415161718191a1b1c1d1e1f"
			   "0e010100147369703a616c696365406d632e6578616d706c65"
			   "0e0201000f6d6473692e6d632e6578616d706c65"
			   "0e0601000e6b6d732e6d632e6578616d706c65"
			   "1a0701000e6b6d732e6d632e6578616d706c65"
			   "0401020111";

static void the_worked_example_is_made_octet_for_octet(void **state)
{
	struct message m = example(*state);
	uint8_t want[SHA256_DIGEST_LENGTH], got[SHA256_DIGEST_LENGTH], start[126];
	assert_int_equal(m.len, 530);
	assert_int_equal(unhex(head, start, sizeof start), 126);
	assert_memory_equal(m.octets, start, sizeof start);
	unhex("7644d30f8b47a6178654f0af67f9f7255f9c67e792ef0ae18e2fffc8f81e7079", want, sizeof want);
	SHA256(m.octets, m.len, got);
	assert_memory_equal(got, want, sizeof want);
}

static void the_worked_example_opens_at_the_server(void **state)
{
	struct lab *lab = *state;
	struct message m = example(lab);
	const char *const from[] = {ALICE};
	struct mcsec_im_expect expect = now();
	expect.tags = MCSEC_TAG_BIT(MCSEC_CSK);
	expect.initiators = from;
	expect.n_initiators = 1;
	struct mcsec_im *im = opened(&lab->mdsi, &expect, &m);
	assert_int_equal(im->kind, MCSEC_CSK);
	assert_int_equal(im->k_id, CSK_ID);
	assert_int_equal(im->csb_id, CSK_ID);
	assert_memory_equal(im->key, lab->key, sizeof lab->key);
	assert_int_equal(im->rand_len, sizeof lab->rand);
	assert_memory_equal(im->rand, lab->rand, sizeof lab->rand);
	assert_int_equal(im->time, NOW);
	assert_string_equal(im->initiator, ALICE);
	assert_string_equal(im->responder, MDSI);
	assert_string_equal(im->initiator_kms, KMS);
	assert_string_equal(im->responder_kms, KMS);
	assert_int_equal(im->n_cs, 0);
	assert_int_equal(im->profile.encryption, 6);
	assert_int_equal(im->profile.authentication, 0);
	assert_int_equal(im->has_params, 0);
	assert_int_equal(im->algs.n, 0);
	assert_int_equal(im->notes, 0);
	mcsec_im_free(im);
}

static void the_key_of_the_worked_example_derives_the_published_srtp_master(void **state)
{
	struct lab *lab = *state;
	struct message m = example(lab);
	struct mcsec_im_expect expect = now();
	uint8_t cs, key[16], salt[12], want_key[16], want_salt[12];
	struct mcsec_im *im = opened(&lab->mdsi, &expect, &m);
	assert_int_equal(mcsec_cs_id_of(im->kind, 0, 0, &cs), MCSEC_OK);
	assert_int_equal(mcsec_srtp_master(im->key, MCSEC_KEY_LEN, cs, im->csb_id, im->rand, im->rand_len, key,
					   im->profile.key_len, salt, im->profile.salt_len),
			 MCSEC_OK);
	unhex("d4277a8be50df2953025631664e0e748", want_key, sizeof want_key);
	unhex("ac486b305c448ed6b1c68a71", want_salt, sizeof want_salt);
	assert_memory_equal(key, want_key, sizeof key);
	assert_memory_equal(salt, want_salt, sizeof salt);
	mcsec_im_free(im);
}

static void a_flipped_bit_in_any_octet_is_refused_and_leaves_no_secret_behind(void **state)
{
	struct lab *lab = *state;
	struct message m = example(lab);
	struct mcsec_im_expect expect = now();
	size_t before = mcsec_secret_in_use();
	for (size_t i = 0; i < m.len; i++) {
		struct mcsec_im *im;
		struct mcsec_fault fault;
		m.octets[i] ^= (uint8_t)(1u << i % 8);
		assert_int_not_equal(mcsec_im_open(&lab->mdsi, &expect, m.octets, m.len, &im, &fault), MCSEC_OK);
		assert_null(im);
		assert_string_not_equal(mcsec_im_refusal(fault.code), "busy");
		m.octets[i] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(mcsec_secret_in_use(), before);
}

static void mcx_sec_132_every_prefix_is_refused_by_peek_and_by_opening(void **state)
{
	struct lab *lab = *state;
	struct message m = example(lab);
	struct mcsec_im_expect expect = now();
	for (size_t len = 0; len < m.len; len++) {
		uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees an over-read */
		struct mcsec_im_peek peek;
		struct mcsec_im *im;
		struct mcsec_fault fault;
		memcpy(exact, m.octets, len);
		assert_int_equal(mcsec_im_peek(exact, len, &peek, &fault), MCSEC_E_MALFORMED);
		assert_true(fault.offset <= len);
		assert_int_equal(mcsec_im_open(&lab->mdsi, &expect, exact, len, &im, &fault), MCSEC_E_MALFORMED);
		free(exact);
	}
}

static void peek_tells_a_server_what_it_routes_by(void **state)
{
	struct message m = example(*state);
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	assert_int_equal(mcsec_im_peek(m.octets, m.len, &peek, &fault), MCSEC_OK);
	assert_int_equal(peek.csb_id, CSK_ID);
	assert_int_equal(peek.tag, MCSEC_CSK);
	assert_int_equal(peek.time, NOW);
	assert_memory_equal(peek.initiator.p, ALICE, peek.initiator.len);
	assert_int_equal(peek.initiator.len, strlen(ALICE));
	assert_memory_equal(peek.responder.p, MDSI, peek.responder.len);
	assert_memory_equal(peek.initiator_kms.p, KMS, peek.initiator_kms.len);
	assert_memory_equal(peek.responder_kms.p, KMS, peek.responder_kms.len);
	assert_false(peek.initiator_hidden || peek.responder_hidden || peek.to_self || peek.algs.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_worked_example_is_made_octet_for_octet),
	    cmocka_unit_test(the_worked_example_opens_at_the_server),
	    cmocka_unit_test(the_key_of_the_worked_example_derives_the_published_srtp_master),
	    cmocka_unit_test(a_flipped_bit_in_any_octet_is_refused_and_leaves_no_secret_behind),
	    cmocka_unit_test(mcx_sec_132_every_prefix_is_refused_by_peek_and_by_opening),
	    cmocka_unit_test(peek_tells_a_server_what_it_routes_by),
	};
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

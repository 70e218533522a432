/* SPDX-License-Identifier: Apache-2.0 */
/* Key parameters (GEN 7) and the protected payload they travel in: vectors, every form, every refusal. */
#include "lab.h"

#include "sec/mikey/message.h"

#define UNIX_NOW (NOW - MCSEC_NTP_UNIX)

/* Offsets in Alice's message to Bob that carries key parameters. */
enum { SAKKE = 124, GEN = 402, FRAME = GEN + 4, SEALED = FRAME + 35 };

/* ---- the frame alone ---- */

static void the_vectors_of_the_protected_payload_open_and_are_written(void **state)
{
	(void)state;
	static const struct {
		const char *plain, *message;
		size_t key_len;
	} v[] = {
	    {"030178001001556e69742037206f6e207363656e65",
	     "430065a0b1c2000000010001f0e0d0c0b0a0908070605040302010001a2b3c4d000025"
	     "43559258a59c44056d68ade46c3ac0dd29902630cd8b33cf701b7bdc43b7705bae40918be6",
	     16},
	    {"030178001001556e69742037206f6e207363656e65",
	     "430065a0b1c2000000010002f0e0d0c0b0a0908070605040302010001a2b3c4d000025"
	     "33b9989d041633ec7df7ec9494b952f29c9c9b5ddf59137eebd3ed9273c54c81644926b4dc",
	     32},
	    {"0100000001000000000000000000000000",
	     "430000000001000000000001f0e0d0c0b0a0908070605040302010001a2b3c4d000021"
	     "4154ea58b49d116b041c8dd34c55aefd5af78e9d39d619334d44fe54455d728535",
	     16},
	};
	uint8_t key[32], want[128], plain[64], got[64], out[128];
	for (size_t i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct octets dppk = {key, v[i].key_len};
		size_t n = unhex(v[i].message, want, sizeof want), plain_len = unhex(v[i].plain, plain, sizeof plain);
		struct reader r = rd_init((struct octets){want, n});
		struct protected_payload p;
		protected_read(&r, &p);
		assert_int_equal(rd_done(&r), MCSEC_OK);
		assert_int_equal(p.sealed.len, plain_len + PROTECTED_TAG_LEN);
		assert_int_equal(protected_open(&p, dppk, got), MCSEC_OK);
		assert_memory_equal(got, plain, plain_len);
		struct writer w = wr_init(out, sizeof out);
		assert_int_equal(protected_write(&w, &p, dppk, (struct octets){plain, plain_len}), MCSEC_OK);
		assert_int_equal(wr_len(&w), n);
		assert_memory_equal(out, want, n);
		for (size_t k = 0; k < n; k++) { /* all but the IEI and the length are authenticated */
			uint8_t zero[64] = {0};
			if (k >= 32 && k < 35)
				continue;
			want[k] ^= 4;
			r = rd_init((struct octets){want, n});
			protected_read(&r, &p);
			p.alg = (uint8_t)(v[i].key_len == 16 ? 1 : 2);
			assert_int_equal(protected_open(&p, dppk, got), MCSEC_E_DECRYPT);
			assert_memory_equal(got, zero, plain_len);
			want[k] ^= 4;
		}
		want[32] = 0x77;
		r = rd_init((struct octets){want, n});
		protected_read(&r, &p);
		assert_int_equal(protected_open(&p, dppk, got), MCSEC_OK);
	}
}

static void a_key_that_does_not_fit_the_algorithm_is_refused(void **state)
{
	(void)state;
	uint8_t key[32] = {1}, sealed[16] = {0}, out[64];
	for (int alg = 0; alg < 6; alg++)
		for (size_t len = 0; len <= 32; len += 8) {
			struct protected_payload p = {
			    .alg = (uint8_t)alg, .sealed = OCTETS(sealed), .aad = OCTETS(key)};
			struct writer w = wr_init(out, sizeof out);
			if ((alg == 1 && len == 16) || (alg == 2 && len == 32))
				continue;
			assert_int_equal(protected_open(&p, (struct octets){key, len}, out), MCSEC_E_UNSUPPORTED);
			assert_int_equal(protected_write(&w, &p, (struct octets){key, len}, OCTETS(sealed)),
					 MCSEC_E_UNSUPPORTED);
		}
}

static enum mcsec_err example_random(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(0x20 + i);
	return MCSEC_OK;
}

static void the_worked_example_of_key_parameters_is_written_octet_for_octet(void **state)
{
	const struct lab *lab = *state;
	const struct mcsec_rng rng = {example_random, NULL};
	const struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED};
	uint8_t buf[128], want[68];
	struct mikey_out out = {.w = wr_init(buf, sizeof buf)};
	unhex("430068e77800000000000001202122232425262728292a2b2c2d2e2f2a1b2c3d000021"
	      "a9821baf4a3980cd1701c9e87896b4427cca0fc989bf237ab26638115d93dc80da",
	      want, sizeof want);
	assert_int_equal(params_write(&out, MCSEC_CSK, CSK_ID, lab->key, &params, 1760000000, &rng), MCSEC_OK);
	assert_int_equal(wr_len(&out.w), 4 + sizeof want);
	assert_memory_equal(buf, "\x00\x07\x00\x44", 4);
	assert_memory_equal(buf + 4, want, sizeof want);
}

/* ---- in messages ---- */

static struct message with_params(void **state, enum mcsec_key_kind kind, const struct mcsec_key_params *params)
{
	struct mcsec_im_make what = private_call(*state);
	what.kind = kind;
	what.k_id = (uint32_t)kind << 28 | 0x0a1b2c3d;
	what.params = params;
	return made(*state, &what);
}

static void parameters_of_every_kind_travel_with_their_groups(void **state)
{
	struct lab *lab = *state;
	static const char *const groups[] = {"sip:fire@mc.example", "sip:police@mc.example"};
	for (int i = 0; i < MCSEC_KEY_KINDS; i++) {
		enum mcsec_key_kind kind = (enum mcsec_key_kind)i;
		int has_groups = kind == MCSEC_GMK || kind == MCSEC_MKFC || kind == MCSEC_MUSIK;
		struct mcsec_im_expect expect = now();
		struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED | MCSEC_STATUS_GATEWAY,
						  .activation = UNIX_NOW + 100,
						  .expiry = UNIX_NOW + 1000,
						  .text = "W\xc3\xa4rme",
						  .groups = groups,
						  .n_groups = has_groups ? 2 : 0};
		struct message m = with_params(state, kind, &params);
		struct mcsec_im *im = opened(&lab->bob, &expect, &m);
		assert_int_equal(im->has_params, 1);
		assert_int_equal(im->params.status, 3);
		assert_int_equal(im->params.activation, UNIX_NOW + 100); /* pending: for the caller to wait */
		assert_int_equal(im->params.expiry, UNIX_NOW + 1000);
		assert_string_equal(im->params.text, params.text);
		assert_int_equal(im->params.n_groups, params.n_groups);
		for (size_t g = 0; g < params.n_groups; g++)
			assert_string_equal(im->params.groups[g], groups[g]);
		mcsec_im_free(im);
	}
}

static void an_empty_group_list_is_0001_00_and_other_kinds_have_none(void **state)
{
	struct lab *lab = *state;
	const struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED};
	struct mcsec_im_expect expect = now();
	struct message gmk = with_params(state, MCSEC_GMK, &params), pck = with_params(state, MCSEC_PCK, &params);
	assert_int_equal(gmk.len, pck.len + 3);
	struct mcsec_im *im = opened(&lab->bob, &expect, &gmk);
	assert_int_equal(im->params.n_groups, 0);
	assert_null(im->params.text);
	mcsec_im_free(im);
	static const char *const groups[] = {"sip:g@mc.example"};
	struct mcsec_key_params wrong = {.status = 1, .groups = groups, .n_groups = 1};
	struct mcsec_im_make what = private_call(lab);
	what.params = &wrong;
	assert_int_equal(mcsec_im_make(&lab->all, &what, &lab->rng, pck.octets, sizeof pck.octets, &pck.len),
			 MCSEC_E_ARGUMENT);
}

/* A plaintext begins with key type, status, activation and expiry. */
#define PLAIN(type, rest)                                                                                              \
	type "00000001"                                                                                                \
	     "0000000000"                                                                                              \
	     "0000000000" rest

/* A message whose key parameters have this plaintext. */
static struct message with_plain(void **state, enum mcsec_key_kind kind, const char *hex)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	what.kind = kind;
	what.k_id = (uint32_t)kind << 28 | 0x0a1b2c3d;
	struct message m = made(lab, &what);
	uint8_t plain[512], sealed[600];
	struct octets text = {plain, unhex(hex, plain, sizeof plain)};
	struct reader r = rd_init((struct octets){m.octets + 4, 4});
	struct protected_payload p = {.type = 0x43, .alg = PROTECTED_AES_128_GCM, .dppk_id = rd_u32(&r)};
	struct writer w = wr_init(sealed + 4, sizeof sealed - 4);
	char gen[2 * 600 + 1];
	assert_int_equal(protected_write(&w, &p, (struct octets){lab->key, MCSEC_KEY_LEN}, text), MCSEC_OK);
	size_t n = wr_len(&w);
	const uint8_t head[] = {4, 7, (uint8_t)(n >> 8), (uint8_t)n};
	memcpy(sealed, head, sizeof head);
	hex_encode((struct octets){sealed, n + 4}, gen);
	m.octets[SAKKE] = 21;
	splice(&m, GEN, 0, gen);
	signed_by(lab, &lab->alice, &m);
	return m;
}

static void the_form_with_its_own_iei_and_length_is_read_too(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct message m = with_plain(state, MCSEC_PCK,
				      "550011"
				      "01"
				      "00000003"
				      "0000000000"
				      "0000000000"
				      "0000");
	struct mcsec_im *im = opened(&lab->bob, &expect, &m);
	assert_int_equal(im->params.status, 3);
	mcsec_im_free(im);
}

static void unknown_status_bits_a_group_iei_and_reserved_octets_are_ignored(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct message m = with_plain(state, MCSEC_GMK,
				      "00"
				      "fffffffd"
				      "0000000000"
				      "0000000000"
				      "0000"
				      "0005"
				      "01"
				      "990001"
				      "67"
				      "abcdef");
	struct mcsec_im *im = opened(&lab->bob, &expect, &m);
	assert_int_equal(im->params.n_groups, 1);
	assert_string_equal(im->params.groups[0], "g");
	mcsec_im_free(im);
}

static void plaintexts_out_of_shape_are_refused_where_they_break(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	static const struct {
		enum mcsec_key_kind kind;
		const char *hex;
		size_t offset;
	} bad[] = {
	    {MCSEC_PCK, "", 0},                  /* nothing */
	    {MCSEC_PCK, PLAIN("02", "0000"), 0}, /* key type of a CSK */
	    {MCSEC_PCK,
	     "01"
	     "000000",
	     1}, /* cut off */
	    {MCSEC_PCK,
	     "01"
	     "00000001"
	     "0000000000"
	     "00000000",
	     10},                                                 /* cut off */
	    {MCSEC_PCK, PLAIN("01", "00"), 15},                   /* cut off */
	    {MCSEC_PCK, PLAIN("01", "000261"), 17},               /* text runs past the end */
	    {MCSEC_PCK, PLAIN("01", "0001ff"), 17},               /* not UTF-8 */
	    {MCSEC_GMK, PLAIN("00", "0000"), 17},                 /* no group list */
	    {MCSEC_GMK, PLAIN("00", "00000000"), 19},             /* no count */
	    {MCSEC_GMK, PLAIN("00", "0000000900"), 19},           /* list past the end */
	    {MCSEC_GMK, PLAIN("00", "00000005027b000167"), 24},   /* count 2 */
	    {MCSEC_GMK, PLAIN("00", "00000006017b00016700"), 24}, /* left */
	    {MCSEC_GMK, PLAIN("00", "00000004017b0000"), 23},     /* empty URI */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct message m = with_plain(state, bad[i].kind, bad[i].hex);
		refused(&lab->bob, &expect, &m, MCSEC_E_BAD_PARAMS, SEALED + bad[i].offset);
	}
}

static void mcx_sec_137_a_key_type_that_is_not_the_tag_is_refused(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	for (unsigned type = 0; type < 256; type++) {
		char hex[64];
		if (type == MCSEC_PCK)
			continue;
		snprintf(hex, sizeof hex, PLAIN("%02x", "0000"), type);
		struct message m = with_plain(state, MCSEC_PCK, hex);
		refused(&lab->bob, &expect, &m, MCSEC_E_BAD_PARAMS, SEALED);
	}
}

static void a_flipped_bit_of_the_sealed_parameters_is_refused(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	const struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED};
	struct message m = with_params(state, MCSEC_PCK, &params);
	m.octets[SEALED + 17 + 15] ^= 1; /* the tag */
	signed_by(lab, &lab->alice, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_PARAMS, SEALED);
	m = with_params(state, MCSEC_PCK, &params);
	m.octets[FRAME + 3] ^= 1; /* the date is authenticated too */
	signed_by(lab, &lab->alice, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_PARAMS, SEALED);
}

static void mcx_sec_138_a_revoked_key_is_named_and_not_handed_out(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	const struct mcsec_key_params params = {.status = MCSEC_STATUS_GATEWAY, .expiry = 1};
	struct message m = with_params(state, MCSEC_GMK, &params);
	struct mcsec_im *im;
	struct mcsec_fault fault;
	assert_int_equal(mcsec_im_open(&lab->bob, &expect, m.octets, m.len, &im, &fault), MCSEC_E_REVOKED);
	assert_int_equal(fault.code, MCSEC_E_REVOKED);
	assert_non_null(im);
	assert_null(im->key);
	assert_int_equal(im->k_id, 0x0a1b2c3d);
	assert_string_equal(im->initiator, ALICE);
	assert_int_equal(im->params.status, MCSEC_STATUS_GATEWAY);
	mcsec_im_free(im);
}

static void mcx_sec_139_an_expiry_past_or_before_activation_is_refused(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	static const struct {
		int64_t activation, expiry; /* from now; INT64_MIN: 0 on the wire */
		enum mcsec_err err;
	} cases[] = {
	    {INT64_MIN, INT64_MIN, MCSEC_OK},
	    {500, INT64_MIN, MCSEC_OK},
	    {500, 501, MCSEC_OK},
	    {INT64_MIN, 1, MCSEC_OK},
	    {-500, 1, MCSEC_OK},
	    {-500, 0, MCSEC_E_BAD_PARAMS},
	    {-500, -1, MCSEC_E_BAD_PARAMS},
	    {INT64_MIN, 0, MCSEC_E_BAD_PARAMS},
	    {500, 500, MCSEC_E_BAD_PARAMS},
	    {500, 400, MCSEC_E_BAD_PARAMS},
	    {INT64_MIN, -10, MCSEC_E_BAD_PARAMS},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mcsec_key_params params = {.status = 1};
		if (cases[i].activation != INT64_MIN)
			params.activation = (uint64_t)((int64_t)UNIX_NOW + cases[i].activation);
		if (cases[i].expiry != INT64_MIN)
			params.expiry = (uint64_t)((int64_t)UNIX_NOW + cases[i].expiry);
		struct message m = with_params(state, MCSEC_PCK, &params);
		if (cases[i].err)
			refused(&lab->bob, &expect, &m, cases[i].err, SEALED);
		else
			mcsec_im_free(opened(&lab->bob, &expect, &m));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vectors_of_the_protected_payload_open_and_are_written),
	    cmocka_unit_test(a_key_that_does_not_fit_the_algorithm_is_refused),
	    cmocka_unit_test(the_worked_example_of_key_parameters_is_written_octet_for_octet),
	    cmocka_unit_test(parameters_of_every_kind_travel_with_their_groups),
	    cmocka_unit_test(an_empty_group_list_is_0001_00_and_other_kinds_have_none),
	    cmocka_unit_test(the_form_with_its_own_iei_and_length_is_read_too),
	    cmocka_unit_test(unknown_status_bits_a_group_iei_and_reserved_octets_are_ignored),
	    cmocka_unit_test(plaintexts_out_of_shape_are_refused_where_they_break),
	    cmocka_unit_test(mcx_sec_137_a_key_type_that_is_not_the_tag_is_refused),
	    cmocka_unit_test(a_flipped_bit_of_the_sealed_parameters_is_refused),
	    cmocka_unit_test(mcx_sec_138_a_revoked_key_is_named_and_not_handed_out),
	    cmocka_unit_test(mcx_sec_139_an_expiry_past_or_before_activation_is_refused),
	};
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

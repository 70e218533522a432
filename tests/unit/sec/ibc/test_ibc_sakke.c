/* SPDX-License-Identifier: Apache-2.0 */
/* SAKKE (RFC 6508): what opens, what must not, the deviations of peers, and the exceptions of the fast sums. */
#include "domain.h"
#include "points.h"

#include "mcsec/secret.h"
#include "sec/ibc/hash.h"

static struct domain d;
static const uint8_t ssv[MCSEC_SSV_LEN] = "sixteen octets!";
static uint8_t sed[MCSEC_SED_LEN];
static const uint8_t zero_ssv[MCSEC_SSV_LEN];

static int setup(void **state)
{
	(void)state;
	domain_new(&d);
	assert_int_equal(mcsec_sakke_encapsulate(d.peer, ssv, sed), MCSEC_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	domain_free(&d);
	return 0;
}

static void refused(const uint8_t *bad, size_t n)
{
	uint8_t out[MCSEC_SSV_LEN];
	memset(out, 0xff, sizeof out);
	assert_int_equal(mcsec_sakke_decapsulate(d.keys, bad, n, out), MCSEC_E_DECRYPT);
	assert_memory_equal(out, zero_ssv, sizeof out);
}

static void what_was_encapsulated_comes_out(void **state)
{
	(void)state;
	uint8_t key[MCSEC_SSV_LEN], out[MCSEC_SSV_LEN], enc[MCSEC_SED_LEN];
	for (int i = 0; i < 20; i++) {
		assert_int_equal(mcsec_sakke_encapsulate_fresh(d.peer, &d.rng, 0, key, enc), MCSEC_OK);
		assert_int_equal(mcsec_sakke_decapsulate(d.keys, enc, sizeof enc, out), MCSEC_OK);
		assert_memory_equal(out, key, sizeof out);
	}
}

static void every_changed_octet_is_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SED_LEN];
	for (size_t i = 0; i < sizeof bad; i++) {
		/* the octets of R off the curve fall at the first check; all of H goes through both tries */
		memcpy(bad, sed, sizeof bad);
		bad[i] ^= (uint8_t)(1u << i % 8);
		refused(bad, sizeof bad);
	}
}

static void a_wrong_length_is_refused(void **state)
{
	(void)state;
	uint8_t longer[MCSEC_SED_LEN + 1] = {0};
	memcpy(longer, sed, sizeof sed);
	for (size_t n = 0; n < MCSEC_SED_LEN - 1; n++)
		refused(sed, n);
	refused(sed, MCSEC_SED_LEN - 1); /* 272 is tried, but this H has not lost a zero */
	refused(longer, sizeof longer);
}

static void a_flipped_bit_of_h_is_refused_also_when_h_is_cut_to_15_octets(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SED_LEN];
	memcpy(bad, sed, sizeof bad);
	bad[257] ^= 1;
	refused(bad, sizeof bad);
	memmove(bad + 257, bad + 258, 15);
	refused(bad, sizeof bad - 1);
}

static void other_forms_of_r_are_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SED_LEN];
	for (int form = 0; form < 256; form++) {
		if (form == 4)
			continue;
		memcpy(bad, sed, sizeof bad);
		bad[0] = (uint8_t)form;
		refused(bad, sizeof bad);
	}
}

/* Adding p to a coordinate of a point makes the same residue; only coordinates below 2^1024 - p have room for it. */
static void a_coordinate_not_below_p_is_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SED_LEN];
	memcpy(bad, sed, sizeof bad);
	memset(bad + 1, 0, 256); /* (0, 0) lies on E; so does (p, 0) mod p */
	num_store(bad + 1, &FP.m);
	refused(bad, sizeof bad);
	memset(bad + 1, 0, 256);
	num_store(bad + 129, &FP.m);
	refused(bad, sizeof bad);
	struct point p;
	assert_int_equal(point_load(&p, bad), MCSEC_E_POINT);
	memset(bad + 1, 0xff, 256);
	refused(bad, sizeof bad);
}

static void put_point(uint8_t out[MCSEC_SED_LEN], const struct point *p)
{
	memcpy(out, sed, MCSEC_SED_LEN);
	point_store(out, p);
}

static void r_of_small_order_or_outside_the_subgroup_is_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SED_LEN];
	struct point R, two = {{{0}}, {{0}}}, four, sum;
	assert_int_equal(point_load(&R, sed), MCSEC_OK);
	point_of_order_4(&four);
	put_point(bad, &two);
	refused(bad, sizeof bad);
	put_point(bad, &four);
	refused(bad, sizeof bad);
	/* R + T pairs like R: only TEST tells them apart */
	add_points(&sum, &R, &two);
	put_point(bad, &sum);
	refused(bad, sizeof bad);
	add_points(&sum, &R, &four);
	put_point(bad, &sum);
	refused(bad, sizeof bad);
}

static void another_point_of_the_subgroup_as_r_is_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SED_LEN];
	struct point R, other;
	put_point(bad, &GENERATOR);
	refused(bad, sizeof bad);
	assert_int_equal(point_load(&R, sed), MCSEC_OK);
	add_points(&other, &R, &GENERATOR);
	put_point(bad, &other);
	refused(bad, sizeof bad);
	other = R;
	fp_neg(&other.y, &R.y);
	put_point(bad, &other);
	refused(bad, sizeof bad);
}

static void what_is_for_another_identity_or_of_another_kms_is_refused(void **state)
{
	(void)state;
	struct mcsec_identity *other;
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	uint8_t id[26], enc[MCSEC_SED_LEN], kpak[65], z[257];
	memcpy(id, d.id, sizeof id);
	id[25] = 1;
	assert_int_equal(mcsec_identity_new(&other, d.kms, id, sizeof id), MCSEC_OK);
	assert_int_equal(mcsec_sakke_encapsulate(other, ssv, enc), MCSEC_OK);
	refused(enc, sizeof enc);
	mcsec_identity_free(other);
	assert_int_equal(mcsec_master_generate(&master, &d.rng), MCSEC_OK);
	mcsec_master_public(master, kpak, z);
	assert_int_equal(mcsec_kms_new(&kms, kpak, z), MCSEC_OK);
	assert_int_equal(mcsec_identity_new(&other, kms, d.id, sizeof d.id), MCSEC_OK);
	assert_int_equal(mcsec_sakke_encapsulate(other, ssv, enc), MCSEC_OK);
	refused(enc, sizeof enc);
	/* nor does a key set of one KMS import under another */
	struct mcsec_keyset *keys;
	assert_int_equal(mcsec_keyset_new(&keys, kms, d.id, sizeof d.id, d.issued.ssk, d.issued.pvt, d.issued.rsk),
			 MCSEC_E_KEY_SET);
	mcsec_identity_free(other);
	mcsec_kms_free(kms);
	mcsec_master_free(master);
}

/* For this member g^r of the SSV 0..0, 95 begins with a zero octet; H of 0..0, 553 does. Both were searched for. */
static void h_that_lost_its_leading_zero_opens_and_is_counted(void **state)
{
	(void)state;
	uint8_t key[MCSEC_SSV_LEN] = {[14] = 553 >> 8, [15] = 553 & 255}, enc[MCSEC_SED_LEN], out[MCSEC_SSV_LEN];
	struct mcsec_sakke_peers before, after;
	assert_int_equal(mcsec_sakke_encapsulate(d.peer, key, enc), MCSEC_OK);
	assert_int_equal(enc[257], 0);
	memmove(enc + 257, enc + 258, 15);
	mcsec_sakke_peers_seen(&before);
	assert_int_equal(mcsec_sakke_decapsulate(d.keys, enc, sizeof enc - 1, out), MCSEC_OK);
	assert_memory_equal(out, key, sizeof out);
	mcsec_sakke_peers_seen(&after);
	assert_int_equal(after.short_h, before.short_h + 1);
	assert_int_equal(after.stripped_w, before.stripped_w);
}

static const uint8_t short_gr_ssv[MCSEC_SSV_LEN] = {[15] = 95};

static void a_mask_from_g_r_without_its_leading_zeros_opens_and_is_counted(void **state)
{
	(void)state;
	uint8_t enc[MCSEC_SED_LEN], out[MCSEC_SSV_LEN], gr_octets[128], mask[16], want[16];
	struct num r, gr;
	struct mcsec_sakke_peers before, after;
	assert_int_equal(mcsec_sakke_encapsulate(d.peer, short_gr_ssv, enc), MCSEC_OK);
	hash_to_range_q(&r, OCTETS(short_gr_ssv), OCTETS(d.id));
	assert_int_equal(fixed_pow_g(&gr, &r, 1), MCSEC_OK);
	fp_store(gr_octets, &gr);
	assert_int_equal(gr_octets[0], 0);
	assert_int_not_equal(gr_octets[1], 0);
	hash_to_range_128_stripped(mask, gr_octets);
	hash_to_range_128(want, (struct octets){gr_octets + 1, 127});
	assert_memory_equal(mask, want, 16);
	for (size_t i = 0; i < 16; i++)
		enc[257 + i] = short_gr_ssv[i] ^ mask[i];
	mcsec_sakke_peers_seen(&before);
	assert_int_equal(mcsec_sakke_decapsulate(d.keys, enc, sizeof enc, out), MCSEC_OK);
	assert_memory_equal(out, short_gr_ssv, sizeof out);
	mcsec_sakke_peers_seen(&after);
	assert_int_equal(after.stripped_w, before.stripped_w + 1);
	assert_int_equal(after.short_h, before.short_h);
}

static void stripping_takes_away_all_leading_zeros_up_to_eight(void **state)
{
	(void)state;
	uint8_t w[128], got[16], want[16];
	for (size_t zeros = 0; zeros <= 8; zeros++) {
		for (size_t i = 0; i < sizeof w; i++)
			w[i] = i < zeros ? 0 : (uint8_t)(i * 7 % 251 + 1);
		w[100] = 0;
		hash_to_range_128_stripped(got, w);
		hash_to_range_128(want, (struct octets){w + zeros, sizeof w - zeros});
		assert_memory_equal(got, want, 16);
	}
}

/* First 16 octets of the source: the SSV with the short g^r; then others. */
static enum mcsec_err short_first_fill(void *ctx, uint8_t *out, size_t n)
{
	int *calls = ctx;
	memcpy(out, short_gr_ssv, n);
	out[0] = (uint8_t)(*calls)++;
	return MCSEC_OK;
}

static void avoid_short_gr_draws_a_fresh_key_again(void **state)
{
	(void)state;
	uint8_t key[MCSEC_SSV_LEN], enc[MCSEC_SED_LEN];
	int calls = 0;
	const struct mcsec_rng rng = {short_first_fill, &calls};
	assert_int_equal(mcsec_sakke_encapsulate_fresh(d.peer, &rng, 0, key, enc), MCSEC_OK);
	assert_int_equal(calls, 1);
	assert_memory_equal(key, short_gr_ssv, sizeof key);
	calls = 0;
	assert_int_equal(mcsec_sakke_encapsulate_fresh(d.peer, &rng, 1, key, enc), MCSEC_OK);
	assert_int_equal(calls, 2);
	assert_int_equal(key[0], 1);
}

static void an_rsk_of_another_identity_or_off_the_subgroup_is_refused(void **state)
{
	(void)state;
	struct mcsec_keyset *k;
	struct mcsec_issued other;
	uint8_t id[26], rsk[257];
	size_t before = mcsec_secret_in_use();
	memcpy(id, d.id, sizeof id);
	id[1] ^= 1;
	assert_int_equal(mcsec_master_issue(d.master, &d.rng, 3, id, sizeof id, &other), MCSEC_OK);
#define REFUSED(octets)                                                                                                \
	assert_int_equal(mcsec_keyset_new(&k, d.kms, d.id, sizeof d.id, d.issued.ssk, d.issued.pvt, (octets)),         \
			 MCSEC_E_KEY_SET)
	REFUSED(other.rsk);
	memcpy(rsk, d.issued.rsk, sizeof rsk);
	rsk[256] ^= 1;
	REFUSED(rsk);
	rsk[0] = 3;
	REFUSED(rsk);
	memset(rsk + 1, 0, 256);
	rsk[0] = 4;
	REFUSED(rsk); /* order 2 */
	struct point K, four, two = {{{0}}, {{0}}}, sum;
	assert_int_equal(point_load(&K, d.issued.rsk), MCSEC_OK);
	point_of_order_4(&four);
	point_store(rsk, &four);
	REFUSED(rsk);
	add_points(&sum, &K, &two);
	point_store(rsk, &sum);
	REFUSED(rsk); /* pairs like K, but of order 2q */
	fp_neg(&K.y, &K.y);
	point_store(rsk, &K);
	REFUSED(rsk);
#undef REFUSED
	assert_int_equal(mcsec_secret_in_use(), before);
}

static void a_kms_with_a_bad_public_key_is_refused(void **state)
{
	(void)state;
	struct mcsec_kms *k;
	uint8_t kpak[65], z[257];
#define REFUSED()                                                                                                      \
	assert_int_equal(mcsec_kms_new(&k, kpak, z), MCSEC_E_POINT);                                                   \
	assert_null(k)
	memcpy(kpak, d.kpak, sizeof kpak);
	memcpy(z, d.z_pub, sizeof z);
	kpak[64] ^= 1;
	REFUSED();
	memcpy(kpak, d.kpak, sizeof kpak);
	kpak[0] = 0;
	REFUSED();
	kpak[0] = 4;
	z[256] ^= 1;
	REFUSED();
	z[256] ^= 1;
	z[0] = 2;
	REFUSED();
	struct point Z, four, two = {{{0}}, {{0}}}, sum;
	point_of_order_4(&four);
	point_store(z, &two);
	REFUSED();
	point_store(z, &four);
	REFUSED();
	assert_int_equal(point_load(&Z, d.z_pub), MCSEC_OK);
	add_points(&sum, &Z, &four);
	point_store(z, &sum);
	REFUSED();
#undef REFUSED
}

static void an_identity_is_1_to_256_octets(void **state)
{
	(void)state;
	struct mcsec_identity *i;
	uint8_t id[257] = {7};
	assert_int_equal(mcsec_identity_new(&i, d.kms, id, 0), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_identity_new(&i, d.kms, id, 257), MCSEC_E_LENGTH);
	assert_null(i);
	static const size_t lens[] = {1, 127, 128, 129, 255, 256};
	for (size_t k = 0; k < sizeof lens / sizeof *lens; k++) {
		struct mcsec_issued s;
		struct mcsec_keyset *keys;
		uint8_t enc[MCSEC_SED_LEN], out[MCSEC_SSV_LEN];
		for (size_t o = 0; o < lens[k]; o++)
			id[o] = (uint8_t)(o * 3 + lens[k]);
		assert_int_equal(mcsec_identity_new(&i, d.kms, id, lens[k]), MCSEC_OK);
		assert_int_equal(mcsec_master_issue(d.master, &d.rng, 9, id, lens[k], &s), MCSEC_OK);
		assert_int_equal(mcsec_keyset_new(&keys, d.kms, id, lens[k], s.ssk, s.pvt, s.rsk), MCSEC_OK);
		assert_int_equal(mcsec_sakke_encapsulate(i, ssv, enc), MCSEC_OK);
		assert_int_equal(mcsec_sakke_decapsulate(keys, enc, sizeof enc, out), MCSEC_OK);
		assert_memory_equal(out, ssv, sizeof out);
		mcsec_keyset_free(keys);
		mcsec_identity_free(i);
	}
}

/* b = 0 and b = q: [r b]P is infinity, which the fast sum cannot hold; R is [r]Z all the same. */
static void an_identity_that_is_zero_mod_q_meets_the_exception_and_is_served(void **state)
{
	(void)state;
	uint8_t zero_id[32] = {0}, q_id[128], enc[MCSEC_SED_LEN], out[MCSEC_SSV_LEN];
	num_store(q_id, &FQ.m);
	const struct octets ids[] = {OCTETS(zero_id), OCTETS(q_id)};
	for (int i = 0; i < 2; i++) {
		struct mcsec_identity *peer;
		struct mcsec_keyset *keys;
		struct mcsec_issued s;
		assert_int_equal(mcsec_identity_new(&peer, d.kms, ids[i].p, ids[i].len), MCSEC_OK);
		assert_true(num_is_zero(&peer->id.b));
		assert_int_equal(mcsec_sakke_encapsulate(peer, ssv, enc), MCSEC_OK);
		struct num r;
		struct point want, R;
		hash_to_range_q(&r, OCTETS(ssv), ids[i]);
		num_mul(&r, &r, &d.master->z, &FQ);
		assert_int_equal(fixed_mul_p(&want, &r, 1), MCSEC_OK); /* [r z]P */
		assert_int_equal(point_load(&R, enc), MCSEC_OK);
		assert_true(point_equal(&R, &want));
		assert_int_equal(mcsec_master_issue(d.master, &d.rng, 5, ids[i].p, ids[i].len, &s), MCSEC_OK);
		assert_int_equal(mcsec_keyset_new(&keys, d.kms, ids[i].p, ids[i].len, s.ssk, s.pvt, s.rsk), MCSEC_OK);
		assert_int_equal(mcsec_sakke_decapsulate(keys, enc, sizeof enc, out), MCSEC_OK);
		assert_memory_equal(out, ssv, sizeof out);
		mcsec_keyset_free(keys);
		mcsec_identity_free(peer);
	}
}

/* b = -z: no RSK exists, [b]P + Z is infinity. */
static void the_identity_that_has_no_rsk_is_refused(void **state)
{
	(void)state;
	struct num z;
	uint8_t id[128], enc[MCSEC_SED_LEN];
	struct mcsec_identity *peer;
	struct mcsec_issued s, none = {0};
	num_leave(&z, &d.master->z, &FQ);
	num_sub(&z, &FQ.m, &z, &FQ);
	num_store(id, &z);
	assert_int_equal(mcsec_master_issue(d.master, &d.rng, 6, id, sizeof id, &s), MCSEC_E_SELF_TEST);
	assert_memory_equal(&s, &none, sizeof s);
	assert_int_equal(mcsec_identity_new(&peer, d.kms, id, sizeof id), MCSEC_OK);
	assert_int_equal(mcsec_sakke_encapsulate(peer, ssv, enc), MCSEC_E_VALUE);
	mcsec_identity_free(peer);
}

static void master_secrets_out_of_range_are_refused(void **state)
{
	(void)state;
	uint8_t ksak[32] = {0}, z[128] = {0};
	struct mcsec_master *m;
	z[127] = 5;
	assert_int_equal(mcsec_master_load(&m, ksak, z), MCSEC_E_SCALAR);
	ksak[31] = 5;
	z[127] = 0;
	assert_int_equal(mcsec_master_load(&m, ksak, z), MCSEC_E_SCALAR);
	num_store(z, &FQ.m);
	assert_int_equal(mcsec_master_load(&m, ksak, z), MCSEC_E_SCALAR);
	assert_null(m);
	z[127]--;
	assert_int_equal(mcsec_master_load(&m, ksak, z), MCSEC_OK);
	uint8_t k2[32], z2[128];
	mcsec_master_export(m, k2, z2);
	assert_memory_equal(k2, ksak, 32);
	assert_memory_equal(z2, z, 128);
	mcsec_master_free(m);
	memset(ksak, 0xff, 32);
	assert_int_equal(mcsec_master_load(&m, ksak, z), MCSEC_E_SCALAR);
}

/* kms.md 2.1 item 3: with a random source that repeats, another identity or another counter still gives another v. */
static enum mcsec_err stuck_fill(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	memset(out, 0, n);
	return MCSEC_OK;
}

static void v_does_not_repeat_when_the_random_source_does(void **state)
{
	(void)state;
	const struct mcsec_rng stuck = {stuck_fill, NULL};
	struct mcsec_issued a, b, c;
	uint8_t id[26];
	memcpy(id, d.id, sizeof id);
	id[0] ^= 1;
	assert_int_equal(mcsec_master_issue(d.master, &stuck, 1, d.id, sizeof d.id, &a), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(d.master, &stuck, 2, d.id, sizeof d.id, &b), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(d.master, &stuck, 1, id, sizeof id, &c), MCSEC_OK);
	assert_memory_not_equal(a.pvt, b.pvt, sizeof a.pvt);
	assert_memory_not_equal(a.pvt, c.pvt, sizeof a.pvt);
	assert_memory_equal(a.rsk, b.rsk, sizeof a.rsk);
}

static void batches_give_what_single_calls_give(void **state)
{
	(void)state;
	enum { N = 37 };
	static uint8_t ids[N][32], seds[N][MCSEC_SED_LEN];
	static struct mcsec_issued sets[N];
	struct mcsec_encap_job enc[N];
	struct mcsec_issue_job iss[N];
	for (unsigned threads = 0; threads <= 3; threads++) {
		for (unsigned i = 0; i < N; i++) {
			ids[i][0] = (uint8_t)i;
			ids[i][31] = 1;
			enc[i] = (struct mcsec_encap_job){ids[i], 32, ssv, seds[i], MCSEC_E_CRYPTO};
			iss[i] = (struct mcsec_issue_job){ids[i], 32, 100 + i, &sets[i], MCSEC_E_CRYPTO};
		}
		enc[5].id_len = iss[5].id_len = 0; /* one bad job does not spoil the others */
		assert_int_equal(mcsec_sakke_encapsulate_batch(d.kms, enc, N, threads), MCSEC_E_LENGTH);
		assert_int_equal(mcsec_master_issue_batch(d.master, &d.rng, iss, N, threads), MCSEC_E_LENGTH);
		for (unsigned i = 0; i < N; i++) {
			struct mcsec_identity *peer;
			struct mcsec_issued one;
			uint8_t want[MCSEC_SED_LEN];
			if (i == 5) {
				assert_int_equal(enc[i].err, MCSEC_E_LENGTH);
				assert_int_equal(iss[i].err, MCSEC_E_LENGTH);
				continue;
			}
			assert_int_equal(enc[i].err, MCSEC_OK);
			assert_int_equal(iss[i].err, MCSEC_OK);
			assert_int_equal(mcsec_identity_new(&peer, d.kms, ids[i], 32), MCSEC_OK);
			assert_int_equal(mcsec_sakke_encapsulate(peer, ssv, want), MCSEC_OK);
			assert_memory_equal(seds[i], want, sizeof want);
			assert_int_equal(mcsec_master_issue(d.master, &d.rng, 1, ids[i], 32, &one), MCSEC_OK);
			assert_memory_equal(sets[i].rsk, one.rsk, sizeof one.rsk);
			if (i % 12 == 0) {
				struct mcsec_keyset *keys;
				assert_int_equal(
				    mcsec_keyset_new(&keys, d.kms, ids[i], 32, sets[i].ssk, sets[i].pvt, sets[i].rsk),
				    MCSEC_OK);
				mcsec_keyset_free(keys);
			}
			mcsec_identity_free(peer);
		}
	}
	assert_int_equal(mcsec_sakke_encapsulate_batch(d.kms, NULL, 0, 2), MCSEC_OK);
	assert_int_equal(mcsec_master_issue_batch(d.master, &d.rng, NULL, 0, 2), MCSEC_OK);
}

static void tables_of_every_size_give_the_same(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 700000, 1000000, MCSEC_KMS_TABLES, 3000000, 5000000};
	size_t before = 0, secret = mcsec_secret_in_use();
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct mcsec_kms *kms;
		struct mcsec_identity *peer;
		struct mcsec_keyset *keys;
		uint8_t enc[MCSEC_SED_LEN], seds[9][MCSEC_SED_LEN], out[MCSEC_SSV_LEN];
		struct mcsec_encap_job jobs[9];
		assert_int_equal(mcsec_kms_new_sized(&kms, d.kpak, d.z_pub, sizes[i]), MCSEC_OK);
		size_t took = mcsec_kms_table_octets(kms);
		assert_true(took <= sizes[i] || i == 0);
		assert_true(took > before); /* another width at each */
		before = took;
		assert_int_equal(mcsec_identity_new(&peer, kms, d.id, sizeof d.id), MCSEC_OK);
		assert_int_equal(mcsec_sakke_encapsulate(peer, ssv, enc), MCSEC_OK);
		assert_memory_equal(enc, sed, sizeof enc);
		for (size_t k = 0; k < 9; k++)
			jobs[k] = (struct mcsec_encap_job){d.id, sizeof d.id, ssv, seds[k], MCSEC_E_CRYPTO};
		assert_int_equal(mcsec_sakke_encapsulate_batch(kms, jobs, 9, 2), MCSEC_OK);
		for (size_t k = 0; k < 9; k++)
			assert_memory_equal(seds[k], sed, sizeof sed);
		for (size_t octets = 0; octets <= MCSEC_RSK_TABLES; octets += MCSEC_RSK_TABLES) {
			assert_int_equal(mcsec_keyset_new_sized(&keys, kms, d.id, sizeof d.id, d.issued.ssk,
								d.issued.pvt, d.issued.rsk, octets),
					 MCSEC_OK);
			assert_int_equal(mcsec_keyset_table_octets(keys) == 0, octets == 0);
			assert_true(mcsec_keyset_table_octets(keys) <= octets);
			assert_int_equal(mcsec_sakke_decapsulate(keys, sed, sizeof sed, out), MCSEC_OK);
			assert_memory_equal(out, ssv, sizeof out);
			enc[MCSEC_SED_LEN - 1] ^= 1;
			assert_int_equal(mcsec_sakke_decapsulate(keys, enc, sizeof enc, out), MCSEC_E_DECRYPT);
			enc[MCSEC_SED_LEN - 1] ^= 1;
			mcsec_keyset_free(keys);
		}
		mcsec_identity_free(peer);
		mcsec_kms_free(kms);
	}
	assert_int_equal(mcsec_secret_in_use(), secret);
}

static void the_full_equation_finds_a_wrong_rsk(void **state)
{
	(void)state;
	const struct ident *id = &d.peer->id;
	struct point rsk, wrong;
	assert_int_equal(sakke_issue_rsk(d.master, &id, &rsk, 1), MCSEC_OK);
	assert_true(master_rsk_holds(d.master, id, &rsk));
	add_points(&wrong, &rsk, &GENERATOR);
	assert_false(master_rsk_holds(d.master, id, &wrong));
	struct mcsec_issued one, two;
	mcsec_master_check_every_rsk(d.master, 1);
	assert_int_equal(mcsec_master_issue(d.master, &d.rng, 1, d.id, sizeof d.id, &one), MCSEC_OK);
	mcsec_master_check_every_rsk(d.master, 0);
	assert_int_equal(mcsec_master_issue(d.master, &d.rng, 1, d.id, sizeof d.id, &two), MCSEC_OK);
	assert_memory_equal(one.rsk, two.rsk, sizeof one.rsk);
}

static void the_random_equation_finds_one_wrong_rsk_among_many(void **state)
{
	(void)state;
	enum { N = 20 };
	static struct mcsec_issued sets[N];
	uint8_t ids[N][40] = {{0}};
	struct mcsec_issue_job jobs[N];
	for (unsigned i = 0; i < N; i++) {
		ids[i][0] = (uint8_t)(i + 1);
		jobs[i] = (struct mcsec_issue_job){ids[i], i == 3 ? 40 : 32, i, &sets[i], MCSEC_OK};
	}
	assert_int_equal(mcsec_master_issue_batch(d.master, &d.rng, jobs, N, 1), MCSEC_OK);
	assert_int_equal(master_batch_holds(d.master, &d.rng, jobs, N), MCSEC_OK);
	for (unsigned i = 0; i < N; i += 7) {
		struct mcsec_issued good = sets[i];
		memcpy(sets[i].rsk, sets[(i + 1) % N].rsk, sizeof sets[i].rsk); /* a right RSK of someone else */
		assert_int_equal(master_batch_holds(d.master, &d.rng, jobs, N), MCSEC_E_SELF_TEST);
		sets[i] = good;
	}
	/* two wrong ones whose errors cancel without random factors */
	struct mcsec_issued a = sets[0], b = sets[1];
	struct point p, q, minus = GENERATOR;
	fp_neg(&minus.y, &minus.y);
	assert_int_equal(point_load(&p, a.rsk), MCSEC_OK);
	assert_int_equal(point_load(&q, b.rsk), MCSEC_OK);
	add_points(&p, &p, &GENERATOR);
	add_points(&q, &q, &minus);
	point_store(sets[0].rsk, &p);
	point_store(sets[1].rsk, &q);
	assert_int_equal(master_batch_holds(d.master, &d.rng, jobs, N), MCSEC_E_SELF_TEST);
}

static void the_pairing_is_bilinear_and_symmetric(void **state)
{
	(void)state;
	struct lines *of_a, *of_b;
	struct num a = {{0x123456789abcdefULL, 77, 3}}, b = {{99, 0, 0, 0xfedcba9876543210ULL}}, ab, left, right, gab;
	struct point A, B;
	assert_int_equal(fixed_mul_p(&A, &a, 1), MCSEC_OK);
	assert_int_equal(fixed_mul_p(&B, &b, 1), MCSEC_OK);
	assert_int_equal(lines_new(&of_a, &A), MCSEC_OK);
	assert_int_equal(lines_new(&of_b, &B), MCSEC_OK);
	assert_true(pairing(&left, of_a, &B));
	assert_true(pairing(&right, of_b, &A));
	assert_true(num_equal(&left, &right));
	num_enter(&ab, &a, &FQ);
	num_mul(&ab, &ab, &b, &FQ);
	assert_int_equal(fixed_pow_g(&gab, &ab, 1), MCSEC_OK);
	assert_true(num_equal(&left, &gab));
	lines_free(of_a);
	lines_free(of_b);
}

static void the_self_test_passes_and_leaves_no_secret_behind(void **state)
{
	(void)state;
	size_t before = mcsec_secret_in_use();
	assert_int_equal(mcsec_ibc_self_test(), MCSEC_OK);
	assert_int_equal(mcsec_secret_in_use(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_encapsulated_comes_out),
	    cmocka_unit_test(every_changed_octet_is_refused),
	    cmocka_unit_test(a_wrong_length_is_refused),
	    cmocka_unit_test(a_flipped_bit_of_h_is_refused_also_when_h_is_cut_to_15_octets),
	    cmocka_unit_test(other_forms_of_r_are_refused),
	    cmocka_unit_test(a_coordinate_not_below_p_is_refused),
	    cmocka_unit_test(r_of_small_order_or_outside_the_subgroup_is_refused),
	    cmocka_unit_test(another_point_of_the_subgroup_as_r_is_refused),
	    cmocka_unit_test(what_is_for_another_identity_or_of_another_kms_is_refused),
	    cmocka_unit_test(h_that_lost_its_leading_zero_opens_and_is_counted),
	    cmocka_unit_test(a_mask_from_g_r_without_its_leading_zeros_opens_and_is_counted),
	    cmocka_unit_test(stripping_takes_away_all_leading_zeros_up_to_eight),
	    cmocka_unit_test(avoid_short_gr_draws_a_fresh_key_again),
	    cmocka_unit_test(an_rsk_of_another_identity_or_off_the_subgroup_is_refused),
	    cmocka_unit_test(a_kms_with_a_bad_public_key_is_refused),
	    cmocka_unit_test(an_identity_is_1_to_256_octets),
	    cmocka_unit_test(an_identity_that_is_zero_mod_q_meets_the_exception_and_is_served),
	    cmocka_unit_test(the_identity_that_has_no_rsk_is_refused),
	    cmocka_unit_test(master_secrets_out_of_range_are_refused),
	    cmocka_unit_test(v_does_not_repeat_when_the_random_source_does),
	    cmocka_unit_test(batches_give_what_single_calls_give),
	    cmocka_unit_test(tables_of_every_size_give_the_same),
	    cmocka_unit_test(the_full_equation_finds_a_wrong_rsk),
	    cmocka_unit_test(the_random_equation_finds_one_wrong_rsk_among_many),
	    cmocka_unit_test(the_pairing_is_bilinear_and_symmetric),
	    cmocka_unit_test(the_self_test_passes_and_leaves_no_secret_behind),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

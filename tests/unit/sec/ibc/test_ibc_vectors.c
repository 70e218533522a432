/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6507 Appendix A and RFC 6508 Appendix A, every intermediate value; the KMS example of two periods. */
#include "vector.h"

#include "mcsec/ibc.h"
#include "mcsec/secret.h"
#include "sec/ibc/engine.h"
#include "sec/ibc/hash.h"

static struct vector_file eccsi, sakke;

/* Both RFCs use the same identity; one KMS holds both master secrets. */
struct fixture {
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	struct mcsec_keyset *keys;
	struct mcsec_identity *peer;
	uint8_t id[26], kpak[65], z_pub[257];
};

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	uint8_t ksak[32], z[128], ssk[32], pvt[65], rsk[257];
	vector_open(&eccsi, "rfc6507.json");
	vector_open(&sakke, "rfc6508.json");
	vector_get(&eccsi, "ksak", ksak, sizeof ksak);
	vector_get(&sakke, "z", z, sizeof z);
	assert_int_equal(mcsec_master_load(&f.master, ksak, z), MCSEC_OK);
	mcsec_master_public(f.master, f.kpak, f.z_pub);
	assert_int_equal(vector_len(&eccsi, "id"), sizeof f.id);
	vector_get(&eccsi, "id", f.id, sizeof f.id);
	assert_int_equal(mcsec_kms_new(&f.kms, f.kpak, f.z_pub), MCSEC_OK);
	assert_int_equal(mcsec_identity_new(&f.peer, f.kms, f.id, sizeof f.id), MCSEC_OK);
	vector_get(&eccsi, "ssk", ssk, sizeof ssk);
	vector_get(&eccsi, "pvt", pvt, sizeof pvt);
	vector_get(&sakke, "rsk", rsk, sizeof rsk);
	assert_int_equal(mcsec_keyset_new(&f.keys, f.kms, f.id, sizeof f.id, ssk, pvt, rsk), MCSEC_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mcsec_identity_free(f.peer);
	mcsec_keyset_free(f.keys);
	mcsec_kms_free(f.kms);
	mcsec_master_free(f.master);
	return 0;
}

static void expect(const struct vector_file *v, const char *key, const uint8_t *got, size_t n)
{
	uint8_t want[512];
	vector_get(v, key, want, n);
	assert_memory_equal(got, want, n);
}

static void the_public_keys_follow_from_the_master_secrets(void **state)
{
	(void)state;
	expect(&eccsi, "kpak", f.kpak, sizeof f.kpak);
	expect(&sakke, "Z", f.z_pub, sizeof f.z_pub);
}

static void rfc_6507_issues_pvt_hs_and_ssk(void **state)
{
	(void)state;
	uint8_t v_octets[32];
	struct n256 v;
	struct mcsec_issued out;
	vector_get(&eccsi, "v", v_octets, sizeof v_octets);
	assert_true(scalar_load(&v, v_octets));
	assert_int_equal(eccsi_pair_with(f.master, &v, OCTETS(f.id), &out), MCSEC_OK);
	expect(&eccsi, "pvt", out.pvt, sizeof out.pvt);
	expect(&eccsi, "hs", out.hs, sizeof out.hs);
	expect(&eccsi, "ssk", out.ssk, sizeof out.ssk);
}

static void rfc_6507_signs_the_message(void **state)
{
	(void)state;
	uint8_t msg[8], j_octets[32], sig[MCSEC_SIG_LEN], he[32];
	struct n256 j;
	vector_get(&eccsi, "message", msg, sizeof msg);
	vector_get(&eccsi, "j", j_octets, sizeof j_octets);
	assert_true(scalar_load(&j, j_octets));
	assert_int_equal(eccsi_sign_with(f.keys, &j, OCTETS(msg), sig), MCSEC_OK);
	expect(&eccsi, "r", sig, 32);
	expect(&eccsi, "s", sig + 32, 32);
	expect(&eccsi, "signature", sig, sizeof sig);
	hash_parts(he, (struct octets[]){OCTETS(f.keys->hs), {sig, 32}, OCTETS(msg)}, 3);
	expect(&eccsi, "he", he, sizeof he);
	assert_int_equal(mcsec_eccsi_verify(f.peer, msg, sizeof msg, sig), MCSEC_OK);
}

static void rfc_6508_issues_the_rsk(void **state)
{
	(void)state;
	struct mcsec_issued out;
	assert_int_equal(mcsec_master_issue(f.master, &mcsec_rng_system, 1, f.id, sizeof f.id, &out), MCSEC_OK);
	expect(&sakke, "rsk", out.rsk, sizeof out.rsk);
}

static void rfc_6508_encapsulates_step_by_step(void **state)
{
	(void)state;
	uint8_t ssv[16], octets[128], mask[16], sed[MCSEC_SED_LEN];
	struct num r, gr;
	vector_get(&sakke, "ssv", ssv, sizeof ssv);
	hash_to_range_q(&r, OCTETS(ssv), OCTETS(f.id));
	num_store(octets, &r);
	expect(&sakke, "r", octets, sizeof octets);
	assert_int_equal(fixed_pow_g(&gr, &r, 1), MCSEC_OK);
	fp_store(octets, &gr);
	expect(&sakke, "g_r", octets, sizeof octets);
	hash_to_range_128(mask, OCTETS(octets));
	expect(&sakke, "mask", mask, sizeof mask);
	assert_int_equal(mcsec_sakke_encapsulate(f.peer, ssv, sed), MCSEC_OK);
	expect(&sakke, "R", sed, 257);
	expect(&sakke, "H", sed + 257, 16);
	expect(&sakke, "sed", sed, sizeof sed);
}

static void rfc_6508_decapsulates_to_the_ssv(void **state)
{
	(void)state;
	uint8_t sed[MCSEC_SED_LEN], ssv[16], octets[128];
	struct point R;
	struct num w;
	vector_get(&sakke, "sed", sed, sizeof sed);
	assert_int_equal(point_load(&R, sed), MCSEC_OK);
	assert_true(pairing(&w, f.keys->lines, &R));
	fp_store(octets, &w);
	expect(&sakke, "g_r", octets, sizeof octets);
	assert_int_equal(mcsec_sakke_decapsulate(f.keys, sed, sizeof sed, ssv), MCSEC_OK);
	expect(&sakke, "ssv", ssv, sizeof ssv);
}

/* TS 33.180 UIDs of two key periods under the RFCs' master secrets; v reused because they are published. */
static void a_kms_issues_the_published_key_set_of_a_period(void **state)
{
	(void)state;
	static const char *const uid_hex[] = {"3a81fb14c3b1d0fe43c9c577104d55a6d81788bfd2f09743c4557746a5a0353b",
					      "0c3f097181dfbd67b2e4cb90f3702cefa892c4cb31e84ea9ce49ccdf618d154d"};
	static const char *const rsk_hex[] = {
	    "0426374381964c068abd86c09f6b773b89a9a75ab18d197ec3e3fb18e154277886f6c483600b1b2287489feec9433b31fd"
	    "08055eb7e8949295a587f8b3d53fbd6c84a4731d569a249a298d26d9b4e64653afb20898f777f853a76b6f35790fcbf984"
	    "1fbce972c511e9dd84a4e64f14e8203e1a1877a7bfe84c03911e9f1491bda8221524c3e159c8eaff147ff9df6096b70145"
	    "2b88d1caf06421db330c69b67accf75f50128128e69e7ece01cd9ebd01c017ecab2372440431852024d46510c68d71c324"
	    "1d52c0cb1d11384cb3fbfef3cdf541417f0e1227d733e145b9ce28b8400c815b41adac7e56665081d7175adb02e039f620"
	    "1404d9d88d476d490162cd4e",
	    "042409c04fb5d8e36b67e7c6aa8516e167057930",
	};
	uint8_t uid[32], rsk[257], v_octets[32], want[32];
	struct mcsec_issued out;
	struct n256 v;
	for (int i = 0; i < 2; i++) {
		unhex(uid_hex[i], uid, sizeof uid);
		size_t n = unhex(rsk_hex[i], rsk, sizeof rsk);
		assert_int_equal(mcsec_master_issue(f.master, &mcsec_rng_system, 7, uid, sizeof uid, &out), MCSEC_OK);
		assert_memory_equal(out.rsk, rsk, n);
	}
	unhex(uid_hex[0], uid, sizeof uid);
	vector_get(&eccsi, "v", v_octets, sizeof v_octets);
	assert_true(scalar_load(&v, v_octets));
	assert_int_equal(eccsi_pair_with(f.master, &v, OCTETS(uid), &out), MCSEC_OK);
	unhex("8efe4d0a0cc83f6ab0b532080515a16e57b522515c24c23aec9ffa8ec6015c58", want, 32);
	assert_memory_equal(out.hs, want, 32);
	unhex("4b2940c176fb1fee8f1879e55ceba6eafd7a43bf530acc21049e70fc4f4d341d", want, 32);
	assert_memory_equal(out.ssk, want, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_public_keys_follow_from_the_master_secrets),
	    cmocka_unit_test(rfc_6507_issues_pvt_hs_and_ssk),
	    cmocka_unit_test(rfc_6507_signs_the_message),
	    cmocka_unit_test(rfc_6508_issues_the_rsk),
	    cmocka_unit_test(rfc_6508_encapsulates_step_by_step),
	    cmocka_unit_test(rfc_6508_decapsulates_to_the_ssv),
	    cmocka_unit_test(a_kms_issues_the_published_key_set_of_a_period),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

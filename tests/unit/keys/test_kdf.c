/* SPDX-License-Identifier: Apache-2.0 */
/* Key identifiers, the derivations of TS 33.180 annex F.1, and SRTP master keys against the shared vectors. */
#include "unit/test.h"

#include <jansson.h>

#include "mcsec/kdf.h"
#include "sec/keys/hash.h"

#define ALICE "sip:alice@mc.example"

static const uint8_t k[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void octets_are(const uint8_t *p, size_t n, const char *want)
{
	char hex[HEX_SIZE(256)];
	hex_encode((struct octets){p, n}, hex);
	assert_string_equal(hex, want);
}

/* Keys shorter than a hash, as long as one, and longer than a block; texts in one piece, in two, and longer than one.
 */
static void hmac_sha_256_of_rfc_4231(void **state)
{
	(void)state;
	uint8_t a[131], out[HASH_LEN];
	static const char data[] = "what do ya want for nothing?",
			  first[] = "Test Using Larger Than Block-Size Key - Hash "
				    "Key First",
			  both[] =
			      "This is a test using a larger than block-size key and a larger than block-size data. "
			      "The key needs to be hashed before being used by the HMAC algorithm.";
	struct octets text = octets_of("Hi There"), halves[] = {{(const uint8_t *)data, 10}, octets_of(data + 10)};
	memset(a, 0x0b, sizeof a);
	assert_int_equal(hmac_sha256_of((struct octets){a, 20}, &text, 1, out), MCSEC_OK);
	octets_are(out, sizeof out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	assert_int_equal(hmac_sha256_of(octets_of("Jefe"), halves, 2, out), MCSEC_OK);
	octets_are(out, sizeof out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(a, 0xaa, sizeof a);
	text = octets_of(first);
	assert_int_equal(hmac_sha256_of(OCTETS(a), &text, 1, out), MCSEC_OK);
	octets_are(out, sizeof out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	text = octets_of(both);
	assert_int_equal(hmac_sha256_of(OCTETS(a), &text, 1, out), MCSEC_OK);
	octets_are(out, sizeof out, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
	assert_int_equal(hmac_sha256_of((struct octets){0}, NULL, 0, out), MCSEC_OK);
	octets_are(out, sizeof out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void user_salt_and_guk_id_of_the_worked_example(void **state)
{
	(void)state;
	uint32_t salt, guk, back;
	assert_int_equal(mcsec_user_salt(k, sizeof k, ALICE, &salt), MCSEC_OK);
	assert_int_equal(salt, 0x2360e31);
	assert_int_equal(mcsec_guk_id(k, sizeof k, 0x0a1b2c3d, ALICE, &guk), MCSEC_OK);
	assert_int_equal(guk, 0x082d220c);
	assert_int_equal(mcsec_guk_id(k, sizeof k, guk, ALICE, &back), MCSEC_OK);
	assert_int_equal(back, 0x0a1b2c3d);
}

static void only_tag_0_is_diversified(void **state)
{
	(void)state;
	for (uint32_t tag = 1; tag < 16; tag++) {
		uint32_t out = 1;
		assert_int_equal(mcsec_guk_id(k, sizeof k, tag << 28 | 5, ALICE, &out), MCSEC_E_ARGUMENT);
		assert_int_equal(out, 0);
	}
}

static void signalling_keys_of_the_worked_example(void **state)
{
	(void)state;
	uint8_t out[32];
	assert_int_equal(mcsec_signalling_key(MCSEC_FC_CONFIDENTIALITY, k, 16, ALICE, 0x2a1b2c3d, out, 16), MCSEC_OK);
	octets_are(out, 16, "10dea894d4d24eb12301f27a0cbef305");
	assert_int_equal(mcsec_signalling_key(MCSEC_FC_INTEGRITY, k, 16, ALICE, 0x2a1b2c3d, out, 16), MCSEC_OK);
	octets_are(out, 16, "32c0a392bf284aefdfcec0afccd895fd");
}

static void a_signalling_key_of_32_octets_ends_in_the_one_of_16(void **state)
{
	(void)state;
	uint8_t shorter[16], longer[32];
	assert_int_equal(mcsec_signalling_key(MCSEC_FC_INTEGRITY, k, 16, ALICE, 1, shorter, 16), MCSEC_OK);
	assert_int_equal(mcsec_signalling_key(MCSEC_FC_INTEGRITY, k, 16, ALICE, 1, longer, 32), MCSEC_OK);
	assert_memory_equal(shorter, longer + 16, 16);
}

static void payload_cipher_keys_of_both_lengths(void **state)
{
	(void)state;
	uint8_t key32[32], out[32];
	for (size_t i = 0; i < 32; i++)
		key32[i] = (uint8_t)i;
	assert_int_equal(mcsec_dpck(k, 16, 0x2a1b2c3d, out), MCSEC_OK);
	octets_are(out, 16, "5b2fe029bb65cedaf2fb86fab35bb8e7");
	assert_int_equal(mcsec_dpck(k, 16, 0x1a2b3c4d, out), MCSEC_OK);
	octets_are(out, 16, "eb0a14835ee66b7c2f8bfa2dee7042d2");
	assert_int_equal(mcsec_dpck(key32, 32, 0x1a2b3c4d, out), MCSEC_OK);
	octets_are(out, 32, "726555010eb62b1ce9c694e819cb0a2002571a6b4ef3f9fe2138aa366edf88a9");
}

static void other_fc_numbers_and_lengths_are_refused(void **state)
{
	(void)state;
	uint8_t out[32];
	uint32_t id;
	for (int fc = 0; fc < 256; fc++)
		if (fc != 0x51 && fc != 0x52)
			assert_int_equal(mcsec_signalling_key((enum mcsec_fc)fc, k, 16, ALICE, 1, out, 16),
					 MCSEC_E_ARGUMENT);
	assert_int_equal(mcsec_signalling_key(MCSEC_FC_INTEGRITY, k, 15, ALICE, 1, out, 16), MCSEC_E_ARGUMENT);
	assert_int_equal(mcsec_signalling_key(MCSEC_FC_INTEGRITY, k, 16, ALICE, 1, out, 20), MCSEC_E_ARGUMENT);
	assert_int_equal(mcsec_signalling_key(MCSEC_FC_INTEGRITY, k, 16, "", 1, out, 16), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_dpck(k, 8, 1, out), MCSEC_E_ARGUMENT);
	assert_int_equal(mcsec_user_salt(k, 0, ALICE, &id), MCSEC_E_ARGUMENT);
	assert_int_equal(mcsec_user_salt(k, 16, "\xff", &id), MCSEC_E_VALUE);
}

static void the_srtp_master_of_the_worked_example(void **state)
{
	(void)state;
	uint8_t rand[16], key[16], salt[12];
	unhex("101112131415161718191a1b1c1d1e1f", rand, sizeof rand);
	assert_int_equal(mcsec_srtp_master(k, 16, 6, 0x2a1b2c3d, rand, 16, key, 16, salt, 12), MCSEC_OK);
	octets_are(key, 16, "d4277a8be50df2953025631664e0e748");
	octets_are(salt, 12, "ac486b305c448ed6b1c68a71");
	assert_int_equal(mcsec_srtp_master(k, 16, 6, 1, rand, 15, key, 16, salt, 12), MCSEC_E_ARGUMENT);
}

static uint32_t id_of(const json_t *o, const char *name)
{
	return (uint32_t)strtoul(json_string_value(json_object_get(o, name)), NULL, 16);
}

static void every_media_vector_derives_its_master_key_salt_and_guk_id(void **state)
{
	(void)state;
	char path[512];
	assert_non_null(getenv("MCX_VECTORS"));
	snprintf(path, sizeof path, "%s/media.json", getenv("MCX_VECTORS"));
	json_t *root = json_load_file(path, 0, NULL), *c;
	size_t i, guks = 0, masters = 0;
	assert_non_null(root);
	json_array_foreach(json_object_get(root, "cases"), i, c)
	{
		uint8_t tgk[32], rand[32], key[32], salt[14];
		const char *want_key = json_string_value(json_object_get(c, "master_key"));
		const char *want_salt = json_string_value(json_object_get(c, "master_salt"));
		const char *uri = json_string_value(json_object_get(c, "user_uri"));
		size_t tgk_len = unhex(json_string_value(json_object_get(c, "tgk")), tgk, sizeof tgk);
		size_t rand_len = unhex(json_string_value(json_object_get(c, "rand")), rand, sizeof rand);
		uint8_t cs_id = (uint8_t)json_integer_value(json_object_get(c, "cs_id"));
		assert_int_equal(mcsec_srtp_master(tgk, tgk_len, cs_id, id_of(c, "csb_id"), rand, rand_len, key,
						   strlen(want_key) / 2, salt, strlen(want_salt) / 2),
				 MCSEC_OK);
		octets_are(key, strlen(want_key) / 2, want_key);
		octets_are(salt, strlen(want_salt) / 2, want_salt);
		masters++;
		if (uri) {
			uint32_t s, guk;
			assert_int_equal(mcsec_user_salt(tgk, tgk_len, uri, &s), MCSEC_OK);
			assert_int_equal(s, id_of(c, "key_id") ^ id_of(c, "guk_id"));
			assert_int_equal(mcsec_guk_id(tgk, tgk_len, id_of(c, "key_id"), uri, &guk), MCSEC_OK);
			assert_int_equal(guk, id_of(c, "guk_id"));
			guks++;
		}
	}
	assert_true(masters >= 4 && guks >= 2);
	json_decref(root);
}

static void a_key_longer_than_a_hash_is_cut_and_added(void **state)
{
	(void)state;
	uint8_t key[40], a[50], b[50], both[50];
	static const uint8_t label[] = {1, 2, 3};
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	assert_int_equal(mcsec_mikey_prf(key, 40, label, 3, both, 50), MCSEC_OK);
	assert_int_equal(mcsec_mikey_prf(key, 32, label, 3, a, 50), MCSEC_OK);
	assert_int_equal(mcsec_mikey_prf(key + 32, 8, label, 3, b, 50), MCSEC_OK);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(both[i], a[i] ^ b[i]);
	assert_int_equal(mcsec_mikey_prf(key, 0, label, 3, a, 50), MCSEC_E_ARGUMENT);
}

/* A source that counts: octet n is the n-th drawn. */
static enum mcsec_err counting(void *ctx, uint8_t *out, size_t n)
{
	uint8_t *next = ctx;
	for (size_t i = 0; i < n; i++)
		out[i] = (*next)++;
	return MCSEC_OK;
}

static enum mcsec_err broken(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx, (void)out, (void)n;
	return MCSEC_E_RANDOM;
}

static int taken_twice(void *ctx, uint32_t id)
{
	(void)id;
	return (*(int *)ctx)++ < 2;
}

static int always_taken(void *ctx, uint32_t id)
{
	(void)ctx, (void)id;
	return 1;
}

static void a_key_identifier_has_its_tag_and_is_drawn_again_while_in_use(void **state)
{
	(void)state;
	uint8_t next = 0xf0;
	int asked = 0;
	uint32_t id;
	struct mcsec_rng rng = {counting, &next}, none = {broken, NULL};
	assert_int_equal(mcsec_kid_new(MCSEC_PCK, &rng, NULL, NULL, &id), MCSEC_OK);
	assert_int_equal(id, 0x10f1f2f3);
	assert_int_equal(mcsec_kid_new(MCSEC_MUSIK, &rng, taken_twice, &asked, &id), MCSEC_OK);
	assert_int_equal(asked, 3);
	assert_int_equal(id, 0x6cfdfeff);
	assert_int_equal(mcsec_kid_tag(id), MCSEC_MUSIK);
	assert_int_equal(mcsec_kid_new(MCSEC_CSK, &rng, always_taken, NULL, &id), MCSEC_E_RANDOM);
	assert_int_equal(mcsec_kid_new(MCSEC_CSK, &none, NULL, NULL, &id), MCSEC_E_RANDOM);
	assert_int_equal(mcsec_kid_new(MCSEC_KEY_KINDS, &rng, NULL, NULL, &id), MCSEC_E_ARGUMENT);
	assert_int_equal(id, 0);
}

static void every_kind_has_its_name_and_crypto_sessions(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint8_t voice, voice_back, video, video_back;
	} want[] = {{"GMK", 4, 4, 5, 5},  {"PCK", 0, 1, 2, 3},   {"CSK", 6, 6, 8, 8},  {"SPK", 6, 6, 8, 8},
		    {"MKFC", 7, 7, 9, 9}, {"MSCCK", 7, 7, 9, 9}, {"MuSiK", 7, 7, 9, 9}};
	for (int i = 0; i < MCSEC_KEY_KINDS; i++) {
		enum mcsec_key_kind kind = (enum mcsec_key_kind)i;
		uint8_t cs;
		assert_string_equal(mcsec_key_kind_name((unsigned)i), want[i].name);
		assert_int_equal(mcsec_cs_id_of(kind, 0, 0, &cs), MCSEC_OK);
		assert_int_equal(cs, want[i].voice);
		assert_int_equal(mcsec_cs_id_of(kind, 0, 1, &cs), MCSEC_OK);
		assert_int_equal(cs, want[i].voice_back);
		assert_int_equal(mcsec_cs_id_of(kind, 1, 0, &cs), MCSEC_OK);
		assert_int_equal(cs, want[i].video);
		assert_int_equal(mcsec_cs_id_of(kind, 1, 1, &cs), MCSEC_OK);
		assert_int_equal(cs, want[i].video_back);
	}
	uint8_t cs;
	assert_null(mcsec_key_kind_name(MCSEC_KEY_KINDS));
	assert_int_equal(mcsec_cs_id_of(MCSEC_KEY_KINDS, 0, 0, &cs), MCSEC_E_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hmac_sha_256_of_rfc_4231),
	    cmocka_unit_test(user_salt_and_guk_id_of_the_worked_example),
	    cmocka_unit_test(only_tag_0_is_diversified),
	    cmocka_unit_test(signalling_keys_of_the_worked_example),
	    cmocka_unit_test(a_signalling_key_of_32_octets_ends_in_the_one_of_16),
	    cmocka_unit_test(payload_cipher_keys_of_both_lengths),
	    cmocka_unit_test(other_fc_numbers_and_lengths_are_refused),
	    cmocka_unit_test(the_srtp_master_of_the_worked_example),
	    cmocka_unit_test(every_media_vector_derives_its_master_key_salt_and_guk_id),
	    cmocka_unit_test(a_key_longer_than_a_hash_is_cut_and_added),
	    cmocka_unit_test(a_key_identifier_has_its_tag_and_is_drawn_again_while_in_use),
	    cmocka_unit_test(every_kind_has_its_name_and_crypto_sessions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

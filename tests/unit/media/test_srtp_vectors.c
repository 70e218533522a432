/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers: RFC 3711 appendix B, RFC 7714 16 and 17, and the MCX key chain from TGK to packet (media.json). */
#include "unit/test.h"

#include <jansson.h>

#include "mcsec/kdf.h"
#include "mcx/media/srtp.h"

static json_t *load(const char *name)
{
	char path[512];
	json_error_t e;
	snprintf(path, sizeof path, "%s/%s", getenv("MCX_VECTORS"), name);
	json_t *j = json_load_file(path, 0, &e);
	if (!j)
		fail_msg("%s: %s", path, e.text);
	return j;
}

static const char *text(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	if (!s)
		fail_msg("no member %s", key);
	return s;
}

static size_t octets(json_t *j, const char *key, uint8_t *buf, size_t size)
{
	return unhex(text(j, key), buf, size);
}

static void assert_octets(json_t *j, const char *key, const uint8_t *have)
{
	uint8_t want[SRTP_MAX_PACKET];
	size_t n = octets(j, key, want, sizeof want);
	assert_memory_equal(have, want, n);
}

static void aes_counter_mode_gives_the_keystream_of_rfc_3711_b2(void **state)
{
	(void)state;
	json_t *all = load("srtp.json"), *v = json_object_get(all, "rfc3711_b2_aes_cm"), *block;
	static uint8_t stream[0xff03 * 16];
	uint8_t key[16], iv[16] = {0};
	const char *number;
	octets(v, "session_key", key, sizeof key);
	octets(v, "session_salt", iv, 14);
	assert_int_equal(srtp_keystream(key, 16, iv, stream, sizeof stream), MCSEC_OK);
	json_object_foreach(json_object_get(v, "keystream"), number, block)
	    assert_octets(json_object_get(v, "keystream"), number, stream + strtoul(number, NULL, 16) * 16);
	json_decref(all);
}

static void session_keys_are_derived_as_rfc_3711_b3_shows(void **state)
{
	(void)state;
	json_t *all = load("srtp.json"), *v = json_object_get(all, "rfc3711_b3_kdf");
	static const struct {
		const char *name;
		size_t salt_len;
		uint8_t label;
		size_t len;
	} values[] = {
	    {"cipher_key_label_00", 14, 0, 16},         {"cipher_salt_label_02", 14, 2, 14},
	    {"auth_key_label_01_94_octets", 14, 1, 94}, {"extra_srtcp_key_label_03", 14, 3, 16},
	    {"extra_srtcp_auth_label_04", 14, 4, 20},   {"extra_srtcp_salt_label_05", 14, 5, 14},
	    {"extra_12_octet_key_label_00", 12, 0, 16}, {"extra_12_octet_salt_label_02", 12, 2, 12},
	};
	uint8_t key[16], salt[14], out[94];
	octets(v, "master_key", key, sizeof key);
	octets(v, "master_salt", salt, sizeof salt);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		assert_int_equal(srtp_derive(key, 16, salt, values[i].salt_len, values[i].label, out, values[i].len),
				 MCSEC_OK);
		assert_octets(v, values[i].name, out);
	}
	json_decref(all);
}

/* RFC 7714 gives session keys; the header below srtp.h takes those. */
#include "mcx/media/srtp_crypt.h"

static void open_session(json_t *v, struct srtp_crypt *c, int encrypt)
{
	uint8_t key[32];
	size_t n = octets(v, "key", key, sizeof key);
	c->cipher = EVP_CIPHER_CTX_new();
	octets(v, "salt", c->salt, sizeof c->salt);
	assert_int_equal(
	    EVP_CipherInit_ex(c->cipher, n == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL, key, NULL, encrypt), 1);
}

static void rtp_packets_are_sealed_and_opened_as_rfc_7714_16_shows(void **state)
{
	(void)state;
	json_t *all = load("srtp.json"), *v;
	size_t i;
	json_array_foreach(json_object_get(all, "rfc7714_16_srtp"), i, v)
	{
		uint8_t plain[256], want[256], out[256], iv[12];
		size_t n = octets(v, "plain", plain, sizeof plain), wn = octets(v, "protected", want, sizeof want);
		struct rtp_header h;
		struct srtp_crypt c;
		assert_int_equal(rtp_header_read((struct octets){plain, n}, &h), MCSEC_OK);
		assert_int_equal(wn, n + SRTP_TAG);
		open_session(v, &c, 1);
		srtp_iv(&c, h.ssrc, h.seq, iv);
		assert_octets(v, "iv", iv);
		struct octets aad = {plain, h.len}, body = {plain + h.len, n - h.len};
		memcpy(out, plain, h.len);
		assert_int_equal(srtp_seal(&c, iv, aad, (struct octets){0}, body, out + h.len, out + n), 0);
		assert_memory_equal(out, want, wn);
		srtp_crypt_close(&c);
		open_session(v, &c, 0);
		struct octets sealed = {want + h.len, n - h.len};
		assert_int_equal(srtp_open(&c, iv, aad, (struct octets){0}, sealed, out + h.len, want + n), 0);
		assert_memory_equal(out, plain, n);
		want[wn - 1] ^= 1;
		assert_int_equal(srtp_open(&c, iv, aad, (struct octets){0}, sealed, out + h.len, want + n), -1);
		srtp_crypt_close(&c);
	}
	assert_int_equal(i, 2);
	json_decref(all);
}

static void rtcp_packets_are_sealed_as_rfc_7714_17_shows(void **state)
{
	(void)state;
	json_t *all = load("srtp.json"), *v;
	size_t i;
	json_array_foreach(json_object_get(all, "rfc7714_17_srtcp"), i, v)
	{
		uint8_t plain[256], want[256], out[256], iv[12];
		size_t n = octets(v, "plain", plain, sizeof plain), wn = octets(v, "protected", want, sizeof want);
		struct srtp_crypt c;
		uint32_t index = (uint32_t)json_integer_value(json_object_get(v, "index"));
		uint32_t ssrc =
		    (uint32_t)plain[4] << 24 | (uint32_t)plain[5] << 16 | (uint32_t)plain[6] << 8 | plain[7];
		assert_int_equal(wn, n + SRTP_TAG + 4);
		open_session(v, &c, 1);
		srtcp_iv(&c, ssrc, index, iv);
		assert_octets(v, "iv", iv);
		memcpy(out, plain, 8);
		memcpy(out + n + SRTP_TAG, want + n + SRTP_TAG, 4); /* E and index */
		assert_int_equal(srtp_seal(&c, iv, (struct octets){plain, 8}, (struct octets){out + n + SRTP_TAG, 4},
					   (struct octets){plain + 8, n - 8}, out + 8, out + n),
				 0);
		assert_memory_equal(out, want, wn);
		srtp_crypt_close(&c);
	}
	assert_int_equal(i, 2);
	json_decref(all);
}

/* ---- media.json ------------------------------------------------------------------------------------------------- */

struct key_case {
	struct srtp_policy policy;
	struct srtp_master master;
	int found;
};

static int find(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	struct key_case *k = ctx;
	if (memcmp(mki, k->master.mki, k->policy.mki_len))
		return 0;
	*out = k->master;
	k->found++;
	return 1;
}

/* From TGK, RAND and identifiers to master key and salt, each step compared. */
static void derive_case(json_t *c, struct key_case *k)
{
	uint8_t tgk[32], rand[32], out[32];
	uint8_t cs_id = (uint8_t)json_integer_value(json_object_get(c, "cs_id"));
	size_t tgk_len = octets(c, "tgk", tgk, sizeof tgk), rand_len = octets(c, "rand", rand, sizeof rand);
	uint32_t csb_id = (uint32_t)strtoul(text(c, "csb_id"), NULL, 16);
	memset(k, 0, sizeof *k);
	k->policy.key_len = 16;
	k->policy.mki_len = (uint8_t)octets(c, "mki", k->master.mki, sizeof k->master.mki);
	k->policy.roc_rate = json_is_true(json_object_get(c, "rcc_mode3"));
	assert_int_equal(
	    mcsec_srtp_master(tgk, tgk_len, cs_id, csb_id, rand, rand_len, k->master.key, 16, k->master.salt, 12),
	    MCSEC_OK);
	assert_octets(c, "master_key", k->master.key);
	assert_octets(c, "master_salt", k->master.salt);
	static const struct {
		const char *name;
		uint8_t label;
		size_t len;
	} values[] = {{"srtp_key", 0, 16}, {"srtp_salt", 2, 12}, {"srtcp_key", 3, 16}, {"srtcp_salt", 5, 12}};
	for (size_t i = 0; i < 4; i++) {
		if (!json_object_get(c, values[i].name))
			continue;
		assert_int_equal(
		    srtp_derive(k->master.key, 16, k->master.salt, 12, values[i].label, out, values[i].len), MCSEC_OK);
		assert_octets(c, values[i].name, out);
	}
}

static struct srtp_receiver *receiver(struct key_case *k)
{
	struct srtp_receiver *r = srtp_receiver_new(&(struct srtp_receiver_options){
	    .policy = k->policy, .find = find, .ctx = k, .max_streams = 4, .roc_tries = 4});
	assert_non_null(r);
	return r;
}

static int reserve_any(void *ctx, uint32_t upto)
{
	(void)ctx;
	(void)upto;
	return 0;
}

static void seal_packet(json_t *p, struct key_case *k, int rtcp, uint8_t *out, size_t *n)
{
	uint8_t plain[512];
	size_t len = octets(p, "plain", plain, sizeof plain);
	if (rtcp) {
		struct srtcp_counter counter = {.next = (uint32_t)json_integer_value(json_object_get(p, "index")),
						.reserve = reserve_any};
		struct srtcp_sender *s = srtcp_sender_new(&k->policy, &k->master, &counter);
		assert_int_equal(rtcp_protect(s, (struct octets){plain, len}, out, 1024, n), SRTP_OK);
		srtcp_sender_free(s);
		return;
	}
	struct reader r = rd_init((struct octets){plain + 8, 4});
	struct srtp_sender *s = srtp_sender_new(&k->policy, &k->master, rd_u32(&r),
						(uint32_t)json_integer_value(json_object_get(p, "roc")));
	assert_int_equal(rtp_protect(s, (struct octets){plain, len}, out, 1024, n), SRTP_OK);
	srtp_sender_free(s);
}

static void the_mcx_key_chain_and_every_packet_of_it_are_reproduced_both_ways(void **state)
{
	(void)state;
	json_t *all = load("media.json"), *c, *p;
	size_t i, j;
	json_array_foreach(json_object_get(all, "cases"), i, c)
	{
		struct key_case k;
		int rtcp = !strcmp(text(c, "kind"), "srtcp");
		derive_case(c, &k);
		struct srtp_receiver *r = receiver(&k);
		json_array_foreach(json_object_get(c, "packets"), j, p)
		{
			uint8_t out[1024], wire[1024];
			size_t n, wn = octets(p, "protected", wire, sizeof wire);
			seal_packet(p, &k, rtcp, out, &n);
			assert_int_equal(n, wn);
			assert_memory_equal(out, wire, wn);
			enum srtp_verdict v =
			    (rtcp ? rtcp_unprotect : rtp_unprotect)(r, (struct octets){wire, wn}, out, sizeof out, &n);
			if (v)
				fail_msg("%s packet %zu: %s", text(c, "name"), j, srtp_verdict_name(v));
			assert_octets(p, "plain", out);
			assert_int_equal(n, strlen(text(p, "plain")) / 2);
			assert_int_equal(
			    (rtcp ? rtcp_unprotect : rtp_unprotect)(r, (struct octets){wire, wn}, out, sizeof out, &n),
			    SRTP_REPLAY);
		}
		srtp_receiver_free(r);
	}
	assert_int_equal(i, 14);
	json_decref(all);
}

static json_t *case_named(json_t *all, const char *name)
{
	json_t *c;
	size_t i;
	json_array_foreach(json_object_get(all, "cases"), i, c) if (!strcmp(text(c, "name"), name)) return c;
	fail_msg("no case %s", name);
	return NULL;
}

static void every_negative_packet_is_dropped_by_a_fresh_receiver(void **state)
{
	(void)state;
	json_t *all = load("media.json"), *neg;
	size_t i;
	json_array_foreach(json_object_get(all, "negative"), i, neg)
	{
		struct key_case k;
		uint8_t wire[1024], out[1024];
		size_t n, wn = octets(neg, "packet", wire, sizeof wire);
		json_t *c = case_named(all, text(neg, "case"));
		int rtcp = !strcmp(text(c, "kind"), "srtcp");
		derive_case(c, &k);
		struct srtp_receiver *r = receiver(&k);
		enum srtp_verdict v =
		    (rtcp ? rtcp_unprotect : rtp_unprotect)(r, (struct octets){wire, wn}, out, sizeof out, &n);
		if (v == SRTP_OK)
			fail_msg("accepted: %s", text(neg, "what"));
		assert_int_equal(n, 0);
		srtp_receiver_free(r);
	}
	assert_int_equal(i, 25);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(aes_counter_mode_gives_the_keystream_of_rfc_3711_b2),
	    cmocka_unit_test(session_keys_are_derived_as_rfc_3711_b3_shows),
	    cmocka_unit_test(rtp_packets_are_sealed_and_opened_as_rfc_7714_16_shows),
	    cmocka_unit_test(rtcp_packets_are_sealed_as_rfc_7714_17_shows),
	    cmocka_unit_test(the_mcx_key_chain_and_every_packet_of_it_are_reproduced_both_ways),
	    cmocka_unit_test(every_negative_packet_is_dropped_by_a_fresh_receiver),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

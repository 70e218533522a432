/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our SRTP and SRTCP against libsrtp2, both ways: same octets for the same packet, and each opens what the other made.
 * libsrtp2 has no ROC tag of RFC 4771, so policies here have none; vectors cover that (test_srtp_vectors).
 */
#include "unit/test.h"

#include <srtp2/srtp.h>

#include "mcx/media/srtp.h"

enum { SSRC = 0x11223344, ROUNDS = 3000 };

static struct srtp_master master;
static uint8_t libsrtp_key[SRTP_MAX_KEY + SRTP_SALT];

static int find(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	const struct srtp_policy *p = ctx;
	*out = master;
	return !memcmp(mki, master.mki, p->mki_len);
}

static srtp_t theirs(const struct srtp_policy *p, srtp_ssrc_type_t direction)
{
	static srtp_master_key_t key;
	static srtp_master_key_t *keys[] = {&key};
	srtp_policy_t policy = {0};
	srtp_t ctx;
	if (p->key_len == 32) {
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtcp);
	} else {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
	}
	memcpy(libsrtp_key, master.key, p->key_len);
	memcpy(libsrtp_key + p->key_len, master.salt, SRTP_SALT);
	key = (srtp_master_key_t){.key = libsrtp_key, .mki_id = master.mki, .mki_size = p->mki_len};
	policy.ssrc.type = direction;
	policy.keys = keys;
	policy.num_master_keys = 1;
	policy.window_size = 128;
	assert_int_equal(srtp_create(&ctx, &policy), srtp_err_status_ok);
	return ctx;
}

static size_t plain_rtp(uint8_t *buf, uint16_t seq, size_t payload)
{
	const uint8_t header[] = {0x80, 96, (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 1, 0x11, 0x22, 0x33, 0x44};
	memcpy(buf, header, sizeof header);
	for (size_t i = 0; i < payload; i++)
		buf[sizeof header + i] = (uint8_t)(seq + i);
	return sizeof header + payload;
}

static struct srtp_receiver *ours(const struct srtp_policy *p)
{
	return srtp_receiver_new(
	    &(struct srtp_receiver_options){.policy = *p, .find = find, .ctx = (void *)(uintptr_t)p, .max_streams = 2});
}

static void rtp_both_ways(const struct srtp_policy *p)
{
	srtp_t out = theirs(p, ssrc_any_outbound), in = theirs(p, ssrc_any_inbound);
	struct srtp_sender *s = srtp_sender_new(p, &master, SSRC, 0);
	struct srtp_receiver *r = ours(p);
	uint16_t seq = 0x7000;
	for (int i = 0; i < ROUNDS; i++, seq = (uint16_t)(seq + 97)) { /* several wraps of SEQ */
		uint8_t plain[512], mine[512], back[512];
		_Alignas(4) uint8_t lib[512];
		size_t n = plain_rtp(plain, seq, (size_t)(i % 300)), mine_len, back_len;
		int lib_len = (int)n;
		memcpy(lib, plain, n);
		assert_int_equal(rtp_protect(s, (struct octets){plain, n}, mine, sizeof mine, &mine_len), SRTP_OK);
		assert_int_equal(srtp_protect_mki(out, lib, &lib_len, 1, 0), srtp_err_status_ok);
		assert_int_equal(mine_len, lib_len);
		assert_memory_equal(mine, lib, mine_len);
		assert_int_equal(rtp_unprotect(r, (struct octets){lib, (size_t)lib_len}, back, sizeof back, &back_len),
				 SRTP_OK);
		assert_int_equal(back_len, n);
		assert_memory_equal(back, plain, n);
		memcpy(lib, mine, mine_len);
		assert_int_equal(srtp_unprotect_mki(in, lib, &lib_len, 1), srtp_err_status_ok);
		assert_int_equal(lib_len, n);
		assert_memory_equal(lib, plain, n);
	}
	srtp_dealloc(out);
	srtp_dealloc(in);
	srtp_sender_free(s);
	srtp_receiver_free(r);
}

static int reserve(void *ctx, uint32_t upto)
{
	(void)ctx;
	(void)upto;
	return 0;
}

static void rtcp_both_ways(const struct srtp_policy *p)
{
	srtp_t out = theirs(p, ssrc_any_outbound), in = theirs(p, ssrc_any_inbound);
	struct srtcp_counter counter = {.next = 1, .reserve = reserve};
	struct srtcp_sender *s = srtcp_sender_new(p, &master, &counter);
	struct srtp_receiver *r = ours(p);
	for (int i = 0; i < 500; i++) {
		uint8_t plain[64] = {0x80, 204, 0, 9, 0x11, 0x22, 0x33, 0x44, 'M', 'C', 'P', 'T', (uint8_t)i};
		uint8_t mine[256], back[256];
		_Alignas(4) uint8_t lib[256];
		size_t mine_len, back_len;
		int lib_len = 40;
		memcpy(lib, plain, 40);
		assert_int_equal(rtcp_protect(s, (struct octets){plain, 40}, mine, sizeof mine, &mine_len), SRTP_OK);
		assert_int_equal(srtp_protect_rtcp_mki(out, lib, &lib_len, 1, 0), srtp_err_status_ok);
		assert_int_equal(mine_len, lib_len);
		assert_memory_equal(mine, lib, mine_len);
		assert_int_equal(rtcp_unprotect(r, (struct octets){lib, (size_t)lib_len}, back, sizeof back, &back_len),
				 SRTP_OK);
		assert_memory_equal(back, plain, 40);
		memcpy(lib, mine, mine_len);
		assert_int_equal(srtp_unprotect_rtcp_mki(in, lib, &lib_len, 1), srtp_err_status_ok);
		assert_memory_equal(lib, plain, 40);
	}
	srtp_dealloc(out);
	srtp_dealloc(in);
	srtcp_sender_free(s);
	srtp_receiver_free(r);
}

static void each_profile(void (*run)(const struct srtp_policy *))
{
	const uint8_t key_lens[] = {16, 32}, mki_lens[] = {4, 8};
	for (int k = 0; k < 2; k++)
		for (int m = 0; m < 2; m++)
			run(&(struct srtp_policy){.key_len = key_lens[k], .mki_len = mki_lens[m]});
}

static void rtp_packets_are_the_octets_of_libsrtp2_and_open_at_either_end(void **state)
{
	(void)state;
	each_profile(rtp_both_ways);
}

static void rtcp_packets_are_the_octets_of_libsrtp2_and_open_at_either_end(void **state)
{
	(void)state;
	each_profile(rtcp_both_ways);
}

static void libsrtp2_refuses_what_we_refuse(void **state)
{
	(void)state;
	const struct srtp_policy p = {.key_len = 16, .mki_len = 4};
	srtp_t in = theirs(&p, ssrc_any_inbound);
	struct srtp_sender *s = srtp_sender_new(&p, &master, SSRC, 0);
	struct srtp_receiver *r = ours(&p);
	uint8_t plain[128], good[128], back[128];
	_Alignas(4) uint8_t lib[128];
	size_t n = plain_rtp(plain, 5, 40), len, back_len;
	assert_int_equal(rtp_protect(s, (struct octets){plain, n}, good, sizeof good, &len), SRTP_OK);
	for (size_t at = 0; at < len; at++) {
		int lib_len = (int)len;
		memcpy(lib, good, len);
		lib[at] ^= 0x20;
		assert_int_not_equal(rtp_unprotect(r, (struct octets){lib, len}, back, sizeof back, &back_len),
				     SRTP_OK);
		assert_int_not_equal(srtp_unprotect_mki(in, lib, &lib_len, 1), srtp_err_status_ok);
	}
	srtp_dealloc(in);
	srtp_sender_free(s);
	srtp_receiver_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rtp_packets_are_the_octets_of_libsrtp2_and_open_at_either_end),
	    cmocka_unit_test(rtcp_packets_are_the_octets_of_libsrtp2_and_open_at_either_end),
	    cmocka_unit_test(libsrtp2_refuses_what_we_refuse),
	};
	for (size_t i = 0; i < sizeof master; i++)
		((uint8_t *)&master)[i] = (uint8_t)(i * 37 + 11);
	if (srtp_init())
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	srtp_shutdown();
	return rc;
}

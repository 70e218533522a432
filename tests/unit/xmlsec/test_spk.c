/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spk.c - keys between servers: what is provisioned, which key sends and which open, and what is derived
 * (interconnect 3; xml-protection 3; media M-D3, M-D4). The derived octets were computed apart, by Python's hmac.
 */
#include "lab.h"

#include "mcx/flow/spk.h"

#define B  "sip.b.test"
#define C_ "sip.c.test"

static const uint8_t octets[32] = {0x5b, 0x2d, 0x9c, 0x41, 0xe0, 0x7f, 0x3a, 0x68, 0xb1, 0xc4, 0xd2,
				   0xe9, 0x5f, 0x60, 0x71, 0x83, 0,    1,    2,    3,    4,    5,
				   6,    7,    8,    9,    10,   11,   12,   13,   14,   15};

static struct spk key(const char *peer, uint32_t id, int64_t from, int64_t to)
{
	struct spk k = {.id = id, .len = 16, .from = from, .to = to};
	snprintf(k.peer, sizeof k.peer, "%s", peer);
	strcpy(k.identity, "sip:mdsi@a.test");
	memcpy(k.key, octets, sizeof k.key);
	k.key[0] ^= (uint8_t)(id ^ 0x30000001); /* another key for another ID */
	return k;
}

static struct spk_table *table(void)
{
	struct spk_table *t = calloc(1, sizeof *t);
	assert_non_null(t);
	return t;
}

static void add(struct spk_table *t, const char *peer, uint32_t id, int64_t from, int64_t to)
{
	struct spk k = key(peer, id, from, to);
	assert_int_equal(spk_add(t, &k), MCSEC_OK);
}

static uint32_t sending(const struct spk_table *t, const char *peer, int64_t now)
{
	const struct spk *k = spk_for_sending(t, peer, now);
	return k ? k->id : 0;
}

static void hex_is(const uint8_t *p, size_t n, const char *want)
{
	char hex[HEX_SIZE(64)];
	hex_encode((struct octets){p, n}, hex);
	assert_string_equal(hex, want);
}

static void the_newest_valid_key_sends_and_any_valid_one_receives(void **state)
{
	(void)state;
	struct spk_table *t = table();
	add(t, B, 0x30000001, 100, 200);
	add(t, B, 0x30000002, 150, 300); /* provisioned ahead: pending until 150 */
	assert_int_equal(sending(t, B, 99), 0);
	assert_int_equal(sending(t, B, 100), 0x30000001);
	assert_int_equal(sending(t, B, 149), 0x30000001);
	assert_int_equal(sending(t, B, 150), 0x30000002);
	assert_int_equal(sending(t, "SIP.B.test", 199), 0x30000002);
	assert_int_equal(sending(t, B, 299), 0x30000002);
	assert_int_equal(sending(t, B, 300), 0);
	for (int64_t now = 90; now < 310; now++) {
		assert_int_equal(spk_for_receiving(t, B, 0x30000001, now) != NULL, now >= 100 && now < 200);
		assert_int_equal(spk_for_receiving(t, B, 0x30000002, now) != NULL, now >= 150 && now < 300);
	}
	free(t);
}

static void two_keys_that_begin_together_are_chosen_alike_at_both_ends(void **state)
{
	(void)state;
	struct spk_table *one = table(), *other = table();
	add(one, B, 0x30000001, 100, 200);
	add(one, B, 0x30000002, 100, 200);
	add(other, B, 0x30000002, 100, 200);
	add(other, B, 0x30000001, 100, 200);
	assert_int_equal(sending(one, B, 150), 0x30000002);
	assert_int_equal(sending(other, B, 150), 0x30000002);
	free(one);
	free(other);
}

static void an_id_of_another_peer_is_unknown(void **state)
{
	(void)state;
	struct spk_table *t = table();
	add(t, B, 0x30000001, 100, 200);
	add(t, C_, 0x30000003, 100, 200);
	assert_non_null(spk_for_receiving(t, C_, 0x30000003, 150));
	assert_null(spk_for_receiving(t, B, 0x30000003, 150));
	assert_null(spk_for_receiving(t, C_, 0x30000001, 150));
	assert_null(spk_for_receiving(t, B, 0x30000004, 150));
	assert_int_equal(sending(t, "sip.d.test", 150), 0);
	free(t);
}

static void an_expired_or_pending_key_opens_nothing(void **state)
{
	(void)state;
	struct spk_table *t = table();
	struct xml_key keys[SPK_OVERLAP];
	size_t n;
	add(t, B, 0x30000001, 100, 200);
	assert_null(spk_for_receiving(t, B, 0x30000001, 99));
	assert_null(spk_for_receiving(t, B, 0x30000001, 200));
	assert_int_equal(spk_xml_keys(t, B, 200, keys, &n), MCSEC_OK);
	assert_int_equal(n, 0);
	free(t);
}

static void what_is_no_spk_is_not_provisioned(void **state)
{
	(void)state;
	struct spk_table *t = table();
	struct spk k = key(B, 0x20000001, 100, 200); /* a CSK-ID */
	assert_int_equal(spk_add(t, &k), MCSEC_E_VALUE);
	k = key("", 0x30000001, 100, 200);
	assert_int_equal(spk_add(t, &k), MCSEC_E_VALUE);
	k = key(B, 0x30000001, 200, 200);
	assert_int_equal(spk_add(t, &k), MCSEC_E_VALUE);
	k = key(B, 0x30000001, 100, 200);
	k.identity[0] = 0;
	assert_int_equal(spk_add(t, &k), MCSEC_E_VALUE);
	k = key(B, 0x30000001, 100, 200);
	k.len = 24;
	assert_int_equal(spk_add(t, &k), MCSEC_E_LENGTH);
	assert_int_equal(t->n, 0);
	add(t, B, 0x30000001, 100, 200);
	k = key(C_, 0x30000001, 100, 200);
	assert_int_equal(spk_add(t, &k), MCSEC_E_VALUE); /* the ID is taken, whoever has it */
	free(t);
}

static void at_most_two_keys_of_a_peer_are_valid_at_any_time(void **state)
{
	(void)state;
	struct spk_table *t = table();
	add(t, B, 0x30000001, 100, 200);
	add(t, B, 0x30000002, 150, 300);
	struct spk k = key(B, 0x30000003, 190, 400);
	assert_int_equal(spk_add(t, &k), MCSEC_E_NO_SPACE);
	k = key(B, 0x30000003, 50, 151); /* three at 150 */
	assert_int_equal(spk_add(t, &k), MCSEC_E_NO_SPACE);
	k = key(B, 0x30000003, 50, 150);
	assert_int_equal(spk_add(t, &k), MCSEC_OK);
	add(t, B, 0x30000004, 200, 400);
	add(t, C_, 0x30000005, 100, 400); /* of another peer */
	assert_int_equal(spk_remove(t, 0x30000002), 1);
	assert_int_equal(spk_remove(t, 0x30000002), 0);
	assert_int_equal(sending(t, B, 180), 0x30000001);
	for (size_t i = 0; i < sizeof t->keys[t->n]; i++)
		assert_int_equal(((const uint8_t *)&t->keys[t->n])[i], 0); /* what was removed is wiped */
	free(t);
}

static void xml_keys_of_both_lengths(void **state)
{
	(void)state;
	struct spk k = key(B, 0x30000001, 100, 200);
	struct xml_key x;
	assert_int_equal(spk_xml_key(&k, &x), MCSEC_OK);
	assert_int_equal(x.id, 0x30000001);
	hex_is(x.confidentiality, x.len, "d2f926bcfe201a1d0a376f441d49d92a");
	hex_is(x.integrity, x.len, "014e73ec298a1eb8a28ffbd581afe642");
	k.len = 32;
	assert_int_equal(spk_xml_key(&k, &x), MCSEC_OK);
	hex_is(x.confidentiality, x.len, "f6fde1a54467c476d370a9d7a6dcd48bc05e16748ce899bb5dce3b0d2a9df0af");
	hex_is(x.integrity, x.len, "0d765bdcba9051c1039c4c128b43a5c60c8a7202eaf25e2820c7197206325d73");
}

static void srtcp_masters_of_both_services_and_lengths(void **state)
{
	(void)state;
	struct spk k = key(B, 0x30000001, 100, 200);
	uint8_t master[SPK_KEY_MAX], salt[MCSEC_SRTP_SALT];
	assert_int_equal(spk_srtcp_master(&k, 0, master, salt), MCSEC_OK);
	hex_is(master, 16, "8f4fd7b04a11085e0ccede49ea637d66");
	hex_is(salt, sizeof salt, "42fa4f31c6f09937b08f993d");
	assert_int_equal(spk_srtcp_master(&k, 1, master, salt), MCSEC_OK);
	hex_is(master, 16, "20ccf0f699c4a57b62d559fd316e0209");
	hex_is(salt, sizeof salt, "9abcf2d08b79092c0e852db4");
	memset(k.rand, 7, sizeof k.rand);
	assert_int_equal(spk_srtcp_master(&k, 0, master, salt), MCSEC_OK);
	hex_is(master, 16, "70360f118c8edd25eb35b64c985af891");
	memset(k.rand, 0, sizeof k.rand);
	k.len = 32;
	assert_int_equal(spk_srtcp_master(&k, 0, master, salt), MCSEC_OK);
	hex_is(master, 32, "d896d3588173a3e1e6773e76ae1d312cf93ebb45957467f340623d4a55d02a02");
	hex_is(salt, sizeof salt, "c3da8cd7bf8c2656892e97b9");
}

/* What one server sends under its newest key, another opens with all that are valid there. */
static enum xml_verdict crosses(const struct spk_table *from, const struct spk_table *to, const char *peer, int64_t now)
{
	struct lab *l = lab_new();
	struct xml_key open[SPK_OVERLAP];
	const struct spk *k = spk_for_sending(from, B, now);
	size_t n = 0;
	assert_non_null(k);
	assert_int_equal(spk_xml_key(k, &l->key), MCSEC_OK);
	lab_protect(l);
	lab_send(l);
	assert_int_equal(spk_xml_keys(to, peer, now, open, &n), MCSEC_OK);
	for (size_t i = 0; i < n; i++)
		l->list[i] = &open[i];
	l->keys.n = n;
	enum xml_verdict v = lab_open(l);
	assert_true(v != XML_PASSED || l->opened.key_id == k->id);
	lab_free(l);
	return v;
}

static void documents_cross_between_servers_through_a_change_of_keys(void **state)
{
	(void)state;
	struct spk_table *a = table(), *b = table();
	add(a, B, 0x30000001, 100, 200);
	add(b, "sip.a.test", 0x30000001, 100, 200);
	add(b, "sip.a.test", 0x30000002, 150, 300);
	assert_int_equal(crosses(a, b, "sip.a.test", 120), XML_PASSED);
	assert_int_equal(crosses(a, b, "sip.a.test", 180), XML_PASSED); /* A has not the new one yet, B takes both */
	add(a, B, 0x30000002, 150, 300);
	assert_int_equal(crosses(a, b, "sip.a.test", 180), XML_PASSED);
	assert_int_equal(crosses(a, b, "sip.a.test", 250), XML_PASSED);
	free(a);
	free(b);
}

static void documents_under_the_key_of_another_pair_do_not_open(void **state)
{
	(void)state;
	struct spk_table *a = table(), *b = table();
	add(a, B, 0x30000001, 100, 200);
	add(b, C_, 0x30000001, 100, 200); /* the very key, but shared with C */
	add(b, "sip.a.test", 0x30000002, 100, 200);
	assert_int_equal(crosses(a, b, "sip.a.test", 150), XML_BAD_INTEGRITY);
	assert_int_equal(crosses(a, b, "sip.d.test", 150), XML_UNDECRYPTABLE); /* nothing is shared with it */
	free(a);
	free(b);
}

static void ends_that_disagree_on_the_identity_do_not_open_each_others_documents(void **state)
{
	(void)state;
	struct spk_table *a = table(), *b = table();
	struct spk k = key("sip.a.test", 0x30000001, 100, 200);
	strcpy(k.identity, "sip:mdsi@b.test");
	add(a, B, 0x30000001, 100, 200);
	assert_int_equal(spk_add(b, &k), MCSEC_OK);
	assert_int_equal(crosses(a, b, "sip.a.test", 150), XML_BAD_INTEGRITY);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_newest_valid_key_sends_and_any_valid_one_receives),
	    cmocka_unit_test(two_keys_that_begin_together_are_chosen_alike_at_both_ends),
	    cmocka_unit_test(an_id_of_another_peer_is_unknown),
	    cmocka_unit_test(an_expired_or_pending_key_opens_nothing),
	    cmocka_unit_test(what_is_no_spk_is_not_provisioned),
	    cmocka_unit_test(at_most_two_keys_of_a_peer_are_valid_at_any_time),
	    cmocka_unit_test(xml_keys_of_both_lengths),
	    cmocka_unit_test(srtcp_masters_of_both_services_and_lengths),
	    cmocka_unit_test(documents_cross_between_servers_through_a_change_of_keys),
	    cmocka_unit_test(documents_under_the_key_of_another_pair_do_not_open),
	    cmocka_unit_test(ends_that_disagree_on_the_identity_do_not_open_each_others_documents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SRTCP under client-server keys: the vectors, both ends, a change of key, and everything that must be dropped. */
#include "unit/test.h"

#include <jansson.h>

#include "mcx/media/csk_control.h"

enum { CLIENT_SSRC = 0x11223344, SERVER_SSRC = (int)0x80000001, ROOM = 256 };

static const uint8_t key_one[16] = {1}, key_two[16] = {2}, rand_one[16] = {9}, rand_two[16] = {8};
static const uint32_t id_one = 0x2aaaaaaa, id_two = 0x2bbbbbbb;

static struct csk_control_key one(void)
{
	return (struct csk_control_key){id_one, key_one, OCTETS(rand_one), 16, 0};
}

static struct csk_control_key two(void)
{
	return (struct csk_control_key){id_two, key_two, OCTETS(rand_two), 16, 0};
}

/* One end, holding the first key with indices 1 ... 99. */
static struct csk_control *end_of(void)
{
	struct csk_control *c = csk_control_new(NULL, NULL);
	struct csk_control_key k = one();
	assert_int_equal(csk_control_hold(c, &k), 0);
	csk_control_send_with(c, id_one);
	csk_control_grant(c, id_one, 1, 100);
	return c;
}

struct packet {
	uint8_t p[ROOM];
	size_t len;
};

static struct octets view(const struct packet *p)
{
	return (struct octets){p->p, p->len};
}

static enum srtp_verdict say(struct csk_control *c, uint32_t ssrc, struct packet *out)
{
	uint8_t plain[] = {0x84, 204, 0, 2, 0, 0, 0, 0, 'M', 'C', 'P', 'T'};
	for (int i = 0; i < 4; i++)
		plain[4 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	return csk_control_protect(c, OCTETS(plain), out->p, sizeof out->p, &out->len);
}

static enum srtp_verdict hear(struct csk_control *c, uint32_t own, uint32_t peer, struct octets packet, uint32_t *id)
{
	uint8_t out[ROOM];
	size_t len;
	uint32_t any;
	enum srtp_verdict v = csk_control_unprotect(c, own, peer, packet, out, sizeof out, &len, id ? id : &any);
	assert_int_equal(len == 0, v != SRTP_OK);
	return v;
}

/* What the server makes of a packet of the client's. */
static enum srtp_verdict at_server(struct csk_control *server, const struct packet *p)
{
	return hear(server, (uint32_t)SERVER_SSRC, CLIENT_SSRC, view(p), NULL);
}

/* ---- vectors ---- */

static const char *text(json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static uint32_t number(const char *hex)
{
	return (uint32_t)strtoul(hex, NULL, 16);
}

static struct csk_control *from_vector(json_t *c, uint8_t key[16], uint8_t rand[16])
{
	unhex(text(c, "tgk"), key, 16);
	unhex(text(c, "rand"), rand, 16);
	struct csk_control_key k = {
	    number(text(c, "key_id")), key, {rand, 16}, 16, json_integer_value(json_object_get(c, "cs_id")) == 8};
	struct csk_control *out = csk_control_new(NULL, NULL);
	assert_int_equal(csk_control_hold(out, &k), 0);
	csk_control_send_with(out, k.id);
	return out;
}

static json_t *vectors(json_t **root, const char *name)
{
	char path[512];
	json_t *c;
	size_t i;
	snprintf(path, sizeof path, "%s/media.json", getenv("MCX_VECTORS"));
	*root = json_load_file(path, 0, NULL);
	json_array_foreach(json_object_get(*root, "cases"), i, c) if (!strcmp(text(c, "name"), name)) return c;
	fail();
	return NULL;
}

static size_t made_and_opened(const char *name)
{
	uint8_t key[16], rand[16], want[ROOM], plain[ROOM], out[ROOM];
	json_t *root, *c = vectors(&root, name), *p;
	struct csk_control *sends = from_vector(c, key, rand), *opens = from_vector(c, key, rand);
	size_t i, len, n = 0;
	json_array_foreach(json_object_get(c, "packets"), i, p)
	{
		uint32_t index = (uint32_t)json_integer_value(json_object_get(p, "index")), id;
		struct octets in = {plain, unhex(text(p, "plain"), plain, sizeof plain)};
		size_t want_len = unhex(text(p, "protected"), want, sizeof want);
		csk_control_grant(sends, csk_control_sends_with(sends), index, index + 1);
		assert_int_equal(csk_control_protect(sends, in, out, sizeof out, &len), SRTP_OK);
		assert_int_equal(len, want_len);
		assert_memory_equal(out, want, len);
		uint32_t peer = number((char[]){text(p, "plain")[8], text(p, "plain")[9], text(p, "plain")[10],
						text(p, "plain")[11], text(p, "plain")[12], text(p, "plain")[13],
						text(p, "plain")[14], text(p, "plain")[15], 0});
		assert_int_equal(
		    csk_control_unprotect(opens, 1, peer, (struct octets){want, want_len}, out, sizeof out, &len, &id),
		    SRTP_OK);
		assert_int_equal(len, in.len);
		assert_memory_equal(out, plain, len);
		assert_int_equal(id, csk_control_sends_with(sends));
		n++;
	}
	csk_control_free(sends);
	csk_control_free(opens);
	json_decref(root);
	return n;
}

static void every_packet_of_the_csk_vectors_is_made_and_opened(void **state)
{
	(void)state;
	assert_int_equal(made_and_opened("unicast-floor-csk"), 9);
}

static void every_packet_of_the_csk_vectors_of_mcvideo_is_made_and_opened(void **state)
{
	(void)state;
	assert_int_equal(made_and_opened("unicast-transmission-csk"), 3);
}

static void one_csk_protects_mcptt_and_mcvideo_under_two_master_keys(void **state)
{
	(void)state;
	struct csk_control *floor = end_of(), *transmission = csk_control_new(NULL, NULL);
	struct csk_control_key k = one();
	struct packet p;
	k.video = 1;
	assert_int_equal(csk_control_hold(transmission, &k), 0);
	assert_int_equal(say(floor, CLIENT_SSRC, &p), SRTP_OK);
	assert_int_equal(at_server(transmission, &p), SRTP_AUTH);
	csk_control_free(floor);
	csk_control_free(transmission);
}

static void every_negative_packet_of_the_csk_vectors_is_dropped(void **state)
{
	(void)state;
	uint8_t key[16], rand[16], packet[ROOM];
	json_t *root, *c = vectors(&root, "unicast-floor-csk"), *n;
	size_t i, seen = 0;
	json_array_foreach(json_object_get(root, "negative"), i, n)
	{
		if (strcmp(text(n, "case"), "unicast-floor-csk"))
			continue;
		struct csk_control *opens = from_vector(c, key, rand);
		size_t len = unhex(text(n, "packet"), packet, sizeof packet);
		assert_int_not_equal(hear(opens, 1, 0x4a3635e7, (struct octets){packet, len}, NULL), SRTP_OK);
		csk_control_free(opens);
		seen++;
	}
	assert_int_equal(seen, 6);
	json_decref(root);
}

/* ---- both ends ---- */

static void the_ends_of_a_csk_send_with_ssrcs_of_different_halves(void **state)
{
	(void)state;
	for (uint32_t r = 0; r < 3000; r++) {
		uint32_t random = r * 2654435761u;
		assert_int_equal(csk_control_ssrc(CSK_CLIENT, random, 7) >> 31, 0);
		assert_int_equal(csk_control_ssrc(CSK_SERVER, random, 7) >> 31, 1);
	}
	assert_int_not_equal(csk_control_ssrc(CSK_CLIENT, 0, 1), 0);
	assert_int_not_equal(csk_control_ssrc(CSK_CLIENT, 0, 1), 1);
	assert_int_not_equal(csk_control_ssrc(CSK_CLIENT, 0x80000000, 0), 0);
	/* A peer of others may have drawn ours. */
	assert_int_not_equal(csk_control_ssrc(CSK_SERVER, 5, 0x80000005), 0x80000005);
	assert_int_not_equal(csk_control_ssrc(CSK_SERVER, 0x7fffffff, 0xffffffff), 0xffffffff);
}

static void both_ends_talk_under_one_key(void **state)
{
	(void)state;
	struct csk_control *client = end_of(), *server = end_of();
	struct packet p;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(say(client, CLIENT_SSRC, &p), SRTP_OK);
		assert_int_equal(at_server(server, &p), SRTP_OK);
		assert_int_equal(say(server, (uint32_t)SERVER_SSRC, &p), SRTP_OK);
		assert_int_equal(hear(client, CLIENT_SSRC, (uint32_t)SERVER_SSRC, view(&p), NULL), SRTP_OK);
	}
	csk_control_free(client);
	csk_control_free(server);
}

static void mcx_sec_305_a_packet_of_our_own_that_comes_back_is_never_taken_for_the_peers(void **state)
{
	(void)state;
	struct csk_control *server = end_of();
	struct packet p;
	assert_int_equal(say(server, (uint32_t)SERVER_SSRC, &p), SRTP_OK);
	assert_int_equal(at_server(server, &p), SRTP_REFLECTED);
	csk_control_free(server);
}

static void an_ssrc_that_the_peer_did_not_announce_is_dropped(void **state)
{
	(void)state;
	struct csk_control *client = end_of(), *server = end_of();
	struct packet p;
	assert_int_equal(say(client, CLIENT_SSRC + 1, &p), SRTP_OK);
	assert_int_equal(at_server(server, &p), SRTP_FOREIGN);
	assert_int_equal(say(client, CLIENT_SSRC, &p), SRTP_OK);
	assert_int_equal(at_server(server, &p), SRTP_OK);
	csk_control_free(client);
	csk_control_free(server);
}

static void a_packet_comes_once_and_not_below_the_window(void **state)
{
	(void)state;
	struct csk_control *client = end_of(), *server = end_of();
	struct packet first, p = {0};
	assert_int_equal(say(client, CLIENT_SSRC, &first), SRTP_OK);
	assert_int_equal(at_server(server, &first), SRTP_OK);
	assert_int_equal(at_server(server, &first), SRTP_REPLAY);
	csk_control_grant(client, id_one, 100, 400);
	for (int i = 0; i < 200; i++)
		assert_int_equal(say(client, CLIENT_SSRC, &p), SRTP_OK);
	assert_int_equal(at_server(server, &p), SRTP_OK);
	assert_int_equal(at_server(server, &first), SRTP_OLD);
	csk_control_free(client);
	csk_control_free(server);
}

static void clear_rtcp_a_foreign_key_and_short_packets_are_dropped(void **state)
{
	(void)state;
	struct csk_control *client = end_of(), *server = end_of(), *mallory = csk_control_new(NULL, NULL);
	struct packet p;
	struct csk_control_key k = {id_one, key_two, OCTETS(rand_one), 16, 0};
	static const uint8_t clear[] = {0x84, 204, 0, 2, 0x11, 0x22, 0x33, 0x44, 'M', 'C', 'P', 'T'};
	assert_int_equal(csk_control_hold(mallory, &k), 0);
	csk_control_send_with(mallory, id_one);
	csk_control_grant(mallory, id_one, 1, 10);
	assert_int_equal(say(mallory, CLIENT_SSRC, &p), SRTP_OK);
	assert_int_equal(at_server(server, &p), SRTP_AUTH);
	assert_int_equal(hear(server, 1, CLIENT_SSRC, OCTETS(clear), NULL), SRTP_SHORT);
	uint8_t padded[64] = {0};
	memcpy(padded, clear, sizeof clear);
	assert_int_equal(hear(server, 1, CLIENT_SSRC, OCTETS(padded), NULL), SRTP_UNKNOWN_MKI);
	padded[60] = 0x2a, padded[61] = padded[62] = padded[63] = 0xaa;
	assert_int_equal(hear(server, 1, CLIENT_SSRC, OCTETS(padded), NULL), SRTP_CLEAR);
	assert_int_equal(say(client, CLIENT_SSRC, &p), SRTP_OK);
	for (size_t len = 0; len < p.len; len++) /* what is cut off ends in another MKI or is too short */
		assert_int_not_equal(hear(server, 1, CLIENT_SSRC, (struct octets){p.p, len}, NULL), SRTP_OK);
	for (size_t at = 0; at < p.len; at++)
		for (uint8_t bit = 1; bit; bit = (uint8_t)(bit << 1)) {
			struct packet q = p;
			q.p[at] ^= bit;
			assert_int_not_equal(at_server(server, &q), SRTP_OK);
		}
	assert_int_equal(at_server(server, &p), SRTP_OK);
	csk_control_free(client);
	csk_control_free(server);
	csk_control_free(mallory);
}

static void several_packets_of_one_datagram_are_cut_by_their_lengths(void **state)
{
	(void)state;
	struct csk_control *client = end_of(), *server = end_of();
	struct packet a, b;
	uint8_t both[2 * ROOM];
	assert_int_equal(say(client, CLIENT_SSRC, &a), SRTP_OK);
	assert_int_equal(say(client, CLIENT_SSRC, &b), SRTP_OK);
	memcpy(both, a.p, a.len);
	memcpy(both + a.len, b.p, b.len);
	struct octets rest = {both, a.len + b.len}, one_of;
	for (int i = 0; i < 2; i++) {
		assert_true(csk_control_split(&rest, &one_of));
		assert_int_equal(hear(server, 1, CLIENT_SSRC, one_of, NULL), SRTP_OK);
	}
	assert_int_equal(rest.len, 0);
	assert_false(csk_control_split(&rest, &one_of));
	rest = (struct octets){both, a.len + 11}; /* the remainder alone is dropped */
	assert_true(csk_control_split(&rest, &one_of));
	assert_false(csk_control_split(&rest, &one_of));
	csk_control_free(client);
	csk_control_free(server);
}

/* ---- indices ---- */

static uint32_t seen[4096];
static size_t n_seen;

static void note(void *ctx, uint32_t csk_id, uint32_t ssrc, uint32_t index)
{
	(void)ctx;
	(void)csk_id;
	(void)ssrc;
	seen[n_seen++] = index;
}

static void mcx_sec_304_only_indices_that_were_granted_are_used_and_each_once(void **state)
{
	(void)state;
	struct csk_control *c = csk_control_new(note, NULL);
	struct csk_control_key k = one();
	struct packet p;
	n_seen = 0;
	assert_int_equal(csk_control_hold(c, &k), 0);
	csk_control_send_with(c, id_one);
	assert_int_equal(say(c, CLIENT_SSRC, &p), SRTP_NOT_DURABLE);
	csk_control_grant(c, id_one, 4096, 4098);
	csk_control_grant(c, id_one, 12288, 12290); /* another process took the block between */
	assert_int_equal(csk_control_left(c, id_one), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(say(c, CLIENT_SSRC + (uint32_t)i, &p), SRTP_OK);
	assert_int_equal(csk_control_left(c, id_one), 0);
	assert_int_equal(say(c, CLIENT_SSRC, &p), SRTP_NOT_DURABLE);
	assert_int_equal(p.len, 0);
	static const uint32_t want[] = {4096, 4097, 12288, 12289};
	assert_int_equal(n_seen, 4);
	assert_memory_equal(seen, want, sizeof want);
	csk_control_free(c);
}

static void mcx_sec_309_the_last_index_of_a_key_ends_the_sending(void **state)
{
	(void)state;
	struct csk_control *c = csk_control_new(NULL, NULL);
	struct csk_control_key k = one();
	struct packet p;
	assert_int_equal(csk_control_hold(c, &k), 0);
	csk_control_send_with(c, id_one);
	csk_control_grant(c, id_one, 0x7ffffffe, UINT32_MAX);
	while (say(c, CLIENT_SSRC, &p) == SRTP_OK)
		assert_int_equal(p.p[p.len - 8] >> 7, 1);
	assert_int_equal(say(c, CLIENT_SSRC, &p), SRTP_WORN_OUT);
	csk_control_free(c);
}

/* ---- a change of key ---- */

static void mcx_sec_184_a_new_csk_switches_the_mki_and_the_old_one_opens_until_it_is_dropped(void **state)
{
	(void)state;
	struct csk_control *client = end_of(), *server = end_of();
	struct csk_control_key k = two();
	struct packet on_its_way, p;
	uint32_t id;
	assert_int_equal(say(client, CLIENT_SSRC, &on_its_way), SRTP_OK);
	/* The client replaces its key at once, in both directions. */
	assert_int_equal(csk_control_hold(client, &k), 0);
	csk_control_send_with(client, id_two);
	csk_control_keep_only(client, &id_two, 1);
	csk_control_grant(client, id_two, 1, 50);
	assert_false(csk_control_holds(client, id_one));
	assert_int_equal(csk_control_hold(server, &k), 0);
	assert_int_equal(hear(server, 1, CLIENT_SSRC, view(&on_its_way), &id), SRTP_OK);
	assert_int_equal(id, id_one);
	assert_int_equal(say(client, CLIENT_SSRC, &p), SRTP_OK);
	assert_int_equal(hear(server, 1, CLIENT_SSRC, view(&p), &id), SRTP_OK);
	assert_int_equal(id, id_two);
	csk_control_send_with(server, id_two);
	assert_int_equal(say(server, (uint32_t)SERVER_SSRC, &p), SRTP_NOT_DURABLE); /* a key has indices of its own */
	csk_control_grant(server, id_two, 1, 50);
	assert_int_equal(say(server, (uint32_t)SERVER_SSRC, &p), SRTP_OK);
	assert_int_equal(hear(client, CLIENT_SSRC, (uint32_t)SERVER_SSRC, view(&p), &id), SRTP_OK);
	assert_int_equal(id, id_two);
	csk_control_free(client);
	csk_control_free(server);
}

static void after_its_grace_the_old_key_opens_nothing_and_sends_nothing(void **state)
{
	(void)state;
	struct csk_control *client = end_of(), *server = end_of();
	struct csk_control_key k = two();
	struct packet p;
	assert_int_equal(csk_control_hold(server, &k), 0);
	csk_control_keep_only(server, &id_two, 1);
	assert_int_equal(say(client, CLIENT_SSRC, &p), SRTP_OK);
	assert_int_equal(at_server(server, &p), SRTP_UNKNOWN_MKI);
	assert_int_equal(csk_control_sends_with(server), 0);
	assert_int_equal(say(server, (uint32_t)SERVER_SSRC, &p), SRTP_UNKNOWN_MKI);
	csk_control_send_with(server, id_one);
	assert_int_equal(csk_control_sends_with(server), 0);
	csk_control_free(client);
	csk_control_free(server);
}

static void only_a_csk_is_held_and_no_more_than_there_is_room_for(void **state)
{
	(void)state;
	struct csk_control *c = csk_control_new(NULL, NULL);
	struct csk_control_key k = one();
	k.id = 0x1aaaaaaa;
	assert_int_equal(csk_control_hold(c, &k), -1);
	for (uint32_t i = 0; i < CSK_CONTROL_KEYS; i++) {
		k.id = 0x20000001 + i;
		assert_int_equal(csk_control_hold(c, &k), 0);
	}
	k.id++;
	assert_int_equal(csk_control_hold(c, &k), -1);
	k.id--;
	assert_int_equal(csk_control_hold(c, &k), 0); /* held already */
	k = (struct csk_control_key){id_one, key_one, OCTETS(rand_one), 17, 0};
	csk_control_keep_only(c, NULL, 0);
	assert_int_equal(csk_control_hold(c, &k), -1);
	k.key_len = 32;
	assert_int_equal(csk_control_hold(c, &k), 0);
	csk_control_free(c);
}

static void ends_whose_master_keys_differ_in_length_or_rand_do_not_understand_each_other(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct csk_control *client = end_of(), *server = csk_control_new(NULL, NULL);
		struct csk_control_key k = one();
		struct packet p;
		if (i == 0)
			k.key_len = 32;
		else
			k.rand = OCTETS(rand_two);
		assert_int_equal(csk_control_hold(server, &k), 0);
		assert_int_equal(say(client, CLIENT_SSRC, &p), SRTP_OK);
		assert_int_equal(at_server(server, &p), SRTP_AUTH);
		csk_control_free(client);
		csk_control_free(server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_packet_of_the_csk_vectors_is_made_and_opened),
	    cmocka_unit_test(every_packet_of_the_csk_vectors_of_mcvideo_is_made_and_opened),
	    cmocka_unit_test(one_csk_protects_mcptt_and_mcvideo_under_two_master_keys),
	    cmocka_unit_test(every_negative_packet_of_the_csk_vectors_is_dropped),
	    cmocka_unit_test(the_ends_of_a_csk_send_with_ssrcs_of_different_halves),
	    cmocka_unit_test(both_ends_talk_under_one_key),
	    cmocka_unit_test(mcx_sec_305_a_packet_of_our_own_that_comes_back_is_never_taken_for_the_peers),
	    cmocka_unit_test(an_ssrc_that_the_peer_did_not_announce_is_dropped),
	    cmocka_unit_test(a_packet_comes_once_and_not_below_the_window),
	    cmocka_unit_test(clear_rtcp_a_foreign_key_and_short_packets_are_dropped),
	    cmocka_unit_test(several_packets_of_one_datagram_are_cut_by_their_lengths),
	    cmocka_unit_test(mcx_sec_304_only_indices_that_were_granted_are_used_and_each_once),
	    cmocka_unit_test(mcx_sec_309_the_last_index_of_a_key_ends_the_sending),
	    cmocka_unit_test(mcx_sec_184_a_new_csk_switches_the_mki_and_the_old_one_opens_until_it_is_dropped),
	    cmocka_unit_test(after_its_grace_the_old_key_opens_nothing_and_sends_nothing),
	    cmocka_unit_test(only_a_csk_is_held_and_no_more_than_there_is_room_for),
	    cmocka_unit_test(ends_whose_master_keys_differ_in_length_or_rand_do_not_understand_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

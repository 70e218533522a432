/* SPDX-License-Identifier: Apache-2.0 */
/* Floor control messages: the vectors' octets both ways, every field, and what is broken, skipped or ignored. */
#include "unit/test.h"

#include <jansson.h>

#include "mcx/floor/floor_message.h"

static struct floor_message read_ok(struct octets packet)
{
	struct floor_message m;
	assert_int_equal(floor_message_read(packet, &m), APP_READ_OK);
	return m;
}

static enum app_read verdict(const char *hex)
{
	uint8_t p[256];
	struct floor_message m;
	return floor_message_read((struct octets){p, unhex(hex, p, sizeof p)}, &m);
}

static struct floor_message of(const char *hex, uint8_t *room, size_t size)
{
	return read_ok((struct octets){room, unhex(hex, room, size)});
}

static void writes_as(const struct floor_message *m, const char *hex)
{
	uint8_t want[512], got[512];
	size_t n = unhex(hex, want, sizeof want);
	struct writer w = wr_init(got, sizeof got);
	assert_int_equal(floor_message_write(&w, m), MCSEC_OK);
	assert_int_equal(wr_len(&w), n);
	assert_memory_equal(got, want, n);
}

/* ---- */

static void each_floor_message_of_the_vectors_reads_and_writes_back_octet_for_octet(void **state)
{
	(void)state;
	char path[512];
	snprintf(path, sizeof path, "%s/media.json", getenv("MCX_VECTORS"));
	json_t *root = json_load_file(path, 0, NULL), *c, *p;
	size_t i, j, seen = 0;
	assert_non_null(root);
	json_array_foreach(json_object_get(root, "cases"), i, c)
	{
		json_array_foreach(json_object_get(c, "packets"), j, p)
		{
			const char *hex = json_string_value(json_object_get(p, "plain"));
			if (strlen(hex) < 24 || strncmp(hex + 16, "4d435054", 8) != 0)
				continue;
			uint8_t room[512];
			struct floor_message m = of(hex, room, sizeof room);
			writes_as(&m, hex);
			seen++;
		}
	}
	json_decref(root);
	assert_int_equal(seen, 12);
}

static void the_fields_of_the_worked_examples_say_what_the_specification_says(void **state)
{
	(void)state;
	uint8_t room[256];
	struct floor_message m = of("80cc00044a3635e74d435054000205000d028400", room, sizeof room);
	assert_int_equal(m.type, FLOOR_REQUEST);
	assert_int_equal(m.ack, 0);
	assert_int_equal(m.ssrc, 0x4a3635e7);
	assert_int_equal(m.priority, 5);
	assert_int_equal(m.indicator, FLOOR_NORMAL | FLOOR_QUEUEING);
	assert_int_equal(m.has, FLOOR_HAS(FLOOR_F_PRIORITY) | FLOOR_HAS(FLOOR_F_INDICATOR));
	m = of("91cc00078276b6f64d4350540102001e0e06ed3a33280000000205000d028400", room, sizeof room);
	assert_int_equal(m.type, FLOOR_GRANTED);
	assert_int_equal(m.ack, 1);
	assert_int_equal(m.duration, 30);
	assert_int_equal(m.granted_ssrc, 0xed3a3328);
	m = of(
	    "82cc000f8276b6f64d435054041c7369703a616c696365407368617265642e6d63782e6578616d706c65000005020001080200070d"
	    "0280000e06c971f2e40000",
	    room, sizeof room);
	assert_true(octets_equal(m.granted_id, octets_of("sip:alice@shared.mcx.example")));
	assert_int_equal(m.may_request, 1);
	assert_int_equal(m.sequence, 7);
	m = of(
	    "83cc000c8276b6f64d43505402250001416e6f74686572204d4350545420636c69656e7420686173207065726d697373696f6e00",
	    room, sizeof room);
	assert_int_equal(m.cause, FLOOR_DENY_TAKEN);
	assert_true(octets_equal(m.phrase, octets_of("Another MCPTT client has permission")));
	m = of("89cc00048276b6f64d435054030202050d028400", room, sizeof room);
	assert_int_equal(m.queue_position, 2);
	assert_int_equal(m.queue_priority, 5);
}

static void an_acknowledgement_names_the_type_without_its_bit_and_carries_the_own_ssrc(void **state)
{
	(void)state;
	uint8_t room[256];
	struct floor_message m =
	    of("91cc00078276b6f64d4350540102001e0e06ed3a33280000000205000d028400", room, sizeof room);
	struct floor_message a = floor_ack(&m, 0x4a3635e7, FLOOR_BY_PARTICIPANT);
	writes_as(&a, "8acc00044a3635e74d4350540a0200000c020100");
}

static void track_info_is_copied_unchanged_into_the_acknowledgement(void **state)
{
	(void)state;
	uint8_t room[256];
	struct floor_message m = of("95cc00038276b6f64d4350540b020100", room, sizeof room);
	struct floor_message a = floor_ack(&m, 1, FLOOR_BY_PARTICIPANT);
	writes_as(&a, "8acc0005000000014d4350540a0200000c0205000b020100");
}

static void every_message_with_all_its_fields_reads_back(void **state)
{
	(void)state;
	static const uint8_t list[] = {1, 3, 'a', ':', 'b'};
	const struct floor_message full = {.ack = 1,
					   .ssrc = 0x80000001,
					   .has = (1u << FLOOR_FIELDS) - 1,
					   .priority = 255,
					   .duration = 30,
					   .cause = 255,
					   .phrase = octets_of("because"),
					   .queue_position = 254,
					   .queue_priority = 9,
					   .may_request = 1,
					   .queue_size = 2,
					   .sequence = 65535,
					   .source = 2,
					   .indicator = FLOOR_EMERGENCY | FLOOR_MULTI,
					   .acked = 5,
					   .granted_ssrc = 0x01020304,
					   .granted_id = octets_of("sip:alice@x"),
					   .user_id = octets_of("sip:bob@y"),
					   .queued_id = octets_of("sip:carol@z"),
					   .track_info = OCTETS(list),
					   .granted_users = OCTETS(list),
					   .ssrcs = OCTETS(list)};
	for (unsigned type = 0; type < FLOOR_TYPES; type++) {
		if (!floor_type_name(type))
			continue;
		uint8_t first[512], second[512];
		struct floor_message m = full;
		m.type = (uint8_t)type;
		struct writer w = wr_init(first, sizeof first), again = wr_init(second, sizeof second);
		assert_int_equal(floor_message_write(&w, &m), MCSEC_OK);
		struct floor_message back = read_ok(wr_result(&w));
		assert_int_equal(back.type, type);
		assert_int_equal(back.ack, 1);
		assert_int_equal(floor_message_write(&again, &back), MCSEC_OK);
		assert_true(octets_equal(wr_result(&w), wr_result(&again)));
	}
}

static void fields_may_come_in_any_order_and_a_second_one_says_nothing(void **state)
{
	(void)state;
	uint8_t room[256];
	struct floor_message m = of("80cc0005000000014d4350540d028000000207000002ff00", room, sizeof room);
	assert_int_equal(m.priority, 7);
	assert_int_equal(m.indicator, FLOOR_NORMAL);
}

static void unknown_fields_are_skipped_by_their_length_also_with_a_long_one(void **state)
{
	(void)state;
	uint8_t room[256];
	/* ID 99 of 3 octets with 3 of padding; ID 200 with a 16-bit length of 2; then the priority. */
	struct floor_message m = of("80cc0007000000014d435054"
				    "6303aabbcc000000"
				    "c80002aabb000000"
				    "00020500",
				    room, sizeof room);
	assert_int_equal(m.has, FLOOR_HAS(FLOOR_F_PRIORITY));
	assert_int_equal(m.priority, 5);
}

static void octets_of_padding_do_not_count(void **state)
{
	(void)state;
	uint8_t room[256];
	struct floor_message m = of("80cc0005000000014d4350540603613a62ffffff00020500", room, sizeof room);
	assert_true(octets_equal(m.user_id, octets_of("a:b")));
	assert_int_equal(m.priority, 5);
}

static void a_field_of_a_wrong_fixed_length_is_dropped_and_the_message_kept(void **state)
{
	(void)state;
	uint8_t room[256];
	struct floor_message m = of("80cc0005000000014d4350540001050000000d028000"
				    "0000",
				    room, sizeof room);
	assert_int_equal(m.has & FLOOR_HAS(FLOOR_F_PRIORITY), 0);
	assert_int_equal(m.priority, 0);
	m = of("83cc0004000000014d435054020101000d028000", room, sizeof room);
	assert_int_equal(m.has, FLOOR_HAS(FLOOR_F_INDICATOR));
}

static void an_identity_that_is_no_text_is_dropped(void **state)
{
	(void)state;
	uint8_t room[256];
	struct floor_message m = of("80cc0003000000014d4350540602ff00", room, sizeof room);
	assert_int_equal(m.has, 0);
	m = of("80cc0003000000014d43505406000000", room, sizeof room);
	assert_int_equal(m.has, 0);
}

static void a_field_that_runs_over_the_end_drops_the_message(void **state)
{
	(void)state;
	assert_int_equal(verdict("80cc0003000000014d43505406030000"), APP_READ_BROKEN);
	assert_int_equal(verdict("80cc0003000000014d435054c8ffff00"), APP_READ_BROKEN);
	assert_int_equal(verdict("80cc0003000000014d43505406ff0000"), APP_READ_BROKEN);
}

static void a_packet_whose_length_field_is_not_its_length_is_dropped(void **state)
{
	(void)state;
	assert_int_equal(verdict("84cc00034a3635e74d435054"), APP_READ_BROKEN);
	assert_int_equal(verdict("84cc00014a3635e74d435054"), APP_READ_BROKEN);
	assert_int_equal(verdict("84ccffff4a3635e74d435054"), APP_READ_BROKEN);
	assert_int_equal(verdict("84cc00014a3635e7"), APP_READ_BROKEN);
	assert_int_equal(verdict(""), APP_READ_BROKEN);
}

static void another_version_of_rtp_is_dropped(void **state)
{
	(void)state;
	assert_int_equal(verdict("44cc00024a3635e74d435054"), APP_READ_BROKEN);
}

static void a_padded_packet_is_dropped(void **state)
{
	(void)state;
	assert_int_equal(verdict("a4cc00024a3635e74d435054"), APP_READ_BROKEN);
}

static void other_rtcp_packets_names_and_subtypes_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(verdict("80c900014a3635e7"), APP_READ_OTHER);         /* receiver report */
	assert_int_equal(verdict("80cc00024a3635e74d435043"), APP_READ_OTHER); /* MCPC */
	assert_int_equal(verdict("80cc00024a3635e74d434d43"), APP_READ_OTHER); /* MCMC */
	assert_int_equal(verdict("87cc00024a3635e74d435054"), APP_READ_OTHER); /* Floor Revoke Request */
	assert_int_equal(verdict("8bcc00024a3635e74d435054"), APP_READ_OTHER); /* Unicast Media Flow Control */
	assert_int_equal(verdict("8ecc00024a3635e74d435054"), APP_READ_OTHER); /* changed its meaning in Rel-18 */
}

static void every_truncation_and_every_octet_changed_is_read_without_harm(void **state)
{
	(void)state;
	uint8_t p[128], q[128];
	size_t n =
	    unhex("82cc000f8276b6f64d435054041c7369703a616c696365407368617265642e6d63782e6578616d706c650000050200"
		  "01080200070d0280000e06c971f2e40000",
		  p, sizeof p);
	struct floor_message m;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(floor_message_read((struct octets){p, i}, &m), APP_READ_BROKEN);
	for (size_t i = 0; i < n; i++)
		for (unsigned v = 0; v < 256; v++) {
			memcpy(q, p, n);
			q[i] = (uint8_t)v;
			if (floor_message_read((struct octets){q, n}, &m) != APP_READ_OK)
				continue;
			uint8_t out[256];
			struct writer w = wr_init(out, sizeof out);
			assert_int_equal(floor_message_write(&w, &m), MCSEC_OK);
		}
}

static void what_does_not_fit_is_not_written(void **state)
{
	(void)state;
	static uint8_t text[300];
	memset(text, 'a', sizeof text);
	uint8_t out[400];
	struct floor_message m = {.type = FLOOR_TAKEN, .has = FLOOR_HAS(FLOOR_F_GRANTED_ID), .granted_id = {text, 256}};
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(floor_message_write(&w, &m), MCSEC_E_LENGTH);
	m.granted_id.len = 255;
	w = wr_init(out, sizeof out);
	assert_int_equal(floor_message_write(&w, &m), MCSEC_OK);
	w = wr_init(out, 100);
	assert_int_equal(floor_message_write(&w, &m), MCSEC_E_NO_SPACE);
	m.type = 7;
	w = wr_init(out, sizeof out);
	assert_int_equal(floor_message_write(&w, &m), MCSEC_E_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_floor_message_of_the_vectors_reads_and_writes_back_octet_for_octet),
	    cmocka_unit_test(the_fields_of_the_worked_examples_say_what_the_specification_says),
	    cmocka_unit_test(an_acknowledgement_names_the_type_without_its_bit_and_carries_the_own_ssrc),
	    cmocka_unit_test(track_info_is_copied_unchanged_into_the_acknowledgement),
	    cmocka_unit_test(every_message_with_all_its_fields_reads_back),
	    cmocka_unit_test(fields_may_come_in_any_order_and_a_second_one_says_nothing),
	    cmocka_unit_test(unknown_fields_are_skipped_by_their_length_also_with_a_long_one),
	    cmocka_unit_test(octets_of_padding_do_not_count),
	    cmocka_unit_test(a_field_of_a_wrong_fixed_length_is_dropped_and_the_message_kept),
	    cmocka_unit_test(an_identity_that_is_no_text_is_dropped),
	    cmocka_unit_test(a_field_that_runs_over_the_end_drops_the_message),
	    cmocka_unit_test(a_packet_whose_length_field_is_not_its_length_is_dropped),
	    cmocka_unit_test(another_version_of_rtp_is_dropped),
	    cmocka_unit_test(a_padded_packet_is_dropped),
	    cmocka_unit_test(other_rtcp_packets_names_and_subtypes_are_ignored),
	    cmocka_unit_test(every_truncation_and_every_octet_changed_is_read_without_harm),
	    cmocka_unit_test(what_does_not_fit_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

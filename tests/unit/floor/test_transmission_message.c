/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transmission control messages: octets worked out by hand from the tables of the specification, the vectors both ways,
 * every field in and out of range, and what is broken, skipped or ignored.
 */
#include "unit/test.h"

#include <jansson.h>

#include "mcx/floor/transmission_message.h"

static struct tx_message read_ok(struct octets packet)
{
	struct tx_message m;
	assert_int_equal(tx_message_read(packet, &m, NULL), APP_READ_OK);
	return m;
}

static struct tx_message of(const char *hex, uint8_t *room, size_t size)
{
	return read_ok((struct octets){room, unhex(hex, room, size)});
}

static enum app_read verdict(const char *hex, size_t *at)
{
	uint8_t p[256];
	struct tx_message m;
	return tx_message_read((struct octets){p, unhex(hex, p, sizeof p)}, &m, at);
}

static void broken_at(const char *hex, size_t want)
{
	size_t at = 999;
	assert_int_equal(verdict(hex, &at), APP_READ_BROKEN);
	assert_int_equal(at, want);
}

static void ignored(const char *hex)
{
	assert_int_equal(verdict(hex, NULL), APP_READ_OTHER);
}

static void writes_as(const struct tx_message *m, const char *hex)
{
	uint8_t want[512], got[512];
	size_t n = unhex(hex, want, sizeof want);
	struct writer w = wr_init(got, sizeof got);
	assert_int_equal(tx_message_write(&w, m), MCSEC_OK);
	assert_int_equal(wr_len(&w), n);
	assert_memory_equal(got, want, n);
}

/* ---- */

static void each_transmission_message_of_the_vectors_reads_and_writes_back_octet_for_octet(void **state)
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
			if (strlen(hex) < 24 || strncmp(hex + 16, "4d4356", 6) != 0)
				continue;
			uint8_t room[512];
			struct tx_message m = of(hex, room, sizeof room);
			assert_string_equal(tx_type_name(m.type), json_string_value(json_object_get(p, "note")));
			writes_as(&m, hex);
			seen++;
		}
	}
	json_decref(root);
	assert_int_equal(seen, 4);
}

/* A message of each kind that a private call has, octet by octet from transmission 1 to 3. */
static void the_messages_of_a_private_call_are_the_octets_of_the_tables(void **state)
{
	(void)state;
	const struct octets alice = octets_of("sip:a@x"), bob = octets_of("sip:b@x");
	const uint32_t both = TX_HAS(TX_F_AUDIO_SSRC) | TX_HAS(TX_F_VIDEO_SSRC), who = TX_HAS(TX_F_TRANSMITTING_ID);
	const struct {
		struct tx_message m;
		const char *hex;
	} rows[] = {
	    {{.type = TX_REQUEST,
	      .has = TX_HAS(TX_F_PRIORITY) | TX_HAS(TX_F_INDICATOR),
	      .priority = 3,
	      .indicator = TX_NORMAL},
	     "80cc0004000000014d43563000020300"
	     "0d028000"},
	    {{.type = TX_GRANTED,
	      .ack = 1,
	      .has = both | TX_HAS(TX_F_DURATION) | TX_HAS(TX_F_PRIORITY),
	      .duration = 60,
	      .audio_ssrc = 0xa1a2a3a4,
	      .video_ssrc = 0xb1b2b3b4,
	      .priority = 3},
	     "90cc0008000000014d4356310102003c"
	     "0e06a1a2a3a40000"
	     "1706b1b2b3b40000"
	     "00020300"},
	    {{.type = TX_REJECTED, .has = TX_HAS(TX_F_CAUSE), .cause = TX_REJECT_LIMIT, .phrase = octets_of("limit")},
	     "81cc0005000000014d435631020700016c696d6974000000"},
	    {{.type = TX_REVOKED, .has = TX_HAS(TX_F_CAUSE), .cause = TX_REVOKE_NO_PERMISSION},
	     "84cc0003000000014d43563102020003"},
	    {{.type = TX_QUEUE_POSITION_REQUEST, .has = TX_HAS(TX_F_USER_ID), .user_id = bob},
	     "83cc0005000000014d43563006077369703a624078000000"},
	    {{.type = TX_QUEUE_POSITION_INFO,
	      .has = TX_HAS(TX_F_QUEUE_INFO),
	      .queue_position = TX_NOT_QUEUED,
	      .queue_priority = 9},
	     "85cc0003000000014d4356310302fe09"},
	    {{.type = TX_NOTIFICATION,
	      .ack = 1,
	      .has = who | both | TX_HAS(TX_F_MAY_REQUEST) | TX_HAS(TX_F_RECEPTION_MODE),
	      .transmitting_id = alice,
	      .audio_ssrc = 0xa1a2a3a4,
	      .video_ssrc = 0xb1b2b3b4,
	      .may_request = 1,
	      .reception_mode = TX_MODE_MANUAL},
	     "96cc000b000000014d435631"
	     "04077369703a614078000000"
	     "0e06a1a2a3a40000"
	     "1706b1b2b3b40000"
	     "05020001"
	     "16020001"},
	    {{.type = TX_RECEIVE_REQUEST,
	      .has = who | both | TX_HAS(TX_F_RECEPTION_PRIORITY),
	      .transmitting_id = alice,
	      .audio_ssrc = 0xa1a2a3a4,
	      .video_ssrc = 0xb1b2b3b4,
	      .reception_priority = 200},
	     "84cc000a000000014d435630"
	     "04077369703a614078000000"
	     "0e06a1a2a3a40000"
	     "1706b1b2b3b40000"
	     "1302c800"},
	    {{.type = TX_RECEIVE_RESPONSE,
	      .has = TX_HAS(TX_F_RESULT) | TX_HAS(TX_F_CAUSE),
	      .result = TX_REFUSED,
	      .cause = TX_CAUSE_OTHER},
	     "87cc0004000000014d4356310f02000002"
	     "0200ff"},
	    {{.type = TX_RECEPTION_NOTIFICATION, .has = TX_HAS(TX_F_USER_ID), .user_id = bob},
	     "88cc0005000000014d43563106077369703a624078000000"},
	    {{.type = TX_END_NOTIFY, .has = who, .transmitting_id = alice},
	     "8ecc0005000000014d43563104077369703a614078000000"},
	    {{.type = TX_IDLE, .ack = 1, .has = TX_HAS(TX_F_SEQUENCE), .sequence = 10},
	     "9fcc0003000000014d4356310802000a"},
	    {{.type = TX_END_REQUEST, .has = who, .transmitting_id = alice},
	     "80cc0005000000014d43563204077369703a614078000000"},
	    {{.type = TX_END_RESPONSE, .has = TX_HAS(TX_F_INDICATOR), .indicator = TX_NORMAL},
	     "81cc0003000000014d4356320d028000"},
	    {{.type = TX_RECEPTION_END_REQUEST, .has = 0}, "82cc0002000000014d435632"},
	    {{.type = TX_RECEPTION_END_RESPONSE, .has = 0}, "83cc0002000000014d435632"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t room[256];
		struct tx_message m = rows[i].m;
		m.ssrc = 1;
		writes_as(&m, rows[i].hex);
		struct tx_message back = of(rows[i].hex, room, sizeof room);
		assert_int_equal(back.type, m.type);
		assert_int_equal(back.ack, m.ack);
		assert_int_equal(back.has, m.has);
		assert_int_equal(back.cause, m.cause);
		assert_true(octets_equal(back.phrase, m.phrase));
		assert_true(octets_equal(back.transmitting_id, m.transmitting_id));
		assert_true(octets_equal(back.user_id, m.user_id));
		assert_int_equal(back.video_ssrc, m.video_ssrc);
		assert_int_equal(back.result, m.result);
		assert_int_equal(back.reception_mode, m.reception_mode);
		assert_int_equal(back.reception_priority, m.reception_priority);
	}
}

static void the_same_subtype_is_another_message_under_another_name(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *name;
	} rows[] = {
	    {"80cc0002000000014d435630", "Transmission Request"},
	    {"80cc0002000000014d435631", "Transmission Granted"},
	    {"80cc0002000000014d435632", "Transmission End Request"},
	    {"83cc0002000000014d435630", "Queue Position Request"},
	    {"83cc0002000000014d435631", "Transmission Arbitration Release"},
	    {"83cc0002000000014d435632", "Media Reception End Response"},
	    {"88cc0002000000014d435630", "Remote Transmission Cancel Request"},
	    {"88cc0002000000014d435631", "Media Reception Notification"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t room[64];
		assert_string_equal(tx_type_name(of(rows[i].hex, room, sizeof room).type), rows[i].name);
	}
}

static void an_acknowledgement_names_message_and_type_without_its_bit(void **state)
{
	(void)state;
	uint8_t room[256];
	struct tx_message m = of("96cc0003000000014d4356310b020100", room, sizeof room);
	assert_int_equal(m.ack, 1);
	struct tx_message a = tx_ack(&m, 0x4a3635e7, TX_BY_PARTICIPANT);
	/* Source 0; Message Name "MCV1"; Message Type 6; Track Info as it came */
	writes_as(&a, "84cc0007"
		      "4a3635e7"
		      "4d435632"
		      "0a020000"
		      "10064d4356310000"
		      "0c020600"
		      "0b020100");
	assert_true(tx_acknowledges(&a, TX_NOTIFICATION));
	assert_false(tx_acknowledges(&a, TX_TYPE(0, 6)));
	assert_false(tx_acknowledges(&a, TX_GRANTED));
	assert_false(tx_acknowledges(&m, TX_NOTIFICATION));
	a.has &= ~TX_HAS(TX_F_ACKED_NAME);
	assert_false(tx_acknowledges(&a, TX_NOTIFICATION));
}

static void every_message_with_all_its_fields_reads_back(void **state)
{
	(void)state;
	static const uint8_t list[] = {1, 3, 'a', ':', 'b'};
	const struct tx_message full = {.ack = 1,
					.ssrc = 0x80000001,
					.has = (1u << TX_FIELDS) - 1,
					.priority = 255,
					.reception_priority = 254,
					.duration = 30,
					.cause = 255,
					.phrase = octets_of("because"),
					.queue_position = 254,
					.queue_priority = 9,
					.may_request = 1,
					.queue_size = 2,
					.sequence = 65535,
					.source = 2,
					.indicator = TX_EMERGENCY,
					.result = 1,
					.reception_mode = 1,
					.acked_type = 5,
					.acked_name = 0x4d435630,
					.audio_ssrc = 0x01020304,
					.video_ssrc = 0x05060708,
					.transmitting_id = octets_of("sip:alice@x"),
					.user_id = octets_of("sip:bob@y"),
					.queued_id = octets_of("sip:carol@z"),
					.group_id = octets_of("sip:group@z"),
					.alias = octets_of("sip:chief@z"),
					.overriding_id = octets_of("sip:over@z"),
					.overridden_id = octets_of("sip:under@z"),
					.track_info = OCTETS(list)};
	size_t types = 0;
	for (unsigned type = 0; type < TX_TYPES; type++) {
		if (!tx_type_name(type))
			continue;
		uint8_t first[512], second[512];
		struct tx_message m = full;
		m.type = (uint8_t)type;
		struct writer w = wr_init(first, sizeof first), again = wr_init(second, sizeof second);
		assert_int_equal(tx_message_write(&w, &m), MCSEC_OK);
		struct tx_message back = read_ok(wr_result(&w));
		assert_int_equal(back.type, type);
		assert_int_equal(back.ack, 1);
		assert_int_equal(tx_message_write(&again, &back), MCSEC_OK);
		assert_true(octets_equal(wr_result(&w), wr_result(&again)));
		types++;
	}
	assert_int_equal(types, 26);
	assert_null(tx_type_name(TX_TYPES));
}

/* Each field in a Transmission Request, as long as it must be and an octet shorter and longer. */
static void a_field_of_a_wrong_fixed_length_is_dropped_and_the_message_kept(void **state)
{
	(void)state;
	static const uint8_t lengths[TX_FIELDS] = {
	    [TX_F_PRIORITY] = 2,           [TX_F_DURATION] = 2,       [TX_F_QUEUE_INFO] = 2, [TX_F_MAY_REQUEST] = 2,
	    [TX_F_QUEUE_SIZE] = 2,         [TX_F_SEQUENCE] = 2,       [TX_F_SOURCE] = 2,     [TX_F_ACKED_TYPE] = 2,
	    [TX_F_INDICATOR] = 2,          [TX_F_AUDIO_SSRC] = 6,     [TX_F_RESULT] = 2,     [TX_F_ACKED_NAME] = 6,
	    [TX_F_RECEPTION_PRIORITY] = 2, [TX_F_RECEPTION_MODE] = 2, [TX_F_VIDEO_SSRC] = 6};
	for (uint8_t id = 0; id < TX_FIELDS; id++)
		for (uint8_t len = 0; lengths[id] && len < 9; len++) {
			uint8_t p[] = {0x80, 204, 0, 6, 0, 0, 0, 1, 'M', 'C', 'V', '0', id, len,
				       0,    0,   0, 0, 0, 0, 0, 0, 0,   0,   19,  2,   7,  0};
			size_t field = (2u + len + 3u) / 4 * 4;
			memmove(p + 12 + field, p + 24, 4);
			p[3] = (uint8_t)(2 + field / 4 + 1);
			struct tx_message m = read_ok((struct octets){p, 16 + field});
			uint32_t mark = TX_HAS(TX_F_RECEPTION_PRIORITY), bit = TX_HAS(id);
			assert_int_equal(m.has, len == lengths[id] ? mark | bit : mark);
			assert_int_equal(m.reception_priority, id == TX_F_RECEPTION_PRIORITY && len == 2 ? 0 : 7);
		}
}

static void a_cause_without_its_number_and_an_identity_that_is_no_text_are_dropped(void **state)
{
	(void)state;
	static const uint8_t texts[] = {TX_F_TRANSMITTING_ID, TX_F_USER_ID,  TX_F_QUEUED_ID, TX_F_OVERRIDING_ID,
					TX_F_OVERRIDDEN_ID,   TX_F_GROUP_ID, TX_F_ALIAS};
	for (size_t i = 0; i < sizeof texts; i++) {
		uint8_t p[] = {0x80, 204, 0, 3, 0, 0, 0, 1, 'M', 'C', 'V', '0', texts[i], 1, 'a', 0};
		assert_int_equal(read_ok(OCTETS(p)).has, TX_HAS(texts[i]));
		p[14] = 0xff;
		assert_int_equal(read_ok(OCTETS(p)).has, 0);
		p[13] = 0;
		assert_int_equal(read_ok(OCTETS(p)).has, 0);
	}
	uint8_t room[64];
	assert_int_equal(of("81cc0003000000014d43563102010000", room, sizeof room).has, 0);
	assert_int_equal(of("81cc0004000000014d4356310203000180000000", room, sizeof room).has, 0);
	assert_int_equal(of("81cc0004000000014d4356310203000161000000", room, sizeof room).phrase.len, 1);
}

static void the_video_ssrc_is_sent_as_field_23_and_taken_as_24_too(void **state)
{
	(void)state;
	uint8_t room[64];
	struct tx_message m = of("80cc0004000000014d4356311806010203040000", room, sizeof room);
	assert_int_equal(m.has, TX_HAS(TX_F_VIDEO_SSRC));
	assert_int_equal(m.video_ssrc, 0x01020304);
	writes_as(&m, "80cc0004000000014d4356311706010203040000");
	/* the first of both counts; of another length it is an unknown field */
	m = of("80cc0006000000014d43563117060102030400001806050607080000", room, sizeof room);
	assert_int_equal(m.video_ssrc, 0x01020304);
	assert_int_equal(of("80cc0003000000014d43563118020102", room, sizeof room).has, 0);
}

static void unknown_fields_are_skipped_by_their_length_and_a_second_one_says_nothing(void **state)
{
	(void)state;
	uint8_t room[256];
	struct tx_message m = of("80cc000a000000014d435630"
				 "6303aabbcc000000"
				 "c80002aabb000000"
				 "00020500"
				 "00020700"
				 "0603613a62ffffff",
				 room, sizeof room);
	assert_int_equal(m.has, TX_HAS(TX_F_PRIORITY) | TX_HAS(TX_F_USER_ID));
	assert_int_equal(m.priority, 5);
	assert_true(octets_equal(m.user_id, octets_of("a:b"))); /* padding does not count */
}

static void what_is_broken_is_refused_with_the_place_where_it_breaks(void **state)
{
	(void)state;
	broken_at("", 0);
	broken_at("80cc", 2);
	broken_at("80cc00034a3635e74d435630", 2); /* length in the header: more, less, far more than there is */
	broken_at("80cc00014a3635e74d435630", 2);
	broken_at("80ccffff4a3635e74d435630", 2);
	broken_at("80cc00014a3635e7", 8);                  /* no name */
	broken_at("80cc0003000000014d43563006030000", 12); /* fields over the end */
	broken_at("80cc0004000000014d43563000020500c8ffff00", 16);
	broken_at("80cc0004000000014d4356300002050006ff0000", 16);
}

static void another_version_of_rtp_is_dropped(void **state)
{
	(void)state;
	broken_at("40cc00024a3635e74d435630", 0);
}

static void a_padded_packet_is_dropped(void **state)
{
	(void)state;
	broken_at("a0cc00024a3635e74d435630", 0);
}

static void other_rtcp_packets_names_and_subtypes_are_ignored(void **state)
{
	(void)state;
	ignored("80c900014a3635e7");         /* receiver report */
	ignored("80cc00024a3635e74d435054"); /* MCPT */
	ignored("80cc00024a3635e74d435633"); /* MCV3: MBMS */
	ignored("80cc00024a3635e74d43562f");
	ignored("81cc00024a3635e74d435630"); /* subtypes that MCV0, 1 and 2 do not have */
	ignored("85cc00024a3635e74d435630"); /* Transmission Cancel Request, of old releases */
	ignored("89cc00024a3635e74d435631");
	ignored("85cc00024a3635e74d435632");
	ignored("8fcc00024a3635e74d435632");
}

static void every_truncation_and_every_octet_changed_is_read_without_harm(void **state)
{
	(void)state;
	uint8_t p[128], q[128];
	size_t n = unhex("96cc000b000000014d43563104077369703a6140780000000e06a1a2a3a400001706b1b2b3b4000005020001"
			 "16020001",
			 p, sizeof p);
	struct tx_message m;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(tx_message_read((struct octets){p, i}, &m, NULL), APP_READ_BROKEN);
	for (size_t i = 0; i < n; i++)
		for (unsigned v = 0; v < 256; v++) {
			size_t at = n;
			memcpy(q, p, n);
			q[i] = (uint8_t)v;
			enum app_read e = tx_message_read((struct octets){q, n}, &m, &at);
			assert_true(e == APP_READ_BROKEN ? at < n : at == 0);
			if (e != APP_READ_OK)
				continue;
			uint8_t out[256];
			struct writer w = wr_init(out, sizeof out);
			assert_int_equal(tx_message_write(&w, &m), MCSEC_OK);
		}
}

static void what_does_not_fit_is_not_written(void **state)
{
	(void)state;
	static uint8_t text[300];
	memset(text, 'a', sizeof text);
	uint8_t out[400];
	struct tx_message m = {
	    .type = TX_NOTIFICATION, .has = TX_HAS(TX_F_TRANSMITTING_ID), .transmitting_id = {text, 256}};
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(tx_message_write(&w, &m), MCSEC_E_LENGTH);
	m.transmitting_id.len = 255;
	w = wr_init(out, sizeof out);
	assert_int_equal(tx_message_write(&w, &m), MCSEC_OK);
	w = wr_init(out, 100);
	assert_int_equal(tx_message_write(&w, &m), MCSEC_E_NO_SPACE);
	m.type = TX_TYPE(1, 9);
	w = wr_init(out, sizeof out);
	assert_int_equal(tx_message_write(&w, &m), MCSEC_E_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_transmission_message_of_the_vectors_reads_and_writes_back_octet_for_octet),
	    cmocka_unit_test(the_messages_of_a_private_call_are_the_octets_of_the_tables),
	    cmocka_unit_test(the_same_subtype_is_another_message_under_another_name),
	    cmocka_unit_test(an_acknowledgement_names_message_and_type_without_its_bit),
	    cmocka_unit_test(every_message_with_all_its_fields_reads_back),
	    cmocka_unit_test(a_field_of_a_wrong_fixed_length_is_dropped_and_the_message_kept),
	    cmocka_unit_test(a_cause_without_its_number_and_an_identity_that_is_no_text_are_dropped),
	    cmocka_unit_test(the_video_ssrc_is_sent_as_field_23_and_taken_as_24_too),
	    cmocka_unit_test(unknown_fields_are_skipped_by_their_length_and_a_second_one_says_nothing),
	    cmocka_unit_test(what_is_broken_is_refused_with_the_place_where_it_breaks),
	    cmocka_unit_test(another_version_of_rtp_is_dropped),
	    cmocka_unit_test(a_padded_packet_is_dropped),
	    cmocka_unit_test(other_rtcp_packets_names_and_subtypes_are_ignored),
	    cmocka_unit_test(every_truncation_and_every_octet_changed_is_read_without_harm),
	    cmocka_unit_test(what_does_not_fit_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

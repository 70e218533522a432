/* SPDX-License-Identifier: Apache-2.0 */
/*
 * H.264 in RTP (RFC 6184) and in files: NAL units whole, in fragments and together; what is lost or broken never
 * becomes a NAL unit.
 */
#include "unit/test.h"

#include "mcx/media/h264.h"

enum { ROOM = 64 * 1024, MAX_PACKETS = 256 };

/* ---- what comes out -------------------------------------------------------------------------------------------- */

static uint8_t out[ROOM];
static size_t out_len;

static void keep(void *ctx, struct octets nal)
{
	struct writer w = wr_init(out + out_len, sizeof out - out_len);
	(void)ctx;
	h264_put_nal(&w, nal);
	assert_int_equal(w.err, MCSEC_OK);
	out_len += wr_len(&w);
}

static struct h264_joiner *joiner(void)
{
	struct h264_joiner *j = h264_joiner_new();
	assert_non_null(j);
	out_len = 0;
	return j;
}

static void join(struct h264_joiner *j, struct octets payload, uint32_t timestamp, int lost)
{
	h264_join(j, payload, timestamp, lost, keep, NULL);
}

#define JOIN(j, ...) join(j, OCTETS(((const uint8_t[]){__VA_ARGS__})), 7, 0)

static void assert_came(const uint8_t *stream, size_t len)
{
	assert_int_equal(out_len, len);
	assert_memory_equal(out, stream, len);
}

/* ---- a stream of our own making -------------------------------------------------------------------------------- */

/* A NAL unit of that type and length whose octets say where they are, never a start code. */
static size_t put_nal(uint8_t *at, uint8_t header, size_t len, uint8_t second)
{
	memcpy(at, "\0\0\0\1", 4);
	at[4] = header;
	for (size_t i = 1; i < len; i++)
		at[4 + i] = (uint8_t)(1 + i % 251);
	if (len > 1)
		at[5] = second;
	return 4 + len;
}

/* Three pictures: parameter sets, an IDR picture of two slices, a picture of one slice, another behind a delimiter. */
static struct octets stream(void)
{
	static uint8_t s[ROOM];
	size_t n = 0;
	n += put_nal(s + n, 0x67, 12, 1);
	n += put_nal(s + n, 0x68, 5, 1);
	n += put_nal(s + n, 0x65, 4000, 0x80);
	n += put_nal(s + n, 0x65, 3000, 0x20);
	n += put_nal(s + n, 0x41, 900, 0x80);
	n += put_nal(s + n, 0x09, 2, 0xf0);
	n += put_nal(s + n, 0x41, 1201, 0x80);
	return (struct octets){s, n};
}

struct packet {
	size_t len;
	uint8_t octets[H264_PAYLOAD];
};

static size_t cut(struct octets s, size_t max, struct packet *packets)
{
	struct octets nal;
	size_t n = 0;
	while (h264_next_nal(&s, &nal)) {
		struct h264_cut c = {nal, 0};
		for (;;) {
			struct writer w = wr_init(packets[n].octets, sizeof packets[n].octets);
			if (!h264_cut_next(&c, max, &w))
				break;
			assert_int_equal(w.err, MCSEC_OK);
			packets[n++].len = wr_len(&w);
			assert_in_range(n, 1, MAX_PACKETS - 1);
			assert_in_range(packets[n - 1].len, 1, max);
		}
	}
	return n;
}

static struct packet packets[MAX_PACKETS];

/* ---- files ----------------------------------------------------------------------------------------------------- */

static void a_byte_stream_falls_into_its_pictures(void **state)
{
	(void)state;
	struct octets s = stream(), unit, nal;
	const size_t nals[] = {4, 1, 2};
	assert_int_equal(h264_units(s), 3);
	for (size_t i = 0; i < 3; i++) {
		size_t n = 0;
		assert_int_equal(h264_next_unit(&s, &unit), 1);
		while (h264_next_nal(&unit, &nal))
			n++;
		assert_int_equal(n, nals[i]);
	}
	assert_int_equal(h264_next_unit(&s, &unit), 0);
}

static void start_codes_of_three_octets_and_zeros_between_are_read_too(void **state)
{
	(void)state;
	static const uint8_t s[] = {0, 0, 1, 0x67, 1, 2, 0, 0, 0, 0, 0, 1, 0x65, 0x88, 3, 0, 0};
	struct octets rest = OCTETS(s), nal;
	assert_int_equal(h264_units(rest), 1);
	assert_int_equal(h264_next_nal(&rest, &nal), 1);
	assert_int_equal(nal.len, 3);
	assert_int_equal(h264_next_nal(&rest, &nal), 1);
	assert_int_equal(nal.len, 3);
	assert_int_equal(nal.p[0], 0x65);
	assert_int_equal(h264_next_nal(&rest, &nal), 0);
}

static void what_is_no_byte_stream_has_no_pictures(void **state)
{
	(void)state;
	static const struct {
		const char *octets;
		size_t len;
	} bad[] = {
	    {"", 0},
	    {"RIFF....", 8},
	    {"x\0\0\1\x65\x88", 6},             /* something before it */
	    {"\0\0\1\x67\1", 5},                /* no picture */
	    {"\0\0\1\xe5\x88", 5},              /* forbidden bit */
	    {"\0\0\1\0\0\1\x65\x88", 8},        /* a NAL unit of no octets */
	    {"\0\0\1\x65\x88\0\0\1\x78", 9},    /* type 24 */
	    {"\0\0\1\x65\x88\0\0\1\x60\1", 10}, /* type 0 */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(h264_units((struct octets){(const uint8_t *)bad[i].octets, bad[i].len}), 0);
	static uint8_t longest[H264_MAX_NAL + 5];
	put_nal(longest, 0x65, H264_MAX_NAL, 0x88);
	assert_int_equal(h264_units((struct octets){longest, H264_MAX_NAL + 4}), 1);
	put_nal(longest, 0x65, H264_MAX_NAL + 1, 0x88);
	assert_int_equal(h264_units(OCTETS(longest)), 0);
}

/* ---- packets --------------------------------------------------------------------------------------------------- */

static void a_nal_unit_that_fits_is_the_payload_and_a_longer_one_is_fragments(void **state)
{
	(void)state;
	size_t n = cut(stream(), H264_PAYLOAD, packets);
	assert_int_equal(n, 1 + 1 + 4 + 3 + 1 + 1 + 2); /* 1201 octets are two fragments */
	assert_int_equal(packets[0].octets[0], 0x67);
	assert_int_equal(packets[2].octets[0], 0x60 | 28); /* nal_ref_idc of the IDR slice stays */
	assert_int_equal(packets[2].octets[1], 0x80 | 5);  /* start */
	assert_int_equal(packets[3].octets[1], 5);
	assert_int_equal(packets[5].octets[1], 0x40 | 5); /* end */
	assert_int_equal(packets[2].len, H264_PAYLOAD);
}

static void what_is_cut_joins_to_the_same_octets_whatever_the_length_of_packets(void **state)
{
	(void)state;
	const size_t lengths[] = {60, 61, 500, H264_PAYLOAD};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct octets s = stream();
		struct h264_joiner *j = joiner();
		size_t n = cut(s, lengths[i], packets);
		for (size_t k = 0; k < n; k++)
			join(j, (struct octets){packets[k].octets, packets[k].len}, 7, 0);
		h264_join_end(j);
		assert_came(s.p, s.len);
		assert_int_equal(h264_joiner_counts(j).nals, 7);
		assert_int_equal(h264_joiner_counts(j).broken + h264_joiner_counts(j).refused, 0);
		h264_joiner_free(j);
	}
}

static void each_packet_lost_costs_the_nal_unit_it_was_part_of_and_no_other(void **state)
{
	(void)state;
	struct octets s = stream();
	size_t n = cut(s, H264_PAYLOAD, packets);
	for (size_t gone = 0; gone < n; gone++) {
		struct h264_joiner *j = joiner();
		for (size_t k = 0; k < n; k++)
			if (k != gone)
				join(j, (struct octets){packets[k].octets, packets[k].len}, 7, k == gone + 1);
		h264_join_end(j);
		int fragment = (packets[gone].octets[0] & 0x1f) == 28;
		assert_int_equal(h264_joiner_counts(j).nals, 6);
		assert_int_equal(h264_joiner_counts(j).broken, fragment);
		/* every NAL unit that came out is one of those that went in */
		struct octets came = {out, out_len}, nal;
		while (h264_next_nal(&came, &nal)) {
			struct octets whole = s, one;
			int found = 0;
			while (!found && h264_next_nal(&whole, &one))
				found = octets_equal(one, nal);
			assert_int_equal(found, 1);
		}
		h264_joiner_free(j);
	}
}

static void nal_units_that_came_together_come_out_one_by_one(void **state)
{
	(void)state;
	static const uint8_t want[] = {0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x65};
	struct h264_joiner *j = joiner();
	JOIN(j, 0x78, 0, 3, 0x67, 1, 2, 0, 1, 0x65);
	assert_came(want, sizeof want);
	h264_joiner_free(j);
}

static void payloads_that_are_none_of_rfc_6184_are_refused_whole(void **state)
{
	(void)state;
	struct h264_joiner *j = joiner();
	join(j, (struct octets){0}, 7, 0);
	JOIN(j, 0x60);                               /* type 0 */
	JOIN(j, 0xe5, 0x88);                         /* forbidden bit */
	JOIN(j, 0x79, 0, 1, 0, 3, 0x67, 1, 2);       /* STAP-B: another mode */
	JOIN(j, 0x7a, 0, 0, 0, 3, 0, 0, 0x67, 1, 2); /* MTAP16 */
	JOIN(j, 0x7d, 0x85, 0, 1, 2);                /* FU-B */
	JOIN(j, 0x7f, 1);                            /* type 31 */
	JOIN(j, 0x78);                               /* STAP-A of nothing */
	JOIN(j, 0x78, 0, 3, 0x67, 1);                /* shorter than it says */
	JOIN(j, 0x78, 0, 2, 0x67, 1, 0);             /* half a length behind it */
	JOIN(j, 0x78, 0, 2, 0x67, 1, 0, 0);          /* a NAL unit of no octets: the good one before it neither */
	JOIN(j, 0x78, 0, 2, 0x67, 1, 0, 2, 0x78, 1); /* one in another */
	JOIN(j, 0x78, 0, 2, 0xe7, 1);                /* forbidden bit inside */
	JOIN(j, 0x7c);                               /* FU-A without its header */
	JOIN(j, 0x7c, 0x80, 1);                      /* of type 0 */
	JOIN(j, 0x7c, 0x9c, 1);                      /* of type 28 */
	JOIN(j, 0x7c, 0xc5, 1);                      /* start and end in one (5.8) */
	assert_int_equal(h264_joiner_counts(j).refused, 17);
	assert_int_equal(out_len, 0);
	h264_joiner_free(j);
}

static void a_refused_payload_between_fragments_breaks_their_nal_unit(void **state)
{
	(void)state;
	struct h264_joiner *j = joiner();
	JOIN(j, 0x7c, 0x85, 1, 2);
	JOIN(j, 0xfc, 0x05, 3); /* forbidden bit: that part is not known to be right */
	JOIN(j, 0x7c, 0x45, 4);
	assert_int_equal(out_len, 0);
	assert_int_equal(h264_joiner_counts(j).broken, 1);
	h264_joiner_free(j);
}

static void fragments_of_two_nal_units_never_become_one(void **state)
{
	(void)state;
	static const uint8_t want[] = {0, 0, 0, 1, 0x65, 1, 2};
	struct h264_joiner *j = joiner();
	join(j, OCTETS(((const uint8_t[]){0x7c, 0x85, 1})), 7, 0);
	join(j, OCTETS(((const uint8_t[]){0x7c, 0x45, 2})), 8, 0); /* of another picture */
	JOIN(j, 0x7c, 0x85, 1);
	JOIN(j, 0x7c, 0x41, 2); /* of another type */
	JOIN(j, 0x7c, 0x85, 1);
	JOIN(j, 0x5c, 0x45, 2); /* of another nal_ref_idc */
	JOIN(j, 0x7c, 0x85, 1);
	JOIN(j, 0x7c, 0x85, 1); /* begins again */
	JOIN(j, 0x7c, 0x45, 2);
	assert_came(want, sizeof want);
	assert_int_equal(h264_joiner_counts(j).broken, 4);
	h264_joiner_free(j);
}

static void a_nal_unit_in_fragments_is_bounded(void **state)
{
	(void)state;
	static uint8_t part[1002];
	struct h264_joiner *j = joiner();
	memset(part, 1, sizeof part);
	for (int i = 0; i < 2 * H264_MAX_NAL / 1000; i++) {
		part[0] = 0x7c;
		part[1] = i == 0 ? 0x85 : 0x05;
		join(j, OCTETS(part), 7, 0);
	}
	JOIN(j, 0x7c, 0x45, 1);
	assert_int_equal(out_len, 0);
	assert_int_equal(h264_joiner_counts(j).broken, 1);
	JOIN(j, 0x65, 0x88); /* and it goes on */
	assert_int_equal(h264_joiner_counts(j).nals, 1);
	h264_joiner_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_byte_stream_falls_into_its_pictures),
	    cmocka_unit_test(start_codes_of_three_octets_and_zeros_between_are_read_too),
	    cmocka_unit_test(what_is_no_byte_stream_has_no_pictures),
	    cmocka_unit_test(a_nal_unit_that_fits_is_the_payload_and_a_longer_one_is_fragments),
	    cmocka_unit_test(what_is_cut_joins_to_the_same_octets_whatever_the_length_of_packets),
	    cmocka_unit_test(each_packet_lost_costs_the_nal_unit_it_was_part_of_and_no_other),
	    cmocka_unit_test(nal_units_that_came_together_come_out_one_by_one),
	    cmocka_unit_test(payloads_that_are_none_of_rfc_6184_are_refused_whole),
	    cmocka_unit_test(a_refused_payload_between_fragments_breaks_their_nal_unit),
	    cmocka_unit_test(fragments_of_two_nal_units_never_become_one),
	    cmocka_unit_test(a_nal_unit_in_fragments_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

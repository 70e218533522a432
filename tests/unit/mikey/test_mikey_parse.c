/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are broken in one place, and where the reader says the fault is. Peek reads as opening does. */
#include "lab.h"

/* Offsets of the payloads in the CSK upload of the worked example. */
enum { HDR = 0, T = 10, RAND = 20, IDRI = 38, IDRR = 63, KMSI = 83, KMSR = 102, SAKKE = 121, SIGN = 399, END = 530 };

static struct message valid(void **state)
{
	struct mcsec_im_make what = csk_upload(*state);
	struct message m = made(*state, &what);
	assert_int_equal(m.len, END);
	return m;
}

static void parses(const struct message *m)
{
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	enum mcsec_err err = mcsec_im_peek(m->octets, m->len, &peek, &fault);
	if (err)
		print_error("%s at %zu: %s\n", mcsec_err_name(err), fault.offset, fault.detail);
	assert_int_equal(err, MCSEC_OK);
}

static void faulty(const struct message *m, enum mcsec_err code, size_t offset)
{
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	uint8_t *exact = malloc(m->len); /* so that a sanitizer sees an over-read */
	memcpy(exact, m->octets, m->len);
	enum mcsec_err err = mcsec_im_peek(exact, m->len, &peek, &fault);
	free(exact);
	if (err != code || fault.offset != offset)
		print_error("%s at %zu: %s\n", mcsec_err_name(err), fault.offset, fault.detail);
	assert_int_equal(err, code);
	assert_int_equal(fault.offset, offset);
	assert_true(strlen(fault.clause) > 0 && strlen(fault.detail) > 0);
	assert_int_equal(peek.csb_id, 0);
}

struct change {
	size_t at, gone;
	const char *hex;
	enum mcsec_err code;
	size_t offset;
};

static void each_is_refused(void **state, const struct change *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct message m = valid(state);
		splice(&m, c[i].at, c[i].gone, c[i].hex);
		faulty(&m, c[i].code, c[i].offset);
	}
}

static void a_header_field_out_of_range_is_refused_at_its_octet(void **state)
{
	static const struct change c[] = {
	    {0, 1, "02", MCSEC_E_MALFORMED, 0},                            /* version */
	    {1, 1, "06", MCSEC_E_MALFORMED, 1},                            /* error message */
	    {1, 1, "19", MCSEC_E_MALFORMED, 1},                            /* data type */
	    {3, 1, "00", MCSEC_E_UNSUPPORTED, 3},                          /* PRF */
	    {9, 1, "03", MCSEC_E_UNSUPPORTED, 9},                          /* map type 3 */
	    {8, 1, "01", MCSEC_E_MALFORMED, 8},                            /* #CS 1, empty map */
	    {8, 2, "ff02", MCSEC_E_UNSUPPORTED, 8},                        /* #CS 255, none there */
	    {8, 2, "010206010000000000", MCSEC_E_UNSUPPORTED, 11},         /* prot type 1 */
	    {8, 2, "01020600000003010203", MCSEC_E_MALFORMED, 13},         /* session data of 3 octets, S 0 */
	    {8, 2, "0102060080000401020304", MCSEC_E_MALFORMED, 13},       /* of 4 octets, S 1 */
	    {8, 2, "0102060000000005", MCSEC_E_MALFORMED, 15},             /* SPI of 5 octets */
	    {8, 2, "01020600000000ff", MCSEC_E_MALFORMED, 15},             /* SPI of 255 octets */
	    {8, 2, "0202060000000000060000000000", MCSEC_E_MALFORMED, 16}, /* CS ID 6 twice */
	};
	each_is_refused(state, c, sizeof c / sizeof *c);
}

static void a_payload_field_out_of_range_is_refused_at_its_octet(void **state)
{
	static const struct change c[] = {
	    {T + 1, 1, "01", MCSEC_E_UNSUPPORTED, T + 1},           /* NTP local */
	    {T + 1, 1, "02", MCSEC_E_UNSUPPORTED, T + 1},           /* COUNTER */
	    {RAND + 1, 2, "0f", MCSEC_E_MALFORMED, RAND + 1},       /* 15 octets of RAND */
	    {IDRI + 2, 1, "00", MCSEC_E_MALFORMED, IDRI + 2},       /* NAI */
	    {KMSR + 2, 1, "02", MCSEC_E_MALFORMED, KMSR + 2},       /* byte string for a KMS */
	    {IDRI + 3, 22, "0000", MCSEC_E_MALFORMED, IDRI + 3},    /* an ID of no octets */
	    {IDRI + 5, 1, "ff", MCSEC_E_MALFORMED, IDRI + 5},       /* not UTF-8 */
	    {IDRI + 8, 1, "00", MCSEC_E_MALFORMED, IDRI + 5},       /* a NUL inside */
	    {IDRR + 1, 1, "01", MCSEC_E_MALFORMED, IDRR},           /* two IDRi */
	    {SAKKE + 1, 1, "02", MCSEC_E_UNSUPPORTED, SAKKE + 1},   /* parameter set 2 */
	    {SAKKE + 2, 1, "03", MCSEC_E_UNSUPPORTED, SAKKE + 2},   /* ID scheme 3 */
	    {SAKKE + 3, 4, "010f", MCSEC_E_MALFORMED, SAKKE + 3},   /* SED of 271 */
	    {SAKKE + 3, 2, "011200", MCSEC_E_MALFORMED, SAKKE + 3}, /* SED of 274 */
	    {SIGN, 1, "10", MCSEC_E_UNSUPPORTED, SIGN},             /* S type 1 */
	    {SIGN, 2, "2020", MCSEC_E_MALFORMED, SIGN},             /* length 32, as the clause writes */
	    {SIGN, 2, "2082", MCSEC_E_MALFORMED, SIGN},             /* length 130 */
	    {END, 0, "00", MCSEC_E_MALFORMED, END},                 /* an octet after SIGN */
	};
	each_is_refused(state, c, sizeof c / sizeof *c);
}

static void mcx_sec_134_a_second_payload_of_one_kind_is_refused(void **state)
{
	struct message m = valid(state);
	splice(&m, RAND, 0, "0b00ec89908000000000");
	m.octets[T] = 5; /* T T RAND */
	faulty(&m, MCSEC_E_MALFORMED, RAND);
	m = valid(state);
	splice(&m, IDRI, 0, "0e10101112131415161718191a1b1c1d1e1f");
	m.octets[RAND] = 11;
	faulty(&m, MCSEC_E_MALFORMED, IDRI);
	m = valid(state);
	memmove(m.octets + SIGN + 278, m.octets + SIGN, END - SIGN);
	memcpy(m.octets + SIGN, m.octets + SAKKE, 278);
	m.octets[SAKKE] = 26;
	m.len += 278;
	faulty(&m, MCSEC_E_MALFORMED, SIGN);
	m = valid(state); /* a role we do not know, twice */
	splice(&m, IDRR, 0, "0e05010001780e0501000179");
	faulty(&m, MCSEC_E_MALFORMED, IDRR + 6);
}

static void an_unknown_payload_code_is_refused_where_it_is_named(void **state)
{
	for (unsigned code = 0; code < 256; code++) {
		struct message m = valid(state);
		if (code == 4 || code == 5 || code == 10 || code == 11 || code == 14 || code == 21 || code == 26)
			continue;
		m.octets[IDRR] = (uint8_t)code;
		faulty(&m, code == 0 || code == 12 ? MCSEC_E_MALFORMED : MCSEC_E_UNSUPPORTED, IDRR);
		m = valid(state);
		m.octets[HDR + 2] = (uint8_t)code;
		faulty(&m, code == 0 || code == 12 ? MCSEC_E_MALFORMED : MCSEC_E_UNSUPPORTED, 2);
	}
}

static void a_message_that_lacks_a_payload_is_refused(void **state)
{
	static const struct {
		size_t at, len;
	} gone[] = {{RAND, 18}, {IDRI, 25}, {IDRR, 20}, {KMSI, 19}, {KMSR, 19}, {SAKKE, 278}};
	struct message m = valid(state);
	m.octets[HDR + 2] = 11;
	splice(&m, T, RAND - T, "");
	faulty(&m, MCSEC_E_MALFORMED, MCSEC_NO_OFFSET);
	static const size_t before[] = {T, RAND, IDRI, IDRR, KMSI, KMSR};
	for (size_t i = 0; i < 6; i++) {
		m = valid(state);
		m.octets[before[i]] = m.octets[gone[i].at];
		splice(&m, gone[i].at, gone[i].len, "");
		faulty(&m, MCSEC_E_MALFORMED, MCSEC_NO_OFFSET);
	}
	m = valid(state); /* not signed */
	m.octets[SAKKE] = 0;
	m.len = SIGN;
	faulty(&m, MCSEC_E_MALFORMED, SAKKE);
}

static void every_length_field_changed_is_refused(void **state)
{
	static const struct {
		size_t at, width;
	} lengths[] = {{RAND + 1, 1}, {IDRI + 3, 2},  {IDRR + 3, 2}, {KMSI + 3, 2},
		       {KMSR + 3, 2}, {SAKKE + 3, 2}, {SIGN, 2}};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		for (int how = 0; how < 3; how++) {
			struct message m = valid(state);
			struct mcsec_im_peek peek;
			struct mcsec_fault fault;
			uint8_t *last = m.octets + lengths[i].at + lengths[i].width - 1;
			if (how == 2)
				memset(m.octets + lengths[i].at, 0xff, lengths[i].width);
			else
				*last = (uint8_t)(*last + (how ? 1 : -1));
			assert_int_not_equal(mcsec_im_peek(m.octets, m.len, &peek, &fault), MCSEC_OK);
			assert_string_equal(mcsec_im_refusal(fault.code), "malformed");
		}
}

static void policies_that_run_past_the_end_are_refused(void **state)
{
	struct message m = valid(state);
	splice(&m, 8, 2, "010206007f00");
	m.len = 40;
	faulty(&m, MCSEC_E_MALFORMED, 13);
	m = valid(state);
	splice(&m, 8, 2, "ff00"); /* 255 SRTP-ID entries are 2295 octets */
	faulty(&m, MCSEC_E_MALFORMED, 528);
}

static void a_chain_of_payloads_is_bounded(void **state)
{
	for (size_t n = 24; n <= 300; n += 276) { /* 7 payloads before them, SIGN after: 24 just fit */
		struct message m = valid(state);
		m.octets[SAKKE] = 21;
		for (size_t i = 0; i < n; i++)
			splice(&m, SIGN + 4 * i, 0, i + 1 < n ? "15630000" : "04630000");
		if (n == 24)
			parses(&m);
		else
			faulty(&m, MCSEC_E_MALFORMED, SIGN + 4 * 24);
	}
}

static void a_message_over_8_kib_is_refused_unread(void **state)
{
	(void)state;
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	uint8_t *big = calloc(1, MCSEC_IM_MAX + 1);
	big[0] = 1;
	assert_int_equal(mcsec_im_peek(big, MCSEC_IM_MAX + 1, &peek, &fault), MCSEC_E_MALFORMED);
	assert_int_equal(fault.offset, 0);
	assert_string_equal(fault.detail, "the message is longer than 8 KiB");
	free(big);
}

static void both_forms_of_one_identity_are_refused(void **state)
{
	for (int role = 8; role <= 9; role++) {
		struct message m = valid(state);
		splice(&m, KMSI, 0,
		       "0e08020020"
		       "0101010101010101010101010101010101010101010101010101010101010101");
		m.octets[KMSI + 1] = (uint8_t)role;
		faulty(&m, MCSEC_E_MALFORMED, KMSI + 5);
	}
}

static void mcx_sec_141_a_uid_of_31_octets_or_of_another_id_type_is_refused(void **state)
{
	static const char *const uid31 = "01010101010101010101010101010101010101010101010101010101010101";
	for (int role = 8; role <= 9; role++) {
		char hex[128];
		struct message m = valid(state);
		snprintf(hex, sizeof hex, "0e%02x02001f%s", role, uid31);
		splice(&m, KMSI, 0, hex);
		faulty(&m, MCSEC_E_MALFORMED, KMSI + 3);
		m = valid(state);
		snprintf(hex, sizeof hex, "0e%02x000020%s01", role, uid31);
		splice(&m, KMSI, 0, hex);
		faulty(&m, MCSEC_E_MALFORMED, KMSI + 2);
	}
}

/* SP: next, policy number, prot type, length, parameters. It goes between IDRkmsr and SAKKE. */
static struct message with_sp(void **state, const char *hex)
{
	struct message m = valid(state);
	m.octets[KMSR] = 10;
	splice(&m, SAKKE, 0, hex);
	return m;
}

static void a_policy_payload_with_a_broken_parameter_is_refused(void **state)
{
	static const struct {
		const char *hex;
		size_t offset;
	} bad[] = {
	    {"1a0000000400010601", SAKKE + 9},     /* a parameter cut off after its type */
	    {"1a00000003000206", SAKKE + 7},       /* a value that runs past the list */
	    {"1a000000020000", SAKKE + 6},         /* a value of no octets */
	    {"1a00000006000106000106", SAKKE + 8}, /* one type twice */
	};
	for (size_t i = 0; i < 4; i++) {
		struct message m = with_sp(state, bad[i].hex);
		faulty(&m, MCSEC_E_MALFORMED, bad[i].offset);
	}
	struct message m = with_sp(state, "0a000000030001061a00000003000106");
	faulty(&m, MCSEC_E_MALFORMED, SAKKE + 8 + 1);
	m = with_sp(state, "0a000000030001061a01000003000106");
	parses(&m);
	m = with_sp(state, "1a0000000800010663020102"
			   "00");
	faulty(&m, MCSEC_E_MALFORMED, SAKKE + 12);
}

/* GEN goes between SAKKE and SIGN. */
static struct message with_gen(void **state, const char *hex)
{
	struct message m = valid(state);
	m.octets[SAKKE] = 21;
	splice(&m, SIGN, 0, hex);
	return m;
}

static void a_sakke_to_self_whose_lengths_disagree_is_refused(void **state)
{
	struct message m = valid(state);
	char hex[2 * 300 + 1];
	m = with_gen(state, "04060005"
			    "0001020111");
	faulty(&m, MCSEC_E_MALFORMED, SIGN + 4 + 5); /* the inner payload runs past the extension */
	snprintf(hex, sizeof hex,
		 "04060117"
		 "0001020111%0*d",
		 2 * 274, 0);
	m = with_gen(state, hex);
	faulty(&m, MCSEC_E_MALFORMED, SIGN + 4 + 278); /* one octet too many inside */
	snprintf(hex, sizeof hex,
		 "04060116"
		 "0001020111%0*d",
		 2 * 273, 0);
	m = with_gen(state, hex);
	parses(&m);
	m.octets[SIGN] = 21;
	splice(&m, SIGN + 282, 0, hex);
	faulty(&m, MCSEC_E_MALFORMED, SIGN + 282 + 4); /* twice */
}

static void an_unknown_extension_is_passed_over(void **state)
{
	struct message m = with_gen(state, "15000003010203"
					   "15ff0000"
					   "04f10003aabbcc");
	parses(&m);
}

static void an_algorithm_list_is_read_and_a_broken_one_refused(void **state)
{
	struct mcsec_im_peek peek;
	struct message m = with_gen(state, "04f1000c"
					   "4d435841"
					   "01"
					   "0101"
					   "02"
					   "01020101");
	assert_int_equal(mcsec_im_peek(m.octets, m.len, &peek, NULL), MCSEC_OK);
	assert_int_equal(peek.algs.n, 2);
	assert_int_equal(peek.algs.selected, MCSEC_SUITE_AES128);
	assert_int_equal(peek.algs.suites[0], MCSEC_SUITE_AES256);
	static const struct {
		const char *hex;
		enum mcsec_err code;
		size_t offset;
	} bad[] = {
	    {"04f1000a"
	     "4d435841"
	     "02"
	     "0101"
	     "01"
	     "0101",
	     MCSEC_E_UNSUPPORTED, SIGN + 8}, /* version 2 */
	    {"04f1000a"
	     "4d435841"
	     "01"
	     "0201"
	     "01"
	     "0201",
	     MCSEC_E_UNSUPPORTED, SIGN + 9}, /* other transport */
	    {"04f10008"
	     "4d435841"
	     "01"
	     "0101"
	     "00",
	     MCSEC_E_MALFORMED, SIGN + 11}, /* none */
	    {"04f1000a"
	     "4d435841"
	     "01"
	     "0101"
	     "21"
	     "0101",
	     MCSEC_E_MALFORMED, SIGN + 11}, /* 33 */
	    {"04f1000a"
	     "4d435841"
	     "01"
	     "0101"
	     "01"
	     "0102",
	     MCSEC_E_MALFORMED, SIGN + 9}, /* selected not listed */
	    {"04f1000b"
	     "4d435841"
	     "01"
	     "0101"
	     "01"
	     "0101"
	     "00",
	     MCSEC_E_MALFORMED, SIGN + 14}, /* octets left */
	    {"04f10009"
	     "4d435841"
	     "01"
	     "0101"
	     "01"
	     "01",
	     MCSEC_E_MALFORMED, SIGN + 12}, /* cut off */
	    {"15f1000a"
	     "4d435841"
	     "01"
	     "0101"
	     "01"
	     "0101"
	     "04f1000a"
	     "4d435841"
	     "01"
	     "0101"
	     "01"
	     "0101",
	     MCSEC_E_MALFORMED, SIGN + 28}, /* twice */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		m = with_gen(state, bad[i].hex);
		faulty(&m, bad[i].code, bad[i].offset);
	}
}

#define FRAME "430068e77800000000000001202122232425262728292a2b2c2d2e2f2a1b2c3d"

static void a_key_parameter_frame_out_of_shape_is_refused(void **state)
{
	static const char sealed[] = "21a9821baf4a3980cd1701c9e87896b4427cca0fc989bf237ab26638115d93dc80da";
	static const struct {
		const char *head, *tail;
		size_t offset;
	} bad[] = {
	    {"04070045" FRAME "0000", "00", SIGN + 4 + 68}, /* an octet left over */
	    {"04070044" FRAME "00000f", "", SIGN + 4 + 33}, /* no room for a tag */
	    {"04070044" FRAME "0000", "", MCSEC_NO_OFFSET}, /* fits: see below */
	    {"04070044"
	     "430068e77800000000000002202122232425262728292a2b2c2d2e2f2a1b2c3d"
	     "0000",
	     "", SIGN + 4 + 11}, /* algorithm 2 with a key of 16 octets */
	    {"04070044"
	     "430068e77800000000000001202122232425262728292a2b2c2d2e2f2a1b2c3e"
	     "0000",
	     "", SIGN + 4 + 28}, /* DPPK-ID is not the CSB ID */
	    {"04070014"
	     "430068e778000000000000012021222324252627",
	     NULL, SIGN + 4 + 12}, /* cut off */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char hex[512];
		snprintf(hex, sizeof hex, "%s%s%s", bad[i].head, bad[i].tail ? sealed + (i == 1 ? 2 : 0) : "",
			 bad[i].tail ? bad[i].tail : "");
		struct message m = with_gen(state, hex);
		if (bad[i].offset == MCSEC_NO_OFFSET)
			parses(&m);
		else
			faulty(&m, MCSEC_E_BAD_PARAMS, bad[i].offset);
	}
}

static void key_parameters_twice_are_refused(void **state)
{
	static const char gen[] = "04070044" FRAME "0000"
				  "21a9821baf4a3980cd1701c9e87896b4427cca0fc989bf237ab26638115d93dc80da";
	char hex[2 * sizeof gen];
	struct message m = with_gen(state, gen);
	parses(&m);
	snprintf(hex, sizeof hex, "15%s%s", gen + 2, gen);
	m = with_gen(state, hex);
	faulty(&m, MCSEC_E_BAD_PARAMS, SIGN + (sizeof gen - 1) / 2 + 4);
}

static void mcx_sec_135_payloads_in_any_order_are_read(void **state)
{
	struct message m = valid(state);
	/* HDR SAKKE KMSR KMSI IDRR IDRI RAND T SIGN */
	static const struct {
		size_t at, len;
	} order[] = {{SAKKE, 278}, {KMSR, 19}, {KMSI, 19}, {IDRR, 20}, {IDRI, 25}, {RAND, 18}, {T, 10}};
	static const uint8_t next[] = {14, 14, 14, 14, 11, 5, 4};
	uint8_t copy[END];
	size_t at = T;
	memcpy(copy, m.octets, END);
	m.octets[2] = 26;
	for (size_t i = 0; i < 7; i++) {
		memcpy(m.octets + at, copy + order[i].at, order[i].len);
		m.octets[at] = next[i];
		at += order[i].len;
	}
	assert_int_equal(at, SIGN);
	parses(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_header_field_out_of_range_is_refused_at_its_octet),
	    cmocka_unit_test(a_payload_field_out_of_range_is_refused_at_its_octet),
	    cmocka_unit_test(mcx_sec_134_a_second_payload_of_one_kind_is_refused),
	    cmocka_unit_test(an_unknown_payload_code_is_refused_where_it_is_named),
	    cmocka_unit_test(a_message_that_lacks_a_payload_is_refused),
	    cmocka_unit_test(every_length_field_changed_is_refused),
	    cmocka_unit_test(policies_that_run_past_the_end_are_refused),
	    cmocka_unit_test(a_chain_of_payloads_is_bounded),
	    cmocka_unit_test(a_message_over_8_kib_is_refused_unread),
	    cmocka_unit_test(both_forms_of_one_identity_are_refused),
	    cmocka_unit_test(mcx_sec_141_a_uid_of_31_octets_or_of_another_id_type_is_refused),
	    cmocka_unit_test(a_policy_payload_with_a_broken_parameter_is_refused),
	    cmocka_unit_test(a_sakke_to_self_whose_lengths_disagree_is_refused),
	    cmocka_unit_test(an_unknown_extension_is_passed_over),
	    cmocka_unit_test(an_algorithm_list_is_read_and_a_broken_one_refused),
	    cmocka_unit_test(a_key_parameter_frame_out_of_shape_is_refused),
	    cmocka_unit_test(key_parameters_twice_are_refused),
	    cmocka_unit_test(mcx_sec_135_payloads_in_any_order_are_read),
	};
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

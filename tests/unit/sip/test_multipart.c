/* SPDX-License-Identifier: Apache-2.0 */
/* SIP bodies of several parts (sip.md 1): what is written reads back, hostile framing is refused or is only content. */
#include "unit/test.h"

#include "mcx/doc/multipart.h"

#define B "multipart/mixed;boundary=\"b1\""

static uint8_t scratch[MULTIPART_MAX_BODY];
static struct multipart m;

static enum mcsec_err read_text(const char *type, const char *body)
{
	return multipart_read(type, octets_of(body), scratch, sizeof scratch, &m, NULL);
}

static void a_written_body_reads_back_octet_for_octet_with_binary_parts(void **state)
{
	(void)state;
	uint8_t mikey[600], out[2048];
	char type[100];
	for (size_t i = 0; i < sizeof mikey; i++) /* every octet value, and line ends in awkward places */
		mikey[i] = (uint8_t)(i * 7);
	memcpy(mikey + 100, "\r\n--\r\n--b\r\n\n--", 13);
	const struct body_out parts[] = {
	    {TYPE_MIKEY, NULL, OCTETS(mikey), 0},
	    {TYPE_MCPTT_INFO, "i1@ue.example.org", octets_of("<mcpttinfo/>"), 0},
	    {TYPE_SDP, NULL, {NULL, 0}, 0},
	};
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(multipart_write(&w, "b7f1.x", parts, 3), MCSEC_OK);
	assert_int_equal(multipart_type("b7f1.x", type, sizeof type), MCSEC_OK);
	assert_int_equal(multipart_read(type, wr_result(&w), scratch, sizeof scratch, &m, NULL), MCSEC_OK);
	assert_int_equal(m.n, 3);
	assert_true(octets_equal(m.parts[0].body, OCTETS(mikey)));
	assert_string_equal(m.parts[0].type, TYPE_MIKEY);
	assert_string_equal(m.parts[1].id, "i1@ue.example.org");
	assert_int_equal(m.parts[2].body.len, 0);
}

static void a_base64_part_is_decoded_also_when_it_is_wrapped(void **state)
{
	(void)state;
	assert_int_equal(read_text(B, "--b1\r\nContent-Type: application/mikey\r\n"
				      "Content-Transfer-Encoding: Base64\r\n\r\nAQID\r\nBAU=\r\n--b1--\r\n"),
			 MCSEC_OK);
	const struct body_part *p = multipart_find(&m, TYPE_MIKEY, NULL);
	assert_non_null(p);
	assert_int_equal(p->body.len, 5);
	assert_memory_equal(p->body.p, "\1\2\3\4\5", 5);
}

static void a_quoted_boundary_is_what_its_escapes_stand_for(void **state)
{
	(void)state;
	static const char *const types[] = {"multipart/mixed;boundary=\"b\\1\"",
					    "multipart/mixed;x=\"a\\\"b;boundary=c\";boundary=b1"};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(read_text(types[i], "--b1\r\nContent-Type: text/plain\r\n\r\nx\r\n--b1--\r\n"),
				 MCSEC_OK);
		assert_int_equal(m.n, 1);
	}
	assert_int_equal(read_text("multipart/mixed;boundary=\"b1\\\"", "--b1\r\n\r\nx\r\n--b1--\r\n"), MCSEC_E_VALUE);
}

static void a_base64_part_written_reads_back(void **state)
{
	(void)state;
	uint8_t out[512], value[100];
	memset(value, 0xa5, sizeof value);
	struct writer w = wr_init(out, sizeof out);
	assert_int_equal(multipart_write(&w, "b1", &(struct body_out){TYPE_MIKEY, NULL, OCTETS(value), 1}, 1),
			 MCSEC_OK);
	assert_int_equal(multipart_read(B, wr_result(&w), scratch, sizeof scratch, &m, NULL), MCSEC_OK);
	assert_true(octets_equal(m.parts[0].body, OCTETS(value)));
}

static void broken_base64_is_refused(void **state)
{
	(void)state;
	static const char *const bodies[] = {"AQI", "A*ID", "AQ=D", "AQIDB", "AB=="};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		char text[256];
		snprintf(text, sizeof text, "--b1\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b1--\r\n",
			 bodies[i]);
		assert_int_equal(read_text(B, text), MCSEC_E_ENCODING);
		assert_int_equal(m.n, 0);
	}
}

static void a_nul_inside_base64_is_not_skipped_like_a_blank(void **state)
{
	(void)state;
	static const char text[] = "--b1\r\nContent-Transfer-Encoding: base64\r\n\r\nAQ\0ID\r\n--b1--\r\n";
	struct octets o = {(const uint8_t *)text, sizeof text - 1};
	assert_int_equal(multipart_read(B, o, scratch, sizeof scratch, &m, NULL), MCSEC_E_ENCODING);
}

static void a_body_of_one_type_reads_as_its_only_part(void **state)
{
	(void)state;
	assert_int_equal(read_text("Application/SDP ; charset=utf-8", "v=0\r\n"), MCSEC_OK);
	assert_int_equal(m.n, 1);
	assert_string_equal(m.parts[0].type, TYPE_SDP);
}

static void parts_are_found_by_type_and_doubles_are_counted(void **state)
{
	(void)state;
	size_t n = 9;
	assert_int_equal(read_text(B, "--b1\r\nContent-Type: a/b\r\n\r\n1\r\n--b1\r\nContent-Type: A/B;x=y\r\n\r\n2\r\n"
				      "--b1\r\nContent-Type: c/d\r\n\r\n3\r\n--b1--"),
			 MCSEC_OK);
	assert_memory_equal(multipart_find(&m, "a/b", &n)->body.p, "1", 1);
	assert_int_equal(n, 2);
	assert_null(multipart_find(&m, "e/f", &n));
	assert_int_equal(n, 0);
}

static void a_line_that_only_begins_like_the_boundary_is_content(void **state)
{
	(void)state;
	assert_int_equal(read_text(B, "--b1\r\n\r\nx\r\n--b1x\r\n--b1-\r\n\n--b1\r\ny\r\n--b1--\r\n"), MCSEC_OK);
	assert_int_equal(m.n, 1);
	assert_memory_equal(m.parts[0].body.p, "x\r\n--b1x\r\n--b1-\r\n\n--b1\r\ny", 25);
	assert_int_equal(m.parts[0].body.len, 25);
}

static void preamble_epilogue_and_blanks_behind_the_boundary_are_skipped(void **state)
{
	(void)state;
	assert_int_equal(read_text(B, "hello --b1\r\n--b1 \t\r\n\r\nx\r\n--b1-- \r\n--b1\r\n\r\nnot a part\r\n--b1--"),
			 MCSEC_OK);
	assert_int_equal(m.n, 1);
	assert_memory_equal(m.parts[0].body.p, "x", 1);
}

static void headers_fold_and_their_names_ignore_case(void **state)
{
	(void)state;
	assert_int_equal(read_text(B, "--b1\r\ncontent-TYPE :\r\n application/SDP;\r\n\tx=y\r\nX: y\r\n"
				      "Content-id: <a@b>\r\n\r\nv\r\n--b1--\r\n"),
			 MCSEC_OK);
	assert_string_equal(m.parts[0].type, TYPE_SDP);
	assert_string_equal(m.parts[0].id, "a@b");
}

static void a_body_without_closing_boundary_is_refused(void **state)
{
	(void)state;
	static const char *const bodies[] = {"",
					     "--b1",
					     "--b1\r\n\r\nx",
					     "--b1\r\n\r\nx\r\n",
					     "--b1\r\n\r\nx\r\n--b1",
					     "--b1\r\n\r\nx\r\n--b1\r\n",
					     "--b1\r\n\r\nx--b1--\r\n",
					     "no boundary"};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		assert_int_equal(read_text(B, bodies[i]), MCSEC_E_TRUNCATED);
}

static void a_boundary_that_two_readers_could_read_two_ways_is_refused(void **state)
{
	(void)state;
	static const char *const types[] = {
	    "multipart/mixed",
	    "multipart/mixed;boundary=",
	    "multipart/mixed;boundary=\"b1",
	    "multipart/mixed;boundary=\"b 1 \"",
	    "multipart/mixed;boundary=b1;boundary=b2",
	    "multipart/mixed;boundary=\"b\r1\"",
	    "multipart/mixed;boundary=\"b1\"x",
	    "nothing",
	    "",
	    "multipart/mixed;boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		assert_int_equal(read_text(types[i], "--b1\r\n\r\nx\r\n--b1--\r\n"), MCSEC_E_VALUE);
	assert_int_equal(read_text("multipart/mixed; charset=utf-8; BOUNDARY=b1", "--b1\r\n\r\nx\r\n--b1--\r\n"),
			 MCSEC_OK);
}

static void contradictory_part_headers_are_refused(void **state)
{
	(void)state;
	static const char *const heads[] = {
	    "Content-Type: a/b\r\nContent-Type: c/d\r\n",
	    "Content-ID: <a>\r\nContent-ID: <b>\r\n",
	    "Content-ID: a@b\r\n",
	    "Content-Transfer-Encoding: binary\r\nContent-Transfer-Encoding: base64\r\n",
	    "Content-Type: nosubtype\r\n",
	    "no colon\r\n",
	    ": value\r\n",
	};
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		char text[256];
		snprintf(text, sizeof text, "--b1\r\n%s\r\nx\r\n--b1--\r\n", heads[i]);
		assert_int_equal(read_text(B, text), MCSEC_E_VALUE);
	}
	assert_int_equal(read_text(B, "--b1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx\r\n--b1--\r\n"),
			 MCSEC_E_UNSUPPORTED);
}

static void too_many_parts_headers_or_octets_are_refused(void **state)
{
	(void)state;
	static char text[8192];
	size_t n = 0;
	for (int i = 0; i < MULTIPART_MAX_PARTS + 1; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "--b1\r\n\r\nx\r\n");
	snprintf(text + n, sizeof text - n, "--b1--\r\n");
	assert_int_equal(read_text(B, text), MCSEC_E_LENGTH);
	n = (size_t)snprintf(text, sizeof text, "--b1\r\n");
	for (int i = 0; i < MULTIPART_MAX_HEADERS + 1; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "X: y\r\n");
	snprintf(text + n, sizeof text - n, "\r\nx\r\n--b1--\r\n");
	assert_int_equal(read_text(B, text), MCSEC_E_LENGTH);
	n = (size_t)snprintf(text, sizeof text, "--b1\r\nX: ");
	memset(text + n, 'y', 2000);
	snprintf(text + n + 2000, 100, "\r\n\r\nx\r\n--b1--\r\n");
	assert_int_equal(read_text(B, text), MCSEC_E_LENGTH);
	uint8_t *big = calloc(1, MULTIPART_MAX_BODY + 1);
	assert_int_equal(
	    multipart_read(B, (struct octets){big, MULTIPART_MAX_BODY + 1}, scratch, sizeof scratch, &m, NULL),
	    MCSEC_E_LENGTH);
	free(big);
}

static void a_multipart_within_a_multipart_is_refused_whatever_its_kind_and_spelling(void **state)
{
	(void)state;
	static const char *const types[] = {"multipart/mixed;boundary=i", "MULTIPART/Mixed; boundary=i",
					    "multipart/alternative;boundary=i", "multipart/related", "multipart/x-y"};
	char body[300];
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		snprintf(body, sizeof body,
			 "--b1\r\nContent-Type: text/plain\r\n\r\nx\r\n--b1\r\nContent-Type: "
			 "%s\r\n\r\n--i\r\n\r\ny\r\n--i--\r\n"
			 "--b1--\r\n",
			 types[i]);
		assert_int_equal(read_text(B, body), MCSEC_E_UNSUPPORTED);
		assert_int_equal(m.n, 0);
	}
}

static void a_scratch_too_small_is_said_and_nothing_is_written_behind_it(void **state)
{
	(void)state;
	uint8_t small[4] = {0};
	const char *body = "--b1\r\nContent-Transfer-Encoding: base64\r\n\r\nAQIDBAUG\r\n--b1--\r\n";
	assert_int_equal(multipart_read(B, octets_of(body), small, sizeof small, &m, NULL), MCSEC_E_NO_SPACE);
}

static void every_truncation_of_a_good_body_is_refused(void **state)
{
	(void)state;
	const char *body = "--b1\r\nContent-Type: a/b\r\n\r\nxyz\r\n--b1\r\nContent-Type: c/d\r\n\r\n12\r\n--b1--";
	for (size_t n = 0; n < strlen(body); n++) {
		uint8_t *copy = malloc(n + 1); /* exact size, so that the sanitizer sees a read too far */
		memcpy(copy, body, n);
		assert_int_not_equal(multipart_read(B, (struct octets){copy, n}, scratch, sizeof scratch, &m, NULL),
				     MCSEC_OK);
		free(copy);
	}
}

static void a_boundary_that_occurs_in_a_part_is_not_written(void **state)
{
	(void)state;
	uint8_t out[256];
	struct writer w = wr_init(out, sizeof out);
	struct body_out part = {"a/b", NULL, octets_of("xb1x"), 0};
	assert_int_equal(multipart_write(&w, "b1", &part, 1), MCSEC_E_VALUE);
	assert_int_equal(multipart_write(&w, "b\r2", &part, 1), MCSEC_E_VALUE);
	assert_int_equal(multipart_write(&w, "b 2", &part, 1), MCSEC_E_VALUE);
}

/* Of another kind than mixed, it reads as the only part: nobody here looks into it, and nobody hands it on. */
static void a_multipart_is_no_part_neither_read_nor_written(void **state)
{
	(void)state;
	uint8_t out[256];
	struct writer w = wr_init(out, sizeof out);
	struct body_out part = {"multipart/mixed;boundary=b2", NULL, octets_of("--b2--"), 0};
	const char *body = "--b1\r\nContent-Type: multipart/related\r\n\r\nx\r\n--b1--\r\n";
	assert_int_equal(multipart_write(&w, "b1", &part, 1), MCSEC_E_VALUE);
	assert_int_equal(multipart_read(B, octets_of(body), scratch, sizeof scratch, &m, NULL), MCSEC_E_UNSUPPORTED);
	assert_int_equal(multipart_read("multipart/related", octets_of("x"), scratch, sizeof scratch, &m, NULL),
			 MCSEC_OK);
	assert_int_equal(m.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_multipart_is_no_part_neither_read_nor_written),
	    cmocka_unit_test(a_written_body_reads_back_octet_for_octet_with_binary_parts),
	    cmocka_unit_test(a_base64_part_is_decoded_also_when_it_is_wrapped),
	    cmocka_unit_test(a_quoted_boundary_is_what_its_escapes_stand_for),
	    cmocka_unit_test(a_base64_part_written_reads_back),
	    cmocka_unit_test(broken_base64_is_refused),
	    cmocka_unit_test(a_nul_inside_base64_is_not_skipped_like_a_blank),
	    cmocka_unit_test(a_body_of_one_type_reads_as_its_only_part),
	    cmocka_unit_test(parts_are_found_by_type_and_doubles_are_counted),
	    cmocka_unit_test(a_line_that_only_begins_like_the_boundary_is_content),
	    cmocka_unit_test(preamble_epilogue_and_blanks_behind_the_boundary_are_skipped),
	    cmocka_unit_test(headers_fold_and_their_names_ignore_case),
	    cmocka_unit_test(a_body_without_closing_boundary_is_refused),
	    cmocka_unit_test(a_boundary_that_two_readers_could_read_two_ways_is_refused),
	    cmocka_unit_test(contradictory_part_headers_are_refused),
	    cmocka_unit_test(too_many_parts_headers_or_octets_are_refused),
	    cmocka_unit_test(a_multipart_within_a_multipart_is_refused_whatever_its_kind_and_spelling),
	    cmocka_unit_test(a_scratch_too_small_is_said_and_nothing_is_written_behind_it),
	    cmocka_unit_test(every_truncation_of_a_good_body_is_refused),
	    cmocka_unit_test(a_boundary_that_occurs_in_a_part_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

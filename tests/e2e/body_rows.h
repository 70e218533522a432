/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body_rows.h - bodies that are put together wrongly, of good parts: what stands twice, what is nested, cut, coded
 * wrongly or far too large (RFC 2046, RFC 5621; sip.md 1; flows 0.1 V-SIZE). One set of what a client uploads, one of
 * what an INVITE carries. The last row of each is the same parts put together rightly: were its answer another one, the
 * rows above would show nothing.
 */
#ifndef TEST_BODY_ROWS_H
#define TEST_BODY_ROWS_H

#include "mcx/doc/multipart.h"

struct body_row {
	const char *name, *type, *body;
	int answer; /* status, or status * 1000 + the code of its Warning */
};

enum { BY_KEY = 488136, NO_TOKEN = 403101, TOO_LARGE = 413 };

#define MIXED                        "multipart/mixed;boundary=b"
#define PART(type, content)          "--b\r\nContent-Type: " type "\r\n\r\n" content "\r\n"
#define CODED(type, coding, content) PART(type "\r\nContent-Transfer-Encoding: " coding, content)
#define END                          "--b--\r\n"
#define KEY                          PART(TYPE_MIKEY, "$M")
#define INNER(boundary, content)     "--" boundary "\r\nContent-Type: " TYPE_MIKEY "\r\n\r\n" content "\r\n--" boundary "--"
#define HEADERS_4                    "X-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\n"
#define PARTS_4                      PART("text/a", "a") PART("text/b", "b") PART("text/c", "c") PART("text/d", "d")
#define LETTERS_64                   "0123456789012345678901234567890123456789012345678901234567890123"
#define LETTERS_512                  LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64

/* REST: the parts beside application/mikey; what half a message alone, one that is no message, and all of it good earn.
 */
#define UPLOAD_ROWS(REST, ALONE, UNREAD, GOOD)                                                                         \
	{"two_mikey_parts", MIXED, KEY KEY REST END, 400},                                                             \
	    {"two_mikey_parts_one_of_them_in_base64", MIXED, KEY CODED(TYPE_MIKEY, "base64", "$6") REST END, 400},     \
	    {"two_mikey_parts_spelt_differently", MIXED, KEY PART("Application/MIKEY;a=b", "$M") REST END, 400},       \
	    {"a_multipart_in_a_multipart", MIXED, PART("multipart/mixed;boundary=c", INNER("c", "$M")) REST END, 400}, \
	    {"a_multipart_beside_the_good_parts", MIXED,                                                               \
	     KEY PART("multipart/mixed;boundary=c", INNER("c", "$M")) REST END, 400},                                  \
	    {"a_multipart_of_another_kind_beside_the_good_parts", MIXED,                                               \
	     KEY PART("Multipart/Related;boundary=c", INNER("c", "$M")) REST END, 400},                                \
	    {"multiparts_four_levels_deep", MIXED,                                                                     \
	     PART("multipart/mixed;boundary=c",                                                                        \
		  "--c\r\nContent-Type: multipart/mixed;boundary=d\r\n\r\n"                                            \
		  "--d\r\nContent-Type: multipart/mixed;boundary=e\r\n\r\n" INNER("e", "$M") "\r\n--d--\r\n--c--")     \
		 REST END,                                                                                             \
	     400},                                                                                                     \
	    {"an_inner_part_that_holds_the_outer_boundary", MIXED, PART(TYPE_MIKEY, "$1\r\n--b\r\n$2") REST END, 400}, \
	    {"an_inner_part_that_holds_the_outer_end", MIXED, PART(TYPE_MIKEY, "$1\r\n--b--\r\n$2") REST END, ALONE},  \
	    {"no_end_of_the_last_part", MIXED, KEY REST, 400},                                                         \
	    {"a_boundary_that_is_not_there", "multipart/mixed;boundary=c", KEY REST END, 400},                         \
	    {"two_boundaries", MIXED ";boundary=c", KEY REST END, 400},                                                \
	    {"no_boundary", "multipart/mixed", KEY REST END, 400},                                                     \
	    {"a_boundary_of_71_characters", "multipart/mixed;boundary=" LETTERS_64 "0123456", KEY REST END, 400},      \
	    {"no_part_at_all", MIXED, END, 400},                                                                       \
	    {"seventeen_parts", MIXED, KEY REST PARTS_4 PARTS_4 PARTS_4 PARTS_4 END, 400},                             \
	    {"seventeen_headers_of_a_part", MIXED,                                                                     \
	     "--b\r\n" HEADERS_4 HEADERS_4 HEADERS_4 HEADERS_4 "Content-Type: " TYPE_MIKEY "\r\n\r\n$M\r\n" REST END,  \
	     400},                                                                                                     \
	    {"a_part_header_of_a_kibibyte", MIXED,                                                                     \
	     "--b\r\nX-A: " LETTERS_512 LETTERS_512 "\r\nContent-Type: " TYPE_MIKEY "\r\n\r\n$M\r\n" REST END, 400},   \
	    {"two_types_of_a_part", MIXED, PART("text/plain\r\nContent-Type: " TYPE_MIKEY, "$M") REST END, 400},       \
	    {"two_transfer_encodings", MIXED,                                                                          \
	     CODED(TYPE_MIKEY, "base64\r\nContent-Transfer-Encoding: binary", "$6") REST END, 400},                    \
	    {"quoted_printable", MIXED, CODED(TYPE_MIKEY, "quoted-printable", "$6") REST END, 400},                    \
	    {"base64_that_is_binary", MIXED, CODED(TYPE_MIKEY, "base64", "$M") REST END, 400},                         \
	    {"base64_without_its_last_character", MIXED, CODED(TYPE_MIKEY, "base64", "$-") REST END, 400},             \
	    {"base64_with_a_character_that_is_none", MIXED, CODED(TYPE_MIKEY, "base64", "$*") REST END, 400},          \
	    {"base64_with_more_behind_its_end", MIXED, CODED(TYPE_MIKEY, "base64", "$6====AAAA") REST END, 400},       \
	    {"base64_that_no_label_tells_and_that_is_cut", MIXED, PART(TYPE_MIKEY, "$-") REST END, UNREAD},            \
	    {"base64_that_no_label_tells_and_that_is_dirty", MIXED, PART(TYPE_MIKEY, "$*") REST END, UNREAD},          \
	    {"a_body_of_a_mebibyte", MIXED, KEY REST PART("application/octet-stream", "$B") END, 413},                 \
	    {"the_same_parts_put_together_rightly", MIXED, KEY REST END, GOOD},

#define OFFER(keys)                                                                                                    \
	"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" keys                               \
	"m=audio 40000 RTP/SAVP 97\r\na=rtpmap:97 opus/48000/2\r\n"
#define KEY_LINE   "a=key-mgmt:mikey $6\r\n"
#define SDP_PART   PART(TYPE_SDP, OFFER(KEY_LINE))
#define OTHER_LINE "a=key-mgmt:mikey AQAFgQ==\r\n"

/* The same of an INVITE; REST: the parts beside the description. */
#define OFFER_ROWS(REST, GOOD)                                                                                         \
	{"two_descriptions", MIXED, SDP_PART SDP_PART REST END, 400},                                                  \
	    {"two_descriptions_spelt_differently", MIXED,                                                              \
	     SDP_PART PART("APPLICATION/SDP;a=b", OFFER(OTHER_LINE)) REST END, 400},                                   \
	    {"two_info_parts", MIXED, SDP_PART REST PART(TYPE_MCPTT_INFO, "$i") END, 400},                             \
	    {"a_multipart_in_a_multipart", MIXED,                                                                      \
	     PART("multipart/mixed;boundary=c",                                                                        \
		  "--c\r\nContent-Type: " TYPE_SDP "\r\n\r\n" OFFER(KEY_LINE) "\r\n--c--") REST END,                   \
	     400},                                                                                                     \
	    {"a_multipart_beside_the_good_parts", MIXED,                                                               \
	     SDP_PART PART("multipart/alternative;boundary=c",                                                         \
			   "--c\r\nContent-Type: " TYPE_SDP "\r\n\r\n" OFFER(OTHER_LINE) "\r\n--c--") REST END,        \
	     400},                                                                                                     \
	    {"a_description_that_holds_the_outer_boundary", MIXED,                                                     \
	     PART(TYPE_SDP, OFFER(KEY_LINE) "a=x\r\n--b\r\n: y") REST END, 400},                                       \
	    {"no_end_of_the_last_part", MIXED, SDP_PART REST, 400},                                                    \
	    {"two_boundaries", MIXED ";boundary=c", SDP_PART REST END, 400},                                           \
	    {"seventeen_parts", MIXED, SDP_PART REST PARTS_4 PARTS_4 PARTS_4 PARTS_4 END, 400},                        \
	    {"a_description_in_dirty_base64", MIXED, CODED(TYPE_SDP, "base64", "$*") REST END, 400},                   \
	    {"a_description_quoted_printable", MIXED, CODED(TYPE_SDP, "quoted-printable", OFFER(KEY_LINE)) REST END,   \
	     400},                                                                                                     \
	    {"two_key_lines", MIXED, PART(TYPE_SDP, OFFER(KEY_LINE OTHER_LINE)) REST END, 400},                        \
	    {"a_key_line_in_dirty_base64", MIXED, PART(TYPE_SDP, OFFER("a=key-mgmt:mikey $*\r\n")) REST END, BY_KEY},  \
	    {"a_key_line_without_its_last_character", MIXED,                                                           \
	     PART(TYPE_SDP, OFFER("a=key-mgmt:mikey $-\r\n")) REST END, BY_KEY},                                       \
	    {"a_key_line_of_octets", MIXED, PART(TYPE_SDP, OFFER("a=key-mgmt:mikey $M\r\n")) REST END, 400},           \
	    {"a_body_of_a_mebibyte", MIXED, SDP_PART REST PART("application/octet-stream", "$B") END, 413},            \
	    {"the_same_parts_put_together_rightly", MIXED, SDP_PART REST END, GOOD},

#endif

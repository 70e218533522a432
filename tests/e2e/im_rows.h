/* SPDX-License-Identifier: Apache-2.0 */
/*
 * im_rows.h - I_MESSAGEs with one thing wrong each, and how each shall be answered on every way it can travel (mikey.md
 * 10, 12; flows 0.2; sip 2.6; TS 24.379 7.2.5).
 *
 * What is wrong is wrong alone: where octets were changed that the signature covers, the message is signed again by
 * whom it names. So the answer comes from the check that the row is about and from no other.
 */
#ifndef TEST_IM_ROWS_H
#define TEST_IM_ROWS_H

#include "unit/test.h"

#include <time.h>

#include "mcsec/mikey.h"

/* How it travels: to the server in a REGISTER, a PUBLISH, an offer; to a client in an offer, a key download. */
enum im_way { IM_REGISTER, IM_PUBLISH, IM_OFFER, IM_CALL, IM_DOWNLOAD, IM_WAYS };

/* Who plays what on one of the ways. */
struct im_cast {
	const struct mcsec_im_book *book;   /* key sets of `from`, `to` and `other`, and of `far` under the other KMS */
	const struct mcsec_im_book *forger; /* the same names under our KMS's name, made by another master */
	enum mcsec_key_kind kind;           /* that belongs on this way */
	const char *from, *to, *other;      /* initiator, responder; somebody else of the same KMS */
	const char *kms, *far, *far_kms;    /* ours; a user of another domain, and its KMS */
};

enum { IM_ROOM = MCSEC_IM_MAX + 512 };

struct im_octets {
	uint8_t p[IM_ROOM];
	size_t len;
};

struct im_answer {
	int status, warning;
};

struct im_row {
	const char *name;
	void (*make)(const struct im_cast *c, struct im_octets *m);
	unsigned ways;
	struct im_answer answer;
};

/* A name for the test of this row on this way, with its answer. */
static inline const char *im_row_name(const struct im_row *r, enum im_way way, char *out, size_t size)
{
	static const char *const ways[IM_WAYS] = {"register", "publish", "offer_at_the_server", "offer_at_the_callee",
						  "key_download"};
	char warning[24] = "without_warning";
	if (r->answer.warning)
		snprintf(warning, sizeof warning, "%d", r->answer.warning);
	snprintf(out, size, "%s_in_%s%s_is_%d_%s", r->name, ways[way][0] == 'o' ? "an_" : "a_", ways[way],
		 r->answer.status, warning);
	return out;
}

/* ---- making ---- */

static inline void im_made_by(const struct mcsec_im_book *book, struct mcsec_im_make *what, struct im_octets *m)
{
	uint8_t key[MCSEC_KEY_LEN];
	assert_int_equal(mcsec_rng_system.fill(NULL, key, sizeof key), MCSEC_OK);
	assert_int_equal(mcsec_kid_new(what->kind, &mcsec_rng_system, NULL, NULL, &what->k_id), MCSEC_OK);
	what->key = key;
	assert_int_equal(mcsec_im_make(book, what, &mcsec_rng_system, m->p, MCSEC_IM_MAX, &m->len), MCSEC_OK);
}

static inline struct mcsec_im_make im_good(const struct im_cast *c)
{
	return (struct mcsec_im_make){.kind = c->kind,
				      .time = (uint64_t)time(NULL) + MCSEC_NTP_UNIX,
				      .initiator = c->from,
				      .initiator_kms = c->kms,
				      .responder = c->to,
				      .responder_kms = c->kms};
}

/* With these changes to what it is made of. */
#define IM_MADE(name, ...)                                                                                             \
	static void name(const struct im_cast *c, struct im_octets *m)                                                 \
	{                                                                                                              \
		struct mcsec_im_make w = im_good(c);                                                                   \
		__VA_ARGS__;                                                                                           \
		im_made_by(c->book, &w, m);                                                                            \
	}

static inline void im_sign(const struct im_cast *c, struct im_octets *m)
{
	for (size_t i = 0; i < c->book->n_own; i++) {
		const struct mcsec_im_own *own = &c->book->own[i];
		if (strcmp(own->uri, c->from) != 0 || strcmp(own->kms_uri, c->kms) != 0)
			continue;
		assert_int_equal(mcsec_eccsi_sign(own->keys, &mcsec_rng_system, m->p, m->len - MCSEC_SIG_LEN,
						  m->p + m->len - MCSEC_SIG_LEN),
				 MCSEC_OK);
		return;
	}
	fail_msg("no keys of %s", c->from);
}

/* ---- its payloads: where they are ---- */

enum { NP_SIGN = 4, NP_T = 5, NP_RAND = 11, NP_IDR = 14, NP_GEN = 21, NP_SAKKE = 26, HDR_LEN = 10, SIGN_HEAD = 2 };

struct im_payload {
	size_t before, at, len; /* octet of the payload before that names it; its first octet */
};

static inline size_t im_u16(const uint8_t *p)
{
	return (size_t)(p[0] << 8 | p[1]);
}

/* The first one of this code, of this role if it is an identity (or -1). */
static inline struct im_payload im_find(const struct im_octets *m, int code, int role)
{
	struct im_payload p = {2, HDR_LEN, 0};
	for (int next = m->p[2];; next = m->p[p.at], p.before = p.at, p.at += p.len) {
		const uint8_t *o = m->p + p.at;
		if (next == NP_SIGN)
			fail_msg("no payload %d of role %d", code, role);
		p.len = next == NP_T      ? 10
			: next == NP_RAND ? 2 + (size_t)o[1]
			: next == NP_GEN  ? 4 + im_u16(o + 2)
					  : 5 + im_u16(o + 3);
		if (next == code && (role < 0 || o[1] == role))
			return p;
	}
}

static inline void im_splice(struct im_octets *m, size_t at, size_t gone, const void *with, size_t n)
{
	assert_true(at + gone <= m->len && m->len - gone + n <= sizeof m->p);
	memmove(m->p + at + n, m->p + at + gone, m->len - at - gone);
	memcpy(m->p + at, with, n);
	m->len = m->len - gone + n;
}

static inline void im_without(struct im_octets *m, int code, int role)
{
	struct im_payload p = im_find(m, code, role);
	m->p[p.before] = m->p[p.at];
	im_splice(m, p.at, p.len, "", 0);
}

static inline void im_twice(struct im_octets *m, int code, int role)
{
	uint8_t copy[1024];
	struct im_payload p = im_find(m, code, role);
	assert_true(p.len <= sizeof copy);
	memcpy(copy, m->p + p.at, p.len);
	copy[0] = (uint8_t)code;
	im_splice(m, p.at, 0, copy, p.len);
}

/* To this length by an extension that readers pass over (GEN type 0). */
static inline void im_padded(struct im_octets *m, size_t len)
{
	uint8_t gen[MCSEC_IM_MAX] = {m->p[2]};
	size_t n = len - m->len;
	gen[2] = (uint8_t)((n - 4) >> 8);
	gen[3] = (uint8_t)(n - 4);
	m->p[2] = NP_GEN;
	im_splice(m, HDR_LEN, 0, gen, n);
}

/* ---- the rows' messages ---- */

#define IM_CHANGED(name, ...)                                                                                          \
	static void name(const struct im_cast *c, struct im_octets *m)                                                 \
	{                                                                                                              \
		struct mcsec_im_make w = im_good(c);                                                                   \
		im_made_by(c->book, &w, m);                                                                            \
		__VA_ARGS__;                                                                                           \
	}
#define IM_RESIGNED(name, ...) IM_CHANGED(name, __VA_ARGS__; im_sign(c, m))

/* step 1: syntax */
IM_CHANGED(im_cut, m->len /= 2)
IM_CHANGED(im_cut_in_the_signature, m->len -= 3)
IM_CHANGED(im_longer_by_one, m->p[m->len++] = 0)
IM_RESIGNED(im_of_8193_octets, im_padded(m, MCSEC_IM_MAX + 1))
IM_CHANGED(im_unsigned, size_t end = m->len - MCSEC_SIG_LEN - SIGN_HEAD; m->p[im_find(m, NP_SAKKE, -1).at] = 0;
	   m->len = end)
IM_RESIGNED(im_without_t, im_without(m, NP_T, -1))
IM_RESIGNED(im_without_rand, im_without(m, NP_RAND, -1))
IM_RESIGNED(im_without_sakke, im_without(m, NP_SAKKE, -1))
IM_RESIGNED(im_without_initiator, im_without(m, NP_IDR, 1))
IM_RESIGNED(im_without_responder, im_without(m, NP_IDR, 2))
IM_RESIGNED(im_without_initiators_kms, im_without(m, NP_IDR, 6))
IM_RESIGNED(im_without_responders_kms, im_without(m, NP_IDR, 7))
IM_RESIGNED(im_two_sakke, im_twice(m, NP_SAKKE, -1))
IM_RESIGNED(im_two_initiators, im_twice(m, NP_IDR, 1))
IM_RESIGNED(im_both_forms, struct im_payload p = im_find(m, NP_IDR, 1); uint8_t uid[5 + MCSEC_UID_LEN] = {0};
	    uid[0] = NP_IDR; uid[1] = 8; uid[2] = 2; uid[4] = MCSEC_UID_LEN; im_splice(m, p.at, 0, uid, sizeof uid))
IM_RESIGNED(im_initiator_no_uri, m->p[im_find(m, NP_IDR, 1).at + 2] = 0)
IM_RESIGNED(im_scheme_1, m->p[im_find(m, NP_SAKKE, -1).at + 2] = 1)
IM_RESIGNED(im_unknown_payload, m->p[2] = 7)
/* step 2: header and purpose tag */
IM_RESIGNED(im_version_2, m->p[0] = 2)
IM_RESIGNED(im_data_type_25, m->p[1] = 25)
IM_RESIGNED(im_other_prf, m->p[3] = 0)
IM_MADE(im_gmk, w.kind = MCSEC_GMK)
IM_MADE(im_pck, w.kind = MCSEC_PCK)
IM_MADE(im_csk, w.kind = MCSEC_CSK)
IM_MADE(im_spk, w.kind = MCSEC_SPK)
IM_MADE(im_mkfc, w.kind = MCSEC_MKFC)
IM_MADE(im_mscck, w.kind = MCSEC_MSCCK)
IM_MADE(im_musik, w.kind = MCSEC_MUSIK)
IM_RESIGNED(im_tag_7, m->p[4] = (uint8_t)(0x70 | (m->p[4] & 15)))
IM_RESIGNED(im_tag_15, m->p[4] = (uint8_t)(0xf0 | (m->p[4] & 15)))
/* step 3: the responder and its KMS */
IM_MADE(im_to_another, w.responder = c->other)
IM_MADE(im_to_another_hidden, w.responder = c->other; w.hide_responder = 1)
IM_MADE(im_swapped, w.initiator = c->to; w.responder = c->from)
IM_MADE(im_to_oneself, w.responder = c->from)
IM_MADE(im_responder_of_far_kms, w.responder_kms = c->far_kms)
IM_CHANGED(im_responder_of_far_kms_damaged, im_responder_of_far_kms(c, m); m->p[m->len - 40] ^= 1)
/* step 4: time */
IM_MADE(im_too_old, w.time -= 330)
IM_MADE(im_too_early, w.time += 330)
/* step 6: the initiator */
IM_MADE(im_from_another, w.initiator = c->other)
IM_MADE(im_from_another_hidden, w.initiator = c->other; w.hide_initiator = 1)
/* step 7: its KMS */
IM_MADE(im_from_far, w.initiator = c->far; w.initiator_kms = c->far_kms)
IM_MADE(im_of_far_kms, w.initiator_kms = c->far_kms)
IM_MADE(im_all_far, w.initiator_kms = w.responder_kms = c->far_kms)
/* step 8: the signature */
IM_CHANGED(im_forged, w = im_good(c); im_made_by(c->forger, &w, m))
IM_CHANGED(im_others_signature, struct im_cast o = *c; o.from = c->other; im_sign(&o, m))
IM_CHANGED(im_csb_id_changed, m->p[7] ^= 1)
IM_CHANGED(im_t_changed, m->p[im_find(m, NP_T, -1).at + 9] ^= 1)
IM_CHANGED(im_rand_changed, m->p[im_find(m, NP_RAND, -1).at + 2] ^= 1)
IM_CHANGED(im_sed_changed, m->p[im_find(m, NP_SAKKE, -1).at + 100] ^= 1)
IM_CHANGED(im_signature_changed, m->p[m->len - 40] ^= 1)
/* step 9: the encapsulated key */
IM_RESIGNED(im_sed_for_another, w = im_good(c); w.responder = c->other; im_made_by(c->book, &w, m);
	    struct im_payload p = im_find(m, NP_IDR, 2); size_t n = strlen(c->to); m->p[p.at + 3] = (uint8_t)(n >> 8);
	    m->p[p.at + 4] = (uint8_t)n; im_splice(m, p.at + 5, p.len - 5, c->to, n))
IM_RESIGNED(im_sed_damaged, m->p[im_find(m, NP_SAKKE, -1).at + 270] ^= 1)
/* step 10: key parameters; times are Unix seconds */
IM_MADE(im_expired,
	struct mcsec_key_params p = {.status = MCSEC_STATUS_NOT_REVOKED, .expiry = (uint64_t)time(NULL) - 60};
	w.params = &p)
IM_MADE(im_expires_first, struct mcsec_key_params p = {.status = MCSEC_STATUS_NOT_REVOKED};
	p.activation = (uint64_t)time(NULL) + 600; p.expiry = p.activation - 60; w.params = &p)
IM_RESIGNED(im_params_damaged, struct mcsec_key_params p = {.status = MCSEC_STATUS_NOT_REVOKED}; w = im_good(c);
	    w.params = &p; im_made_by(c->book, &w, m); struct im_payload g = im_find(m, NP_GEN, -1);
	    m->p[g.at + g.len - 1] ^= 1)
IM_MADE(im_revoked, struct mcsec_key_params p = {0}; w.params = &p)

#define IM_UPLOAD   (1 << IM_REGISTER | 1 << IM_PUBLISH)
#define IM_OPENED   (IM_UPLOAD | 1 << IM_CALL | 1 << IM_DOWNLOAD) /* by who has the keys */
#define IM_ALL      (IM_OPENED | 1 << IM_OFFER)
#define IM_BUT(way) (IM_ALL & ~(1u << (way)))

/* clang-format off */
#define IM_136 {488, 136}
static const struct im_row im_rows[] = {
	/* malformed */
	{"mikey_10_1_half_a_message",                       im_cut,                    IM_ALL,    IM_136},
	{"mikey_10_1_a_signature_cut_short",                im_cut_in_the_signature,   IM_ALL,    IM_136},
	{"mikey_10_1_an_octet_behind_the_signature",        im_longer_by_one,          IM_ALL,    IM_136},
	{"mikey_10_1_a_message_of_8193_octets",             im_of_8193_octets,         IM_ALL,    IM_136},
	{"mikey_10_no_signature",                           im_unsigned,               IM_ALL,    IM_136},
	{"mikey_10_no_t",                                   im_without_t,              IM_ALL,    IM_136},
	{"mikey_10_no_rand",                                im_without_rand,           IM_ALL,    IM_136},
	{"mikey_10_no_sakke",                               im_without_sakke,          IM_ALL,    IM_136},
	{"mikey_10_no_initiator",                           im_without_initiator,      IM_ALL,    IM_136},
	{"mikey_10_no_responder",                           im_without_responder,      IM_ALL,    IM_136},
	{"mikey_10_no_kms_of_the_initiator",                im_without_initiators_kms, IM_ALL,    IM_136},
	{"mikey_10_no_kms_of_the_responder",                im_without_responders_kms, IM_ALL,    IM_136},
	{"mikey_12_two_encapsulated_keys",                  im_two_sakke,              IM_ALL,    IM_136},
	{"mikey_12_two_initiators",                         im_two_initiators,         IM_ALL,    IM_136},
	{"mikey_10_both_forms_of_the_initiator",            im_both_forms,             IM_ALL,    IM_136},
	{"mikey_10_an_initiator_that_is_no_uri",            im_initiator_no_uri,       IM_ALL,    IM_136},
	{"mikey_12_id_scheme_1",                            im_scheme_1,               IM_OPENED, IM_136},
	{"mikey_12_an_unknown_payload",                     im_unknown_payload,        IM_ALL,    IM_136},
	{"mikey_10_2_version_2",                            im_version_2,              IM_ALL,    IM_136},
	{"mikey_10_2_another_data_type",                    im_data_type_25,           IM_ALL,    IM_136},
	{"mikey_10_2_another_prf",                          im_other_prf,              IM_ALL,    IM_136},
	/* wrong-tag: the key's kind does not go this way; a MESSAGE of another tag is no key download (sip 3 row 8a) */
	{"wrong_tag_a_group_key",                           im_gmk,                    IM_BUT(IM_DOWNLOAD), IM_136},
	{"wrong_tag_a_private_call_key",                    im_pck,                    IM_UPLOAD, IM_136},
	{"wrong_tag_a_client_server_key",                   im_csk,                    1 << IM_OFFER | 1 << IM_CALL, IM_136},
	{"wrong_tag_a_servers_key",                         im_spk,                    IM_BUT(IM_DOWNLOAD), IM_136},
	{"wrong_tag_a_floor_control_key",                   im_mkfc,                   IM_BUT(IM_DOWNLOAD), IM_136},
	{"wrong_tag_a_bearers_key",                         im_mscck,                  IM_BUT(IM_DOWNLOAD), IM_136},
	{"wrong_tag_a_multicast_key",                       im_musik,                  IM_BUT(IM_DOWNLOAD), IM_136},
	{"wrong_tag_7",                                     im_tag_7,                  IM_BUT(IM_DOWNLOAD), IM_136},
	{"wrong_tag_15",                                    im_tag_15,                 IM_BUT(IM_DOWNLOAD), IM_136},
	{"wrong_tag_a_group_key",                           im_gmk,                    1 << IM_DOWNLOAD, {403, 0}},
	{"wrong_tag_a_private_call_key",                    im_pck,                    1 << IM_DOWNLOAD, {403, 0}},
	{"wrong_tag_a_servers_key",                         im_spk,                    1 << IM_DOWNLOAD, {403, 0}},
	{"wrong_tag_a_floor_control_key",                   im_mkfc,                   1 << IM_DOWNLOAD, {403, 0}},
	{"wrong_tag_a_bearers_key",                         im_mscck,                  1 << IM_DOWNLOAD, {403, 0}},
	{"wrong_tag_7",                                     im_tag_7,                  1 << IM_DOWNLOAD, {403, 0}},
	{"wrong_tag_15",                                    im_tag_15,                 1 << IM_DOWNLOAD, {403, 0}},
	/* not-for-us */
	{"not_for_us_another_responder",                    im_to_another,             IM_OPENED, IM_136},
	{"not_for_us_another_hidden_responder",             im_to_another_hidden,      IM_OPENED, IM_136},
	{"not_for_us_initiator_and_responder_swapped",      im_swapped,                IM_OPENED, IM_136},
	{"not_for_us_the_initiator_to_itself",              im_to_oneself,             IM_OPENED, IM_136},
	/* kms-refused: without 136, but what cannot be verified or does not verify is refused as such */
	{"kms_refused_a_responder_of_another_kms",          im_responder_of_far_kms,   IM_OPENED, {488, 0}},
	{"kms_refused_that_is_damaged_too",                 im_responder_of_far_kms_damaged, IM_OPENED, IM_136},
	{"kms_refused_an_initiator_of_another_domain",      im_from_far,               IM_UPLOAD, {488, 0}},
	{"kms_refused_an_initiator_under_another_kms",      im_of_far_kms,             IM_UPLOAD, {488, 0}},
	{"kms_refused_both_under_another_kms",              im_all_far,                IM_UPLOAD, {488, 0}},
	{"kms_unknown_an_initiator_of_another_domain",      im_from_far,               1 << IM_CALL | 1 << IM_DOWNLOAD, IM_136},
	{"kms_unknown_an_initiator_under_another_kms",      im_of_far_kms,             1 << IM_DOWNLOAD, IM_136},
	/* bad-time */
	{"bad_time_330_seconds_old",                        im_too_old,                IM_OPENED, IM_136},
	{"bad_time_330_seconds_ahead",                      im_too_early,              IM_OPENED, IM_136},
	/* bad-identity: 7.2.5 a-i and b-i */
	{"bad_identity_another_initiator",                  im_from_another,           IM_OPENED, IM_136},
	{"bad_identity_another_hidden_initiator",           im_from_another_hidden,    IM_OPENED, IM_136},
	/* bad-signature: 7.2.5 d */
	{"bad_signature_of_another_master_under_our_names", im_forged,                 IM_OPENED, IM_136},
	{"bad_signature_of_somebody_else",                  im_others_signature,       IM_OPENED, IM_136},
	{"bad_signature_over_another_key_id",               im_csb_id_changed,         IM_OPENED, IM_136},
	{"bad_signature_over_another_t",                    im_t_changed,              IM_OPENED, IM_136},
	{"bad_signature_over_another_rand",                 im_rand_changed,           IM_OPENED, IM_136},
	{"bad_signature_over_another_key",                  im_sed_changed,            IM_OPENED, IM_136},
	{"bad_signature_changed",                           im_signature_changed,      IM_OPENED, IM_136},
	/* undecryptable */
	{"undecryptable_made_for_somebody_else",            im_sed_for_another,        IM_OPENED, IM_136},
	{"undecryptable_damaged_before_it_was_signed",      im_sed_damaged,            IM_OPENED, IM_136},
	/* bad-params */
	{"bad_params_expired",                              im_expired,                IM_OPENED, IM_136},
	{"bad_params_that_expire_before_they_begin",        im_expires_first,          IM_OPENED, IM_136},
	{"bad_params_that_do_not_open",                     im_params_damaged,         IM_OPENED, IM_136},
	/* revoked: nothing is there to revoke where a key is only brought; a download's answer is success */
	{"revoked_already",                                 im_revoked,                IM_UPLOAD | 1 << IM_CALL, IM_136},
	{"revoked_a_key_that_is_not_held",                  im_revoked,                1 << IM_DOWNLOAD, {200, 0}},
};
/* clang-format on */
enum { IM_ROWS = sizeof im_rows / sizeof *im_rows };

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Every form of an I_MESSAGE we make, and the tolerated deviations of peers: made, opened, compared. */
#include "lab.h"

/* Offsets in Alice's message to Bob. */
enum { T = 10, RAND = 20, IDRI = 38, IDRR = 63, KMSI = 86, KMSR = 105, SAKKE = 124, SED = 129, SIGN = 402 };

static struct mcsec_im *at_bob(struct lab *lab, const struct message *m)
{
	struct mcsec_im_expect expect = now();
	return opened(&lab->bob, &expect, m);
}

static struct message bobs(void **state)
{
	struct mcsec_im_make what = private_call(*state);
	return made(*state, &what);
}

static void every_purpose_tag_is_made_and_opened_with_its_default_profile(void **state)
{
	struct lab *lab = *state;
	for (int i = 0; i < MCSEC_KEY_KINDS; i++) {
		enum mcsec_key_kind kind = (enum mcsec_key_kind)i;
		struct mcsec_im_make what = private_call(lab);
		struct mcsec_profile want;
		what.kind = kind;
		what.k_id = (uint32_t)i << 28 | 0x0a1b2c3d;
		struct message m = made(lab, &what);
		struct mcsec_im *im = at_bob(lab, &m);
		assert_int_equal(im->kind, kind);
		assert_int_equal(im->k_id, what.k_id);
		assert_memory_equal(im->key, lab->key, sizeof lab->key);
		assert_int_equal(mcsec_profile_default(kind, &want), MCSEC_OK);
		assert_memory_equal(&im->profile, &want, sizeof want);
		assert_int_equal(want.encryption, 6);
		assert_int_equal(want.key_len, 16);
		assert_int_equal(want.salt_len, 12);
		assert_int_equal(want.aead_tag_len, 16);
		assert_int_equal(want.authentication, kind == MCSEC_GMK ? 4 : 0);
		assert_int_equal(want.srtp_tag_len, kind == MCSEC_GMK ? 4 : 0);
		assert_int_equal(want.roc_rate, kind == MCSEC_GMK ? 1 : 0);
		mcsec_im_free(im);
	}
	struct mcsec_profile none;
	assert_int_equal(mcsec_profile_default(MCSEC_KEY_KINDS, &none), MCSEC_E_ARGUMENT);
}

static void a_group_key_carries_the_guk_id_of_its_member(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	uint32_t guk;
	what.kind = MCSEC_GMK;
	what.k_id = 0x0a1b2c3d;
	struct message m = made(lab, &what);
	assert_int_equal(mcsec_guk_id(lab->key, MCSEC_KEY_LEN, what.k_id, BOB, &guk), MCSEC_OK);
	assert_int_not_equal(guk, what.k_id);
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->csb_id, guk);
	assert_int_equal(im->k_id, what.k_id);
	mcsec_im_free(im);
}

static void a_generic_id_map_names_its_sessions_policy_and_mki(void **state)
{
	struct lab *lab = *state;
	static const uint8_t cs[] = {MCSEC_CS_MCPTT_GROUP, MCSEC_CS_MCVIDEO_GROUP};
	struct mcsec_im_make what = private_call(lab);
	what.kind = MCSEC_GMK;
	what.k_id = 0x0a1b2c3d;
	what.cs = cs;
	what.n_cs = 2;
	struct message m = made(lab, &what);
	assert_int_equal(m.octets[8], 2); /* #CS */
	assert_int_equal(m.octets[9], 2); /* GENERIC-ID */
	uint8_t entry[15];
	unhex("040001000000080a1b2c3d", entry, sizeof entry);
	assert_memory_equal(m.octets + 10, entry, 11); /* CS 4, SRTP, policy 0, no session data, SPI of 8 octets */
	assert_memory_equal(m.octets + 21, m.octets + 4, 4); /* GMK-ID | GUK-ID */
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->n_cs, 2);
	assert_int_equal(im->cs[0].cs_id, 4);
	assert_int_equal(im->cs[1].cs_id, 5);
	assert_int_equal(im->profile.authentication, 4);
	assert_int_equal(im->cs[1].profile.roc_rate, 1);
	assert_int_equal(im->notes, 0);
	mcsec_im_free(im);
	m.octets[20] ^= 1; /* the SPI */
	signed_by(lab, &lab->alice, &m);
	im = at_bob(lab, &m);
	assert_int_equal(im->notes, MCSEC_NOTE_SPI);
	mcsec_im_free(im);
}

static void a_policy_without_sessions_replaces_the_default_profile(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_profile profile;
	assert_int_equal(mcsec_profile_default(MCSEC_GMK, &profile), MCSEC_OK);
	profile.roc_rate = 300;
	profile.key_len = 32;
	what.profile = &profile;
	struct message m = made(lab, &what);
	assert_int_equal(m.octets[8], 0);
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->n_cs, 0);
	assert_memory_equal(&im->profile, &profile, sizeof profile);
	mcsec_im_free(im);
}

/* Puts SP payloads in and, if asked, a map; signs as Alice. */
static struct message with_sp(void **state, const char *map, const char *sp)
{
	struct message m = bobs(state);
	m.octets[KMSR] = 10;
	splice(&m, SAKKE, 0, sp);
	splice(&m, 8, 2, map);
	signed_by(*state, &((struct lab *)*state)->alice, &m);
	return m;
}

#define SW_POLICY                                                                                                      \
	"00010601011002010404010c05010006010012010413010014"                                                           \
	"0110"

static void the_policy_a_vendor_sends_with_every_key_is_read(void **state)
{
	struct lab *lab = *state;
	struct message m = with_sp(state, "0001", "1a0000001b" SW_POLICY);
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->profile.authentication, 4);
	assert_int_equal(im->profile.srtp_tag_len, 4);
	assert_int_equal(im->profile.roc_rate, 1); /* type 13 absent: in every packet */
	mcsec_im_free(im);
}

static void of_several_policies_without_sessions_the_lowest_number_counts(void **state)
{
	struct lab *lab = *state;
	struct message m = with_sp(state, "0001",
				   "0a07000003000106"
				   "1a03000006000106010120");
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->profile.key_len, 32);
	mcsec_im_free(im);
}

static void a_session_takes_the_policy_it_names(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct message m = with_sp(state,
				   "0202"
				   "0000020907000004"
				   "1a1b2c3d"
				   "0100000000"
				   "00",
				   "0a07000003000106"
				   "1a09000006000106010120");
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->n_cs, 2);
	assert_int_equal(im->cs[0].profile.key_len, 32); /* policy 9, the first it names */
	assert_int_equal(im->cs[1].profile.key_len, 16); /* names none: the default */
	assert_int_equal(im->profile.key_len, 32);
	mcsec_im_free(im);
	m = with_sp(state,
		    "0102"
		    "00000105000000",
		    "1a07000003000106");
	refused(&lab->bob, &expect, &m, MCSEC_E_MALFORMED, 10); /* policy 5 is not there */
}

static void a_policy_we_cannot_carry_out_is_refused(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	static const char *const bad[] = {
	    "1a00000003000100",               /* NULL encryption */
	    "1a00000003000101",               /* AES-CM */
	    "1a00000003010110",               /* names no encryption */
	    "1a00000006000106010118",         /* key of 24 octets */
	    "1a00000006000106020101",         /* HMAC-SHA-1 */
	    "1a0000000600010604010e",         /* salt of 14 */
	    "1a00000006000106050101",         /* another PRF */
	    "1a00000006000106060101",         /* derivation rate */
	    "1a00000006000106070100",         /* SRTP encryption off */
	    "1a00000006000106080100",         /* SRTCP encryption off */
	    "1a000000060001060a0100",         /* SRTP authentication off */
	    "1a00000006000106090101",         /* FEC order */
	    "1a000000060001060c0101",         /* prefix */
	    "1a000000090001060201040d0100",   /* RCCm3 with rate 0 */
	    "1a0000000900010602010412010a",   /* RCCm3 with a tag of 10 */
	    "1a00000006000106120104",         /* a ROC tag without RCCm3 */
	    "1a0000000600010613010a",         /* SRTCP tag */
	    "1a0000000600010614010c",         /* AEAD tag of 12 */
	    "1a00010003000106",               /* a policy for something else than SRTP */
	    "1a0000000a0001060105ffffffff10", /* a long value whose end looks right */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct message m = with_sp(state, "0001", bad[i]);
		refused(&lab->bob, &expect, &m, MCSEC_E_UNSUPPORTED, SAKKE + 1);
	}
	struct message m = with_sp(state, "0001", "1a0000000c0001060104000000106301aa");
	/* a longer big-endian value and an unknown type are fine */
	mcsec_im_free(at_bob(lab, &m));
}

static void an_srtp_id_map_of_older_peers_is_skipped(void **state)
{
	struct lab *lab = *state;
	struct message m = bobs(state);
	splice(&m, 8, 2,
	       "0200"
	       "000102030400000000"
	       "010506070800000000");
	signed_by(lab, &lab->alice, &m);
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->n_cs, 0);
	assert_int_equal(im->notes, MCSEC_NOTE_SRTP_ID_MAP);
	mcsec_im_free(im);
	m = bobs(state);
	splice(&m, 8, 2, "0000");
	signed_by(lab, &lab->alice, &m);
	mcsec_im_free(at_bob(lab, &m));
}

static void mcx_sec_136_the_v_bit_is_ignored_with_a_note(void **state)
{
	struct lab *lab = *state;
	struct message m = bobs(state);
	m.octets[3] |= 0x80;
	signed_by(lab, &lab->alice, &m);
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->notes, MCSEC_NOTE_V_BIT);
	mcsec_im_free(im);
}

static void mcx_sec_135_reordered_payloads_signed_again_open(void **state)
{
	struct lab *lab = *state;
	struct message m = bobs(state), other = m;
	/* HDR SAKKE ... : the SAKKE payload moved behind the header */
	memcpy(m.octets + 10, other.octets + SAKKE, 278);
	memcpy(m.octets + 10 + 278, other.octets + 10, SAKKE - 10);
	m.octets[2] = 26;
	m.octets[10] = 5;
	m.octets[KMSR + 278] = 4;
	signed_by(lab, &lab->alice, &m);
	mcsec_im_free(at_bob(lab, &m));
}

static void mcx_sec_141_hidden_identities_are_uids_of_both_id_types(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	const char *const from[] = {ALICE}, *const wrong[] = {MDSI};
	uint8_t uid[MCSEC_UID_LEN];
	what.hide_initiator = what.hide_responder = 1;
	struct message m = made(lab, &what);
	assert_int_equal(m.octets[IDRI + 1], 8);
	assert_int_equal(m.octets[IDRI + 2], 2); /* byte string */
	assert_int_equal(m.octets[IDRI + 37 + 1], 9);
	assert_int_equal(mcsec_uid(ALICE, KMS, &lab->kms[0].periods, PERIOD, uid), MCSEC_OK);
	assert_memory_equal(m.octets + IDRI + 5, uid, sizeof uid);
	struct mcsec_im *im = opened(&lab->bob, &expect, &m); /* the peer is not known beforehand */
	assert_null(im->initiator);
	assert_string_equal(im->responder, BOB);
	assert_memory_equal(im->initiator_uid, uid, sizeof uid);
	assert_true(mcsec_im_is_from(im, &lab->bob, ALICE));
	assert_false(mcsec_im_is_from(im, &lab->bob, MDSI));
	mcsec_im_free(im);
	expect.initiators = from;
	expect.n_initiators = 1;
	im = opened(&lab->bob, &expect, &m);
	assert_string_equal(im->initiator, ALICE);
	mcsec_im_free(im);
	expect.initiators = wrong;
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_IDENTITY, IDRI + 5);
	refused(&lab->mdsi, &expect, &m, MCSEC_E_NOT_FOR_US, IDRI + 37 + 5);
	m.octets[IDRI + 2] = m.octets[IDRI + 37 + 2] = 1; /* a sender that calls them URIs */
	signed_by(lab, &lab->alice, &m);
	mcsec_im_free(at_bob(lab, &m));
}

static void a_hidden_responder_under_an_unknown_kms_earns_a_redirect(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	struct mcsec_im_book book = lab->bob;
	what.hide_responder = 1;
	what.responder_kms = FAR_KMS;
	struct message m = made(lab, &what);
	refused(&lab->bob, &expect, &m, MCSEC_E_KMS_REFUSED, IDRR + 37 + 19 + 5);
	book.n_kms = 1;
	refused(&book, &expect, &m, MCSEC_E_KMS_REFUSED, IDRR + 37 + 19 + 5);
}

static void mcx_sec_142_sakke_to_self_opens_at_the_senders_other_device(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	what.responder = CAROL; /* it leaves the system */
	what.responder_kms = FAR_KMS;
	struct message m = made(lab, &what);
	refused(&lab->alice, &expect, &m, MCSEC_E_NOT_FOR_US, IDRR + 5);
	what.to_self = 1;
	m = made(lab, &what);
	struct mcsec_im *im = opened(&lab->alice, &expect, &m);
	assert_memory_equal(im->key, lab->key, sizeof lab->key);
	assert_int_equal(im->notes, MCSEC_NOTE_TO_SELF);
	assert_string_equal(im->responder, CAROL);
	mcsec_im_free(im);
	im = opened(&lab->carol, &expect, &m);
	assert_memory_equal(im->key, lab->key, sizeof lab->key);
	mcsec_im_free(im);
	what.hide_initiator = what.hide_responder = 1;
	m = made(lab, &what);
	im = opened(&lab->alice, &expect, &m);
	assert_null(im->responder);
	mcsec_im_free(im);
}

static void mcx_sec_143_a_self_copy_of_another_key_fails_at_the_key_parameters(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = private_call(lab);
	struct mcsec_im_expect expect = now();
	struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED};
	uint8_t other_key[MCSEC_KEY_LEN] = {9};
	what.responder = CAROL;
	what.responder_kms = FAR_KMS;
	what.to_self = 1;
	what.params = &params;
	struct message m = made(lab, &what);
	what.key = other_key;
	struct message other = made(lab, &what);
	size_t self = SIGN + 4 + 4 + 5; /* CAROL and FAR_KMS are 4 octets longer */
	assert_int_equal(m.octets[self - 5 - 4 + 1], 6);
	memcpy(m.octets + self, other.octets + self, MCSEC_SED_LEN);
	signed_by(lab, &lab->alice, &m);
	refused(&lab->alice, &expect, &m, MCSEC_E_BAD_PARAMS, self + MCSEC_SED_LEN + 4 + 35);
	mcsec_im_free(opened(&lab->carol, &expect, &m));
}

static void an_algorithm_list_travels_with_a_csk_upload(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make what = csk_upload(lab);
	struct mcsec_im_expect expect = now();
	struct mcsec_alg_list algs = {MCSEC_SUITE_AES256, {MCSEC_SUITE_AES256, MCSEC_SUITE_AES128}, 2};
	what.algs = &algs;
	struct message m = made(lab, &what);
	struct mcsec_im *im = opened(&lab->mdsi, &expect, &m);
	assert_int_equal(im->algs.selected, MCSEC_SUITE_AES256);
	assert_int_equal(im->algs.n, 2);
	assert_int_equal(im->algs.suites[1], MCSEC_SUITE_AES128);
	mcsec_im_free(im);
	algs.selected = 0x0103;
	assert_int_equal(mcsec_im_make(&lab->all, &what, &lab->rng, m.octets, sizeof m.octets, &m.len),
			 MCSEC_E_ARGUMENT);
}

static void sed_of_272_octets_from_a_peer_opens_with_a_note(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct mcsec_im_make what = private_call(lab);
	uint8_t key[MCSEC_KEY_LEN] = {0};
	struct message m;
	what.key = key;
	do { /* until H begins with a zero octet: 1 key in 256 */
		assert_true(++key[0] || ++key[1]);
		m = made(lab, &what);
	} while (m.octets[SED + 257] != 0);
	splice(&m, SED + 257, 1, "");
	m.octets[SED - 1] = 0x10;
	signed_by(lab, &lab->alice, &m);
	struct mcsec_im *im = at_bob(lab, &m);
	assert_int_equal(im->notes, MCSEC_NOTE_SED_272);
	assert_memory_equal(im->key, key, sizeof key);
	mcsec_im_free(im);
	m.octets[SED + 260] ^= 1; /* 272 octets with a wrong H */
	signed_by(lab, &lab->alice, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_UNDECRYPTABLE, SED);
}

/* ---- what needs a switch ---- */

static struct mcsec_im_book switched(const struct lab *lab, struct mcsec_im_kms *kms, unsigned compat)
{
	struct mcsec_im_book book = lab->bob;
	*kms = lab->kms[0];
	kms->compat = compat;
	book.kms = kms;
	book.n_kms = 1;
	return book;
}

static void a_signature_without_its_two_octets_needs_a_switch(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct mcsec_im_kms kms;
	struct message m = bobs(state);
	uint8_t *sig = m.octets + m.len - MCSEC_SIG_LEN;
	assert_int_equal(mcsec_eccsi_sign(lab->alice.own[0].keys, &lab->rng, m.octets, m.len - MCSEC_SIG_LEN - 2, sig),
			 MCSEC_OK);
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_SIGNATURE, SIGN + 2);
	struct mcsec_im_book book = switched(lab, &kms, MCSEC_COMPAT_SHORT_SIGN);
	struct mcsec_im *im = opened(&book, &expect, &m);
	assert_int_equal(im->notes, MCSEC_NOTE_SHORT_SIGN);
	mcsec_im_free(im);
	m.octets[m.len - 1] ^= 1;
	refused(&book, &expect, &m, MCSEC_E_BAD_SIGNATURE, SIGN + 2);
	m = bobs(state);
	im = opened(&book, &expect, &m);
	assert_int_equal(im->notes, 0);
	mcsec_im_free(im);
}

static void id_scheme_1_needs_a_switch(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct mcsec_im_kms kms;
	struct message m = bobs(state);
	m.octets[SAKKE + 2] = 1;
	signed_by(lab, &lab->alice, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_UNSUPPORTED, SAKKE + 2);
	struct mcsec_im_book book = switched(lab, &kms, MCSEC_COMPAT_ID_SCHEME_1);
	struct mcsec_im *im = opened(&book, &expect, &m);
	assert_int_equal(im->notes, MCSEC_NOTE_ID_SCHEME_1);
	mcsec_im_free(im);
}

static void a_nul_behind_a_uri_needs_a_switch(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct mcsec_im_kms kms;
	struct mcsec_im_book book = switched(lab, &kms, MCSEC_COMPAT_NUL_URI);
	static const size_t ids[] = {KMSR, KMSI, IDRR, IDRI}, ends[] = {SAKKE, KMSR, KMSI, IDRR};
	for (size_t i = 0; i < 4; i++) {
		struct message m = bobs(state);
		splice(&m, ends[i], 0, "00");
		m.octets[ids[i] + 4]++;
		signed_by(lab, &lab->alice, &m);
		refused(&lab->bob, &expect, &m, MCSEC_E_MALFORMED, ends[i]);
		struct mcsec_im *im = opened(&book, &expect, &m);
		assert_int_equal(im->notes, MCSEC_NOTE_NUL_URI);
		assert_string_equal(im->initiator, ALICE);
		assert_string_equal(im->responder_kms, KMS);
		mcsec_im_free(im);
	}
}

static void legacy_key_parameters_need_a_switch(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_expect expect = now();
	struct mcsec_im_kms kms;
	struct mcsec_im_book book = switched(lab, &kms, MCSEC_COMPAT_LEGACY_PARAMS);
	struct message m = bobs(state);
	m.octets[SAKKE] = 21;
	splice(&m, SIGN, 0,
	       "04070011"
	       "0200000001000000000000000000000000"); /* bare, with another key type */
	signed_by(lab, &lab->alice, &m);
	refused(&lab->bob, &expect, &m, MCSEC_E_BAD_PARAMS, SIGN + 4);
	struct mcsec_im *im = opened(&book, &expect, &m);
	assert_int_equal(im->notes, MCSEC_NOTE_LEGACY_PARAMS);
	assert_int_equal(im->has_params, 0);
	mcsec_im_free(im);
}

/* ---- what is not made ---- */

static void what_cannot_be_made_is_refused_with_nothing_written(void **state)
{
	struct lab *lab = *state;
	struct mcsec_im_make good = private_call(lab), what;
	struct mcsec_profile profile = {.encryption = 1};
	uint8_t out[MCSEC_IM_MAX];
	size_t n = 1;
	static const uint8_t cs[MCSEC_CS_MAX + 1];
#define FAILS(change, err)                                                                                             \
	what = good;                                                                                                   \
	change;                                                                                                        \
	assert_int_equal(mcsec_im_make(&lab->all, &what, &lab->rng, out, sizeof out, &n), err);                        \
	assert_int_equal(n, 0)
	FAILS(what.k_id = 0x2a1b2c3d, MCSEC_E_ARGUMENT); /* tag and kind */
	FAILS(what.kind = MCSEC_KEY_KINDS, MCSEC_E_ARGUMENT);
	FAILS(what.key = NULL, MCSEC_E_ARGUMENT);
	FAILS((what.cs = cs, what.n_cs = MCSEC_CS_MAX + 1), MCSEC_E_ARGUMENT);
	FAILS(what.profile = &profile, MCSEC_E_ARGUMENT);
	FAILS(what.responder = "", MCSEC_E_ARGUMENT);
	FAILS(what.initiator_kms = "kms.nowhere", MCSEC_E_KMS_REFUSED);
	FAILS(what.responder_kms = "kms.nowhere", MCSEC_E_KMS_REFUSED);
	FAILS(what.initiator = "sip:mallory@mc.example", MCSEC_E_NO_KEYS);
	FAILS(what.time += 30 * 2592000, MCSEC_E_NO_KEYS); /* no key set for that period */
	assert_int_equal(mcsec_im_make(&lab->all, &good, &lab->rng, out, 300, &n), MCSEC_E_NO_SPACE);
	assert_int_equal(mcsec_im_make(&lab->all, &good, &lab->rng, out, 532, &n), MCSEC_E_NO_SPACE);
	assert_int_equal(mcsec_im_make(&lab->all, &good, &lab->rng, out, 533, &n), MCSEC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_purpose_tag_is_made_and_opened_with_its_default_profile),
	    cmocka_unit_test(a_group_key_carries_the_guk_id_of_its_member),
	    cmocka_unit_test(a_generic_id_map_names_its_sessions_policy_and_mki),
	    cmocka_unit_test(a_policy_without_sessions_replaces_the_default_profile),
	    cmocka_unit_test(the_policy_a_vendor_sends_with_every_key_is_read),
	    cmocka_unit_test(of_several_policies_without_sessions_the_lowest_number_counts),
	    cmocka_unit_test(a_session_takes_the_policy_it_names),
	    cmocka_unit_test(a_policy_we_cannot_carry_out_is_refused),
	    cmocka_unit_test(an_srtp_id_map_of_older_peers_is_skipped),
	    cmocka_unit_test(mcx_sec_136_the_v_bit_is_ignored_with_a_note),
	    cmocka_unit_test(mcx_sec_135_reordered_payloads_signed_again_open),
	    cmocka_unit_test(mcx_sec_141_hidden_identities_are_uids_of_both_id_types),
	    cmocka_unit_test(a_hidden_responder_under_an_unknown_kms_earns_a_redirect),
	    cmocka_unit_test(mcx_sec_142_sakke_to_self_opens_at_the_senders_other_device),
	    cmocka_unit_test(mcx_sec_143_a_self_copy_of_another_key_fails_at_the_key_parameters),
	    cmocka_unit_test(an_algorithm_list_travels_with_a_csk_upload),
	    cmocka_unit_test(sed_of_272_octets_from_a_peer_opens_with_a_note),
	    cmocka_unit_test(a_signature_without_its_two_octets_needs_a_switch),
	    cmocka_unit_test(id_scheme_1_needs_a_switch),
	    cmocka_unit_test(a_nul_behind_a_uri_needs_a_switch),
	    cmocka_unit_test(legacy_key_parameters_need_a_switch),
	    cmocka_unit_test(what_cannot_be_made_is_refused_with_nothing_written),
	};
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

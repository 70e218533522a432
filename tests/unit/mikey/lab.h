/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab.h - two KMSs, three identities with their key sets, and ready-made messages for the tests of I_MESSAGEs.
 *
 * kms.mc.example has the published secrets of the RFC vectors and periods of 30 days; kms.far.example has its own, with
 * periods of 28 days and an offset. The time is that of the worked example: NTP 3968438400, in period 1531.
 */
#ifndef TEST_MIKEY_LAB_H
#define TEST_MIKEY_LAB_H

#include "unit/test.h"

#include "mcsec/mikey.h"
#include "sec/base/bytes.h"

#define NOW     UINT64_C(3968438400)
#define PERIOD  UINT64_C(1531)
#define KMS     "kms.mc.example"
#define FAR_KMS "kms.far.example"
#define ALICE   "sip:alice@mc.example"
#define BOB     "sip:bob@mc.example"
#define MDSI    "mdsi.mc.example"
#define CAROL   "sip:carol@far.example"
#define CSK_ID  UINT32_C(0x2a1b2c3d)

enum { LAB_OWN = 16 };

struct lab {
	uint8_t counter;
	uint64_t issued;
	struct mcsec_rng rng;
	struct mcsec_master *master, *far_master;
	struct mcsec_im_kms kms[2];
	struct mcsec_im_own own[LAB_OWN];
	struct mcsec_keyset *keys[LAB_OWN];
	size_t n;
	struct mcsec_im_book alice, bob, mdsi, carol, all; /* what each of them holds */
	uint8_t key[MCSEC_KEY_LEN], rand[MCSEC_RAND_LEN];
};

/* Not random, but never the same twice in a row. */
static inline enum mcsec_err lab_fill(void *ctx, uint8_t *out, size_t n)
{
	struct lab *lab = ctx;
	for (size_t i = 0; i < n; i++)
		out[i] = lab->counter++;
	return MCSEC_OK;
}

static inline void lab_own(struct lab *lab, struct mcsec_master *master, const struct mcsec_im_kms *kms,
			   const char *uri, uint64_t period)
{
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued set;
	assert_true(lab->n < LAB_OWN);
	assert_int_equal(mcsec_uid(uri, kms->uri, &kms->periods, period, uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(master, &lab->rng, lab->issued++, uid, sizeof uid, &set), MCSEC_OK);
	struct mcsec_keyset *keys;
	assert_int_equal(mcsec_keyset_new(&keys, kms->kms, uid, sizeof uid, set.ssk, set.pvt, set.rsk), MCSEC_OK);
	lab->keys[lab->n] = keys;
	lab->own[lab->n++] = (struct mcsec_im_own){uri, kms->uri, period, keys};
}

static inline struct mcsec_im_book lab_book(const struct lab *lab, size_t first, size_t n)
{
	return (struct mcsec_im_book){.kms = lab->kms, .n_kms = 2, .own = lab->own + first, .n_own = n};
}

static inline struct mcsec_kms *lab_kms(struct mcsec_master *master)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	struct mcsec_kms *kms;
	mcsec_master_public(master, kpak, z_pub);
	assert_int_equal(mcsec_kms_new(&kms, kpak, z_pub), MCSEC_OK);
	return kms;
}

static inline int lab_setup(void **state)
{
	static const char *const domains[] = {"mc.example"}, *const far_domains[] = {"far.example"};
	struct lab *lab = calloc(1, sizeof *lab);
	uint8_t ksak[MCSEC_KSAK_LEN] = {0}, z[MCSEC_ZT_LEN] = {0};
	assert_non_null(lab);
	lab->rng = (struct mcsec_rng){lab_fill, lab};
	unhex("012345", ksak + 29, 3);
	unhex("AFF429D35F84B110D094803B3595A6E2998BC99F", z + 108, 20);
	assert_int_equal(mcsec_master_load(&lab->master, ksak, z), MCSEC_OK);
	assert_int_equal(mcsec_master_generate(&lab->far_master, &lab->rng), MCSEC_OK);
	lab->kms[0] = (struct mcsec_im_kms){
	    .uri = KMS, .kms = lab_kms(lab->master), .periods = {2592000, 0}, .domains = domains, .n_domains = 1};
	lab->kms[1] = (struct mcsec_im_kms){.uri = FAR_KMS,
					    .kms = lab_kms(lab->far_master),
					    .periods = {2419200, 86400},
					    .domains = far_domains,
					    .n_domains = 1};
	uint64_t far_period;
	assert_int_equal(mcsec_period_number(&lab->kms[1].periods, NOW, &far_period), MCSEC_OK);
	lab_own(lab, lab->master, &lab->kms[0], ALICE, PERIOD);
	lab_own(lab, lab->master, &lab->kms[0], BOB, PERIOD);
	lab_own(lab, lab->master, &lab->kms[0], BOB, PERIOD + 1);
	lab_own(lab, lab->master, &lab->kms[0], MDSI, PERIOD);
	lab_own(lab, lab->far_master, &lab->kms[1], CAROL, far_period);
	lab->alice = lab_book(lab, 0, 1);
	lab->bob = lab_book(lab, 1, 2);
	lab->mdsi = lab_book(lab, 3, 1);
	lab->carol = lab_book(lab, 4, 1);
	lab->all = lab_book(lab, 0, lab->n);
	unhex("000102030405060708090a0b0c0d0e0f", lab->key, sizeof lab->key);
	unhex("101112131415161718191a1b1c1d1e1f", lab->rand, sizeof lab->rand);
	*state = lab;
	return 0;
}

static inline int lab_teardown(void **state)
{
	struct lab *lab = *state;
	for (size_t i = 0; i < lab->n; i++)
		mcsec_keyset_free(lab->keys[i]);
	for (size_t i = 0; i < 2; i++)
		mcsec_kms_free(lab->kms[i].kms);
	mcsec_master_free(lab->master);
	mcsec_master_free(lab->far_master);
	free(lab);
	return 0;
}

struct message {
	uint8_t octets[MCSEC_IM_MAX + 64];
	size_t len;
};

/* Alice to the server: the CSK upload of the worked example, but for its signature. */
static inline struct mcsec_im_make csk_upload(const struct lab *lab)
{
	return (struct mcsec_im_make){.kind = MCSEC_CSK,
				      .k_id = CSK_ID,
				      .key = lab->key,
				      .rand = lab->rand,
				      .time = NOW,
				      .initiator = ALICE,
				      .initiator_kms = KMS,
				      .responder = MDSI,
				      .responder_kms = KMS};
}

/* Alice to Bob: the key of a private call. */
static inline struct mcsec_im_make private_call(const struct lab *lab)
{
	struct mcsec_im_make what = csk_upload(lab);
	what.kind = MCSEC_PCK;
	what.k_id = UINT32_C(0x1a1b2c3d);
	what.responder = BOB;
	return what;
}

static inline struct message made(struct lab *lab, const struct mcsec_im_make *what)
{
	struct message m;
	assert_int_equal(mcsec_im_make(&lab->all, what, &lab->rng, m.octets, sizeof m.octets, &m.len), MCSEC_OK);
	return m;
}

static inline struct mcsec_im_expect now(void)
{
	return (struct mcsec_im_expect){.now = NOW};
}

/* Opens and must succeed. */
static inline struct mcsec_im *opened(const struct mcsec_im_book *book, const struct mcsec_im_expect *expect,
				      const struct message *m)
{
	struct mcsec_im *im;
	struct mcsec_fault fault;
	enum mcsec_err err = mcsec_im_open(book, expect, m->octets, m->len, &im, &fault);
	if (err)
		print_error("refused: %s at %zu (%s: %s)\n", mcsec_err_name(err), fault.offset, fault.clause,
			    fault.detail);
	assert_int_equal(err, MCSEC_OK);
	assert_int_equal(fault.code, MCSEC_OK);
	assert_non_null(im->key);
	return im;
}

/* Opens and must be refused, with this code at this offset. */
static inline void refused(const struct mcsec_im_book *book, const struct mcsec_im_expect *expect,
			   const struct message *m, enum mcsec_err code, size_t offset)
{
	struct mcsec_im *im;
	struct mcsec_fault fault;
	enum mcsec_err err = mcsec_im_open(book, expect, m->octets, m->len, &im, &fault);
	if (err != code || fault.offset != offset)
		print_error("%s at %zu: %s\n", mcsec_err_name(err), fault.offset, fault.detail);
	assert_int_equal(err, code);
	assert_int_equal(fault.code, code);
	assert_int_equal(fault.offset, offset);
	assert_true(strlen(fault.clause) > 0 && strlen(fault.detail) > 0);
	assert_null(im);
}

/* Replace `gone` octets at `at` by these. */
static inline void splice(struct message *m, size_t at, size_t gone, const char *hex)
{
	uint8_t with[2048];
	size_t n = unhex(hex, with, sizeof with);
	assert_true(at + gone <= m->len && m->len - gone + n <= sizeof m->octets);
	memmove(m->octets + at + n, m->octets + at + gone, m->len - at - gone);
	memcpy(m->octets + at, with, n);
	m->len = m->len - gone + n;
}

/* Sign again, as Alice or whose key set it is. */
static inline void signed_by(struct lab *lab, const struct mcsec_im_book *who, struct message *m)
{
	uint8_t *sig = m->octets + m->len - MCSEC_SIG_LEN;
	assert_int_equal(mcsec_eccsi_sign(who->own[0].keys, &lab->rng, m->octets, m->len - MCSEC_SIG_LEN, sig),
			 MCSEC_OK);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make.c - an I_MESSAGE made (TS 33.180 E.1 to E.7, RFC 6509).
 *
 * The payloads stand in the order of the clause. Both key periods are those that contain the time in T. The signature
 * is made last, over everything before it.
 */
#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/mikey/message.h"

struct making {
	const struct mcsec_im_make *what;
	const struct mcsec_im_kms *kms_i, *kms_r;
	const struct mcsec_keyset *signer;
	uint8_t uid_i[MCSEC_UID_LEN], uid_r[MCSEC_UID_LEN];
	uint8_t rand[MCSEC_RAND_LEN];
	uint8_t mki[8];
	size_t mki_len;
	uint32_t csb_id;
	struct mcsec_profile profile;
};

static int what_is_valid(const struct mcsec_im_make *what)
{
	return (unsigned)what->kind < MCSEC_KEY_KINDS && mcsec_kid_tag(what->k_id) == what->kind && what->key &&
	       what->initiator && what->initiator_kms && what->responder && what->responder_kms &&
	       what->n_cs <= MCSEC_CS_MAX && what->time >= MCSEC_NTP_UNIX && (!what->n_cs || what->cs) &&
	       (!what->algs || mikey_algs_valid(what->algs));
}

/* A profile the receiver would refuse is not sent. */
static enum mcsec_err choose_profile(struct making *mk)
{
	struct mikey_sp sp;
	struct mcsec_profile back;
	if (!mk->what->profile)
		return mcsec_profile_default(mk->what->kind, &mk->profile);
	mk->profile = *mk->what->profile;
	profile_to_sp(&mk->profile, 0, &sp);
	return profile_from_sp(&sp, &back) ? MCSEC_E_ARGUMENT : MCSEC_OK;
}

static enum mcsec_err find_keys(struct making *mk, const struct mcsec_im_book *book)
{
	const struct mcsec_im_make *what = mk->what;
	uint64_t period;
	mk->kms_i = book_kms(book, octets_of(what->initiator_kms));
	mk->kms_r = book_kms(book, octets_of(what->responder_kms));
	if (!mk->kms_i || !mk->kms_r ||
	    MCX_FAULT(im.made_for_expired, mk->kms_r->valid_to && what->time > mk->kms_r->valid_to))
		return MCSEC_E_KMS_REFUSED;
	if (mcsec_period_number(&mk->kms_i->periods, what->time, &period))
		return MCSEC_E_NO_KEYS;
	const struct mcsec_im_own *own = book_own(book, what->initiator, what->initiator_kms, period);
	if (!own)
		return MCSEC_E_NO_KEYS;
	mk->signer = own->keys;
	if (book_uid(mk->kms_i, what->initiator, what->time, mk->uid_i) ||
	    book_uid(mk->kms_r, what->responder, what->time, mk->uid_r))
		return MCSEC_E_ARGUMENT;
	return MCSEC_OK;
}

/* CSB ID and MKI: for a GMK the GUK-ID of the responder, and GMK-ID | GUK-ID. */
static enum mcsec_err identify(struct making *mk)
{
	const struct mcsec_im_make *what = mk->what;
	struct writer w = wr_init(mk->mki, sizeof mk->mki);
	enum mcsec_err err = MCSEC_OK;
	mk->csb_id = what->k_id;
	if (what->kind == MCSEC_GMK) {
		err = mcsec_guk_id(what->key, MCSEC_KEY_LEN, what->k_id, what->responder, &mk->csb_id);
		wr_u32(&w, what->k_id);
	}
	wr_u32(&w, mk->csb_id);
	mk->mki_len = wr_len(&w);
	return err;
}

static enum mcsec_err prepare(struct making *mk, const struct mcsec_im_book *book, const struct mcsec_rng *rng)
{
	if (!what_is_valid(mk->what))
		return MCSEC_E_ARGUMENT;
	enum mcsec_err err = choose_profile(mk);
	if (!err)
		err = find_keys(mk, book);
	if (!err)
		err = identify(mk);
	if (err)
		return err;
	if (mk->what->rand)
		memcpy(mk->rand, mk->what->rand, sizeof mk->rand);
	else if (rng->fill(rng->ctx, mk->rand, sizeof mk->rand))
		return MCSEC_E_RANDOM;
	return MCSEC_OK;
}

static void write_head(struct mikey_out *out, const struct making *mk)
{
	const struct mcsec_im_make *what = mk->what;
	struct mikey_hdr hdr = {.csb_id = mk->csb_id, .n_cs = (uint8_t)what->n_cs};
	for (size_t i = 0; i < what->n_cs; i++)
		hdr.cs[i] = (struct mikey_cs){.cs_id = what->cs[i], .spi = {mk->mki, mk->mki_len}};
	mikey_hdr_write(out, &hdr);
	mikey_t_write(out, mcsec_ntp_fold(what->time, what->fraction));
	mikey_rand_write(out, OCTETS(mk->rand));
	if (what->hide_initiator)
		mikey_idr_write(out, MIKEY_IDRUIDI, OCTETS(mk->uid_i));
	else
		mikey_idr_write(out, MIKEY_IDRI, octets_of(what->initiator));
	if (what->hide_responder)
		mikey_idr_write(out, MIKEY_IDRUIDR, OCTETS(mk->uid_r));
	else
		mikey_idr_write(out, MIKEY_IDRR, octets_of(what->responder));
	mikey_idr_write(out, MIKEY_IDRKMSI, octets_of(mk->kms_i->uri));
	mikey_idr_write(out, MIKEY_IDRKMSR, octets_of(mk->kms_r->uri));
	if (what->n_cs || what->profile) {
		struct mikey_sp sp;
		profile_to_sp(&mk->profile, 0, &sp);
		mikey_sp_write(out, &sp);
	}
}

static enum mcsec_err encapsulate(const struct mcsec_im_kms *kms, const uint8_t uid[MCSEC_UID_LEN],
				  const uint8_t key[MCSEC_KEY_LEN], uint8_t sed[MCSEC_SED_LEN])
{
	struct mcsec_identity *to;
	enum mcsec_err err = mcsec_identity_new(&to, kms->kms, uid, MCSEC_UID_LEN);
	if (err)
		return err;
	err = mcsec_sakke_encapsulate(to, key, sed);
	mcsec_identity_free(to);
	return err;
}

static enum mcsec_err write_key(struct mikey_out *out, const struct making *mk, const struct mcsec_rng *rng)
{
	const struct mcsec_im_make *what = mk->what;
	uint8_t sed[MCSEC_SED_LEN];
	enum mcsec_err err = encapsulate(mk->kms_r, mk->uid_r, what->key, sed);
	if (err)
		return err;
	mikey_sakke_write(out, sed);
	if (what->to_self) {
		err = encapsulate(mk->kms_i, mk->uid_i, what->key, sed);
		uint8_t *length = mikey_gen_begin(out, MIKEY_GEN_TO_SELF);
		struct mikey_out inner = {.w = out->w};
		mikey_sakke_write(&inner, sed);
		out->w = inner.w;
		mikey_gen_end(out, length);
	}
	if (!err && what->params)
		err = params_write(out, what->kind, mk->csb_id, what->key, what->params, what->time - MCSEC_NTP_UNIX,
				   rng);
	if (!err && what->algs)
		mikey_algs_write(out, what->algs);
	return err;
}

enum mcsec_err mcsec_im_make(const struct mcsec_im_book *book, const struct mcsec_im_make *what,
			     const struct mcsec_rng *rng, uint8_t *out, size_t out_size, size_t *out_len)
{
	struct making mk = {.what = what};
	struct mikey_out o = {.w = wr_init(out, out_size < MCSEC_IM_MAX ? out_size : MCSEC_IM_MAX)};
	*out_len = 0;
	enum mcsec_err err = prepare(&mk, book, rng);
	if (err)
		return err;
	write_head(&o, &mk);
	err = write_key(&o, &mk, rng);
	if (err)
		return err;
	uint8_t *sig = mikey_sign_write(&o);
	if (!sig)
		return o.w.err;
	err = mcsec_eccsi_sign(mk.signer, rng, out, (size_t)(sig - out), sig);
	if (!err)
		*out_len = wr_len(&o.w);
	return err;
}

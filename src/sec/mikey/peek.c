/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peek.c - an I_MESSAGE looked at without keys: for a server that forwards it, routes by it or answers with a redirect.
 *
 * It reads with the very reader that opening uses, so a message that peek refuses is one that nobody can open.
 */
#include "sec/mikey/message.h"

static struct mcsec_slice slice(const struct mikey_idr *idr)
{
	return (struct mcsec_slice){idr->id.p, idr->id.len};
}

enum mcsec_err mcsec_im_peek(const uint8_t *msg, size_t len, struct mcsec_im_peek *out, struct mcsec_fault *fault)
{
	struct mikey_in in = mikey_in_of((struct octets){msg, len});
	struct mikey_message m;
	struct mcsec_fault unwanted;
	*out = (struct mcsec_im_peek){0};
	enum mcsec_err err = mikey_message_read(&in, &m);
	mikey_fault(&in, fault ? fault : &unwanted);
	if (err)
		return err;
	out->csb_id = m.hdr.csb_id;
	out->tag = mcsec_kid_tag(m.hdr.csb_id);
	out->ntp = m.ntp;
	out->time = mcsec_ntp_unfold(m.ntp, UINT64_C(1) << 32);
	out->initiator = slice(mikey_initiator(&m));
	out->responder = slice(mikey_responder(&m));
	out->initiator_kms = slice(&m.idr[MIKEY_IDRKMSI]);
	out->responder_kms = slice(&m.idr[MIKEY_IDRKMSR]);
	out->initiator_hidden = mikey_initiator(&m)->role == MIKEY_IDRUIDI;
	out->responder_hidden = mikey_responder(&m)->role == MIKEY_IDRUIDR;
	out->to_self = m.to_self.sed.p != NULL;
	out->algs = m.algs;
	return MCSEC_OK;
}

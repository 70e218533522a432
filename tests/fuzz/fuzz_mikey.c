/* SPDX-License-Identifier: Apache-2.0 */
/* I_MESSAGEs: every field told lies inside the message, in order; a peek points inside; nothing opens without keys. */
#include "fuzz/fuzz.h"
#include "mcsec/mikey.h"
#include "sec/mikey/message.h"

struct seen {
	size_t size, last;
};

static void field(void *ctx, size_t at, size_t len, const char *name)
{
	struct seen *s = ctx;
	HOLDS(at <= s->size && len <= s->size - at && name);
	HOLDS(at >= s->last || len == 0);
	s->last = at;
}

static int slice_inside(struct mcsec_slice s, const uint8_t *p, size_t len)
{
	return inside((struct octets){s.p, s.len}, p, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mikey_message m;
	struct seen seen = {size, 0};
	struct mikey_in in = mikey_in_of((struct octets){data, size});
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	in.field = field;
	in.field_ctx = &seen;
	enum mcsec_err read = mikey_message_read(&in, &m);
	HOLDS(mikey_fault(&in, &fault) == read);
	HOLDS(read == MCSEC_OK || fault.offset == MCSEC_NO_OFFSET || fault.offset <= size);
	HOLDS((mcsec_im_peek(data, size, &peek, &fault) == MCSEC_OK) == (read == MCSEC_OK));
	if (read == MCSEC_OK) {
		HOLDS(slice_inside(peek.initiator, data, size) && slice_inside(peek.responder, data, size) &&
		      slice_inside(peek.initiator_kms, data, size) && slice_inside(peek.responder_kms, data, size));
		HOLDS(m.sign.signed_len + MCSEC_SIG_LEN == size);
	}
	const struct mcsec_im_book nobody = {0};
	const struct mcsec_im_expect expect = {.now = UINT64_C(3968352000)};
	struct mcsec_im *im = NULL;
	HOLDS(mcsec_im_open(&nobody, &expect, data, size, &im, &fault) != MCSEC_OK && !im);
	return 0;
}

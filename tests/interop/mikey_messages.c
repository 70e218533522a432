/* SPDX-License-Identifier: Apache-2.0 */
/* mikey_messages.c - prints messages as `name hex`, one a line, for the dissector of test_mikey_tshark.py. */
#include "unit/mikey/lab.h"

static void show(struct lab *lab, const char *name, const struct mcsec_im_make *what)
{
	struct message m = made(lab, what);
	char hex[HEX_SIZE(MCSEC_IM_MAX)];
	hex_encode((struct octets){m.octets, m.len}, hex);
	printf("%s %s\n", name, hex);
}

int main(void)
{
	static const struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED, .text = "day key"};
	static const struct mcsec_alg_list algs = {MCSEC_SUITE_AES128, {MCSEC_SUITE_AES128}, 1};
	struct mcsec_profile profile;
	void *state;
	lab_setup(&state);
	struct lab *lab = state;
	struct mcsec_im_make what = csk_upload(lab);
	show(lab, "upload", &what);
	what.algs = &algs;
	what.hide_initiator = 1;
	show(lab, "hidden", &what);
	what = private_call(lab);
	what.to_self = 1;
	what.params = &params;
	if (mcsec_profile_default(MCSEC_GMK, &profile) != MCSEC_OK)
		return 1;
	what.profile = &profile;
	show(lab, "call", &what);
	lab_teardown(&state);
	return 0;
}

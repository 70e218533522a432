/* SPDX-License-Identifier: Apache-2.0 */
/* SRTP and SRTCP: no octets of a stranger open; the same octets, protected by us, open as they were. */
#include "fuzz/fuzz.h"
#include "mcx/media/rtp.h"
#include "mcx/media/srtp.h"

static const struct srtp_master master = {.mki = {1, 2, 3, 4}, .key = {5, 6, 7}, .salt = {8, 9}};

static int find(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	(void)ctx;
	*out = master;
	memcpy(out->mki, mki, 4); /* any identifier finds the key: only the tag stands between */
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sealed[SRTP_MAX_PACKET], open[SRTP_MAX_PACKET];
	size_t n = 0, m = 0;
	struct octets in = {data, size};
	if (size > SRTP_MAX_PACKET)
		return 0;
	const struct srtp_policy policy = {16, 4, size ? data[size - 1] & 3 : 0};
	const struct srtp_receiver_options o = {
	    .policy = policy, .find = find, .max_streams = 2, .either_layout = size & 1, .roc_tries = 3};
	struct srtp_receiver *r = srtp_receiver_new(&o);
	HOLDS(r);
	HOLDS(rtp_unprotect(r, in, open, sizeof open, &n) != SRTP_OK && n == 0);
	HOLDS(rtcp_unprotect(r, in, open, sizeof open, &n) != SRTP_OK && n == 0);
	struct octets rest = in, packet;
	while (srtcp_split(r, &rest, &packet))
		HOLDS(inside(packet, data, size) && packet.len > 0);
	struct rtp_packet plain;
	if (rtp_read(in, &plain) == MCSEC_OK) {
		HOLDS(inside(plain.payload, data, size));
		struct srtp_sender *s = srtp_sender_new(&policy, &master, plain.ssrc, 0);
		if (rtp_protect(s, in, sealed, sizeof sealed, &n) == SRTP_OK) {
			HOLDS(rtp_unprotect(r, (struct octets){sealed, n}, open, sizeof open, &m) == SRTP_OK);
			HOLDS(m == size && memcmp(open, data, size) == 0);
			HOLDS(rtp_unprotect(r, (struct octets){sealed, n}, open, sizeof open, &m) != SRTP_OK);
		}
		srtp_sender_free(s);
	}
	srtp_receiver_free(r);
	return 0;
}

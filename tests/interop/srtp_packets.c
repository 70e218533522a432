/* SPDX-License-Identifier: Apache-2.0 */
/* srtp_packets.c - prints SRTP packets with the values their RTP headers were written with, one a line, for tshark. */
#include <stdio.h>
#include <string.h>

#include "mcx/media/rtp.h"
#include "mcx/media/srtp.h"

static void print(const char *name, const uint8_t *p, size_t n)
{
	printf(" %s=", name);
	for (size_t i = 0; i < n; i++)
		printf("%02x", p[i]);
}

int main(void)
{
	const struct srtp_policy policy = {.key_len = 16, .mki_len = 4};
	struct srtp_master master = {.mki = {0x1a, 0x1b, 0x2c, 0x3d}, .key = "a key of a test", .salt = "and a salt"};
	static const struct rtp_packet rows[] = {
	    {.payload_type = 101, .marker = 1, .seq = 1, .timestamp = 960, .ssrc = 0x01020304},
	    {.payload_type = 101, .marker = 0, .seq = 2, .timestamp = 1920, .ssrc = 0x01020304},
	    {.payload_type = 101, .marker = 0, .seq = 4, .timestamp = 4000000000u, .ssrc = 0x01020304},
	};
	struct srtp_sender *s = srtp_sender_new(&policy, &master, rows[0].ssrc, 0);
	for (size_t i = 0; s && i < sizeof rows / sizeof *rows; i++) {
		uint8_t plain[200], out[SRTP_MAX_PACKET + SRTP_MAX_TRAILER];
		size_t n = 0;
		struct rtp_packet p = rows[i];
		p.payload = octets_of("what is said, as the codec writes it");
		struct writer w = wr_init(plain, sizeof plain);
		rtp_write(&w, &p);
		if (rtp_protect(s, wr_result(&w), out, sizeof out, &n))
			return 1;
		printf("marker=%d type=%u seq=%u timestamp=%u ssrc=%08x", p.marker, p.payload_type, p.seq, p.timestamp,
		       p.ssrc);
		print("payload", p.payload.p, p.payload.len);
		print("packet", out, n);
		putchar('\n');
	}
	srtp_sender_free(s);
	return s ? 0 : 1;
}

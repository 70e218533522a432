/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kid.c - key identifiers, purpose tags and crypto sessions (TS 33.180 5.2.3, E.1.3, annex G).
 *
 * A K-ID that is live is never drawn again. The random source is asked a bounded number of times, so that a broken
 * one ends in an error and not in a loop.
 */
#include "mcsec/kdf.h"
#include "sec/base/bytes.h"

enum { DRAWS = 64 };

static const struct {
	const char *name;
	uint8_t mcptt, mcvideo; /* CS ID of the streams it protects; a PCK's receiver uses the one after */
} kinds[MCSEC_KEY_KINDS] = {
    [MCSEC_GMK] = {"GMK", MCSEC_CS_MCPTT_GROUP, MCSEC_CS_MCVIDEO_GROUP},
    [MCSEC_PCK] = {"PCK", MCSEC_CS_MCPTT_PRIVATE_INITIATOR, MCSEC_CS_MCVIDEO_PRIVATE_INITIATOR},
    [MCSEC_CSK] = {"CSK", MCSEC_CS_MCPTT_UNICAST_SRTCP, MCSEC_CS_MCVIDEO_UNICAST_SRTCP},
    /* no row of the table names the next three: the stream is the same as under a CSK or a MuSiK */
    [MCSEC_SPK] = {"SPK", MCSEC_CS_MCPTT_UNICAST_SRTCP, MCSEC_CS_MCVIDEO_UNICAST_SRTCP},
    [MCSEC_MKFC] = {"MKFC", MCSEC_CS_MCPTT_MULTICAST_SRTCP, MCSEC_CS_MCVIDEO_MULTICAST_SRTCP},
    [MCSEC_MSCCK] = {"MSCCK", MCSEC_CS_MCPTT_MULTICAST_SRTCP, MCSEC_CS_MCVIDEO_MULTICAST_SRTCP},
    [MCSEC_MUSIK] = {"MuSiK", MCSEC_CS_MCPTT_MULTICAST_SRTCP, MCSEC_CS_MCVIDEO_MULTICAST_SRTCP},
};

const char *mcsec_key_kind_name(unsigned tag)
{
	return tag < MCSEC_KEY_KINDS ? kinds[tag].name : NULL;
}

enum mcsec_err mcsec_kid_new(enum mcsec_key_kind kind, const struct mcsec_rng *rng, mcsec_kid_in_use *in_use, void *ctx,
			     uint32_t *k_id)
{
	*k_id = 0;
	if ((unsigned)kind >= MCSEC_KEY_KINDS)
		return MCSEC_E_ARGUMENT;
	for (int i = 0; i < DRAWS; i++) {
		uint8_t b[4];
		if (rng->fill(rng->ctx, b, sizeof b))
			return MCSEC_E_RANDOM;
		struct reader r = rd_init(OCTETS(b));
		uint32_t id = (uint32_t)kind << 28 | (rd_u32(&r) & 0x0fffffffu);
		if (!in_use || !in_use(ctx, id)) {
			*k_id = id;
			return MCSEC_OK;
		}
	}
	return MCSEC_E_RANDOM;
}

enum mcsec_err mcsec_cs_id_of(enum mcsec_key_kind kind, int video, int from_receiver, uint8_t *cs_id)
{
	*cs_id = 0;
	if ((unsigned)kind >= MCSEC_KEY_KINDS)
		return MCSEC_E_ARGUMENT;
	*cs_id = video ? kinds[kind].mcvideo : kinds[kind].mcptt;
	if (kind == MCSEC_PCK && from_receiver)
		++*cs_id;
	return MCSEC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_api.h - the small table of functions through which one implementation of ECCSI (RFC 6507) and SAKKE (RFC 6508)
 * is checked against another and timed. An implementation is a shared object that exports
 *
 *     const struct peer_impl *peer_get(void);
 *
 * Values cross as octets in the encodings of the RFCs: SSK 32, PVT and KPAK 65 (04|x|y), signature 129 (r|s|PVT),
 * RSK and Z_S 257, encapsulated data 257 + 16 (R|H), SSV 16. Functions return 0 on success. NULL = not offered.
 */
#ifndef PEER_API_H
#define PEER_API_H

#include <stddef.h>
#include <stdint.h>

#define PEER_SSV     16
#define PEER_PT_P256 65
#define PEER_PT_1024 257
#define PEER_SIG     129
#define PEER_ENC     (PEER_PT_1024 + PEER_SSV)

struct peer_setup {
	uint8_t ksak[32];   /* KMS secret authentication key             */
	uint8_t kpak[65];   /* KMS public authentication key             */
	uint8_t z[128];     /* KMS master secret                         */
	uint8_t z_pub[257]; /* KMS public key Z_S; all zero: derive it   */
	int is_kms;         /* secrets are present and may be used       */
};

struct peer_impl {
	const char *name;
	const char *version;
	const char *remark; /* "sp_asm": counts as the fast anchor */

	void *(*open)(struct peer_setup *setup); /* fills a zero z_pub */
	void (*close)(void *h);

	/* KMS side */
	int (*eccsi_issue)(void *h, const uint8_t *id, size_t idlen, uint8_t *ssk, uint8_t *pvt);
	int (*sakke_issue)(void *h, const uint8_t *id, size_t idlen, uint8_t *rsk);

	/* client side, ECCSI */
	int (*eccsi_validate)(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssk, const uint8_t *pvt);
	int (*eccsi_load)(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssk, const uint8_t *pvt);
	int (*eccsi_sign)(void *h, const uint8_t *m, size_t mlen, uint8_t *sig);
	int (*eccsi_verify)(void *h, const uint8_t *id, size_t idlen, const uint8_t *m, size_t mlen,
			    const uint8_t *sig);

	/* client side, SAKKE; encap: nothing about this identity may be remembered */
	int (*sakke_encap)(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssv, uint8_t *enc);
	/* n identities, one SSV, as for a group key */
	int (*sakke_encap_batch)(void *h, size_t n, const uint8_t *const *id, const size_t *idlen, const uint8_t *ssv,
				 uint8_t *const *enc);
	/* remember everything useful about one recipient */
	int (*sakke_prepare)(void *h, const uint8_t *id, size_t idlen);
	int (*sakke_encap_prepared)(void *h, const uint8_t *ssv, uint8_t *enc);
	int (*sakke_rsk_validate)(void *h, const uint8_t *id, size_t idlen, const uint8_t *rsk);
	/* level 0: as imported; 1: with all precomputation it offers */
	int (*sakke_rsk_load)(void *h, const uint8_t *id, size_t idlen, const uint8_t *rsk, int level);
	int (*sakke_decap)(void *h, const uint8_t *enc, uint8_t *ssv);

	/* octets of precomputation held, for the report */
	size_t (*table_octets)(void *h);
};

const struct peer_impl *peer_get(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protected.h - the MCData protected payload (TS 33.180 8.5.4), which also carries the key parameters of an I_MESSAGE.
 *
 *   octet  0      message type: the type of what is inside, with 0x40 = encrypted and 0x80 = authenticated
 *   octets 1-5    date and time, seconds since 1970
 *   octets 6-9    payload ID            octet 10  payload sequence number     octet 11  payload algorithm
 *   octets 12-27  IV                    octets 28-31  DPPK-ID
 *   octet  32     IEI                   octets 33-34  length of ciphertext and tag, which follow
 *
 * AES-GCM with all 16 octets of the IV; the additional data are the 32 octets before the IEI. The key is the DPCK,
 * derived here from the DPPK and its identifier.
 */
#ifndef SEC_PAYLOAD_PROTECTED_H
#define SEC_PAYLOAD_PROTECTED_H

#include "sec/base/bytes.h"

#define PROTECTED_ENCRYPTED 0x40
#define PROTECTED_AAD_LEN   32
#define PROTECTED_IV_LEN    16
#define PROTECTED_TAG_LEN   16
#define PROTECTED_OVERHEAD  (PROTECTED_AAD_LEN + 3 + PROTECTED_TAG_LEN)

enum protected_alg {
	PROTECTED_AES_128_GCM = 1, /* the DPPK has 16 octets */
	PROTECTED_AES_256_GCM = 2, /* the DPPK has 32 octets */
};

struct protected_payload {
	uint8_t type;
	uint64_t date; /* 40 bits */
	uint32_t payload_id;
	uint8_t sequence;
	uint8_t alg; /* enum protected_alg; not checked by the reader */
	uint8_t iv[PROTECTED_IV_LEN];
	uint32_t dppk_id;
	uint8_t iei;          /* 0 when written; any when read */
	struct octets aad;    /* set by the reader; points into what was read */
	struct octets sealed; /* likewise: ciphertext and tag, at least the tag */
};

/* One protected payload, up to the end of its ciphertext. MCSEC_E_TRUNCATED, MCSEC_E_LENGTH in the reader. */
void protected_read(struct reader *r, struct protected_payload *out);
/*
 * plain has room for sealed.len - PROTECTED_TAG_LEN octets. MCSEC_E_DECRYPT (plain wiped) when the tag fails,
 * MCSEC_E_UNSUPPORTED when algorithm and length of the key do not go together.
 */
enum mcsec_err protected_open(const struct protected_payload *p, struct octets dppk, uint8_t *plain);
/* Header fields from p, its IEI written as 0. The IV must be fresh. Errors also in the writer. */
enum mcsec_err protected_write(struct writer *w, const struct protected_payload *p, struct octets dppk,
			       struct octets plain);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * officers.h - secrets that open only when k of n officers agree (kms.md 15A row 6, default 3 of 5).
 *
 * A random key seals the secret by AES-256-GCM; that key is shared by Shamir and kept nowhere. The blob holds, for each
 * share, SHA-256("mcx-share" | set | number | value): so a wrong share is named at once, before any other is asked for,
 * and the hash of 32 random octets gives nothing away.
 *
 * Blob:	"mcxo" | version u8 = 1 | set 16 | k u8 | n u8 | n commitments of 32 | nonce 12 | ciphertext | tag 16
 * Share as text, one line: "mcx-share-1:" set, number, k, n, value in hex ":" check, the first 4 octets of SHA-256 over
 * what stands before, so that a slip of the pen is told from a foreign share.
 */
#ifndef MCX_CUSTODY_OFFICERS_H
#define MCX_CUSTODY_OFFICERS_H

#include "custody/custody.h"
#include "custody/shamir.h"

enum { SHARE_SET = 16, SHARE_OCTETS = SHARE_SET + 3 + SHAMIR_LEN };
enum { SHARE_TEXT_SIZE = 12 + 2 * SHARE_OCTETS + 1 + 8 + 1 };
enum { OFFICERS_OVERHEAD = 4 + 1 + SHARE_SET + 2 + 12 + 16 }; /* and 32 for each share */

struct share {
	uint8_t set[SHARE_SET];
	uint8_t number, k, n;
	uint8_t value[SHAMIR_LEN];
};

void share_write(const struct share *s, uint8_t out[SHARE_OCTETS]);
enum mcsec_err share_read(struct share *s, struct octets in);
/* text: secret memory. */
void share_to_text(const struct share *s, char text[SHARE_TEXT_SIZE]);
/* MCSEC_E_VALUE: the check does not fit; MCSEC_E_ENCODING: this is no share. Blanks and a line end around are skipped.
 */
enum mcsec_err share_from_text(struct share *s, const char *text);

/* out has OFFICERS_OVERHEAD + 32 n + secret.len octets; shares has n places in secret memory. */
enum custody_err officers_seal(unsigned k, unsigned n, const char *owner, const char *name, struct octets secret,
			       const struct mcsec_rng *rng, uint8_t *out, size_t *out_len, struct share *shares);
/* k and n of a blob; MALFORMED if it is none. */
enum custody_err officers_need(struct octets blob, unsigned *k, unsigned *n);
/* Is this one of the blob's shares? CUSTODY_FOREIGN: of another set. CUSTODY_WRONG: damaged. */
enum custody_err officers_check(struct octets blob, const struct share *s);
/* shares: k that were checked, all different. secret is secret memory, all zero on error. */
enum custody_err officers_open(struct octets blob, const struct share *shares, unsigned k, const char *owner,
			       const char *name, uint8_t *secret, size_t secret_len);

#endif

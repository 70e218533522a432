/* SPDX-License-Identifier: Apache-2.0 */
/*
 * custody.h - secrets at rest: sealed under a passphrase that stands in a file of its own (kms.md 15A-8a). What systemd
 * hands over as a credential is such a file. The other kinds of custody: place.h.
 *
 * KEK = Argon2id(passphrase octets, salt); sealed = AES-256-GCM under it. The associated data name what is sealed and
 * whose it is, so that one blob cannot stand in for another. The blob carries the parameters and the salt; nothing of
 * the secret can be had from blob and database without the passphrase file.
 *
 * Layout of a blob, integers big-endian:
 *	"mcxs" | version u8 = 1 | m KiB u32 | t u32 | p u32 | salt 16 | nonce 12 | ciphertext | tag 16
 * Associated data: version u8 | length u16, owner | length u16, name.
 */
#ifndef MCX_CUSTODY_H
#define MCX_CUSTODY_H

#include "mcsec/rng.h"
#include "sec/base/bytes.h"

enum custody_err {
	CUSTODY_OK = 0,
	CUSTODY_ABSENT,      /* there is no such file                                        */
	CUSTODY_MODE,        /* the file is not ours alone, not regular, empty or too long   */
	CUSTODY_MALFORMED,   /* the blob is none, or asks for a cost out of bounds           */
	CUSTODY_WRONG,       /* wrong passphrase, PIN or share, another owner or name, or an altered blob */
	CUSTODY_RESOURCES,   /* memory or randomness                                         */
	CUSTODY_FOREIGN,     /* an officer's share of another set                            */
	CUSTODY_TWICE,       /* an officer's share that was given already                    */
	CUSTODY_TOKEN,       /* the PKCS#11 module or its token fails                        */
	CUSTODY_EXTRACTABLE, /* the token's key could leave it                             */
	CUSTODY_ERR_COUNT
};
const char *custody_err_name(enum custody_err e);

struct custody_cost {
	uint32_t m_kib, t, p;
};
/* 64 MiB, 3 passes, 1 lane. */
extern const struct custody_cost custody_cost_default;

enum { CUSTODY_OVERHEAD = 4 + 1 + 12 + 16 + 12 + 16, CUSTODY_PASSPHRASE_MAX = 4096 };

/* A passphrase in secret memory. */
struct custody_passphrase {
	size_t len;
	uint8_t octets[CUSTODY_PASSPHRASE_MAX];
};

/* The file's octets without one trailing newline. Refused unless a regular file of mode 0600 or narrower. */
enum custody_err custody_passphrase_read(const char *path, struct custody_passphrase **out);
/* The same of a systemd credential, which may be 0440: its group is only the mask of the access list for our user. */
enum custody_err custody_credential_read(const char *path, struct custody_passphrase **out);
void custody_passphrase_free(struct custody_passphrase *p); /* wipes */

/* out has room for secret.len + CUSTODY_OVERHEAD octets, and is filled with just so many. */
enum custody_err custody_seal(const struct custody_passphrase *p, const struct custody_cost *cost, const char *owner,
			      const char *name, struct octets secret, const struct mcsec_rng *rng, uint8_t *out);
/* secret_len must be the sealed length; secret is secret memory, all zero on error. */
enum custody_err custody_open(const struct custody_passphrase *p, const char *owner, const char *name,
			      struct octets blob, uint8_t *secret, size_t secret_len);

#endif

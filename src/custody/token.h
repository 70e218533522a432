/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - secrets under an AES-256 key that never leaves a PKCS#11 token (kms.md 15A row 7): the token encrypts and
 * decrypts by CKM_AES_GCM, with associated data that name version, owner, secret and key. The key must be sensitive and
 * not extractable; another one is refused. The module is loaded by its path; nothing of it is linked.
 *
 * Blob: "mcxt" | version u8 = 1 | length u16, label of the key | IV 12 | ciphertext and tag
 */
#ifndef MCX_CUSTODY_TOKEN_H
#define MCX_CUSTODY_TOKEN_H

#include "custody/custody.h"

struct token_place {
	const char *module;   /* path of the shared object */
	const char *token;    /* its label */
	const char *key;      /* label of the AES key */
	const char *pin_file; /* read like a passphrase file */
};

struct token;

enum { TOKEN_LABEL_MAX = 64 };

/*
 * Logs in and finds the key. CUSTODY_ABSENT: no such token or key now. CUSTODY_WRONG: the PIN. CUSTODY_EXTRACTABLE: the
 * key could leave the token. CUSTODY_TOKEN: the module fails. make: a key that is not there is made.
 */
enum custody_err token_attach(const struct token_place *place, int make, struct token **out);
void token_detach(struct token *t); /* NULL is allowed */

/* out has room for CUSTODY_BLOB_MAX octets. */
enum custody_err token_put(struct token *t, const char *owner, const char *name, struct octets secret,
			   const struct mcsec_rng *rng, uint8_t *out, size_t *out_len);
enum custody_err token_get(struct token *t, const char *owner, const char *name, struct octets blob, uint8_t *secret,
			   size_t secret_len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - one custody behind one pair of verbs, whatever it is (kms.md 15A rows 6 to 8a).
 *
 * A custody is attached once, while files may still be opened; then it puts secrets under its key and gets them back.
 * Each kind writes blobs with a magic of its own, so a blob says which custody opens it, and is never tried under a key
 * of another kind. Officers bring the key with them: their custody gets secrets when enough shares were added.
 */
#ifndef MCX_CUSTODY_PLACE_H
#define MCX_CUSTODY_PLACE_H

#include "custody/custody.h"
#include "custody/officers.h"
#include "custody/token.h"

enum custody_kind {
	CUSTODY_BY_PASSPHRASE, /* a file of its own, "mcxs"                                     */
	CUSTODY_BY_CREDENTIAL, /* a systemd credential, "mcxc", else like a passphrase           */
	CUSTODY_BY_TOKEN,      /* a key in a PKCS#11 token, "mcxt"                               */
	CUSTODY_BY_OFFICERS,   /* k of n, "mcxo"                                                 */
	CUSTODY_KINDS,
};
/* "passphrase", "credential", "pkcs11", "officers" */
const char *custody_kind_name(enum custody_kind k);
/* CUSTODY_KINDS if the name is none. */
enum custody_kind custody_kind_of(const char *name);
/* The kind of a blob by its first octets; CUSTODY_KINDS if it is none. */
enum custody_kind custody_kind_of_blob(struct octets blob);

/* What the configuration says of each kind. */
struct custody_place {
	const char *passphrase; /* path */
	const char *credential; /* name below $CREDENTIALS_DIRECTORY */
	struct token_place token;
	unsigned k, n; /* officers, for a new sealing */
	int make;      /* the token's key may be made */
};

enum { CUSTODY_BLOB_MAX = 2048 };

struct custody;

/* CUSTODY_ABSENT: it is not there (now). Officers are always there. */
enum custody_err custody_attach(enum custody_kind kind, const struct custody_place *place, struct custody **out);
void custody_detach(struct custody *c); /* wipes; NULL is allowed */

/* out has room for CUSTODY_BLOB_MAX octets. */
enum custody_err custody_put(struct custody *c, const char *owner, const char *name, struct octets secret,
			     const struct mcsec_rng *rng, uint8_t *out, size_t *out_len);
/* secret is secret memory, all zero on error. CUSTODY_ABSENT: officers, and too few shares so far. */
enum custody_err custody_get(struct custody *c, const char *owner, const char *name, struct octets blob,
			     uint8_t *secret, size_t secret_len);

/* Officers: the shares that custody_put made, to be handed out and forgotten; NULL before it. */
const struct share *custody_shares(const struct custody *c);
/* One share for this blob; WRONG, FOREIGN or TWICE name what is the matter with it. */
enum custody_err custody_add_share(struct custody *c, struct octets blob, const struct share *s);
/* How many were added since custody_attach or custody_forget_shares. */
unsigned custody_given(const struct custody *c);
void custody_forget_shares(struct custody *c);

#endif

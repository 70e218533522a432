/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - one custody behind one pair of verbs, whatever it is (kms.md 15A rows 6 to 8a).
 *
 * A custody is attached once, while files may still be opened; then it puts secrets under its key and gets them back.
 * Each kind writes blobs with a magic of its own, so a blob is never tried under a key of another kind.
 */
#ifndef MCX_CUSTODY_PLACE_H
#define MCX_CUSTODY_PLACE_H

#include "custody/custody.h"

enum custody_kind {
	CUSTODY_BY_PASSPHRASE, /* a file of its own, "mcxs"                                     */
	CUSTODY_KINDS,
};
const char *custody_kind_name(enum custody_kind k);
/* CUSTODY_KINDS if the name is none. */
enum custody_kind custody_kind_of(const char *name);
/* The kind of a blob by its first octets; CUSTODY_KINDS if it is none. */
enum custody_kind custody_kind_of_blob(struct octets blob);

struct custody_place {
	enum custody_kind kind;
	const char *passphrase; /* path */
};

enum { CUSTODY_BLOB_MAX = 2048 };

struct custody;

/* Reads the passphrase. CUSTODY_ABSENT: it is not there (now). */
enum custody_err custody_attach(const struct custody_place *place, struct custody **out);
void custody_detach(struct custody *c); /* wipes; NULL is allowed */

/* out has room for CUSTODY_BLOB_MAX octets. */
enum custody_err custody_put(struct custody *c, const char *owner, const char *name, struct octets secret,
			     const struct mcsec_rng *rng, uint8_t *out, size_t *out_len);
/* secret is secret memory, all zero on error. */
enum custody_err custody_get(struct custody *c, const char *owner, const char *name, struct octets blob,
			     uint8_t *secret, size_t secret_len);

#endif

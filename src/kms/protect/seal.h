/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.h - the key under which TrK and InK rest in the database: its own, so that who holds it never holds z_T or KSAK
 * (kms.md 15B). AES-256-GCM, bound to the key's ID and user. The only place that knows how they are sealed.
 */
#ifndef MCX_KMS_PROTECT_SEAL_H
#define MCX_KMS_PROTECT_SEAL_H

#include "mcx/doc/kms_doc.h"

enum { TRANSPORT_SEALED = 12 + KMS_TRK_LEN + 16 };

struct transport_seal;

/* The key stands in a file of its own, 0600, made at the first start. NULL and a sentence in err. */
struct transport_seal *transport_seal_open(const char *path, char *err, size_t err_size);
void transport_seal_free(struct transport_seal *s);

MCSEC_MUST_CHECK enum mcsec_err transport_seal_close(const struct transport_seal *s, const char *id, const char *user,
						     const uint8_t key[KMS_TRK_LEN], uint8_t out[TRANSPORT_SEALED]);
/* MCSEC_E_DECRYPT: it was not sealed so. */
MCSEC_MUST_CHECK enum mcsec_err transport_seal_unseal(const struct transport_seal *s, const char *id, const char *user,
						      struct octets sealed, uint8_t key[KMS_TRK_LEN]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.h - CSKs at rest: AES-256-GCM under the server's sealing key, so that the database holds ciphertext only.
 *
 * Blob: version 1 (1) | IV (12, random) | ciphertext | tag (16). The additional data names what the key is for (IMPU,
 * client id, CSK-ID), so that a blob moved to another row does not open. The sealing key's file is made
 * together with the database, mode 0600, and refused when it is wider or has another size: 32 octets, or, with a
 * passphrase file, those sealed by custody.h.
 */
#ifndef MCX_SERVER_SEAL_H
#define MCX_SERVER_SEAL_H

#include "sec/base/bytes.h"

enum { SEAL_KEY = 32, SEAL_OVERHEAD = 1 + 12 + 16 };

struct seal;

/*
 * passphrase_file "": the key stands in its file as it is. may_create: the database is new too; else a missing key file
 * is an error, as nothing in the store would open.
 */
struct seal *seal_open(const char *key_file, const char *passphrase_file, int may_create, char *err, size_t err_size);
void seal_close(struct seal *s);
/* out has room for plain.len + SEAL_OVERHEAD. MCSEC_E_RANDOM, MCSEC_E_CRYPTO. */
enum mcsec_err seal_put(const struct seal *s, struct octets purpose, struct octets plain, uint8_t *out);
/* out has room for sealed.len - SEAL_OVERHEAD. MCSEC_E_DECRYPT (out wiped) if it is not ours, moved or changed. */
enum mcsec_err seal_get(const struct seal *s, struct octets purpose, struct octets sealed, uint8_t *out);

#endif

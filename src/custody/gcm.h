/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gcm.h - what the kinds of custody share: AES-256-GCM, and associated data that name whose secret it is and which.
 */
#ifndef MCX_CUSTODY_GCM_H
#define MCX_CUSTODY_GCM_H

#include "sec/base/bytes.h"

enum { CUSTODY_NONCE = 12, CUSTODY_TAG = 16, CUSTODY_KEK = 32, CUSTODY_AAD_MAX = 1600 };

/* One AES-256-GCM pass; tag out when sealing, in when opening. 1 if it succeeded. */
int custody_gcm(int sealing, const uint8_t kek[CUSTODY_KEK], const uint8_t nonce[CUSTODY_NONCE], struct octets aad,
		struct octets in, uint8_t *out, uint8_t tag[CUSTODY_TAG]);
/* header (may be empty) | version u8 = 1 | length u16, owner | length u16, name. Empty when it does not fit. */
struct octets custody_aad(uint8_t buf[CUSTODY_AAD_MAX], struct octets header, const char *owner, const char *name);

#endif

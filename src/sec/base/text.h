/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - octets as text and back: hex, base64 (RFC 4648 4) and base64url without padding (RFC 4648 5).
 *
 * All of it runs in time that depends on lengths only, so that keys may pass through. Decoders are strict: no blanks,
 * no missing or excess padding, no non-zero trailing bits. Encoders end their text with NUL.
 */
#ifndef MCX_BASE_TEXT_H
#define MCX_BASE_TEXT_H

#include "bytes.h"

#define HEX_SIZE(n)    (2 * (n) + 1)
#define BASE64_SIZE(n) (4 * (((n) + 2) / 3) + 1)

/* out has HEX_SIZE(in.len) octets. Lower case; _upper for XML hexBinary. */
void hex_encode(struct octets in, char *out);
void hex_encode_upper(struct octets in, char *out);
/* Either case. *out_len receives text_len / 2. MCSEC_E_ENCODING, MCSEC_E_NO_SPACE. */
enum mcsec_err hex_decode(const char *text, size_t text_len, uint8_t *out, size_t out_size, size_t *out_len);

/* out has BASE64_SIZE(in.len) octets. Returns the text's length. */
size_t base64_encode(struct octets in, char *out);
size_t base64url_encode(struct octets in, char *out);
enum mcsec_err base64_decode(const char *text, size_t text_len, uint8_t *out, size_t out_size, size_t *out_len);
enum mcsec_err base64url_decode(const char *text, size_t text_len, uint8_t *out, size_t out_size, size_t *out_len);

/* Well-formed UTF-8 (RFC 3629) without NUL. */
int utf8_valid(struct octets in);

#endif

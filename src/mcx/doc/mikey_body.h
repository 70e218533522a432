/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey_body.h - a part of type application/mikey in its two spellings (mikey 9): the raw message, or base64 text that
 * is not labelled as such, told by its first characters.
 */
#ifndef MCX_DOC_MIKEY_BODY_H
#define MCX_DOC_MIKEY_BODY_H

#include "sec/base/bytes.h"

/*
 * Binary as it is; or base64 text, told by its first characters `ARo` (01 1a: version 1, type 26) or `mikey ARo`,
 * decoded into `scratch`. A text that does not decode stays as it is: the parser refuses it as malformed.
 */
struct octets mikey_body(struct octets part, uint8_t *scratch, size_t size);

/* The CSB ID as it stands in the header, not yet proven by anything. 0, or -1: too short to have one. */
int mikey_body_csb_id(struct octets message, uint32_t *csb_id);

#endif

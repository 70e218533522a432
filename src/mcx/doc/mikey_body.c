/* SPDX-License-Identifier: Apache-2.0 */
/* mikey_body.c - see mikey_body.h. */
#include "mikey_body.h"

#include <ctype.h>

#include "sec/base/text.h"

struct octets mikey_body(struct octets part, uint8_t *scratch, size_t size)
{
	static const char name[] = "mikey ";
	const char *text = (const char *)part.p;
	size_t len = part.len, n;
	if (len > sizeof name - 1 && memcmp(text, name, sizeof name - 1) == 0) {
		text += sizeof name - 1;
		len -= sizeof name - 1;
	}
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (len < 3 || memcmp(text, "ARo", 3) != 0 || base64_decode(text, len, scratch, size, &n) != MCSEC_OK)
		return part;
	return (struct octets){scratch, n};
}

/* HDR: version 1 | data type 1 | next payload 1 | V and PRF 1 | CSB ID 4 (RFC 3830 6.1). */
int mikey_body_csb_id(struct octets message, uint32_t *csb_id)
{
	struct reader r = rd_init(message);
	(void)rd_u32(&r);
	*csb_id = rd_u32(&r);
	return r.err ? -1 : 0;
}

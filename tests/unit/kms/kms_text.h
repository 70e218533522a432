/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_text.h - pieces of KMS documents as text, and what a writer makes as text.
 */
#ifndef MCX_TEST_KMS_TEXT_H
#define MCX_TEST_KMS_TEXT_H

#include "unit/kms/kms_vector.h"

#define XML  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define USER "<UserUri>sip:user@example.org</UserUri>"
#define KMS  "<KmsUri>kms.example.org</KmsUri>"
#define URL  "<ClientReqUrl>https://kms.example.org/keymanagement/identity/v1/init</ClientReqUrl>"

static char text[65536 * 2];

/* The document in `text`. */
static inline const char *written(void (*write)(struct writer *, const void *), const void *what)
{
	struct writer w = wr_init((uint8_t *)text, sizeof text - 1);
	write(&w, what);
	assert_int_equal(w.err, MCSEC_OK);
	text[wr_len(&w)] = 0;
	return text;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Forms, paths and percent-encoding: what decodes encodes and decodes to the same. */
#include "fuzz/fuzz.h"
#include "net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *plain = malloc(size + 1), *coded = malloc(3 * size + 1), value[300];
	HOLDS(text && plain && coded);
	memcpy(text, data, size);
	text[size] = 0;
	if (http_percent_decode(text, size, size & 1, plain, size + 1) == MCSEC_OK) {
		HOLDS(strlen(plain) <= size && http_percent_encode(plain, coded, 3 * size + 1) == MCSEC_OK);
		HOLDS(http_percent_decode(coded, strlen(coded), 0, text, size + 1) == MCSEC_OK);
		HOLDS(strcmp(text, plain) == 0);
	}
	memcpy(text, data, size);
	for (unsigned i = 0; i < 5; i++)
		if (http_path_segment(text, i, value, sizeof value) == 0)
			HOLDS(strlen(value) < sizeof value);
	if (http_form_value((const char *)data, size, "code", value, sizeof value) == 0)
		HOLDS(strlen(value) < sizeof value);
	free(coded);
	free(plain);
	free(text);
	return 0;
}

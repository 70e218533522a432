/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_resource_lists.c - resource-lists+xml (RFC 4826), the targets of a call.
 *
 * Invariants: at most RESOURCE_LISTS_MAX_ENTRIES entries, each a text that ends; entries written read back as they
 * were, in their order; a document that is refused leaves no entry behind that could be taken for a target, and names
 * an offset in it.
 */
#include "fuzz/fuzz.h"
#include "mcx/doc/resource_lists.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct resource_lists a, b;
	static uint8_t text[2 * RESOURCE_LISTS_MAX];
	const char *uris[RESOURCE_LISTS_MAX_ENTRIES];
	struct writer w = wr_init(text, sizeof text);
	a.n = 1;
	size_t at = SIZE_MAX;
	if (resource_lists_read((struct octets){data, size}, &a, &at) != MCSEC_OK) {
		HOLDS(a.n == 0 && at <= size);
		return 0;
	}
	HOLDS(a.n <= RESOURCE_LISTS_MAX_ENTRIES);
	for (size_t i = 0; i < a.n; i++) {
		uris[i] = a.uri[i];
		HOLDS(memchr(a.uri[i], 0, RESOURCE_URI_MAX));
		if (!a.uri[i][0]) /* a reference: nothing that could be written */
			return 0;
	}
	if (resource_lists_write(&w, uris, a.n) != MCSEC_OK || wr_len(&w) > RESOURCE_LISTS_MAX)
		return 0;
	HOLDS(resource_lists_read(wr_result(&w), &b, NULL) == MCSEC_OK && b.n == a.n);
	for (size_t i = 0; i < a.n; i++)
		HOLDS(strcmp(a.uri[i], b.uri[i]) == 0);
	return 0;
}

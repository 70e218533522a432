/* SPDX-License-Identifier: Apache-2.0 */
/* mcptt-info and resource-lists: what was read and can be written reads back and is written the same. */
#include "fuzz/fuzz.h"
#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/resource_lists.h"

static uint8_t first[4 * MCPTT_INFO_MAX], second[sizeof first];

static void info(struct octets xml)
{
	static struct mcptt_info a, b;
	struct writer w = wr_init(first, sizeof first), v = wr_init(second, sizeof second);
	if (mcptt_info_read(xml, &a) != MCSEC_OK || mcptt_info_write(&w, &a) != MCSEC_OK || wr_len(&w) > MCPTT_INFO_MAX)
		return;
	HOLDS(mcptt_info_read(wr_result(&w), &b) == MCSEC_OK && mcptt_info_write(&v, &b) == MCSEC_OK);
	HOLDS(octets_equal(wr_result(&w), wr_result(&v)));
}

static void lists(struct octets xml)
{
	static struct resource_lists a, b;
	const char *uris[RESOURCE_LISTS_MAX_ENTRIES];
	struct writer w = wr_init(first, sizeof first);
	if (resource_lists_read(xml, &a) != MCSEC_OK)
		return;
	HOLDS(a.n <= RESOURCE_LISTS_MAX_ENTRIES);
	for (size_t i = 0; i < a.n; i++) {
		uris[i] = a.uri[i];
		if (!a.uri[i][0]) /* a reference: nothing that could be written */
			return;
	}
	if (resource_lists_write(&w, uris, a.n) != MCSEC_OK || wr_len(&w) > RESOURCE_LISTS_MAX)
		return;
	HOLDS(resource_lists_read(wr_result(&w), &b) == MCSEC_OK && b.n == a.n);
	for (size_t i = 0; i < a.n; i++)
		HOLDS(strcmp(a.uri[i], b.uri[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	info((struct octets){data, size});
	lists((struct octets){data, size});
	return 0;
}

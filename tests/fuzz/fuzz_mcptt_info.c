/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_mcptt_info.c - mcptt-info, resource-lists and poc-settings.
 *
 * Invariants: what was read and can be written reads back and is written the same; what is refused names an offset in
 * the input, that of a tag where the document itself was well formed, and leaves nothing behind.
 */
#include "fuzz/fuzz.h"
#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/poc_settings.h"
#include "mcx/doc/resource_lists.h"

static uint8_t first[4 * MCPTT_INFO_MAX], second[sizeof first];

static void names_its_offset(enum mcsec_err e, size_t at, struct octets xml)
{
	HOLDS(at <= xml.len && (e == MCSEC_OK || e == MCSEC_E_LENGTH || e == MCSEC_E_MALFORMED || e == MCSEC_E_VALUE));
	HOLDS(e != MCSEC_E_VALUE || at == 0 || xml.p[at] == '<');
}

static void info(struct octets xml)
{
	static struct mcptt_info a, b;
	struct writer w = wr_init(first, sizeof first), v = wr_init(second, sizeof second);
	size_t at = SIZE_MAX;
	enum mcsec_err e = mcptt_info_read(xml, &a, &at);
	names_its_offset(e, at, xml);
	HOLDS(!e || (!a.session_type[0] && !a.access_token.form && !a.client_id.form && !a.private_call_kms_uri[0]));
	if (e || mcptt_info_write(&w, &a) != MCSEC_OK || wr_len(&w) > MCPTT_INFO_MAX)
		return;
	HOLDS(mcptt_info_read(wr_result(&w), &b, NULL) == MCSEC_OK && mcptt_info_write(&v, &b) == MCSEC_OK);
	HOLDS(octets_equal(wr_result(&w), wr_result(&v)));
}

static void lists(struct octets xml)
{
	static struct resource_lists a, b;
	const char *uris[RESOURCE_LISTS_MAX_ENTRIES];
	struct writer w = wr_init(first, sizeof first);
	size_t at = SIZE_MAX;
	enum mcsec_err e = resource_lists_read(xml, &a, &at);
	names_its_offset(e, at, xml);
	HOLDS(!e || a.n == 0);
	if (e)
		return;
	HOLDS(a.n <= RESOURCE_LISTS_MAX_ENTRIES);
	for (size_t i = 0; i < a.n; i++) {
		uris[i] = a.uri[i];
		if (!a.uri[i][0]) /* a reference: nothing that could be written */
			return;
	}
	if (resource_lists_write(&w, uris, a.n) != MCSEC_OK || wr_len(&w) > RESOURCE_LISTS_MAX)
		return;
	HOLDS(resource_lists_read(wr_result(&w), &b, NULL) == MCSEC_OK && b.n == a.n);
	for (size_t i = 0; i < a.n; i++)
		HOLDS(strcmp(a.uri[i], b.uri[i]) == 0);
}

static void settings(struct octets xml)
{
	enum poc_answer a = POC_ANSWER_MANUAL, b;
	size_t at = SIZE_MAX;
	enum mcsec_err e = poc_settings_read(xml, &a, &at);
	names_its_offset(e, at, xml);
	HOLDS(!e || a == POC_ANSWER_NONE);
	if (e || a == POC_ANSWER_NONE)
		return;
	struct writer w = wr_init(first, sizeof first);
	HOLDS(poc_settings_write(&w, "sip:a@b", a) == MCSEC_OK);
	HOLDS(poc_settings_read(wr_result(&w), &b, NULL) == MCSEC_OK && a == b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	info((struct octets){data, size});
	lists((struct octets){data, size});
	settings((struct octets){data, size});
	return 0;
}

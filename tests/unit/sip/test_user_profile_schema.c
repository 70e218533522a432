/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user profiles that we read are what the published schema describes. It is not ours to ship: MCX_SCHEMAS names the
 * folder that holds it; without that this test is skipped.
 */
#include <libxml/xmlschemas.h>

#include "unit/test.h"

#include "unit/sip/user_profiles.h"

static void what_is_read_is_what_the_published_schema_describes(void **state)
{
	(void)state;
	static const char *const texts[] = {in_entry, by_index, only_one};
	char path[512];
	snprintf(path, sizeof path, "%s/rel13/mcptt-user-profile.xsd", getenv("MCX_SCHEMAS"));
	xmlSchemaParserCtxt *c = xmlSchemaNewParserCtxt(path);
	xmlSchema *schema = xmlSchemaParse(c);
	xmlSchemaFreeParserCtxt(c);
	assert_non_null(schema);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		xmlDoc *doc = xmlReadMemory(texts[i], (int)strlen(texts[i]), NULL, NULL, XML_PARSE_NONET);
		xmlSchemaValidCtxt *v = xmlSchemaNewValidCtxt(schema);
		assert_int_equal(xmlSchemaValidateDoc(v, doc), 0);
		xmlSchemaFreeValidCtxt(v);
		xmlFreeDoc(doc);
	}
	xmlSchemaFree(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_read_is_what_the_published_schema_describes)};
	if (getenv("MCX_SCHEMAS"))
		return cmocka_run_group_tests_name("user_profile_schema", tests, NULL, NULL);
	printf("1..1\nok 1 - %s # SKIP MCX_SCHEMAS is not set\n", tests[0].name); /* cmocka's skip() says "not ok" */
	return 0;
}

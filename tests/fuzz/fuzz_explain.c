/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_explain.c - what people paste into `mcx explain` and `mcx mikey`: a message in any spelling.
 *
 * Invariants: a MIKEY message in text is no longer decoded than it was in text; every field told of a message lies
 * inside it; a refusal has a name, a sentence and a clause, and names an octet of the input or none;
 * a time read is written so that it reads back the same.
 */
#include "fuzz/fuzz.h"
#include "mcsec/err.h"
#include "tool/look/explain.h"
#include "tool/look/mikey_files.h"

static void explain(void (*how)(struct explanation *, struct octets), struct octets in)
{
	struct explanation e = {.type = "", .fields = json_array(), .offset = MCSEC_NO_OFFSET, .now = 1767225700};
	size_t i;
	json_t *field;
	how(&e, in);
	json_array_foreach(e.fields, i, field)
	{
		json_int_t at = json_integer_value(json_object_get(field, "offset")),
			   len = json_integer_value(json_object_get(field, "length"));
		HOLDS(at >= 0 && len >= 0 && (how != explain_mikey || (size_t)(at + len) <= in.len));
	}
	if (e.error[0])
		HOLDS(e.detail[0] && e.clause[0] && (e.offset == MCSEC_NO_OFFSET || e.offset <= in.len));
	json_decref(e.fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octets in = {data, size};
	uint8_t *message = malloc(size + 1);
	size_t n = 0;
	HOLDS(message);
	if (mikey_input(in, message, &n) == MCSEC_OK) {
		HOLDS(n <= size);
		explain(explain_mikey, (struct octets){message, n});
	}
	explain(explain_mikey, in);
	explain(explain_kms, in);
	explain(explain_token, in);
	int64_t t;
	char *text = malloc(size + 1), back[TOOL_TIME_LEN];
	HOLDS(text);
	memcpy(text, data, size);
	text[size] = 0;
	if (tool_time_parse(text, &t) && t < INT64_C(253402300800)) { /* the year 10000 has one digit more */
		int64_t again;
		HOLDS(tool_time_parse(tool_time_text(t, back), &again) && again == t);
	}
	free(text);
	free(message);
	return 0;
}

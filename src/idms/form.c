/* SPDX-License-Identifier: Apache-2.0 */
/*
 * form.c - see form.h. All names and values live decoded in one allocation, each ended by NUL.
 */
#include "idms/form.h"

#include <stdlib.h>

#include "mcsec/secret.h"
#include "net/http.h"

/* Decode [from, to) behind `at`; returns the text and moves `at` behind its NUL, or NULL. */
static const char *take(struct form *f, const char *from, const char *to, size_t *at)
{
	char *out = f->store + *at;
	if (http_percent_decode(from, (size_t)(to - from), 1, out, f->store_size - *at))
		return NULL;
	*at += strlen(out) + 1;
	return out;
}

static int take_pair(struct form *f, const char *from, const char *to, size_t *at)
{
	const char *eq = memchr(from, '=', (size_t)(to - from));
	if (f->n == FORM_MAX_PARAMS)
		return -1;
	f->param[f->n].name = take(f, from, eq ? eq : to, at);
	f->param[f->n].value = take(f, eq ? eq + 1 : to, to, at);
	return f->param[f->n].name && f->param[f->n].value ? (f->n++, 0) : -1;
}

int form_parse(struct form *f, const char *text, size_t len)
{
	size_t at = 0;
	*f = (struct form){.store_size = len + 2 * FORM_MAX_PARAMS + 2};
	if (len > FORM_MAX_OCTETS || !(f->store = calloc(1, f->store_size)))
		return -1;
	for (const char *end = text + len; text < end;) {
		const char *stop = memchr(text, '&', (size_t)(end - text));
		stop = stop ? stop : end;
		if (stop > text && take_pair(f, text, stop, &at)) {
			form_free(f);
			return -1;
		}
		text = stop + 1;
	}
	return 0;
}

void form_free(struct form *f)
{
	if (f->store)
		mcsec_wipe(f->store, f->store_size);
	free(f->store);
	*f = (struct form){0};
}

const char *form_get(const struct form *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->param[i].name, name) == 0)
			return f->param[i].value[0] ? f->param[i].value : NULL;
	return NULL;
}

const char *form_text(const struct form *f, const char *name)
{
	const char *v = form_get(f, name);
	return v ? v : "";
}

const char *form_repeated(const struct form *f)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(f->param[i].name, f->param[j].name) == 0)
				return f->param[i].name;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * form.h - the parameters of a query or of a form body, parsed once under the limits of identity.md 7.1.
 *
 * Values are decoded strictly; an empty value counts as absent (RFC 6749 3.1). A form may hold a password: its memory
 * is wiped when freed.
 */
#ifndef MCX_IDMS_FORM_H
#define MCX_IDMS_FORM_H

#include "sec/base/bytes.h"

enum { FORM_MAX_OCTETS = 16 * 1024, FORM_MAX_PARAMS = 64 };

struct form {
	size_t n;
	struct {
		const char *name, *value;
	} param[FORM_MAX_PARAMS];
	char *store;
	size_t store_size;
};

/* 0, or -1: too long, too many, a bad escape, a control octet, not UTF-8. */
int form_parse(struct form *f, const char *text, size_t len);
void form_free(struct form *f);
/* The value of the first one with this name; NULL if absent or empty. */
const char *form_get(const struct form *f, const char *name);
/* form_get, or "" . */
const char *form_text(const struct form *f, const char *name);
/* A name that stands there more than once, NULL if none does (RFC 6749 3.1: refused). */
const char *form_repeated(const struct form *f);

#endif

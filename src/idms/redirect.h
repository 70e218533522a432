/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect.h - redirection URIs: which may be registered, which request matches one, and what a page's form-action has
 * to name for a browser to follow (identity.md 7.3, 7.5; RFC 8252 7, 8.3; RFC 9700 2.1). Pure.
 */
#ifndef MCX_IDMS_REDIRECT_H
#define MCX_IDMS_REDIRECT_H

#include <stddef.h>

enum { REDIRECT_MAX = 1024 };

/* NULL if the URI may be registered, else a sentence that says why not. */
const char *redirect_refusal(const char *uri, int headless_client);
/* Exact octets; only the port of a loopback address may differ. */
int redirect_matches(const char *registered, const char *given);
/* "https://host:port" or "scheme:" for Content-Security-Policy; the URI has passed redirect_refusal. */
void redirect_form_source(const char *uri, char *out, size_t size);

#endif

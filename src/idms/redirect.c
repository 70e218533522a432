/* SPDX-License-Identifier: Apache-2.0 */
/* redirect.c - see redirect.h. */
#include "idms/redirect.h"

#include <stdio.h>
#include <string.h>

/* Used by deployed test terminals, which intercept it themselves; no host answers there (identity.md 7.3). */
static const char mcptt_test_uri[] = "http://3gpp.mcptt/cb";

static const char *const loopback[] = {"http://127.0.0.1", "http://[::1]"};

/* What follows the loopback origin's host, or NULL if the URI is none. */
static const char *after_loopback(const char *uri)
{
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(loopback[i]);
		if (strncmp(uri, loopback[i], n) == 0 && (uri[n] == ':' || uri[n] == '/'))
			return uri + n;
	}
	return NULL;
}

/* Skip ":port"; NULL if what stands there is none. */
static const char *after_port(const char *at)
{
	if (*at != ':')
		return at;
	size_t digits = strspn(at + 1, "0123456789");
	return digits >= 1 && digits <= 5 ? at + 1 + digits : NULL;
}

static int scheme_with_dot(const char *uri)
{
	size_t n = strspn(uri, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
	return uri[n] == ':' && uri[0] >= 'a' && uri[0] <= 'z' && memchr(uri, '.', n) && uri[n - 1] != '.';
}

const char *redirect_refusal(const char *uri, int headless_client)
{
	size_t len = strlen(uri);
	if (len == 0 || len >= REDIRECT_MAX)
		return "a redirect URI has 1 to 1023 characters";
	for (const char *c = uri; *c; c++)
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || strchr("\"<>\\^`{|}*#", *c))
			return "a redirect URI has no blank, fragment, wildcard or character that a URI does not have";
	if (strncmp(uri, "https://", 8) == 0) {
		size_t host = strcspn(uri + 8, "/?");
		return host == 0                    ? "an https redirect URI needs a host"
		       : memchr(uri + 8, '@', host) ? "a redirect URI has no user information"
						    : NULL;
	}
	const char *behind = after_loopback(uri);
	if (behind) {
		const char *path = after_port(behind);
		return path && *path == '/' ? NULL : "a loopback redirect URI is http://127.0.0.1[:port]/path";
	}
	if (strcmp(uri, mcptt_test_uri) == 0)
		return headless_client ? NULL : "http://3gpp.mcptt/cb is for clients with headless_login only";
	if (strncmp(uri, "http:", 5) == 0)
		return "plain http is for loopback addresses only";
	return scheme_with_dot(uri) ? NULL : "a private scheme is a reversed domain name, with a dot (RFC 8252 7.1)";
}

int redirect_matches(const char *registered, const char *given)
{
	const char *r = after_loopback(registered), *g = after_loopback(given);
	if (strcmp(registered, given) == 0)
		return 1;
	if (!r || !g || r - registered != g - given || strncmp(registered, given, (size_t)(r - registered)) != 0)
		return 0;
	r = after_port(r);
	g = after_port(g);
	return r && g && *g == '/' && strcmp(r, g) == 0;
}

void redirect_form_source(const char *uri, char *out, size_t size)
{
	const char *authority = strstr(uri, "://");
	size_t n = strncmp(uri, "http", 4) == 0 && authority
		       ? (size_t)(authority + 3 - uri) + strcspn(authority + 3, "/?")
		       : strcspn(uri, ":") + 1;
	snprintf(out, size, "%.*s", (int)n, uri);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - the pages a person sees: the sign-in form and the error page. Plain HTML and one style sheet, no script;
 * every value that came from outside is escaped (identity.md 7.5).
 */
#ifndef MCX_IDMS_PAGE_H
#define MCX_IDMS_PAGE_H

#include "net/http.h"

struct page_login {
	const char *action; /* absolute URL */
	const char *tx, *username, *client_name, *domain;
	const char *problem;     /* one sentence, or NULL */
	const char *form_source; /* where the redirect after the form goes, for the policy header */
};

/* Status and headers are set; 200 unless rs->status is set already. */
void page_login(const struct page_login *p, struct http_response *rs);
void page_error(int status, const char *title, const char *text, struct http_response *rs);
/* GET /style.css */
void page_style(struct http_response *rs);
/* Headers of everything a browser may keep or frame (identity.md 7.4, 7.5). */
void page_headers(struct http_response *rs, const char *form_source);

#endif

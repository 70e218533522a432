/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - see page.h. The style sheet follows the reader's light or dark setting. */
#include "idms/page.h"

#include <stdio.h>
#include <stdlib.h>

static const char style[] =
    ":root{color-scheme:light dark;--ink:#14202e;--soft:#55657a;--line:#cbd5e1;--page:#eef2f7;--card:#fff;"
    "--accent:#0b5cad;--accent-ink:#fff;--bad:#9b1c1c;--bad-page:#fdecec}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e6edf5;--soft:#9fb0c3;--line:#3a4a5e;--page:#0e1621;"
    "--card:#172231;--accent:#4ea1f3;--accent-ink:#08131f;--bad:#ffb4b4;--bad-page:#3b1a1d}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--page);"
    "color:var(--ink);font:16px/1.5 system-ui,'DejaVu Sans',sans-serif}\n"
    "main{width:100%;max-width:25rem;background:var(--card);border:1px solid var(--line);border-top:4px solid "
    "var(--accent);border-radius:10px;padding:2rem;box-shadow:0 12px 32px rgb(15 30 50/.10)}\n"
    ".service{margin:0 0 .25rem;font-size:.8rem;letter-spacing:.08em;text-transform:uppercase;color:var(--soft)}\n"
    "h1{margin:0 0 1.25rem;font-size:1.5rem;line-height:1.25}\n"
    "p.for{margin:-.75rem 0 1.25rem;color:var(--soft)}\n"
    "label{display:block;margin:0 0 .4rem;font-weight:600}\n"
    "input{width:100%;margin:0 0 1.1rem;padding:.7rem .8rem;font:inherit;color:inherit;background:transparent;"
    "border:1px solid var(--line);border-radius:7px}\n"
    "input:focus-visible,button:focus-visible{outline:2px solid var(--accent);outline-offset:1px}\n"
    "button{width:100%;padding:.8rem;font:inherit;font-weight:600;color:var(--accent-ink);background:var(--accent);"
    "border:0;border-radius:7px;cursor:pointer}\n"
    ".problem{margin:0 0 1.1rem;padding:.7rem .85rem;color:var(--bad);background:var(--bad-page);border-radius:7px;"
    "border-left:4px solid var(--bad)}\n"
    "footer{margin-top:1.5rem;font-size:.85rem;color:var(--soft)}\n";

/* An HTML document being written; bad once memory has run out. */
struct html {
	FILE *out;
	char *text;
	size_t len;
};

static int html_open(struct html *h)
{
	h->text = NULL;
	h->out = open_memstream(&h->text, &h->len);
	return h->out ? 0 : -1;
}

static void raw(struct html *h, const char *text)
{
	fputs(text, h->out);
}

static void escaped(struct html *h, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			raw(h, "&amp;");
			break;
		case '<':
			raw(h, "&lt;");
			break;
		case '>':
			raw(h, "&gt;");
			break;
		case '"':
			raw(h, "&quot;");
			break;
		case '\'':
			raw(h, "&#39;");
			break;
		default:
			fputc(*text, h->out);
		}
}

static void begin(struct html *h, const char *title)
{
	raw(h, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
	escaped(h, title);
	raw(h, "</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n");
}

static void finish(struct html *h, int status, struct http_response *rs)
{
	raw(h, "</main>\n</body>\n</html>\n");
	int bad = ferror(h->out);
	if (fclose(h->out) || bad || !h->text) {
		free(h->text);
		http_response_take(rs, 503, NULL, NULL, 0);
		return;
	}
	http_response_take(rs, status, "text/html; charset=utf-8", (uint8_t *)h->text, h->len);
	rs->secret = 1; /* the form carries the handle of its request */
}

void page_headers(struct http_response *rs, const char *form_source)
{
	http_response_header(rs, "Content-Security-Policy",
			     "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; "
			     "base-uri 'none'; form-action 'self'%s%s",
			     form_source ? " " : "", form_source ? form_source : "");
	http_response_header(rs, "X-Frame-Options", "DENY");
	http_response_header(rs, "X-Content-Type-Options", "nosniff");
	http_response_header(rs, "Referrer-Policy", "no-referrer");
	http_response_header(rs, "Cache-Control", "no-store");
	http_response_header(rs, "Pragma", "no-cache");
}

void page_login(const struct page_login *p, struct http_response *rs)
{
	struct html h;
	if (html_open(&h)) {
		http_response_take(rs, 503, NULL, NULL, 0);
		return;
	}
	begin(&h, "Sign in");
	raw(&h, "<p class=\"service\">Mission critical services</p>\n<h1>Sign in to ");
	escaped(&h, p->domain);
	raw(&h, "</h1>\n");
	if (p->client_name[0]) {
		raw(&h, "<p class=\"for\">to continue with ");
		escaped(&h, p->client_name);
		raw(&h, "</p>\n");
	}
	if (p->problem) {
		raw(&h, "<p class=\"problem\" role=\"alert\">");
		escaped(&h, p->problem);
		raw(&h, "</p>\n");
	}
	raw(&h, "<form method=\"post\" action=\"");
	escaped(&h, p->action);
	raw(&h, "\">\n<input type=\"hidden\" name=\"tx\" value=\"");
	escaped(&h, p->tx);
	raw(&h, "\">\n<label for=\"username\">MC ID</label>\n<input id=\"username\" name=\"username\" type=\"text\" "
		"maxlength=\"255\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required");
	raw(&h, p->username[0] ? " value=\"" : " autofocus value=\"");
	escaped(&h, p->username);
	raw(&h,
	    "\">\n<label for=\"password\">Password</label>\n<input id=\"password\" name=\"password\" type=\"password\" "
	    "autocomplete=\"current-password\" required");
	raw(&h, p->username[0] ? " autofocus>\n" : ">\n");
	raw(&h, "<button type=\"submit\">Sign in</button>\n</form>\n"
		"<footer>Lost your password? Ask your dispatcher or user administrator.</footer>\n");
	page_headers(rs, p->form_source);
	finish(&h, rs->status ? rs->status : 200, rs);
}

void page_error(int status, const char *title, const char *text, struct http_response *rs)
{
	struct html h;
	if (html_open(&h)) {
		http_response_take(rs, 503, NULL, NULL, 0);
		return;
	}
	begin(&h, title);
	raw(&h, "<p class=\"service\">Mission critical services</p>\n<h1>");
	escaped(&h, title);
	raw(&h, "</h1>\n<p class=\"problem\" role=\"alert\">");
	escaped(&h, text);
	raw(&h, "</p>\n<footer>Go back to the application and start the sign-in again.</footer>\n");
	page_headers(rs, NULL);
	finish(&h, status, rs);
}

void page_style(struct http_response *rs)
{
	http_response_text(rs, 200, "text/css; charset=utf-8", style);
	http_response_header(rs, "Cache-Control", "public, max-age=3600");
	http_response_header(rs, "X-Content-Type-Options", "nosniff");
}

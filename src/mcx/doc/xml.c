/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.c - safe XML reading by libxml2, exact writing by hand (see xml.h).
 *
 * A DOCTYPE is refused twice: by its letters before the parser runs, and, for encodings in which those letters look
 * otherwise, in the parsed tree; libxml2 is told to load nothing and to expand nothing meanwhile.
 */
#include "xml.h"

#include <pthread.h>

#include <libxml/parser.h>

#include "sec/base/text.h"

static int blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int xml_is(const xmlNode *node, const char *ns, const char *name)
{
	if (node->type != XML_ELEMENT_NODE || xmlStrcmp(node->name, (const xmlChar *)name))
		return 0;
	const xmlChar *have = node->ns ? node->ns->href : (const xmlChar *)"";
	return xmlStrcmp(have, (const xmlChar *)ns) == 0;
}

static int root_fits(const xmlDoc *doc, const char *ns, const char *root)
{
	const xmlNode *node = xmlDocGetRootElement(doc);
	return node && !doc->intSubset && !doc->extSubset && (!root || xml_is(node, ns, root));
}

/* ---- one parser a thread: to make one costs as much as to parse a short document ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t parsers;

static void drop(void *parser)
{
	xmlFreeParserCtxt(parser);
}

static void begin(void)
{
	if (pthread_key_create(&parsers, drop))
		abort();
}

/* What a stranger's document makes libxml2 say (of an encoding, say) is nothing for our standard error. */
static void say_nothing(void *ctx, const char *format, ...)
{
	(void)ctx;
	(void)format;
}

/* It keeps the names it met. So that strangers' names do not pile up, it is made again when they are many. */
static xmlParserCtxt *parser(void)
{
	enum { NAMES_KEPT = 1024 };
	pthread_once(&once, begin);
	xmlParserCtxt *p = pthread_getspecific(parsers);
	if (p && xmlDictSize(p->dict) <= NAMES_KEPT)
		return p;
	xmlFreeParserCtxt(p);
	xmlSetGenericErrorFunc(NULL, say_nothing); /* of this thread */
	p = xmlNewParserCtxt();
	if (pthread_setspecific(parsers, p)) {
		xmlFreeParserCtxt(p);
		return NULL;
	}
	return p;
}

/* The parser goes on to the text's end: the first fault counts. Where it converts letters it may count otherwise. */
static void note_fault(void *ctx, xmlErrorPtr fault)
{
	xmlParserCtxt *p = ctx;
	size_t *at = p->_private;
	if (!at || *at != SIZE_MAX || fault->level != XML_ERR_FATAL)
		return;
	long consumed = xmlByteConsumed(p);
	*at = consumed > 0 ? (size_t)consumed : 0;
}

enum mcsec_err xml_read(struct octets text, size_t max, const char *ns, const char *root, xmlDoc **out)
{
	return xml_read_at(text, max, ns, root, out, NULL);
}

enum mcsec_err xml_read_at(struct octets text, size_t max, const char *ns, const char *root, xmlDoc **out, size_t *at)
{
	size_t nowhere;
	at = at ? at : &nowhere;
	*out = NULL;
	*at = 0;
	if (text.len == 0 || text.len > max || text.len > INT32_MAX)
		return MCSEC_E_LENGTH;
	const uint8_t *type = memmem(text.p, text.len, "<!DOCTYPE", 9);
	if (type) { /* before the parser works on its entities */
		*at = (size_t)(type - text.p);
		return MCSEC_E_MALFORMED;
	}
	/* No XML_PARSE_NOENT and no XML_PARSE_HUGE: entities stay unexpanded, depth and node sizes stay bounded. */
	const int options =
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA | XML_PARSE_COMPACT;
	xmlParserCtxt *p = parser();
	if (!p)
		return MCSEC_E_MEMORY;
	*at = SIZE_MAX; /* until the first fault */
	p->_private = at;
	p->sax->serror = note_fault;
	xmlDoc *doc = xmlCtxtReadMemory(p, (const char *)text.p, (int)text.len, NULL, NULL, options);
	p->_private = NULL;
	xmlCtxtReset(p); /* it would hold the text, with the keys in it, until its next use */
	if (!doc || !root_fits(doc, ns, root)) {
		*at = doc ? xml_offset(text, xmlDocGetRootElement(doc)) : *at > text.len ? text.len : *at;
		xmlFreeDoc(doc);
		return MCSEC_E_MALFORMED;
	}
	*at = 0;
	*out = doc;
	return MCSEC_OK;
}

/* ---- where an element stands: the parser keeps lines only, and those end at 65535 ---- */

/* How many elements begin before this one. */
static size_t elements_before(const xmlNode *node)
{
	size_t n = 0;
	const xmlNode *at = xmlDocGetRootElement(node->doc);
	while (at && at != node) {
		n += at->type == XML_ELEMENT_NODE;
		if (at->type == XML_ELEMENT_NODE && at->children) {
			at = at->children;
			continue;
		}
		while (at && !at->next)
			at = at->parent;
		at = at ? at->next : NULL;
	}
	return n;
}

/* Behind the comment, section or instruction that begins at `from`, whose end is this; the text's end without one. */
static size_t behind(struct octets text, size_t from, const char *end)
{
	const uint8_t *found = memmem(text.p + from, text.len - from, end, strlen(end));
	return found ? (size_t)(found - text.p) + strlen(end) : text.len;
}

static int begins(struct octets text, size_t at, const char *with)
{
	return text.len - at >= strlen(with) && memcmp(text.p + at, with, strlen(with)) == 0;
}

/* The text is well formed and has no DOCTYPE: a '<' outside comments and the like begins a tag. */
size_t xml_offset(struct octets text, const xmlNode *element)
{
	size_t before = elements_before(element), at = 0;
	if (memchr(text.p, 0, text.len)) /* letters of two octets or four */
		return 0;
	while (at < text.len) {
		if (text.p[at] != '<')
			/* NOLINTNEXTLINE(bugprone-branch-clone): in the order in which they are told apart */
			at++;
		else if (begins(text, at, "<!--"))
			at = behind(text, at + 4, "-->");
		else if (begins(text, at, "<![CDATA["))
			at = behind(text, at, "]]>");
		else if (begins(text, at, "<?"))
			at = behind(text, at, "?>");
		else if (begins(text, at, "</") || before--)
			at++;
		else
			return at;
	}
	return 0;
}

xmlNode *xml_child(const xmlNode *parent, const char *ns, const char *name, unsigned *count)
{
	xmlNode *found = NULL;
	unsigned n = 0;
	for (xmlNode *child = parent->children; child; child = child->next) {
		if (!xml_is(child, ns, name))
			continue;
		found = n++ ? found : child;
	}
	if (count)
		*count = n;
	return n == 1 ? found : NULL;
}

enum mcsec_err xml_text(const xmlNode *node, char *out, size_t out_size)
{
	size_t len = 0;
	for (const xmlNode *child = node->children; child; child = child->next) {
		if (child->type == XML_COMMENT_NODE || child->type == XML_PI_NODE)
			continue;
		if (child->type != XML_TEXT_NODE)
			return MCSEC_E_VALUE;
		const char *text = (const char *)child->content;
		size_t n = strlen(text);
		if (n >= out_size - len) {
			out[0] = 0;
			return MCSEC_E_NO_SPACE;
		}
		memcpy(out + len, text, n);
		len += n;
	}
	size_t from = 0;
	while (from < len && blank(out[from]))
		from++;
	while (len > from && blank(out[len - 1]))
		len--;
	memmove(out, out + from, len - from);
	out[len - from] = 0;
	return MCSEC_OK;
}

static const char *escape_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	default:
		return NULL;
	}
}

void xml_put_text(struct writer *w, const char *text)
{
	if (!utf8_valid(octets_of(text)))
		w->err = MCSEC_E_VALUE;
	for (const char *c = text; *c && !w->err; c++) {
		const char *escaped = escape_of(*c);
		if (escaped)
			wr_text(w, escaped);
		else if ((uint8_t)*c < 0x20) /* also tab and line ends: a parser would normalise them in attributes */
			/* NOLINTNEXTLINE(bugprone-branch-clone): in the order in which they are told apart */
			w->err = MCSEC_E_VALUE;
		else if (strncmp(c, "\xef\xbf", 2) == 0 && (uint8_t)c[2] >= 0xbe) /* U+FFFE, U+FFFF: XML 1.0 2.2 */
			w->err = MCSEC_E_VALUE;
		else
			wr_u8(w, (uint8_t)*c);
	}
}

void xml_put_element(struct writer *w, const char *name, const char *text)
{
	wr_text(w, "<");
	wr_text(w, name);
	wr_text(w, ">");
	xml_put_text(w, text);
	wr_text(w, "</");
	wr_text(w, name);
	wr_text(w, ">");
}

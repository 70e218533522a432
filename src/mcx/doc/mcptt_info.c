/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcptt_info.c - mcptt-info read and written from one table (TS 24.379 F.1; sip.md 9.1).
 *
 * The table lists the elements we use in the order of the schema; reading looks each up by name (a receiver does not
 * insist on order), writing follows the order. anyExt comes last and is written only when something stands in it.
 */
#include "mcptt_info.h"

#include "xml.h"

#define NS      "urn:3gpp:ns:mcpttInfo:1.0"
#define NS_XENC "http://www.w3.org/2001/04/xmlenc#"

enum kind { TOKEN, URI, STRING, TEXT };

static const struct element {
	const char *name;
	enum kind kind; /* TEXT: the element holds the text itself */
	size_t at;      /* of the form for content elements, of the text for TEXT */
	size_t size;    /* of the text */
} params[] =
    {
	{"mcptt-access-token", TOKEN, offsetof(struct mcptt_info, access_token), MCPTT_TOKEN_MAX},
	{"session-type", TEXT, offsetof(struct mcptt_info, session_type), 32},
	{"mcptt-request-uri", URI, offsetof(struct mcptt_info, request_uri), MCPTT_URI_MAX},
	{"mcptt-calling-user-id", URI, offsetof(struct mcptt_info, calling_user_id), MCPTT_URI_MAX},
	{"mcptt-called-party-id", URI, offsetof(struct mcptt_info, called_party_id), MCPTT_URI_MAX},
	{"mcptt-calling-group-id", URI, offsetof(struct mcptt_info, calling_group_id), MCPTT_URI_MAX},
	{"mc-org", TEXT, offsetof(struct mcptt_info, mc_org), 128},
	{"mcptt-client-id", STRING, offsetof(struct mcptt_info, client_id), MCPTT_URI_MAX},
},
  extensions[] = {
      {"request-type", TEXT, offsetof(struct mcptt_info, request_type), 64},
      {"response-type", TEXT, offsetof(struct mcptt_info, response_type), 64},
      {"release-reason", TEXT, offsetof(struct mcptt_info, release_reason), 96},
};

enum { PARAMS = sizeof params / sizeof *params, EXTENSIONS = sizeof extensions / sizeof *extensions };

/* Both content structs begin with their form and go on with the text. */
_Static_assert(offsetof(struct mcptt_uri, value) == sizeof(enum mcptt_form), "a content field is form, then text");

static enum mcptt_form *form_of(struct mcptt_info *info, const struct element *e)
{
	return (enum mcptt_form *)((char *)info + e->at);
}

static char *text_of(struct mcptt_info *info, const struct element *e)
{
	return (char *)info + e->at + (e->kind == TEXT ? 0 : sizeof(enum mcptt_form));
}

static const char *content_name(enum kind kind)
{
	return kind == URI ? "mcpttURI" : "mcpttString";
}

/* What is read into, and the element at fault. */
struct reading {
	struct mcptt_info *info;
	const xmlNode *fault;
};

static enum mcsec_err fail(struct reading *r, const xmlNode *node, enum mcsec_err e)
{
	r->fault = node;
	return e;
}

static enum mcsec_err read_text(struct reading *r, const xmlNode *node, char *out, size_t size)
{
	enum mcsec_err e = xml_text(node, out, size);
	return e ? fail(r, node, e == MCSEC_E_NO_SPACE ? MCSEC_E_LENGTH : e) : MCSEC_OK;
}

/* mcpttURI, mcpttString or mcpttBoolean inside; or xenc:EncryptedData. */
static enum mcsec_err read_content(struct reading *r, const struct element *e, const xmlNode *node)
{
	static const char *const names[] = {"mcpttURI", "mcpttString"};
	xmlChar *type = xmlGetNoNsProp(node, (const xmlChar *)"type");
	int encrypted = type && xmlStrEqual(type, (const xmlChar *)"Encrypted");
	xmlFree(type);
	unsigned n = 0;
	xml_child(node, NS_XENC, "EncryptedData", &n);
	if (encrypted || n) {
		*form_of(r->info, e) = MCPTT_ENCRYPTED;
		return MCSEC_OK;
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const xmlNode *value = xml_child(node, NS, names[i], &n);
		if (n > 1)
			break;
		if (!value)
			continue;
		*form_of(r->info, e) = MCPTT_PLAIN;
		return read_text(r, value, text_of(r->info, e), e->size);
	}
	return fail(r, node, MCSEC_E_VALUE);
}

static enum mcsec_err read_element(struct reading *r, const struct element *e, const xmlNode *parent)
{
	unsigned n = 0;
	const xmlNode *node = xml_child(parent, NS, e->name, &n);
	if (n == 0)
		return MCSEC_OK;
	if (n > 1)
		return fail(r, parent, MCSEC_E_VALUE);
	return e->kind != TEXT ? read_content(r, e, node) : read_text(r, node, text_of(r->info, e), e->size);
}

/* PrivateCallKMSURI > PrivateCallKMSURI > uri-entry (sip.md 9.2). */
static enum mcsec_err read_kms_uri(struct reading *r, const xmlNode *ext)
{
	static const char *const path[] = {"PrivateCallKMSURI", "PrivateCallKMSURI", "uri-entry"};
	for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
		unsigned n = 0;
		const xmlNode *node = xml_child(ext, NS, path[i], &n);
		if (n > 1)
			return fail(r, ext, MCSEC_E_VALUE);
		if (!node)
			return MCSEC_OK;
		ext = node;
	}
	return read_text(r, ext, r->info->private_call_kms_uri, sizeof r->info->private_call_kms_uri);
}

static enum mcsec_err read_params(struct reading *r, const xmlNode *node)
{
	enum mcsec_err e = MCSEC_OK;
	for (size_t i = 0; i < PARAMS && !e; i++)
		e = read_element(r, &params[i], node);
	unsigned n = 0;
	const xmlNode *ext = xml_child(node, NS, "anyExt", &n);
	if (!e && n > 1)
		e = fail(r, node, MCSEC_E_VALUE);
	for (size_t i = 0; i < EXTENSIONS && !e && ext; i++)
		e = read_element(r, &extensions[i], ext);
	return !e && ext ? read_kms_uri(r, ext) : e;
}

enum mcsec_err mcptt_info_read(struct octets xml, struct mcptt_info *out, size_t *at)
{
	xmlDoc *doc;
	struct reading r = {out, NULL};
	memset(out, 0, sizeof *out);
	enum mcsec_err e = xml_read_at(xml, MCPTT_INFO_MAX, NS, "mcpttinfo", &doc, at);
	if (e)
		return e;
	unsigned n = 0;
	const xmlNode *root = xmlDocGetRootElement(doc), *node = xml_child(root, NS, "mcptt-Params", &n);
	e = n > 1 ? fail(&r, root, MCSEC_E_VALUE) : node ? read_params(&r, node) : MCSEC_OK;
	if (e && at)
		*at = xml_offset(xml, r.fault);
	xmlFreeDoc(doc);
	if (e)
		memset(out, 0, sizeof *out);
	return e;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void write_element(struct writer *w, struct mcptt_info *info, const struct element *e)
{
	if (e->kind == TEXT) {
		if (text_of(info, e)[0])
			xml_put_element(w, e->name, text_of(info, e));
		return;
	}
	if (*form_of(info, e) == MCPTT_ABSENT)
		return;
	if (*form_of(info, e) == MCPTT_ENCRYPTED && !w->err)
		w->err = MCSEC_E_UNSUPPORTED;
	wr_text(w, "<");
	wr_text(w, e->name);
	wr_text(w, " type=\"Normal\">");
	xml_put_element(w, content_name(e->kind), text_of(info, e));
	wr_text(w, "</");
	wr_text(w, e->name);
	wr_text(w, ">");
}

static void write_extensions(struct writer *w, struct mcptt_info *info)
{
	if (!info->request_type[0] && !info->response_type[0] && !info->release_reason[0] &&
	    !info->private_call_kms_uri[0])
		return;
	wr_text(w, "<anyExt>");
	for (size_t i = 0; i < EXTENSIONS; i++)
		write_element(w, info, &extensions[i]);
	if (info->private_call_kms_uri[0]) {
		wr_text(w, "<PrivateCallKMSURI><PrivateCallKMSURI>");
		xml_put_element(w, "uri-entry", info->private_call_kms_uri);
		wr_text(w, "</PrivateCallKMSURI></PrivateCallKMSURI>");
	}
	wr_text(w, "</anyExt>");
}

enum mcsec_err mcptt_info_write(struct writer *w, const struct mcptt_info *info)
{
	struct mcptt_info *i =
	    (struct mcptt_info *)(uintptr_t)info; /* the accessors serve reading too; nothing changes */
	wr_text(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<mcpttinfo xmlns=\"" NS "\"><mcptt-Params>");
	for (size_t k = 0; k < PARAMS; k++)
		write_element(w, i, &params[k]);
	write_extensions(w, i);
	wr_text(w, "</mcptt-Params></mcpttinfo>\r\n");
	return w->err;
}

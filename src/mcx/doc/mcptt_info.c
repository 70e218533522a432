/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcptt_info.c - mcptt-info, mcvideo-info and mcdata-info read and written from one table (TS 24.379 F.1, TS 24.281
 * F.1, TS 24.282 D.1; sip.md 9.1 to 9.4).
 *
 * The table lists the elements we use in the order of the schemas; reading looks each up by name (a receiver does not
 * insist on order), writing follows the order. Names differ between the services by their prefix alone. anyExt comes
 * last and is written only when something stands in it.
 */
#include "mcptt_info.h"

#include <stdio.h>

#include "xml.h"

#define NS_XENC "http://www.w3.org/2001/04/xmlenc#"

enum kind { TOKEN, URI, STRING, TEXT };

enum {
	PTT = 1 << MCX_MCPTT,
	VIDEO = 1 << MCX_MCVIDEO,
	DATA = 1 << MCX_MCDATA,
	ALL = PTT | VIDEO | DATA,
	PREFIX = 1 << MCX_SERVICES, /* the service's name and a hyphen come before it */
	NAME_MAX_ = 40
};

/* clang-format off */
static const struct element {
	const char *name;
	int in; /* services */
	enum kind kind; /* TEXT: the element holds the text itself */
	size_t at;      /* of the form for content elements, of the text for TEXT */
	size_t size;    /* of the text */
} params[] = {
	{ "access-token",     ALL | PREFIX, TOKEN,  offsetof(struct mcptt_info, access_token),     MCPTT_TOKEN_MAX },
	{ "session-type",     PTT | VIDEO,  TEXT,   offsetof(struct mcptt_info, session_type),     32 },
	{ "request-type",     DATA,         TEXT,   offsetof(struct mcptt_info, request_type),     64 },
	{ "request-uri",      ALL | PREFIX, URI,    offsetof(struct mcptt_info, request_uri),      MCPTT_URI_MAX },
	{ "calling-user-id",  ALL | PREFIX, URI,    offsetof(struct mcptt_info, calling_user_id),  MCPTT_URI_MAX },
	{ "called-party-id",  ALL | PREFIX, URI,    offsetof(struct mcptt_info, called_party_id),  MCPTT_URI_MAX },
	{ "calling-group-id", ALL | PREFIX, URI,    offsetof(struct mcptt_info, calling_group_id), MCPTT_URI_MAX },
	{ "mc-org",           PTT | VIDEO,  TEXT,   offsetof(struct mcptt_info, mc_org),           128 },
	{ "client-id",        ALL | PREFIX, STRING, offsetof(struct mcptt_info, client_id),        MCPTT_URI_MAX },
}, extensions[] = {
	{ "request-type",     PTT | VIDEO,  TEXT,   offsetof(struct mcptt_info, request_type),     64 },
	{ "response-type",    PTT | VIDEO,  TEXT,   offsetof(struct mcptt_info, response_type),    64 },
	{ "release-reason",   PTT | VIDEO,  TEXT,   offsetof(struct mcptt_info, release_reason),   96 },
};
/* clang-format on */

enum { PARAMS = sizeof params / sizeof *params, EXTENSIONS = sizeof extensions / sizeof *extensions };

/* Both content structs begin with their form and go on with the text. */
_Static_assert(offsetof(struct mcptt_uri, value) == sizeof(enum mcptt_form), "a content field is form, then text");

static const char *element_name(enum mcx_service service, const struct element *e, char out[NAME_MAX_])
{
	int prefixed = e->in & PREFIX;
	snprintf(out, NAME_MAX_, "%s%s%s", prefixed ? mcx_services[service].name : "", prefixed ? "-" : "", e->name);
	return out;
}

static enum mcptt_form *form_of(struct mcptt_info *info, const struct element *e)
{
	return (enum mcptt_form *)((char *)info + e->at);
}

static char *text_of(struct mcptt_info *info, const struct element *e)
{
	return (char *)info + e->at + (e->kind == TEXT ? 0 : sizeof(enum mcptt_form));
}

static const char *content_name(enum mcx_service service, const char *what, char out[NAME_MAX_])
{
	snprintf(out, NAME_MAX_, "%s%s", mcx_services[service].name, what);
	return out;
}

/* What is read into, and the element at fault. */
struct reading {
	enum mcx_service service;
	const char *ns;
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

/* mcpttURI or mcpttString (mcvideoURI ...) inside; or xenc:EncryptedData. */
static enum mcsec_err read_content(struct reading *r, const struct element *e, const xmlNode *node)
{
	static const char *const names[] = {"URI", "String"};
	char name[NAME_MAX_];
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
		const xmlNode *value = xml_child(node, r->ns, content_name(r->service, names[i], name), &n);
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
	char name[NAME_MAX_];
	unsigned n = 0;
	if (!(e->in & 1 << r->service))
		return MCSEC_OK;
	const xmlNode *node = xml_child(parent, r->ns, element_name(r->service, e, name), &n);
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
		const xmlNode *node = xml_child(ext, r->ns, path[i], &n);
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
	const xmlNode *ext = xml_child(node, r->ns, "anyExt", &n);
	if (!e && n > 1)
		e = fail(r, node, MCSEC_E_VALUE);
	for (size_t i = 0; i < EXTENSIONS && !e && ext; i++)
		e = read_element(r, &extensions[i], ext);
	return !e && ext ? read_kms_uri(r, ext) : e;
}

enum mcsec_err mcx_info_read(enum mcx_service service, struct octets xml, struct mcptt_info *out, size_t *at)
{
	const struct mcx_service_names *names = &mcx_services[service];
	xmlDoc *doc;
	struct reading r = {service, names->info_ns, out, NULL};
	memset(out, 0, sizeof *out);
	enum mcsec_err e = xml_read_at(xml, MCPTT_INFO_MAX, names->info_ns, names->info_root, &doc, at);
	if (e)
		return e;
	unsigned n = 0;
	const xmlNode *root = xmlDocGetRootElement(doc), *node = xml_child(root, r.ns, names->info_params, &n);
	e = n > 1 ? fail(&r, root, MCSEC_E_VALUE) : node ? read_params(&r, node) : MCSEC_OK;
	if (e && at)
		*at = xml_offset(xml, r.fault);
	xmlFreeDoc(doc);
	if (e)
		memset(out, 0, sizeof *out);
	return e;
}

enum mcsec_err mcptt_info_read(struct octets xml, struct mcptt_info *out, size_t *at)
{
	return mcx_info_read(MCX_MCPTT, xml, out, at);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void put_tag(struct writer *w, const char *before, const char *name, const char *after)
{
	wr_text(w, before);
	wr_text(w, name);
	wr_text(w, after);
}

static void write_element(struct writer *w, enum mcx_service service, struct mcptt_info *info, const struct element *e)
{
	char name[NAME_MAX_], content[NAME_MAX_];
	if (!(e->in & 1 << service))
		return;
	element_name(service, e, name);
	if (e->kind == TEXT) {
		if (text_of(info, e)[0])
			xml_put_element(w, name, text_of(info, e));
		return;
	}
	if (*form_of(info, e) == MCPTT_ABSENT)
		return;
	if (*form_of(info, e) == MCPTT_ENCRYPTED && !w->err)
		w->err = MCSEC_E_UNSUPPORTED;
	put_tag(w, "<", name, " type=\"Normal\">");
	xml_put_element(w, content_name(service, e->kind == URI ? "URI" : "String", content), text_of(info, e));
	put_tag(w, "</", name, ">");
}

static void write_extensions(struct writer *w, enum mcx_service service, struct mcptt_info *info)
{
	int any = info->private_call_kms_uri[0] != 0;
	for (size_t i = 0; i < EXTENSIONS; i++)
		any |= (extensions[i].in & 1 << service) && text_of(info, &extensions[i])[0];
	if (!any)
		return;
	wr_text(w, "<anyExt>");
	for (size_t i = 0; i < EXTENSIONS; i++)
		write_element(w, service, info, &extensions[i]);
	if (info->private_call_kms_uri[0]) {
		wr_text(w, "<PrivateCallKMSURI><PrivateCallKMSURI>");
		xml_put_element(w, "uri-entry", info->private_call_kms_uri);
		wr_text(w, "</PrivateCallKMSURI></PrivateCallKMSURI>");
	}
	wr_text(w, "</anyExt>");
}

enum mcsec_err mcx_info_write(struct writer *w, enum mcx_service service, const struct mcptt_info *info)
{
	const struct mcx_service_names *names = &mcx_services[service];
	struct mcptt_info *i =
	    (struct mcptt_info *)(uintptr_t)info; /* the accessors serve reading too; nothing changes */
	put_tag(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<", names->info_root, " xmlns=\"");
	put_tag(w, names->info_ns, "\"><", names->info_params);
	wr_text(w, ">");
	for (size_t k = 0; k < PARAMS; k++)
		write_element(w, service, i, &params[k]);
	write_extensions(w, service, i);
	put_tag(w, "</", names->info_params, "></");
	put_tag(w, "", names->info_root, ">\r\n");
	return w->err;
}

enum mcsec_err mcptt_info_write(struct writer *w, const struct mcptt_info *info)
{
	return mcx_info_write(w, MCX_MCPTT, info);
}

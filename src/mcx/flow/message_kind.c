/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_kind.c - the table of kinds (TS 24.379 6.2.0.1; sip.md 3); it is the specification of this file.
 *
 * First match wins. The condition that all rows share is the service's ICSI in P-Asserted-Service. "Content-Type set to
 * X" of the clause is met by X as the type of any part. Element names are those of the schemas; the clause's spellings
 * `mcptt-info` (root) and `mcptt -info+xml` (type) are slips, its root `Location` is read too.
 */
#include "mcx/flow/message_kind.h"

#include <stdio.h>

#include "mcsec/kdf.h"
#include "mcx/doc/mikey_body.h"
#include "mcx/doc/xml.h"
#include "sec/base/check.h"

enum { XML_MAX = 64 * 1024, VALUE_MAX = 64, MIKEY_MAX = 8192 };

/* What a part is to us. */
enum role { INFO, LOCATION, MIKEY, KRR, USAGE, REGROUP, DATA, ROLES };

#define TYPE(service, what) "application/vnd.3gpp." service "-" what
/* clang-format off */
static const char *const types[MCX_SERVICES][ROLES] = {
	[MCX_MCPTT] = { TYPE("mcptt", "info+xml"), TYPE("mcptt", "location-info+xml"), TYPE_MIKEY, TYPE_KRR,
			TYPE("mcptt", "mbms-usage-info+xml"), TYPE("mcptt", "regroup+xml"), NULL },
	[MCX_MCVIDEO] = { TYPE("mcvideo", "info+xml"), TYPE("mcvideo", "location-info+xml"), TYPE_MIKEY, TYPE_KRR,
			  TYPE("mcvideo", "mbms-usage-info+xml"), TYPE("mcvideo", "regroup+xml"), NULL },
	[MCX_MCDATA] = { TYPE("mcdata", "info+xml"), TYPE("mcdata", "location-info+xml"), TYPE_MIKEY, TYPE_KRR,
			 TYPE("mcdata", "mbms-usage-info+xml"), TYPE("mcdata", "regroup+xml"), TYPE("mcdata", "signalling") },
};
/* clang-format on */

#define ACCEPT(s)                                                                                                      \
	TYPE_MULTIPART ", " TYPE_MIKEY ", " TYPE_KRR ", " TYPE(s, "info+xml") ", " TYPE(                               \
	    s, "location-info+xml") ", " TYPE(s, "mbms-usage-info+xml") ", " TYPE(s, "regroup+xml")

const char *message_accept(enum mcx_service service)
{
	static const char *const accept[MCX_SERVICES] = {ACCEPT("mcptt"), ACCEPT("mcvideo"),
							 ACCEPT("mcdata") ", " TYPE("mcdata", "signalling")};
	return accept[service];
}

/* ---- what the parts say ------------------------------------------------------------------------------------------ */

struct facts {
	const struct body_part *part[ROLES];
	int configuration, request; /* children of location-info */
	char request_type[VALUE_MAX], response_type[VALUE_MAX];
	int alert, announcement;
	int tag; /* of the CSB ID; -1: there is none to read */
	uint32_t csb_id;
};

static int has_child(const xmlNode *parent, const char *name)
{
	for (const xmlNode *c = parent->children; c; c = c->next)
		if (c->type == XML_ELEMENT_NODE && !xmlStrcmp(c->name, (const xmlChar *)name))
			return 1;
	return 0;
}

/* Text of {ns}plain, or of the content element {ns}content that later values come in (sip.md 9.2). */
static void read_value(const xmlNode *ext, const struct mcx_service_names *n, const char *plain, const char *content,
		       char *out)
{
	char string[32];
	const xmlNode *node = xml_child(ext, n->info_ns, plain, NULL);
	if (!node && (node = xml_child(ext, n->info_ns, content, NULL))) {
		snprintf(string, sizeof string, "%sString", n->name);
		node = xml_child(node, n->info_ns, string, NULL);
	}
	if (node && !*out && xml_text(node, out, VALUE_MAX))
		*out = 0;
}

static void read_ext(const xmlNode *parent, const struct mcx_service_names *n, struct facts *f)
{
	const xmlNode *ext = xml_child(parent, n->info_ns, "anyExt", NULL);
	if (!ext)
		return;
	read_value(ext, n, "request-type", "req-type", f->request_type);
	read_value(ext, n, "response-type", "resp-type", f->response_type);
}

/* mcpttinfo/mcptt-Params/anyExt; values that stand in the root's own anyExt are read too (sip.md 9.2). */
static void read_info(const struct mcx_service_names *n, struct facts *f)
{
	xmlDoc *doc;
	if (!f->part[INFO] || xml_read(f->part[INFO]->body, XML_MAX, n->info_ns, n->info_root, &doc))
		return;
	const xmlNode *root = xmlDocGetRootElement(doc), *params = xml_child(root, n->info_ns, n->info_params, NULL);
	if (params) {
		f->alert = has_child(params, "alert-ind") || has_child(params, "alert-ind-rcvd");
		read_ext(params, n, f);
	}
	read_ext(root, n, f);
	xmlFreeDoc(doc);
}

static void read_location(struct facts *f)
{
	xmlDoc *doc;
	if (!f->part[LOCATION] || xml_read(f->part[LOCATION]->body, XML_MAX, NULL, NULL, &doc))
		return;
	const xmlNode *root = xmlDocGetRootElement(doc);
	if (!xmlStrcmp(root->name, (const xmlChar *)"location-info") ||
	    !xmlStrcmp(root->name, (const xmlChar *)"Location")) {
		f->configuration = has_child(root, "Configuration");
		f->request = has_child(root, "Request");
	}
	xmlFreeDoc(doc);
}

static void read_usage(struct facts *f)
{
	xmlDoc *doc;
	if (!f->part[USAGE] || xml_read(f->part[USAGE]->body, XML_MAX, NULL, NULL, &doc))
		return;
	f->announcement = has_child(xmlDocGetRootElement(doc), "announcement");
	xmlFreeDoc(doc);
}

static void read_mikey(struct facts *f)
{
	uint8_t scratch[MIKEY_MAX];
	f->tag = -1;
	if (f->part[MIKEY] &&
	    mikey_body_csb_id(mikey_body(f->part[MIKEY]->body, scratch, sizeof scratch), &f->csb_id) == 0)
		f->tag = (int)(f->csb_id >> 28);
}

/* ---- the table -----------------------------------------------------------------------------------------------------
 */

#define PTT   (1 << MCX_MCPTT)
#define VIDEO (1 << MCX_MCVIDEO)
#define DATA_ (1 << MCX_MCDATA)
#define ALL   (PTT | VIDEO | DATA_)

enum condition { PART, CONFIGURATION, REQUEST, REQUEST_TYPE, RESPONSE_TYPE, TAG, ANNOUNCEMENT, ALERT };

/* clang-format off */
static const struct row {
	enum message_kind kind;
	const char *name; /* for the log */
	int services;
	enum role in;
	enum condition when;
	int tag;
	const char *value;
} rows[] = {
	{ MESSAGE_SDS,                        "sds",                          DATA_,       DATA,     PART,          0, NULL },
	{ MESSAGE_LOCATION_CONFIGURATION,     "location-configuration",       ALL,         LOCATION, CONFIGURATION, 0, NULL },
	{ MESSAGE_LOCATION_REQUEST,           "location-request",             ALL,         LOCATION, REQUEST,       0, NULL },
	{ MESSAGE_CALL_BACK,                  "call-back",                    PTT,         INFO,     REQUEST_TYPE,  0, "private-call-call-back-request" },
	{ MESSAGE_CALL_BACK_CANCEL,           "call-back-cancel",             PTT,         INFO,     REQUEST_TYPE,  0, "private-call-call-back-cancel-request" },
	{ MESSAGE_CALL_BACK_ANSWER,           "call-back-response",           PTT,         INFO,     RESPONSE_TYPE, 0, "private-call-call-back-response" },
	{ MESSAGE_CALL_BACK_CANCEL_ANSWER,    "call-back-cancel-response",    PTT,         INFO,     RESPONSE_TYPE, 0, "private-call-call-back-cancel-response" },
	{ MESSAGE_CSK_DOWNLOAD,               "csk-download",                 ALL,         MIKEY,    TAG,           MCSEC_CSK,   NULL },
	{ MESSAGE_MUSIK_DOWNLOAD,             "musik-download",               ALL,         MIKEY,    TAG,           MCSEC_MUSIK, NULL },
	{ MESSAGE_GROUP_KEY,                  "group-key",                    ALL,         MIKEY,    TAG,           MCSEC_GMK,   NULL },
	{ MESSAGE_GROUP_KEY,                  "group-key",                    ALL,         MIKEY,    TAG,           MCSEC_MKFC,  NULL },
	{ MESSAGE_KMS_REDIRECT,               "kms-redirect",                 ALL,         KRR,      PART,          0, NULL },
	{ MESSAGE_GROUP_SELECTION,            "group-selection",              PTT | VIDEO, INFO,     REQUEST_TYPE,  0, "group-selection-change-request" },
	{ MESSAGE_GROUP_SELECTION_ANSWER,     "group-selection-response",     PTT | VIDEO, INFO,     RESPONSE_TYPE, 0, "group-selection-change-response" },
	{ MESSAGE_REMOTE_GROUP_CALL,          "remote-group-call",            PTT,         INFO,     REQUEST_TYPE,  0, "remotely-initiated-group-call-request" },
	{ MESSAGE_REMOTE_GROUP_CALL_ANSWER,   "remote-group-call-response",   PTT,         INFO,     RESPONSE_TYPE, 0, "remotely-initiated-group-call-response" },
	{ MESSAGE_REMOTE_PRIVATE_CALL,        "remote-private-call",          PTT,         INFO,     REQUEST_TYPE,  0, "remotely-initiated-private-call-request" },
	{ MESSAGE_REMOTE_PRIVATE_CALL_ANSWER, "remote-private-call-response", PTT,         INFO,     RESPONSE_TYPE, 0, "remotely-initiated-private-call-response" },
	{ MESSAGE_TRANSFER,                   "transfer",                     PTT,         INFO,     REQUEST_TYPE,  0, "transfer-private-call-request" },
	{ MESSAGE_TRANSFER_ANSWER,            "transfer-response",            PTT,         INFO,     RESPONSE_TYPE, 0, "transfer-private-call-response" },
	{ MESSAGE_FORWARD,                    "forward",                      PTT,         INFO,     REQUEST_TYPE,  0, "forward-private-call-request" },
	{ MESSAGE_FORWARD_ANSWER,             "forward-response",             PTT,         INFO,     RESPONSE_TYPE, 0, "forward-private-call-response" },
	{ MESSAGE_FORWARD_SETTINGS,           "forward-settings",             PTT,         INFO,     REQUEST_TYPE,  0, "forward-private-call-settings-request" },
	{ MESSAGE_FORWARD_SETTINGS_ANSWER,    "forward-settings-response",    PTT,         INFO,     REQUEST_TYPE,  0, "forward-private-call-settings-response" },
	{ MESSAGE_ALIAS_STATUS,               "alias-status",                 PTT,         INFO,     REQUEST_TYPE,  0, "functional-alias-status-determination" },
	{ MESSAGE_ALIAS_BINDING,              "alias-group-binding",          PTT | VIDEO, INFO,     REQUEST_TYPE,  0, "fa-group-binding-req" },
	{ MESSAGE_MBMS_ANNOUNCEMENT,          "mbms-announcement",            ALL,         USAGE,    ANNOUNCEMENT,  0, NULL },
	{ MESSAGE_ALERT,                      "emergency-alert",              ALL,         INFO,     ALERT,         0, NULL },
	{ MESSAGE_REGROUP,                    "regroup",                      ALL,         REGROUP,  PART,          0, NULL },
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof *rows };

const char *message_kind_name(enum message_kind k)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].kind == k)
			return rows[i].name;
	return "none";
}

static int meets(const struct row *r, const struct facts *f)
{
	switch (r->when) {
	case PART:
		return 1;
	case CONFIGURATION:
		return f->configuration;
	case REQUEST:
		return f->request;
	case REQUEST_TYPE:
		return !strcmp(f->request_type, r->value);
	case RESPONSE_TYPE:
		return !strcmp(f->response_type, r->value);
	case TAG:
		return MCX_CHECK(msg.tag, f->tag == r->tag);
	case ANNOUNCEMENT:
		return f->announcement;
	case ALERT:
		return f->alert;
	}
	return 0;
}

static struct message_class refuse(int status, const char *why)
{
	return (struct message_class){.kind = MESSAGE_NONE, .status = status, .why = why};
}

/* A type that the table knows for some service: the sender means an MC client, though perhaps another one. */
static int known_type(const char *type)
{
	for (size_t s = 0; s < MCX_SERVICES; s++)
		for (size_t r = 0; r < ROLES; r++)
			if (types[s][r] && !strcmp(types[s][r], type))
				return 1;
	return 0;
}

struct message_class message_classify(enum mcx_service service, const char *icsi, const struct multipart *parts)
{
	struct facts f = {0};
	size_t n_known = 0, count;
	if (MCX_FAULT(msg.unreadable, !parts))
		return refuse(400, "the body does not read");
	for (size_t i = 0; parts && i < parts->n; i++)
		n_known += (size_t)known_type(parts->parts[i].type);
	if (MCX_FAULT(msg.known_type, n_known == 0))
		return refuse(415, "no part of a known type");
	for (size_t r = 0; r < ROLES; r++) {
		if (!types[service][r])
			continue;
		f.part[r] = multipart_find(parts, types[service][r], &count);
		if (MCX_FAULT(msg.part_twice, count > 1))
			return refuse(400, "a part that stands twice");
	}
	if (MCX_FAULT(msg.service, !mcx_service_is(service, icsi)))
		return refuse(403, "P-Asserted-Service is not the service's");
	read_info(&mcx_services[service], &f);
	read_location(&f);
	read_usage(&f);
	read_mikey(&f);
	struct message_class c = refuse(403, "a known type, but no kind of message");
	for (size_t i = 0; i < ROWS && c.kind == MESSAGE_NONE; i++)
		if (rows[i].services & 1 << service && f.part[rows[i].in] && meets(&rows[i], &f))
			c = (struct message_class){.kind = rows[i].kind, .csb_id = f.csb_id};
	if (c.kind == MESSAGE_NONE && !MCX_FAULT(msg.no_kind, 1))
		c.status = 200;
	c.read_mikey = f.part[MIKEY] != NULL;
	c.read_xml = f.part[INFO] || f.part[LOCATION] || f.part[USAGE];
	return c;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_profile.c - see user_profile.h.
 *
 * The published schemas place PrivateCallKMSURI differently: in MCVideo it stands beside PrivateCallURI in an entry of
 * its own (PrivateCallOnNetwork); in MCPTT it came later, so it stands in an anyExt, of the entry itself or of the
 * list, where an equal `index` ties it to its entry, or there is but one of each. All of these are read. One that
 * belongs to nobody refuses the document: whoever wrote it meant somebody, and a guess would encrypt a key under the
 * wrong domain.
 */
#include "user_profile.h"

#include <stdlib.h>

#include "xml.h"

#define KMS_NAME "PrivateCallKMSURI"

static const struct {
	const char *ns, *root;
} kinds[] = {[MCX_MCPTT] = {"urn:3gpp:mcptt:user-profile:1.0", "mcptt-user-profile"},
	     [MCX_MCVIDEO] = {"urn:3gpp:ns:mcvideo:user-profile:1.0", "mcvideo-user-profile"}};

struct reading {
	const char *ns;
	struct user_profile *out;
	const xmlNode *fault;
};

static enum mcsec_err fail(struct reading *r, const xmlNode *at, enum mcsec_err e)
{
	r->fault = at;
	return e;
}

/* The next sibling of this name, node itself included. */
static const xmlNode *next_of(const struct reading *r, const xmlNode *node, const char *name)
{
	while (node && !xml_is(node, r->ns, name))
		node = node->next;
	return node;
}

/* uri-entry of an EntryType. */
static enum mcsec_err read_uri(struct reading *r, const xmlNode *entry, char *out, size_t size)
{
	unsigned n = 0;
	const xmlNode *uri = xml_child(entry, r->ns, "uri-entry", &n);
	enum mcsec_err e = n == 1 ? xml_text(uri, out, size) : MCSEC_E_VALUE;
	return e ? fail(r, entry, e) : MCSEC_OK;
}

/* The EntryType is a PrivateCallKMSURI within the PrivateCallKMSURI; peers are seen to write it without the outer one.
 */
static const xmlNode *inner(const struct reading *r, const xmlNode *kms)
{
	const xmlNode *in = xml_child(kms, r->ns, KMS_NAME, NULL);
	return in ? in : kms;
}

/* Its attribute `index`, which lives as long as the document; NULL: there is none. */
static const xmlChar *index_of(const xmlNode *node)
{
	const xmlAttr *a = xmlHasProp(node, (const xmlChar *)"index");
	const xmlNode *text = a ? a->children : NULL;
	return text && text->type == XML_TEXT_NODE && !text->next ? text->content : NULL;
}

static int same_index(const xmlNode *a, const xmlNode *b)
{
	const xmlChar *x = index_of(a), *y = index_of(b);
	return x && y && xmlStrEqual(x, y);
}

static enum mcsec_err add(struct reading *r, const xmlNode *user, const xmlNode *kms)
{
	struct user_profile *p = r->out;
	struct user_profile_entry e;
	enum mcsec_err err = read_uri(r, user, e.user, sizeof e.user);
	err = err ? err : read_uri(r, inner(r, kms), e.kms_uri, sizeof e.kms_uri);
	if (err || !e.user[0])
		return err ? err : fail(r, user, MCSEC_E_VALUE);
	const char *before = user_profile_kms(p, e.user);
	if (before)
		return strcmp(before, e.kms_uri) ? fail(r, user, MCSEC_E_VALUE) : MCSEC_OK;
	if (p->n == USER_PROFILE_ENTRIES)
		return fail(r, user, MCSEC_E_NO_SPACE);
	if ((p->n & (p->n - 1)) == 0) { /* 0, 1, 2, 4 ... */
		void *more = realloc(p->entry, (p->n ? 2 * p->n : 1) * sizeof *p->entry);
		if (!more)
			return MCSEC_E_MEMORY;
		p->entry = more;
	}
	p->entry[p->n++] = e;
	return MCSEC_OK;
}

/* Whose KMS this is, of the entries of `list`: by its index, or because there is but one of each. */
static const xmlNode *whose(const struct reading *r, const xmlNode *list, const xmlNode *kms, size_t n_kms)
{
	const xmlNode *only = next_of(r, list->children, "PrivateCallURI"), *found = NULL;
	for (const xmlNode *user = only; user; user = next_of(r, user->next, "PrivateCallURI"))
		if (same_index(user, inner(r, kms)) || same_index(user, kms))
			found = found ? list : user; /* two: nobody's */
	if (found)
		return found == list ? NULL : found;
	return n_kms == 1 && only && !next_of(r, only->next, "PrivateCallURI") ? only : NULL;
}

/* For what says a KMS under this element or in an anyExt of it; n: how many there are. */
typedef enum mcsec_err each_kms(struct reading *r, const xmlNode *parent, const xmlNode *kms, size_t n);

static size_t count_kms(const struct reading *r, const xmlNode *parent)
{
	size_t n = 0;
	for (const xmlNode *k = next_of(r, parent->children, KMS_NAME); k; k = next_of(r, k->next, KMS_NAME))
		n++;
	for (const xmlNode *x = next_of(r, parent->children, "anyExt"); x; x = next_of(r, x->next, "anyExt"))
		for (const xmlNode *k = next_of(r, x->children, KMS_NAME); k; k = next_of(r, k->next, KMS_NAME))
			n++;
	return n;
}

static enum mcsec_err visit(struct reading *r, const xmlNode *parent, each_kms *each)
{
	size_t n = count_kms(r, parent);
	enum mcsec_err e = MCSEC_OK;
	for (const xmlNode *k = next_of(r, parent->children, KMS_NAME); k && !e; k = next_of(r, k->next, KMS_NAME))
		e = each(r, parent, k, n);
	for (const xmlNode *x = next_of(r, parent->children, "anyExt"); x && !e; x = next_of(r, x->next, "anyExt"))
		for (const xmlNode *k = next_of(r, x->children, KMS_NAME); k && !e; k = next_of(r, k->next, KMS_NAME))
			e = each(r, parent, k, n);
	return e;
}

static enum mcsec_err of_entry(struct reading *r, const xmlNode *user, const xmlNode *kms, size_t n)
{
	return n == 1 ? add(r, user, kms) : fail(r, user, MCSEC_E_VALUE);
}

static enum mcsec_err of_list(struct reading *r, const xmlNode *list, const xmlNode *kms, size_t n)
{
	const xmlNode *user = whose(r, list, kms, n);
	return user ? add(r, user, kms) : fail(r, kms, MCSEC_E_VALUE);
}

static enum mcsec_err read_list(struct reading *r, const xmlNode *list)
{
	enum mcsec_err e = MCSEC_OK;
	for (const xmlNode *u = next_of(r, list->children, "PrivateCallURI"); u && !e;
	     u = next_of(r, u->next, "PrivateCallURI"))
		e = visit(r, u, of_entry);
	return e ? e : visit(r, list, of_list);
}

static enum mcsec_err read_calls(struct reading *r, const xmlNode *calls)
{
	enum mcsec_err e = MCSEC_OK;
	for (const xmlNode *l = next_of(r, calls->children, "PrivateCallList"); l && !e;
	     l = next_of(r, l->next, "PrivateCallList")) {
		e = read_list(r, l);
		for (const xmlNode *on = next_of(r, l->children, "PrivateCallOnNetwork"); on && !e;
		     on = next_of(r, on->next, "PrivateCallOnNetwork"))
			e = read_list(r, on);
	}
	return e;
}

static enum mcsec_err read_owner(struct reading *r, const xmlNode *root)
{
	xmlChar *owner = xmlGetNoNsProp(root, (const xmlChar *)"XUI-URI");
	size_t n = owner ? strlen((const char *)owner) : 0;
	if (n && n < sizeof r->out->owner)
		memcpy(r->out->owner, owner, n + 1);
	xmlFree(owner);
	return n < sizeof r->out->owner ? MCSEC_OK : fail(r, root, MCSEC_E_NO_SPACE);
}

static enum mcsec_err read_root(struct reading *r, const xmlNode *root)
{
	enum mcsec_err e = MCSEC_E_MALFORMED;
	for (int s = MCX_MCPTT; s <= MCX_MCVIDEO; s++)
		if (xml_is(root, kinds[s].ns, kinds[s].root)) {
			r->out->service = (enum mcx_service)s;
			r->ns = kinds[s].ns;
			e = read_owner(r, root);
		}
	if (!r->ns)
		return fail(r, root, e);
	for (const xmlNode *c = next_of(r, root->children, "Common"); c && !e; c = next_of(r, c->next, "Common"))
		for (const xmlNode *p = next_of(r, c->children, "PrivateCall"); p && !e;
		     p = next_of(r, p->next, "PrivateCall"))
			e = read_calls(r, p);
	return e;
}

enum mcsec_err user_profile_read(struct octets xml, struct user_profile *out, size_t *at)
{
	xmlDoc *doc;
	struct reading r = {.out = out};
	memset(out, 0, sizeof *out);
	enum mcsec_err e = xml_read_at(xml, USER_PROFILE_MAX, NULL, NULL, &doc, at);
	if (e)
		return e;
	e = read_root(&r, xmlDocGetRootElement(doc));
	if (e && at)
		*at = r.fault ? xml_offset(xml, r.fault) : 0;
	xmlFreeDoc(doc);
	if (e)
		user_profile_free(out);
	return e;
}

void user_profile_free(struct user_profile *p)
{
	free(p->entry);
	memset(p, 0, sizeof *p);
}

const char *user_profile_kms(const struct user_profile *p, const char *user)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->entry[i].user, user) == 0)
			return p->entry[i].kms_uri;
	return NULL;
}

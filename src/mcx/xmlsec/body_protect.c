/* SPDX-License-Identifier: Apache-2.0 */
/* body_protect.c - the sending side of body_crypt.h. */
#include "body_crypt.h"

#include <stdlib.h>

#include "c14n.h"
#include "element_crypt.h"
#include "mcsec/secret.h"
#include "mcx/doc/xml.h"
#include "sensitive.h"

struct protecting {
	const struct xml_key *key;
	const struct mcsec_rng *rng;
	xmlDoc *doc;
	char value[XML_VALUE_MAX];
	uint8_t plain[XML_VALUE_MAX];
};

static int draw_iv(struct xml_walk *walk, uint8_t iv[XML_IV_LEN])
{
	const struct protecting *p = walk->ctx;
	enum mcsec_err e = p->rng->fill(p->rng->ctx, iv, XML_IV_LEN);
	walk->w->err = walk->w->err ? walk->w->err : e;
	return !walk->w->err;
}

/* The child element in exclusive canonical form, so that it parses in its place and alone (xml-protection 4 [D]). */
static int protect_content(struct xml_walk *walk, const xmlNode *node)
{
	struct protecting *p = walk->ctx;
	const struct sensitive *row = sensitive_find(xml_ns_of(node), (const char *)node->name, NULL);
	const xmlNode *child = row && row->how == SENSITIVE_CONTENT ? xml_only_element(node) : NULL;
	uint8_t iv[XML_IV_LEN];
	if (!child || !draw_iv(walk, iv))
		return 0;
	struct writer plain = wr_init(p->plain, sizeof p->plain);
	enum mcsec_err e = c14n_write(&plain, p->doc, child, ALG_C14N_EXC);
	xml_walk_start(walk, node, "Encrypted");
	wr_u8(walk->w, '>');
	if (!e)
		e = element_encrypt(walk->w, p->key, iv, wr_result(&plain));
	mcsec_wipe(p->plain, (size_t)(plain.at - plain.start));
	xml_walk_end(walk, node);
	walk->w->err = walk->w->err ? walk->w->err : e;
	return 1;
}

static void encrypt_value(struct xml_walk *walk)
{
	const struct protecting *p = walk->ctx;
	char out[URI_ENCRYPTED_MAX];
	uint8_t iv[XML_IV_LEN];
	if (!draw_iv(walk, iv))
		return;
	enum mcsec_err e = uri_encrypt(p->key, iv, walk->value, out);
	if (e)
		walk->w->err = e;
	else
		memcpy(walk->value, out, strlen(out) + 1);
	xml_walk_value(walk);
}

static void protect_text(struct xml_walk *walk, const xmlNode *node)
{
	const struct sensitive *row = sensitive_find(xml_ns_of(node), (const char *)node->name, NULL);
	if (row && row->how == SENSITIVE_TEXT)
		encrypt_value(walk);
}

static void protect_attribute(struct xml_walk *walk, const xmlNode *node, const xmlAttr *attribute)
{
	const char *name = (const char *)attribute->name;
	if (!attribute->ns && sensitive_find(xml_ns_of(node), (const char *)node->name, name))
		encrypt_value(walk);
}

enum mcsec_err xml_body_protect(struct writer *w, const struct xml_key *key, const struct mcsec_rng *rng,
				struct octets clear)
{
	struct protecting *p = malloc(sizeof *p);
	if (!p)
		return MCSEC_E_MEMORY;
	p->key = key;
	p->rng = rng;
	enum mcsec_err e = xml_read(clear, XML_BODY_MAX, NULL, NULL, &p->doc);
	if (!e) {
		struct xml_walk walk = {.w = w,
					.ctx = p,
					.value = p->value,
					.element = protect_content,
					.text = protect_text,
					.attribute = protect_attribute};
		xml_walk_document(&walk, p->doc);
		e = w->err;
		xmlFreeDoc(p->doc);
		mcsec_wipe(p->value, walk.value_used);
	}
	free(p);
	return e;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* poc_settings.c - see poc_settings.h. */
#include "poc_settings.h"

#include "xml.h"

#define NS "urn:oma:params:xml:ns:poc:poc-settings"

enum { MAX = 16 * 1024 };

static const char *const modes[] = {
    [POC_ANSWER_NONE] = "", [POC_ANSWER_AUTOMATIC] = "automatic", [POC_ANSWER_MANUAL] = "manual"};

static enum mcsec_err read_mode(const xmlNode *node, enum poc_answer *out)
{
	char text[16];
	if (xml_text(node, text, sizeof text))
		return MCSEC_E_VALUE;
	for (int i = POC_ANSWER_AUTOMATIC; i <= POC_ANSWER_MANUAL; i++)
		if (strcmp(text, modes[i]) == 0)
			*out = (enum poc_answer)i;
	return *out == POC_ANSWER_NONE ? MCSEC_E_VALUE : MCSEC_OK;
}

enum mcsec_err poc_settings_read(struct octets xml, enum poc_answer *out, size_t *at)
{
	static const char *const path[] = {"entity", "am-settings", "answer-mode"};
	xmlDoc *doc;
	*out = POC_ANSWER_NONE;
	enum mcsec_err e = xml_read_at(xml, MAX, NS, "poc-settings", &doc, at);
	if (e)
		return e;
	const xmlNode *node = xmlDocGetRootElement(doc), *next = node;
	for (size_t i = 0; i < sizeof path / sizeof *path && next && !e; i++) {
		unsigned n = 0;
		node = next;
		next = xml_child(node, NS, path[i], &n);
		e = n > 1 ? MCSEC_E_VALUE : MCSEC_OK;
	}
	if (!e && next)
		e = read_mode(node = next, out);
	if (e && at)
		*at = xml_offset(xml, node);
	xmlFreeDoc(doc);
	return e;
}

enum mcsec_err poc_settings_write(struct writer *w, const char *entity, enum poc_answer mode)
{
	wr_text(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<poc-settings xmlns=\"" NS "\"><entity id=\"");
	xml_put_text(w, entity);
	wr_text(w, "\"><am-settings>");
	xml_put_element(w, "answer-mode", modes[mode]);
	wr_text(w, "</am-settings></entity></poc-settings>\r\n");
	return w->err;
}

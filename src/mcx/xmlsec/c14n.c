/* SPDX-License-Identifier: Apache-2.0 */
/* c14n.c - canonicalisation (see c14n.h). */
#include "c14n.h"

#include <libxml/c14n.h>

int c14n_known(const char *algorithm)
{
	return strcmp(algorithm, ALG_C14N) == 0 || strcmp(algorithm, ALG_C14N_EXC) == 0;
}

static int inside(void *top, xmlNode *node, xmlNode *parent)
{
	const xmlNode *at = node && node->type != XML_NAMESPACE_DECL ? node : parent;
	while (at && at != top)
		at = at->parent;
	return at == top;
}

enum mcsec_err c14n_write(struct writer *w, xmlDoc *doc, const xmlNode *node, const char *algorithm)
{
	if (!c14n_known(algorithm))
		return MCSEC_E_ARGUMENT;
	int mode = strcmp(algorithm, ALG_C14N) == 0 ? XML_C14N_1_0 : XML_C14N_EXCLUSIVE_1_0;
	xmlOutputBuffer *out = xmlAllocOutputBuffer(NULL);
	if (!out)
		return MCSEC_E_MEMORY;
	int done = xmlC14NExecute(doc, node ? inside : NULL, (void *)(uintptr_t)node, mode, NULL, 0, out);
	if (done >= 0)
		wr_octets(w, (struct octets){xmlOutputBufferGetContent(out), xmlOutputBufferGetSize(out)});
	xmlOutputBufferClose(out);
	return done < 0 ? MCSEC_E_MALFORMED : w->err;
}

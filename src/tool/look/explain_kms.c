/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_kms.c - a document of the KMS interface element by element (TS 33.180 annex D).
 *
 * Whether the document is good is said by the reader that clients and the KMS use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/mikey.h"
#include "mcx/doc/kms_doc.h"
#include "tool/look/explain.h"

static size_t offset_of(struct octets xml, const struct kms_fault *f)
{
	return f->line && f->element[0] ? explain_xml_find(xml, f->element, f->line) : MCSEC_NO_OFFSET;
}

static void wrong(struct explanation *e, struct octets xml, enum mcsec_err err, const struct kms_fault *f)
{
	char detail[sizeof e->detail];
	snprintf(detail, sizeof detail, "%s%s%s", f->element, f->element[0] ? ": " : "", f->detail);
	explain_wrong(e, mcsec_err_name(err), offset_of(xml, f), "TS 33.180 D.3", detail);
}

/* What a client would say to the certificates and key sets of a good document. */
static void judge_parts(struct explanation *e, struct octets xml, const struct kms_response *doc)
{
	struct kms_fault f;
	for (size_t i = 0; i < doc->n_certs && !e->error[0]; i++) {
		const struct kms_certificate *c = &doc->certs[i];
		enum mcsec_err err = kms_certificate_check(c, c->role, c->kms_uri, "", e->now, NULL, &f);
		if (err)
			wrong(e, xml, err, &f);
	}
	for (size_t i = 0; i < doc->n_sets && !e->error[0]; i++)
		if (doc->sets[i].revoked)
			explain_wrong(e, "revoked", MCSEC_NO_OFFSET, "TS 33.180 D.3.4", "the key set is revoked");
	if (doc->error.code)
		snprintf(e->note, sizeof e->note, "the KMS tells an error: %lld %.100s", (long long)doc->error.code,
			 doc->error.msg);
	else if (doc->n_sets)
		snprintf(e->note, sizeof e->note, "keys are checked against their certificate by `mcx mikey open`");
}

void explain_kms(struct explanation *e, struct octets xml)
{
	char root[EXPLAIN_NAME];
	struct kms_fault f;
	e->type = "kms";
	explain_xml(e, xml, NULL, 0, root);
	if (strcmp(root, "KmsRequest") == 0 || strcmp(root, "SignedKmsRequest") == 0) {
		struct kms_request *request = calloc(1, sizeof *request);
		enum mcsec_err err = request ? kms_request_read(request, xml, &f) : MCSEC_OK;
		if (err)
			wrong(e, xml, err, &f);
		free(request);
		return;
	}
	struct kms_response *doc = calloc(1, sizeof *doc);
	if (!doc)
		return;
	enum mcsec_err err = kms_response_read(doc, KMS_ROOT_RESPONSE | KMS_ROOT_PART, xml, &f);
	if (err) {
		wrong(e, xml, err, &f);
	} else {
		judge_parts(e, xml, doc);
		kms_response_free(doc);
	}
	free(doc);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_request.c - KmsRequest, read and written (TS 33.180 D.2.2; kms.md 6.1, 6.2).
 *
 * A SignedKmsRequest holds one KmsRequest and its signature; here the signature is only noticed. TrK-ID and
 * Signature-ID are written last and only when set: validators of the older schema refuse them.
 */
#include "mcx/doc/kms_xml.h"

#define AT(member) KMS_AT(struct kms_request, member)
static const struct kms_field fields[] = {
    {"UserUri", KMS_ONE, kms_read_uri, AT(user_uri)},
    {"KmsUri", KMS_ONE, kms_read_uri, AT(kms_uri)},
    {"Time", KMS_ONE, kms_read_time, AT(time)},
    {"ClientId", KMS_OPTIONAL, kms_read_text, AT(client_id)},
    {"DeviceId", KMS_OPTIONAL, kms_read_text, AT(device_id)},
    {"ClientReqUrl", KMS_ONE, kms_read_uri, AT(client_req_url)},
    {"ClientError", KMS_OPTIONAL, kms_read_error, AT(client_error)},
    {"TrK-ID", KMS_OPTIONAL, kms_read_text, AT(trk_id)},
    {"Signature-ID", KMS_OPTIONAL, kms_read_text, AT(signature_id)},
};

static void read_request(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_request *r = at;
	(void)size;
	kms_check_version(x, node);
	kms_attribute(x, node, "Id", r->id, sizeof r->id);
	kms_xml_children(x, node, fields, sizeof fields / sizeof *fields, r);
}

static void read_root(struct kms_xml *x, const xmlNode *root, struct kms_request *r)
{
	static const struct kms_field inner[] = {{"KmsRequest", KMS_ONE, read_request, 0, 0}};
	r->is_signed = xml_is(root, KMS_NS, "SignedKmsRequest");
	if (r->is_signed)
		kms_xml_children(x, root, inner, 1, r);
	else if (xml_is(root, KMS_NS, "KmsRequest"))
		read_request(x, root, r, 0);
	else
		kms_xml_fail(x, root, MCSEC_E_MALFORMED, "root is not KmsRequest or SignedKmsRequest");
}

enum mcsec_err kms_request_read(struct kms_request *out, struct octets xml, struct kms_fault *f)
{
	struct kms_xml x = {.f = f};
	*f = (struct kms_fault){.detail = ""};
	*out = (struct kms_request){.time = KMS_NO_TIME};
	xmlDoc *doc = kms_xml_open(&x, xml, KMS_MAX_REQUEST);
	if (!doc)
		return f->code;
	read_root(&x, xmlDocGetRootElement(doc), out);
	out->skipped = x.skipped;
	xmlFreeDoc(doc);
	return f->code;
}

void kms_request_write(struct writer *w, const struct kms_request *r)
{
	wr_text(w, KMS_XML_DECLARATION "<KmsRequest xmlns=\"" KMS_NS "\"");
	kms_put_optional_attribute(w, "Id", r->id);
	wr_text(w, " Version=\"1.1.0\">");
	xml_put_element(w, "UserUri", r->user_uri);
	xml_put_element(w, "KmsUri", r->kms_uri);
	kms_put_time(w, "Time", r->time);
	kms_put_optional(w, "ClientId", r->client_id);
	kms_put_optional(w, "DeviceId", r->device_id);
	xml_put_element(w, "ClientReqUrl", r->client_req_url);
	kms_put_error(w, "ClientError", &r->client_error);
	kms_put_optional(w, "TrK-ID", r->trk_id);
	kms_put_optional(w, "Signature-ID", r->signature_id);
	wr_text(w, "</KmsRequest>\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_request.c - KmsRequest, read and written (TS 33.180 D.2.2; kms.md 6.1, 6.2).
 *
 * A SignedKmsRequest holds one KmsRequest and its signature; here the signature is only noticed. TrK-ID and
 * Signature-ID are written last and only when set: validators of the older schema refuse them.
 */
#include <stdlib.h>

#include "mcx/doc/kms_xml.h"
#include "mcx/doc/krr.h"
#include "sec/base/text.h"

static void read_krr(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_request *r = at;
	(void)size;
	if (r->n_krrs == KMS_MAX_KRRS) {
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "too many of these");
		return;
	}
	r->krrs[r->n_krrs] = krr_children_read(x, node, 1);
	if (r->krrs[r->n_krrs])
		r->n_krrs++;
}

/*
 * In KrrList a KRR has lost its root element, and with it its signature. So our clients add the whole of it, in base64:
 * an element of a namespace of ours, which others do not see.
 */
static void read_received(struct kms_xml *x, const xmlNode *parent, struct kms_request *r)
{
	unsigned count;
	const xmlNode *node = xml_child(parent, KMS_EXT_NS, "ReceivedKrr", &count);
	char *text = node ? malloc(KMS_MAX_REQUEST) : NULL;
	r->received = node ? malloc(KMS_MAX_REQUEST) : NULL;
	if (count > 1)
		kms_xml_fail(x, parent, MCSEC_E_MALFORMED, "ReceivedKrr stands more than once");
	else if (node && (!text || !r->received))
		kms_xml_fail(x, node, MCSEC_E_MEMORY, "no memory");
	if (node && text && !x->f->code) {
		kms_read_text(x, node, text, KMS_MAX_REQUEST);
		if (!x->f->code && base64_decode(text, strlen(text), r->received, KMS_MAX_REQUEST, &r->received_len))
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not base64");
	}
	free(text);
}

#define AT(member) KMS_AT(struct kms_request, member)
static const struct kms_field fields[] = {
    {"UserUri", KMS_ONE, kms_read_uri, AT(user_uri)},
    {"KmsUri", KMS_ONE, kms_read_uri, AT(kms_uri)},
    {"Time", KMS_ONE, kms_read_time, AT(time)},
    {"ClientId", KMS_OPTIONAL, kms_read_text, AT(client_id)},
    {"DeviceId", KMS_OPTIONAL, kms_read_text, AT(device_id)},
    {"ClientReqUrl", KMS_ONE, kms_read_uri, AT(client_req_url)},
    {"KrrList", KMS_MANY, read_krr, 0, 0},
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
	if (!x->f->code)
		read_received(x, node, r);
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

enum mcsec_err kms_request_of(struct kms_request *out, unsigned flags, struct _xmlDoc *doc, struct kms_fault *f)
{
	struct kms_xml x = {.f = f, .flags = flags};
	*f = (struct kms_fault){.detail = ""};
	*out = (struct kms_request){.time = KMS_NO_TIME};
	if (flags & KMS_REL13)
		kms_rel13_adopt(doc);
	read_root(&x, xmlDocGetRootElement(doc), out);
	out->skipped = x.skipped;
	if (f->code)
		kms_request_free(out);
	return f->code;
}

enum mcsec_err kms_request_read(struct kms_request *out, struct octets xml, struct kms_fault *f)
{
	*out = (struct kms_request){.time = KMS_NO_TIME};
	xmlDoc *doc = kms_parse(xml, KMS_MAX_REQUEST, f);
	if (!doc)
		return f->code;
	enum mcsec_err e = kms_request_of(out, 0, doc, f);
	kms_parsed_free(doc);
	return e;
}

void kms_request_free(struct kms_request *r)
{
	for (size_t i = 0; i < r->n_krrs; i++)
		krr_free(r->krrs[i]);
	free(r->received);
	r->n_krrs = r->received_len = 0;
	r->received = NULL;
}

static void put_krrs(struct writer *w, const struct kms_request *r)
{
	for (size_t i = 0; i < r->n_krrs; i++) {
		wr_text(w, "<KrrList xmlns:krr=\"" KRR_NS "\"");
		kms_put_optional_attribute(w, "Id", r->krrs[i]->id);
		wr_text(w, " Version=\"1.0.0\">");
		krr_children_put(w, r->krrs[i], "krr:");
		wr_text(w, "</KrrList>");
	}
}

static void put_received(struct writer *w, const struct kms_request *r)
{
	if (!r->received)
		return;
	wr_text(w, "<ext:ReceivedKrr xmlns:ext=\"" KMS_EXT_NS "\">");
	uint8_t *room = wr_reserve(w, BASE64_SIZE(r->received_len) - 1);
	char *text = malloc(BASE64_SIZE(r->received_len));
	if (room && text) {
		base64_encode((struct octets){r->received, r->received_len}, text);
		memcpy(room, text, BASE64_SIZE(r->received_len) - 1);
	} else if (!w->err) {
		w->err = MCSEC_E_MEMORY;
	}
	free(text);
	wr_text(w, "</ext:ReceivedKrr>");
}

static void put_request(struct writer *w, const struct kms_request *r, const char *attributes)
{
	wr_text(w, "<KmsRequest");
	wr_text(w, attributes);
	kms_put_optional_attribute(w, "Id", r->id);
	wr_text(w, " Version=\"1.1.0\">");
	xml_put_element(w, "UserUri", r->user_uri);
	xml_put_element(w, "KmsUri", r->kms_uri);
	kms_put_time(w, "Time", r->time);
	kms_put_optional(w, "ClientId", r->client_id);
	kms_put_optional(w, "DeviceId", r->device_id);
	xml_put_element(w, "ClientReqUrl", r->client_req_url);
	put_krrs(w, r);
	kms_put_error(w, "ClientError", &r->client_error);
	kms_put_optional(w, "TrK-ID", r->trk_id);
	kms_put_optional(w, "Signature-ID", r->signature_id);
	put_received(w, r);
	wr_text(w, "</KmsRequest>");
}

void kms_request_put(struct writer *w, const struct kms_request *r)
{
	put_request(w, r, "");
}

void kms_request_write(struct writer *w, const struct kms_request *r)
{
	wr_text(w, KMS_XML_DECLARATION);
	put_request(w, r, " xmlns=\"" KMS_NS "\"");
	wr_text(w, "\n");
}

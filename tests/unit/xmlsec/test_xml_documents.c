/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each kind of XML body that carries something confidential (xml-protection 2; sip.md 9), as whole documents: what is
 * hidden, what stays, that it comes back, and that a changed, stripped or clear one is refused.
 */
#include "lab.h"

#define REPORT "<location-info xmlns=\"urn:3gpp:ns:mcpttLocationInfo:1.0\"><Report ReportType=\"Emergency\">"

static const struct document {
	const char *name, *type, *text;
	unsigned items;            /* that are encrypted */
	const char *hidden[6];     /* texts that nobody reads on the way */
	const char *readable[4];   /* and texts that are no secret */
	const char *attribute_uri; /* part of an encrypted URI's clear form, or NULL: only elements are encrypted */
} documents[] = {
    {.name = "location-info",
     .type = "application/vnd.3gpp.mcptt-location-info+xml",
     .text = DECL REPORT
     "<TriggerId>t1</TriggerId><mcptt-reporting-uri>sip:alice@mc.example.org</mcptt-reporting-uri><CurrentLocation>"
     "<CurrentServingEcgi type=\"Normal\"><Ecgi>2620021010101010101010101010101010</Ecgi></CurrentServingEcgi>"
     "<CurrentCoordinate><longitude type=\"Normal\"><threebytes>1193046</threebytes></longitude>"
     "<latitude type=\"Normal\"><threebytes>7654321</threebytes></latitude>"
     "<anyExt><altitude type=\"Normal\"><twobytes>-431</twobytes></altitude></anyExt></CurrentCoordinate>"
     "</CurrentLocation></Report></location-info>",
     .items = 5,
     .hidden = {"alice", "26200210101", "1193046", "7654321", "-431"},
     .readable = {"ReportType=\"Emergency\"", "<TriggerId>t1</TriggerId>"},
     .attribute_uri = "alice"},
    {.name = "affiliation-command",
     .type = "application/vnd.3gpp.mcptt-affiliation-command+xml",
     .text = DECL "<command-list xmlns=\"urn:3gpp:ns:affiliationCommand:1.0\"><affiliate>"
		  "<group>sip:fire@mc.example.org</group><group>sip:river@mc.example.org</group></affiliate>"
		  "<de-affiliate><group>sip:old@mc.example.org</group></de-affiliate></command-list>",
     .items = 3,
     .hidden = {"fire", "river", "old@"},
     .readable = {"<de-affiliate>"},
     .attribute_uri = "fire"},
    {.name = "mcvideo-info",
     .type = "application/vnd.3gpp.mcvideo-info+xml",
     .text = DECL "<mcvideoinfo xmlns=\"urn:3gpp:ns:mcvideoInfo:1.0\"><mcvideo-Params><session-type>chat</session-type>"
		  "<mcvideo-calling-user-id type=\"Normal\"><mcvideoURI>sip:alice@mc.example.org</mcvideoURI>"
		  "</mcvideo-calling-user-id><emergency-ind type=\"Normal\"><mcvideoBoolean>true</mcvideoBoolean>"
		  "</emergency-ind><associated-group-id>sip:fire@mc.example.org</associated-group-id>"
		  "<mcvideo-client-id type=\"Normal\"><mcvideoString>urn:uuid:77</mcvideoString></mcvideo-client-id>"
		  "</mcvideo-Params></mcvideoinfo>",
     .items = 4,
     .hidden = {"alice", "true", "fire", "urn:uuid:77"},
     .readable = {"<session-type>chat</session-type>"},
     .attribute_uri = "fire"},
    {.name = "mcdata-info",
     .type = "application/vnd.3gpp.mcdata-info+xml",
     .text =
	 DECL "<mcdatainfo xmlns=\"urn:3gpp:ns:mcdataInfo:1.0\"><mcdata-Params><request-type>group-sds</request-type>"
	      "<mcdata-calling-user-id type=\"Normal\"><mcdataURI>sip:alice@mc.example.org</mcdataURI>"
	      "</mcdata-calling-user-id><mcdata-calling-group-id type=\"Normal\"><mcdataURI>sip:fire@mc.example.org"
	      "</mcdataURI></mcdata-calling-group-id><alert-ind type=\"Normal\"><mcdataBoolean>true</mcdataBoolean>"
	      "</alert-ind></mcdata-Params></mcdatainfo>",
     .items = 3,
     .hidden = {"alice", "fire", "true"},
     .readable = {"<request-type>group-sds</request-type>"}},
    {.name = "affiliation as presence",
     .type = "application/pidf+xml",
     .text = DECL "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:a=\"urn:3gpp:ns:mcpttPresInfo:1.0\" "
		  "entity=\"sip:alice@mc.example.org\"><tuple id=\"urn:uuid:77\"><status>"
		  "<a:affiliation group=\"sip:fire@mc.example.org\" expires=\"2026-11-21T20:00:00Z\"/></status></tuple>"
		  "</presence>",
     .items = 3,
     .hidden = {"alice", "urn:uuid:77", "fire"},
     .readable = {"expires=\"2026-11-21T20:00:00Z\""},
     .attribute_uri = "alice"},
    {.name = "conference-info",
     .type = "application/conference-info+xml",
     .text = DECL "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:session@cf\" "
		  "state=\"full\"><users><user entity=\"sip:bob@mc.example.org\"/></users></conference-info>",
     .items = 1,
     .hidden = {"bob"},
     .readable = {"entity=\"sip:session@cf\"", "state=\"full\""},
     .attribute_uri = "bob"},
    {.name = "regroup",
     .type = "application/vnd.3gpp.mcptt-regroup+xml",
     .text = DECL "<mcpttregroup xmlns=\"urn:3gpp:ns:preconfiguredRegroup:1.0\"><mcpttregroup-Params>"
		  "<preconfig-group-id><preconfigured-group>sip:fire@mc.example.org</preconfigured-group>"
		  "</preconfig-group-id><regroup-action>create</regroup-action></mcpttregroup-Params></mcpttregroup>",
     .items = 1,
     .hidden = {"fire"},
     .readable = {"<regroup-action>create</regroup-action>"},
     .attribute_uri = "fire"},
};

enum { DOCUMENTS = sizeof documents / sizeof *documents };

static struct lab *holding(const struct document *d)
{
	struct lab *l = lab_new();
	l->parts[0] = (struct body_out){d->type, "x@mc.example.org", octets_of(d->text), 0};
	l->n = 1;
	return l;
}

/* The first part as it stands now, signed by the key's holder. */
static void sign_alone(struct lab *l)
{
	l->policy.confidentiality = 0;
	l->n = 1;
	lab_protect(l);
	l->policy.confidentiality = 1;
}

static int occurs(struct octets in, const char *text)
{
	return memmem(in.p, in.len, text, strlen(text)) != NULL;
}

static void each_document_hides_what_is_confidential_and_comes_back_octet_for_octet(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DOCUMENTS; i++) {
		const struct document *d = &documents[i];
		struct lab *l = holding(d);
		lab_protect(l);
		for (unsigned k = 0; k < 6 && d->hidden[k]; k++)
			if (occurs(l->parts[0].body, d->hidden[k]))
				fail_msg("%s shows %s", d->name, d->hidden[k]);
		for (unsigned k = 0; k < 4 && d->readable[k]; k++)
			assert_true(occurs(l->parts[0].body, d->readable[k]));
		assert_int_equal(occurs(l->parts[0].body, "@mc1-encrypted.3gppnetwork.org"), d->attribute_uri != NULL);
		lab_send(l);
		assert_int_equal(lab_open(l), XML_PASSED);
		assert_int_equal(l->opened.seen.n, d->items);
		assert_int_equal(l->opened.seen.clear_sensitive, 0);
		struct xml_opened once = l->opened;
		/* content children carry their namespace now; protected and opened again, nothing changes any more */
		struct octets clear = l->m.parts[0].body;
		for (unsigned k = 0; k < 6 && d->hidden[k]; k++)
			assert_true(occurs(clear, d->hidden[k]));
		l->parts[0].body = clear;
		l->n = 1;
		lab_protect(l);
		lab_send(l);
		assert_int_equal(lab_open(l), XML_PASSED);
		assert_int_equal(l->opened.seen.n, once.seen.n);
		assert_true(octets_equal(clear, l->m.parts[0].body));
		lab_free(l);
	}
}

static void each_document_without_its_signature_is_139(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DOCUMENTS; i++) {
		struct lab *l = holding(&documents[i]);
		lab_protect(l);
		l->n = 1;
		lab_send(l);
		assert_int_equal(lab_open(l), XML_BAD_INTEGRITY);
		lab_free(l);
	}
}

static void each_document_changed_on_its_way_is_139(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DOCUMENTS; i++) {
		struct lab *l = holding(&documents[i]);
		lab_protect(l);
		l->parts[0].body = lab_replace(l, l->parts[0].body, "xmlns=", "xmlns =");
		lab_send(l);
		assert_int_equal(lab_open(l), XML_BAD_INTEGRITY);
		lab_free(l);
	}
}

/* Every encrypted item in turn, its last octet changed and the document signed again by the key's holder. */
static void each_encrypted_item_that_does_not_open_is_140(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DOCUMENTS; i++) {
		unsigned items = 0;
		for (size_t at = 0;; at++, items++) {
			struct lab *l = holding(&documents[i]);
			lab_protect(l);
			struct octets body = l->parts[0].body;
			uint8_t *text = (uint8_t *)(uintptr_t)body.p; /* in the lab's own arena */
			size_t end = 0;
			for (; at < body.len && !end; at++) {
				struct octets rest = {body.p + at, body.len - at};
				if (rest.len > 19 &&
				    (!memcmp(rest.p, "</xenc:CipherValue>", 19) || !memcmp(rest.p, ";iv=", 4)))
					end = at;
			}
			if (!end) {
				lab_free(l);
				break;
			}
			at = end;
			text[end - 8] = text[end - 8] == 'A' ? 'B' : 'A';
			sign_alone(l);
			lab_send(l);
			assert_int_equal(lab_open(l), XML_UNDECRYPTABLE);
			lab_free(l);
		}
		assert_int_equal(items, documents[i].items);
	}
}

static void each_document_in_clear_is_counted_and_refused_where_confidentiality_is_required(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DOCUMENTS; i++)
		for (int required = 0; required < 2; required++) {
			struct lab *l = holding(&documents[i]);
			sign_alone(l);
			lab_send(l);
			l->policy.require_confidentiality = required;
			assert_int_equal(lab_open(l), required ? XML_UNDECRYPTABLE : XML_PASSED);
			assert_int_equal(l->opened.seen.clear_sensitive, documents[i].items);
			lab_free(l);
		}
}

static void each_document_under_a_key_of_somebody_else_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DOCUMENTS; i++) {
		struct lab *l = holding(&documents[i]);
		lab_protect(l);
		lab_send(l);
		l->list[0] = &l->other;
		assert_int_equal(lab_open(l), XML_BAD_INTEGRITY);
		l->policy.integrity = 0;
		l->m.n = 1; /* encrypted and not signed */
		assert_int_equal(lab_open(l), XML_UNDECRYPTABLE);
		lab_free(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_document_hides_what_is_confidential_and_comes_back_octet_for_octet),
	    cmocka_unit_test(each_document_without_its_signature_is_139),
	    cmocka_unit_test(each_document_changed_on_its_way_is_139),
	    cmocka_unit_test(each_encrypted_item_that_does_not_open_is_140),
	    cmocka_unit_test(each_document_in_clear_is_counted_and_refused_where_confidentiality_is_required),
	    cmocka_unit_test(each_document_under_a_key_of_somebody_else_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

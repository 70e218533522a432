/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_message.h - a SIP message as our code sees it: what was parsed (struct sip_message) and what is to be sent
 * (struct sip_out, struct sip_request). No type of the SIP library appears here.
 *
 * A parsed message and all its text live as long as the callback that received it; the message of a server transaction
 * lives until its final response. Header values to be sent are refused when they hold CR, LF or NUL.
 */
#ifndef MCX_NET_SIP_MESSAGE_H
#define MCX_NET_SIP_MESSAGE_H

#include "sec/base/bytes.h"

enum {
	SIP_MAX_MESSAGE = 65536, /* larger: 513 */
	SIP_MAX_CONTACTS = 4,    /* further ones are refused with 400 */
	SIP_MAX_HEADERS = 96,    /* likewise */
	SIP_MAX_SUBJECTS = 8,
};

enum sip_transport { SIP_UDP, SIP_TCP, SIP_TLS };
const char *sip_transport_name(enum sip_transport t);

struct sip_header {
	const char *name, *value;
};

struct sip_contact {
	const char *uri;    /* without <>, with its URI parameters */
	const char *params; /* header parameters as text, each with its leading ';' ("" if none) */
	int64_t expires;    /* -1: no such parameter */
};

/* Where a message came from. */
struct sip_source {
	enum sip_transport transport;
	char address[48]; /* numeric */
	uint16_t port;
	uint16_t local_port;
	int verified; /* TLS: the peer showed a certificate that verifies */
	size_t n_subjects;
	const char *subjects[SIP_MAX_SUBJECTS]; /* its subject alternative names (DNS, URI); never its CN */
};

struct sip_message {
	const char *method; /* of the request; of a response, the one of its CSeq */
	const char *uri;    /* Request-URI; NULL in a response */
	int status;         /* 0 in a request */
	const char *phrase;
	const char *from, *from_tag; /* URI; tag or NULL */
	const char *to, *to_tag;
	const char *call_id;
	uint32_t cseq;
	int contact_star;
	size_t n_contacts;
	struct sip_contact contacts[SIP_MAX_CONTACTS];
	int64_t expires;          /* -1: absent */
	const char *content_type; /* with parameters; NULL without */
	struct octets body;
	const char *error; /* why a local response was made (transport failure, time-out); NULL for one from the peer */
	struct sip_source source;
	size_t n_headers; /* every header as text, in the order received */
	struct sip_header headers[SIP_MAX_HEADERS];
};

/* The nth header of that name (long form, compared without case), counted from 0; NULL if there is none. */
const char *sip_header_at(const struct sip_message *m, const char *name, size_t nth);
size_t sip_header_count(const struct sip_message *m, const char *name);

/* The URI of a name-addr or addr-spec header value ("Display" <uri>;params) copied to out. MCSEC_E_ENCODING, _NO_SPACE.
 */
enum mcsec_err sip_uri_of(const char *value, char *out, size_t size);
/* Equal as SIP URIs (RFC 3261 19.1.4): case of scheme and host, default port and escapes do not count. */
int sip_uri_equal(const char *a, const char *b);

/*
 * A feature tag of a Contact or an Accept-Contact value: "g.3gpp.mcptt" with want NULL, or "g.3gpp.icsi-ref" whose
 * comma-separated list, quotes removed and percent-decoded, holds `want` (24.379 4, sip 1). Tags are compared with or
 * without their leading '+'.
 */
int sip_feature(const char *params, const char *tag, const char *want);

/* The instance of a Contact, `+sip.instance="<urn:...>"` without quotes and brackets (RFC 5626 4.1): letters, digits
 * and
 * `:-.` alone, as a URN for an instance has them. MCSEC_E_VALUE: none, or another form; MCSEC_E_NO_SPACE.
 */
enum mcsec_err sip_instance(const char *params, char *out, size_t size);

/* The three-digit MCX code inside a Warning value `399 host "136 text"`; 0 if it carries none (24.379 4.4). */
int sip_warning_code(const struct sip_message *m);

/* What a request or a response carries besides what the stack sets by itself (Via, From, To, Call-ID, CSeq, length). */
struct sip_out {
	size_t n_headers;
	const struct sip_header *headers;
	const char *contact; /* Contact header value; NULL: the port's own in INVITE and its 1xx and 2xx, else none */
	const char *content_type;
	struct octets body;
};

#endif

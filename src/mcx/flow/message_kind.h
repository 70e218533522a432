/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_kind.h - which SIP MESSAGE request this is (TS 24.379 6.2.0.1; sip.md 3), told from its parts alone.
 *
 * Pure and without memory: the same message is the same kind whenever it comes. Nothing is verified here: what belongs
 * to a kind (signatures, keys, permissions) is checked by its procedure before anything is acted on. A message that is
 * of no kind gets its answer from here.
 */
#ifndef MCX_FLOW_MESSAGE_KIND_H
#define MCX_FLOW_MESSAGE_KIND_H

#include "mcx/doc/multipart.h"
#include "mcx/doc/service.h"

/* In the order of the table in message_kind.c; the first kinds are those of 6.2.0.1 by the names it gives them. */
enum message_kind {
	MESSAGE_NONE,                   /* of no kind: answer `status` */
	MESSAGE_SDS,                    /* MCData short data (mcdata.md 9) */
	MESSAGE_LOCATION_CONFIGURATION, /* SIP MESSAGE request for location report configuration */
	MESSAGE_LOCATION_REQUEST,       /* ... for location report request */
	MESSAGE_CALL_BACK,              /* ... for private call call-back request for terminating client */
	MESSAGE_CALL_BACK_CANCEL,       /* ... call-back cancel request */
	MESSAGE_CALL_BACK_ANSWER,       /* ... call-back response */
	MESSAGE_CALL_BACK_CANCEL_ANSWER,
	MESSAGE_CSK_DOWNLOAD, /* ... for CSK download for terminating client */
	MESSAGE_MUSIK_DOWNLOAD,
	MESSAGE_GROUP_KEY, /* GMK or MKFC delivered directly (groups.md 3.5) */
	MESSAGE_KMS_REDIRECT,
	MESSAGE_GROUP_SELECTION,
	MESSAGE_GROUP_SELECTION_ANSWER,
	MESSAGE_REMOTE_GROUP_CALL,
	MESSAGE_REMOTE_GROUP_CALL_ANSWER,
	MESSAGE_REMOTE_PRIVATE_CALL,
	MESSAGE_REMOTE_PRIVATE_CALL_ANSWER,
	MESSAGE_TRANSFER,
	MESSAGE_TRANSFER_ANSWER,
	MESSAGE_FORWARD,
	MESSAGE_FORWARD_ANSWER,
	MESSAGE_FORWARD_SETTINGS,
	MESSAGE_FORWARD_SETTINGS_ANSWER,
	MESSAGE_ALIAS_STATUS,
	MESSAGE_ALIAS_BINDING,
	MESSAGE_MBMS_ANNOUNCEMENT,
	MESSAGE_ALERT,
	MESSAGE_REGROUP,
	MESSAGE_KINDS
};
const char *message_kind_name(enum message_kind k);

struct message_class {
	enum message_kind kind;
	int status;      /* with MESSAGE_NONE: 400 not readable, 403 known type but no kind, 415 no known type */
	uint32_t csb_id; /* of an application/mikey part, as it stands there */
	int read_mikey, read_xml; /* such a part was read, good or bad */
	const char *why; /* with MESSAGE_NONE, for the log */
};

/*
 * service: whose client (or server) this is. icsi: the value of P-Asserted-Service, NULL if absent or there twice.
 * parts: the body as multipart_read gave it, NULL if it could not be read.
 */
struct message_class message_classify(enum mcx_service service, const char *icsi, const struct multipart *parts);

/* Accept of a 415 (RFC 3261 21.4.13): the types that the table knows for this service. */
const char *message_accept(enum mcx_service service);

#endif

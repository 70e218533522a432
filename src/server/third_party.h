/* SPDX-License-Identifier: Apache-2.0 */
/*
 * third_party.h - the third-party REGISTER of a SIP core (TS 24.229 5.4.1.7; TS 24.379 7.3.1; sip 2.5): the core says
 * that a user is registered, and hands on the client's own REGISTER as message/sip.
 *
 * Two authorities in one request. The outer message is the core's word: whose registration it is (To) and until when
 * (Expires). The inner one is the client's: its contact, and the bodies for this service. Where the inner one does not
 * fit the outer it is not believed at all, and nothing of it is looked at.
 */
#ifndef MCX_SERVER_THIRD_PARTY_H
#define MCX_SERVER_THIRD_PARTY_H

#include "net/sip_inner.h"

enum third_party_kind {
	THIRD_PARTY_ALONE,  /* no message/sip: the core's word is all there is */
	THIRD_PARTY_CLIENT, /* with the client's REGISTER */
	THIRD_PARTY_BROKEN, /* a message/sip that is not believed: why says what is wrong with it */
};

struct third_party {
	enum third_party_kind kind;
	const struct sip_message *client; /* lives until third_party_free */
	const char *why;
	struct sip_inner *inner;
};

/* A second message/sip may be the core's 200 to the client; it is not needed. A second request is one too many. */
void third_party_read(const struct sip_message *outer, struct third_party *out);
void third_party_free(struct third_party *t);

/*
 * How the client of this contact is reached through the core: its public GRUU (TS 23.003 13.6: the IMPU with `gr` and
 * the instance it registered) where it has an instance, so that of several devices this one is meant; else the contact
 * itself, which then only names the client. MCSEC_E_NO_SPACE.
 */
enum mcsec_err third_party_contact(const char *impu, const struct sip_contact *c, char *out, size_t size);
/* The Request-URI of a request to that client: its GRUU, or the IMPU. */
const char *third_party_target(const char *impu, const char *contact);

#endif

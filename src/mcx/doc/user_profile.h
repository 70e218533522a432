/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_profile.h - the MCPTT and MCVideo user profile documents (TS 24.484 8.3.2, 9.3.2): whose KMS is whose.
 *
 * Of all that a profile says this client needs the private call entries: each names a user, and with PrivateCallKMSURI
 * the KMS of that user's domain (seed 000 4.7.1; sip.md 6.1 d). An entry whose KMS URI is empty means the KMS of the UE
 * initial configuration (TS 24.483), which is the home KMS. Identities are compared octet for octet, as I_MESSAGEs do.
 */
#ifndef MCX_DOC_USER_PROFILE_H
#define MCX_DOC_USER_PROFILE_H

#include "mcsec/ibc.h"
#include "mcx/doc/kms_doc.h"
#include "mcx/doc/service.h"

enum { USER_PROFILE_MAX = 1 << 20, USER_PROFILE_ENTRIES = 4096 };

struct user_profile {
	enum mcx_service service; /* MCX_MCPTT or MCX_MCVIDEO, by the root element */
	char owner[MCSEC_ID_MAX]; /* XUI-URI: whose profile it is; "" not said */
	size_t n;                 /* entries that say something of a KMS */
	struct user_profile_entry {
		char user[MCSEC_ID_MAX], kms_uri[KMS_URI_MAX];
	} * entry;
};

/*
 * MCSEC_E_LENGTH, MCSEC_E_MALFORMED as xml_read; MCSEC_E_VALUE: an entry without identity, a KMS URI of which no entry
 * can be found, or two of one user; MCSEC_E_NO_SPACE: a text or the number of entries is too large; MCSEC_E_MEMORY. *at
 * (may be NULL) is then the offset of the element at fault. Freed with user_profile_free, which a refused one needs
 * not.
 */
enum mcsec_err user_profile_read(struct octets xml, struct user_profile *out, size_t *at);
void user_profile_free(struct user_profile *p);
/* The KMS of that user: "" is the home KMS, NULL: the profile says nothing of it. */
const char *user_profile_kms(const struct user_profile *p, const char *user);

#endif

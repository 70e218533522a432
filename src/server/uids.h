/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uids.h - who hides behind a UID (TS 33.180 5.2.6; sip.md 11): the UIDs of this server's users in a key period.
 *
 * A hidden initiator of a CSK upload is looked up here before anything is opened, since the documents beside the
 * I_MESSAGE stand under keys that its MC service ID goes into. A table of a period is made when it is first asked for,
 * and again after users were added; those made last are kept. Loop thread only.
 */
#ifndef MCX_SERVER_UIDS_H
#define MCX_SERVER_UIDS_H

#include "mcsec/mikey.h"
#include "server/bindings.h"

struct uids;
struct uids *uids_new(void);
void uids_free(struct uids *t);

/*
 * The MC service ID of that UID under this KMS in the period of `time` (TIME seconds); "" if no user of ours has it, or
 * without memory. The text lives until the next call.
 */
const char *uids_find(struct uids *t, const struct bindings *users, const struct mcsec_im_kms *kms, uint64_t time,
		      const uint8_t uid[MCSEC_UID_LEN]);

#endif

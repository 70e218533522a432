/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privacy.h - two settings that server and clients of a local domain share: whether I_MESSAGEs hide the identities of
 * both ends (TS 33.180 5.2.6), and whether they carry SAKKE-to-self (5.2.5). Off unless chosen; the folder remembers.
 */
#ifndef MCX_TOOL_PRIVACY_H
#define MCX_TOOL_PRIVACY_H

#include "tool/domain/domain.h"

/* What the folder says, into d. */
void privacy_load(struct domain *d);
/* "on", "off", or NULL: as it was. Refused while the domain is up. 0, or -1 and a sentence in err. */
int privacy_choose(struct domain *d, const char *hiding, const char *to_self, char *err, size_t err_size);

#endif

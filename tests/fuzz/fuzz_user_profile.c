/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_user_profile.c - user profiles (TS 24.484 8.3.2, 9.3.2), of which the KMS of each user is read.
 *
 * Invariants: a document that is refused leaves nothing behind and names an offset in it; of one that is read each
 * entry has a user, whom no other entry has, both texts end, and what is found under the user's name is the entry's
 * KMS.
 */
#include "fuzz/fuzz.h"
#include "mcx/doc/user_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct user_profile p;
	size_t at = SIZE_MAX;
	if (user_profile_read((struct octets){data, size}, &p, &at) != MCSEC_OK) {
		HOLDS(p.n == 0 && !p.entry && at <= size);
		return 0;
	}
	HOLDS(p.n <= USER_PROFILE_ENTRIES && (p.service == MCX_MCPTT || p.service == MCX_MCVIDEO));
	HOLDS(memchr(p.owner, 0, sizeof p.owner));
	for (size_t i = 0; i < p.n; i++) {
		const struct user_profile_entry *e = &p.entry[i];
		HOLDS(e->user[0] && memchr(e->user, 0, sizeof e->user) && memchr(e->kms_uri, 0, sizeof e->kms_uri));
		HOLDS(user_profile_kms(&p, e->user) == e->kms_uri);
	}
	user_profile_free(&p);
	return 0;
}

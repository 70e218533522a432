/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.h - the one place where secrets live: pages that are locked, left out of core dumps, fenced by guard pages,
 * and wiped when given back.
 */
#ifndef MCSEC_SECRET_H
#define MCSEC_SECRET_H

#include "err.h"

/* n zeroed octets, aligned to 64. NULL without memory or when the lock limit is reached. Thread-safe. */
MCSEC_API void *mcsec_secret_alloc(size_t n);
/* Wipes and gives back; NULL is allowed. A pointer that did not come from mcsec_secret_alloc ends the process. */
MCSEC_API void mcsec_secret_free(void *p);
/* Wipe that the compiler cannot drop; also for stack temporaries. */
MCSEC_API void mcsec_wipe(void *p, size_t n);
/* 1 if equal. Time depends on n only. */
MCSEC_API int mcsec_equal(const void *a, const void *b, size_t n);
/* Octets in use now (rounded as the allocator rounds): tests prove with it that nothing leaks. */
MCSEC_API size_t mcsec_secret_in_use(void);
/* 1 if all secret memory so far is locked; 0 if the limit (RLIMIT_MEMLOCK) forbade it somewhere. */
MCSEC_API int mcsec_secret_is_locked(void);

#endif

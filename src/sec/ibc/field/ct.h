/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ct.h - the points at which something computed from secrets becomes public on purpose: a verdict, or that an event
 * of negligible probability did not occur. Everywhere else no branch and no address may depend on a secret; tests/ct
 * proves it by marking secrets undefined under valgrind, and builds with MCSEC_CT_CHECK. In all other builds
 * ct_public does nothing.
 */
#ifndef MCSEC_IBC_CT_H
#define MCSEC_IBC_CT_H

#if defined(MCSEC_CT_CHECK)
#include <valgrind/memcheck.h>
#define ct_public(p, n) ((void)VALGRIND_MAKE_MEM_DEFINED(p, n))
#else
#define ct_public(p, n) ((void)(p), (void)(n))
#endif

#endif

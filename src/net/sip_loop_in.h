/* SPDX-License-Identifier: Apache-2.0 */
/* sip_loop_in.h - the root behind a loop, for the files of the SIP port only: nobody else sees the library. */
#ifndef MCX_NET_SIP_LOOP_IN_H
#define MCX_NET_SIP_LOOP_IN_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <sofia-sip/su_wait.h>
#pragma GCC diagnostic pop

#include "net/sip_loop.h"

su_root_t *sip_loop_root(struct sip_loop *l);

#endif

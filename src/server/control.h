/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - media control of a private call at the server: floor control of MCPTT, transmission control of MCVideo.
 * SRTCP under each end's CSK, the arbiter between them (TS 24.380 6.3, TS 24.581 6.3; floor 6, 7, 13, 14; transmission
 * 6 to 8; media 3.4, 3.5, 4).
 *
 * A call has it when the caller's offer has a media control line that names the caller's SSRC and the callee takes it
 * up. Its packets end here, one leg under the caller's CSK, the other under the callee's; a line that we cannot protect
 * is refused with port 0, and the call goes on without control. Loop thread only, but for the relay's callbacks.
 *
 * Keys follow the bindings: the CSK in use sends and opens, a pending one of a key download and, for csk_grace_s, the
 * one before open (flows 1.2, 2.1). What was said while a key changed is said again under the new one.
 */
#ifndef MCX_SERVER_CONTROL_H
#define MCX_SERVER_CONTROL_H

#include "mcx/media/csk_control.h"
#include "server/call.h"

/* The caller's offer was read. */
void control_offered(struct call *c, const struct sdp *offer);
/* The relay has its ports. */
void control_open(struct call *c);
/*
 * What the copy for end `to` of the other end's description says: 1 with *out, 0 when the line is not served. *at: its
 * place, SIZE_MAX when there is none.
 */
int control_describe(struct call *c, const struct sdp *sdp, int to, size_t *at, struct sdp_control *out);
/* The callee's answer. 0; -1: it took the line up in a way that cannot be served. */
int control_answered(struct call *c, const struct sdp *answer);
/* The caller was told: the call is up. */
void control_begin(struct call *c);
/* A description of that end came with a re-INVITE that went through. */
void control_moved(struct call *c, const struct sdp *sdp, int end);
/* After relay_close. */
void control_close(struct call *c);
/* Keys that changed or ran out. */
void control_tick(struct server *s);

/* ---- control_keys.c: the CSKs of one client, shared by its calls ---- */

struct control_keys;

/* NULL without memory. */
struct control_keys *control_keys_take(struct server *s, int64_t binding);
void control_keys_release(struct control_keys *k);
/* The keys as the binding has them now. */
struct csk_control *control_keys_now(struct control_keys *k);
/* Something verified under that key. */
void control_keys_proved(struct control_keys *k, uint32_t csk_id);

/* control.c: messages to the ends that use these keys may have been lost. */
void control_say_again(struct server *s, const struct control_keys *k);

#endif

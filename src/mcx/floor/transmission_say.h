/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transmission_say.h - what the arbiter of transmission control says, for transmission_arbiter.c alone: each message
 * with the fields of transmission 2 that the state of the call fills.
 */
#ifndef MCX_FLOOR_TRANSMISSION_SAY_H
#define MCX_FLOOR_TRANSMISSION_SAY_H

#include "mcx/floor/transmission_arbiter.h"

/* Does a stand before b in the queue? */
int ta_before(const struct ta_participant *a, const struct ta_participant *b);

/* A message with an indicator, and those of `has`, which the caller fills in. */
struct tx_message *ta_put(struct ta_out *out, int to, enum tx_type type, uint32_t has);
/* Its streams, and who it is. */
struct tx_message *ta_put_of(const struct ta *m, int who, struct tx_message *t);
void ta_say_idle(const struct ta *m, int to, struct ta_out *out);
void ta_say_granted(const struct ta *m, int to, int64_t now, struct ta_out *out);
void ta_say_cause(int to, enum tx_type type, uint16_t cause, struct ta_out *out);
void ta_say_notification(const struct ta *m, int to, int who, struct ta_out *out);
void ta_say_position(const struct ta *m, int to, struct ta_out *out);

#endif

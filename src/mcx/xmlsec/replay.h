/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.h - which encrypted items a peer has sent under an XPK (xml-protection 9).
 *
 * The signature covers neither SIP headers nor time; the fresh IV in every request is what tells a request from one
 * that somebody sends again. A request of a new SIP transaction that has encrypted items, all of them seen before, is a
 * replay. One set for each XPK, thrown away with it. Bounded: past XML_REPLAY_MAX the oldest are forgotten and
 * xml_replay_worn says that the XPK wants replacing (a key download) first.
 */
#ifndef MCX_XMLSEC_REPLAY_H
#define MCX_XMLSEC_REPLAY_H

#include "body_crypt.h"

enum { XML_REPLAY_MAX = 4096 }; /* items; 8 octets each, in a table at most half full: 64 KiB at the end */

struct xml_replay;

struct xml_replay *xml_replay_new(void); /* NULL without memory; starts at some hundred octets */
void xml_replay_free(struct xml_replay *set);

/* 1: replay; nothing is added. 0: fresh, its items are remembered. Messages without encrypted items are 0. */
int xml_replay_check(struct xml_replay *set, const struct xml_seen *seen);
int xml_replay_worn(const struct xml_replay *set);

#endif

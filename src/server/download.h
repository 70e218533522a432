/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download.h - key downloads of the running server: the shell around mcx/flow/key_download.c (TS 24.379 7.3.7).
 *
 * One struct download per client and kind while something is pending; the database has its row first (db_download.h).
 * Loop thread only. The pending CSK opens what comes under it and protects nothing (server/xml.c).
 */
#ifndef MCX_SERVER_DOWNLOAD_H
#define MCX_SERVER_DOWNLOAD_H

#include "server/db_download.h"
#include "server/server.h"

/* NULL when it began, or is under way already; else why not, as a sentence for the operator. */
const char *download_start(struct server *s, struct binding *b, enum kd_kind kind, enum kd_reason why);
/* As an officer wants it: a new CSK for this suite, which the client must have listed and the domain must allow. */
const char *download_force(struct server *s, struct binding *b, uint16_t suite);
/*
 * The CSK of this client is for a suite that is not allowed: until the client has taken another, it protects nothing
 * and nothing is believed under it (mikey.md 8 step 3).
 */
int download_holds(const struct server *s, const struct db_binding *row);
/* For how many seconds its CSK opens what is on its way, once it is replaced. */
int64_t download_grace(const struct server *s, const struct db_binding *row);
/* Something of this client verified under that key. */
void download_proved(struct server *s, const struct binding *b, uint32_t key_id);
/* The CSK an upload must win against (flows 0.4): the pending one, else the one in use. 0 if there is none. */
int download_rival(const struct server *s, const struct binding *b, uint64_t *t, uint32_t *id);
/* An upload was stored and is in force; or it lost, and the client will hold it until it hears of ours. */
void download_upload_won(struct server *s, struct binding *b, uint64_t t, uint32_t id);
void download_upload_lost(struct server *s, struct binding *b);
/* The binding is going. */
void download_gone(struct server *s, int64_t binding);

/* Start: what was pending goes on. 0, or -1. */
int download_restore(struct server *s);
/* Ages of CSKs, expiry of the MuSiK, clients that are back. */
void download_tick(struct server *s);
void download_free_all(struct server *s);

/* The MuSiK in force goes to every client that does not hold it; a new one first, if there is none or `anew`. */
struct musik_order {
	int anew;
	const char *officer;
	const char *wrong; /* out: NULL when it began */
	size_t clients;    /* out: how many do not hold it yet */
};
void download_musik(struct server *s, struct musik_order *o);

#endif

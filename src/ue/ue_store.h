/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_store.h - what a client keeps on disk: DIR/device.key and DIR/db, both 0600 in a folder of 0700.
 *
 * Items (tokens, certificates, key sets) are sealed with AES-256-GCM under the device key, bound to their name. SSRCs
 * used under a key and replay records are not secret; they must never be forgotten early (media.md M-D13, mikey.md 10).
 * Thread-safe: one lock around one connection.
 */
#ifndef MCX_UE_STORE_H
#define MCX_UE_STORE_H

#include "mcsec/mikey.h"
#include "sec/base/bytes.h"

struct ue_store;

/* NULL and a sentence in err. A folder or file that others can read is refused. */
struct ue_store *ue_store_open(const char *dir, char *err, size_t err_size);
void ue_store_close(struct ue_store *s);

/* 0 when durable, else -1. */
int ue_store_put(struct ue_store *s, const char *name, struct octets secret);
/* The same in one transaction with a message that was seen (NULL: none). */
int ue_store_take(struct ue_store *s, const char *name, struct octets secret, const struct mcsec_replay_entry *entry);
/* Secret memory of *len octets (the caller frees it), NULL if there is none or it does not open. */
uint8_t *ue_store_get(struct ue_store *s, const char *name, size_t *len);
int ue_store_drop(struct ue_store *s, const char *name);
/* Drops the items with from <= name < to. */
int ue_store_drop_range(struct ue_store *s, const char *from, const char *to);
/* Calls each with every item whose name begins with prefix; stops when it returns non-zero. */
int ue_store_each(struct ue_store *s, const char *prefix,
		  int (*each)(void *ctx, const char *name, struct octets secret), void *ctx);

/*
 * One transaction: this SSRC is used under (key_id, cs_id), and, where entry is not NULL, this message was seen.
 * 0 durable; 1 the SSRC was used before: draw another; -1 the store failed.
 */
int ue_store_record(struct ue_store *s, uint32_t key_id, uint8_t cs_id, uint32_t ssrc,
		    const struct mcsec_replay_entry *entry);
/* Replay records that have not run out at `now`, into the cache; older ones are deleted. 0 or -1. */
int ue_store_replays(struct ue_store *s, uint64_t now, struct mcsec_replay *cache);

#endif

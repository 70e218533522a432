/* SPDX-License-Identifier: Apache-2.0 */
/* download_in.h - what the files of the key downloads share: download.c, download_job.c, download_musik.c. */
#ifndef MCX_SERVER_DOWNLOAD_IN_H
#define MCX_SERVER_DOWNLOAD_IN_H

#include "server/download.h"

struct download {
	struct download *next, **back;
	struct server *s;
	struct kd machine;
	struct db_download row;
	unsigned run; /* results of an earlier one are ignored */
	int away;     /* no connection led to the client when it was tried last */
	struct sip_client_tx *tx;
	struct sip_timer *timer;
	size_t len;
	uint8_t message[MCSEC_IM_MAX];
};

enum download_job { DOWNLOAD_SAVE, DOWNLOAD_SETTLE, DOWNLOAD_ERASE };

struct download *download_find(const struct server *s, int64_t binding, enum kd_kind kind);
struct binding *download_binding(const struct download *d);
void download_step(struct download *d, const struct kd_event *ev);

/* ---- download_job.c ---- */

/* Its result comes as an event. draw: a new CSK, else the one of the row. */
void download_submit(struct download *d, enum download_job what, int draw);
/* The pending CSK opens from now on; it is what the client may hold. */
void download_pend(struct download *d);
/* TIME seconds of a T on the wire, in the era of 1968 to 2104; 0 of 0. */
uint64_t download_seconds(uint64_t ntp);

/* ---- download_musik.c ---- */
void download_musik_tick(struct server *s, int64_t now);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_download.h - key downloads that a client has not taken yet, and the MuSiKs with their holders, as the database
 * keeps them (flows 2.1). Every key is sealed.
 *
 * A pending CSK names the one it is to follow: a save or a change after another CSK took that one's place does nothing
 * and says so. The database itself erases what is pending when a binding goes, or gets another CSK.
 */
#ifndef MCX_SERVER_DB_DOWNLOAD_H
#define MCX_SERVER_DB_DOWNLOAD_H

#include "mcx/flow/key_download.h"
#include "server/db.h"

extern const char db_download_schema[], db_suites_schema[];
extern const char db_download_triggers[]; /* of its end, after the bindings became a table of another name */

struct db_download {
	int64_t binding;
	enum kd_kind kind;
	uint32_t k_id;
	uint8_t key[MCSEC_KEY_LEN + SEAL_OVERHEAD]; /* sealed; of a MuSiK: as in its own row */
	uint8_t rand[MCSEC_RAND_LEN];
	uint64_t t;       /* of the last I_MESSAGE, NTP as on the wire */
	uint32_t follows; /* the CSK in use; 0 for a MuSiK              */
	enum kd_reason reason;
	uint8_t attempt;
	uint16_t suite; /* that the CSK is for */
};

enum db_changed { DB_CHANGED, DB_OVERTAKEN, DB_FAILED };

enum db_changed db_download_save(struct db *d, const struct db_download *row);
/* The pending CSK becomes the binding's, or the client a holder of the MuSiK; on record. */
enum db_changed db_download_settle(struct db *d, const struct db_download *row, const struct db_binding *b);
enum store_err db_download_erase(struct db *d, const struct db_download *row);
enum store_err db_each_download(struct db *d, int (*each)(void *ctx, const struct db_download *row), void *ctx);

/* The MuSiK that all clients of the service share (sip 4.3). */
struct db_musik {
	uint32_t k_id;
	uint8_t key[MCSEC_KEY_LEN + SEAL_OVERHEAD];
	uint8_t rand[MCSEC_RAND_LEN];
	int64_t made, expires; /* Unix seconds */
};
/* It replaces the one before it, whose holders are forgotten; on record. */
enum store_err db_musik_put(struct db *d, const struct db_musik *m, const char *officer);
/* STORE_ROW: *m is the one in force; STORE_OK: there is none. */
enum store_err db_musik_get(struct db *d, struct db_musik *m);
enum store_err db_each_holder(struct db *d, uint32_t k_id, int (*each)(void *ctx, int64_t binding), void *ctx);

#endif

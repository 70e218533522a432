/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - what passes between the two processes of mcx-kms (kms.md 15B): the front end asks, the issuer answers.
 *
 * One message is one packet of a SOCK_SEQPACKET pair; integers are big-endian. A request, whatever its operation:
 *	version u8 = 1 | op u8 | domain u16 = 0 | flags u16 = 0 | period u64 | number u64 | UID 32 |
 *	length u16, identity | length u16, body
 * An answer is a status u16 and, when that is 0, the fields of the operation in the order of the structures below.
 * `number` is the issue counter of kms.md 2.1 item 3. Nothing here can ask for a master secret, or say where secrets
 * lie: that stands in the configuration, which the issuer reads for itself. Pure.
 */
#ifndef MCX_KMS_ISSUER_WIRE_H
#define MCX_KMS_ISSUER_WIRE_H

#include "custody/custody.h"
#include "mcsec/ibc.h"
#include "mcsec/uid.h"
#include "sec/base/bytes.h"

enum {
	ISSUER_IDENTITY_MAX = 256, /* with the final NUL */
	ISSUER_SEALED_MAX = 2048,  /* the largest sealed blob of any custody */
	ISSUER_BODY_MAX = 16 + MCSEC_KPAK_LEN + MCSEC_ZPUB_LEN + ISSUER_SEALED_MAX,
	ISSUER_REQUEST_MAX = 1 + 1 + 2 + 2 + 8 + 8 + MCSEC_UID_LEN + 2 + ISSUER_IDENTITY_MAX + 2 + ISSUER_BODY_MAX,
	ISSUER_ANSWER_MAX = 4096,
};

enum issuer_op {
	ISSUER_OP_ISSUE = 1,
	ISSUER_OP_PUBLIC,
	ISSUER_OP_STATUS,
	ISSUER_OP_OPEN,   /* first message of a process: here is the domain and its sealed secrets */
	ISSUER_OP_CREATE, /* or this: make a domain */
	ISSUER_OP_SHARE,  /* one officer's share, in a parcel that only the issuer opens */
	ISSUER_OP_SEAL,   /* forget the secrets */
};

enum issuer_status {
	ISSUER_OK,
	ISSUER_MALFORMED,
	ISSUER_UNSUPPORTED, /* version, operation, domain or flags; or not in this state */
	ISSUER_SEALED,
	ISSUER_UID_MISMATCH,    /* the UID is not that of identity and period */
	ISSUER_FAILED,          /* a check before release did not hold, or no memory */
	ISSUER_CUSTODY = 0x100, /* + enum custody_err */
};

struct issuer_request {
	enum issuer_op op;
	uint64_t period, number;
	uint8_t uid[MCSEC_UID_LEN];
	char identity[ISSUER_IDENTITY_MAX]; /* of the user; OPEN, CREATE: KmsUri */
	struct octets body;                 /* OPEN, CREATE: a domain; SHARE: the parcel; else empty */
};

/* Body of OPEN and CREATE: P3 u64 | P4 u64 | KPAK | Z_T | sealed blob (CREATE: without the last three). */
struct issuer_domain {
	struct mcsec_periods periods;
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	struct octets sealed;
};

struct issuer_state {              /* answer to STATUS */
	uint8_t sealed, locked;    /* 1: no secrets; 1: secret memory is locked */
	uint8_t needed, given;     /* shares, while an officers' custody waits for them */
	uint8_t transport_key[32]; /* what parcels are made for: X25519 */
};

struct issuer_verdict { /* answer to SHARE */
	uint8_t err;    /* enum custody_err of this share; CUSTODY_MALFORMED also for a parcel that does not open */
	uint8_t number; /* of the share, 0 if it could not be read */
	struct issuer_state state;
};

enum mcsec_err issuer_request_write(struct writer *w, const struct issuer_request *r);
/* r->body lies in `in`. MCSEC_E_UNSUPPORTED for another version, domain, flags or an unknown op, else as the reader. */
enum mcsec_err issuer_request_read(struct issuer_request *r, struct octets in);

void issuer_domain_write(struct writer *w, const struct issuer_domain *d, int with_keys);
enum mcsec_err issuer_domain_read(struct issuer_domain *d, struct octets in, int with_keys);

/* out is secret memory. */
void issuer_issued_write(struct writer *w, const struct mcsec_issued *k);
void issuer_issued_read(struct reader *r, struct mcsec_issued *k);
void issuer_state_write(struct writer *w, const struct issuer_state *s);
void issuer_state_read(struct reader *r, struct issuer_state *s);
void issuer_verdict_write(struct writer *w, const struct issuer_verdict *v);
void issuer_verdict_read(struct reader *r, struct issuer_verdict *v);

#endif

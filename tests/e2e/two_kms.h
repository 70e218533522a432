/* SPDX-License-Identifier: Apache-2.0 */
/*
 * two_kms.h - two real key management servers, each a process of its own, whose officers have let the other one's
 * domain in. Apart from kms_lab.h, so that tests with a world of their own can use it.
 */
#ifndef MCX_TEST_TWO_KMS_H
#define MCX_TEST_TWO_KMS_H

#include "ue/ue.h"

#define KMS_A "kms.a.mcx.test" /* of *@a.mcx.test */
#define KMS_B "kms.b.mcx.test" /* of *@b.mcx.test */
#define KMS_C "kms.c.mcx.test" /* of a third domain: at A one officer has brought its certificate in, none permits it  \
				*/

/* Both run; their directories know whose users are whose. The calling test fails if they cannot be had. */
void two_kms_begin(void);
void two_kms_end(void);
/* Where a client finds its home KMS: 0 is A, 1 is B. */
struct ue_config two_kms_config(int which);
/* A token of that user for its KMS; malloc'ed. */
char *two_kms_token(int which, const char *user);
/* An officer of this KMS takes the other domain out, or, with 1, in again. */
void two_kms_permit(int which, int permitted);

#endif

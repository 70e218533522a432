/* SPDX-License-Identifier: Apache-2.0 */
/* krr_files.h - key and anchors of redirect responses from PEM files (mcx/kmssec/kms_krr.h). */
#ifndef MCX_NET_KRR_FILES_H
#define MCX_NET_KRR_FILES_H

#include "mcx/kmssec/kms_krr.h"

/* Certificate and private key stand in one file. NULL: they do not, or the key is none on P-256. */
struct krr_signer *krr_signer_of(const char *pem_file);
/* NULL: no certificate in it. */
struct krr_trust *krr_trust_of(const char *pem_file);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poc_settings.h - application/poc-settings+xml (RFC 4354; sip.md 2.3): how a user answers calls.
 *
 * poc-settings > entity@id > am-settings > answer-mode; other settings are ignored on reading and not written.
 */
#ifndef MCX_DOC_POC_SETTINGS_H
#define MCX_DOC_POC_SETTINGS_H

#include "sec/base/bytes.h"

enum poc_answer { POC_ANSWER_NONE, POC_ANSWER_AUTOMATIC, POC_ANSWER_MANUAL };

/*
 * POC_ANSWER_NONE: the document does not say. MCSEC_E_LENGTH, MCSEC_E_MALFORMED as xml_read; MCSEC_E_VALUE: another
 * mode, or an element twice. *at (may be NULL) is then the offset of the element at fault, of the one around two.
 */
enum mcsec_err poc_settings_read(struct octets xml, enum poc_answer *out, size_t *at);
enum mcsec_err poc_settings_write(struct writer *w, const char *entity, enum poc_answer mode);

#endif

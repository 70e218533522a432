/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h - the identity server's tables as migrations for store_open. */
#ifndef MCX_IDMS_SCHEMA_H
#define MCX_IDMS_SCHEMA_H

enum { IDMS_MIGRATIONS = 2 };

/* In order; the second one is the audit record's. */
void idms_migration_list(const char *out[IDMS_MIGRATIONS]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_file.h - a certificate, key or revocation list named in a configuration, read whole.
 *
 * It has to be a regular file of bounded size: a pipe that nobody writes to would hold up the start (and a reload), a
 * device without an end would take all memory.
 */
#ifndef MCX_NET_HTTP_FILE_H
#define MCX_NET_HTTP_FILE_H

#include <stddef.h>

enum { HTTP_FILE_MAX = 1 << 20 };

/* malloc'ed, with a NUL behind its *len octets. NULL with "FILE: why" in err. May hold a key: see http_file_free. */
char *http_file_read(const char *file, size_t *len, char *err, size_t err_size);
/* Wipes and frees; NULL is allowed. */
void http_file_free(char *text, size_t len);

#endif

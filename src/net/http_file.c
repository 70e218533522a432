/* SPDX-License-Identifier: Apache-2.0 */
/* http_file.c - see http_file.h. */
#include "net/http_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mcsec/secret.h"

static char *refuse(const char *file, const char *why, char *err, size_t err_size)
{
	snprintf(err, err_size, "%s: %s", file, why);
	return NULL;
}

/* How many octets, HTTP_FILE_MAX + 1 when there are more than allowed; -1 with errno. */
static ssize_t read_all(int fd, char *text)
{
	size_t at = 0;
	while (at < HTTP_FILE_MAX + 1) {
		ssize_t n = read(fd, text + at, HTTP_FILE_MAX + 1 - at);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static char *read_open(int fd, const char *file, size_t *len, char *err, size_t err_size)
{
	struct stat st;
	if (fstat(fd, &st))
		return refuse(file, strerror(errno), err, err_size);
	if (!S_ISREG(st.st_mode))
		return refuse(file, "not a regular file", err, err_size);
	char *text = malloc(HTTP_FILE_MAX + 2);
	ssize_t n = text ? read_all(fd, text) : -1;
	if (n < 0) {
		free(text);
		return refuse(file, strerror(errno), err, err_size);
	}
	*len = (size_t)n;
	if (n > HTTP_FILE_MAX) {
		http_file_free(text, *len);
		return refuse(file, "larger than 1 MiB", err, err_size);
	}
	text[n] = 0;
	return text;
}

char *http_file_read(const char *file, size_t *len, char *err, size_t err_size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* opening a pipe must not wait either */
	if (fd < 0)
		return refuse(file, strerror(errno), err, err_size);
	char *text = read_open(fd, file, len, err, err_size);
	close(fd);
	return text;
}

void http_file_free(char *text, size_t len)
{
	if (text)
		mcsec_wipe(text, len);
	free(text);
}

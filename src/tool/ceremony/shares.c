/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shares.c - officers' shares in and out. In files of one share each (0600, never overwritten), or one officer after
 * the other at the terminal: shown once and proven to be written down, asked for without echo.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "tool/ceremony/ceremony.h"

enum { LINE = 512, TRIES = 3, CHECK = 8 };

/* ---- in ---- */

/* A line of standard input without its end; without echo at a terminal. 0 or -1. */
static int ask_line(const char *prompt, int echo, char *line, size_t size)
{
	struct termios old, quiet;
	int terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &old) == 0;
	fprintf(stderr, "%s", prompt);
	fflush(stderr);
	if (terminal && !echo) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	size_t n = 0;
	char c = 0;
	ssize_t got; /* octet by octet: stdio would keep a copy */
	while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
		if (n + 1 < size)
			line[n++] = c;
	line[n] = '\0';
	if (terminal && !echo) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	return got == 1 || n ? 0 : -1;
}

int share_ask(const char *path, const char *prompt, struct share *s, char *err, size_t err_size)
{
	struct custody_passphrase *p = NULL;
	char *line = mcsec_secret_alloc(LINE);
	enum custody_err e = CUSTODY_OK;
	if (path) {
		e = custody_passphrase_read(path, &p);
		if (!e && line && p->len < LINE)
			memcpy(line, p->octets, p->len);
		custody_passphrase_free(p);
	} else if (line && ask_line(prompt, 0, line, LINE)) {
		e = CUSTODY_ABSENT;
	}
	enum mcsec_err bad = line && !e ? share_from_text(s, line) : MCSEC_E_ARGUMENT;
	mcsec_secret_free(line);
	if (e)
		snprintf(err, err_size, "%s: %s", path ? path : "a share was not given",
			 e == CUSTODY_MODE ? "not a file of mode 0600" : custody_err_name(e));
	else if (bad)
		snprintf(err, err_size, "%s%s%s", path ? path : "", path ? ": " : "",
			 bad == MCSEC_E_VALUE ? "mistyped: the check at its end does not fit" : "this is no share");
	return e || bad ? -1 : 0;
}

/* What is the matter with a share, by its number. */
static void explain(enum custody_err e, unsigned number, char *err, size_t err_size)
{
	const char *what = e == CUSTODY_FOREIGN ? "belongs to another set of shares"
			   : e == CUSTODY_TWICE ? "was given already"
						: "is wrong: its value is not the one that was handed out";
	snprintf(err, err_size, "share %u %s", number, what);
}

static int add_one(struct custody *custody, struct octets blob, const char *path, const char *prompt, char *err,
		   size_t err_size)
{
	struct share *s = mcsec_secret_alloc(sizeof *s);
	int rc = s ? share_ask(path, prompt, s, err, err_size) : -1;
	if (!rc) {
		enum custody_err e = custody_add_share(custody, blob, s);
		if (e)
			explain(e, s->number, err, err_size);
		rc = e ? -1 : 0;
	}
	mcsec_secret_free(s);
	return rc;
}

static int take_files(struct ceremony *c, struct custody *custody, struct octets blob, unsigned k)
{
	char *list = strdup(c->o->with), *save = NULL, err[512] = "no memory";
	int rc = list ? 0 : -1;
	for (char *f = list ? strtok_r(list, ",", &save) : NULL; f && !rc && custody_given(custody) < k;
	     f = strtok_r(NULL, ",", &save))
		rc = add_one(custody, blob, f, NULL, err, sizeof err);
	free(list);
	if (!rc && custody_given(custody) < k) {
		snprintf(err, sizeof err, "%u shares are needed, --with names %u", k, custody_given(custody));
		rc = -1;
	}
	return rc ? ceremony_refuse(c, TOOL_REFUSED, NULL, "%s", err) : -1;
}

static int take_typed(struct ceremony *c, struct custody *custody, struct octets blob, unsigned k)
{
	char prompt[128], err[512];
	for (unsigned tries = 0; custody_given(custody) < k;) {
		snprintf(prompt, sizeof prompt,
			 "Officer %u of %u, type your share (it is not shown): ", custody_given(custody) + 1, k);
		if (!add_one(custody, blob, NULL, prompt, err, sizeof err)) {
			fprintf(stderr, "  taken.\n");
			tries = 0;
			continue;
		}
		if (++tries == TRIES || !isatty(STDIN_FILENO))
			return ceremony_refuse(c, TOOL_REFUSED, NULL, "%s", err);
		fprintf(stderr, "  %s%s.%s Once more.\n", tool_colour_on(stderr, TOOL_BAD), err,
			tool_colour_off(stderr));
	}
	return -1;
}

int shares_take(struct ceremony *c, struct custody *custody, struct octets blob)
{
	unsigned k = 0, n = 0;
	if (officers_need(blob, &k, &n))
		return ceremony_refuse(c, TOOL_REFUSED, NULL, "what is sealed is damaged");
	if (c->o->with)
		return take_files(c, custody, blob, k);
	if (c->o->batch)
		return ceremony_refuse(c, TOOL_USAGE, "--with FILE,FILE,...", "%u of %u officers' shares are needed", k,
				       n);
	return take_typed(c, custody, blob, k);
}

/* ---- out ---- */

static int write_share(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	size_t n = strlen(text);
	int ok = write(fd, text, n) == (ssize_t)n && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
	close(fd);
	return ok ? 0 : -1;
}

static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 ? fsync(fd) : -1;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int give_files(struct ceremony *c, const struct share *shares, unsigned n)
{
	char path[600], *text = mcsec_secret_alloc(SHARE_TEXT_SIZE);
	int rc = text ? 0 : -1;
	for (unsigned i = 0; i < n && !rc; i++) {
		share_to_text(&shares[i], text);
		snprintf(path, sizeof path, "%s/share-%s-%u", c->o->out, c->step, shares[i].number);
		rc = write_share(path, text);
		if (!rc && strlen(c->given) + strlen(path) + 2 < sizeof c->given)
			strcat(strcat(c->given, path), "\n");
	}
	if (!rc)
		rc = sync_folder(c->o->out);
	mcsec_secret_free(text);
	return rc ? ceremony_refuse(c, TOOL_FAILED, "nothing is ever overwritten", "%s: %s", path, strerror(errno))
		  : -1;
}

/* One officer alone before the screen; then it is wiped. */
static int show(const struct share *s, unsigned n)
{
	char *text = mcsec_secret_alloc(SHARE_TEXT_SIZE), line[64];
	if (!text)
		return -1;
	share_to_text(s, text);
	const char *check = text + SHARE_TEXT_SIZE - 1 - CHECK;
	fprintf(stderr, "\nShare %u of %u. Only its officer may look now. Press Enter to show it.", s->number, n);
	int rc = ask_line("", 1, line, sizeof line);
	fprintf(stderr, "\n  %s\n\nWrite it down; it is shown only this once.\n", text);
	for (int tries = 0; !rc; tries++) {
		rc = tries == TRIES ? -1 : ask_line("Type its last 8 characters: ", 1, line, sizeof line);
		if (!rc && strcmp(line, check) == 0)
			break;
	}
	fprintf(stderr, "\033[H\033[2J\033[3J");
	mcsec_secret_free(text);
	return rc;
}

int shares_give(struct ceremony *c, const struct share *shares, unsigned n)
{
	c->n_given = n;
	if (c->o->out)
		return give_files(c, shares, n);
	if (c->o->batch || !isatty(STDIN_FILENO))
		return ceremony_refuse(c, TOOL_USAGE, "or answer at a terminal", "--out DIR says where the shares go");
	for (unsigned i = 0; i < n; i++)
		if (show(&shares[i], n))
			return ceremony_refuse(c, TOOL_REFUSED, "nothing has changed", "share %u was not written down",
					       shares[i].number);
	return -1;
}

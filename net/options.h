/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line and the environment variables of the server process (spec/server.md 1). Pure apart from the
 * given getenv function.
 */
#ifndef NET_OPTIONS_H
#define NET_OPTIONS_H

#include <omnigraph/err.h>
#include <omnigraph/log.h>

#include "net/http.h"

struct command_line {
	const char *cluster; /* NULL: not given */
	const char *bind;
	bool unauthenticated, require_all, reload_on_hup, retry_quarantined, help;
};

/* ERR_BAD_REQUEST: a usage error (exit status 2). */
int command_line_parse(int argc, char **argv, struct command_line *out, struct err *e);
extern const char command_line_usage[];

/* Rule B1: unset, blank, "0" and "false" are off, anything else is on. */
bool env_boolean(const char *value);
/* Strict decimal; anything else (also out of range) warns and gives @dflt. */
uint64_t env_number(const char *(*env)(const char *), const char *name, uint64_t max, uint64_t dflt, struct logger *l);

/* "host:port" or "[v6]:port"; *host is malloced. False: malformed. */
bool bind_split(const char *text, char **host, char **port);

#endif

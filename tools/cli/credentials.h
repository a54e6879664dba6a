/* SPDX-License-Identifier: MIT */
/*
 * credentials.h - bearer tokens of servers: environment and <operator directory>/credentials (spec/cli.md 5.4, 5.5). A token is never
 * printed, and a keyed one is never given for a URL that its server does not cover.
 */
#ifndef TOOLS_CLI_CREDENTIALS_H
#define TOOLS_CLI_CREDENTIALS_H

#include "tools/cli/cli.h"

/* The token for requests to @url; NULL: none. Lives in the arena. ERR_BAD_REQUEST: a credentials file that others can read. */
int token_for(struct invocation *inv, const char *url, const char **out, struct err *e);

#endif

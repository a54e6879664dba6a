/* SPDX-License-Identifier: MIT */
/* change_text.h - changes for people (spec/cli.md 11.8), from the documents of spec/server.md 8.22 and 8.23. */
#ifndef TOOLS_CLI_CHANGE_TEXT_H
#define TOOLS_CLI_CHANGE_TEXT_H

#include "tools/cli/cli.h"

/* "commit: ...", "branch: ...", one line each. */
void cause_text(struct invocation *inv, const struct json *cause, struct strbuf *out);
/* The line of a change, its endpoints, and one line per property that differs. */
void change_text(struct invocation *inv, const struct json *change, struct strbuf *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * boot.h - from a cluster's applied revision to a server that could answer (spec/server.md 2).
 *
 * The order is that of 2.1: snapshot, strictness, settings, tokens, runtime state, policies, opening, registration. A problem of
 * one graph quarantines it; the rest, and everything in strict mode, refuses the boot. Binding the listener comes after.
 */
#ifndef NET_BOOT_H
#define NET_BOOT_H

#include "net/server.h"

struct boot_options {
	const char *cluster; /* --cluster as given */
	bool strict;	     /* --require-all-graphs */
	bool unauthenticated;
	struct token_sources tokens;
	const char *(*env)(const char *name); /* the process environment, for embedding settings */
	struct logger *logger;
	struct server_limits limits;
	uint64_t mutation_max_bytes; /* 0: default */
	uint32_t head_max_age_ms;    /* graph_open_opts */
};

/* On failure @e has the text for "Error: <text>", possibly of several lines. */
int server_boot(const struct boot_options *o, struct server **out, struct err *e);
/*
 * The applied revision as it is now, for a server that has its tokens; not installed. @beside: only the graphs that this revision does
 * not serve. Failures as those of a boot.
 */
int boot_revision(const struct boot_options *o, struct server *s, const struct revision *beside, struct revision **out,
		  struct err *e);
/* After the HTTP side has stopped. NULL allowed. */
void server_free(struct server *s);

#endif

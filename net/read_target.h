/* SPDX-License-Identifier: MIT */
/*
 * read_target.h - which state of a graph a read is about: a branch's head or one commit (spec/server.md 6.1, 7.2).
 */
#ifndef NET_READ_TARGET_H
#define NET_READ_TARGET_H

#include "net/body.h"

struct read_target {
	const char *branch;   /* NULL with a snapshot */
	const char *snapshot; /* commit id, or NULL */
};

/* Stage 7: both given, or a blank branch, is 400. */
int read_target_fields(struct request *r, const struct field *branch, const struct field *snapshot,
		       struct read_target *t);
/* Stage 8 for action `read`: an unknown commit is 404 even without `read` when a policy is installed. */
int read_target_authorize(struct request *r, const struct read_target *t);
int read_target_open(struct request *r, const struct read_target *t, struct snapshot **out);

#endif

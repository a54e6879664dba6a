/* SPDX-License-Identifier: MIT */
/* load_common.h - what /load, /ingest and /load/ndjson share: branch rule, authorization, result (spec/server.md 8.15, 8.16). */
#ifndef NET_LOAD_COMMON_H
#define NET_LOAD_COMMON_H

#include "net/body.h"

struct load_request {
	const char *branch;
	const char *from; /* NULL: not given */
	enum load_mode mode;
};

extern const char *const load_mode_names[];   /* NULL-terminated */
enum load_mode load_mode_of(struct str name); /* a valid name */

/* Is the target branch missing? An unusable name is not: the engine refuses it. Fails only when the store does. */
int load_branch_missing(struct request *r, const struct load_request *l, bool *missing);
/* `branch_create` when the branch is missing and `from` is given, then `change`. */
int load_authorize(struct request *r, const struct load_request *l, bool missing);
/* The branch rule: missing and no `from` is 404. */
int load_branch_rule(struct request *r, const struct load_request *l, bool missing);
void load_put_result(struct request *r, const struct load_request *l, const struct load_result *res, bool with_uri);

#endif

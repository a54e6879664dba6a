/* SPDX-License-Identifier: MIT */
/*
 * artifact.h - the small JSON files of a cluster that one command leaves for another: sidecars and approvals. Each is one object with
 * `schema_version` 1 and nothing it does not know (spec/cluster.md 10, 12); one that is damaged is reported and left in place.
 */
#ifndef CLUSTER_ARTIFACT_H
#define CLUSTER_ARTIFACT_H

#include <omnigraph/diag.h>
#include <omnigraph/json.h>

#include "cluster/cluster_store.h"

struct artifact {
	struct arena *a; /* texts handed out live here */
	const struct json *v;
	const char *why; /* the first fault; NULL while all is well */
};

/* A member that is text; NULL when it is absent or null, which is a fault when it is @required. */
const char *artifact_text(struct artifact *o, const char *name, bool required);
/* An unsigned member; false when it is absent or null. */
bool artifact_number(struct artifact *o, const char *name, uint64_t *out);
/* A member not in @keys (NULL ends them) is a fault. */
void artifact_known(struct artifact *o, const char *const *keys);

struct artifact_kind {
	const char *directory;				/* its prefix in the store */
	const char *read_error, *unsupported, *invalid; /* diagnostic codes */
	size_t size;					/* of what @parse fills */
	void (*parse)(struct artifact *o, const char *location, void *out);
};

/*
 * All valid artifacts of @kind in key order, as an array of *n structures in @a. What cannot be listed or read gets a diagnostic of
 * @severity.
 */
void *artifact_list(const struct cluster_store *cs, struct arena *a, const struct artifact_kind *kind,
		    enum diag_severity severity, struct diag_list *d, size_t *n);

/* Put @text, which is freed, as the object @key. False on failure, with the reason in @a. */
bool artifact_write(const struct cluster_store *cs, const char *key, struct strbuf *text, const char **why,
		    struct arena *a);

#endif

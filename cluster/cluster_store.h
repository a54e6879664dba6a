/* SPDX-License-Identifier: MIT */
/*
 * cluster_store.h - where a cluster keeps its bytes (spec/cluster.md 2): one object store for ledger, lock, sidecars, approvals,
 * catalog and graph roots, addressed by relative keys, shown to people as paths or URIs.
 *
 * Threading: a struct cluster_store may be shared; it is immutable after open.
 */
#ifndef CLUSTER_STORE_H
#define CLUSTER_STORE_H

#include <omnigraph/diag.h>
#include <omnigraph/store.h>

#define KEY_STATE "__cluster/state.json"
#define KEY_LOCK "__cluster/lock.json"
#define KEY_RECOVERIES "__cluster/recoveries"
#define KEY_APPROVALS "__cluster/approvals"

struct cluster_store {
	struct store *s; /* NULL when the root could not be opened */
	char *root;	 /* display form: absolute path or s3:// URI */
	bool local;
};

/*
 * Root of a `storage:` value or a directory: trimmed, a leading file:// stripped, local paths made absolute lexically. Caller frees.
 */
char *cluster_root_resolve(const char *value);
/* Open the store at a resolved root. On failure @cs->root is set all the same. */
int cluster_store_open(const char *root, bool read_only, struct cluster_store *cs, struct err *e);
void cluster_store_close(struct cluster_store *cs);

/* "<root>/<key>", in @a. */
const char *cluster_display(const struct cluster_store *cs, struct arena *a, const char *key);
/* Display form of a graph root. */
const char *graph_root(const struct cluster_store *cs, struct arena *a, const char *graph);
/* A failed probe counts as present. */
bool graph_root_exists(const struct cluster_store *cs, const char *display);
/* On a directory: remove the empty directories of a root, and the root when nothing else is in it. Files are never touched. */
void graph_root_drop_empty(const struct cluster_store *cs, const char *display);
int graph_root_delete(const struct cluster_store *cs, const char *display, struct err *e);
/* Delete one object; NULL on success, else the reason in @a. */
const char *try_delete_object(const struct cluster_store *cs, struct arena *a, const char *display);

/* Read one object. -ENOENT only when nothing at all is there: a directory in its place is a read error. */
int cluster_get(const struct cluster_store *cs, const char *key, uint64_t max, struct store_object *out, struct err *e);

enum payload_state { PAYLOAD_OK, PAYLOAD_MISSING, PAYLOAD_MISMATCH, PAYLOAD_READ_ERROR };
/* Read and hash a payload. *content is in @a; *detail is the actual digest on a mismatch, the error text on a read error. */
enum payload_state payload_read(const struct cluster_store *cs, struct arena *a, const char *address,
				const char *digest, struct str *content, const char **detail);
/* Publish a payload; a present one that hashes to its name is left alone, one that does not is written again. */
int payload_write(const struct cluster_store *cs, struct arena *a, const char *address, const char *digest,
		  struct str content, struct err *e);

#endif

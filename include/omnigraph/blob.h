/* SPDX-License-Identifier: MIT */
/*
 * blob.h - Blob cells: reading them, and where external references may point (spec/engine.md 14).
 *
 * A cell holds null, a managed value (bytes of the graph) or an external reference (a URI). Reading never contacts what a reference
 * points at; writing does, once, as the policy of the graph allows.
 */
#ifndef OMNIGRAPH_BLOB_H
#define OMNIGRAPH_BLOB_H

#include <omnigraph/graph.h>

/* --- reading -------------------------------------------------------------------------------------------------------------- */

struct blob_cell { /* which one */
	bool edge;
	struct str type, id, property;
	const char *branch, *snapshot; /* at most one; none: main */
};

struct blob; /* a reader, pinned at the state it was opened on; one thread at a time */

/*
 * Open a cell. ERR_BAD_REQUEST: unknown type, not a Blob, or the property of that name was another one at that state;
 * ERR_NOT_FOUND: no such entity, a null cell, an unknown branch or commit. blob_close() it; it keeps the graph's handle in use.
 */
int graph_blob_open(struct graph *g, const struct blob_cell *cell, struct blob **out, struct err *e);
void blob_close(struct blob *b); /* NULL allowed */

const char *blob_uri(const struct blob *b); /* of an external reference; NULL: managed */
uint64_t blob_length(const struct blob *b); /* managed */
/*
 * Strong entity tag with its quotes, managed. The same tag means the same bytes, within one graph; it stays as long as the row is not
 * written.
 */
#define BLOB_ETAG_MAX 35
const char *blob_etag(const struct blob *b);
const struct commit_info *blob_commit(const struct blob *b); /* the state it is read at */

/*
 * Bytes [start, end) of a managed value, as they lie in memory: valid until blob_close. ERR_BLOB_RANGE (details start, end, length)
 * when start > end or end > length; ERR_RESOURCE_LIMIT beyond LIMIT_BLOB_RANGE_BYTES; ERR_BLOB_INTEGRITY when the stored bytes are damaged.
 */
int blob_read(struct blob *b, uint64_t start, uint64_t end, struct str *out, struct err *e);

/* The same without the limit of one read, for who sends it piece by piece; start <= end <= length. */
struct str blob_bytes(const struct blob *b, uint64_t start, uint64_t end);

/* --- external references ---------------------------------------------------------------------------------------------------- */

struct blob_base {
	const char *uri;  /* canonical, ends with '/' */
	bool server_safe; /* else for embedded use alone */
};

struct blob_policy { /* no bases: every new reference is denied */
	size_t n;
	const struct blob_base *bases;
};

/*
 * Canonical spelling of an s3:// or file:// URI (14.3), appended to @out. False: *why says what is wrong with it (a literal).
 */
bool blob_uri_canonical(struct str uri, struct strbuf *out, const char **why);

#endif

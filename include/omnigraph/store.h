/* SPDX-License-Identifier: MIT */
/*
 * store.h - object storage behind one ops table: file, mem, s3 (and later sim).
 *
 * Keys are relative, '/'-separated, 1..LIMIT_KEY_BYTES bytes, no empty, "." or ".." component, no NUL, no leading
 * or trailing '/', no component over 255 bytes; components beginning with ".tmp-" and objects ending in ".log" are reserved
 * (-EINVAL). Of "a" and "a/b" only one may be an object. A store is opened from a URI: file:///abs/path, a bare path, mem://name.
 *
 * Durability: when put, create, replace, delete or log_append return 0 the effect survives power loss.
 * Atomicity: an object is visible whole or not at all; create and replace are atomic across processes.
 * Tokens: opaque, compared only by the store; empty token = "".
 * Errors: -ENOENT absent (ERR_NOT_FOUND), -EEXIST create lost, -ESTALE replace lost, -EAGAIN log append lost,
 * -ENOSPC, -EROFS, -EACCES, -EIO (ERR_STORAGE); a message names operation, key and store.
 * Threading: a struct store may be used from any number of threads at once.
 */
#ifndef OMNIGRAPH_STORE_H
#define OMNIGRAPH_STORE_H

#include <omnigraph/err.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>

#define STORE_TOKEN_MAX 128

struct store;

struct store_token {
	char s[STORE_TOKEN_MAX]; /* NUL-terminated */
};

struct store_object {
	void *data; /* malloced, one NUL byte behind the content; store_object_free() */
	size_t n;
	struct store_token token;
};

struct store_stat {
	uint64_t size;
	int64_t mtime_us;
	struct store_token token;
};

/* Read-only view of an immutable object; valid until store_unmap. */
struct store_map {
	const void *data;
	size_t n;
	void *priv[2];
};

/* List callback: keys ascending bytewise. Return 0 to go on, anything else stops and is returned by store_list. */
typedef int (*store_list_fn)(void *arg, const char *key, const struct store_stat *st);
/* Log callback: records in order. @data is valid during the call. Non-zero stops and is returned. */
typedef int (*store_log_fn)(void *arg, uint64_t seq, const void *data, size_t n);
/* A name; return 0 to go on, anything else stops and is returned. */
typedef int (*store_name_fn)(void *arg, const char *name);

struct store_get_req { /* one element of a batch */
	const char *key;
	struct store_object obj; /* filled when rc is 0 */
	int rc;
};

struct store_put_req {
	const char *key;
	const void *data;
	size_t n;
	int rc;
};

struct store_ops {
	const char *scheme; /* "file", "mem", "s3" */
	void (*close)(struct store *s);
	int (*get)(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e);
	int (*get_range)(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got,
			 struct err *e);
	int (*head)(struct store *s, const char *key, struct store_stat *out, struct err *e);
	int (*put)(struct store *s, const char *key, const void *data, size_t n, struct err *e);
	int (*create)(struct store *s, const char *key, const void *data, size_t n, struct store_token *token,
		      struct err *e);
	int (*replace)(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
		       struct store_token *token, struct err *e);
	int (*delete)(struct store *s, const char *key, struct err *e);
	int (*delete_prefix)(struct store *s, const char *prefix, struct err *e);
	int (*list)(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn,
		    void *arg, struct err *e);
	int (*map)(struct store *s, const char *key, struct store_map *out, struct err *e);
	void (*unmap)(struct store *s, struct store_map *m);
	void (*relax)(struct store *s, const struct store_map *m); /* NULL: nothing to do */
	int (*get_batch)(struct store *s, struct store_get_req *reqs, size_t n, uint64_t max, struct err *e);
	int (*put_batch)(struct store *s, struct store_put_req *reqs, size_t n, struct err *e);
	int (*log_append)(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e);
	int (*log_read)(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e);
	int (*log_tail)(struct store *s, const char *log, uint64_t *next, struct err *e);
	int (*log_trim)(struct store *s, const char *log, uint64_t upto, struct err *e);
	int (*log_list)(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e);
};

/* Base of every backend's own struct; wrappers (sim, counting stores of tests) embed it too. */
struct store {
	const struct store_ops *ops;
	char *uri;	/* canonical: file:///abs, mem://x, s3://b/p; no trailing '/' */
	bool read_only; /* the store_*() calls refuse every change with -EROFS before the backend is asked */
	bool remote;	/* a call is a request over a network */
};

/*
 * Access to S3. The strings stay the caller's and are copied by store_open(); NULL: not set. They are never logged nor part of a
 * message. The region defaults to us-east-1, the endpoint to Amazon's of that region.
 */
struct s3_config {
	const char *access_key, *secret_key, *session_token;
	const char *region;
	const char *endpoint;  /* http://host[:port] or https://host[:port] */
	bool allow_http;       /* else an http:// endpoint is refused */
	bool force_path_style; /* http://endpoint/bucket/key, not http://bucket.endpoint/key */
	/* where copies of mapped objects are kept (NULL: nowhere), and of how many bytes at most; see fs/object_cache.h */
	const char *cache_dir;
	uint64_t cache_max_bytes;
};

/* The value of an environment variable or NULL; tests pass their own. */
typedef const char *(*s3_getenv_fn)(void *arg, const char *name);
/*
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION (else AWS_DEFAULT_REGION), AWS_ENDPOINT_URL_S3 (else
 * AWS_ENDPOINT_URL), AWS_ALLOW_HTTP (implied by an http:// endpoint), AWS_S3_FORCE_PATH_STYLE. @out borrows what @get returned.
 */
void s3_config_from_env(s3_getenv_fn get, void *arg, struct s3_config *out);

/*
 * What stores at s3:// are opened with when their opts name no settings. A program says it once, before it opens a store and starts
 * threads; @c and its strings must stay. NULL, as at the start: no settings, so that opening fails naming AWS_ACCESS_KEY_ID.
 */
void store_set_s3_default(const struct s3_config *c);

struct store_open_opts {
	bool read_only; /* no operation may change anything, not even a lock, temp or cache file; writes are -EROFS */
	const struct s3_config *s3; /* for s3://; NULL: what store_set_s3_default() was given */
};

/*
 * Open the store at @uri. Nothing is created by opening; a missing directory is an empty store (a write creates it).
 * ERR_UNSUPPORTED names the Kconfig symbol of a backend that is left out (CONFIG_FS_S3 for s3://).
 */
int store_open(const char *uri, const struct store_open_opts *opts, struct store **out, struct err *e);
void store_close(struct store *s); /* NULL allowed */

/* The canonical URI of a root as a user would write it: absolute path for file, s3://... otherwise. Caller frees. */
int store_canonical_uri(const char *uri, char **out, struct err *e);

/* Whole object of at most @max bytes (larger: ERR_RESOURCE_LIMIT). */
int store_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e);
void store_object_free(struct store_object *o);
/* Up to @n bytes from @off; *got may be short at the end of the object. */
int store_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got, struct err *e);
int store_head(struct store *s, const char *key, struct store_stat *out, struct err *e);
int store_put(struct store *s, const char *key, const void *data, size_t n, struct err *e);
/* Exactly one of N racers gets 0, the others -EEXIST (ERR_CONFLICT). @token may be NULL. */
int store_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token,
		 struct err *e);
/* Replace when the object still has @expected, else -ESTALE (also when it is gone). @token receives the new one; may be NULL. */
int store_replace(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
		  struct store_token *token, struct err *e);
int store_delete(struct store *s, const char *key, struct err *e); /* absent is success */
/* Everything under "<prefix>/", logs too, and the log named <prefix> itself; absent is success. @prefix is not empty. */
int store_delete_prefix(struct store *s, const char *prefix, struct err *e);
/*
 * Objects whose key begins with "<prefix>/" (prefix "" = all), keys ascending bytewise, after @start_after (NULL: from the
 * start). @recurse false: only direct children that are objects. Logs are not listed. The token of @st may be empty.
 */
int store_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn, void *arg,
	       struct err *e);
int store_map(struct store *s, const char *key, struct store_map *out, struct err *e);
void store_unmap(struct store *s, struct store_map *m);
/* Most of the content is not needed soon: its pages may leave this process until they are read again. */
void store_map_relax(struct store *s, const struct store_map *m);
/* Where temporary files beside the data may go: the directory of a local root, NULL for other stores. Borrowed from the store. */
const char *store_scratch_dir(const struct store *s);
/* Many in flight at once. Returns 0 when every rc is 0, else the first failure (its text in @e). */
int store_get_batch(struct store *s, struct store_get_req *reqs, size_t n, uint64_t max, struct err *e);
int store_put_batch(struct store *s, struct store_put_req *reqs, size_t n, struct err *e);

/*
 * Ordered logs. Records are numbered from 1. log_append writes record @seq, which must be the next one: -EAGAIN when
 * another writer was first (or when @seq leaves a gap). When it returns 0 the record is durable and visible to every process.
 * A torn record at the end (crash, power loss) is no record: it is never delivered, and the next append overwrites it.
 * Exactly one of N racing appends of one seq succeeds, across threads and processes.
 */
int store_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e);
/* Deliver records @from, @from+1, ... to the end. A missing log has no records. */
int store_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e);
/* *next = the sequence the next append would get (1 for a missing log). On a directory: no system call in the steady state. */
int store_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e);
/* Records up to and including @upto may be forgotten; the numbering goes on. A reader asking for them gets -ENOENT. */
int store_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e);
/* The logs "<prefix>/<name>" by their whole names, in unspecified order; none when there is no such place. */
int store_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e);

#endif

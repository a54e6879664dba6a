/* SPDX-License-Identifier: MIT */
/*
 * store_priv.h - what the backends share: error texts, reserved names, batch loops. Private to fs/.
 *
 * Reserved names, on every backend so that a store can be copied from one to another:
 *   a component that begins with ".tmp-"       temporary and lock files of the file backend
 *   an object whose last component ends in ".log"   the file of a log
 * A component has at most 255 bytes (251 for the last one of a log), the limit of Linux file systems.
 */
#ifndef OMNIGRAPH_FS_STORE_PRIV_H
#define OMNIGRAPH_FS_STORE_PRIV_H

#include <omnigraph/store.h>

#define STORE_COMPONENT_MAX 255
#define STORE_TMP_PREFIX ".tmp-"
#define STORE_LOG_SUFFIX ".log"

enum store_key_kind {
	STORE_KEY_OBJECT,
	STORE_KEY_LOG,
	STORE_KEY_PREFIX, /* "" allowed */
};

/* 0, or -EINVAL with a text that names @op, the key and the rule. */
int store_key_check(struct store *s, const char *op, enum store_key_kind kind, const char *key, struct err *e);

/* @key as a message shows it, control bytes escaped. The caller frees it. */
char *store_show_key(const char *key);

/* @errnum (> 0) of a system call as an error naming operation, key and store, with the remedy. Returns -errnum. */
int store_sys_err(struct store *s, struct err *e, int errnum, const char *op, const char *key);

int store_err_absent(struct store *s, struct err *e, const char *key);				       /* -ENOENT */
int store_err_exists(struct store *s, struct err *e, const char *key);				       /* -EEXIST */
int store_err_changed(struct store *s, struct err *e, const char *key);				       /* -ESTALE */
int store_err_log_moved(struct store *s, struct err *e, const char *log, uint64_t seq, uint64_t next); /* -EAGAIN */
int store_err_trimmed(struct store *s, struct err *e, const char *log, uint64_t seq, uint64_t first);  /* -ENOENT */
int store_err_too_large(struct err *e, const char *key, uint64_t limit, uint64_t size); /* resource limit */

/* get_batch and put_batch of a backend whose calls are cheap one by one. */
int store_get_each(struct store *s, struct store_get_req *reqs, size_t n, uint64_t max, struct err *e);
int store_put_each(struct store *s, struct store_put_req *reqs, size_t n, struct err *e);

/* Backends. @root: absolute path without trailing '/' ("" is the root directory). */
int file_store_open(const char *root, const struct store_open_opts *opts, struct store **out, struct err *e);
/* @rest: "bucket[/prefix]" */
extern const struct s3_config *s3_config_default; /* never NULL */
int s3_store_open(const char *rest, const struct store_open_opts *opts, struct store **out, struct err *e);
int mem_store_open(const char *name, const struct store_open_opts *opts, struct store **out, struct err *e);

#endif

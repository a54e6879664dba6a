/* SPDX-License-Identifier: MIT */
/* counting_store.h - wraps a store: counts calls, and fails chosen ones. */
#ifndef STORE_TESTS_COUNTING_STORE_H
#define STORE_TESTS_COUNTING_STORE_H

#include <errno.h>
#include <stdatomic.h>

#include <omnigraph/store.h>

struct counting_store {
	struct store base;
	struct store *inner;
	atomic_int appends, tails, others;
	atomic_int changes;	 /* calls that change something */
	atomic_size_t written;	 /* bytes of objects and records */
	atomic_int fail_appends; /* the next n appends fail with fail_errno */
	int fail_errno;
	atomic_int lose_replies; /* the next n appends happen, but report an error */
	atomic_int fail_puts;
};

static struct counting_store *counting(struct store *s)
{
	return (struct counting_store *)s;
}

#define COUNTED(s) (atomic_fetch_add(&counting(s)->others, 1), counting(s)->inner)

static void count_change(struct store *s, size_t bytes)
{
	atomic_fetch_add(&counting(s)->changes, 1);
	atomic_fetch_add(&counting(s)->written, bytes);
}

static int cs_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	return store_get(COUNTED(s), key, max, out, e);
}

static int cs_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got, struct err *e)
{
	return store_get_range(COUNTED(s), key, off, n, buf, got, e);
}

static int cs_head(struct store *s, const char *key, struct store_stat *out, struct err *e)
{
	return store_head(COUNTED(s), key, out, e);
}

static int cs_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	if (atomic_load(&counting(s)->fail_puts) > 0) {
		atomic_fetch_sub(&counting(s)->fail_puts, 1);
		return err_set_rc(e, -ENOSPC, ERR_STORAGE, "storage: no space left for '%s'", key);
	}
	count_change(s, n);
	return store_put(COUNTED(s), key, data, n, e);
}

static int cs_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token,
		     struct err *e)
{
	count_change(s, n);
	return store_create(COUNTED(s), key, data, n, token, e);
}

static int cs_replace(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
		      struct store_token *token, struct err *e)
{
	count_change(s, n);
	return store_replace(COUNTED(s), key, expected, data, n, token, e);
}

static int cs_delete(struct store *s, const char *key, struct err *e)
{
	count_change(s, 0);
	return store_delete(COUNTED(s), key, e);
}

static int cs_delete_prefix(struct store *s, const char *prefix, struct err *e)
{
	count_change(s, 0);
	return store_delete_prefix(COUNTED(s), prefix, e);
}

static int cs_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn,
		   void *arg, struct err *e)
{
	return store_list(COUNTED(s), prefix, start_after, recurse, fn, arg, e);
}

static int cs_map(struct store *s, const char *key, struct store_map *out, struct err *e)
{
	return store_map(COUNTED(s), key, out, e);
}

static void cs_unmap(struct store *s, struct store_map *m)
{
	store_unmap(counting(s)->inner, m);
}

static int cs_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e)
{
	struct counting_store *c = counting(s);
	int rc;

	atomic_fetch_add(&c->appends, 1);
	count_change(s, n);
	if (atomic_load(&c->fail_appends) > 0) {
		atomic_fetch_sub(&c->fail_appends, 1);
		return err_set_rc(e, -c->fail_errno, ERR_STORAGE, "storage: append to '%s' failed: injected", log);
	}
	rc = store_log_append(c->inner, log, seq, data, n, e);
	if (!rc && atomic_load(&c->lose_replies) > 0) {
		atomic_fetch_sub(&c->lose_replies, 1);
		return err_set_rc(e, -EIO, ERR_STORAGE, "storage: reply lost");
	}
	return rc;
}

static int cs_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	return store_log_read(COUNTED(s), log, from, fn, arg, e);
}

static int cs_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e)
{
	atomic_fetch_add(&counting(s)->tails, 1);
	return store_log_tail(counting(s)->inner, log, next, e);
}

static int cs_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e)
{
	return store_log_trim(COUNTED(s), log, upto, e);
}

static int cs_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e)
{
	return store_log_list(COUNTED(s), prefix, fn, arg, e);
}

static const struct store_ops counting_ops = {
	.scheme = "counting",
	.get = cs_get,
	.get_range = cs_get_range,
	.head = cs_head,
	.put = cs_put,
	.create = cs_create,
	.replace = cs_replace,
	.delete = cs_delete,
	.delete_prefix = cs_delete_prefix,
	.list = cs_list,
	.map = cs_map,
	.unmap = cs_unmap,
	.log_append = cs_log_append,
	.log_read = cs_log_read,
	.log_tail = cs_log_tail,
	.log_trim = cs_log_trim,
	.log_list = cs_log_list,
};

/* Over @inner, which the caller keeps. */
static void counting_init(struct counting_store *c, struct store *inner)
{
	memset(c, 0, sizeof(*c));
	c->base.ops = &counting_ops;
	c->base.uri = inner->uri;
	c->base.remote = inner->remote;
	c->inner = inner;
}

__attribute__((unused)) static void counting_reset(struct counting_store *c)
{
	atomic_store(&c->appends, 0);
	atomic_store(&c->tails, 0);
	atomic_store(&c->others, 0);
	atomic_store(&c->changes, 0);
	atomic_store(&c->written, 0);
}

#endif

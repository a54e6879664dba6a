/* SPDX-License-Identifier: MIT */
/* mem.c - the store in memory: a sorted array of reference-counted contents behind one mutex. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <omnigraph/util.h>

#include "mem.h"
#include "store_priv.h"

struct blob { /* immutable */
	struct refcount ref;
	uint64_t version; /* the token */
	int64_t mtime_us;
	size_t n;
	char data[]; /* and a NUL */
};

struct object {
	char *key;
	struct blob *blob;
};

struct mlog {
	char *name;
	uint64_t base; /* sequence of recs[0] */
	struct blob **recs;
	size_t n, cap;
};

struct content {
	struct refcount ref;
	pthread_mutex_t lock;
	uint64_t versions;
	struct object *objs; /* ascending by key */
	size_t n, cap;
	struct mlog *logs;
	size_t n_logs, cap_logs;
};

struct mem_store {
	struct store base;
	struct content *c;
};

static const struct store_ops mem_ops;

static struct content *content_of(struct store *s)
{
	return container_of(s, struct mem_store, base)->c;
}

static struct blob *blob_new(const void *data, size_t n, struct err *e)
{
	struct blob *b = mem_try_alloc(sizeof(*b) + n + 1);

	if (!b) {
		err_set_rc(e, -ENOMEM, ERR_STORAGE, "no memory for an object of %zu bytes", n);
		return NULL;
	}
	ref_init(&b->ref);
	b->version = 0;
	b->mtime_us = time_now_us();
	b->n = n;
	if (n)
		memcpy(b->data, data, n);
	b->data[n] = '\0';
	return b;
}

static void blob_put(struct blob *b)
{
	if (b && ref_put(&b->ref))
		free(b);
}

static struct blob *blob_get(struct blob *b)
{
	ref_get(&b->ref);
	return b;
}

/* --- with the lock held ----------------------------------------------------------------------- */

/* First object whose key is >= @key. */
static size_t lower_bound(const struct content *c, const char *key)
{
	size_t lo = 0, hi = c->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(c->objs[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct object *find(struct content *c, const char *key)
{
	size_t i = lower_bound(c, key);

	return i < c->n && !strcmp(c->objs[i].key, key) ? &c->objs[i] : NULL;
}

/* Takes over @b. */
static void set(struct content *c, const char *key, struct blob *b)
{
	size_t i = lower_bound(c, key);

	b->version = ++c->versions;
	if (i < c->n && !strcmp(c->objs[i].key, key)) {
		blob_put(c->objs[i].blob);
		c->objs[i].blob = b;
		return;
	}
	MEM_GROW(c->objs, c->n, c->cap);
	memmove(c->objs + i + 1, c->objs + i, (c->n - i) * sizeof(*c->objs));
	c->objs[i] = (struct object){ mem_strdup(key), b };
	c->n++;
}

/* Remove objects [from, to). */
static void cut(struct content *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		free(c->objs[i].key);
		blob_put(c->objs[i].blob);
	}
	if (to < c->n)
		memmove(c->objs + from, c->objs + to, (c->n - to) * sizeof(*c->objs));
	c->n -= to - from;
}

static struct mlog *find_log(struct content *c, const char *name)
{
	for (size_t i = 0; i < c->n_logs; i++)
		if (!strcmp(c->logs[i].name, name))
			return &c->logs[i];
	return NULL;
}

static void log_free(struct mlog *l)
{
	for (size_t i = 0; i < l->n; i++)
		blob_put(l->recs[i]);
	free(l->recs);
	free(l->name);
}

static bool is_under(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);

	return n == 0 || (!strncmp(key, prefix, n) && key[n] == '/');
}

/* --- objects ---------------------------------------------------------------------------------- */

static void token_of(const struct blob *b, struct store_token *t)
{
	if (t)
		snprintf(t->s, sizeof(t->s), "%" PRIu64, b->version);
}

static void stat_of(const struct blob *b, struct store_stat *st)
{
	memset(st, 0, sizeof(*st));
	st->size = b->n;
	st->mtime_us = b->mtime_us;
	token_of(b, &st->token);
}

/* A reference to the content of @key, or NULL and -ENOENT. */
static struct blob *grab(struct store *s, const char *key, struct err *e)
{
	struct content *c = content_of(s);
	struct object *o;
	struct blob *b = NULL;

	pthread_mutex_lock(&c->lock);
	o = find(c, key);
	if (o)
		b = blob_get(o->blob);
	pthread_mutex_unlock(&c->lock);
	if (!b)
		store_err_absent(s, e, key);
	return b;
}

static int mem_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	struct blob *b = grab(s, key, e);
	int rc = 0;

	if (!b)
		return -ENOENT;
	if (b->n > max) {
		rc = store_err_too_large(e, key, max, b->n);
	} else if (!(out->data = mem_try_alloc(b->n + 1))) {
		rc = store_sys_err(s, e, ENOMEM, "read", key);
	} else {
		memcpy(out->data, b->data, b->n + 1);
		out->n = b->n;
		token_of(b, &out->token);
	}
	blob_put(b);
	return rc;
}

static int mem_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got,
			 struct err *e)
{
	struct blob *b = grab(s, key, e);

	if (!b)
		return -ENOENT;
	if (off < b->n) {
		*got = n < b->n - off ? n : b->n - off;
		memcpy(buf, b->data + off, *got);
	}
	blob_put(b);
	return 0;
}

static int mem_head(struct store *s, const char *key, struct store_stat *out, struct err *e)
{
	struct blob *b = grab(s, key, e);

	if (!b)
		return -ENOENT;
	stat_of(b, out);
	blob_put(b);
	return 0;
}

static int mem_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	struct content *c = content_of(s);
	struct blob *b = blob_new(data, n, e);

	if (!b)
		return -ENOMEM;
	pthread_mutex_lock(&c->lock);
	set(c, key, b);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int mem_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token,
		      struct err *e)
{
	struct content *c = content_of(s);
	struct blob *b = blob_new(data, n, e);
	bool there;

	if (!b)
		return -ENOMEM;
	pthread_mutex_lock(&c->lock);
	there = find(c, key) != NULL;
	if (!there) {
		set(c, key, b);
		token_of(b, token);
	}
	pthread_mutex_unlock(&c->lock);
	if (!there)
		return 0;
	blob_put(b);
	return store_err_exists(s, e, key);
}

static int mem_replace(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
		       struct store_token *token, struct err *e)
{
	struct content *c = content_of(s);
	struct blob *b = blob_new(data, n, e);
	struct store_token now;
	struct object *o;
	bool same = false;

	if (!b)
		return -ENOMEM;
	pthread_mutex_lock(&c->lock);
	o = find(c, key);
	if (o) {
		token_of(o->blob, &now);
		same = !strcmp(now.s, expected->s);
	}
	if (same) {
		set(c, key, b);
		token_of(b, token);
	}
	pthread_mutex_unlock(&c->lock);
	if (same)
		return 0;
	blob_put(b);
	return store_err_changed(s, e, key);
}

static int mem_delete(struct store *s, const char *key, struct err *e)
{
	struct content *c = content_of(s);
	struct object *o;

	pthread_mutex_lock(&c->lock);
	o = find(c, key);
	if (o)
		cut(c, (size_t)(o - c->objs), (size_t)(o - c->objs) + 1);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int mem_delete_prefix(struct store *s, const char *prefix, struct err *e)
{
	struct content *c = content_of(s);
	struct strbuf p = STRBUF_INIT;
	size_t from, to;

	sb_addf(&p, "%s/", prefix);
	pthread_mutex_lock(&c->lock);
	from = to = lower_bound(c, p.s);
	while (to < c->n && is_under(c->objs[to].key, prefix))
		to++;
	cut(c, from, to);
	for (size_t i = 0; i < c->n_logs;) {
		struct mlog *l = &c->logs[i];

		if (strcmp(l->name, prefix) && !is_under(l->name, prefix)) {
			i++;
			continue;
		}
		log_free(l);
		*l = c->logs[--c->n_logs];
	}
	pthread_mutex_unlock(&c->lock);
	sb_free(&p);
	return 0;
}

/* A copy of the listed range, so that the callback runs without the lock. */
static size_t snapshot_list(struct content *c, const char *prefix, const char *start_after, bool recurse,
			    struct object **out)
{
	size_t n = 0, cap = 0, skip = *prefix ? strlen(prefix) + 1 : 0;
	struct object *v = NULL;

	pthread_mutex_lock(&c->lock);
	for (size_t i = lower_bound(c, prefix); i < c->n; i++) {
		const struct object *o = &c->objs[i];

		if (*prefix && strncmp(o->key, prefix, skip - 1))
			break;
		if (!is_under(o->key, prefix) || (start_after && strcmp(o->key, start_after) <= 0) ||
		    (!recurse && strchr(o->key + skip, '/')))
			continue;
		MEM_GROW(v, n, cap);
		v[n++] = (struct object){ mem_strdup(o->key), blob_get(o->blob) };
	}
	pthread_mutex_unlock(&c->lock);
	*out = v;
	return n;
}

static int mem_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn,
		    void *arg, struct err *e)
{
	struct object *v;
	size_t n = snapshot_list(content_of(s), prefix, start_after, recurse, &v);
	struct store_stat st;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		stat_of(v[i].blob, &st);
		if (!rc)
			rc = fn(arg, v[i].key, &st);
		free(v[i].key);
		blob_put(v[i].blob);
	}
	free(v);
	return rc;
}

static int mem_map(struct store *s, const char *key, struct store_map *out, struct err *e)
{
	struct blob *b = grab(s, key, e);

	if (!b)
		return -ENOENT;
	out->data = b->data;
	out->n = b->n;
	out->priv[0] = b;
	return 0;
}

static void mem_unmap(struct store *s, struct store_map *m)
{
	blob_put(m->priv[0]);
}

/* --- logs ------------------------------------------------------------------------------------- */

static int mem_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e)
{
	struct content *c = content_of(s);
	struct blob *b = blob_new(data, n, e);
	struct mlog *l;
	uint64_t next;

	if (!b)
		return -ENOMEM;
	pthread_mutex_lock(&c->lock);
	l = find_log(c, log);
	next = l ? l->base + l->n : 1;
	if (next == seq) {
		if (!l) {
			MEM_GROW(c->logs, c->n_logs, c->cap_logs);
			l = &c->logs[c->n_logs++];
			*l = (struct mlog){ .name = mem_strdup(log), .base = 1 };
		}
		MEM_GROW(l->recs, l->n, l->cap);
		l->recs[l->n++] = b;
	}
	pthread_mutex_unlock(&c->lock);
	if (next == seq)
		return 0;
	blob_put(b);
	return store_err_log_moved(s, e, log, seq, next);
}

/* Record @seq: 1 and a reference, 0 at the end, -ENOENT when it was trimmed (*first: the first one kept). */
static int log_record(struct content *c, const char *log, uint64_t seq, struct blob **out, uint64_t *first)
{
	struct mlog *l;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	l = find_log(c, log);
	if (l && seq < l->base) {
		*first = l->base;
		rc = -ENOENT;
	} else if (l && seq < l->base + l->n) {
		*out = blob_get(l->recs[seq - l->base]);
		rc = 1;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static int mem_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	for (uint64_t seq = from;; seq++) {
		struct blob *b = NULL;
		uint64_t first = 1;
		int rc = log_record(content_of(s), log, seq, &b, &first);

		if (rc < 0)
			return store_err_trimmed(s, e, log, seq, first);
		if (rc == 0)
			return 0;
		rc = fn(arg, seq, b->data, b->n);
		blob_put(b);
		if (rc)
			return rc;
	}
}

static int mem_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e)
{
	struct content *c = content_of(s);
	struct mlog *l;

	pthread_mutex_lock(&c->lock);
	l = find_log(c, log);
	*next = l ? l->base + l->n : 1;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* On copies of the names, so that the callback runs without the lock. */
static int mem_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e)
{
	struct content *c = content_of(s);
	char **names;
	size_t n = 0;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	names = mem_calloc(c->n_logs + 1, sizeof(*names));
	for (size_t i = 0; i < c->n_logs; i++) {
		const char *name = c->logs[i].name;

		if (is_under(name, prefix) && !strchr(name + strlen(prefix) + 1, '/'))
			names[n++] = mem_strdup(name);
	}
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < n; i++) {
		if (!rc)
			rc = fn(arg, names[i]);
		free(names[i]);
	}
	free(names);
	return rc;
}

static int mem_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e)
{
	struct content *c = content_of(s);
	struct mlog *l;

	pthread_mutex_lock(&c->lock);
	l = find_log(c, log);
	if (l && upto >= l->base) {
		size_t k = upto - l->base + 1 < l->n ? (size_t)(upto - l->base + 1) : l->n;

		for (size_t i = 0; i < k; i++)
			blob_put(l->recs[i]);
		memmove(l->recs, l->recs + k, (l->n - k) * sizeof(*l->recs));
		l->n -= k;
		l->base += k;
	}
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* --- handles ---------------------------------------------------------------------------------- */

static void content_free(struct content *c)
{
	cut(c, 0, c->n);
	free(c->objs);
	for (size_t i = 0; i < c->n_logs; i++)
		log_free(&c->logs[i]);
	free(c->logs);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void mem_close(struct store *s)
{
	struct mem_store *m = container_of(s, struct mem_store, base);

	if (ref_put(&m->c->ref))
		content_free(m->c);
	free(s->uri);
	free(m);
}

/* Takes over the reference to @c and @uri. */
static struct store *handle_new(struct content *c, char *uri, bool read_only)
{
	struct mem_store *m = mem_zalloc(sizeof(*m));

	m->base.ops = &mem_ops;
	m->base.uri = uri;
	m->base.read_only = read_only;
	m->c = c;
	return &m->base;
}

int mem_store_open(const char *name, const struct store_open_opts *opts, struct store **out, struct err *e)
{
	struct content *c = mem_zalloc(sizeof(*c));
	struct strbuf uri = STRBUF_INIT;

	ref_init(&c->ref);
	pthread_mutex_init(&c->lock, NULL);
	sb_addf(&uri, "mem://%s", name);
	*out = handle_new(c, sb_detach(&uri), opts->read_only);
	return 0;
}

struct store *store_mem_share(struct store *s, bool read_only)
{
	struct content *c = content_of(s);

	ref_get(&c->ref);
	return handle_new(c, mem_strdup(s->uri), read_only);
}

static const struct store_ops mem_ops = {
	.scheme = "mem",
	.close = mem_close,
	.get = mem_get,
	.get_range = mem_get_range,
	.head = mem_head,
	.put = mem_put,
	.create = mem_create,
	.replace = mem_replace,
	.delete = mem_delete,
	.delete_prefix = mem_delete_prefix,
	.list = mem_list,
	.map = mem_map,
	.unmap = mem_unmap,
	.get_batch = store_get_each,
	.put_batch = store_put_each,
	.log_append = mem_log_append,
	.log_read = mem_log_read,
	.log_tail = mem_log_tail,
	.log_trim = mem_log_trim,
	.log_list = mem_log_list,
};

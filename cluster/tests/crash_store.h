/* SPDX-License-Identifier: MIT */
/*
 * crash_store.h - every store that the library opens, under the eye of a test: it notes each call that changes something and, when
 * told so, the process dies (SIGKILL) instead of making the n-th one, or that one fails. Link with -Wl,--wrap=store_open.
 *
 * Roots at s3://sim/ are kept in a directory of the test, so that the code paths of an object store run without one.
 * Deleting a prefix is as many steps as there are objects, as object stores do it; logs go first.
 */
#ifndef CLUSTER_TESTS_CRASH_STORE_H
#define CLUSTER_TESTS_CRASH_STORE_H

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <omnigraph/store.h>
#include <omnigraph/util.h>

#define CRASH_CALLS_MAX 128
#define CRASH_CALL_BYTES 160
#define SIM_URI "s3://sim"

struct crash_plan {	  /* in memory shared with the child that dies */
	unsigned calls;	  /* changes so far */
	unsigned die_at;  /* die instead of making this one, counted from 1 */
	unsigned fail_at; /* this one fails */
	char call[CRASH_CALLS_MAX][CRASH_CALL_BYTES];
};

static struct {
	struct crash_plan *plan;
	bool armed;	    /* calls are noted, and may end the process */
	const char *vanish; /* objects below are deleted when they are asked for */
	char root[512];	    /* of the cluster, as in the URIs of its graphs */
	char sim_dir[512];  /* directory behind SIM_URI */
} crash;

struct crash_store {
	struct store base;
	struct store *inner;
	const char *below; /* place of this store below the cluster's root: "" or "graphs/x.omni/" */
};

int __real_store_open(const char *uri, const struct store_open_opts *opts, struct store **out, struct err *e);
int __wrap_store_open(const char *uri, const struct store_open_opts *opts, struct store **out, struct err *e);

static struct crash_store *crash_store(struct store *s)
{
	return (struct crash_store *)s;
}

static struct store *inner(struct store *s)
{
	return crash_store(s)->inner;
}

static bool is_ulid(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isdigit((unsigned char)s[i]) && !isupper((unsigned char)s[i]))
			return false;
	return n == ULID_LEN;
}

static bool is_digest(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)s[i]))
			return false;
	return n == SHA256_HEX_LEN;
}

/* @text with "<id>" for ULIDs and "<digest>" for digests, so that runs can be compared. */
static void without_ids(const char *text, char *out, size_t size)
{
	struct strbuf b = STRBUF_INIT;

	while (*text) {
		size_t n = strcspn(text, "/. ");

		if (is_ulid(text, n))
			sb_addz(&b, "<id>");
		else if (is_digest(text, n))
			sb_addz(&b, "<digest>");
		else
			sb_add(&b, text, n);
		text += n;
		if (*text)
			sb_addch(&b, *text++);
	}
	snprintf(out, size, "%s", b.s);
	sb_free(&b);
}

/* Before a change: 0, or the failure that is due. */
static int crash_step(struct store *s, const char *op, const char *key, struct err *e)
{
	struct crash_plan *p = crash.plan;
	char text[CRASH_CALL_BYTES * 2];

	if (!crash.armed)
		return 0;
	if (p->calls == CRASH_CALLS_MAX)
		abort();
	snprintf(text, sizeof(text), "%s %s%s", op, crash_store(s)->below, key);
	without_ids(text, p->call[p->calls++], CRASH_CALL_BYTES);
	if (p->calls == p->die_at)
		kill(getpid(), SIGKILL);
	if (p->calls == p->fail_at)
		return err_set_rc(e, -ENOSPC, ERR_STORAGE, "cannot %s \"%s\": no space left (injected)", op, key);
	return 0;
}

static void crash_close(struct store *s)
{
	store_close(inner(s));
	free((char *)crash_store(s)->below);
	free(s->uri);
	free(s);
}

/* As another process would, from the cluster's root. */
static void remove_object(const char *key)
{
	bool sim = !strncmp(crash.root, SIM_URI, strlen(SIM_URI));
	struct store *s = NULL;
	struct arena a = ARENA_INIT;

	if (!__real_store_open(sim ? arena_printf(&a, "%s%s", crash.sim_dir, crash.root + strlen(SIM_URI)) : crash.root,
			       NULL, &s, NULL))
		store_delete(s, key, NULL);
	store_close(s);
	arena_free(&a);
}

static int crash_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	if (crash.vanish && !strncmp(key, crash.vanish, strlen(crash.vanish)))
		remove_object(key);
	return store_get(inner(s), key, max, out, e);
}

static int crash_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got,
			   struct err *e)
{
	return store_get_range(inner(s), key, off, n, buf, got, e);
}

static int crash_head(struct store *s, const char *key, struct store_stat *out, struct err *e)
{
	return store_head(inner(s), key, out, e);
}

static int crash_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	int rc = crash_step(s, "put", key, e);

	return rc ? rc : store_put(inner(s), key, data, n, e);
}

static int crash_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token,
			struct err *e)
{
	int rc = crash_step(s, "create", key, e);

	return rc ? rc : store_create(inner(s), key, data, n, token, e);
}

static int crash_replace(struct store *s, const char *key, const struct store_token *expected, const void *data,
			 size_t n, struct store_token *token, struct err *e)
{
	int rc = crash_step(s, "replace", key, e);

	return rc ? rc : store_replace(inner(s), key, expected, data, n, token, e);
}

static int crash_delete(struct store *s, const char *key, struct err *e)
{
	int rc = crash_step(s, "delete", key, e);

	return rc ? rc : store_delete(inner(s), key, e);
}

struct crash_keys {
	struct arena arena;
	const char *key[CRASH_CALLS_MAX];
	size_t n;
};

static int crash_collect(void *arg, const char *key, const struct store_stat *st)
{
	struct crash_keys *k = arg;

	if (k->n == CRASH_CALLS_MAX)
		abort();
	k->key[k->n++] = arena_strdup(&k->arena, key);
	return 0;
}

static int crash_delete_prefix(struct store *s, const char *prefix, struct err *e)
{
	struct crash_keys k = { 0 };
	const char *logs = arena_printf(&k.arena, "%s/log", prefix);
	int rc = store_list(inner(s), prefix, NULL, true, crash_collect, &k, e);

	if (!rc)
		rc = crash_step(s, "delete", logs, e);
	if (!rc)
		rc = store_delete_prefix(inner(s), logs, e);
	for (size_t i = 0; !rc && i + 1 < k.n; i++)
		rc = crash_delete(s, k.key[i], e);
	if (!rc)
		rc = crash_step(s, "delete the rest of", prefix, e);
	if (!rc)
		rc = store_delete_prefix(inner(s), prefix, e);
	arena_free(&k.arena);
	return rc;
}

static int crash_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn,
		      void *arg, struct err *e)
{
	return store_list(inner(s), prefix, start_after, recurse, fn, arg, e);
}

static int crash_map(struct store *s, const char *key, struct store_map *out, struct err *e)
{
	return store_map(inner(s), key, out, e);
}

static void crash_unmap(struct store *s, struct store_map *m)
{
	store_unmap(inner(s), m);
}

static int crash_get_batch(struct store *s, struct store_get_req *reqs, size_t n, uint64_t max, struct err *e)
{
	return store_get_batch(inner(s), reqs, n, max, e);
}

static int crash_put_batch(struct store *s, struct store_put_req *reqs, size_t n, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		reqs[i].rc = crash_put(s, reqs[i].key, reqs[i].data, reqs[i].n, rc ? NULL : e);
		rc = rc ? rc : reqs[i].rc;
	}
	return rc;
}

static int crash_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e)
{
	int rc = crash_step(s, "append to", log, e);

	return rc ? rc : store_log_append(inner(s), log, seq, data, n, e);
}

static int crash_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	return store_log_read(inner(s), log, from, fn, arg, e);
}

static int crash_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e)
{
	return store_log_tail(inner(s), log, next, e);
}

static int crash_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e)
{
	int rc = crash_step(s, "trim", log, e);

	return rc ? rc : store_log_trim(inner(s), log, upto, e);
}

static const struct store_ops crash_ops = {
	.scheme = "crash",
	.close = crash_close,
	.get = crash_get,
	.get_range = crash_get_range,
	.head = crash_head,
	.put = crash_put,
	.create = crash_create,
	.replace = crash_replace,
	.delete = crash_delete,
	.delete_prefix = crash_delete_prefix,
	.list = crash_list,
	.map = crash_map,
	.unmap = crash_unmap,
	.get_batch = crash_get_batch,
	.put_batch = crash_put_batch,
	.log_append = crash_log_append,
	.log_read = crash_log_read,
	.log_tail = crash_log_tail,
	.log_trim = crash_log_trim,
};

int __wrap_store_open(const char *uri, const struct store_open_opts *opts, struct store **out, struct err *e)
{
	bool sim = !strncmp(uri, SIM_URI, strlen(SIM_URI));
	struct strbuf place = STRBUF_INIT, below = STRBUF_INIT;
	size_t root = strlen(crash.root);
	struct crash_store *cs;
	struct store *s = NULL;
	int rc;

	*out = NULL;
	if (sim)
		sb_addf(&place, "%s%s", crash.sim_dir, uri + strlen(SIM_URI));
	rc = __real_store_open(sim ? place.s : uri, opts, &s, e);
	sb_free(&place);
	if (rc)
		return rc;
	if (root && !strncmp(uri, crash.root, root) && uri[root] == '/')
		sb_addf(&below, "%s/", uri + root + 1);
	cs = mem_zalloc(sizeof(*cs));
	cs->base.ops = &crash_ops;
	cs->base.uri = mem_strdup(sim ? uri : s->uri);
	cs->base.read_only = opts && opts->read_only;
	cs->inner = s;
	cs->below = sb_detach(&below);
	*out = &cs->base;
	return 0;
}

static void crash_prepare(void)
{
	if (!crash.plan)
		crash.plan = mmap(NULL, sizeof(*crash.plan), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(crash.plan, 0, sizeof(*crash.plan));
}

#endif

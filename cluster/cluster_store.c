/* SPDX-License-Identifier: MIT */
#include "cluster/cluster_store.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omnigraph/failpoint.h>
#include <omnigraph/limits.h>
#include <omnigraph/util.h>

#define DESCRIPTORS 16 /* open at a time while a tree is walked */

char *cluster_root_resolve(const char *value)
{
	struct str v = str_trim(str_from(value));
	char *path, *abs;

	while (v.n > 1 && v.s[v.n - 1] == '/')
		v.n--;
	if (str_starts(v, STR("s3://")))
		return str_dup(v);
	if (str_starts(v, STR("file://")))
		v = (struct str){ v.s + 7, v.n - 7 };
	path = str_dup(v.n ? v : STR("/"));
	abs = path_absolute(path);
	free(path);
	return abs;
}

int cluster_store_open(const char *root, bool read_only, struct cluster_store *cs, struct err *e)
{
	struct store_open_opts opts = { .read_only = read_only };

	*cs = (struct cluster_store){ .root = mem_strdup(root), .local = strncmp(root, "s3://", 5) != 0 };
	return store_open(root, &opts, &cs->s, e);
}

void cluster_store_close(struct cluster_store *cs)
{
	store_close(cs->s);
	free(cs->root);
	*cs = (struct cluster_store){ 0 };
}

const char *cluster_display(const struct cluster_store *cs, struct arena *a, const char *key)
{
	bool slash = cs->root[0] == '/' && cs->root[1] == 0;

	return arena_printf(a, "%s%s%s", cs->root, slash ? "" : "/", key);
}

static const char *graph_root_key(struct arena *a, const char *graph)
{
	return arena_printf(a, "graphs/%s.omni", graph);
}

const char *graph_root(const struct cluster_store *cs, struct arena *a, const char *graph)
{
	return cluster_display(cs, a, graph_root_key(a, graph));
}

static const char *cluster_key_of(const struct cluster_store *cs, const char *display)
{
	size_t n = strlen(cs->root);

	if (strncmp(display, cs->root, n))
		return NULL;
	if (n == 1 && cs->root[0] == '/')
		return display + 1;
	return display[n] == '/' && display[n + 1] ? display + n + 1 : NULL;
}

static int stop_at_first(void *arg, const char *key, const struct store_stat *st)
{
	return 1;
}

bool graph_root_exists(const struct cluster_store *cs, const char *display)
{
	const char *key = cluster_key_of(cs, display);
	struct stat st;
	int rc;

	if (cs->local)
		return lstat(display, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
	if (!key)
		return true;
	rc = store_list(cs->s, key, NULL, true, stop_at_first, NULL, NULL);
	return rc != 0;
}

static int drop_directory(const char *path, const struct stat *st, int type, struct FTW *at)
{
	rmdir(path); /* one that holds something stays */
	return 0;
}

void graph_root_drop_empty(const struct cluster_store *cs, const char *display)
{
	if (cs->local)
		nftw(display, drop_directory, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

int graph_root_delete(const struct cluster_store *cs, const char *display, struct err *e)
{
	const char *key = cluster_key_of(cs, display);

	if (!key)
		return err_set(e, ERR_CONFLICT, "'%s' is not inside the cluster root '%s'", display, cs->root);
	return store_delete_prefix(cs->s, key, e);
}

const char *try_delete_object(const struct cluster_store *cs, struct arena *a, const char *display)
{
	const char *key = cluster_key_of(cs, display), *why = NULL;
	struct err e = ERR_INIT;

	if (!key)
		return arena_printf(a, "'%s' is not inside the cluster root '%s'", display, cs->root);
	if (FAILPOINT("cluster_store.delete_object", &e) || store_delete(cs->s, key, &e))
		why = arena_strdup(a, err_msg(&e));
	err_clear(&e);
	return why;
}

int cluster_get(const struct cluster_store *cs, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	int rc = store_get(cs->s, key, max, out, e);
	struct arena a = ARENA_INIT;
	struct stat st;

	if (rc == -ENOENT && cs->local && !lstat(cluster_display(cs, &a, key), &st))
		rc = err_set_rc(e, -EISDIR, ERR_STORAGE, "cannot read %s/%s: it is not a regular file", cs->root, key);
	arena_free(&a);
	return rc;
}

static const char *payload_key(struct arena *a, const char *address, const char *digest)
{
	const char *rest;

	if (!strncmp(address, "policy.", 7))
		return arena_printf(a, "__cluster/resources/policy/%s/%s.yaml", address + 7, digest);
	rest = strchr(address + 6, '.'); /* query.<g>.<q> */
	return arena_printf(a, "__cluster/resources/query/%.*s/%s/%s.gq", (int)(rest - (address + 6)), address + 6,
			    rest + 1, digest);
}

enum payload_state payload_read(const struct cluster_store *cs, struct arena *a, const char *address,
				const char *digest, struct str *content, const char **detail)
{
	struct store_object obj = { 0 };
	char actual[SHA256_HEX_LEN + 1];
	struct err e = ERR_INIT;
	int rc = cluster_get(cs, payload_key(a, address, digest), LIMIT_QUERY_BYTES, &obj, &e);

	*detail = NULL;
	if (rc) {
		*detail = arena_strdup(a, err_msg(&e));
		err_clear(&e);
		return rc == -ENOENT ? PAYLOAD_MISSING : PAYLOAD_READ_ERROR;
	}
	sha256_hex(obj.data, obj.n, actual);
	*content = arena_str(a, (struct str){ obj.data, obj.n });
	store_object_free(&obj);
	if (!strcmp(actual, digest))
		return PAYLOAD_OK;
	*detail = arena_printf(a, "sha256:%s", actual);
	return PAYLOAD_MISMATCH;
}

int payload_write(const struct cluster_store *cs, struct arena *a, const char *address, const char *digest,
		  struct str content, struct err *e)
{
	struct str present;
	const char *detail;

	if (payload_read(cs, a, address, digest, &present, &detail) == PAYLOAD_OK)
		return 0;
	return store_put(cs->s, payload_key(a, address, digest), content.s, content.n, e);
}

/* SPDX-License-Identifier: MIT */
/* store.c - opening a store by URI, the rules of keys, and the calls that check them before a backend is asked. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <omnigraph/limits.h>
#include <omnigraph/store.h>
#include <omnigraph/util.h>

#include "store_priv.h"

/* --- texts ------------------------------------------------------------------------------------ */

/* Keys may hold any byte; a message shows control bytes and bytes that are not UTF-8 as \xNN. */
char *store_show_key(const char *key)
{
	struct strbuf b = STRBUF_INIT;
	struct str k = str_from(key ? key : "");
	bool utf8 = utf8_valid(k);

	for (size_t i = 0; i < k.n; i++) {
		unsigned char c = (unsigned char)k.s[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			sb_addf(&b, "\\x%02x", c);
		else
			sb_addch(&b, (char)c);
	}
	return sb_detach(&b);
}

static const char *remedy(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return "; free some space there and try again";
	case EFBIG:
		return "; raise the file size limit of the process (ulimit -f) or of the file system";
	case EROFS:
		return "; the file system is mounted read-only: remount it, or use another location";
	case EACCES:
	case EPERM:
		return "; check the owner and the mode of the files and of every directory above them";
	case EISDIR:
		return "; a directory has this name: use another key or remove the directory";
	case ENOTDIR:
		return "; a file stands where a directory is needed: use another key or remove the file";
	case EMFILE:
	case ENFILE:
		return "; raise the limit of open files (ulimit -n)";
	case ENAMETOOLONG:
		return "; the path is too long for this file system: use a shorter root";
	case EIO:
		return "; the device reports an error: see the kernel's log";
	default:
		return "";
	}
}

int store_sys_err(struct store *s, struct err *e, int errnum, const char *op, const char *key)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(key);
	char buf[128];

	return err_set_rc(e, -errnum, ERR_STORAGE, "cannot %s \"%s\" in %s: %s%s", op, k, s->uri,
			  strerror_r(errnum, buf, sizeof(buf)), remedy(errnum));
}

int store_err_absent(struct store *s, struct err *e, const char *key)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(key);

	return err_set_rc(e, -ENOENT, ERR_NOT_FOUND, "no object \"%s\" in %s", k, s->uri);
}

int store_err_exists(struct store *s, struct err *e, const char *key)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(key);

	return err_set_rc(e, -EEXIST, ERR_CONFLICT, "object \"%s\" exists already in %s", k, s->uri);
}

int store_err_changed(struct store *s, struct err *e, const char *key)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(key);

	return err_set_rc(
		e, -ESTALE, ERR_CONFLICT,
		"object \"%s\" in %s was changed by another writer since it was read; read it again and retry", k,
		s->uri);
}

int store_err_log_moved(struct store *s, struct err *e, const char *log, uint64_t seq, uint64_t next)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(log);

	return err_set_rc(e, -EAGAIN, ERR_RETRYABLE_CONFLICT,
			  "log \"%s\" in %s: record %" PRIu64 " is not the next one, %" PRIu64
			  " is; read the log again and retry",
			  k, s->uri, seq, next);
}

int store_err_trimmed(struct store *s, struct err *e, const char *log, uint64_t seq, uint64_t first)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(log);

	return err_set_rc(e, -ENOENT, ERR_NOT_FOUND,
			  "log \"%s\" in %s: record %" PRIu64 " was trimmed away; the first one kept is %" PRIu64, k,
			  s->uri, seq, first);
}

int store_err_too_large(struct err *e, const char *key, uint64_t limit, uint64_t size)
{
	__cleanup(mem_free_ptr) char *k = store_show_key(key);
	int rc = err_set(e, ERR_RESOURCE_LIMIT, "\"%s\" has %" PRIu64 " bytes; at most %" PRIu64 " are allowed here", k,
			 size, limit);

	err_detail(e, "resource", "store object bytes");
	err_detail_u64(e, "limit", limit);
	err_detail_u64(e, "actual", size);
	return rc;
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool has_suffix(const char *s, size_t n, const char *suffix)
{
	size_t m = strlen(suffix);

	return n >= m && !memcmp(s + n - m, suffix, m);
}

/* The rule that one component breaks, or NULL. */
static const char *component_fault(const char *c, size_t n, bool last, enum store_key_kind kind)
{
	if (n == 0)
		return "has an empty component; '/' separates names and stands neither first, last nor twice";
	if ((n == 1 && c[0] == '.') || (n == 2 && c[0] == '.' && c[1] == '.'))
		return "has a \".\" or \"..\" component";
	if (n > STORE_COMPONENT_MAX)
		return "has a component of more than 255 bytes";
	if (n >= strlen(STORE_TMP_PREFIX) && !memcmp(c, STORE_TMP_PREFIX, strlen(STORE_TMP_PREFIX)))
		return "has a component that begins with \".tmp-\", which is reserved for temporary files";
	if (!last)
		return NULL;
	if (kind == STORE_KEY_LOG && n > STORE_COMPONENT_MAX - strlen(STORE_LOG_SUFFIX))
		return "has a last component of more than 251 bytes";
	if (kind == STORE_KEY_OBJECT && has_suffix(c, n, STORE_LOG_SUFFIX))
		return "ends in \".log\", which is reserved for logs";
	return NULL;
}

static const char *key_fault(const char *key, enum store_key_kind kind)
{
	size_t n = key ? strlen(key) : 0;

	if (n == 0)
		return kind == STORE_KEY_PREFIX ? NULL : "is empty";
	if (n > LIMIT_KEY_BYTES)
		return "is longer than 1024 bytes";
	for (const char *c = key;;) {
		const char *slash = strchrnul(c, '/');
		const char *fault = component_fault(c, (size_t)(slash - c), !*slash, kind);

		if (fault)
			return fault;
		if (!*slash)
			return NULL;
		c = slash + 1;
	}
}

int store_key_check(struct store *s, const char *op, enum store_key_kind kind, const char *key, struct err *e)
{
	const char *fault = key_fault(key, kind);

	if (!fault)
		return 0;
	__cleanup(mem_free_ptr) char *k = store_show_key(key);
	return err_set_rc(e, -EINVAL, ERR_BAD_REQUEST, "cannot %s \"%s\" in %s: the key %s", op, k, s->uri, fault);
}

static int check_write(struct store *s, const char *op, enum store_key_kind kind, const char *key, struct err *e)
{
	int rc = store_key_check(s, op, kind, key, e);

	if (rc || !s->read_only)
		return rc;
	__cleanup(mem_free_ptr) char *k = store_show_key(key);
	return err_set_rc(e, -EROFS, ERR_STORAGE, "cannot %s \"%s\" in %s: the store was opened read-only", op, k,
			  s->uri);
}

/* --- opening ---------------------------------------------------------------------------------- */

enum scheme { SCHEME_FILE, SCHEME_MEM, SCHEME_S3 };

/* Any other "x://" is a path: spec/cluster.md 2.1. */
static int parse_uri(const char *uri, enum scheme *scheme, const char **rest, struct err *e)
{
	static const struct {
		const char *prefix;
		enum scheme scheme;
	} t[] = { { "file://", SCHEME_FILE }, { "mem://", SCHEME_MEM }, { "s3://", SCHEME_S3 } };

	*scheme = SCHEME_FILE;
	*rest = uri;
	for (size_t i = 0; uri && i < ARRAY_SIZE(t); i++) {
		if (strncmp(uri, t[i].prefix, strlen(t[i].prefix)))
			continue;
		*scheme = t[i].scheme;
		*rest = uri + strlen(t[i].prefix);
	}
	if (!uri || (!**rest && *scheme == SCHEME_FILE))
		return err_set_rc(
			e, -EINVAL, ERR_BAD_REQUEST,
			"the storage location is empty; give a directory, file:///path or s3://bucket/prefix");
	if (*scheme == SCHEME_S3 && (!**rest || **rest == '/'))
		return err_set_rc(e, -EINVAL, ERR_BAD_REQUEST,
				  "the storage location \"%s\" names no bucket; write s3://bucket/prefix", uri);
	return 0;
}

int store_canonical_uri(const char *uri, char **out, struct err *e)
{
	enum scheme scheme;
	const char *rest;
	int rc = parse_uri(uri, &scheme, &rest, e);

	*out = NULL;
	if (rc)
		return rc;
	if (scheme == SCHEME_FILE) {
		*out = path_absolute(rest);
		return 0;
	}
	*out = mem_strdup(uri);
	for (size_t n = strlen(*out); scheme == SCHEME_S3 && (*out)[n - 1] == '/'; n--)
		(*out)[n - 1] = '\0';
	return 0;
}

static int open_file(const char *path, const struct store_open_opts *opts, struct store **out, struct err *e)
{
	__cleanup(mem_free_ptr) char *root = path_absolute(path);

	/* "/" becomes "", so that "<root>/<key>" is right for every root */
	if (!strcmp(root, "/"))
		root[0] = '\0';
	return file_store_open(root, opts, out, e);
}

int store_open(const char *uri, const struct store_open_opts *opts, struct store **out, struct err *e)
{
	static const struct store_open_opts defaults;
	enum scheme scheme;
	const char *rest;
	int rc = parse_uri(uri, &scheme, &rest, e);

	*out = NULL;
	if (rc)
		return rc;
	if (!opts)
		opts = &defaults;
	switch (scheme) {
	case SCHEME_FILE:
		return open_file(rest, opts, out, e);
	case SCHEME_MEM:
		return mem_store_open(rest, opts, out, e);
	case SCHEME_S3:
#ifdef CONFIG_FS_S3
		return s3_store_open(rest, opts, out, e);
#endif
		break;
	}
	return err_set(e, ERR_UNSUPPORTED,
		       "cannot open %s: s3:// storage is left out of this build; build with CONFIG_FS_S3=y, or use a "
		       "directory",
		       uri);
}

void store_close(struct store *s)
{
	if (s)
		s->ops->close(s);
}

/* --- calls ------------------------------------------------------------------------------------ */

int store_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	int rc = store_key_check(s, "read", STORE_KEY_OBJECT, key, e);

	memset(out, 0, sizeof(*out));
	return rc ? rc : s->ops->get(s, key, max, out, e);
}

void store_object_free(struct store_object *o)
{
	free(o->data);
	memset(o, 0, sizeof(*o));
}

int store_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got, struct err *e)
{
	int rc = store_key_check(s, "read", STORE_KEY_OBJECT, key, e);

	*got = 0;
	return rc ? rc : s->ops->get_range(s, key, off, n, buf, got, e);
}

int store_head(struct store *s, const char *key, struct store_stat *out, struct err *e)
{
	int rc = store_key_check(s, "look up", STORE_KEY_OBJECT, key, e);

	memset(out, 0, sizeof(*out));
	return rc ? rc : s->ops->head(s, key, out, e);
}

int store_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	int rc = check_write(s, "write", STORE_KEY_OBJECT, key, e);

	return rc ? rc : s->ops->put(s, key, data, n, e);
}

int store_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token, struct err *e)
{
	int rc = check_write(s, "create", STORE_KEY_OBJECT, key, e);

	return rc ? rc : s->ops->create(s, key, data, n, token, e);
}

int store_replace(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
		  struct store_token *token, struct err *e)
{
	int rc = check_write(s, "replace", STORE_KEY_OBJECT, key, e);

	return rc ? rc : s->ops->replace(s, key, expected, data, n, token, e);
}

int store_delete(struct store *s, const char *key, struct err *e)
{
	int rc = check_write(s, "delete", STORE_KEY_OBJECT, key, e);

	return rc ? rc : s->ops->delete (s, key, e);
}

int store_delete_prefix(struct store *s, const char *prefix, struct err *e)
{
	int rc = check_write(s, "delete everything under", STORE_KEY_PREFIX, prefix, e);

	/* an empty string must not delete a whole store */
	if (!rc && !(prefix && *prefix))
		rc = err_set_rc(e, -EINVAL, ERR_BAD_REQUEST, "cannot delete everything in %s: the prefix is empty",
				s->uri);

	return rc ? rc : s->ops->delete_prefix(s, prefix, e);
}

int store_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn, void *arg,
	       struct err *e)
{
	int rc = store_key_check(s, "list", STORE_KEY_PREFIX, prefix, e);

	return rc ? rc : s->ops->list(s, prefix ? prefix : "", start_after, recurse, fn, arg, e);
}

int store_map(struct store *s, const char *key, struct store_map *out, struct err *e)
{
	int rc = store_key_check(s, "map", STORE_KEY_OBJECT, key, e);

	memset(out, 0, sizeof(*out));
	return rc ? rc : s->ops->map(s, key, out, e);
}

void store_map_relax(struct store *s, const struct store_map *m)
{
	if (m->data && s->ops->relax)
		s->ops->relax(s, m);
}

const char *store_scratch_dir(const struct store *s)
{
	static const char file[] = "file://";

	return strncmp(s->uri, file, sizeof(file) - 1) ? NULL : s->uri + sizeof(file) - 1;
}

void store_unmap(struct store *s, struct store_map *m)
{
	if (m->data)
		s->ops->unmap(s, m);
	memset(m, 0, sizeof(*m));
}

int store_get_batch(struct store *s, struct store_get_req *reqs, size_t n, uint64_t max, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		memset(&reqs[i].obj, 0, sizeof(reqs[i].obj));
		reqs[i].rc = -ECANCELED;
	}
	for (size_t i = 0; !rc && i < n; i++)
		rc = reqs[i].rc = store_key_check(s, "read", STORE_KEY_OBJECT, reqs[i].key, e);
	return rc ? rc : s->ops->get_batch(s, reqs, n, max, e);
}

int store_put_batch(struct store *s, struct store_put_req *reqs, size_t n, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		reqs[i].rc = -ECANCELED;
	for (size_t i = 0; !rc && i < n; i++)
		rc = reqs[i].rc = check_write(s, "write", STORE_KEY_OBJECT, reqs[i].key, e);
	return rc ? rc : s->ops->put_batch(s, reqs, n, e);
}

int store_get_each(struct store *s, struct store_get_req *reqs, size_t n, uint64_t max, struct err *e)
{
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		reqs[i].rc = s->ops->get(s, reqs[i].key, max, &reqs[i].obj, first ? NULL : e);
		if (reqs[i].rc && !first)
			first = reqs[i].rc;
	}
	return first;
}

int store_put_each(struct store *s, struct store_put_req *reqs, size_t n, struct err *e)
{
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		reqs[i].rc = s->ops->put(s, reqs[i].key, reqs[i].data, reqs[i].n, first ? NULL : e);
		if (reqs[i].rc && !first)
			first = reqs[i].rc;
	}
	return first;
}

int store_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e)
{
	int rc = check_write(s, "append to log", STORE_KEY_LOG, log, e);

	if (rc)
		return rc;
	if (n > LIMIT_LOG_RECORD_BYTES)
		return store_err_too_large(e, log, LIMIT_LOG_RECORD_BYTES, n);
	return s->ops->log_append(s, log, seq, data, n, e);
}

int store_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	int rc = store_key_check(s, "read log", STORE_KEY_LOG, log, e);

	return rc ? rc : s->ops->log_read(s, log, from ? from : 1, fn, arg, e);
}

int store_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e)
{
	int rc = store_key_check(s, "read log", STORE_KEY_LOG, log, e);

	*next = 1;
	return rc ? rc : s->ops->log_tail(s, log, next, e);
}

int store_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e)
{
	int rc = check_write(s, "trim log", STORE_KEY_LOG, log, e);

	return rc ? rc : s->ops->log_trim(s, log, upto, e);
}

int store_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e)
{
	int rc = store_key_check(s, "list logs", STORE_KEY_PREFIX, prefix, e);

	return rc ? rc : s->ops->log_list(s, prefix, fn, arg, e);
}

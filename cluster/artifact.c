/* SPDX-License-Identifier: MIT */
#include "cluster/artifact.h"

#include <errno.h>
#include <sys/stat.h>

#define ARTIFACT_BYTES_MAX (1u << 20)
#define ARTIFACTS_MAX 100000

/* --- the files of a directory ---------------------------------------------------------------------- */

struct names {
	struct arena *a;
	const char **keys;
	size_t n, cap;
};

#define TOO_MANY 1

static int keep_json(void *arg, const char *key, const struct store_stat *st)
{
	struct names *names = arg;

	if (!str_ends(str_from(key), STR(".json")))
		return 0;
	if (names->n == ARTIFACTS_MAX)
		return TOO_MANY;
	MEM_GROW(names->keys, names->n, names->cap);
	names->keys[names->n++] = arena_strdup(names->a, key);
	return 0;
}

static bool list_json(const struct cluster_store *cs, struct arena *a, const char *prefix, struct names *out,
		      const char **why)
{
	const char *dir = cluster_display(cs, a, prefix);
	struct err e = ERR_INIT;
	struct stat st;
	int rc;

	*out = (struct names){ .a = a };
	if (cs->local && !stat(dir, &st) && !S_ISDIR(st.st_mode))
		rc = err_set(&e, ERR_STORAGE, "cannot list %s: it is not a directory", dir);
	else
		rc = store_list(cs->s, prefix, NULL, false, keep_json, out, &e);
	if (rc == TOO_MANY)
		err_set(&e, ERR_RESOURCE_LIMIT, "%s holds more than %u files; move those that are settled away", dir,
			ARTIFACTS_MAX);
	if (rc)
		*why = arena_strdup(a, err_msg(&e));
	err_clear(&e);
	return !rc;
}

/* --- strict members ---------------------------------------------------------------------------------- */

const char *artifact_text(struct artifact *o, const char *name, bool required)
{
	const struct json *m = json_get_nonnull(o->v, name);

	if (m && m->type == JSON_STRING)
		return arena_str(o->a, m->text).s;
	if ((m || required) && !o->why)
		o->why = arena_printf(o->a, "member `%s` is missing or not a string", name);
	return NULL;
}

bool artifact_number(struct artifact *o, const char *name, uint64_t *out)
{
	const struct json *m = json_get_nonnull(o->v, name);

	if (!m)
		return false;
	if (!json_to_u64(m, out) && !o->why)
		o->why = arena_printf(o->a, "member `%s` is not an unsigned integer", name);
	return true;
}

void artifact_known(struct artifact *o, const char *const *keys)
{
	for (size_t i = 0; i < o->v->n; i++) {
		size_t k = 0;

		while (keys[k] && !str_eqz(o->v->keys[i], keys[k]))
			k++;
		if (!keys[k] && !o->why)
			o->why = arena_printf(o->a, "unknown member `%.*s`", STR_ARG(o->v->keys[i]));
	}
}

enum read_result { READ_OK, READ_GONE, READ_INVALID, READ_VERSION };

/* Fetch one artifact and check its version before its members. */
static enum read_result open_artifact(const struct cluster_store *cs, struct arena *a, const char *key,
				      struct artifact *o)
{
	static const struct json_opts opts = { .reject_duplicates = true };
	struct store_object obj = { 0 };
	struct err e = ERR_INIT;
	uint64_t version = 0;
	struct json *v;
	int rc = cluster_get(cs, key, ARTIFACT_BYTES_MAX, &obj, &e);

	*o = (struct artifact){ .a = a };
	if (rc == -ENOENT) { /* its command has finished since it was listed */
		err_clear(&e);
		return READ_GONE;
	}
	if (rc || json_parse(a, arena_str(a, (struct str){ obj.data, obj.n }), &opts, &v, &e)) {
		o->why = arena_strdup(a, err_msg(&e));
	} else if (v->type != JSON_OBJECT) {
		o->why = "not a JSON object";
	} else {
		o->v = v;
		if (!artifact_number(o, "schema_version", &version) && !o->why)
			o->why = "member `schema_version` is missing";
	}
	store_object_free(&obj);
	err_clear(&e);
	if (o->why)
		return READ_INVALID;
	if (version != 1) {
		o->why = arena_printf(a, "schema_version %llu is not supported (this omnigraph reads 1)",
				      (unsigned long long)version);
		return READ_VERSION;
	}
	return READ_OK;
}

/* --- all of one kind --------------------------------------------------------------------------------- */

void *artifact_list(const struct cluster_store *cs, struct arena *a, const struct artifact_kind *kind,
		    enum diag_severity severity, struct diag_list *d, size_t *n)
{
	const char *why = NULL;
	struct names names;
	char *out;

	*n = 0;
	if (!list_json(cs, a, kind->directory, &names, &why)) {
		diag_add(d, severity, kind->read_error, kind->directory, "%s", why);
		free(names.keys);
		return NULL;
	}
	out = arena_alloc(a, kind->size * (names.n + 1));
	for (size_t i = 0; i < names.n; i++) {
		const char *location = cluster_display(cs, a, names.keys[i]);
		struct artifact o;
		enum read_result r = open_artifact(cs, a, names.keys[i], &o);

		if (r == READ_GONE)
			continue;
		if (r == READ_OK)
			kind->parse(&o, location, out + *n * kind->size);
		if (!o.why)
			++*n;
		else
			diag_add(d, severity, r == READ_VERSION ? kind->unsupported : kind->invalid, location,
				 "%s; it was left in place", o.why);
	}
	free(names.keys);
	return out;
}

bool artifact_write(const struct cluster_store *cs, const char *key, struct strbuf *text, const char **why,
		    struct arena *a)
{
	struct err e = ERR_INIT;
	int rc;

	sb_addch(text, '\n');
	rc = store_put(cs->s, key, text->s, text->n, &e);
	if (rc)
		*why = arena_strdup(a, err_msg(&e));
	sb_free(text);
	err_clear(&e);
	return !rc;
}

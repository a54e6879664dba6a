/* SPDX-License-Identifier: MIT */
/*
 * Branch refs: one small sealed JSON object per branch but main. A ref names its branch by an id of its own and lists where its
 * history lies down to main, so that a branch is readable from its ref alone. See Documentation/format.md.
 */
#include <errno.h>
#include <stdio.h>

#include <omnigraph/failpoint.h>

#include "engine/store/graph_priv.h"
#include "engine/store/retention.h"
#include "engine/store/schema_lock.h"

#define REF_MAX_BYTES (1u << 20)
#define CREATE_TRIES 8
#define REF_NAME_MAX 200 /* longer encoded names are stored under their hash */

void ref_key(const char *name, char out[KEY_MAX])
{
	struct strbuf enc = STRBUF_INIT;
	char hex[SHA256_HEX_LEN + 1];

	percent_encode(&enc, str_from(name));
	if (enc.n <= REF_NAME_MAX) {
		snprintf(out, KEY_MAX, "refs/%s.json", enc.s);
	} else {
		sha256_hex(name, strlen(name), hex);
		snprintf(out, KEY_MAX, "refs/~%s.json", hex);
	}
	sb_free(&enc);
}

void branch_ref_clear(struct branch_ref *r)
{
	free(r->name);
	lineage_free(r->lineage);
	memset(r, 0, sizeof(*r));
}

/* --- format ---------------------------------------------------------------------------------------- */

static void compose_step(struct json_writer *w, const struct lineage_step *s)
{
	jw_begin_object(w);
	jw_kstrz(w, "id", s->id);
	jw_kstrz(w, "branch", s->label);
	jw_ku64(w, "version", s->upto);
	jw_end_object(w);
}

static void ref_compose(const struct branch_ref *r, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_ku64(&w, "format_version", 1);
	jw_kstrz(&w, "branch", r->name);
	jw_kstrz(&w, "id", r->lineage->step[0].id);
	jw_kstrz(&w, "fork_commit", r->head);
	jw_ki64(&w, "created_at", r->created_at);
	jw_keyz(&w, "ancestry");
	jw_begin_array(&w);
	for (uint32_t i = 1; i < r->lineage->n; i++)
		compose_step(&w, &r->lineage->step[i]);
	jw_end_array(&w);
	jw_end_object(&w);
	json_seal(out);
}

static bool get_ulid(const struct json *o, const char *name, char out[ULID_LEN + 1])
{
	const struct json *v = json_get(o, name);

	if (!v || v->type != JSON_STRING || !ulid_valid(v->text))
		return false;
	memcpy(out, v->text.s, ULID_LEN);
	out[ULID_LEN] = 0;
	return true;
}

static bool parse_step(const struct json *o, struct lineage_step *s)
{
	const struct json *label = json_get_nonnull(o, "branch");
	const struct json *version = json_get(o, "version");

	if (!get_ulid(o, "id", s->id) || !version || !json_to_u64(version, &s->upto))
		return false;
	if (label && label->type != JSON_STRING)
		return false;
	s->label = label ? str_dup(label->text) : NULL;
	return true;
}

/* The way down to main: only its last step has no name, and each was forked from at or behind where the next one was. */
static bool leads_to_main(const struct lineage *l)
{
	for (uint32_t i = 1; i < l->n; i++) {
		bool last = i + 1 == l->n;

		if (last != !l->step[i].label || !l->step[i].upto || l->step[i].upto > l->step[i - 1].upto)
			return false;
	}
	return true;
}

static bool parse_members(const struct json *root, struct branch_ref *r)
{
	const struct json *name = json_get(root, "branch");
	const struct json *anc = json_get(root, "ancestry");
	const struct json *at = json_get(root, "created_at");
	bool ok = name && name->type == JSON_STRING && anc && anc->type == JSON_ARRAY && anc->n;

	if (!ok || !at || !json_to_i64(at, &r->created_at))
		return false;
	r->name = str_dup(name->text);
	r->lineage = lineage_new((uint32_t)anc->n + 1);
	r->lineage->step[0].label = mem_strdup(r->name);
	r->lineage->step[0].upto = UINT64_MAX;
	ok = get_ulid(root, "id", r->lineage->step[0].id) && get_ulid(root, "fork_commit", r->head);
	for (size_t i = 0; i < anc->n && ok; i++)
		ok = parse_step(&anc->items[i], &r->lineage->step[i + 1]);
	return ok && leads_to_main(r->lineage);
}

static int ref_parse(struct graph *g, const char *key, struct str text, struct branch_ref *out, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct json *root = NULL;
	const struct json *v;
	uint64_t version = 0;
	int rc = json_unseal(text, key, e);

	memset(out, 0, sizeof(*out));
	if (!rc && json_parse(&a, text, NULL, &root, NULL))
		rc = err_set(e, ERR_STORAGE, "storage: damaged object '%s': not JSON; restore it from a backup", key);
	v = json_get(root, "format_version");
	if (!rc && (!v || !json_to_u64(v, &version) || version != 1))
		rc = err_set(e, ERR_STORAGE,
			     "storage: object '%s' has a format this binary does not read; upgrade omnigraph", key);
	if (!rc && !parse_members(root, out))
		rc = err_set(e, ERR_STORAGE,
			     "storage: damaged object '%s': a member is missing, malformed or makes no sense; restore "
			     "it from a backup",
			     key);
	if (rc)
		branch_ref_clear(out);
	arena_free(&a);
	return rc;
}

/* -ENOENT, with the error of the store, when there is no such object. */
static int read_key(struct graph *g, const char *key, struct branch_ref *out, struct err *e)
{
	struct store_object o;
	int rc = store_get(g->store, key, REF_MAX_BYTES, &o, e);

	if (rc)
		return rc;
	rc = ref_parse(g, key, (struct str){ o.data, o.n }, out, e);
	if (!rc)
		out->token = o.token;
	store_object_free(&o);
	return rc;
}

int ref_read(struct graph *g, const char *name, struct branch_ref *out, struct err *e)
{
	char key[KEY_MAX];
	int rc;

	ref_key(name, key);
	rc = read_key(g, key, out, e);
	if (rc || !strcmp(out->name, name))
		return rc;
	rc = err_set(e, ERR_STORAGE, "storage: damaged object '%s': it is the ref of branch '%s'", key, out->name);
	branch_ref_clear(out);
	return rc;
}

/* --- all refs -------------------------------------------------------------------------------------- */

struct ref_list {
	char **keys;
	size_t n, cap;
};

static int on_ref_key(void *arg, const char *key, const struct store_stat *st)
{
	struct ref_list *l = arg;

	if (!str_ends(str_from(key), STR(".json")))
		return 0;
	MEM_GROW(l->keys, l->n, l->cap);
	l->keys[l->n++] = mem_strdup(key);
	return 0;
}

static void ref_list_free(struct ref_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->keys[i]);
	free(l->keys);
}

typedef int (*ref_fn)(void *arg, const struct branch_ref *r);

/* Call @fn with the ref under @key, unless it was deleted since it was listed. */
static int with_listed(struct graph *g, const char *key, ref_fn fn, void *arg, struct err *e)
{
	struct branch_ref r;
	int rc = read_key(g, key, &r, e);

	if (rc == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	rc = fn(arg, &r);
	branch_ref_clear(&r);
	return rc;
}

/* Call @fn with every live ref. One that vanishes meanwhile is skipped. */
static int each_ref(struct graph *g, ref_fn fn, void *arg, struct err *e)
{
	struct ref_list l = { 0 };
	int rc = store_list(g->store, "refs", NULL, false, on_ref_key, &l, e);

	for (size_t i = 0; i < l.n && !rc; i++)
		rc = with_listed(g, l.keys[i], fn, arg, e);
	ref_list_free(&l);
	return rc;
}

/* --- list ------------------------------------------------------------------------------------------ */

struct names {
	char **v;
	size_t n, cap;
};

static void names_add(struct names *l, const char *name)
{
	MEM_GROW(l->v, l->n, l->cap);
	l->v[l->n++] = mem_strdup(name);
}

static int add_name_of(void *arg, const struct branch_ref *r)
{
	names_add(arg, r->name);
	return 0;
}

/*
 * The key of a ref spells the name of the branch. A long name ('~' and its hash; no name has a '~') is only in the object; so is the
 * reason why a key is none of ours.
 */
static int name_of_key(struct graph *g, const char *key, struct names *out, struct err *e)
{
	struct str enc = { key + strlen("refs/"), strlen(key) - strlen("refs/") - strlen(".json") };
	struct strbuf name = STRBUF_INIT;
	char again[KEY_MAX] = "";
	int rc = 0;

	if (enc.n && enc.s[0] != '~' && percent_decode(&name, enc, false) && !memchr(name.s, 0, name.n))
		ref_key(name.s, again);
	if (!strcmp(again, key))
		names_add(out, name.s);
	else
		rc = with_listed(g, key, add_name_of, out, e);
	sb_free(&name);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int graph_branches(struct graph *g, int (*fn)(void *arg, const char *name), void *arg, struct err *e)
{
	struct ref_list refs = { 0 };
	struct names l = { 0 };
	int rc = store_list(g->store, "refs", NULL, false, on_ref_key, &refs, e);

	for (size_t i = 0; i < refs.n && !rc; i++)
		rc = name_of_key(g, refs.keys[i], &l, e);
	ref_list_free(&refs);
	if (!rc)
		rc = fn(arg, "main");
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_name);
	for (size_t i = 0; i < l.n; i++) {
		if (!rc)
			rc = fn(arg, l.v[i]);
		free(l.v[i]);
	}
	free(l.v);
	return rc;
}

int graph_branch_exists(struct graph *g, const char *name, bool *exists, struct err *e)
{
	struct store_stat st;
	char key[KEY_MAX];
	int rc;

	*exists = true;
	if (is_main(name))
		return 0;
	ref_key(name, key);
	rc = store_head(g->store, key, &st, e);
	if (rc != -ENOENT)
		return rc;
	err_clear(e);
	*exists = false;
	return 0;
}

/* --- create ---------------------------------------------------------------------------------------- */

int graph_authorize(struct graph *g, const char *action, const char *branch, const char *target, const char *actor,
		    struct err *e)
{
	if (!g->policy)
		return 0;
	if (!actor)
		return err_set(e, ERR_POLICY, "policy: no actor for engine-layer policy check of '%s'", action);
	return g->policy->authorize(g->policy_ctx, action, branch, target, actor, e);
}

static int read_only_error(const struct graph *g, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "graph at '%s' is open read-only; open it read-write to change it",
		       graph_uri(g));
}

/* The lineage of a branch forked from @src at @head. */
static struct lineage *fork_lineage(const struct branch *src, const struct snapshot *head, const char *name)
{
	const struct lineage *p = src->lineage;
	struct lineage *l = lineage_new(p->n + 1);

	ulid_new(l->step[0].id);
	l->step[0].label = mem_strdup(name);
	l->step[0].upto = UINT64_MAX;
	for (uint32_t i = 0; i < p->n; i++) {
		l->step[i + 1] = p->step[i];
		l->step[i + 1].label = p->step[i].label ? mem_strdup(p->step[i].label) : NULL;
	}
	l->step[1].upto = head->version;
	return l;
}

static int already_exists(const char *name, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "branch '%s' already exists", name);
}

/* The put failed or its reply was lost: what is there decides. */
static int create_readback(struct graph *g, const struct branch_ref *r, int rc, struct err *first, struct err *e)
{
	struct branch_ref now;

	if (ref_read(g, r->name, &now, NULL)) {
		err_move(e, first);
		return rc;
	}
	rc = strcmp(now.lineage->step[0].id, r->lineage->step[0].id) ? already_exists(r->name, e) : 0;
	branch_ref_clear(&now);
	return rc;
}

static int put_ref(struct graph *g, const struct branch_ref *r, struct err *e)
{
	struct err first = ERR_INIT;
	struct strbuf text = STRBUF_INIT;
	char key[KEY_MAX];
	int rc;

	ref_key(r->name, key);
	ref_compose(r, &text);
	rc = store_create(g->store, key, text.s, text.n, NULL, &first);
	if (!rc)
		rc = FAILPOINT("branch_create.post_native", &first);
	if (rc)
		rc = create_readback(g, r, rc, &first, e);
	err_clear(&first);
	sb_free(&text);
	return rc;
}

static int open_source(struct graph *g, const char *from, struct branch **src, struct err *e)
{
	int rc = branch_open(g, from, src, e);

	if (rc == -ENOENT && ulid_valid(str_from(from)))
		return err_set(e, ERR_BAD_REQUEST, "branch creation from pinned snapshots is not supported yet");
	return rc;
}

static bool ref_gone(struct graph *g, const char *name, const char *id)
{
	struct branch_ref r;
	bool gone;
	int rc = ref_read(g, name, &r, NULL);

	if (rc)
		return rc == -ENOENT;
	gone = strcmp(r.lineage->step[0].id, id) != 0;
	branch_ref_clear(&r);
	return gone;
}

/* The source may have been deleted while the ref was written; then the new branch goes, too. */
static int check_source(struct graph *g, const struct branch *src, const char *name, struct err *e)
{
	char key[KEY_MAX];

	if (is_main(src->name) || !ref_gone(g, src->name, src->lineage->step[0].id))
		return 0;
	ref_key(name, key);
	store_delete(g->store, key, NULL);
	return err_set(e, ERR_NOT_FOUND, "branch '%s' not found", src->name);
}

static bool same_schema(const struct snapshot *a, const struct snapshot *b)
{
	const struct catalog *x = a->bind->cat, *y = b->bind->cat;

	return x == y ||
	       (!strcmp(x->compiled_digest, y->compiled_digest) && !strcmp(x->source_digest, y->source_digest));
}

/* A schema apply is running, or has run since @head was taken, and may not have seen the new branch. */
static int apply_interfered(struct graph *g, const struct snapshot *head, const char *op, struct err *e)
{
	struct snapshot *now;
	bool same;
	int rc = schema_lock_check(g, op, e);

	if (rc)
		return rc;
	rc = branch_snapshot_exact(g->main, &now, e);
	if (rc)
		return rc;
	same = same_schema(head, now);
	snapshot_put(now);
	return same ? 0 : err_set(e, ERR_CONFLICT, "%s is unavailable while schema apply is in progress", op);
}

/* A branch with the old schema must not outlive an apply: one of the two has to yield, and it is the branch. */
static int check_schema(struct graph *g, const char *name, const struct snapshot *head, const char *op, struct err *e)
{
	char key[KEY_MAX];
	int rc = apply_interfered(g, head, op, e);

	if (rc) {
		ref_key(name, key);
		store_delete(g->store, key, NULL);
	}
	return rc;
}

/*
 * A cleanup that did not see the new ref may have taken the fork point for a commit nobody needs. It writes that down before it looks
 * at the refs for the last time, so one of the two sees the other.
 */
static int check_kept(struct graph *g, const struct branch_ref *r, struct err *e)
{
	char key[KEY_MAX];
	int rc = retention_check(g, r->lineage, r->lineage->step[1].upto, r->head, NULL, e);

	if (rc) {
		ref_key(r->name, key);
		store_delete(g->store, key, NULL);
	}
	return rc;
}

static int create_from(struct graph *g, const char *name, struct branch *src, const char *op, struct err *e)
{
	struct branch_ref r = { .name = (char *)name, .created_at = time_now_us() };
	struct snapshot *head;
	int rc = branch_snapshot_exact(src, &head, e);

	if (rc)
		return rc;
	memcpy(r.head, head->ci.id, sizeof(r.head));
	r.lineage = fork_lineage(src, head, name);
	rc = put_ref(g, &r, e);
	if (!rc)
		rc = check_kept(g, &r, e);
	lineage_free(r.lineage);
	if (!rc)
		rc = check_schema(g, name, head, op, e);
	snapshot_put(head);
	return rc ? rc : check_source(g, src, name, e);
}

static int create_named(struct graph *g, const char *name, const char *from, const char *op, struct err *e)
{
	struct branch *src;
	bool exists;
	int rc = graph_branch_exists(g, name, &exists, e);

	if (rc)
		return rc;
	if (exists)
		return already_exists(name, e);
	rc = schema_lock_check(g, op, e);
	if (rc)
		return rc;
	rc = open_source(g, from, &src, e);
	if (rc)
		return rc;
	for (int i = 0; i < CREATE_TRIES; i++) {
		err_clear(e);
		rc = create_from(g, name, src, op, e);
		if (!rc || !e || e->code != ERR_HISTORY_RECLAIMED)
			break;
	}
	branch_put(src);
	return rc;
}

static int check_create(struct graph *g, const char *name, const char *from, const char *actor, struct err *e)
{
	int rc;

	if (!strcmp(name, "main"))
		return err_set(e, ERR_BAD_REQUEST, "cannot create branch 'main'");
	rc = graph_authorize(g, "branch_create", from, name, actor, e);
	if (rc)
		return rc;
	return g->read_only ? read_only_error(g, e) : 0;
}

int graph_branch_create(struct graph *g, const char *name, const char *from, const char *actor, struct err *e)
{
	struct err own = ERR_INIT;
	const char *op = from ? "branch_create_from" : "branch_create";
	char *n = NULL, *f = NULL;
	int rc;

	e = e ? e : &own;
	rc = branch_name_check(name, op, &n, e);
	if (!rc && from)
		rc = branch_name_check(from, op, &f, e);
	if (!rc)
		rc = check_create(g, n, f, actor, e);
	if (!rc)
		rc = create_named(g, n, f, op, e);
	free(n);
	free(f);
	err_clear(&own);
	return rc;
}

/* --- delete ---------------------------------------------------------------------------------------- */

struct find_child {
	const char *id;
	char *name;
};

static int on_possible_child(void *arg, const struct branch_ref *r)
{
	struct find_child *f = arg;

	for (uint32_t i = 1; i < r->lineage->n; i++) {
		if (!strcmp(r->lineage->step[i].id, f->id)) {
			f->name = mem_strdup(r->name);
			return 1;
		}
	}
	return 0;
}

static int check_no_child(struct graph *g, const struct branch_ref *r, struct err *e)
{
	struct find_child f = { r->lineage->step[0].id, NULL };
	int rc = each_ref(g, on_possible_child, &f, e);

	if (rc == 1)
		rc = err_set(e, ERR_CONFLICT,
			     "cannot delete branch '%s' because descendant branch '%s' still depends on it", r->name,
			     f.name);
	free(f.name);
	return rc;
}

static int delete_ref(struct graph *g, const struct branch_ref *r, struct err *e)
{
	char key[KEY_MAX];
	int rc;

	ref_key(r->name, key);
	rc = store_delete(g->store, key, e);
	if (!rc)
		rc = FAILPOINT("branch_delete.post_native", e);
	if (rc && ref_gone(g, r->name, r->lineage->step[0].id)) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static int delete_named(struct graph *g, const char *name, struct err *e)
{
	struct branch_ref r;
	int rc = ref_read(g, name, &r, e);

	if (rc == -ENOENT)
		return err_set(e, ERR_NOT_FOUND, "branch '%s' not found", name);
	if (rc)
		return rc;
	rc = check_no_child(g, &r, e);
	if (!rc)
		rc = delete_ref(g, &r, e);
	if (!rc)
		branch_forget(g, name);
	branch_ref_clear(&r);
	return rc;
}

int graph_branch_delete(struct graph *g, const char *name, const char *actor, struct err *e)
{
	struct err own = ERR_INIT;
	char *n = NULL;
	int rc;

	e = e ? e : &own;
	rc = branch_name_check(name, "branch_delete", &n, e);
	if (!rc && !strcmp(n, "main"))
		rc = err_set(e, ERR_BAD_REQUEST, "cannot delete branch 'main'");
	if (!rc)
		rc = graph_authorize(g, "branch_delete", NULL, n, actor, e);
	if (!rc && g->read_only)
		rc = read_only_error(g, e);
	if (!rc)
		rc = delete_named(g, n, e);
	free(n);
	err_clear(&own);
	return rc;
}

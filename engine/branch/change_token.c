/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "engine/branch/change_token.h"

#define TOKEN_VERSION 1
#define ID_WHOLE_MAX 256
#define ID_PREFIX_MAX 64

static const char *const kind_words[] = { "commit page token", "feed cursor", "feed page token" };
static const char *const kind_names[] = { "commit-page", "feed-cursor", "feed-page" };

int token_reject(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vset(e, ERR_CURSOR_REJECTED, fmt, ap);
	va_end(ap);
	err_prefix(e, "change cursor rejected: ");
	return -err_errno(ERR_CURSOR_REJECTED);
}

/* --- binding ------------------------------------------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One spelling per filter: order and repetition do not matter, and naming everything is naming nothing. */
static void scope_digest(const struct change_filter *f, char out[SHA256_HEX_LEN + 1])
{
	unsigned kinds = f->kinds == (CHANGE_NODES | CHANGE_EDGES) ? 0 : f->kinds;
	unsigned ops = f->ops == (CHANGE_INSERTS | CHANGE_UPDATES | CHANGE_DELETES) ? 0 : f->ops;
	const char **types = mem_calloc(f->n_types + 1, sizeof(*types));
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < f->n_types; i++)
		types[i] = f->types[i];
	if (f->n_types)
		qsort(types, f->n_types, sizeof(*types), by_text);
	sb_addf(&b, "%u %u", kinds, ops);
	for (size_t i = 0; i < f->n_types; i++) {
		if (i && !strcmp(types[i - 1], types[i]))
			continue;
		sb_addch(&b, ' ');
		json_quote(&b, str_from(types[i]));
	}
	sha256_hex(b.s, b.n, out);
	sb_free(&b);
	free(types);
}

void token_bind(struct change_token *t, enum token_kind kind, struct graph *g, const struct branch *b,
		const struct change_filter *f)
{
	*t = (struct change_token){ .kind = kind };
	sha256_hex(g->uri, strlen(g->uri), t->root);
	memcpy(t->graph, g->graph_id, sizeof(t->graph));
	scope_digest(f, t->scope);
	if (!b)
		return;
	sha256_hex(b->name, strlen(b->name), t->branch);
	memcpy(t->branch_id, b->lineage->step[0].id, sizeof(t->branch_id));
}

void token_after(struct token_entity *out, const struct row_change *c)
{
	struct str prefix = { c->id.s, ID_PREFIX_MAX };

	*out = (struct token_entity){ .op = change_op_of(c) };
	memcpy(out->type, change_type_id(c), sizeof(out->type));
	if (c->id.n <= ID_WHOLE_MAX) {
		memcpy(out->id, c->id.s, c->id.n);
		return;
	}
	memcpy(out->id, prefix.s, utf8_valid_prefix(prefix));
	sha256_hex(c->id.s, c->id.n, out->digest);
}

bool token_is_after(const struct token_entity *t, const struct row_change *c)
{
	struct token_entity own;

	if (strcmp(t->type, change_type_id(c)))
		return false;
	token_after(&own, c);
	return !strcmp(t->id, own.id) && !strcmp(t->digest, own.digest) && t->op == own.op;
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static void commit_members(struct json_writer *w, const char *id_key, const char *version_key,
			   const struct token_commit *c)
{
	jw_kstrz(w, id_key, c->id);
	jw_ku64(w, version_key, c->version);
}

static void entity_members(struct json_writer *w, const struct token_entity *t)
{
	jw_kstrz(w, "type", t->type);
	jw_kstrz(w, "id", t->id);
	jw_kstrz(w, "id_sha256", t->digest);
	jw_ku64(w, "op", t->op);
}

void token_write(const struct change_token *t, struct strbuf *out)
{
	struct strbuf b = STRBUF_INIT;
	uint8_t digest[SHA256_LEN];
	struct json_writer w;

	jw_init(&w, &b, false);
	jw_begin_object(&w);
	jw_ku64(&w, "version", TOKEN_VERSION);
	jw_kstrz(&w, "kind", kind_names[t->kind]);
	jw_kstrz(&w, "root", t->root);
	jw_kstrz(&w, "graph", t->graph);
	jw_kstrz(&w, "scope", t->scope);
	commit_members(&w, "commit", "commit_version", &t->commit);
	if (t->kind != TOKEN_COMMIT_PAGE) {
		jw_kstrz(&w, "branch", t->branch);
		jw_kstrz(&w, "branch_id", t->branch_id);
	}
	if (t->kind == TOKEN_FEED_PAGE)
		commit_members(&w, "cut", "cut_version", &t->cut);
	if (t->kind != TOKEN_FEED_CURSOR)
		entity_members(&w, &t->after);
	jw_end_object(&w);
	sha256(b.s, b.n, digest);
	sb_add(&b, digest, sizeof(digest));
	base64url_encode(out, b.s, b.n);
	sb_free(&b);
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

/* A string member of at most @cap - 1 bytes without NUL. */
static bool take_text(const struct json *v, const char *name, char *out, size_t cap)
{
	const struct json *m = json_get(v, name);

	if (!m || m->type != JSON_STRING || m->text.n >= cap || memchr(m->text.s, 0, m->text.n))
		return false;
	memcpy(out, m->text.s, m->text.n);
	out[m->text.n] = 0;
	return true;
}

static bool take_number(const struct json *v, const char *name, uint64_t *out)
{
	const struct json *m = json_get(v, name);

	return m && m->type == JSON_NUMBER && json_to_u64(m, out);
}

static bool take_commit(const struct json *v, const char *id_key, const char *version_key, struct token_commit *out)
{
	return take_text(v, id_key, out->id, sizeof(out->id)) && take_number(v, version_key, &out->version);
}

static bool take_entity(const struct json *v, struct token_entity *out)
{
	uint64_t op;

	if (!take_text(v, "type", out->type, sizeof(out->type)) || !take_text(v, "id", out->id, sizeof(out->id)) ||
	    !take_text(v, "id_sha256", out->digest, sizeof(out->digest)) || !take_number(v, "op", &op) ||
	    op > OP_DELETE)
		return false;
	out->op = (enum change_op)op;
	return true;
}

static bool take_all(const struct json *v, struct change_token *out)
{
	return take_text(v, "root", out->root, sizeof(out->root)) &&
	       take_text(v, "graph", out->graph, sizeof(out->graph)) &&
	       take_text(v, "scope", out->scope, sizeof(out->scope)) &&
	       take_commit(v, "commit", "commit_version", &out->commit) &&
	       (out->kind == TOKEN_COMMIT_PAGE ||
		(take_text(v, "branch", out->branch, sizeof(out->branch)) &&
		 take_text(v, "branch_id", out->branch_id, sizeof(out->branch_id)))) &&
	       (out->kind != TOKEN_FEED_PAGE || take_commit(v, "cut", "cut_version", &out->cut)) &&
	       (out->kind == TOKEN_FEED_CURSOR || take_entity(v, &out->after));
}

static int read_payload(struct arena *a, struct str text, enum token_kind kind, struct change_token *out, struct err *e)
{
	const char *word = kind_words[kind];
	const struct json *name;
	uint64_t version;
	struct json *v;

	if (json_parse(a, text, NULL, &v, NULL) || v->type != JSON_OBJECT)
		return token_reject(e, "invalid %s payload", word);
	if (!take_number(v, "version", &version))
		return token_reject(e, "invalid %s payload", word);
	if (version != TOKEN_VERSION)
		return token_reject(e, "unsupported %s version", word);
	name = json_get(v, "kind");
	for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++)
		if (i != kind && name && name->type == JSON_STRING && str_eqz(name->text, kind_names[i]))
			return token_reject(e, "a %s cannot be used as a %s", kind_words[i], word);
	if (!name || name->type != JSON_STRING || !str_eqz(name->text, kind_names[kind]) || !take_all(v, out))
		return token_reject(e, "invalid %s payload", word);
	return 0;
}

static int too_long(size_t n, struct err *e)
{
	int rc = err_set(e, ERR_RESOURCE_LIMIT,
			 "resource limit exceeded for change_continuation_token_encoded_bytes: actual %zu, limit %u", n,
			 CHANGE_TOKEN_MAX);

	err_detail(e, "resource", "change_continuation_token_encoded_bytes");
	err_detail_u64(e, "limit", CHANGE_TOKEN_MAX);
	err_detail_u64(e, "actual", n);
	return rc;
}

int token_read(struct str text, enum token_kind kind, struct change_token *out, struct err *e)
{
	struct strbuf b = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	uint8_t digest[SHA256_LEN];
	int rc;

	*out = (struct change_token){ .kind = kind };
	if (text.n > CHANGE_TOKEN_MAX)
		return too_long(text.n, e);
	if (!base64url_decode(&b, text) || b.n <= SHA256_LEN) {
		rc = token_reject(e, "invalid %s encoding", kind_words[kind]);
	} else {
		sha256(b.s, b.n - SHA256_LEN, digest);
		rc = memcmp(digest, b.s + b.n - SHA256_LEN, SHA256_LEN)
			     ? token_reject(e, "invalid %s checksum", kind_words[kind])
			     : read_payload(&a, (struct str){ b.s, b.n - SHA256_LEN }, kind, out, e);
	}
	arena_free(&a);
	sb_free(&b);
	return rc;
}

/* --- checking ----------------------------------------------------------------------------------------------------------- */

int token_check_feed(const struct change_token *t, const struct change_token *want, struct err *e)
{
	if (strcmp(t->graph, want->graph) && strcmp(t->root, want->root))
		return token_reject(e, "change feed continuation does not belong to this graph");
	if (strcmp(t->graph, want->graph))
		return token_reject(e, "change feed continuation was minted for a different graph history");
	if (strcmp(t->branch, want->branch))
		return token_reject(e, "change feed continuation was minted for a different branch");
	if (strcmp(t->branch_id, want->branch_id))
		return token_reject(e, "change feed continuation was minted for a different branch incarnation");
	if (strcmp(t->scope, want->scope))
		return token_reject(e, "change feed continuation was minted for a different filter scope");
	return 0;
}

int token_check_commit(const struct change_token *t, const struct change_token *want, const char *commit, struct err *e)
{
	if (strcmp(t->graph, want->graph) || strcmp(t->commit.id, commit))
		return token_reject(e, "the commit page token does not match this graph and commit");
	if (strcmp(t->scope, want->scope))
		return token_reject(e, "the commit page token was minted for a different filter scope");
	return 0;
}

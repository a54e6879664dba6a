/* SPDX-License-Identifier: MIT */
/* The changes of one commit, in pages (spec/engine.md 13.1 to 13.4), and the net difference of two (13.9). */
#include <errno.h>

#include <omnigraph/failpoint.h>

#include "engine/branch/changes.h"

/* --- limits ------------------------------------------------------------------------------------------------------------- */

static int check_limit(uint64_t v, uint64_t max, const char *what, const char *resource, struct err *e)
{
	int rc;

	if (!v)
		return err_set(e, ERR_BAD_REQUEST, "%s must be greater than zero", what);
	if (v <= max)
		return 0;
	rc = err_set(e, ERR_RESOURCE_LIMIT, "resource limit exceeded for %s: actual %llu, limit %llu", resource,
		     (unsigned long long)v, (unsigned long long)max);
	err_detail(e, "resource", resource);
	err_detail_u64(e, "limit", max);
	err_detail_u64(e, "actual", v);
	return rc;
}

int change_limits_check(const struct change_limits *l, struct err *e)
{
	int rc = check_limit(l->changes, CHANGE_PAGE_MAX, "change page limit", "commit_changes_page_changes", e);

	if (!rc)
		rc = check_limit(l->bytes, CHANGE_BYTES_MAX, "change page byte limit", "commit_changes_page_bytes", e);
	return rc ? rc
		  : check_limit(l->commits, CHANGE_COMMITS_MAX, "change feed commit limit",
				"change_feed_commits_per_poll", e);
}

/* --- blocks ------------------------------------------------------------------------------------------------------------- */

void change_cause_json(const struct commit_info *c, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "graph_commit_id", c->id);
	if (c->parent[0])
		jw_kstrz(&w, "parent_commit_id", c->parent);
	if (c->merged_parent[0])
		jw_kstrz(&w, "merged_parent_commit_id", c->merged_parent);
	jw_kstrz(&w, "authored_branch", c->branch ? c->branch : "main");
	if (c->actor)
		jw_kstrz(&w, "actor_id", c->actor);
	jw_ki64(&w, "authored_at", c->created_at);
	jw_end_object(&w);
}

void changes_pack(const struct diff *d, size_t *next, struct change_budget *b, struct strbuf *out)
{
	struct strbuf one = STRBUF_INIT;
	bool first = true;

	for (; *next < d->n && b->changes; (*next)++) {
		sb_reset(&one);
		change_json(d, &d->v[*next], &one);
		if (one.n > b->bytes && b->begun)
			break;
		if (!first)
			sb_addch(out, ',');
		sb_adds(out, sb_str(&one));
		b->changes--;
		b->bytes -= one.n < b->bytes ? one.n : b->bytes;
		b->begun = true;
		first = false;
		if (!b->bytes) {
			(*next)++;
			break;
		}
	}
	sb_free(&one);
}

size_t changes_resume(const struct diff *d, const struct token_entity *t)
{
	for (size_t i = 0; i < d->n; i++)
		if (token_is_after(t, &d->v[i]))
			return i + 1;
	return SIZE_MAX;
}

/* --- one commit --------------------------------------------------------------------------------------------------------- */

int change_gap(const char *commit, struct err *e)
{
	int rc = err_set(e, ERR_CHANGE_FEED_GAP, "change feed gap at commit '%s'", commit);

	err_detail(e, "first_unreadable_commit_id", commit);
	return rc;
}

static int or_gap(int rc, const char *commit, struct err *e)
{
	return rc && e && e->code == ERR_HISTORY_RECLAIMED ? change_gap(commit, e) : rc;
}

int change_diff(struct commit_step *s, struct branch *b, uint64_t version, uint64_t ahead, const char *commit,
		const struct change_filter *f, struct diff *out, struct err *e)
{
	int rc = FAILPOINT("change_feed.pre_table_open", e);

	*out = (struct diff){ 0 };
	if (!rc)
		rc = commit_step_to(s, b, version, ahead, e);
	if (!rc)
		rc = diff_boundary(s->before, s->after, snapshot_commit(s->after)->id, e);
	if (!rc)
		rc = diff_commit(s, f, out, e);
	return commit ? or_gap(rc, commit, e) : rc;
}

static int no_parent(const char *id, struct err *e)
{
	int rc = err_set(e, ERR_COMMIT_HAS_NO_PARENT,
			 "commit '%s' has no first parent; bootstrap from an exact baseline", id);

	err_detail(e, "graph_commit_id", id);
	return rc;
}

static int read_position(struct graph *g, const struct change_filter *f, const char *page_token, const char *id,
			 struct token_entity *after, struct err *e)
{
	struct change_token want, t;
	int rc;

	*after = (struct token_entity){ 0 };
	if (!page_token)
		return 0;
	token_bind(&want, TOKEN_COMMIT_PAGE, g, NULL, f);
	rc = token_read(str_from(page_token), TOKEN_COMMIT_PAGE, &t, e);
	if (!rc)
		rc = token_check_commit(&t, &want, id, e);
	*after = t.after;
	return rc;
}

static int find_position(const struct diff *d, const struct token_entity *after, size_t *next, struct err *e)
{
	*next = after->type[0] ? changes_resume(d, after) : 0;
	return *next == SIZE_MAX ? token_reject(e, "the commit page token does not match this graph and commit") : 0;
}

static void page_json(struct graph *g, const struct change_filter *f, const struct diff *d,
		      const struct commit_info *ci, size_t next, const struct change_limits *l, struct strbuf *out)
{
	struct change_budget budget = { l->changes, l->bytes, false };
	struct change_token t;

	sb_addz(out, "{\"cause\":");
	change_cause_json(ci, out);
	sb_addz(out, ",\"changes\":[");
	changes_pack(d, &next, &budget, out);
	sb_addch(out, ']');
	if (next < d->n) {
		token_bind(&t, TOKEN_COMMIT_PAGE, g, NULL, f);
		memcpy(t.commit.id, ci->id, sizeof(t.commit.id));
		t.commit.version = ci->version;
		token_after(&t.after, &d->v[next - 1]);
		sb_addz(out, ",\"next_page_token\":\"");
		token_write(&t, out);
		sb_addch(out, '"');
	}
	sb_addch(out, '}');
}

int graph_commit_changes(struct graph *g, const char *id, const struct change_filter *f, const struct change_limits *l,
			 const char *page_token, struct strbuf *out, struct err *e)
{
	struct commit_step s = { 0 };
	struct commit_info ci = { 0 };
	struct branch *b = NULL;
	struct token_entity after;
	struct diff d = { 0 };
	size_t next;
	int rc = history_find(g, id, &b, &ci, e);

	if (!rc)
		rc = change_limits_check(l, e);
	if (!rc && !ci.parent[0])
		rc = no_parent(id, e);
	if (!rc)
		rc = read_position(g, f, page_token, id, &after, e);
	if (!rc)
		rc = change_diff(&s, b, ci.version, ci.version, id, f, &d, e);
	if (!rc)
		rc = find_position(&d, &after, &next, e);
	if (!rc)
		page_json(g, f, &d, snapshot_commit(s.after), next, l, out);
	diff_clear(&d);
	commit_step_clear(&s);
	if (b)
		branch_put(b);
	commit_info_clear(&ci);
	return rc;
}

/* --- two states --------------------------------------------------------------------------------------------------------- */

int graph_diff(struct graph *g, const char *from_commit, const char *to_commit, const struct change_filter *f,
	       struct strbuf *out, struct err *e)
{
	struct change_budget budget = { UINT64_MAX, UINT64_MAX, false };
	struct snapshot *before = NULL, *after = NULL;
	struct diff d = { 0 };
	size_t next = 0;
	int rc = or_gap(history_snapshot(g, from_commit, &before, e), from_commit, e);

	if (!rc)
		rc = or_gap(history_snapshot(g, to_commit, &after, e), to_commit, e);
	if (!rc)
		rc = diff_boundary(before, after, to_commit, e);
	if (!rc) /* what a hard drop took it took from the older states */
		rc = or_gap(diff_snapshots(before, after, f, &d, e), before->n_hidden ? from_commit : to_commit, e);
	if (!rc) {
		sb_addz(out, "{\"changes\":[");
		changes_pack(&d, &next, &budget, out);
		sb_addz(out, "]}");
	}
	diff_clear(&d);
	snapshot_put(before);
	snapshot_put(after);
	return rc;
}

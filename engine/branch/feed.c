/* SPDX-License-Identifier: MIT */
/* The change feed of a branch and the baseline it starts from (spec/engine.md 13.5 to 13.8). */
#include <errno.h>

#include <omnigraph/failpoint.h>

#include "engine/branch/changes.h"

#define OFF_CHAIN "change feed cursor names a commit outside this branch's first-parent chain"
#define START_OFF_CHAIN "start commit is not on this branch's first-parent chain"

struct poll {
	struct graph *g;
	struct branch *b;
	const struct change_filter *f;
	const struct change_limits *l;
	const struct change_position *at;
	struct commit_step step;
	struct change_token bound;  /* what tokens of this poll are bound to */
	struct token_commit cut;    /* nothing behind it is read */
	struct token_commit done;   /* the last complete commit */
	struct token_entity within; /* inside the block behind it; type "" at a boundary */
	/* the page */
	struct change_budget budget;
	uint64_t commits;
	bool interrupted; /* ended inside a block */
	struct strbuf blocks;
};

static void commit_at(struct token_commit *out, const struct commit_info *c)
{
	memcpy(out->id, c->id, sizeof(out->id));
	out->version = c->version;
}

/* --- positions ---------------------------------------------------------------------------------------------------------- */

/*
 * Is @c on the branch's chain, at its version? A commit is known by the one behind it, whose parent it is. State that is gone
 * cannot tell; it is found missing when the feed comes to it. Rejected with @otherwise when it is not.
 */
static int check_chain(struct poll *p, const struct token_commit *c, const struct token_commit *head,
		       const char *otherwise, struct err *e)
{
	struct commit_step s = { 0 };
	struct err why = ERR_INIT;
	bool same = c->version == head->version && !strcmp(c->id, head->id);
	int rc = 0;

	if (c->version && c->version < head->version) {
		rc = commit_step_to(&s, p->b, c->version + 1, head->version, &why);
		same = rc ? why.code == ERR_HISTORY_RECLAIMED : !strcmp(snapshot_commit(s.after)->parent, c->id);
		/* the walk begins there */
		commit_step_clear(&p->step);
		p->step = s;
	}
	if (rc && !same)
		err_move(e, &why);
	else
		rc = same ? 0 : token_reject(e, "%s", otherwise);
	err_clear(&why);
	return rc;
}

static int at_cursor(struct poll *p, struct err *e)
{
	struct change_token t;
	int rc = token_read(str_from(p->at->cursor), TOKEN_FEED_CURSOR, &t, e);

	if (!rc)
		rc = token_check_feed(&t, &p->bound, e);
	if (!rc)
		rc = check_chain(p, &t.commit, &p->cut, OFF_CHAIN, e);
	p->done = t.commit;
	return rc;
}

static int at_page(struct poll *p, struct err *e)
{
	struct token_commit head = p->cut;
	struct change_token t;
	int rc = token_read(str_from(p->at->page_token), TOKEN_FEED_PAGE, &t, e);

	if (!rc)
		rc = token_check_feed(&t, &p->bound, e);
	if (!rc)
		rc = check_chain(p, &t.cut, &head, OFF_CHAIN, e);
	if (!rc)
		rc = check_chain(p, &t.commit, &t.cut, OFF_CHAIN, e);
	if (rc)
		return rc;
	p->cut = t.cut;
	p->done = t.commit;
	p->within = t.after;
	if (t.commit.version == t.cut.version)
		return token_reject(e, "change feed page token no longer names the next commit of its cut");
	return 0;
}

static int at_commit(struct poll *p, const char *id, struct err *e)
{
	struct commit_info ci = { 0 };
	struct err why = ERR_INIT;
	int rc = graph_commit(p->g, id, &ci, &why);

	if (rc && why.code != ERR_NOT_FOUND) {
		err_move(e, &why);
		return rc;
	}
	err_clear(&why);
	if (!rc)
		commit_at(&p->done, &ci);
	commit_info_clear(&ci);
	return rc ? token_reject(e, START_OFF_CHAIN) : check_chain(p, &p->done, &p->cut, START_OFF_CHAIN, e);
}

static int at_start(struct poll *p, const char *start, struct err *e)
{
	if (!start || !strcmp(start, "now")) {
		p->done = p->cut;
		return 0;
	}
	if (!strcmp(start, "beginning")) {
		p->done = (struct token_commit){ .version = 1 };
		return 0;
	}
	return at_commit(p, start + strlen("after:"), e);
}

static int find_position(struct poll *p, struct err *e)
{
	const struct change_position *at = p->at;

	if (at->cursor)
		return at_cursor(p, e);
	if (at->page_token)
		return at_page(p, e);
	return at_start(p, at->start, e);
}

/* --- the walk ----------------------------------------------------------------------------------------------------------- */

static bool page_is_full(const struct poll *p)
{
	return !p->budget.changes || !p->budget.bytes || p->commits == p->l->commits;
}

/* 1: the page ends before or inside this block. */
static int tell(struct poll *p, const struct diff *d, struct err *e)
{
	size_t next = 0, first;
	struct strbuf changes = STRBUF_INIT;

	if (p->within.type[0] && (next = changes_resume(d, &p->within)) == SIZE_MAX)
		return token_reject(e, "change feed page token no longer names the next commit of its cut");
	first = next;
	changes_pack(d, &next, &p->budget, &changes);
	/* nothing of it had room: the page ends before it, at a boundary */
	if (next == first && next < d->n) {
		sb_free(&changes);
		return 1;
	}
	sb_addz(&p->blocks, p->blocks.n ? ",{\"cause\":" : "{\"cause\":");
	change_cause_json(snapshot_commit(p->step.after), &p->blocks);
	sb_addz(&p->blocks, ",\"changes\":[");
	sb_adds(&p->blocks, sb_str(&changes));
	sb_addz(&p->blocks, "]}");
	sb_free(&changes);
	p->commits++;
	if (next < d->n) {
		token_after(&p->within, &d->v[next - 1]);
		p->interrupted = true;
		return 1;
	}
	p->within = (struct token_entity){ 0 };
	commit_at(&p->done, snapshot_commit(p->step.after));
	return 0;
}

/* The id of the commit behind the last complete one, when its state is gone; "" when it cannot be told either. */
static void next_id(struct poll *p, char out[ULID_LEN + 1])
{
	struct commit_info ci;

	out[0] = 0;
	if (history_commit(p->b, p->done.version + 1, &ci, NULL))
		return;
	memcpy(out, ci.id, ULID_LEN + 1);
	commit_info_clear(&ci);
}

static bool unreadable(enum err_code code)
{
	return code == ERR_SCHEMA_BOUNDARY || code == ERR_HISTORY_RECLAIMED;
}

/* What cannot be told ends the page before it; as the first of a poll it is the answer (13.6). 1: the page ends. */
static int stop_before(struct poll *p, struct err *e)
{
	char id[ULID_LEN + 1];
	int rc;

	if (!unreadable(e->code))
		return -err_errno(e->code);
	if (p->commits) {
		err_clear(e);
		return 1;
	}
	if (e->code == ERR_SCHEMA_BOUNDARY)
		return -err_errno(e->code);
	next_id(p, id);
	rc = change_gap(id, e);
	if (p->at->cursor)
		err_detail(e, "cursor", p->at->cursor);
	return rc;
}

static int walk(struct poll *p, struct err *e)
{
	int rc = 0;

	while (!rc && p->done.version < p->cut.version && !page_is_full(p)) {
		struct diff d;

		rc = change_diff(&p->step, p->b, p->done.version + 1, p->cut.version, NULL, p->f, &d, e);
		rc = rc ? stop_before(p, e) : tell(p, &d, e);
		diff_clear(&d);
	}
	return rc < 0 ? rc : 0;
}

/* --- the answer --------------------------------------------------------------------------------------------------------- */

static void token_member(struct strbuf *out, const char *name, const struct change_token *t)
{
	sb_addf(out, ",\"%s\":\"", name);
	token_write(t, out);
	sb_addch(out, '"');
}

static int live_head(struct branch *b, struct token_commit *out, struct err *e)
{
	struct snapshot *s;
	int rc = branch_snapshot(b, &s, e);

	if (rc)
		return rc;
	commit_at(out, snapshot_commit(s));
	snapshot_put(s);
	return 0;
}

/* A poll that began on one incarnation is not ended on another. */
static int still_same(struct poll *p, bool *at_head, struct err *e)
{
	struct token_commit head;
	struct branch *now;
	int rc = branch_open(p->g, p->b->name, &now, e);
	bool same;

	if (rc)
		return rc;
	same = !strcmp(now->lineage->step[0].id, p->b->lineage->step[0].id);
	if (same)
		rc = live_head(now, &head, e);
	branch_put(now);
	if (!same)
		return err_set(e, ERR_BAD_REQUEST, "branch '%s': the branch was deleted and recreated during the poll",
			       p->b->name);
	*at_head = !rc && !strcmp(head.id, p->cut.id);
	return rc;
}

static int answer(struct poll *p, struct strbuf *out, struct err *e)
{
	struct change_token t = p->bound;
	bool at_head = false;
	int rc = still_same(p, &at_head, e);

	if (rc)
		return rc;
	sb_addz(out, "{\"blocks\":[");
	sb_adds(out, sb_str(&p->blocks));
	sb_addch(out, ']');
	t.commit = p->done;
	if (p->interrupted) {
		t.kind = TOKEN_FEED_PAGE;
		t.cut = p->cut;
		t.after = p->within;
		token_member(out, "next_page_token", &t);
	} else {
		t.kind = TOKEN_FEED_CURSOR;
		token_member(out, "cursor", &t);
		sb_addf(out, ",\"caught_up\":%s", p->done.version == p->cut.version && at_head ? "true" : "false");
	}
	sb_addch(out, '}');
	return 0;
}

/* The beginning is behind genesis, whose id a cursor made before any block must name. */
static int name_beginning(struct poll *p, struct err *e)
{
	struct commit_info ci;
	int rc;

	if (p->done.id[0])
		return 0;
	rc = history_commit(p->b, 1, &ci, e);
	if (rc)
		return rc;
	commit_at(&p->done, &ci);
	commit_info_clear(&ci);
	return 0;
}

int change_position_check(const struct change_position *at, struct err *e)
{
	int given = (at->start != NULL) + (at->cursor != NULL) + (at->page_token != NULL);
	const char *s = at->start;

	if (given > 1)
		return err_set(e, ERR_BAD_REQUEST, "cursor, start, and page_token are mutually exclusive");
	if (s && strcmp(s, "now") && strcmp(s, "beginning") && (strncmp(s, "after:", 6) || !s[6]))
		return err_set(e, ERR_BAD_REQUEST, "start must be now | beginning | after:<commit_id>");
	return 0;
}

int graph_changes(struct graph *g, const char *branch, const struct change_filter *f, const struct change_position *at,
		  const struct change_limits *l, struct strbuf *out, struct err *e)
{
	struct poll p = { .g = g, .f = f, .l = l, .at = at, .budget = { l->changes, l->bytes, false } };
	struct err own = ERR_INIT;
	int rc = change_position_check(at, e);

	if (!rc)
		rc = branch_open(g, branch, &p.b, e);
	if (rc)
		return rc;
	rc = change_limits_check(l, &own);
	token_bind(&p.bound, TOKEN_FEED_CURSOR, g, p.b, f);
	if (!rc)
		rc = live_head(p.b, &p.cut, &own);
	if (!rc)
		rc = FAILPOINT("change_feed.post_capture", &own);
	if (!rc)
		rc = find_position(&p, &own);
	if (!rc)
		rc = name_beginning(&p, &own);
	if (!rc)
		rc = walk(&p, &own);
	if (!rc)
		rc = answer(&p, out, &own);
	if (rc)
		err_move(e, &own);
	err_clear(&own);
	sb_free(&p.blocks);
	commit_step_clear(&p.step);
	branch_put(p.b);
	return rc;
}

/* --- baseline ----------------------------------------------------------------------------------------------------------- */

int graph_baseline(struct graph *g, const char *branch, const struct change_filter *f, struct change_baseline *out,
		   struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct change_token t;
	struct branch *b;
	int rc = branch_open(g, branch, &b, e);

	*out = (struct change_baseline){ 0 };
	if (rc)
		return rc;
	rc = branch_snapshot(b, &out->snapshot, e);
	if (!rc)
		rc = export_check_types(out->snapshot, f->types, f->n_types, e);
	if (!rc) {
		token_bind(&t, TOKEN_FEED_CURSOR, g, b, f);
		commit_at(&t.commit, snapshot_commit(out->snapshot));
		token_write(&t, &text);
		out->cursor = sb_detach(&text);
	}
	branch_put(b);
	if (rc)
		baseline_clear(out);
	return rc;
}

int baseline_stream(const struct change_baseline *b, const struct change_filter *f, write_fn write, void *arg,
		    struct err *e)
{
	return graph_export_kinds(b->snapshot, f->kinds, f->types, f->n_types, write, arg, e);
}

void baseline_handshake(const struct change_baseline *b, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_keyz(&w, "baseline");
	jw_begin_object(&w);
	jw_kstrz(&w, "snapshot_commit_id", snapshot_commit(b->snapshot)->id);
	jw_kstrz(&w, "resume_cursor", b->cursor);
	jw_end_object(&w);
	jw_end_object(&w);
}

void baseline_clear(struct change_baseline *b)
{
	snapshot_put(b->snapshot);
	free(b->cursor);
	*b = (struct change_baseline){ 0 };
}

/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <omnigraph/changes.h>
#include <omnigraph/json.h>
#include <omnigraph/mem.h>

#include "changes.h"

static const struct change_filter all = { 0 };

/* --- what is told --------------------------------------------------------------------------------------- */

struct lines { /* of the changes of one commit, as the model has them */
	char **v;
	size_t n, cap;
	struct strbuf place; /* of the last one */
};

static void lines_clear(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	sb_free(&l->place);
	*l = (struct lines){ .place = STRBUF_INIT };
}

static struct str text_at(const struct json *o, const char *name)
{
	const struct json *v = json_get(o, name);

	return v && v->type == JSON_STRING ? v->text : STR("?");
}

/* Nodes before edges, then by type, then by id; each entity once. */
static bool in_order(struct lines *l, const struct json *change)
{
	struct strbuf place = STRBUF_INIT;
	bool ok;

	sb_addf(&place, "%d %.*s %.*s", str_eq(text_at(change, "kind"), STR("edge")),
		STR_ARG(text_at(json_get(change, "type"), "id")), STR_ARG(text_at(change, "id")));
	ok = !l->place.n || strcmp(l->place.s, place.s) < 0;
	sb_free(&l->place);
	l->place = place;
	return ok;
}

static void add_line(struct lines *l, const struct json *change)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer jw;

	jw_init(&jw, &out, false);
	jw_begin_object(&jw);
	for (size_t i = 0; i < change->n; i++) {
		jw_key(&jw, change->keys[i]);
		if (str_eq(change->keys[i], STR("type")))
			jw_str(&jw, text_at(&change->items[i], "name"));
		else
			jw_value(&jw, &change->items[i]);
	}
	jw_end_object(&jw);
	sb_addch(&out, '\n');
	MEM_GROW(l->v, l->n, l->cap);
	l->v[l->n++] = sb_detach(&out);
}

static void take_changes(struct world *w, const char *who, struct lines *l, const struct json *changes)
{
	for (size_t i = 0; changes && i < changes->n; i++) {
		if (!in_order(l, &changes->items[i]))
			fail(w, "%s tells a change out of order: %s", who, l->place.s);
		add_line(l, &changes->items[i]);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct lines split(const struct strbuf *b)
{
	struct lines l = { .place = STRBUF_INIT };
	const char *p = b->n ? b->s : "";

	while (*p) {
		const char *end = strchr(p, '\n') + 1;

		MEM_GROW(l.v, l.n, l.cap);
		l.v[l.n++] = str_dup((struct str){ p, (size_t)(end - p) });
		p = end;
	}
	return l;
}

static void join(struct lines *l, struct strbuf *out)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_text);
	for (size_t i = 0; i < l->n; i++)
		sb_addz(out, l->v[i]);
}

/* @got is all that was told of the way from one state to the other. */
static void compare(struct world *w, const char *who, struct lines *got, const struct mcommit *from,
		    const struct mcommit *to)
{
	struct strbuf text = STRBUF_INIT, g = STRBUF_INIT, m = STRBUF_INIT;
	struct lines want;

	mstate_changes(&from->state, &to->state, &text);
	want = split(&text);
	join(got, &g);
	join(&want, &m);
	if (!str_eq(sb_str(&g), sb_str(&m)))
		fail(w, "%s tells of %s behind %s\n%.*sinstead of\n%.*s", who, to->ci.id, from->ci.id,
		     STR_ARG(sb_str(&g)), STR_ARG(sb_str(&m)));
	if (mstate_boundary(&from->state, &to->state))
		fail(w, "%s tells of %s behind %s, which have different schemas", who, to->ci.id, from->ci.id);
	lines_clear(&want);
	sb_free(&text);
	sb_free(&g);
	sb_free(&m);
}

static bool may_refuse(const struct err *e, const struct mcommit *from, const struct mcommit *to)
{
	switch (e->code) {
	case ERR_COMMIT_HAS_NO_PARENT:
		return !from;
	case ERR_SCHEMA_BOUNDARY:
		return from && mstate_boundary(&from->state, &to->state);
	case ERR_CHANGE_FEED_GAP:
		return from && (from->may_be_gone || to->may_be_gone);
	default:
		return false;
	}
}

static void check_refusal(struct world *w, const char *who, const struct err *e, const struct mcommit *from,
			  const struct mcommit *to)
{
	if (!may_refuse(e, from, to))
		fail(w, "%s does not tell of %s: %s", who, to->ci.id, err_msg(e));
}

static const struct json *parsed(struct world *w, const char *who, struct arena *a, const struct strbuf *text)
{
	struct err e = ERR_INIT;
	struct json *v = NULL;

	if (json_parse(a, sb_str(text), NULL, &v, &e))
		fail(w, "%s: changes are not JSON: %s", who, err_msg(&e));
	err_clear(&e);
	return v;
}

/* --- one commit, two commits ----------------------------------------------------------------------------- */

static const struct mcommit *commit_at(const struct world *w, const struct mbranch *b, size_t i)
{
	return &w->model.commits[b->chain[i]];
}

static struct change_limits small_pages(struct world *w)
{
	struct change_limits l = CHANGE_LIMITS_DEFAULT;

	l.changes = 1 + roll(w, 4);
	l.commits = 1 + roll(w, 6);
	return l;
}

/* Its pages, one after the other. */
static int read_commit(struct world *w, struct graph *g, const char *who, const char *id, struct lines *l,
		       struct err *e)
{
	struct change_limits limits = small_pages(w);
	struct arena a = ARENA_INIT;
	const char *token = NULL;
	int rc = 0;

	do {
		struct strbuf out = STRBUF_INIT;
		const struct json *page;

		rc = graph_commit_changes(g, id, &all, &limits, token, &out, e);
		page = rc ? NULL : parsed(w, who, &a, &out);
		take_changes(w, who, l, json_get(page, "changes"));
		token = json_get(page, "next_page_token") ? arena_str(&a, text_at(page, "next_page_token")).s : NULL;
		sb_free(&out);
	} while (token && !w->failure[0]);
	arena_free(&a);
	return rc;
}

static void check_commit(struct world *w, struct graph *g, const char *who)
{
	const struct mbranch *b = &w->model.branches[roll(w, w->model.n_branches)];
	size_t i = roll(w, b->n);
	const struct mcommit *from = i ? commit_at(w, b, i - 1) : NULL, *to = commit_at(w, b, i);
	struct lines got = { .place = STRBUF_INIT };
	struct err e = ERR_INIT;

	if (read_commit(w, g, who, to->ci.id, &got, &e))
		check_refusal(w, who, &e, from, to);
	else if (!from)
		fail(w, "%s tells of the first commit", who);
	else
		compare(w, who, &got, from, to);
	lines_clear(&got);
	err_clear(&e);
}

static const struct mcommit *any_commit(struct world *w)
{
	const struct mbranch *b = &w->model.branches[roll(w, w->model.n_branches)];

	return commit_at(w, b, roll(w, b->n));
}

static void check_difference(struct world *w, struct graph *g, const char *who)
{
	const struct mcommit *from = any_commit(w), *to = any_commit(w);
	struct lines got = { .place = STRBUF_INIT };
	struct strbuf out = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	if (graph_diff(g, from->ci.id, to->ci.id, &all, &out, &e)) {
		check_refusal(w, who, &e, from, to);
	} else {
		take_changes(w, who, &got, json_get(parsed(w, who, &a, &out), "changes"));
		compare(w, who, &got, from, to);
	}
	lines_clear(&got);
	sb_free(&out);
	arena_free(&a);
	err_clear(&e);
}

/* --- the feed ---------------------------------------------------------------------------------------------- */

struct feed {
	struct world *w;
	const char *who;
	const struct mbranch *b;
	size_t *at;	  /* the last commit told whole */
	struct lines got; /* of the one behind it */
	bool begun, over; /* that one was begun; the model ends */
};

static void end_block(struct feed *f)
{
	if (!f->begun)
		return;
	compare(f->w, f->who, &f->got, commit_at(f->w, f->b, *f->at), commit_at(f->w, f->b, *f->at + 1));
	lines_clear(&f->got);
	f->begun = false;
	++*f->at;
}

static bool is_next(const struct feed *f, struct str id)
{
	return str_eqz(id, commit_at(f->w, f->b, *f->at + 1)->ci.id);
}

static void take_block(struct feed *f, const struct json *block)
{
	struct str id = text_at(json_get(block, "cause"), "graph_commit_id");

	if (f->begun && !is_next(f, id))
		end_block(f);
	f->over |= *f->at + 1 == f->b->n;
	if (f->over)
		return;
	if (!is_next(f, id))
		fail(f->w, "%s tells of %.*s in place of %s", f->who, STR_ARG(id),
		     commit_at(f->w, f->b, *f->at + 1)->ci.id);
	f->begun = true;
	take_changes(f->w, f->who, &f->got, json_get(block, "changes"));
}

/* Where to go on; false: the end. */
static bool take_page(struct feed *f, const struct json *page, struct arena *a, struct change_position *next)
{
	const struct json *blocks = json_get(page, "blocks"), *token = json_get(page, "next_page_token");
	const struct json *caught_up = json_get(page, "caught_up");

	for (size_t i = 0; blocks && i < blocks->n && !f->over; i++)
		take_block(f, &blocks->items[i]);
	*next = (struct change_position){ .start = NULL };
	if (token) {
		next->page_token = arena_str(a, token->text).s;
		return true;
	}
	end_block(f);
	next->cursor = arena_str(a, text_at(page, "cursor")).s;
	return caught_up && !caught_up->boolean;
}

int follow_feed(struct world *w, struct graph *g, const char *who, const struct mbranch *b, size_t *at, struct err *e)
{
	struct feed f = { .w = w, .who = who, .b = b, .at = at, .got = { .place = STRBUF_INIT } };
	struct change_limits limits = small_pages(w);
	struct arena a = ARENA_INIT;
	struct change_position next = { .start = arena_printf(&a, "after:%s", commit_at(w, b, *at)->ci.id) };
	bool more = true;
	int rc = 0;

	while (more && !rc && !f.over && !w->failure[0]) {
		struct strbuf out = STRBUF_INIT;

		rc = graph_changes(g, b->name, &all, &next, &limits, &out, e);
		if (!rc)
			more = take_page(&f, parsed(w, who, &a, &out), &a, &next);
		sb_free(&out);
	}
	lines_clear(&f.got);
	arena_free(&a);
	return rc;
}

bool feed_may_stop(const struct world *w, const struct mbranch *b, size_t at, const struct err *e)
{
	/* of what the model does not know yet it cannot say more than this */
	if (at + 1 == b->n)
		return e->code == ERR_SCHEMA_BOUNDARY || e->code == ERR_CHANGE_FEED_GAP;
	return may_refuse(e, commit_at(w, b, at), commit_at(w, b, at + 1));
}

static void check_feed(struct world *w, struct graph *g, const char *who)
{
	const struct mbranch *b = &w->model.branches[roll(w, w->model.n_branches)];
	size_t at = roll(w, b->n);
	struct err e = ERR_INIT;

	if (follow_feed(w, g, who, b, &at, &e)) {
		if (at + 1 == b->n || !feed_may_stop(w, b, at, &e))
			fail(w, "%s breaks off the feed of %s behind %s: %s", who, b->name, commit_at(w, b, at)->ci.id,
			     err_msg(&e));
	} else if (at + 1 < b->n) {
		fail(w, "%s ends the feed of %s at %s", who, b->name, commit_at(w, b, at)->ci.id);
	}
	err_clear(&e);
}

void check_changes(struct world *w, struct graph *g, const char *who)
{
	check_commit(w, g, who);
	if (!w->failure[0])
		check_difference(w, g, who);
	if (!w->failure[0])
		check_feed(w, g, who);
}

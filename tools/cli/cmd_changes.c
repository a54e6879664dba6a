/* SPDX-License-Identifier: MIT */
/* commit changes and changes poll (spec/cli.md 11.8, 11.9): pages, from storage or from a server, joined into one answer. */
#include <errno.h>
#include <stdio.h>

#include "tools/cli/change_text.h"
#include "tools/cli/cmd_changes.h"
#include "tools/cli/remote.h"

/* --- filters and limits ------------------------------------------------------------------------------------------------- */

static unsigned word_set(struct invocation *inv, const char *flag, const char *const *words, size_t n)
{
	const char *given[CLI_VALUES_MAX];
	size_t n_given = flag_values(inv, flag, given, CLI_VALUES_MAX);
	unsigned set = 0;

	for (size_t i = 0; i < n_given; i++)
		for (size_t k = 0; k < n; k++)
			if (!strcmp(given[i], words[k]))
				set |= 1u << k;
	return set;
}

void filter_of(struct invocation *inv, struct change_filter *out)
{
	static const char *const kinds[] = { "node", "edge" }, *const ops[] = { "insert", "update", "delete" };
	const char **types = arena_array(&inv->arena, const char *, CLI_VALUES_MAX);

	*out = (struct change_filter){ .kinds = word_set(inv, "kind", kinds, ARRAY_SIZE(kinds)),
				       .ops = word_set(inv, "op", ops, ARRAY_SIZE(ops)),
				       .types = types,
				       .n_types = flag_values(inv, "type", types, CLI_VALUES_MAX) };
}

void filter_member(struct invocation *inv, struct json_writer *w, const char *flag)
{
	const char *given[CLI_VALUES_MAX];
	size_t n = flag_values(inv, flag, given, CLI_VALUES_MAX);

	if (!n)
		return;
	jw_keyz(w, flag);
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++)
		jw_strz(w, given[i]);
	jw_end_array(w);
}

/* --- pages -------------------------------------------------------------------------------------------------------------- */

struct pager {
	struct invocation *inv;
	struct target target;
	struct graph *g; /* direct */
	struct change_filter filter;
	struct change_limits limits;
	const char *page_token; /* of the next page */
	/* polls */
	bool poll;
	const char *branch, *cursor, *start;
};

static int pager_open(struct pager *p, struct invocation *inv, struct err *e)
{
	struct graph_open_opts opts = { .read_only = true };
	const char *limit = flag_value(inv, "limit");
	int rc = scope_target(inv, flag_value(inv, "uri"), &p->target, e);

	p->inv = inv;
	p->limits = CHANGE_LIMITS_DEFAULT;
	if (limit)
		str_to_u64(str_from(limit), &p->limits.changes); /* a number: the parser saw to it */
	filter_of(inv, &p->filter);
	return rc || p->target.served ? rc : graph_open(p->target.uri, &opts, &p->g, e);
}

static int page_local(struct pager *p, struct json **doc, struct err *e)
{
	struct change_position at = { .start = p->page_token ? NULL : p->start,
				      .cursor = p->page_token ? NULL : p->cursor,
				      .page_token = p->page_token };
	struct strbuf text = STRBUF_INIT;
	int rc = p->poll ? graph_changes(p->g, p->branch, &p->filter, &at, &p->limits, &text, e)
			 : graph_commit_changes(p->g, p->inv->pos[0], &p->filter, &p->limits, p->page_token, &text, e);

	if (!rc)
		return doc_parse(p->inv, &text, doc, e);
	sb_free(&text);
	return rc;
}

static size_t add_repeated(struct pager *p, const char *flag, const char **pairs, size_t n)
{
	const char *given[CLI_VALUES_MAX];
	size_t n_given = flag_values(p->inv, flag, given, CLI_VALUES_MAX);

	for (size_t i = 0; i < n_given; i++) {
		pairs[n++] = flag;
		pairs[n++] = given[i];
	}
	return n;
}

static const char *page_path(struct pager *p)
{
	struct arena *a = &p->inv->arena;
	const char **pairs = arena_array(a, const char *, 6 * CLI_VALUES_MAX + 16);
	const char *const fixed[] = { "branch",	    p->branch,
				      "page_token", p->page_token,
				      "cursor",	    p->page_token ? NULL : p->cursor,
				      "start",	    p->page_token ? NULL : p->start,
				      "limit",	    flag_value(p->inv, "limit") };
	size_t n = ARRAY_SIZE(fixed);

	memcpy(pairs, fixed, sizeof(fixed));
	n = add_repeated(p, "kind", pairs, n);
	n = add_repeated(p, "type", pairs, n);
	add_repeated(p, "op", pairs, n);
	return remote_query(
		a, p->poll ? "/changes" : arena_printf(a, "/commits/%s/changes", url_segment(a, p->inv->pos[0])),
		pairs);
}

static int page_remote(struct pager *p, struct json **doc, struct err *e)
{
	struct remote_call call = { .method = "GET", .path = page_path(p) };

	return remote_json(p->inv, &p->target, &call, doc, e);
}

/* The next page; p->page_token is the one behind it, NULL at the last. */
static int next_page(struct pager *p, struct json **doc, struct err *e)
{
	int rc = p->target.served ? page_remote(p, doc, e) : page_local(p, doc, e);

	p->page_token = rc ? NULL : doc_optional(p->inv, *doc, "next_page_token");
	return rc;
}

/* --- joining ------------------------------------------------------------------------------------------------------------ */

/* Printed page by page; a failure later leaves a cut document and a status. */
struct printer {
	struct invocation *inv;
	bool json;
	struct strbuf out;
	struct json_writer w;
	const char *open; /* commit of the block that is open, or NULL */
	size_t blocks;
};

static void printer_init(struct printer *pr, struct invocation *inv)
{
	*pr = (struct printer){ .inv = inv, .json = flag_given(inv, "json") };
	jw_init(&pr->w, &pr->out, true);
}

static int print_flush(struct printer *pr, struct err *e)
{
	int rc = out_write(pr->out.s, pr->out.n, e);

	sb_reset(&pr->out);
	return rc;
}

static void block_begin(struct printer *pr, const struct json *cause)
{
	pr->open = doc_text(pr->inv, cause, "graph_commit_id");
	pr->blocks++;
	if (!pr->json) {
		cause_text(pr->inv, cause, &pr->out);
		return;
	}
	jw_keyz(&pr->w, "cause");
	jw_value(&pr->w, cause);
	jw_keyz(&pr->w, "changes");
	jw_begin_array(&pr->w);
}

static void block_changes(struct printer *pr, const struct json *changes)
{
	for (size_t i = 0; changes && changes->type == JSON_ARRAY && i < changes->n; i++) {
		if (pr->json)
			jw_value(&pr->w, &changes->items[i]);
		else
			change_text(pr->inv, &changes->items[i], &pr->out);
	}
}

static void block_end(struct printer *pr)
{
	if (pr->open && pr->json)
		jw_end_array(&pr->w);
	pr->open = NULL;
}

/* --- commit changes ----------------------------------------------------------------------------------------------------- */

static int other_cause(const char *was, const char *is, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "a page of commit '%s' tells of commit '%s'; run the command again", was, is);
}

static int print_commit_page(struct printer *pr, const struct json *doc, struct err *e)
{
	const struct json *cause = json_get(doc, "cause");
	const char *id = doc_text(pr->inv, cause, "graph_commit_id");

	if (pr->open && strcmp(pr->open, id))
		return other_cause(pr->open, id, e);
	if (!pr->open && pr->json)
		jw_begin_object(&pr->w);
	if (!pr->open)
		block_begin(pr, cause);
	block_changes(pr, json_get(doc, "changes"));
	return print_flush(pr, e);
}

static int print_commit(struct pager *p, struct printer *pr, bool one_page, struct err *e)
{
	struct json *doc;
	int rc;

	do {
		rc = next_page(p, &doc, e);
		if (!rc)
			rc = print_commit_page(pr, doc, e);
	} while (!rc && p->page_token && !one_page);
	if (rc)
		return rc;
	block_end(pr);
	if (p->page_token && pr->json)
		jw_kstrz(&pr->w, "next_page_token", p->page_token);
	else if (p->page_token)
		sb_addf(&pr->out, "next_page_token: %s\n", p->page_token);
	if (pr->json) {
		jw_end_object(&pr->w);
		sb_addch(&pr->out, '\n');
	}
	return print_flush(pr, e);
}

int cmd_commit_changes(struct invocation *inv)
{
	struct pager p = { .page_token = flag_value(inv, "page-token") };
	struct printer pr;
	struct err e = ERR_INIT;
	int rc = pager_open(&p, inv, &e);

	printer_init(&pr, inv);
	if (!rc)
		rc = print_commit(&p, &pr, flag_given(inv, "page-token"), &e);
	sb_free(&pr.out);
	graph_close(p.g);
	return rc ? fail(&e, pr.json) : EXIT_DONE;
}

/* --- changes poll ------------------------------------------------------------------------------------------------------- */

static void begin_poll_block(struct printer *pr, const struct json *cause)
{
	if (!pr->json && pr->blocks)
		sb_addch(&pr->out, '\n');
	if (pr->json)
		jw_begin_object(&pr->w);
	block_begin(pr, cause);
}

static void end_poll_block(struct printer *pr)
{
	bool open = pr->open;

	block_end(pr);
	if (open && pr->json)
		jw_end_object(&pr->w);
}

/* A block that was split over two pages goes on in the second. */
static int print_poll_page(struct printer *pr, const struct json *doc, struct err *e)
{
	const struct json *blocks = json_get(doc, "blocks");

	for (size_t i = 0; blocks && blocks->type == JSON_ARRAY && i < blocks->n; i++) {
		const struct json *cause = json_get(&blocks->items[i], "cause");

		if (!pr->open || strcmp(pr->open, doc_text(pr->inv, cause, "graph_commit_id"))) {
			end_poll_block(pr);
			begin_poll_block(pr, cause);
		}
		block_changes(pr, json_get(&blocks->items[i], "changes"));
	}
	return print_flush(pr, e);
}

static int print_poll_end(struct printer *pr, const struct json *doc, struct err *e)
{
	const struct json *caught_up = json_get(doc, "caught_up");
	bool done = caught_up && caught_up->type == JSON_BOOL && caught_up->boolean;

	end_poll_block(pr);
	if (pr->json) {
		jw_end_array(&pr->w);
		jw_kstrz(&pr->w, "cursor", doc_text(pr->inv, doc, "cursor"));
		jw_kbool(&pr->w, "caught_up", done);
		jw_end_object(&pr->w);
		sb_addch(&pr->out, '\n');
	} else {
		sb_addf(&pr->out, "%s\ncursor: %s\ncaught_up: %s\n", pr->blocks ? "" : "(no new commits)\n",
			doc_text(pr->inv, doc, "cursor"), done ? "true" : "false");
	}
	return print_flush(pr, e);
}

static int print_poll(struct pager *p, struct printer *pr, struct err *e)
{
	struct json *doc;
	int rc;

	/* nothing is printed for a poll that is refused */
	rc = next_page(p, &doc, e);
	if (rc)
		return rc;
	if (pr->json) {
		jw_begin_object(&pr->w);
		jw_keyz(&pr->w, "blocks");
		jw_begin_array(&pr->w);
	}
	rc = print_poll_page(pr, doc, e);
	while (!rc && p->page_token) {
		rc = next_page(p, &doc, e);
		if (!rc)
			rc = print_poll_page(pr, doc, e);
	}
	return rc ? rc : print_poll_end(pr, doc, e);
}

int cmd_changes_poll(struct invocation *inv)
{
	const char *branch = flag_value(inv, "branch");
	struct pager p = { .poll = true,
			   .branch = branch ? branch : "main",
			   .cursor = flag_value(inv, "cursor"),
			   .start = flag_value(inv, "start") };
	struct change_position at = { .cursor = p.cursor, .start = p.start };
	struct printer pr;
	struct err e = ERR_INIT;
	int rc = change_position_check(&at, &e);

	printer_init(&pr, inv);
	if (!rc)
		rc = pager_open(&p, inv, &e);
	if (!rc)
		rc = print_poll(&p, &pr, &e);
	sb_free(&pr.out);
	graph_close(p.g);
	return rc ? fail(&e, pr.json) : EXIT_DONE;
}

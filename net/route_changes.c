/* SPDX-License-Identifier: MIT */
/* What commits changed: one commit, the feed of a branch (spec/server.md 8.21 to 8.23). */
#include <omnigraph/changes.h>

#include "net/body.h"
#include "net/change_words.h"
#include "net/server.h"

enum { P_LIMIT, P_KIND, P_TYPE, P_OP, P_TOKEN, P_COMMIT_COUNT, P_BRANCH = P_COMMIT_COUNT, P_CURSOR, P_START, P_COUNT };

struct change_request {
	struct query_list p[P_COUNT];
	struct change_filter filter;
	struct change_limits limits;
};

/* --- parameters --------------------------------------------------------------------------------------------------------- */

/* The set of @words named by a repeated parameter, as bits in their order. */
static int word_set(const struct query_list *l, const char *const *words, size_t n, const char *expected, unsigned *out,
		    struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t k = 0;

		while (k < n && !str_eqz(l->values[i], words[k]))
			k++;
		if (k == n)
			return err_set(e, ERR_BAD_REQUEST, "unknown %s '%.*s' (expected %s)", l->name,
				       STR_ARG(l->values[i]), expected);
		*out |= 1u << k;
	}
	return 0;
}

static int take_limit(const struct query_list *l, struct change_limits *out, struct err *e)
{
	*out = CHANGE_LIMITS_DEFAULT;
	if (l->n && !str_to_u64(l->values[0], &out->changes))
		return err_set(e, ERR_BAD_REQUEST, "limit must be a non-negative integer");
	if (!out->changes)
		return err_set(e, ERR_BAD_REQUEST, "change page limit must be greater than zero");
	return 0;
}

int change_kinds(const struct query_list *l, unsigned *out, struct err *e)
{
	static const char *const words[] = { "node", "edge" };

	return word_set(l, words, ARRAY_SIZE(words), "node | edge", out, e);
}

int change_ops(const struct query_list *l, unsigned *out, struct err *e)
{
	static const char *const words[] = { "insert", "update", "delete" };

	return word_set(l, words, ARRAY_SIZE(words), "insert | update | delete", out, e);
}

/* The first @n parameters of the list. */
static int parse(struct request *r, struct change_request *c, size_t n)
{
	const char **types;
	int rc;

	*c = (struct change_request){ .p = { [P_LIMIT] = { .name = "limit" },
					     [P_KIND] = { .name = "kind", .repeats = true },
					     [P_TYPE] = { .name = "type", .repeats = true },
					     [P_OP] = { .name = "op", .repeats = true },
					     [P_TOKEN] = { .name = "page_token" },
					     [P_BRANCH] = { .name = "branch" },
					     [P_CURSOR] = { .name = "cursor" },
					     [P_START] = { .name = "start" } } };
	rc = query_string_strict(&r->arena, r->x->query, c->p, n, &r->err);
	if (!rc)
		rc = take_limit(&c->p[P_LIMIT], &c->limits, &r->err);
	if (!rc)
		rc = change_kinds(&c->p[P_KIND], &c->filter.kinds, &r->err);
	if (!rc)
		rc = change_ops(&c->p[P_OP], &c->filter.ops, &r->err);
	if (rc)
		return rc;
	types = arena_array(&r->arena, const char *, c->p[P_TYPE].n);
	for (size_t i = 0; i < c->p[P_TYPE].n; i++)
		types[i] = c->p[P_TYPE].values[i].s; /* decoded into the arena, ended by a NUL */
	c->filter.types = types;
	c->filter.n_types = c->p[P_TYPE].n;
	return 0;
}

static const char *value_of(const struct query_list *l)
{
	return l->n ? l->values[0].s : NULL;
}

/*
 * Nothing of the storage shows on these routes (spec/server.md 5.2): what is not an answer of the feed itself is an internal error, and
 * the log has it.
 */
int redact_changes(struct request *r, int rc)
{
	if (!rc || err_http_status(r->err.code) < 500)
		return rc;
	log_kv(r->srv->logger, LOG_ERROR, "omnigraph::request", "changes not delivered", "graph", r->graph->id, "error",
	       err_msg(&r->err), NULL);
	return err_set(&r->err, ERR_INTERNAL, "internal error while reading changes");
}

/* --- one commit --------------------------------------------------------------------------------------------------------- */

int check_commit_changes(struct request *r)
{
	struct change_request c;

	return parse(r, &c, P_COMMIT_COUNT);
}

/* Who may not read the commit's branch does not learn that it exists. */
static int may_read_commit(struct request *r)
{
	struct commit_info ci;
	int rc = graph_commit(r->graph->graph, r->capture.s, &ci, &r->err);

	if (rc)
		return rc;
	rc = authorize(r, "read", ci.branch ? ci.branch : "main", NULL);
	commit_info_clear(&ci);
	if (rc && r->err.code == ERR_POLICY)
		return err_set(&r->err, ERR_NOT_FOUND, "commit '%s' not found", r->capture.s);
	return rc;
}

int route_commit_changes(struct request *r)
{
	struct change_request c;
	int rc = parse(r, &c, P_COMMIT_COUNT);

	if (!rc)
		rc = may_read_commit(r);
	if (!rc)
		rc = graph_commit_changes(r->graph->graph, r->capture.s, &c.filter, &c.limits, value_of(&c.p[P_TOKEN]),
					  &r->out, &r->err);
	return redact_changes(r, rc);
}

/* --- the feed ----------------------------------------------------------------------------------------------------------- */

static int parse_poll(struct request *r, struct change_request *c, const char **branch, struct change_position *at)
{
	int rc = parse(r, c, P_COUNT);

	if (!rc)
		rc = branch_text(r, c->p[P_BRANCH].n ? &c->p[P_BRANCH].values[0] : NULL, "main", branch);
	*at = (struct change_position){ .start = value_of(&c->p[P_START]),
					.cursor = value_of(&c->p[P_CURSOR]),
					.page_token = value_of(&c->p[P_TOKEN]) };
	return rc;
}

int check_poll_changes(struct request *r)
{
	struct change_position at;
	struct change_request c;
	const char *branch;

	return parse_poll(r, &c, &branch, &at);
}

int route_poll_changes(struct request *r)
{
	struct change_position at;
	struct change_request c;
	const char *branch;
	int rc = parse_poll(r, &c, &branch, &at);

	if (!rc)
		rc = authorize(r, "read", branch, NULL);
	if (!rc)
		rc = graph_changes(r->graph->graph, branch, &c.filter, &at, &c.limits, &r->out, &r->err);
	return redact_changes(r, rc);
}

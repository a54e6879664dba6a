/* SPDX-License-Identifier: MIT */
/*
 * The read envelope (spec/query.md 13.2), written straight from cells. Everything that does not depend on the data was encoded when
 * the query was planned. The row count comes before the rows, so one digit is reserved for it, and more are made room for at the end.
 */
#include <omnigraph/graph.h>
#include <omnigraph/limits.h>

#include "engine/query/exec.h"

static void quote_or_null(struct strbuf *out, const char *s)
{
	if (s)
		json_quote(out, str_from(s));
	else
		sb_add(out, "null", 4);
}

void result_begin(struct result *res, struct run *r, struct strbuf *out, const struct query_target *target)
{
	*res = (struct result){ .r = r, .out = out, .start = out->n };
	sb_adds(out, r->p->head);
	quote_or_null(out, target ? target->branch : NULL);
	sb_addz(out, ",\"snapshot\":");
	quote_or_null(out, target ? target->snapshot : NULL);
	sb_addz(out, "},\"row_count\":");
	res->count_at = out->n;
	sb_addch(out, '0');
	sb_adds(out, r->p->columns_json);
}

static bool row_written(struct result *res)
{
	struct run *r = res->r;
	size_t n = res->out->n - res->start;

	sb_addch(res->out, '}');
	res->rows++;
	if (n <= LIMIT_RESULT_BYTES)
		return true;
	run_fail(r, ERR_RESOURCE_LIMIT,
		 "resource limit exceeded for query result bytes: actual %zu, limit %u; project less, or add a limit",
		 n, LIMIT_RESULT_BYTES);
	err_detail(r->e, "resource", "query result bytes");
	err_detail_u64(r->e, "limit", LIMIT_RESULT_BYTES);
	err_detail_u64(r->e, "actual", n);
	return false;
}

bool result_row(struct result *res)
{
	struct run *r = res->r;
	const struct query_plan *p = r->p;

	if (res->rows)
		sb_addch(res->out, ',');
	for (uint32_t i = 0; i < p->n_columns; i++) {
		struct val v;

		sb_adds(res->out, p->columns[i].key);
		if (r->scratch.total)
			arena_reset(&r->scratch);
		eval_operand(r, &p->cells[p->columns[i].cell].o, &r->scratch, &v);
		val_result_json(&v, res->out);
	}
	return row_written(res);
}

bool result_group(struct result *res, const struct groups *g, size_t i)
{
	const struct query_plan *p = res->r->p;

	if (res->rows)
		sb_addch(res->out, ',');
	for (uint32_t k = 0; k < p->n_columns; k++) {
		sb_adds(res->out, p->columns[k].key);
		val_result_json(groups_cell(g, i, p->columns[k].cell), res->out);
	}
	return row_written(res);
}

static void put_count(struct result *res)
{
	struct strbuf *out = res->out;
	struct strbuf digits = STRBUF_INIT;

	if (res->rows < 10) {
		out->s[res->count_at] = (char)('0' + res->rows);
		return;
	}
	sb_addu64(&digits, res->rows);
	sb_grow(out, digits.n - 1);
	memmove(out->s + res->count_at + digits.n, out->s + res->count_at + 1, out->n - res->count_at);
	memcpy(out->s + res->count_at, digits.s, digits.n);
	out->n += digits.n - 1;
	sb_free(&digits);
}

void result_end(struct result *res, bool with_commit)
{
	const struct commit_info *c = snapshot_commit(res->r->s);

	put_count(res);
	sb_addch(res->out, ']');
	if (with_commit && c && c->id[0]) {
		sb_addz(res->out, ",\"graph_commit_id\":");
		json_quote(res->out, str_from(c->id));
	}
	sb_addch(res->out, '}');
}

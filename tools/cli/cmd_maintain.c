/* SPDX-License-Identifier: MIT */
/* optimize and cleanup (spec/cli.md 11.17, 11.18): on storage alone. */
#include <stdio.h>

#include <omnigraph/maintenance.h>

#include "tools/cli/cmd.h"

static void subject(const struct type *t, struct strbuf *out)
{
	sb_addf(out, "%s type '%.*s'", type_kind_word(t), STR_ARG(t->name));
}

static int open_target(struct invocation *inv, const char *verb, const char *uri, struct graph **g, struct err *e)
{
	target_line(inv, verb, uri);
	return graph_open(uri, NULL, g, e);
}

/* --- optimize ----------------------------------------------------------------------------------------------------------- */

static void optimize_doc(const char *uri, const struct optimize_result *r, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", uri);
	optimize_result_json(r, &w);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

static void optimize_line(const struct optimize_type *o, struct strbuf *out)
{
	struct strbuf s = STRBUF_INIT;

	subject(o->type, &s);
	if (o->fragments_removed || o->fragments_added)
		sb_addf(out, "  %-40s frags %llu → %llu ✓\n", s.s, (unsigned long long)o->fragments_removed,
			(unsigned long long)o->fragments_added);
	else
		sb_addf(out, "  %-40s no-op\n", s.s);
	for (uint32_t i = 0; i < o->n_pending; i++)
		sb_addf(out, "    ↳ index pending on property '%.*s': %s\n", STR_ARG(o->pending[i]),
			OPTIMIZE_PENDING_REASON);
	sb_free(&s);
}

static void optimize_text(const char *uri, const struct optimize_result *r, struct strbuf *out)
{
	sb_addf(out, "optimize %s — %u datasets\n", uri, r->n);
	for (uint32_t i = 0; i < r->n; i++)
		optimize_line(&r->types[i], out);
}

int cmd_optimize(struct invocation *inv)
{
	bool json = flag_given(inv, "json");
	struct optimize_result r = { 0 };
	struct strbuf out = STRBUF_INIT;
	struct graph *g = NULL;
	struct err e = ERR_INIT;
	const char *uri;
	int rc = scope_graph(inv, inv->n_pos ? inv->pos[0] : NULL, &uri, &e);

	if (!rc)
		rc = open_target(inv, "optimize", uri, &g, &e);
	if (!rc)
		rc = graph_optimize(g, &r, &e);
	if (!rc)
		(json ? optimize_doc : optimize_text)(uri, &r, &out);
	optimize_result_clear(&r);
	graph_close(g);
	return rc ? fail(&e, json) : out_text(&out);
}

/* --- cleanup: what is asked --------------------------------------------------------------------------------------------- */

static bool unit_seconds(struct str unit, uint64_t *s)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };

	*s = 1;
	for (size_t i = 0; i < ARRAY_SIZE(units) && unit.n; i++) {
		if (unit.n == 1 && unit.s[0] == units[i].letter) {
			*s = units[i].seconds;
			return true;
		}
	}
	return !unit.n;
}

/* Digits and an optional unit letter (spec/cli.md 3). */
static int parse_duration(const char *text, uint64_t *seconds, struct err *e)
{
	size_t n = strspn(text, "0123456789");
	struct str digits = { text, n }, unit = str_from(text + n);
	uint64_t factor;

	if (!*text)
		return err_set(e, ERR_BAD_REQUEST, "duration is empty");
	if (!n)
		return err_set(e, ERR_BAD_REQUEST, "invalid duration '%s': it must begin with digits", text);
	if (!unit_seconds(unit, &factor))
		return err_set(e, ERR_BAD_REQUEST, "unknown duration unit '%s'. Supported: s, m, h, d, w", unit.s);
	if (!str_to_u64(digits, seconds) || __builtin_mul_overflow(*seconds, factor, seconds))
		return err_set(e, ERR_BAD_REQUEST, "invalid duration '%s': the number is too large", text);
	return 0;
}

static int take_policy(const struct invocation *inv, struct cleanup_opts *o, struct err *e)
{
	const char *keep = flag_value(inv, "keep"), *age = flag_value(inv, "older-than");
	int rc = age ? parse_duration(age, &o->older_than_s, e) : 0;

	if (rc)
		return rc;
	o->by_age = age != NULL;
	o->by_count = keep != NULL;
	if (keep && (!str_to_u64(str_from(keep), &o->keep_versions) || o->keep_versions > UINT32_MAX))
		return err_set(e, ERR_BAD_REQUEST, "invalid value '%s' for '--keep <N>': more than %u", keep,
			       UINT32_MAX);
	if (!o->by_age && !o->by_count)
		return err_set(e, ERR_BAD_REQUEST, "cleanup requires at least one of --keep or --older-than");
	return 0;
}

static const char *policy_text(struct invocation *inv, const struct cleanup_opts *o)
{
	struct strbuf b = STRBUF_INIT;
	const char *text;

	if (o->by_count)
		sb_addf(&b, "keep %llu versions", (unsigned long long)o->keep_versions);
	if (o->by_age)
		sb_addf(&b, "%sremove anything older than %llus", b.n ? ", " : "", (unsigned long long)o->older_than_s);
	text = arena_strdup(&inv->arena, b.s);
	sb_free(&b);
	return text;
}

/* --- cleanup: what was done --------------------------------------------------------------------------------------------- */

static void opt_u64(struct json_writer *w, const char *name, bool given, uint64_t v)
{
	if (given)
		jw_ku64(w, name, v);
	else
		jw_knull(w, name);
}

static void cleanup_doc(const char *uri, const struct cleanup_opts *o, const struct cleanup_result *r,
			struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "uri", uri);
	opt_u64(&w, "keep_versions", o->by_count, o->keep_versions);
	opt_u64(&w, "older_than_secs", o->by_age, o->older_than_s);
	cleanup_result_json(r, &w);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

static void cleanup_text(const char *uri, const char *policy, const struct cleanup_result *r, struct strbuf *out)
{
	uint64_t versions = 0, bytes = 0;
	struct strbuf failed = STRBUF_INIT;
	uint32_t n_failed = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		versions += r->types[i].old_versions_removed;
		bytes += r->types[i].bytes_removed;
		if (!r->types[i].error)
			continue;
		if (n_failed++)
			sb_addz(&failed, ", ");
		subject(r->types[i].type, &failed);
	}
	sb_addf(out, "cleanup %s (%s) — removed %llu versions (%llu bytes) across %u datasets\n", uri, policy,
		(unsigned long long)versions, (unsigned long long)bytes, r->n - n_failed);
	if (n_failed)
		sb_addf(out, "  %u dataset(s) failed and will be retried on the next cleanup: %s\n", n_failed,
			failed.s);
	sb_free(&failed);
}

static int run_cleanup(struct invocation *inv, const char *uri, const struct cleanup_opts *o, struct strbuf *out,
		       struct err *e)
{
	struct cleanup_result r = { 0 };
	struct graph *g = NULL;
	int rc = confirm_destructive(inv, "cleanup", uri, e);

	if (!rc)
		rc = open_target(inv, "cleanup", uri, &g, e);
	if (!rc)
		rc = graph_cleanup(g, o, &r, e);
	if (!rc && flag_given(inv, "json"))
		cleanup_doc(uri, o, &r, out);
	else if (!rc)
		cleanup_text(uri, policy_text(inv, o), &r, out);
	cleanup_result_clear(&r);
	graph_close(g);
	return rc;
}

int cmd_cleanup(struct invocation *inv)
{
	struct cleanup_opts o = { 0 };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	const char *uri;
	int rc = scope_graph(inv, inv->n_pos ? inv->pos[0] : NULL, &uri, &e);

	if (!rc)
		rc = take_policy(inv, &o, &e);
	if (!rc && !flag_given(inv, "confirm")) {
		fprintf(stderr, "cleanup is destructive — rerun with --confirm. Policy for %s: %s\n", uri,
			policy_text(inv, &o));
		return EXIT_DONE;
	}
	if (!rc)
		rc = run_cleanup(inv, uri, &o, &out, &e);
	return rc ? fail(&e, flag_given(inv, "json")) : out_text(&out);
}

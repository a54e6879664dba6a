/* SPDX-License-Identifier: MIT */
/*
 * Every read query of the sample graphs, on their data, for every slug, kind, phase, ... that occurs; several are compared with
 * what the JSON lines themselves say. Skipped when ../shared/data is not there (it is no part of the source).
 */
#include <dirent.h>
#include <unistd.h>

#include "engine/query/ast.h"

#include "fixture.h"

struct sample {
	struct fix f;
	struct strbuf text;
	struct json **lines;
	size_t n, cap;
	struct snapshot *s;
};

static const char *data_dir(void)
{
	static const char *const places[] = { "../shared/data", "../../shared/data", "/work/shared/data" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (!access(places[i], R_OK))
			return places[i];
	}
	return NULL;
}

static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	struct str *s = arg;

	(void)e;
	if (n > s->n)
		n = s->n;
	memcpy(buf, s->s, n);
	s->s += n;
	s->n -= n;
	return (long)n;
}

static void sample_parse(struct sample *m)
{
	size_t pos = 0;

	for (;;) {
		struct json *j;

		CHECK(!json_parse_next(&m->f.a, sb_str(&m->text), &pos, NULL, &j, NULL));
		if (!j)
			return;
		MEM_GROW(m->lines, m->n, m->cap);
		m->lines[m->n++] = j;
	}
}

static bool sample_open(struct sample *m, const char *name)
{
	struct load_opts opts = { .mode = LOAD_OVERWRITE, .shape = LOAD_PERMISSIVE };
	struct load_result res = { 0 };
	struct strbuf schema = STRBUF_INIT;
	const char *dir = data_dir();
	struct err e = ERR_INIT;
	struct str in;
	char path[256];

	if (!dir) {
		printf("# skipped: ../shared/data is not there\n");
		return false;
	}
	*m = (struct sample){ 0 };
	snprintf(path, sizeof(path), "%s/%s/schema.pg", dir, name);
	FIX_OK(file_read(path, 1 << 20, &schema, &e), &e);
	fix_open(&m->f, schema.s);
	sb_free(&schema);
	snprintf(path, sizeof(path), "%s/%s/seed.jsonl", dir, name);
	FIX_OK(file_read(path, 1 << 24, &m->text, &e), &e);
	in = sb_str(&m->text);
	FIX_OK(graph_load(m->f.g, &opts, read_text, &in, &res, &e), &e);
	load_result_clear(&res);
	sample_parse(m);
	FIX_OK(graph_snapshot(m->f.g, NULL, NULL, &m->s, &e), &e);
	return true;
}

static void sample_close(struct sample *m)
{
	snapshot_put(m->s);
	fix_close(&m->f);
	sb_free(&m->text);
	free(m->lines);
}

/* --- everything runs ------------------------------------------------------------------------------------- */

static struct val param_for(const struct param_decl *p, struct str text)
{
	if (p->type.scalar == SCALAR_DATETIME)
		return val_str(STR("2026-03-15T00:00:00Z"));
	CHECK(p->type.scalar == SCALAR_STRING);
	return val_str(text);
}

/* Distinct texts of the data: slugs, kinds, phases, words. */
static size_t all_texts(struct sample *m, struct str **out)
{
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct json *d = json_get(m->lines[i], "data");

		for (size_t k = 0; d && k < d->n; k++) {
			bool seen = d->items[k].type != JSON_STRING || d->items[k].text.n > 40;

			for (size_t x = 0; !seen && x < n; x++)
				seen = str_eq((*out)[x], d->items[k].text);
			if (seen)
				continue;
			MEM_GROW(*out, n, cap);
			(*out)[n++] = d->items[k].text;
		}
	}
	return n;
}

static uint64_t run_one(struct sample *m, const struct query *q, const struct val *vals)
{
	static const struct query_target target = { .branch = "main" };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t rows = 0;

	FIX_OK(graph_query(m->f.g, m->s, q, vals, &target, true, &out, &e), &e);
	CHECK(strstr(out.s, "\"row_count\":") != NULL);
	rows = strtoull(strstr(out.s, "\"row_count\":") + 12, NULL, 10);
	sb_free(&out);
	return rows;
}

static bool needs_embedding(const struct query *q)
{
	return q->decl.n_orderings &&
	       (q->decl.orderings[0].expr->kind == EX_NEAREST || q->decl.orderings[0].expr->kind == EX_RRF);
}

static void run_decl(struct sample *m, const struct query_decl *d, const struct str *texts, size_t n, uint64_t *queries,
		     uint64_t *fruitful)
{
	struct query *q = NULL;
	struct err e = ERR_INIT;
	uint64_t rows = 0;

	if (d->is_mutation)
		return;
	FIX_OK(query_compile((struct catalog *)snapshot_catalog(m->s), d, &q, &e), &e);
	if (!needs_embedding(q)) {
		struct val *vals = arena_array(&m->f.a, struct val, d->n_params + 1);

		for (size_t i = 0; i < (d->n_params ? n : 1); i++) {
			for (uint32_t k = 0; k < d->n_params; k++)
				vals[k] = param_for(&d->params[k], texts[i]);
			rows += run_one(m, q, vals);
		}
		++*queries;
		if (rows)
			++*fruitful;
		else
			printf("# no rows for any parameter: %.*s\n", STR_ARG(d->name));
	}
	query_free(q);
}

static void run_all(const char *name, uint64_t want)
{
	uint64_t queries = 0, fruitful = 0;
	struct str *texts = NULL;
	struct sample m;
	struct dirent *de;
	char path[512];
	size_t n;
	DIR *dir;

	if (!sample_open(&m, name))
		return;
	n = all_texts(&m, &texts);
	snprintf(path, sizeof(path), "%s/%s/queries", data_dir(), name);
	dir = opendir(path);
	CHECK(dir != NULL);
	while ((de = readdir(dir))) {
		struct strbuf src = STRBUF_INIT;
		struct query_file *file;
		struct err e = ERR_INIT;

		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/queries/%s", data_dir(), name, de->d_name);
		FIX_OK(file_read(path, 1 << 20, &src, &e), &e);
		FIX_OK(query_file_parse(sb_str(&src), &file, &e), &e);
		for (size_t i = 0; i < query_file_count(file); i++)
			run_decl(&m, query_file_at(file, i), texts, n, &queries, &fruitful);
		query_file_free(file);
		sb_free(&src);
	}
	closedir(dir);
	printf("# %s: %d read queries, %d with rows\n", name, (int)queries, (int)fruitful);
	CHECK_INT(queries, want);
	CHECK(fruitful * 10 >= queries * 8);
	free(texts);
	sample_close(&m);
}

static void industry_runs(void)
{
	run_all("industry-intel", 40);
}

static void pharma_runs(void)
{
	run_all("pharma-intel", 70);
}

/* --- compared with the lines ------------------------------------------------------------------------------- */

static const char *field(const struct json *j, const char *name)
{
	const struct json *v = json_get(j, name);

	return v && v->type == JSON_STRING ? v->text.s : NULL;
}

/* JSON strings are not NUL-terminated: compare as slices. */
static bool is(const struct json *j, const char *name, struct str want)
{
	const struct json *v = json_get(j, name);

	return v && v->type == JSON_STRING && str_eq(v->text, want);
}

static struct str text(const struct json *j, const char *name)
{
	return field(j, name) ? json_get(j, name)->text : (struct str){ NULL, 0 };
}

static const struct json *node(const struct sample *m, const char *type, struct str slug)
{
	for (size_t i = 0; i < m->n; i++) {
		if (is(m->lines[i], "type", str_from(type)) && is(json_get(m->lines[i], "data"), "slug", slug))
			return json_get(m->lines[i], "data");
	}
	return NULL;
}

static size_t edges(const struct sample *m, const char *type, struct str from, struct str to, const struct json **out)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct json *j = m->lines[i];

		if (is(j, "edge", str_from(type)) && (!from.s || is(j, "from", from)) && (!to.s || is(j, "to", to))) {
			if (out)
				out[n] = j;
			n++;
		}
	}
	return n;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *bag(struct sample *m, char **rows, size_t n)
{
	struct strbuf sb = STRBUF_INIT;
	struct str t;

	qsort(rows, n, sizeof(*rows), by_text);
	for (size_t i = 0; i < n; i++)
		sb_addf(&sb, "%s%s", i ? "; " : "", rows[i]);
	t = arena_str(&m->f.a, sb_str(&sb));
	sb_free(&sb);
	return t.s;
}

static const char *quoted(struct sample *m, struct str s)
{
	return arena_printf(&m->f.a, "\"%.*s\"", STR_ARG(s));
}

#define NONE ((struct str){ NULL, 0 })

/* Who forms each pattern. */
static void compare_pattern_signals(struct sample *m)
{
	const struct json **e = arena_array(&m->f.a, const struct json *, m->n);
	char **rows = arena_array(&m->f.a, char *, m->n);

	for (size_t i = 0; i < m->n; i++) {
		struct str slug = text(json_get(m->lines[i], "data"), "slug");
		size_t n;

		if (!is(m->lines[i], "type", STR("Pattern")))
			continue;
		n = edges(m, "FormsPattern", NONE, slug, e);
		for (size_t k = 0; k < n; k++)
			rows[k] = (char *)quoted(m, text(e[k], "from"));
		CHECK_STR(fix_bag(&m->f,
				  QP("$slug: String", "match { $p: Pattern { slug: $slug } $s formsPattern $p } "
						      "return { $s.slug }"),
				  arena_printf(&m->f.a, "{\"slug\":\"%.*s\"}", STR_ARG(slug))),
			  bag(m, rows, n));
	}
}

static void compare_orphans(struct sample *m)
{
	char **rows = arena_array(&m->f.a, char *, m->n);
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct str slug = text(json_get(m->lines[i], "data"), "slug");

		if (is(m->lines[i], "type", STR("Signal")) && !edges(m, "FormsPattern", slug, NONE, NULL) &&
		    !edges(m, "ContradictsPattern", slug, NONE, NULL))
			rows[n++] = (char *)quoted(m, slug);
	}
	CHECK_STR(fix_bag(&m->f,
			  Q("match { $s: Signal not { $s formsPattern $_ } not { $s contradictsPattern $_ } } "
			    "return { $s.slug }"),
			  NULL),
		  bag(m, rows, n));
}

/* Patterns by the number of their signals since a day, and those without any. */
static void compare_momentum(struct sample *m)
{
	static const char since[] = "2026-03-15T00:00:00Z";
	const struct json **e = arena_array(&m->f.a, const struct json *, m->n);
	char **rows = arena_array(&m->f.a, char *, m->n), **stale = arena_array(&m->f.a, char *, m->n);
	size_t n = 0, n_stale = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct str slug = text(json_get(m->lines[i], "data"), "slug");
		size_t k, hits = 0, n_edges;

		if (!is(m->lines[i], "type", STR("Pattern")))
			continue;
		n_edges = edges(m, "FormsPattern", NONE, slug, e);
		for (k = 0; k < n_edges; k++) {
			const struct json *s = node(m, "Signal", text(e[k], "from"));

			/* the data spells all instants alike */
			hits += s && str_cmp(text(s, "stagingTimestamp"), STR(since)) >= 0;
		}
		if (hits)
			rows[n++] = arena_printf(&m->f.a, "\"%.*s\",%zu", STR_ARG(slug), hits);
		else
			stale[n_stale++] = (char *)quoted(m, slug);
	}
	CHECK_STR(fix_bag(&m->f,
			  QP("$since: DateTime", "match { $p: Pattern $s formsPattern $p "
						 "$s.stagingTimestamp >= $since } return { $p.slug, count($s) as n }"),
			  "{\"since\":\"2026-03-15T00:00:00Z\"}"),
		  bag(m, rows, n));
	CHECK_STR(fix_bag(&m->f,
			  QP("$since: DateTime", "match { $p: Pattern not { $s formsPattern $p "
						 "$s.stagingTimestamp >= $since } } return { $p.slug }"),
			  "{\"since\":\"2026-03-15T00:00:00Z\"}"),
		  bag(m, stale, n_stale));
}

static void industry_agrees(void)
{
	struct sample m;

	if (!sample_open(&m, "industry-intel"))
		return;
	compare_pattern_signals(&m);
	compare_orphans(&m);
	compare_momentum(&m);
	sample_close(&m);
}

/* Signals about any compound of a mechanism: two joins. */
static void compare_mechanisms(struct sample *m)
{
	const struct json **c = arena_array(&m->f.a, const struct json *, m->n);
	const struct json **s = arena_array(&m->f.a, const struct json *, m->n);
	char **rows = arena_array(&m->f.a, char *, m->n);
	size_t total = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct str slug = text(json_get(m->lines[i], "data"), "slug");
		size_t n = 0, n_c, n_s;

		if (!is(m->lines[i], "type", STR("Mechanism")))
			continue;
		n_c = edges(m, "TargetsMechanism", NONE, slug, c);
		for (size_t k = 0; k < n_c; k++) {
			n_s = edges(m, "AboutCompound", NONE, text(c[k], "from"), s);
			for (size_t x = 0; x < n_s; x++)
				rows[n++] = arena_printf(&m->f.a, "%s,%s", quoted(m, text(s[x], "from")),
							 quoted(m, text(c[k], "from")));
		}
		total += n;
		CHECK_STR(fix_bag(&m->f,
				  QP("$slug: String", "match { $m: Mechanism { slug: $slug } $c targetsMechanism $m "
						      "$s aboutCompound $c } return { $s.slug, $c.slug }"),
				  arena_printf(&m->f.a, "{\"slug\":\"%.*s\"}", STR_ARG(slug))),
			  bag(m, rows, n));
	}
	CHECK(total > 0);
}

/* Compounds of a phase, in order of their names. */
static void compare_phase(struct sample *m, const char *phase)
{
	char **rows = arena_array(&m->f.a, char *, m->n);
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct json *d = json_get(m->lines[i], "data");

		if (is(m->lines[i], "type", STR("Compound")) && is(d, "phase", str_from(phase)))
			rows[n++] = (char *)quoted(m, text(d, "name"));
	}
	CHECK_STR(fix_rows(&m->f,
			   QP("$phase: String", "match { $c: Compound { phase: $phase } } return { $c.name } "
						"order { $c.name }"),
			   arena_printf(&m->f.a, "{\"phase\":\"%s\"}", phase)),
		  bag(m, rows, n));
}

static void pharma_agrees(void)
{
	static const char *const phases[] = { "preclinical", "phase-1", "phase-2", "phase-3", "approved" };
	struct sample m;

	if (!sample_open(&m, "pharma-intel"))
		return;
	compare_mechanisms(&m);
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		compare_phase(&m, phases[i]);
	sample_close(&m);
}

CHECK_MAIN("engine/query/samples", { "every read query of industry-intel runs", industry_runs },
	   { "every read query of pharma-intel runs", pharma_runs },
	   { "QRY-08 QRY-15 QRY-35 industry-intel agrees with its lines", industry_agrees },
	   { "QRY-08 QRY-10 pharma-intel agrees with its lines", pharma_agrees }, )

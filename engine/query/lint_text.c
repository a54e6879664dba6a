/* SPDX-License-Identifier: MIT */
/* The human form of a lint report (spec/cli.md 11.16). */
#include <omnigraph/json.h>
#include <omnigraph/query.h>

static struct str text_of(const struct json *obj, const char *key)
{
	const struct json *v = json_get_nonnull(obj, key);

	return v ? v->text : STR("");
}

static size_t length(const struct json *v)
{
	return v ? v->n : 0;
}

static void result_lines(const struct json *r, struct strbuf *out)
{
	const struct json *warnings = json_get(r, "warnings");
	struct str name = text_of(r, "name"), why = text_of(r, "error");

	if (str_eqz(text_of(r, "status"), "ok"))
		sb_addf(out, "OK    query `%.*s` (%.*s)\n", STR_ARG(name), STR_ARG(text_of(r, "kind")));
	else
		sb_addf(out, "ERROR query `%.*s`: %.*s\n", STR_ARG(name), STR_ARG(why));
	for (size_t i = 0; i < length(warnings); i++)
		sb_addf(out, "WARN  query `%.*s`: %.*s\n", STR_ARG(name), STR_ARG(warnings->items[i].text));
}

static void finding_line(const struct json *f, struct strbuf *out)
{
	struct str severity = text_of(f, "severity");
	const char *label = str_eqz(severity, "error") ? "ERROR" : str_eqz(severity, "warning") ? "WARN " : "INFO ";

	sb_addf(out, "%s %.*s\n", label, STR_ARG(text_of(f, "message")));
}

int query_lint_text(struct str report_json, struct strbuf *out, struct err *e)
{
	const struct json *results, *findings;
	struct arena a = ARENA_INIT;
	struct json *r;
	int rc = json_parse(&a, report_json, NULL, &r, e);

	if (rc)
		goto out;
	results = json_get(r, "results");
	findings = json_get(r, "findings");
	for (size_t i = 0; i < length(results); i++)
		result_lines(&results->items[i], out);
	for (size_t i = 0; i < length(findings); i++)
		finding_line(&findings->items[i], out);
	sb_addf(out,
		"INFO  Lint complete: %.*s queries processed (%.*s error(s), %.*s warning(s), %.*s info item(s))\n",
		STR_ARG(text_of(r, "queries_processed")), STR_ARG(text_of(r, "errors")),
		STR_ARG(text_of(r, "warnings")), STR_ARG(text_of(r, "infos")));
out:
	arena_free(&a);
	return rc;
}

/* SPDX-License-Identifier: MIT */
/* version, lint, failpoints. */
#include <omnigraph/failpoint.h>
#include <omnigraph/limits.h>
#include <omnigraph/query.h>

#include "tools/cli/cmd.h"

static const struct feature {
	const char *name;
	bool on;
} features[] = {
	{ "cedar",
#ifdef CONFIG_SECURITY_CEDAR
	  true
#endif
	},
	{ "embed",
#ifdef CONFIG_ENGINE_EMBED
	  true
#endif
	},
	{ "failpoints",
#ifdef CONFIG_FAILPOINTS
	  true
#endif
	},
	{ "fts",
#ifdef CONFIG_ENGINE_FTS
	  true
#endif
	},
	{ "remote",
#ifdef CONFIG_CLI_REMOTE
	  true
#endif
	},
	{ "s3",
#ifdef CONFIG_FS_S3
	  true
#endif
	},
	{ "sim",
#ifdef CONFIG_FS_SIM
	  true
#endif
	},
	{ "simd",
#ifdef CONFIG_ARCH_SIMD
	  true
#endif
	},
	{ "vector",
#ifdef CONFIG_ENGINE_VECTOR
	  true
#endif
	},
};

int cmd_version(struct invocation *inv)
{
	struct strbuf out = STRBUF_INIT;

	sb_addf(&out, "omnigraph %s\ninternal-schema %d\nfeatures", OMNIGRAPH_VERSION, GRAPH_FORMAT_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		sb_addf(&out, " %c%s", features[i].on ? '+' : '-', features[i].name);
	sb_addch(&out, '\n');
	return out_text(&out);
}

int cmd_failpoints_list(struct invocation *inv)
{
#ifdef CONFIG_FAILPOINTS
	struct strbuf out = STRBUF_INIT;
	const char *name, *where;

	for (unsigned i = 0; (name = failpoint_name(i, &where)); i++)
		sb_addf(&out, "%-48s %s\n", name, where);
	return out_text(&out);
#else
	return refuse("this build has no fault points; enable CONFIG_FAILPOINTS in menuconfig and rebuild");
#endif
}

/* --- lint -------------------------------------------------------------------------------------------------------------- */

/* {"kind":"file","path":..} or {"kind":"graph","uri":..} */
static void source_json(const char *kind, const char *member, const char *value, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "kind", kind);
	jw_kstrz(&w, member, value);
	jw_end_object(&w);
}

static int lint_catalog(struct invocation *inv, struct catalog **out, struct strbuf *source, struct err *e)
{
	const char *schema = flag_value(inv, "schema");
	struct strbuf text = STRBUF_INIT;
	struct addressed a = { 0 };
	struct snapshot *s = NULL;
	int rc;

	if (schema) {
		source_json("file", "path", schema, source);
		rc = read_input(schema, LIMIT_SCHEMA_BYTES, &text, e);
		if (!rc)
			rc = catalog_compile(sb_str(&text), NULL, "00000000000000000000000000", out, e);
		sb_free(&text);
		return rc;
	}
	rc = open_addressed(inv, inv->n_pos ? inv->pos[0] : NULL, true, &a, e);
	if (!rc)
		rc = graph_snapshot(a.g, NULL, NULL, &s, e);
	if (!rc) {
		source_json("graph", "uri", a.uri, source);
		*out = catalog_get((struct catalog *)snapshot_catalog(s));
	}
	snapshot_put(s);
	graph_close(a.g);
	return rc;
}

int cmd_lint(struct invocation *inv)
{
	const char *path = flag_value(inv, "query");
	struct strbuf source = STRBUF_INIT, text = STRBUF_INIT, report = STRBUF_INIT, out = STRBUF_INIT;
	struct catalog *c = NULL;
	uint32_t errors = 0;
	struct json_writer w;
	struct err e = ERR_INIT;
	int rc = lint_catalog(inv, &c, &source, &e);

	if (!rc)
		rc = read_input(path, LIMIT_QUERY_BYTES, &text, &e);
	if (!rc) {
		jw_init(&w, &report, flag_given(inv, "json"));
		rc = query_lint(c, sb_str(&text), path, sb_str(&source), &w, &errors, &e);
	}
	if (!rc && flag_given(inv, "json")) {
		sb_adds(&out, sb_str(&report));
		sb_addch(&out, '\n');
	} else if (!rc) {
		rc = query_lint_text(sb_str(&report), &out, &e);
	}
	catalog_put(c);
	sb_free(&source);
	sb_free(&text);
	sb_free(&report);
	if (rc)
		return fail(&e, false);
	rc = out_text(&out);
	return rc ? rc : errors ? EXIT_FAILED : EXIT_DONE;
}

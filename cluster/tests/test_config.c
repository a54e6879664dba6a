/* SPDX-License-Identifier: MIT */
#include "cluster/tests/fixture.h"

#define D_SCHEMA "6d4c9b014bfadb88f142424d8606b50436b761ef6723693524c9277d9e14b678"
#define D_QUERY "609e4f33f6ba7208c072c8752a77fde38042776fb5a4e1de9607ec157e5a1058"
#define D_POLICY "7f2c43106364d8112fcc3060e4ab8b20f5d1a17d9cbf3c2540529663004adff8"
#define D_PROVIDER "614a9148cb75b619a405eadcc1c22532024b6e86711ecb01b4cdeed2beeaf0e7"
#define D_GRAPH "a7fbecbd59ef3953cf79d8cdc78d194e5fe875830b664d73f6a3e3d568247e75"
#define D_GRAPH_BLOBS "7539b96ee80aec535e24a826f3c0f87530b91abf569097073f66518222f4154c"
#define D_GRAPH_BARE "38f2fe0b4bebc547417ca20bd1b34f770ebe743fd4c8516879f7c81565bcf0da"
#define D_CONFIG "622a9e6e61b58803dc0b71128abb533d61e0a615760fac68b8dc56ff4aed8d14"
#define D_CONFIG_EMPTY "00596c0ba33c57e264030957f7a82a9f5407338547350892669dc91b4bde8e5d"

/* validate a configuration that must be refused with one code at one path */
static void refused(const char *yaml, const char *code, const char *path)
{
	fx_begin(yaml);
	fx_run(CLUSTER_VALIDATE);
	CHECK_MSG(!fx.report.ok, "accepted: %s", yaml);
	CHECK_ERROR(code, path);
	fx_end();
}

/* one graph with more keys in it */
static const char *graph_with(const char *more)
{
	static char yaml[2048];

	snprintf(yaml, sizeof(yaml), "version: 1\ngraphs:\n  books:\n    schema: books.pg\n%s", more);
	return yaml;
}

static const char *config_digest(void)
{
	fx_run(CLUSTER_PLAN);
	return text_at("desired_revision", "config_digest");
}

/* --- digests --------------------------------------------------------------------------------------------- */

static void digest_vectors(void)
{
	fx_begin(LIBRARY);
	fx_ok(CLUSTER_VALIDATE);
	CHECK_STR(text_at("resource_digests", "schema.books"), D_SCHEMA);
	CHECK_STR(text_at("resource_digests", "query.books.by_title"), D_QUERY);
	CHECK_STR(text_at("resource_digests", "policy.readers"), D_POLICY);
	CHECK_STR(text_at("resource_digests", "provider.embedding.local"), D_PROVIDER);
	CHECK_STR(text_at("resource_digests", "graph.books"), D_GRAPH);
	CHECK_STR(config_digest(), D_CONFIG);
	fx_end();
}

static void composite_variants(void)
{
	fx_begin(ONE_GRAPH);
	fx_ok(CLUSTER_VALIDATE);
	CHECK_STR(text_at("resource_digests", "graph.books"), D_GRAPH_BARE);
	fx_begin(LIBRARY);
	fx_edit("cluster.yaml", "    embedding_provider: local\n",
		"    embedding_provider: provider.embedding.local\n    external_blobs:\n      allow:\n"
		"        - { base: 'S3://Assets/covers', scope: server_safe }\n");
	fx_ok(CLUSTER_VALIDATE);
	CHECK_STR(text_at("resource_digests", "graph.books"), D_GRAPH_BLOBS);
	fx_begin("version: 1\n");
	CHECK_STR(config_digest(), D_CONFIG_EMPTY);
	fx_end();
}

static void layout_does_not_matter(void)
{
	fx_begin("# the library\nversion: 1\n\nmetadata:\n  name: \"library\" # its name\nstorage: ~\n"
		 "policies: {readers: {applies_to: ['books'], file: readers.policy.yaml}}\n"
		 "graphs: {books: {queries: {by_title: {file: books.gq}}, schema: books.pg, embedding_provider: "
		 "local}}\n"
		 "providers:\n  embedding:\n    local:\n      provider: mock\n      model: shelf-v1\n");
	CHECK_STR(config_digest(), D_CONFIG);
	fx_edit("cluster.yaml", "'books'", "graph.books");
	CHECK(strcmp(config_digest(), D_CONFIG) != 0);
	fx_end();
}

static void deny_has_no_marker(void)
{
	fx_begin(graph_with("    external_blobs: { allow: [] }\n"));
	fx_ok(CLUSTER_VALIDATE);
	CHECK_STR(text_at("resource_digests", "graph.books"), D_GRAPH_BARE);
	CHECK_WARNING("external_blob_ingress_default_deny", "graphs.books.external_blobs");
	fx_ok(CLUSTER_IMPORT);
	fx_ok(CLUSTER_APPLY);
	CHECK(!strstr(fx_read(STATE), "external_blob_policy"));
	fx_end();
}

/* --- the report of validate -------------------------------------------------------------------------------- */

static void validate_report(void)
{
	const struct json *r;

	fx_begin(LIBRARY);
	fx_ok(CLUSTER_VALIDATE);
	CHECK_STR(text_at("config_dir"), fx.dir);
	CHECK_STR(text_at("config_file"), fx_path("cluster.yaml"));
	r = at("resources");
	CHECK_INT(r->n, 5);
	CHECK_STR(fx_text(in(&r->items[0], "address")), "graph.books");
	CHECK_STR(fx_text(in(&r->items[0], "path")), "");
	CHECK_STR(fx_text(in(&r->items[1], "path")), fx_path("readers.policy.yaml"));
	CHECK_STR(fx_text(in(&r->items[2], "kind")), "embedding_provider");
	CHECK_STR(text_at("dependencies"), "[{\"from\":\"graph.books\",\"to\":\"provider.embedding.local\"},"
					   "{\"from\":\"policy.readers\",\"to\":\"graph.books\"},"
					   "{\"from\":\"query.books.by_title\",\"to\":\"graph.books\"},"
					   "{\"from\":\"query.books.by_title\",\"to\":\"schema.books\"},"
					   "{\"from\":\"schema.books\",\"to\":\"graph.books\"}]");
	CHECK_HAS(fx.report.text.s, "cluster config valid: 5 resource(s), 5 dependency edge(s)\nWARN  ");
	fx_end();
}

static void validate_failure(void)
{
	fx_begin("version: 1\ngraphs: { books: { schema: none.pg, queries: { by_title: { file: books.gq } } } }\n");
	fx_run(CLUSTER_VALIDATE);
	CHECK(!fx.report.ok);
	CHECK_ERROR("schema_file_missing", "graphs.books.schema");
	CHECK_WARNING("query_typecheck_skipped", "graphs.books.queries.by_title");
	CHECK_STR(text_at("resource_digests", "query.books.by_title"), D_QUERY);
	CHECK(!fx_diag("external_blob_ingress_default_deny"));
	CHECK(!strncmp(fx.report.text.s,
		       "cluster config invalid\nERROR schema_file_missing graphs.books.schema: ", 70));
	CHECK(!fx_exists("__cluster"));
	fx_end();
}

static void config_errors_create_nothing(void)
{
	static const enum cluster_command all[] = { CLUSTER_PLAN, CLUSTER_APPLY, CLUSTER_REFRESH, CLUSTER_IMPORT,
						    CLUSTER_STATUS };

	fx_begin("version: 2\n");
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		fx_run(all[i]);
		CHECK(!fx.report.ok);
		CHECK_ERROR("unsupported_cluster_config_version", "version");
		CHECK(!fx_exists("__cluster"));
	}
	fx_approve("graph.books");
	CHECK(!fx.report.ok);
	fx_unlock("01K20000000000000000000000");
	CHECK(!fx.report.ok);
	CHECK(!fx_exists("__cluster") && !fx_exists("graphs"));
	fx_end();
}

/* --- errors of cluster.yaml -------------------------------------------------------------------------------- */

static void key_errors(void)
{
	refused("version: 1\nversion: 1\n", "duplicate_yaml_key", "version");
	CHECK(1);
	refused(graph_with("    external_blobs: { allow: [ { base: 's3://a/', scope: server_safe, scope: server_safe } "
			   "] }\n"),
		"duplicate_yaml_key", "graphs.books.external_blobs.allow[].scope");
	refused("version: 1\nui: {}\n", "future_phase_field", "ui");
	refused("version: 1\npipelines: 1\n", "future_phase_field", "pipelines");
	refused(graph_with("    streaming: {}\n"), "removed_streaming_declaration", "graphs.books.streaming");
	refused("version: 1\nnonsense: 1\n", "invalid_cluster_yaml", "cluster.yaml");
	refused(graph_with("    color: red\n"), "invalid_cluster_yaml", "cluster.yaml");
}

static void key_error_texts(void)
{
	fx_begin("version: 1\ngraphs: {}\n\ngraphs: {}\n");
	fx_run(CLUSTER_VALIDATE);
	CHECK_STR(diag_message("duplicate_yaml_key"), "duplicate YAML key `graphs` on line 4");
	CHECK_STR(text_at("resource_digests"), "{}");
	fx_begin(graph_with("    color: red\n"));
	fx_run(CLUSTER_VALIDATE);
	CHECK_HAS(diag_message("invalid_cluster_yaml"), "could not parse cluster.yaml: ");
	CHECK_HAS(diag_message("invalid_cluster_yaml"), "unknown field `color`");
	fx_end();
}

static void syntax_errors(void)
{
	refused("version: [1\n", "invalid_cluster_yaml", "cluster.yaml");
	refused("", "invalid_cluster_yaml", "cluster.yaml");
	refused("- a\n", "invalid_cluster_yaml", "cluster.yaml");
	refused("graphs: {}\n", "invalid_cluster_yaml", "cluster.yaml");
	refused("version: one\n", "invalid_cluster_yaml", "cluster.yaml");
	refused("version: 1\ngraphs: { books: }\n", "invalid_cluster_yaml", "cluster.yaml");
	refused("version: 1\ngraphs: [ books ]\n", "invalid_cluster_yaml", "cluster.yaml");
	refused("version: 1\nstate: { lock: maybe }\n", "invalid_cluster_yaml", "cluster.yaml");
	refused(graph_with("    external_blobs: { allow: [ { base: 's3://a', scope: all } ] }\n"),
		"invalid_cluster_yaml", "cluster.yaml");
	refused("version: 1\npolicies: { readers: { file: readers.policy.yaml } }\n", "invalid_cluster_yaml",
		"cluster.yaml");
}

static void missing_files(void)
{
	struct cluster_args args = { .config_dir = "/nonexistent/dir" };

	fx_run_args(CLUSTER_VALIDATE, &args);
	CHECK_ERROR("config_dir_not_found", "/nonexistent/dir");
	fx_begin("");
	fx_remove("cluster.yaml");
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("cluster_config_read_error", "cluster.yaml");
	fx_end();
}

static void header_errors(void)
{
	fx_begin("version: 3\nmetadata: { name: ' ' }\nstorage: ''\nstate: { backend: s3 }\n");
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("unsupported_cluster_config_version", "version");
	CHECK_ERROR("empty_metadata_name", "metadata.name");
	CHECK_ERROR("unsupported_state_backend", "state.backend");
	CHECK_ERROR("invalid_storage_root", "storage");
	fx_end();
	refused("version: 1\nstorage: s3://\n", "invalid_storage_root", "storage");
}

static void unusable_root_shows_the_directory(void)
{
	fx_begin("version: 1\nstorage: 's3:///x'\n");
	fx_run(CLUSTER_STATUS);
	CHECK_INT(fx.json && fx_count_diags("invalid_storage_root") == 1, 1);
	CHECK(!fx_diag("storage_root_invalid"));
	CHECK_STR(text_at("state_observations", "state_path"), fx_path(STATE));
	fx_end();
}

static void id_errors(void)
{
	refused("version: 1\ngraphs: { 9books: { schema: books.pg } }\n", "invalid_resource_id", "graphs.9books");
	refused("version: 1\npolicies: { a b: { file: readers.policy.yaml, applies_to: [cluster] } }\n",
		"invalid_resource_id", "policies.a b");
	refused("version: 1\nproviders: { embedding: { a.b: { kind: mock } } }\n", "invalid_resource_id",
		"providers.embedding.a.b");
	refused(graph_with("    queries: { by-title!: { file: books.gq } }\n"), "invalid_resource_id",
		"graphs.books.queries.by-title!");
}

static void provider_errors(void)
{
	refused("version: 1\nproviders: { embedding: { p: { kind: hal } } }\n", "invalid_embedding_provider",
		"providers.embedding.p");
	refused("version: 1\nproviders: { embedding: { p: { api_key: sk-123 } } }\n", "embedding_api_key_inline",
		"providers.embedding.p.api_key");
	refused("version: 1\nproviders: { embedding: { p: { kind: mock, api_key: '${}' } } }\n",
		"embedding_api_key_inline", "providers.embedding.p.api_key");
	refused("version: 1\nproviders: { embedding: { p: { kind: gemini } } }\n", "embedding_api_key_required",
		"providers.embedding.p.api_key");
	refused(graph_with("    embedding_provider: nobody\n"), "dangling_embedding_provider_reference",
		"graphs.books.embedding_provider");
	refused(graph_with("    embedding_provider: policy.x\n"), "wrong_kind_reference",
		"graphs.books.embedding_provider");
}

static void secrets_are_not_needed(void)
{
	fx_applied("version: 1\nproviders: { embedding: { p: { api_key: ' ${OG_TEST_UNSET} ' } } }\n"
		   "graphs: { books: { schema: books.pg, embedding_provider: p } }\n");
	CHECK_STR(
		fx_text(in(fx_ledger(), "applied_revision", "resources", "provider.embedding.p", "embedding_profile")),
		"{\"api_key\":\" ${OG_TEST_UNSET} \"}");
	fx_end();
}

static void schema_errors(void)
{
	fx_begin(ONE_GRAPH);
	fx_write("books.pg", "node {");
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("schema_parse_error", "graphs.books.schema");
	fx_write("books.pg", "node Book { title: String @key }\nedge Of: Book -> Nobody\n");
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("schema_catalog_error", "graphs.books.schema");
	fx_end();
}

/* --- queries ------------------------------------------------------------------------------------------------ */

static void query_forms(void)
{
	static const char *const forms[] = { "q/", "q", "[q/]", "q/a.gq", "[ q/a.gq, q/b.gq ]" };
	static const int counts[] = { 3, 3, 3, 2, 3 };

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		fx_begin(graph_with(""));
		fx_write("cluster.yaml", graph_with(arena_printf(&fx.arena, "    queries: %s\n", forms[i])));
		fx_write("q/a.gq", "query two() { match { $b: Book } return { $b.title } }\n"
				   "query one() { match { $b: Book } return { $b.title } }\n");
		fx_write("q/b.gq", "query three() { match { $b: Book } return { $b.title } }\n");
		fx_write("q/c.txt", "nonsense");
		fx_write("q/deep/d.gq", "nonsense");
		fx_ok(CLUSTER_VALIDATE);
		CHECK_INT(at("resource_digests")->n, counts[i] + 2);
		CHECK_STR(text_at("resource_digests", "query.books.one"),
			  text_at("resource_digests", "query.books.two"));
	}
	fx_end();
}

static void query_names_are_unique(void)
{
	fx_begin(graph_with("    queries: [ books.gq, other.gq ]\n"));
	fx_write("other.gq", BOOKS_GQ);
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("duplicate_query_name", "graphs.books.queries.by_title");
	CHECK_HAS(diag_message("duplicate_query_name"), "books.gq");
	CHECK_HAS(diag_message("duplicate_query_name"), "other.gq");
	fx_end();
}

static void discovery_errors(void)
{
	refused(graph_with("    queries: nowhere/\n"), "query_dir_unreadable", "graphs.books.queries");
	refused(graph_with("    queries: nowhere.gq\n"), "query_file_missing", "graphs.books.queries");
	refused(graph_with("    queries: books.pg\n"), "query_parse_error", "graphs.books.queries");
	fx_begin(graph_with("    queries: empty/\n"));
	fx_mkdir("empty/x");
	fx_run(CLUSTER_VALIDATE);
	CHECK(fx.report.ok);
	CHECK_WARNING("query_dir_empty", "graphs.books.queries");
	fx_end();
}

static void explicit_errors(void)
{
	refused(graph_with("    queries: { by_title: { file: none.gq } }\n"), "query_file_missing",
		"graphs.books.queries.by_title.file");
	refused(graph_with("    queries: { by_title: { file: books.pg } }\n"), "query_parse_error",
		"graphs.books.queries.by_title");
	refused(graph_with("    queries: { other: { file: books.gq } }\n"), "query_key_mismatch",
		"graphs.books.queries.other");
	fx_begin(graph_with("    queries: { by_title: { file: books.gq } }\n"));
	fx_edit("books.gq", "$b: Book {", "$b: Film {");
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("query_typecheck_error", "graphs.books.queries.by_title");
	fx_end();
}

static void only_the_named_query_is_checked(void)
{
	fx_begin(graph_with("    queries: { by_title: { file: two.gq } }\n"));
	fx_write("two.gq", BOOKS_GQ "query bad() { match { $f: Film } return { $f.name } }\n");
	fx_ok(CLUSTER_VALIDATE);
	CHECK_INT(at("resource_digests")->n, 3);
	fx_end();
}

/* --- policies ----------------------------------------------------------------------------------------------- */

static const char *policies(const char *text)
{
	return graph_with(arena_printf(&fx.arena, "  films: { schema: books.pg }\npolicies:\n%s", text));
}

static void policy_refused(const char *text, const char *code, const char *path)
{
	char *yaml = mem_strdup(policies(text));

	refused(yaml, code, path);
	free(yaml);
}

static void binding_errors(void)
{
	policy_refused("  p: { file: readers.policy.yaml, applies_to: [] }\n", "policy_missing_applies_to",
		       "policies.p.applies_to");
	policy_refused("  p: { file: readers.policy.yaml, applies_to: [books, cluster] }\n",
		       "policy_mixed_binding_kinds", "policies.p.applies_to");
	policy_refused("  p: { file: readers.policy.yaml, applies_to: [books, schema.books] }\n",
		       "wrong_kind_reference", "policies.p.applies_to[1]");
	policy_refused("  p: { file: readers.policy.yaml, applies_to: [graph.plays] }\n", "dangling_graph_reference",
		       "policies.p.applies_to[0]");
	policy_refused("  p: { file: none.yaml, applies_to: [books] }\n", "policy_file_missing", "policies.p.file");
}

static void one_bundle_per_scope(void)
{
	fx_begin("");
	fx_write("cluster.yaml", policies("  b: { file: readers.policy.yaml, applies_to: [books] }\n"
					  "  a: { file: readers.policy.yaml, applies_to: [films, graph.books] }\n"));
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("duplicate_policy_binding", "policies.b.applies_to");
	CHECK_HAS(diag_message("duplicate_policy_binding"), "'a' and 'b'");
	CHECK_HAS(diag_message("duplicate_policy_binding"), "graph.books");
	fx_end();
}

static void bindings_are_sorted(void)
{
	fx_begin("");
	fx_write("cluster.yaml",
		 policies("  p: { file: readers.policy.yaml, applies_to: [films, graph.books, films, books] }\n"));
	fx_ok(CLUSTER_IMPORT);
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(fx_text(in(fx_ledger(), "applied_revision", "resources", "policy.p", "applies_to")),
		  "[\"graph.books\",\"graph.films\"]");
	fx_end();
}

static void bundle_kind(const char *action, const char *scope, const char *text)
{
	fx_begin("");
	fx_write("cluster.yaml", policies(arena_printf(&fx.arena, "  p: { file: p.yaml, applies_to: [%s] }\n", scope)));
	fx_write("p.yaml",
		 arena_printf(&fx.arena,
			      "version: 1\ngroups: { g: [a] }\nrules:\n  - id: r\n    allow: { actors: { group: "
			      "g }, actions: [%s] }\n",
			      action));
	fx_run(CLUSTER_VALIDATE);
	if (text) {
		CHECK_ERROR("policy_invalid", "policies.p.file");
		CHECK_HAS(diag_message("policy_invalid"), text);
		CHECK_HAS(diag_message("policy_invalid"), action);
	} else {
		CHECK(fx.report.ok);
	}
	fx_end();
}

static void one_kind_per_bundle(void)
{
	bundle_kind("graph_list", "books", "server-scoped");
	bundle_kind("read", "cluster", "per-graph");
	bundle_kind("read", "books", NULL);
	bundle_kind("graph_list", "cluster", NULL);
	bundle_kind("reed", "books", "unknown variant");
}

/* --- external blobs ------------------------------------------------------------------------------------------ */

static void base_refused(const char *base, const char *scope)
{
	char yaml[4096];

	snprintf(yaml, sizeof(yaml), "%s", graph_with(""));
	snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
		 "    external_blobs: { allow: [ { base: '%s', scope: %s } ] }\n", base, scope);
	refused(yaml, "invalid_external_blob_base", "graphs.books.external_blobs.allow[0].base");
}

static void blob_bases_refused(void)
{
	static const char *const bad[] = {
		"",	      " s3://a/",     "s3:///x",     "s3://a/b//c", "s3://a/../b",     "s3://a/%2e%2e",
		"s3://a/%zz", "s3://a/b%2fc", "s3://a/?q=1", "s3://a/#f",   "s3://u@a/",       "s3://a:80/",
		"http://a/",  "s3://a/%00",   "s3://a\\b",   "/plain/path", "file://host/tmp", "file:///nonexistent-dir"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		base_refused(bad[i], "embedded_only");
	base_refused("file:///tmp", "server_safe");
}

static void blob_bases_normal_form(void)
{
	fx_begin(graph_with("    external_blobs:\n      allow:\n"
			    "        - { base: 's3://b/%7ex/a@b', scope: embedded_only }\n"
			    "        - { base: 'S3://A', scope: server_safe }\n"));
	fx_ok(CLUSTER_IMPORT);
	fx_ok(CLUSTER_APPLY);
	CHECK_STR(fx_text(in(fx_ledger(), "applied_revision", "resources", "graph.books", "external_blob_policy")),
		  "{\"mode\":\"allow\",\"bases\":[{\"uri\":\"s3://a/\",\"scope\":\"server_safe\"},"
		  "{\"uri\":\"s3://b/~x/a%40b/\",\"scope\":\"embedded_only\"}]}");
	fx_end();
}

static void blob_bases_overlap(void)
{
	refused(graph_with("    external_blobs:\n      allow:\n        - { base: 's3://a/x', scope: server_safe }\n"
			   "        - { base: 's3://a/x/y', scope: embedded_only }\n"),
		"invalid_external_blob_policy", "graphs.books.external_blobs.allow");
	fx_begin(graph_with("    external_blobs:\n      allow:\n        - { base: 's3://a/x', scope: server_safe }\n"
			    "        - { base: 's3://a/xy', scope: embedded_only }\n"));
	fx_ok(CLUSTER_VALIDATE);
	fx_end();
}

static void blob_directories_overlap(void)
{
	fx_begin("");
	fx_mkdir("real/inner/x");
	CHECK(!symlink("real", fx_path("link")));
	fx_write("cluster.yaml",
		 graph_with(arena_printf(
			 &fx.arena,
			 "    external_blobs:\n      allow:\n        - { base: 'file://%s/link/inner', scope: "
			 "embedded_only }\n        - { base: 'file://%s/real', scope: embedded_only }\n",
			 fx.dir, fx.dir)));
	fx_run(CLUSTER_VALIDATE);
	CHECK_ERROR("invalid_external_blob_policy", "graphs.books.external_blobs.allow");
	fx_end();
}

/* --- storage roots -------------------------------------------------------------------------------------------- */

static void storage_root(void)
{
	fx_begin("");
	fx_write("cluster.yaml", arena_printf(&fx.arena, "storage: ' file://%s/store// '\n" ONE_GRAPH, fx.dir));
	fx_ok(CLUSTER_IMPORT);
	fx_ok(CLUSTER_APPLY);
	CHECK(fx_exists("store/__cluster/state.json") && fx_exists("store/graphs/books.omni"));
	CHECK(!fx_exists("__cluster") && !fx_exists("graphs"));
	CHECK_STR(text_at("state_observations", "state_path"), fx_path("store/__cluster/state.json"));
	fx_end();
}

CHECK_MAIN("cluster/config", { "CLU-18 the digests of the specification's library", digest_vectors },
	   { "CLU-18 composites with a blob policy, bare, and of an empty configuration", composite_variants },
	   { "CLU-19 layout and comments do not change the config digest, respelling does", layout_does_not_matter },
	   { "CLU-20 a graph that denies blobs has no policy in digest or ledger", deny_has_no_marker },
	   { "CLU-58 validate lists resources, paths and dependencies by address", validate_report },
	   { "CLU-44 validate after an error lists what could be digested", validate_failure },
	   { "CLU-44 configuration errors create no directory, whatever the command", config_errors_create_nothing },
	   { "CLU-60 duplicate, reserved, removed and unknown keys", key_errors },
	   { "CLU-60 their messages name line and key", key_error_texts },
	   { "CLU-60 text that is no configuration", syntax_errors },
	   { "CLU-60 a missing directory or cluster.yaml", missing_files },
	   { "CLU-60 every header problem is collected", header_errors },
	   { "CLU-60 a root that cannot be is reported once, at the directory's paths",
	     unusable_root_shows_the_directory },
	   { "CLU-60 names that are no ids", id_errors },
	   { "CLU-63 provider kinds, keys and references", provider_errors },
	   { "CLU-63 apply needs no secret and records the reference as written", secrets_are_not_needed },
	   { "CLU-60 schemas that do not parse or do not build", schema_errors },
	   { "CLU-61 directory, file and list forms register every query", query_forms },
	   { "CLU-61 a name in two files is refused with both names", query_names_are_unique },
	   { "CLU-61 what discovery cannot read", discovery_errors },
	   { "CLU-61 what the map form cannot use", explicit_errors },
	   { "CLU-61 only the named declaration of a file is checked", only_the_named_query_is_checked },
	   { "CLU-62 bindings that are empty, mixed, unknown or of another kind", binding_errors },
	   { "CLU-62 a scope belongs to one bundle", one_bundle_per_scope },
	   { "CLU-62 bindings are recorded sorted and without repeats", bindings_are_sorted },
	   { "CLU-62 rules must fit the bound kind", one_kind_per_bundle },
	   { "CLU-64 external blob bases that are refused", blob_bases_refused },
	   { "CLU-64 external blob bases are recorded in normal form and order", blob_bases_normal_form },
	   { "CLU-64 bases that contain each other are refused", blob_bases_overlap },
	   { "CLU-64 file bases are compared by the directory they resolve to", blob_directories_overlap },
	   { "CLU-28 storage: names the root, trimmed, with or without file://", storage_root }, )

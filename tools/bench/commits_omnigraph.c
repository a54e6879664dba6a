/* SPDX-License-Identifier: MIT */
/*
 * commits_omnigraph URI CLIENTS SECONDS: threads that insert one node per commit into one graph, each insert acknowledged
 * as durable before the next. Prints "<commits> <seconds>". The graph is made at URI and checked afterwards.
 */
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/graph.h>
#include <omnigraph/query.h>
#include <omnigraph/store.h>

#include "tools/bench/clients.h"

static const char schema[] = "node Item {\n"
			     "    slug: String @key\n"
			     "    name: String @index\n"
			     "    n: I64\n"
			     "    score: F64\n"
			     "}\n";
static const char queries[] = "query add($slug: String, $name: String, $n: I64, $score: F64) {\n"
			      "    insert Item { slug: $slug, name: $name, n: $n, score: $score }\n"
			      "}\n"
			      "query how_many() {\n"
			      "    match { $i: Item }\n"
			      "    return { count($i) as items }\n"
			      "}\n";

struct bench {
	struct graph *graph;
	struct query *add, *how_many;
};

static void check(int rc, struct err *e, const char *what)
{
	if (rc)
		die("%s: %s", what, err_msg(e));
}

static struct query *compile(struct catalog *c, const struct query_file *f, const char *name)
{
	const struct query_decl *d;
	struct query *q = NULL;
	struct err e = ERR_INIT;

	check(query_file_select(f, name, &d, &e), &e, name);
	check(query_compile(c, d, &q, &e), &e, name);
	return q;
}

static void open_graph(struct bench *b, const char *dir)
{
	struct err e = ERR_INIT;
	struct snapshot *s = NULL;
	struct query_file *f = NULL;

	check(graph_init(dir, str_from(schema), NULL, &e), &e, "init");
	check(graph_open(dir, NULL, &b->graph, &e), &e, "open");
	check(graph_snapshot(b->graph, NULL, NULL, &s, &e), &e, "snapshot");
	check(query_file_parse(str_from(queries), &f, &e), &e, "queries");
	/* query_compile takes a reference, the snapshot only lends its catalog */
	b->add = compile((struct catalog *)snapshot_catalog(s), f, "add");
	b->how_many = compile((struct catalog *)snapshot_catalog(s), f, "how_many");
	query_file_free(f);
	snapshot_put(s);
}

static void *client_open(void *arg, unsigned client)
{
	return arg;
}

static void client_insert(void *state, uint64_t number)
{
	struct bench *b = state;
	struct mutation_result r = { 0 };
	struct err e = ERR_INIT;
	struct arena a = { 0 };
	struct json *params = NULL;
	struct val *values = NULL;
	char text[200];

	snprintf(text, sizeof(text), "{\"slug\":\"item-%llx\",\"name\":\"name-%llu\",\"n\":%llu,\"score\":0.5}",
		 (unsigned long long)number, (unsigned long long)number % 1000, (unsigned long long)number);
	check(json_parse(&a, str_from(text), NULL, &params, &e), &e, "parameters");
	check(query_bind(b->add, &a, params, &values, &e), &e, "bind");
	check(graph_mutate(b->graph, b->add, values, NULL, &r, &e), &e, "mutate");
	mutation_result_clear(&r);
	arena_free(&a);
}

static void client_close(void *state)
{
}

/* Every acknowledged insert is there. */
static void report(struct bench *b)
{
	const struct query_target target = { .branch = "main" };
	struct strbuf out = { 0 };
	struct snapshot *s = NULL;
	struct err e = ERR_INIT;

	check(graph_snapshot(b->graph, NULL, NULL, &s, &e), &e, "snapshot");
	check(graph_query(b->graph, s, b->how_many, NULL, &target, false, &out, &e), &e, "count");
	printf("%.*s\n", (int)out.n, out.s);
	sb_free(&out);
	snapshot_put(s);
}

static const char *s3_env(void *arg, const char *name)
{
	return getenv(name);
}

int main(int argc, char **argv)
{
	static const struct client_ops ops = { client_open, client_insert, client_close };
	struct bench b = { 0 };
	struct s3_config s3;

	if (argc != 4)
		die("usage: commits_omnigraph URI CLIENTS SECONDS");
	s3_config_from_env(s3_env, NULL, &s3);
	store_set_s3_default(&s3);
	open_graph(&b, argv[1]);
	clients_run(&ops, &b, (unsigned)atoi(argv[2]), atof(argv[3]));
	report(&b);
	query_free(b.add);
	query_free(b.how_many);
	graph_close(b.graph);
	return 0;
}

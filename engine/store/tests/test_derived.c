/* SPDX-License-Identifier: MIT */
#include "engine/store/derived.h"
#include "fixture.h"

/* Index of persons by age. */
static bool age_key(const struct snapshot *s, const struct type *t, rowref r, void *arg, struct strbuf *out)
{
	struct val v;

	row_get(s, t, r, type_prop(t, STR("age"))->index, NULL, &v);
	return !val_is_null(&v) && !val_key_text(&v, out, NULL);
}

static int count_row(void *arg, rowref r)
{
	(*(int *)arg)++;
	return 0;
}

static int with_age(struct snapshot *s, const char *age)
{
	const struct type *t = catalog_node(snapshot_catalog(s), STR("Person"));
	int n = 0;

	CHECK_OK(derived_find(s, t, derived_id("age", NULL, 0), age_key, NULL, str_from(age), count_row, &n, ep));
	return n;
}

static int head_with_age(struct graph *g, const char *age)
{
	struct snapshot *s;
	int n;

	CHECK_OK(graph_snapshot(g, NULL, NULL, &s, ep));
	n = with_age(s, age);
	snapshot_put(s);
	return n;
}

static void by_age(void)
{
	struct store *store;
	struct snapshot *old;
	struct graph *g;

	CHECK_OK(store_open("mem://derived", NULL, &store, ep));
	CHECK_OK(graph_init_store(store, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(store, NULL, &g, ep));
	WRITE(g, NULL, PERSON("a", 1), PERSON("b", 1), PERSON("c", 2), PERSON("none", 0));
	CHECK_INT(head_with_age(g, "1"), 2);
	CHECK_INT(head_with_age(g, "7"), 0);
	CHECK_OK(graph_snapshot(g, NULL, NULL, &old, ep));
	WRITE(g, NULL, PERSON("a", 2), DEL_PERSON("b"), PERSON("d", 1));
	CHECK_INT(with_age(old, "1"), 2);
	CHECK_INT(head_with_age(g, "1"), 1);
	CHECK_INT(head_with_age(g, "2"), 2);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(graph_checkpoint(g, NULL, ep));
		CHECK_INT(head_with_age(g, "1"), 1 + i);
		CHECK_INT(head_with_age(g, "2"), 2);
		CHECK_INT(with_age(old, "1"), 2);
		if (i == 0)
			WRITE(g, NULL, PERSON("e", 1));
		else
			WRITE(g, NULL, PERSON("f", 1));
	}
	snapshot_put(old);
	graph_close(g);
	store_close(store);
}

CHECK_MAIN("engine/derived", { "an index finds the rows of its snapshot, in segments and delta", by_age }, )

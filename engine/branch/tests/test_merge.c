/* SPDX-License-Identifier: MIT */
#include "engine/store/tests/fixture.h"

#define SCHEMA                                                                                             \
	"node P {\n  name: String @key\n  age: I32?\n  mail: String? @unique\n  mood: enum(calm, wild)?\n" \
	"  @range(age, 0..150)\n}\nedge Knows: P -> P @card(0..2) {\n  note: String?\n}\n"

struct rig {
	struct store *s;
	struct graph *g;
};

/* --- writing ------------------------------------------------------------------------------------------------------------- */

static long read_text(void *arg, void *buf, size_t n, struct err *e)
{
	const char **text = arg;
	size_t len = strlen(*text) < n ? strlen(*text) : n;

	memcpy(buf, *text, len);
	*text += len;
	return (long)len;
}

static void put(struct rig *r, const char *branch, const char *ndjson)
{
	struct load_opts opts = { .write = { .branch = branch, .actor = "author" },
				  .mode = LOAD_MERGE,
				  .shape = LOAD_STRICT };
	struct load_result res;

	CHECK_OK(graph_load(r->g, &opts, read_text, &ndjson, &res, ep));
	load_result_clear(&res);
}

static const char *person(const char *name, int age)
{
	static char text[4][160];
	static int n;
	char *s = text[n++ % 4];

	snprintf(s, 160, "{\"type\":\"P\",\"data\":{\"name\":\"%s\",\"age\":%d}}\n", name, age);
	return s;
}

static const char *knows(const char *id, const char *from, const char *to)
{
	static char text[4][160];
	static int n;
	char *s = text[n++ % 4];

	snprintf(s, 160, "{\"edge\":\"Knows\",\"from\":\"%s\",\"to\":\"%s\",\"data\":{\"id\":\"%s\"}}\n", from, to, id);
	return s;
}

struct removal {
	bool edge;
	const char *id;
};

static int remove_one(void *arg, struct txn *t, struct err *e)
{
	const struct removal *rm = arg;
	const struct catalog *c = snapshot_catalog(txn_base(t));

	return txn_delete(t, rm->edge ? catalog_edge(c, STR("Knows")) : catalog_node(c, STR("P")), str_from(rm->id), e);
}

static void del(struct rig *r, const char *branch, bool edge, const char *id)
{
	struct removal rm = { edge, id };
	struct write_req req = { .branch = branch, .kind = WRITE_MUTATION, .prepare = remove_one, .arg = &rm };
	struct commit_info ci = { 0 };
	bool committed;

	CHECK_OK(graph_write(r->g, &req, &committed, &ci, ep));
	CHECK(committed);
	commit_info_clear(&ci);
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */

static int to_buf(void *arg, const void *data, size_t n, struct err *e)
{
	sb_add(arg, data, n);
	return 0;
}

static char *export_of(struct rig *r, const char *branch)
{
	struct strbuf b = STRBUF_INIT;
	struct snapshot *s;

	CHECK_OK(graph_snapshot(r->g, branch, NULL, &s, ep));
	CHECK_OK(graph_export(s, NULL, 0, to_buf, &b, ep));
	snapshot_put(s);
	return sb_detach(&b);
}

static void head(struct rig *r, const char *branch, struct commit_info *ci)
{
	struct snapshot *s;

	CHECK_OK(graph_snapshot(r->g, branch, NULL, &s, ep));
	commit_info_copy(ci, snapshot_commit(s));
	snapshot_put(s);
}

/* --- rigs ------------------------------------------------------------------------------------------------------------------- */

/* main with x, y and an edge old: y -> x; branch "b" forked from it. @remote: on a store whose every call is a request. */
static void rig_open_on(struct rig *r, bool remote)
{
	r->s = test_store_open();
	r->s->remote = r->s->remote || remote;
	CHECK_OK(graph_init_store(r->s, STR(SCHEMA), NULL, ep));
	CHECK_OK(graph_open_store(r->s, NULL, &r->g, ep));
	put(r, NULL, person("x", 1));
	put(r, NULL, person("y", 1));
	CHECK_OK(graph_branch_create(r->g, "b", NULL, NULL, ep));
}

static void rig_open(struct rig *r)
{
	rig_open_on(r, false);
}

static void rig_close(struct rig *r)
{
	graph_close(r->g);
	test_store_close(r->s);
}

static int merge(struct rig *r, struct merge_result *out, struct err *e)
{
	struct merge_opts opts = { .source = "b", .actor = "merger" };

	return graph_merge(r->g, &opts, out, e);
}

static void merges_as(struct rig *r, enum merge_outcome want)
{
	struct merge_result res;

	CHECK_OK(merge(r, &res, ep));
	CHECK_STR(merge_outcome_word(res.outcome), merge_outcome_word(want));
	CHECK(res.has_commit == (want != MERGE_UP_TO_DATE));
	merge_result_clear(&res);
}

/* One conflict of @kind; main is byte for byte what it was. */
static void conflicts_as(struct rig *r, const char *kind, const char *id)
{
	struct merge_result res;
	struct err e = ERR_INIT;
	char *before = export_of(r, NULL), *after;

	CHECK(merge(r, &res, &e) < 0);
	CHECK_MSG(e.code == ERR_MERGE_CONFLICTS, "%s", err_msg(&e));
	CHECK(res.n_conflicts >= 1);
	CHECK_STR(res.conflicts[0].kind, kind);
	if (id)
		CHECK_STR(res.conflicts[0].entity_id, id);
	else
		CHECK(res.conflicts[0].entity_id == NULL);
	after = export_of(r, NULL);
	CHECK_STR(after, before);
	free(before);
	free(after);
	merge_result_clear(&res);
	err_clear(&e);
}

/* --- the truth table (11.3) --------------------------------------------------------------------------------------------------- */

enum edit { NOTHING, ADD, ADD_OTHER, EDIT, EDIT_OTHER, DELETE, ADD_EDGE, NET_ZERO };

static void apply(struct rig *r, const char *branch, enum edit what)
{
	switch (what) {
	case NOTHING:
		break;
	case ADD:
		put(r, branch, person("new", 7));
		break;
	case ADD_OTHER:
		put(r, branch, person("new", 8));
		break;
	case EDIT:
		put(r, branch, person("x", 7));
		break;
	case EDIT_OTHER:
		put(r, branch, person("x", 8));
		break;
	case DELETE:
		del(r, branch, false, "x");
		break;
	case ADD_EDGE:
		put(r, branch, knows(branch ? "eb" : "em", "x", "y"));
		break;
	case NET_ZERO:
		put(r, branch, person("x", 9));
		put(r, branch, person("x", 1));
		break;
	}
}

static const struct cell {
	enum edit source, target;
	const char *want; /* outcome word or conflict kind */
} table[] = {
	{ NOTHING, NOTHING, "already_up_to_date" },
	{ NOTHING, ADD, "already_up_to_date" },
	{ NOTHING, EDIT, "already_up_to_date" },
	{ NOTHING, DELETE, "already_up_to_date" },
	{ NOTHING, ADD_EDGE, "already_up_to_date" },
	{ NOTHING, NET_ZERO, "already_up_to_date" },
	{ ADD, NOTHING, "fast_forward" },
	{ ADD, ADD, "merged" },
	{ ADD, ADD_OTHER, "divergent_insert" },
	{ ADD, NET_ZERO, "merged" },
	{ EDIT, NOTHING, "fast_forward" },
	{ EDIT, EDIT, "merged" },
	{ EDIT, EDIT_OTHER, "divergent_update" },
	{ EDIT, DELETE, "delete_vs_update" },
	{ EDIT, ADD_EDGE, "merged" },
	{ EDIT, NET_ZERO, "merged" },
	{ DELETE, NOTHING, "fast_forward" },
	{ DELETE, EDIT, "delete_vs_update" },
	{ DELETE, DELETE, "merged" },
	{ DELETE, ADD_EDGE, "orphan_edge" },
	{ DELETE, NET_ZERO, "merged" },
	{ ADD_EDGE, NOTHING, "fast_forward" },
	{ ADD_EDGE, EDIT, "merged" },
	{ ADD_EDGE, DELETE, "orphan_edge" },
	{ ADD_EDGE, ADD_EDGE, "merged" },
	{ ADD_EDGE, NET_ZERO, "merged" },
	{ NET_ZERO, NOTHING, "fast_forward" },
	{ NET_ZERO, ADD, "merged" },
	{ NET_ZERO, EDIT, "merged" },
	{ NET_ZERO, DELETE, "merged" },
	{ NET_ZERO, ADD_EDGE, "merged" },
	{ NET_ZERO, NET_ZERO, "merged" },
};

static void truth_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct merge_result res;
		struct err e = ERR_INIT;
		const char *got;
		struct rig r;
		int rc;

		rig_open(&r);
		apply(&r, "b", table[i].source);
		apply(&r, NULL, table[i].target);
		rc = merge(&r, &res, &e);
		got = rc ? (res.n_conflicts ? res.conflicts[0].kind : err_msg(&e)) : merge_outcome_word(res.outcome);
		CHECK_MSG(!strcmp(got, table[i].want), "cell %d/%d: %s instead of %s", table[i].source, table[i].target,
			  got, table[i].want);
		merge_result_clear(&res);
		err_clear(&e);
		rig_close(&r);
	}
}

/* --- the rest ------------------------------------------------------------------------------------------------------------------ */

static void two_parents(void)
{
	struct commit_info main_head = { 0 }, b_head = { 0 }, merged = { 0 };
	struct rig r;

	rig_open(&r);
	put(&r, "b", person("new", 3));
	head(&r, NULL, &main_head);
	head(&r, "b", &b_head);
	merges_as(&r, MERGE_FAST_FORWARD);
	head(&r, NULL, &merged);
	CHECK_STR(merged.parent, main_head.id);
	CHECK_STR(merged.merged_parent, b_head.id);
	CHECK_STR(merged.actor, "merger");
	CHECK_INT(merged.version, main_head.version + 1);
	merges_as(&r, MERGE_UP_TO_DATE);
	commit_info_clear(&main_head);
	commit_info_clear(&b_head);
	commit_info_clear(&merged);
	rig_close(&r);
}

static void net_zero_records(void)
{
	struct commit_info before = { 0 }, after = { 0 };
	struct rig r;
	char *x, *y;

	rig_open(&r);
	apply(&r, "b", NET_ZERO);
	x = export_of(&r, NULL);
	head(&r, NULL, &before);
	merges_as(&r, MERGE_FAST_FORWARD);
	head(&r, NULL, &after);
	y = export_of(&r, NULL);
	CHECK_STR(y, x);
	CHECK_INT(after.version, before.version + 1);
	merges_as(&r, MERGE_UP_TO_DATE);
	free(x);
	free(y);
	commit_info_clear(&before);
	commit_info_clear(&after);
	rig_close(&r);
}

static void different_properties_conflict(void)
{
	struct rig r;

	rig_open(&r);
	put(&r, "b", "{\"type\":\"P\",\"data\":{\"name\":\"x\",\"age\":2}}\n");
	put(&r, NULL, "{\"type\":\"P\",\"data\":{\"name\":\"x\",\"age\":1,\"mood\":\"calm\"}}\n");
	conflicts_as(&r, "divergent_update", "x");
	rig_close(&r);
}

static void combination_violations(void)
{
	struct rig r;

	rig_open(&r); /* one mail twice */
	put(&r, "b", "{\"type\":\"P\",\"data\":{\"name\":\"s\",\"mail\":\"m\"}}\n");
	put(&r, NULL, "{\"type\":\"P\",\"data\":{\"name\":\"t\",\"mail\":\"m\"}}\n");
	conflicts_as(&r, "unique_violation", "s");
	rig_close(&r);
	rig_open(&r); /* three edges where two may be */
	put(&r, "b", knows("e1", "x", "y"));
	put(&r, "b", knows("e2", "x", "y"));
	put(&r, NULL, knows("e3", "x", "y"));
	conflicts_as(&r, "cardinality_violation", NULL);
	rig_close(&r);
}

static void order_and_suppression_on(bool remote)
{
	struct merge_result res;
	struct err e = ERR_INIT;
	struct rig r;

	rig_open_on(&r, remote);
	put(&r, NULL, person("p", 1));
	put(&r, NULL, knows("k", "x", "y"));
	CHECK_OK(graph_branch_create(r.g, "c", NULL, NULL, ep));
	put(&r, "c", person("y", 5));
	put(&r, "c", person("p", 5));
	put(&r, "c", "{\"edge\":\"Knows\",\"from\":\"x\",\"to\":\"y\",\"data\":{\"id\":\"k\",\"note\":\"s\"}}\n");
	put(&r, "c", "{\"type\":\"P\",\"data\":{\"name\":\"s\",\"mail\":\"m\"}}\n");
	put(&r, NULL, person("y", 6));
	put(&r, NULL, person("p", 6));
	put(&r, NULL, "{\"edge\":\"Knows\",\"from\":\"x\",\"to\":\"y\",\"data\":{\"id\":\"k\",\"note\":\"t\"}}\n");
	put(&r, NULL, "{\"type\":\"P\",\"data\":{\"name\":\"t\",\"mail\":\"m\"}}\n");
	CHECK(graph_merge(r.g, &(struct merge_opts){ .source = "c" }, &res, &e) == -EBUSY ||
	      e.code == ERR_MERGE_CONFLICTS);
	CHECK_INT(res.n_conflicts, 3); /* no unique_violation beside row conflicts */
	CHECK_STR(res.conflicts[0].entity_kind, "edge");
	CHECK_STR(res.conflicts[1].entity_id, "p");
	CHECK_STR(res.conflicts[2].entity_id, "y");
	CHECK_HAS(
		err_msg(&e),
		"merge conflicts: edge type 'Knows', entity id 'k' (divergent_update): divergent update for id 'k'; ");
	merge_result_clear(&res);
	err_clear(&e);
	rig_close(&r);
}

/* On a remote store conflicts are found on the head that is known, then on the one that is looked up, and told once. */
static void order_and_suppression(void)
{
	order_and_suppression_on(false);
	order_and_suppression_on(true);
}

static void criss_cross(void)
{
	struct merge_opts back = { .source = "main", .target = "b" };
	struct merge_result res;
	struct rig r;

	rig_open(&r);
	put(&r, "b", person("x", 7));
	put(&r, NULL, person("y", 7));
	merges_as(&r, MERGE_MERGED);
	CHECK_OK(graph_merge(r.g, &back, &res, ep));
	merge_result_clear(&res);
	put(&r, "b", person("x", 9)); /* edited again: the first edit must not conflict */
	put(&r, NULL, person("z", 1));
	merges_as(&r, MERGE_MERGED);
	rig_close(&r);
}

/*
 * "b" began far below "late", in commits; through the merge of "b" its beginning is near to main's head all the same. Were it the base of
 * merging "late", what main did since to rows that "late" inherited would count as done by neither or by both.
 */
static void no_base_below_another(void)
{
	struct merge_opts late = { .source = "late" };
	struct merge_result res;
	struct rig r;
	char *before, *after;

	rig_open(&r);
	put(&r, "b", person("from-b", 1));
	for (int i = 0; i < 4; i++)
		put(&r, NULL, person("z", i));
	CHECK_OK(graph_branch_create(r.g, "late", NULL, NULL, ep));
	put(&r, "late", person("from-late", 1));
	put(&r, NULL, person("y", 2));
	del(&r, NULL, false, "z");
	for (int i = 0; i < 10; i++)
		put(&r, NULL, person("w", i));
	merges_as(&r, MERGE_MERGED);
	put(&r, NULL, person("from-late", 1));
	before = export_of(&r, NULL);
	CHECK_OK(graph_merge(r.g, &late, &res, ep));
	after = export_of(&r, NULL);
	CHECK_STR(after, before); /* z stays deleted */
	free(before);
	free(after);
	merge_result_clear(&res);
	/* nothing new on "late" since */
	put(&r, "b", person("from-b", 2));
	merges_as(&r, MERGE_MERGED);
	CHECK_OK(graph_merge(r.g, &late, &res, ep));
	CHECK_INT(res.outcome, MERGE_UP_TO_DATE);
	merge_result_clear(&res);
	rig_close(&r);
}

static void deletes_branch(void)
{
	struct merge_opts opts = { .source = "b", .delete_branch = true };
	struct merge_result res;
	struct rig r;
	bool exists;

	rig_open(&r);
	CHECK_OK(graph_branch_create(r.g, "child", "b", NULL, ep));
	CHECK_OK(graph_merge(r.g, &opts, &res, ep));
	CHECK(res.outcome == MERGE_UP_TO_DATE && !res.branch_deleted);
	CHECK_HAS(res.branch_delete_error, "descendant branch 'child' still depends on it");
	merge_result_clear(&res);
	CHECK_OK(graph_branch_delete(r.g, "child", NULL, ep));
	put(&r, "b", person("new", 1));
	CHECK_OK(graph_merge(r.g, &opts, &res, ep));
	CHECK(res.branch_deleted && !res.branch_delete_error);
	merge_result_clear(&res);
	CHECK_OK(graph_branch_exists(r.g, "b", &exists, ep));
	CHECK(!exists);
	rig_close(&r);
}

static void refusals(void)
{
	struct merge_result res;
	struct err e = ERR_INIT;
	struct rig r;

	rig_open(&r);
	CHECK(graph_merge(r.g, &(struct merge_opts){ .source = " main ", .target = "main" }, &res, &e) < 0);
	CHECK_STR(err_msg(&e), "branch_merge requires distinct source and target branches");
	merge_result_clear(&res);
	err_clear(&e);
	CHECK(graph_merge(r.g, &(struct merge_opts){ .source = "nope" }, &res, &e) < 0);
	CHECK_STR(err_msg(&e), "branch 'nope' not found");
	merge_result_clear(&res);
	err_clear(&e);
	rig_close(&r);
}

struct segments {
	char key[16][128];
	size_t n;
};

static int on_segment(void *arg, const char *key, const struct store_stat *st)
{
	struct segments *segs = arg;

	CHECK(segs->n < ARRAY_SIZE(segs->key));
	snprintf(segs->key[segs->n++], sizeof(segs->key[0]), "%s", key);
	return 0;
}

static void invert_middle(struct rig *r, const char *key)
{
	struct store_object o;

	CHECK_OK(store_get(r->s, key, 1 << 20, &o, ep));
	((uint8_t *)o.data)[o.n / 2] ^= 0xff;
	CHECK_OK(store_put(r->s, key, o.data, o.n, ep));
	store_object_free(&o);
}

static void reopen(struct rig *r)
{
	graph_close(r->g);
	CHECK_OK(graph_open_store(r->s, NULL, &r->g, ep));
}

/* Rows of both branches and of their base are in segments, and some are only in those of one. */
static void open_with_segments(struct rig *r, struct segments *segs)
{
	rig_open(r);
	CHECK_OK(graph_checkpoint(r->g, NULL, ep));
	put(r, NULL, person("mine", 5));
	CHECK_OK(graph_checkpoint(r->g, NULL, ep));
	put(r, "b", person("z1", 2));
	put(r, "b", person("z2", 3));
	put(r, "b", person("x", 9));
	put(r, "b", knows("k", "z1", "x"));
	del(r, "b", false, "y");
	CHECK_OK(graph_checkpoint(r->g, "b", ep));
	reopen(r);
	*segs = (struct segments){ .n = 0 };
	CHECK_OK(store_list(r->s, "seg", NULL, false, on_segment, segs, ep));
}

/* Merge with a segment damaged: what it should be, or an error that names the segment and no commit. */
static void merge_damaged(struct rig *r, const char *key, const char *want)
{
	struct commit_info before = { 0 }, after = { 0 };
	struct merge_result res;
	struct err e = ERR_INIT;
	char *got;
	int rc;

	head(r, NULL, &before);
	invert_middle(r, key);
	reopen(r);
	rc = merge(r, &res, &e);
	if (rc)
		CHECK_HAS(err_msg(&e), key);
	invert_middle(r, key);
	reopen(r);
	got = export_of(r, NULL);
	head(r, NULL, &after);
	if (rc)
		CHECK_STR(after.id, before.id);
	else
		CHECK_STR(got, want);
	free(got);
	commit_info_clear(&before);
	commit_info_clear(&after);
	merge_result_clear(&res);
	err_clear(&e);
}

static void damaged_segments(void)
{
	struct segments segs;
	struct rig r;
	char *want;
	size_t n;

	open_with_segments(&r, &segs);
	merges_as(&r, MERGE_MERGED);
	want = export_of(&r, NULL);
	CHECK_HAS(want, "\"z2\"");
	n = segs.n;
	rig_close(&r);
	for (size_t i = 0; i < n; i++) {
		open_with_segments(&r, &segs);
		CHECK_INT(segs.n, n);
		merge_damaged(&r, segs.key[i], want);
		rig_close(&r);
	}
	free(want);
}

CHECK_MAIN("engine/merge", { "ENG-51 ENG-53 ENG-54 every cell of the truth table gives its outcome", truth_table },
	   { "ENG-49 ENG-50 a fast-forward makes a commit with two parents and the merger's actor", two_parents },
	   { "ENG-50 a net-zero source records one commit that changes nothing", net_zero_records },
	   { "ENG-52 edits of different properties of one row conflict", different_properties_conflict },
	   { "ENG-55 violations that arise only from the combination are conflicts", combination_violations },
	   { "ENG-56 row conflicts suppress validation and are ordered by type key, then id", order_and_suppression },
	   { "ENG-57 already merged edits do not conflict again after criss-cross merges", criss_cross },
	   { "ENG-57 no common ancestor below another one is the base: what was deleted since stays deleted",
	     no_base_below_another },
	   { "ENG-59 delete_branch runs after any success; its failure leaves the merge standing", deletes_branch },
	   { "ENG-49 a merge of which a segment is damaged, of either branch or of the base, loses no row: it is "
	     "refused by name",
	     damaged_segments },
	   { "merging a branch with itself or an unknown one is refused", refusals }, )

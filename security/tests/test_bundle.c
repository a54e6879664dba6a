/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>
#include <omnigraph/policy.h>
#include <test/check.h>

#define GARDEN                                                                                                 \
	"version: 1\ngroups:\n  gardeners: [act-ada, act-bo, act-bo]\n  head: [act-ada, 007]\n"                \
	"protected_branches: [main]\nrules:\n"                                                                 \
	"  - id: garden-read\n    allow:\n      actors: { group: gardeners }\n      actions: [read, export]\n" \
	"      branch_scope: any\n"                                                                            \
	"  - id: head-merges\n    allow:\n      actors: { group: head }\n"                                     \
	"      actions: [branch_merge, branch_delete]\n      target_branch_scope: protected\n"

static struct err e;
static bool redundant;

static int check_kind(const char *text, enum policy_kind kind)
{
	err_clear(&e);
	return policy_check(str_from(text), kind, &redundant, &e);
}

static void refused_as(const char *text, enum policy_kind kind, const char *message)
{
	CHECK_MSG(check_kind(text, kind) < 0, "accepted:\n%s", text);
	CHECK_STR(err_msg(&e), message);
	CHECK_INT(e.code, ERR_BAD_REQUEST);
	err_clear(&e);
}

static void refused(const char *text, const char *message)
{
	refused_as(text, POLICY_ANY, message);
}

static void accepted(const char *text, enum policy_kind kind)
{
	int rc = check_kind(text, kind);

	CHECK_MSG(!rc, "%s in\n%s", err_msg(&e), text);
}

/* A bundle of one rule "r" of group "g". */
static const char *rule(const char *actions, const char *scopes)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		 "version: 1\ngroups: { g: [a] }\nrules:\n  - id: r\n    allow:\n      actors: { group: g }\n"
		 "      actions: [%s]\n%s",
		 actions, scopes);
	return text;
}

static void legal_bundles(void)
{
	accepted(GARDEN, POLICY_GRAPH);
	CHECK(!redundant);
	accepted("version: 1\nrules: []\n", POLICY_GRAPH);
	accepted("version: 1\n", POLICY_SERVER);
	accepted("version: 1\ngroups:\nprotected_branches:\nrules:\n", POLICY_GRAPH);
	accepted("{version: 1, rules: [{id: r, allow: {actors: {group: g}, actions: [read]}}], groups: {g: [\"a\"]}}",
		 POLICY_GRAPH);
	accepted(rule("read, branch_merge", ""), POLICY_GRAPH);
	accepted(rule("read", "      branch_scope: ~\n      target_branch_scope: null\n"), POLICY_GRAPH);
	accepted(rule("admin, invoke_query", ""), POLICY_GRAPH);
	accepted(rule("graph_list", ""), POLICY_SERVER);
	accepted(rule("graph_list", ""), POLICY_ANY);
}

static void unknown_keys(void)
{
	refused("version: 1\ngrups: {}\n", "unknown field `grups`, expected one of `version`, `groups`, "
					   "`protected_branches`, `rules` at line 2 column 1");
	refused(rule("read", "      branch_scpoe: any\n"),
		"rules[0].allow: unknown field `branch_scpoe`, expected one of `actors`, `actions`, `branch_scope`, "
		"`target_branch_scope` at line 8 column 7");
	refused("version: 1\nrules:\n  - id: r\n    deny: {}\n",
		"rules[0]: unknown field `deny`, expected one of `id`, "
		"`allow` at line 4 column 5");
	refused("version: 1\nrules: [ { id: r, allow: { actors: { groups: g }, actions: [] } } ]\n",
		"rules[0].allow.actors: unknown field `groups`, expected one of `group` at line 2 column 38");
}

static void missing_keys(void)
{
	refused("", "missing field `version`");
	refused("rules: []\n", "missing field `version`");
	refused("version: 1\nrules: [ { allow: {} } ]\n", "rules[0]: missing field `id` at line 2 column 10");
	refused("version: 1\nrules: [ { id: r } ]\n", "rules[0]: missing field `allow` at line 2 column 10");
	refused("version: 1\nrules:\n  - id: r\n    allow: { actions: [] }\n",
		"rules[0].allow: missing field `actors` at line 4 column 12");
	refused("version: 1\nrules:\n  - id: r\n    allow: { actors: {} }\n",
		"rules[0].allow: missing field `actions` at line 4 column 12");
	refused("version: 1\nrules:\n  - id: r\n    allow: { actors: {}, actions: [] }\n",
		"rules[0].allow.actors: missing field `group` at line 4 column 22");
}

static void unknown_values(void)
{
	refused(rule("read, reed", ""), "rules[0].allow.actions[1]: unknown variant `reed`, expected one of `read`, "
					"`export`, `change`, `schema_apply`, "
					"`branch_create`, `branch_delete`, `branch_merge`, `admin`, `graph_list`, "
					"`invoke_query` at line 7 column 23");
	refused(rule("Read", ""), "rules[0].allow.actions[0]: unknown variant `Read`, expected one of `read`, "
				  "`export`, `change`, `schema_apply`, "
				  "`branch_create`, `branch_delete`, `branch_merge`, `admin`, `graph_list`, "
				  "`invoke_query` at line 7 column 17");
	refused(rule("read", "      branch_scope: some\n"), "rules[0].allow.branch_scope: unknown variant `some`, "
							    "expected one of `any`, `protected`, `unprotected` at "
							    "line 8 column 21");
	CHECK(check_kind(rule("run_publish", ""), POLICY_ANY) < 0);
	CHECK(check_kind(rule("graph-list", ""), POLICY_ANY) < 0);
	err_clear(&e);
}

static void wrong_types(void)
{
	refused("version: 1\ngroups:\n  - a\n", "groups: invalid type: sequence, expected a map at line 3 column 3");
	refused("version: 1\ngroups: ~\n", "groups: invalid type: null, expected a map at line 2 column 9");
	refused("version: 1\nrules: {}\n", "rules: invalid type: map, expected a list at line 2 column 8");
	refused("version: 1\ngroups: { g: a }\n",
		"groups.g: invalid type: scalar, expected a list at line 2 column 14");
	refused("version: 1\ngroups: { g: [ [a] ] }\n",
		"groups.g[0]: invalid type: sequence, expected a string at line 2 column 16");
	refused("version: 1\ngroups: { g: [ null ] }\n",
		"groups.g[0]: invalid type: null, expected a string at line 2 column 16");
	refused("version: one\n", "version: invalid type: scalar, expected an integer at line 1 column 10");
	refused("version: 1\nkind: [graph]\n", "kind: invalid type: sequence, expected a string at line 2 column 7");
	refused("- a\n", "invalid type: sequence, expected a map at line 1 column 1");
	refused("version: 1\nrules: [ { id: ~, allow: {} } ]\n",
		"rules[0].id: invalid type: null, expected a string at line 2 column 16");
}

static void doubled_keys(void)
{
	refused("version: 1\nversion: 1\n", "duplicate field `version` at line 2 column 1");
	refused("version: 1\ngroups:\n  g: [a]\n  g: [b]\n", "groups: duplicate field `g` at line 4 column 3");
	CHECK(check_kind("version: 1\n---\nversion: 1\n", POLICY_ANY) < 0);
	CHECK(check_kind("version: 1\ngroups: { g: !secret [a] }\n", POLICY_ANY) < 0);
	CHECK(check_kind("version: [\n", POLICY_ANY) < 0);
	err_clear(&e);
}

static void rows_one_to_six(void)
{
	refused("version: 2\ngroups: { g: [] }\n", "policy version must be 1");
	refused("version: 1\ngroups: { ' ': [a] }\n", "policy group names must not be blank");
	refused("version: 1\ngroups: { g: [] }\nprotected_branches: ['']\n", "policy group 'g' must not be empty");
	refused("version: 1\ngroups:\n  z: ['']\n  g:\n", "policy group 'g' must not be empty");
	refused("version: 1\ngroups: { g: [a, ' '] }\n", "policy group 'g' contains a blank actor id");
	refused("version: 1\nprotected_branches: [main, '']\nrules: [ { id: '', allow: { actors: { group: g }, "
		"actions: [] } } ]\n",
		"protected branch names must not be blank");
	refused("version: 1\nrules: [ { id: ' ', allow: { actors: { group: '' }, actions: [] } } ]\n",
		"policy rule ids must not be blank");
	refused("version: 1\ngroups: { g: [a] }\nrules:\n  - { id: r, allow: { actors: { group: g }, actions: [read] } "
		"}\n"
		"  - { id: r, allow: { actors: { group: x }, actions: [] } }\n",
		"duplicate policy rule id 'r'");
	refused("version: 1\nrules: [ { id: r, allow: { actors: { group: ' ' }, actions: [] } } ]\n",
		"policy rule 'r' must reference a non-blank group");
	refused("version: 1\nrules: [ { id: r, allow: { actors: { group: g }, actions: [] } } ]\n",
		"policy rule 'r' references unknown group 'g'");
	refused(rule("", "      branch_scope: any\n      target_branch_scope: any\n"),
		"policy rule 'r' must include at least one action");
	refused("version: 1\ngroups: { g: [a] }\nrules:\n  - id: r\n    allow:\n      actors: { group: g }\n      "
		"actions:\n",
		"policy rule 'r' must include at least one action");
}

static void scopes(void)
{
	static const char *const no_branch[] = { "invoke_query", "admin", "graph_list", "branch_merge" };
	char message[200];

	for (size_t i = 0; i < sizeof(no_branch) / sizeof(*no_branch); i++) {
		snprintf(message, sizeof(message), "policy rule 'r' uses branch_scope with unsupported action '%s'",
			 no_branch[i]);
		refused(rule(no_branch[i], "      branch_scope: any\n"), message);
	}
	refused(rule("read, branch_merge, admin", "      branch_scope: any\n"),
		"policy rule 'r' uses branch_scope with unsupported action 'branch_merge'");
	refused(rule("branch_merge, read", "      target_branch_scope: protected\n"),
		"policy rule 'r' uses target_branch_scope with unsupported action 'read'");
	refused(rule("graph_list, read", "      branch_scope: any\n      target_branch_scope: any\n"),
		"policy rule 'r' may specify branch_scope or target_branch_scope, not both");
	accepted(rule("schema_apply, branch_create, branch_delete, branch_merge",
		      "      target_branch_scope: unprotected\n"),
		 POLICY_GRAPH);
	accepted(rule("read, export, change", "      branch_scope: unprotected\n"), POLICY_GRAPH);
}

static void kinds_of_action(void)
{
	const char *mixed =
		"policy rule 'r' mixes the server-scoped action `graph_list` with per-graph actions; split into "
		"separate rules";

	refused_as(rule("read, graph_list", ""), POLICY_GRAPH, mixed);
	refused_as(rule("read, graph_list", ""), POLICY_SERVER, mixed);
	refused_as(rule("graph_list", ""), POLICY_GRAPH,
		   "policy rule 'r' uses server-scoped action 'graph_list' in a Graph policy file; move it to a server "
		   "policy "
		   "file");
	refused_as(rule("change", ""), POLICY_SERVER,
		   "policy rule 'r' uses per-graph action 'change' in a Server policy file; move it to a per-graph "
		   "policy file");
	refused_as(rule("graph_list, graph_list", ""), POLICY_GRAPH,
		   "policy rule 'r' uses server-scoped action 'graph_list' in a Graph policy file; move it to a server "
		   "policy "
		   "file");
	refused(rule("read, export, read", ""), "duplicate template or policy id `r:read`");
}

static void the_kind_key(void)
{
	accepted("version: 1\nkind: graph\n", POLICY_GRAPH);
	CHECK(redundant);
	accepted("version: 1\nkind: server\n", POLICY_SERVER);
	CHECK(redundant);
	accepted("kind: server\nversion: 1\n", POLICY_ANY);
	CHECK(check_kind("version: 1\nkind: cluster\n", POLICY_ANY) < 0);
	CHECK_HAS(err_msg(&e), "cluster");
	CHECK(!redundant);
	CHECK(check_kind("version: 1\nkind: server\n", POLICY_GRAPH) < 0);
	CHECK(check_kind("version: 1\nkind: graph\n", POLICY_SERVER) < 0);
	refused("version: 1\nkind: server\ngroups: { g: [a] }\nrules:\n"
		"  - { id: r1, allow: { actors: { group: g }, actions: [read] } }\n",
		"policy kind 'server' contradicts action 'read' of rule 'r1'");
}

static void strange_names(void)
{
	accepted("version: 1\ngroups: { \"g\\\"'\\\\ \\t\\u00e9\": [\"a\\\"\\n\\\\\"] }\nrules:\n"
		 "  - { id: \"r\\\"\\n\", allow: { actors: { group: \"g\\\"'\\\\ \\t\\u00e9\" }, actions: [read] } }\n",
		 POLICY_GRAPH);
	refused("version: 1\ngroups: { g: [a] }\nrules: [ { id: r, allow: { actors: { group: 'g ' }, actions: [read] } "
		"} ]\n",
		"policy rule 'r' references unknown group 'g '");
}

static void no_place_for_the_hint(void)
{
	CHECK(!policy_check(STR("version: 1\n"), POLICY_ANY, NULL, NULL));
	CHECK(policy_check(STR("version: 2\n"), POLICY_ANY, NULL, NULL) < 0);
}

CHECK_MAIN("security/bundle", { "SEC-07 legal bundles, with empty, absent and null members", legal_bundles },
	   { "SEC-06 unknown keys are refused and named with their place", unknown_keys },
	   { "SEC-06 missing keys", missing_keys },
	   { "SEC-06 unknown actions and scopes list what is known", unknown_values },
	   { "SEC-06 wrong types, explicit null among them", wrong_types },
	   { "SEC-06 doubled keys, second documents and tags are refused", doubled_keys },
	   { "SEC-07 version, groups, branches, ids, groups of rules, actions: the first fault wins", rows_one_to_six },
	   { "SEC-08 SEC-07 scope keys fit their actions", scopes },
	   { "SEC-09 SEC-07 actions fit the binding, and stand once in a rule", kinds_of_action },
	   { "SEC-06 the kind key agrees, with a hint, or is refused", the_kind_key },
	   { "SEC-32 names with quotes, controls and blanks are compared byte for byte", strange_names },
	   { "SEC-06 the hint and the message are optional", no_place_for_the_hint }, )

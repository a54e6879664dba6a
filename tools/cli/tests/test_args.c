/* SPDX-License-Identifier: MIT */
/* From argv to an invocation (spec/cli.md 1). Usage errors go to standard error; their statuses are what counts here. */
#include <test/check.h>

#include "tools/cli/cli.h"

#define WORDS_MAX 32

/* Parse the words of @line, which single blanks separate. */
static int parse(struct invocation *inv, const char *line)
{
	char *argv[WORDS_MAX], *text;
	int argc = 0;

	*inv = (struct invocation){ 0 };
	text = arena_strdup(&inv->arena, line);
	for (char *w = strtok(text, " "); w && argc < WORDS_MAX; w = strtok(NULL, " "))
		argv[argc++] = w;
	return args_parse(argc, argv, inv);
}

static int status_of(const char *line)
{
	struct invocation inv;
	int status = parse(&inv, line);

	arena_free(&inv.arena);
	return status;
}

static void anywhere(void)
{
	static const char *const lines[] = {
		"load --data d --mode merge g.omni --quiet",
		"--quiet load g.omni --data d --mode merge",
		"load --data=d --mode=merge --quiet g.omni",
		"load --quiet --data d --mode merge -- g.omni",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct invocation inv;

		CHECK_INT(parse(&inv, lines[i]), 0);
		CHECK_STR(inv.cmd->family, "load");
		CHECK_STR(flag_value(&inv, "data"), "d");
		CHECK_STR(flag_value(&inv, "mode"), "merge");
		CHECK(flag_given(&inv, "quiet") && !flag_given(&inv, "json") && !flag_value(&inv, "branch"));
		CHECK_INT(inv.n_pos, 1);
		CHECK_STR(inv.pos[0], "g.omni");
		arena_free(&inv.arena);
	}
}

static void families(void)
{
	struct invocation inv;

	CHECK_INT(parse(&inv, "--store g branch --quiet create -- --odd"), 0);
	CHECK_STR(inv.cmd->sub, "create");
	CHECK_STR(inv.pos[0], "--odd");
	arena_free(&inv.arena);
	CHECK_INT(parse(&inv, "schema get g"), 0);
	CHECK_STR(inv.cmd->sub, "show");
	arena_free(&inv.arena);
	CHECK_INT(status_of("branch"), EXIT_USAGE);
	CHECK_INT(status_of(""), EXIT_USAGE);
	CHECK_INT(status_of("branch rename"), EXIT_USAGE);
	CHECK_INT(status_of("repair"), EXIT_USAGE);
}

static void letters(void)
{
	static const char *const lines[] = { "query -e q", "query -e=q", "query -eq", "query --query-string q" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct invocation inv;

		CHECK_INT(parse(&inv, lines[i]), 0);
		CHECK_STR(flag_value(&inv, "query-string"), "q");
		arena_free(&inv.arena);
	}
}

static void repeated(void)
{
	const char *values[4];
	struct invocation inv;

	CHECK_INT(parse(&inv, "query --param a=1 --param b= --param a=x=y"), 0);
	CHECK_INT(flag_values(&inv, "param", values, 4), 3);
	CHECK_STR(values[0], "a=1");
	CHECK_STR(values[2], "a=x=y");
	CHECK_STR(flag_value(&inv, "param"), "a=x=y");
	arena_free(&inv.arena);
	CHECK_INT(status_of("query --param a"), EXIT_USAGE);
	CHECK_INT(status_of("snapshot --branch a --branch b"), EXIT_USAGE);
	CHECK_INT(status_of("snapshot --json --json"), EXIT_USAGE);
	CHECK_INT(status_of("--quiet snapshot --quiet"), EXIT_USAGE);
}

static void missing(void)
{
	CHECK_INT(status_of("load --data d g"), EXIT_USAGE);
	CHECK_INT(status_of("load --mode merge g"), EXIT_USAGE);
	CHECK_INT(status_of("load --data d --mode"), EXIT_USAGE);
	CHECK_INT(status_of("init --schema s"), EXIT_USAGE);
	CHECK_INT(status_of("commit show"), EXIT_USAGE);
}

static void wrong(void)
{
	CHECK_INT(status_of("load --data d --mode Merge g"), EXIT_USAGE);
	CHECK_INT(status_of("query --format xml"), EXIT_USAGE);
	CHECK_INT(status_of("snapshot a b"), EXIT_USAGE);
	CHECK_INT(status_of("snapshot --bran b"), EXIT_USAGE);
	CHECK_INT(status_of("snapshot --json=1"), EXIT_USAGE);
	CHECK_INT(status_of("export --table t"), EXIT_USAGE);
	CHECK_INT(status_of("query --query q -e q"), EXIT_USAGE);
	CHECK_INT(status_of("query --params {} --params-file f"), EXIT_USAGE);
	CHECK_INT(status_of("query --branch b --snapshot s"), EXIT_USAGE);
	CHECK_INT(status_of("query --json --format csv"), EXIT_USAGE);
	CHECK_INT(status_of("query --query - --params-file -"), EXIT_USAGE);
	CHECK_INT(status_of("query --query - --params-file f"), 0);
}

static void too_many(void)
{
	char *argv[CLI_VALUES_MAX + 2];
	struct invocation inv = { 0 };
	int n = 0;

	argv[n++] = (char *)"query";
	while (n < CLI_VALUES_MAX + 2)
		argv[n++] = (char *)"--param=a=1";
	CHECK_INT(args_parse(n, argv, &inv), EXIT_USAGE);
	arena_free(&inv.arena);
}

static void usage_text(void)
{
	struct strbuf b = STRBUF_INIT;
	bool family_only;

	usage_line(command_find("load", NULL, &family_only), &b);
	CHECK_STR(b.s, "omnigraph load [OPTIONS] --data <FILE> --mode <MODE> [URI]");
	sb_free(&b);
	CHECK(!command_find("branch", NULL, &family_only) && family_only);
	CHECK(!command_find("nope", NULL, &family_only) && !family_only);
}

CHECK_MAIN("cli/args", { "options stand before, between and after the words, and -- ends them", anywhere },
	   { "families take flags before their subcommand; alone they are a usage error", families },
	   { "a letter takes its value after =, a blank or nothing", letters },
	   { "CLI-48 only a repeatable flag may be given twice; --param wants NAME=VALUE", repeated },
	   { "CLI-37 missing values, flags and positionals are usage errors", missing },
	   { "CLI-47 CLI-46 unknown, surplus, excluded and ill-valued arguments are usage errors", wrong },
	   { "more values than there is room for are a usage error", too_many },
	   { "the usage line shows what is required", usage_text }, )

/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/failpoint.h>
#include <omnigraph/store.h>

#include "tools/cli/cli.h"

/* Renamed commands (spec/cli.md 1.3), decided on the first words alone. */
static void rename_command(int *argc, char ***argv)
{
	char **v = *argv;

	if (*argc > 0 && !strcmp(v[0], "read")) {
		v[0] = "query";
		warn("`omnigraph read` is deprecated; use `omnigraph query` instead");
	} else if (*argc > 0 && !strcmp(v[0], "change")) {
		v[0] = "mutate";
		warn("`omnigraph change` is deprecated; use `omnigraph mutate` instead");
	} else if (*argc > 0 && !strcmp(v[0], "check")) {
		v[0] = "lint";
		warn("`omnigraph check` is deprecated; use `omnigraph lint` instead");
	} else if (*argc > 1 && !strcmp(v[0], "query") && (!strcmp(v[1], "lint") || !strcmp(v[1], "check"))) {
		warn("`omnigraph query %s` is deprecated; use `omnigraph lint` instead", v[1]);
		v[1] = "lint";
		(*argc)--;
		(*argv)++;
	}
}

static int configure_failpoints(void)
{
#ifdef CONFIG_FAILPOINTS
	struct err e = ERR_INIT;

	if (failpoint_configure(getenv("OMNIGRAPH_FAILPOINTS"), getenv("OMNIGRAPH_FAILPOINT_DIR"), &e))
		return fail(&e, false);
#endif
	return EXIT_DONE;
}

static const char *s3_env(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

static void configure_s3(void)
{
	static struct s3_config c;

	s3_config_from_env(s3_env, NULL, &c);
	store_set_s3_default(&c);
}

/* Help and version go through stdio: a full disk under it is an error there too. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	return refuse("could not write to standard output");
}

int main(int argc, char **argv)
{
	struct invocation inv = { 0 };
	int status;

	argc--;
	argv++;
	if (argc == 1 && (!strcmp(argv[0], "-v") || !strcmp(argv[0], "--version"))) {
		printf("omnigraph %s\n", OMNIGRAPH_VERSION);
		return finish(EXIT_DONE);
	}
	if (argc > 0 && !strcmp(argv[0], "help"))
		argv[0] = argc > 1 ? "--help" : "-h";
	rename_command(&argc, &argv);
	status = args_parse(argc, argv, &inv);
	if (!status)
		status = configure_failpoints();
	configure_s3();
	if (!status)
		status = scope_check(&inv);
	if (!status)
		status = scope_check_actor(&inv);
	if (!status)
		status = inv.cmd->run(&inv);
	arena_free(&inv.arena);
	return finish(status == ARGS_PRINTED ? EXIT_DONE : status);
}

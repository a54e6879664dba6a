/* SPDX-License-Identifier: MIT */
/* Help texts, made from the command table. */
#include <stdio.h>
#include <unistd.h>

#include "tools/cli/cli.h"

static void put(int fd, struct strbuf *b)
{
	FILE *f = fd == STDOUT_FILENO ? stdout : stderr;

	fputs(b->s ? b->s : "", f);
	fflush(f);
	sb_free(b);
}

void usage_line(const struct command *cmd, struct strbuf *out)
{
	sb_addf(out, "omnigraph %s%s%s", cmd->family, cmd->sub ? " " : "", cmd->sub ? cmd->sub : "");
	sb_addz(out, " [OPTIONS]");
	for (const struct flag *f = cmd->flags; f && f->name; f++)
		if (f->required)
			sb_addf(out, " --%s <%s>", f->name, f->value);
	if (cmd->positionals[0])
		sb_addf(out, " %s", cmd->positionals);
}

static void flag_lines(const struct flag *flags, struct strbuf *b)
{
	for (const struct flag *f = flags; f && f->name; f++) {
		struct strbuf left = STRBUF_INIT;

		if (f->hidden)
			continue;
		if (f->letter)
			sb_addf(&left, "-%c, ", f->letter);
		sb_addf(&left, "--%s", f->name);
		if (f->value)
			sb_addf(&left, " <%s>", f->value);
		sb_addf(b, "  %-28s %s", left.s, f->help);
		if (f->set) {
			sb_addz(b, " [possible values: ");
			for (size_t i = 0; f->set[i]; i++)
				sb_addf(b, "%s%s", i ? ", " : "", f->set[i]);
			sb_addz(b, "]");
		}
		sb_addch(b, '\n');
		sb_free(&left);
	}
}

void help_command(const struct command *cmd, int fd)
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "%s\n\nUsage: ", cmd->help);
	usage_line(cmd, &b);
	sb_addz(&b, "\n\nOptions:\n");
	flag_lines(cmd->flags, &b);
	sb_addf(&b, "  %-28s %s\n", "-h, --help", "Print this help");
	sb_addz(&b, "\nGlobal options:\n");
	flag_lines(global_flags, &b);
	put(fd, &b);
}

static void command_line(const struct command *c, struct strbuf *b)
{
	struct strbuf name = STRBUF_INIT;

	sb_addf(&name, "%s%s%s", c->family, c->sub ? " " : "", c->sub ? c->sub : "");
	sb_addf(b, "  %-24s %s\n", name.s, c->help);
	sb_free(&name);
}

void help_family(const char *family, int fd)
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "Usage: omnigraph %s <COMMAND>\n\nCommands:\n", family);
	for (const struct command *c = commands; c->family; c++)
		if (!strcmp(c->family, family))
			command_line(c, &b);
	put(fd, &b);
}

void help_root(int fd)
{
	static const char *const caps[] = { "data", "served", "direct (storage-native)", "cluster control", "local" };
	struct strbuf b = STRBUF_INIT;

	sb_addz(&b, "OmniGraph: a typed property graph with branches, stored queries and a cluster control plane.\n\n"
		    "Usage: omnigraph [OPTIONS] <COMMAND>\n\nCommands:\n");
	for (const struct command *c = commands; c->family; c++)
		command_line(c, &b);
	sb_addz(&b, "\n`read` is an alias of `query`, `change` of `mutate`.\n\nCOMMANDS BY CAPABILITY:\n");
	for (int cap = CAP_ANY; cap <= CAP_LOCAL; cap++) {
		const char *last = "";
		bool any = false;

		for (const struct command *c = commands; c->family; c++) {
			if ((int)c->cap != cap || !strcmp(c->family, last))
				continue;
			if (!any)
				sb_addf(&b, "  %-24s", caps[cap]);
			sb_addf(&b, "%s%s", any ? ", " : " ", c->family);
			any = true;
			last = c->family;
		}
		if (any)
			sb_addch(&b, '\n');
	}
	sb_addz(&b, "\nOptions:\n");
	flag_lines(global_flags, &b);
	sb_addf(&b, "  %-28s %s\n  %-28s %s\n", "-h, --help", "Print help", "-v, --version", "Print the version");
	put(fd, &b);
}

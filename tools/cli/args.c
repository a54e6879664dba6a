/* SPDX-License-Identifier: MIT */
/* From argv to an invocation: flags anywhere, exact names, one time each (spec/cli.md 1). */
#include <stdio.h>
#include <unistd.h>

#include "tools/cli/cli.h"

static int usage_error(const struct command *cmd, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	sb_addz(&b, "error: ");
	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	sb_addz(&b, "\n\nUsage: ");
	if (cmd)
		usage_line(cmd, &b);
	else
		sb_addz(&b, "omnigraph [OPTIONS] <COMMAND>");
	sb_addz(&b, "\n\nFor more information, try '--help'.\n");
	fputs(b.s, stderr);
	sb_free(&b);
	return EXIT_USAGE;
}

/* --- look-ups ------------------------------------------------------------------------------------------------------------ */

static const struct flag *find_in(const struct flag *flags, const char *name, size_t n, char letter)
{
	for (; flags && flags->name; flags++)
		if (letter ? flags->letter == letter : strlen(flags->name) == n && !memcmp(flags->name, name, n))
			return flags;
	return NULL;
}

static const struct flag *find_flag(const struct command *cmd, const char *name, size_t n, char letter)
{
	const struct flag *f = cmd ? find_in(cmd->flags, name, n, letter) : NULL;

	return f ? f : find_in(global_flags, name, n, letter);
}

const char *flag_value(const struct invocation *inv, const char *name)
{
	for (size_t i = inv->n_given; i-- > 0;)
		if (!strcmp(inv->given[i].flag->name, name))
			return inv->given[i].value;
	return NULL;
}

bool flag_given(const struct invocation *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_given; i++)
		if (!strcmp(inv->given[i].flag->name, name))
			return true;
	return false;
}

size_t flag_values(const struct invocation *inv, const char *name, const char **out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->n_given && n < max; i++)
		if (!strcmp(inv->given[i].flag->name, name))
			out[n++] = inv->given[i].value;
	return n;
}

/* --- which command ---------------------------------------------------------------------------------------------------------- */

/* Global flags before and between the command's words; takes them into @inv. Returns words left or a status. */
struct words {
	char **argv;
	int argc, at;
};

static const char *shown(const struct flag *f, struct arena *a)
{
	return f->value ? arena_printf(a, "--%s <%s>", f->name, f->value) : arena_printf(a, "--%s", f->name);
}

static int check_set(struct invocation *inv, const char *const *set, const char *value, const char *where)
{
	struct strbuf list = STRBUF_INIT;
	int rc;

	for (size_t i = 0; set[i]; i++)
		if (!strcmp(set[i], value))
			return 0;
	for (size_t i = 0; set[i]; i++)
		sb_addf(&list, "%s%s", i ? ", " : "", set[i]);
	rc = usage_error(inv->cmd, "invalid value '%s' for '%s' [possible values: %s]", value, where, list.s);
	sb_free(&list);
	return rc;
}

static int check_value(struct invocation *inv, const struct flag *f, const char *value)
{
	uint64_t n;

	if ((f->number && !str_to_u64(str_from(value), &n)) || (f->pair && !strchr(value, '=')))
		return usage_error(inv->cmd, "invalid value '%s' for '%s'", value, shown(f, &inv->arena));
	return f->set ? check_set(inv, f->set, value, shown(f, &inv->arena)) : 0;
}

static int take_flag(struct invocation *inv, const struct flag *f, const char *value)
{
	int rc;

	if (!f->repeat && flag_given(inv, f->name))
		return usage_error(inv->cmd, "the argument '%s' cannot be used multiple times", shown(f, &inv->arena));
	if (inv->n_given == CLI_VALUES_MAX)
		return usage_error(inv->cmd, "more than %d arguments", CLI_VALUES_MAX);
	rc = value ? check_value(inv, f, value) : 0;
	if (!rc)
		inv->given[inv->n_given++] = (struct given){ f, value };
	return rc;
}

/* The word at w->at is an option. */
static int parse_option(struct invocation *inv, struct words *w)
{
	const char *word = w->argv[w->at], *eq, *value = NULL;
	const struct flag *f;
	bool is_long = word[1] == '-';

	if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
		inv->help = true;
		w->at++;
		return 0;
	}
	if (is_long) {
		eq = strchr(word, '=');
		f = find_flag(inv->cmd, word + 2, eq ? (size_t)(eq - word - 2) : strlen(word + 2), 0);
		value = eq ? eq + 1 : NULL;
	} else {
		f = find_flag(inv->cmd, NULL, 0, word[1]);
		if (word[2])
			value = word[2] == '=' ? word + 3 : word + 2;
	}
	if (!f || (!f->value && value))
		return usage_error(inv->cmd, "unexpected argument '%s' found", word);
	w->at++;
	if (f->value && !value) {
		if (w->at >= w->argc)
			return usage_error(inv->cmd, "a value is required for '%s' but none was supplied",
					   shown(f, &inv->arena));
		value = w->argv[w->at++];
	}
	return take_flag(inv, f, value);
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* Skip global flags to the next plain word; NULL at the end. */
static int next_word(struct invocation *inv, struct words *w, const char **out)
{
	*out = NULL;
	while (w->at < w->argc) {
		int rc;

		if (!is_option(w->argv[w->at])) {
			*out = w->argv[w->at++];
			return 0;
		}
		rc = parse_option(inv, w);
		if (rc)
			return rc;
	}
	return 0;
}

static int find_command(struct invocation *inv, struct words *w)
{
	const char *family, *sub;
	bool family_only;
	int rc = next_word(inv, w, &family);

	if (rc)
		return rc;
	if (!family) {
		help_root(inv->help ? STDOUT_FILENO : STDERR_FILENO);
		return inv->help ? ARGS_PRINTED : EXIT_USAGE;
	}
	inv->cmd = command_find(family, NULL, &family_only);
	if (inv->cmd)
		return 0;
	if (!family_only)
		return usage_error(NULL, "unrecognized subcommand '%s'", family);
	rc = next_word(inv, w, &sub);
	if (rc)
		return rc;
	if (!sub) {
		help_family(family, inv->help ? STDOUT_FILENO : STDERR_FILENO);
		return inv->help ? ARGS_PRINTED : EXIT_USAGE;
	}
	inv->cmd = command_find(family, sub, &family_only);
	return inv->cmd ? 0 : usage_error(NULL, "unrecognized subcommand '%s'", sub);
}

/* --- after the words --------------------------------------------------------------------------------------------------------- */

static int check_required(struct invocation *inv)
{
	for (const struct flag *f = inv->cmd->flags; f && f->name; f++)
		if (f->required && !flag_given(inv, f->name))
			return usage_error(inv->cmd, "the following required arguments were not provided: %s",
					   shown(f, &inv->arena));
	if ((int)inv->n_pos < inv->cmd->min_pos)
		return usage_error(inv->cmd, "the following required arguments were not provided: %s",
				   inv->cmd->positionals);
	return 0;
}

static int check_exclusions(struct invocation *inv)
{
	const char *const *x = inv->cmd->exclude;

	for (; x && x[0]; x += 2)
		if (flag_given(inv, x[0]) && flag_given(inv, x[1]))
			return usage_error(inv->cmd, "the argument '--%s' cannot be used with '--%s'", x[0], x[1]);
	return 0;
}

/* Standard input has one reader. */
static int check_inputs(struct invocation *inv)
{
	const struct flag *reader = NULL;

	for (size_t i = 0; i < inv->n_given; i++) {
		const struct flag *f = inv->given[i].flag;

		if (!f->input || strcmp(inv->given[i].value, "-"))
			continue;
		if (reader)
			return usage_error(inv->cmd, "the argument '--%s -' cannot be used with '--%s -'", reader->name,
					   f->name);
		reader = f;
	}
	return 0;
}

static int take_positional(struct invocation *inv, const char *word)
{
	if ((int)inv->n_pos >= inv->cmd->max_pos)
		return usage_error(inv->cmd, "unexpected argument '%s' found", word);
	inv->pos[inv->n_pos++] = word;
	if (inv->n_pos == 1 && inv->cmd->first_set)
		return check_set(inv, inv->cmd->first_set, word, inv->cmd->positionals);
	return 0;
}

int args_parse(int argc, char **argv, struct invocation *inv)
{
	struct words w = { .argv = argv, .argc = argc };
	bool plain = false; /* after -- */
	int rc = find_command(inv, &w);

	while (!rc && w.at < w.argc) {
		const char *word = w.argv[w.at];

		if (!plain && !strcmp(word, "--")) {
			plain = true;
			w.at++;
		} else if (!plain && is_option(word)) {
			rc = parse_option(inv, &w);
		} else {
			w.at++;
			rc = take_positional(inv, word);
		}
	}
	if (rc)
		return rc;
	if (inv->help) {
		help_command(inv->cmd, STDOUT_FILENO);
		return ARGS_PRINTED;
	}
	rc = check_exclusions(inv);
	if (!rc)
		rc = check_inputs(inv);
	return rc ? rc : check_required(inv);
}

/* SPDX-License-Identifier: MIT */
/* The credentials file, and which token goes with a request; login and logout (spec/cli.md 5.4, 5.5, 11.22). */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <omnigraph/json.h>
#include <omnigraph/util.h>

#include "tools/cli/credentials.h"
#include "tools/cli/operator_config.h"

#define CREDENTIALS_MAX (1u << 20)
#define TOKEN_MAX 65536

/* --- the file ----------------------------------------------------------------------------------------------------------- */

static int unreadable(const char *path, const char *why, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "could not read credentials file '%s': %s", path, why);
}

/* An absent file is an empty one. */
static int read_file(const char *path, struct strbuf *out, struct err *e)
{
	struct err why = ERR_INIT;
	struct stat st;
	int rc;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : unreadable(path, strerror(errno), e);
	if (st.st_mode & 077)
		return err_set(e, ERR_BAD_REQUEST,
			       "credentials file '%s' is group/world-accessible (mode %o); run `chmod 600 %s`", path,
			       st.st_mode & 07777, path);
	rc = file_read(path, CREDENTIALS_MAX, out, &why);
	if (rc)
		unreadable(path, err_msg(&why), e);
	err_clear(&why);
	return rc;
}

/* The next line of *rest, without its end. */
static struct str take_line(struct str *rest)
{
	const char *end = memchr(rest->s, '\n', rest->n);
	struct str line = { rest->s, end ? (size_t)(end - rest->s) : rest->n };
	size_t used = line.n + (end ? 1 : 0);

	rest->s += used;
	rest->n -= used;
	return line;
}

static bool is_section(struct str line, struct str *name)
{
	line = str_trim(line);
	if (line.n < 2 || line.s[0] != '[' || line.s[line.n - 1] != ']')
		return false;
	*name = str_trim((struct str){ line.s + 1, line.n - 2 });
	return true;
}

static struct str unquote(struct str v)
{
	bool quoted = v.n >= 2 && (v.s[0] == '"' || v.s[0] == '\'') && v.s[v.n - 1] == v.s[0];

	return quoted ? (struct str){ v.s + 1, v.n - 2 } : v;
}

/* The first `token = value` of section @name; empty: none. */
static struct str token_in(struct str text, const char *name)
{
	struct str section;
	bool wanted = false;

	while (text.n) {
		struct str line = str_trim(take_line(&text));
		const char *eq = memchr(line.s, '=', line.n);

		if (!line.n || line.s[0] == '#')
			continue;
		if (is_section(line, &section))
			wanted = str_eqz(section, name);
		else if (wanted && eq && str_eqz(str_trim((struct str){ line.s, (size_t)(eq - line.s) }), "token"))
			return unquote(str_trim((struct str){ eq + 1, line.n - (size_t)(eq + 1 - line.s) }));
	}
	return (struct str){ 0 };
}

/* @text without the sections called @name, every other byte kept. */
static void drop_section(struct str text, const char *name, struct strbuf *out)
{
	struct str section;
	bool dropped = false;

	while (text.n) {
		const char *start = text.s;
		struct str line = take_line(&text);

		if (is_section(line, &section))
			dropped = str_eqz(section, name);
		if (!dropped)
			sb_add(out, start, (size_t)(text.s - start));
	}
}

static int write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t k = write(fd, s.s, s.n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		s.s += k;
		s.n -= (size_t)k;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Replace the file by one with mode 0600. */
static int write_file(struct arena *a, const char *path, struct str text, struct err *e)
{
	const char *tmp = arena_printf(a, "%s.tmp.%d", path, (int)getpid());
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc;

	if (fd < 0)
		return err_sys(e, errno, "could not write credentials file '%s'", tmp);
	rc = fchmod(fd, 0600) < 0 ? -errno : write_all(fd, text);
	close(fd);
	if (!rc && rename(tmp, path) < 0)
		rc = -errno;
	if (!rc)
		return 0;
	unlink(tmp);
	return err_sys(e, -rc, "could not write credentials file '%s'", path);
}

/* The directories of @path, for the operator alone. */
static int make_directories(struct arena *a, const char *path, struct err *e)
{
	char *dir = dirname(arena_strdup(a, path));

	for (char *p = dir + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(dir, 0700);
		*p = '/';
	}
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? err_sys(e, errno, "could not create directory '%s'", dir) : 0;
}

/* --- the token of a request --------------------------------------------------------------------------------------------- */

static size_t url_length(const char *url)
{
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	return n;
}

/* The configured server that covers @url: equal, or a prefix that ends at a slash; the longest. */
static const struct op_server *covering(const struct operator_config *c, const char *url)
{
	const struct op_server *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < c->n_servers; i++) {
		size_t n = url_length(c->servers[i].url);

		if (n <= longest || strncmp(c->servers[i].url, url, n) || (url[n] && url[n] != '/'))
			continue;
		best = &c->servers[i];
		longest = n;
	}
	return best;
}

/* A variable's trimmed value in the arena, NULL when it is blank or not set. */
static const char *env_token(struct arena *a, const char *name)
{
	const char *v = getenv(name);
	struct str t = str_trim(str_from(v));

	return v && t.n ? arena_str(a, t).s : NULL;
}

static const char *named_env_token(struct arena *a, const char *server)
{
	char *name = (char *)arena_printf(a, "OMNIGRAPH_TOKEN_%s", server);

	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return env_token(a, name);
}

static int file_token(struct arena *a, const char *server, const char **out, struct err *e)
{
	const char *path = operator_path(a, "credentials");
	struct strbuf text = STRBUF_INIT;
	struct str found;
	int rc = path ? read_file(path, &text, e) : 0;

	found = rc ? (struct str){ 0 } : str_trim(token_in(sb_str(&text), server));
	*out = found.n ? arena_str(a, found).s : NULL;
	if (text.s)
		mem_wipe(text.s, text.n);
	sb_free(&text);
	return rc;
}

int token_for(struct invocation *inv, const char *url, const char **out, struct err *e)
{
	const struct operator_config *cfg = operator_config(inv, e);
	const struct op_server *server;
	int rc = 0;

	*out = NULL;
	if (!cfg)
		return -EINVAL;
	server = covering(cfg, url);
	if (server)
		*out = named_env_token(&inv->arena, server->name);
	if (server && !*out)
		rc = file_token(&inv->arena, server->name, out, e);
	if (!rc && !*out)
		*out = env_token(&inv->arena, "OMNIGRAPH_BEARER_TOKEN");
	for (const char *p = *out; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(
				e, ERR_BAD_REQUEST,
				"the token for %s holds a control character; store it again with `omnigraph login`",
				server ? server->name : url);
	return rc;
}

/* --- login and logout --------------------------------------------------------------------------------------------------- */

/* One line of standard input; on a terminal the operator is asked, and the answer is not shown. */
static struct str ask(struct invocation *inv, const char *name)
{
	bool tty = isatty(STDIN_FILENO);
	struct termios old, quiet;
	char *line = arena_zalloc(&inv->arena, TOKEN_MAX);
	size_t n = 0;

	if (tty && !tcgetattr(STDIN_FILENO, &old)) {
		fprintf(stderr, "Token for %s: ", name);
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	} else {
		tty = false;
	}
	while (n < TOKEN_MAX - 1 && read(STDIN_FILENO, line + n, 1) == 1 && line[n] != '\n')
		n++;
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	return str_trim((struct str){ line, n });
}

static int rewrite(struct invocation *inv, const char *name, struct str token, const char *path, struct err *e)
{
	struct strbuf old = STRBUF_INIT, new = STRBUF_INIT;
	int rc = read_file(path, &old, e);

	if (!rc && (token.n || old.n)) {
		drop_section(sb_str(&old), name, &new);
		if (token.n && new.n &&new.s[new.n - 1] != '\n')
			sb_addch(&new, '\n');
		if (token.n && new.n && !(new.n >= 2 && new.s[new.n - 2] == '\n'))
			sb_addch(&new, '\n');
		if (token.n)
			sb_addf(&new, "[%s]\ntoken = %.*s\n", name, STR_ARG(token));
		rc = make_directories(&inv->arena, path, e);
		if (!rc && !(old.n == new.n && !memcmp(old.s, new.s, old.n)))
			rc = write_file(&inv->arena, path, sb_str(&new), e);
	}
	if (new.s)
		mem_wipe(new.s, new.n);
	sb_free(&old);
	sb_free(&new);
	return rc;
}

static int report(struct invocation *inv, const char *path, const bool *declared)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (!flag_given(inv, "json")) {
		sb_addf(&out, "%s credential for '%s' %s %s\n", declared ? "stored" : "removed", inv->pos[0],
			declared ? "in" : "from", path);
		return out_text(&out);
	}
	jw_init(&w, &out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "server", inv->pos[0]);
	jw_kstrz(&w, "credentials_path", path);
	if (declared)
		jw_kbool(&w, "declared", *declared);
	jw_end_object(&w);
	sb_addch(&out, '\n');
	return out_text(&out);
}

/* A name that could not be found again as a section is refused. */
static int check_name(const char *name, struct err *e)
{
	if (*name && str_trim(str_from(name)).n == strlen(name) && !strpbrk(name, "[]\r\n"))
		return 0;
	return err_set(e, ERR_BAD_REQUEST,
		       "server name '%s' cannot be used: it is empty or holds blanks around, brackets or line ends",
		       name);
}

static int credentials_path(struct invocation *inv, const char **out, struct err *e)
{
	*out = operator_path(&inv->arena, "credentials");
	return *out ? check_name(inv->pos[0], e)
		    : err_set(e, ERR_BAD_REQUEST, "no place for credentials: set HOME or OMNIGRAPH_HOME");
}

int cmd_login(struct invocation *inv)
{
	const char *given = flag_value(inv, "token"), *name = inv->pos[0], *path;
	struct err e = ERR_INIT;
	const struct operator_config *cfg = operator_config(inv, &e);
	struct str token;
	bool declared;
	int rc = cfg ? credentials_path(inv, &path, &e) : -EINVAL;

	if (!rc) {
		token = given ? str_trim(str_from(given)) : ask(inv, name);
		if (!token.n)
			rc = err_set(
				&e, ERR_BAD_REQUEST,
				"no token provided: pass --token <TOKEN> or pipe it on stdin (echo $TOKEN | omnigraph "
				"login <NAME>)");
	}
	if (!rc)
		rc = rewrite(inv, name, token, path, &e);
	if (rc)
		return fail(&e, false);
	declared = op_server(cfg, name);
	if (!declared)
		fprintf(stderr,
			"note: '%s' is not declared yet; add to %s:\nservers:\n  %s:\n    url: https://<host>\n", name,
			operator_path(&inv->arena, "config.yaml"), name);
	return report(inv, path, &declared);
}

int cmd_logout(struct invocation *inv)
{
	struct err e = ERR_INIT;
	const char *path;
	int rc = credentials_path(inv, &path, &e);

	if (!rc)
		rc = rewrite(inv, inv->pos[0], (struct str){ 0 }, path, &e);
	return rc ? fail(&e, false) : report(inv, path, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <omnigraph/mem.h>
#include <omnigraph/str.h>

#include "net/options.h"

const char command_line_usage[] =
	"usage: omnigraph-server --cluster <dir|uri> [--bind <host:port>] [--unauthenticated] [--require-all-graphs]\n"
	"                        [--reload-on-hup] [--retry-quarantined]\n"
	"\n"
	"Serve the applied revision of a cluster at http://<host:port>/graphs/<id>/...\n"
	"\n"
	"  --cluster <dir|uri>    configuration directory, or storage root (s3://bucket/prefix, file:///dir)\n"
	"  --bind <host:port>     address to listen on (default 127.0.0.1:8080; port 0 picks a free one)\n"
	"  --unauthenticated      serve without tokens and policy (or OMNIGRAPH_UNAUTHENTICATED=1)\n"
	"  --require-all-graphs   refuse to start when a graph cannot be served (or OMNIGRAPH_REQUIRE_ALL_GRAPHS=1)\n"
	"  --reload-on-hup        (extension) SIGHUP re-reads the applied revision and swaps it in, unless it is "
	"worse\n"
	"  --retry-quarantined    (extension) try quarantined graphs again, after OMNIGRAPH_RETRY_QUARANTINED_MS "
	"(1000),\n"
	"                         doubling up to a minute; a healthy one joins\n"
	"  -h, --help             this text\n"
	"\n"
	"Tokens: OMNIGRAPH_SERVER_BEARER_TOKEN, OMNIGRAPH_SERVER_BEARER_TOKENS_FILE, "
	"OMNIGRAPH_SERVER_BEARER_TOKENS_JSON.\n"
	"Body limits: OMNIGRAPH_BODY_MAX_BYTES (1048576), OMNIGRAPH_LOAD_BODY_MAX_BYTES (33554432).\n"
	"Slow clients: OMNIGRAPH_HTTP_HEADER_TIMEOUT_MS (15000), OMNIGRAPH_HTTP_BODY_GRACE_MS (20000) and then at "
	"least\n"
	"OMNIGRAPH_HTTP_BODY_MIN_RATE (1024) bytes/s, OMNIGRAPH_HTTP_IDLE_TIMEOUT_MS (75000), "
	"OMNIGRAPH_HTTP_SEND_TIMEOUT_MS\n"
	"(120000); 0 turns a bound off.\n"
	"Log: OMNIGRAPH_LOG (error, warn, info, debug, trace, or target=level,...), on standard error.\n";

/* --name value or --name=value. 1: taken, 0: another option, negative: no value. */
static int option_value(const char *name, int argc, char **argv, int *i, const char **out, struct err *e)
{
	size_t n = strlen(name);

	if (strncmp(argv[*i], name, n))
		return 0;
	if (argv[*i][n] == '=') {
		*out = argv[*i] + n + 1;
		return 1;
	}
	if (argv[*i][n])
		return 0;
	if (*i + 1 >= argc)
		return err_set(e, ERR_BAD_REQUEST, "option '%s' needs a value", name);
	*out = argv[++*i];
	return 1;
}

static int take_argument(int argc, char **argv, int *i, struct command_line *c, struct err *e)
{
	const char *a = argv[*i];
	int rc = option_value("--cluster", argc, argv, i, &c->cluster, e);

	if (!rc)
		rc = option_value("--bind", argc, argv, i, &c->bind, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (!strcmp(a, "--unauthenticated"))
		c->unauthenticated = true;
	else if (!strcmp(a, "--require-all-graphs"))
		c->require_all = true;
	else if (!strcmp(a, "--reload-on-hup"))
		c->reload_on_hup = true;
	else if (!strcmp(a, "--retry-quarantined"))
		c->retry_quarantined = true;
	else if (!strcmp(a, "-h") || !strcmp(a, "--help"))
		c->help = true;
	else if (a[0] == '-')
		return err_set(e, ERR_BAD_REQUEST, "unknown option '%s'", a);
	else
		return err_set(e, ERR_BAD_REQUEST, "unexpected argument '%s': the server takes no positional arguments",
			       a);
	return 0;
}

int command_line_parse(int argc, char **argv, struct command_line *c, struct err *e)
{
	char *host, *port;
	int rc = 0;

	memset(c, 0, sizeof(*c));
	c->bind = "127.0.0.1:8080";
	for (int i = 1; i < argc && !rc; i++)
		rc = take_argument(argc, argv, &i, c, e);
	if (rc || c->help)
		return rc;
	if (!bind_split(c->bind, &host, &port))
		return err_set(e, ERR_BAD_REQUEST,
			       "invalid --bind '%s': expected host:port, e.g. 127.0.0.1:8080 or [::1]:8080", c->bind);
	free(host);
	free(port);
	return 0;
}

bool env_boolean(const char *value)
{
	struct str v = str_trim(value ? str_from(value) : (struct str){ "", 0 });

	return v.n && !str_eqz(v, "0") && !str_eq_nocase(v, STR("false"));
}

uint64_t env_number(const char *(*env)(const char *), const char *name, uint64_t max, uint64_t dflt, struct logger *l)
{
	const char *v = env(name);
	struct strbuf d = STRBUF_INIT;
	uint64_t n;

	if (!v)
		return dflt;
	if (str_to_u64(str_from(v), &n) && n <= max)
		return n;
	sb_addu64(&d, dflt);
	log_kv(l, LOG_WARN, "omnigraph::limits", "invalid env value, using default", "env", name, "value", v, "error",
	       "not a decimal number in range", "default", d.s, NULL);
	sb_free(&d);
	return dflt;
}

bool bind_split(const char *text, char **host, char **port)
{
	const char *colon = strrchr(text, ':');
	struct str h;
	uint64_t n;

	if (!colon || !str_to_u64(str_from(colon + 1), &n) || n > 65535)
		return false;
	h = (struct str){ text, (size_t)(colon - text) };
	if (h.n > 2 && h.s[0] == '[' && h.s[h.n - 1] == ']')
		h = (struct str){ h.s + 1, h.n - 2 };
	else if (memchr(h.s, ':', h.n) || !h.n)
		return false;
	*host = str_dup(h);
	*port = mem_strdup(colon + 1);
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * omnigraph-server: command line, environment, logger, signals (spec/server.md 1, 2.7 - 2.9).
 *
 * The main thread boots, starts the HTTP side and then runs the control loop until SIGINT or SIGTERM.
 */
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omnigraph/failpoint.h>
#include <omnigraph/limits.h>
#include <omnigraph/store.h>

#include "net/boot.h"
#include "net/control.h"
#include "net/http.h"
#include "net/listen.h"
#include "net/options.h"

#define CONNECTIONS_MAX 8192
#define CONNECTION_MEMORY (16u << 10)
#define LOOPS_MAX 16

#define NO_CLUSTER                                                                                                    \
	"omnigraph-server boots from a cluster: pass --cluster <dir|s3://...>. The single-graph boot forms (a graph " \
	"URI, "                                                                                                       \
	"--config, --target) are gone"

#define HEAD_MAX_AGE_MS 250
#define HEAD_MAX_AGE_LIMIT_MS (3600u * 1000)
#define CACHE_BYTES (1ull << 30)

static const char *env(const char *name)
{
	return getenv(name);
}

/* The pages that hold secrets are the process's own copy: overwrite them, and /proc/self/environ with them. */
static void wipe_env(const char *name)
{
	char *v = getenv(name);

	if (v)
		mem_wipe(v, strlen(v));
	unsetenv(name);
}

static const char *const secret_names[] = { "OMNIGRAPH_SERVER_BEARER_TOKEN", "OMNIGRAPH_SERVER_BEARER_TOKENS_JSON" };

/* Few arenas and eager return of large blocks: the resident size follows what is in use. */
static void tune_memory(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_TRIM_THRESHOLD, 512 << 10);
}

/*
 * Starting touches much code that is never needed again (relocation tables, initialisers of the libraries). Those pages are clean and
 * in the page cache; unmapping them leaves the resident size to what serving uses. Segments with relocations are writable
 * ones in ELF and are left alone.
 */
static int drop_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	if (info->dlpi_name && strstr(info->dlpi_name, "vdso"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + p->p_vaddr + page - 1) & ~(page - 1);
		uintptr_t to = (info->dlpi_addr + p->p_vaddr + p->p_filesz) & ~(page - 1);

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && from < to)
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

static void trim_memory(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_segments, NULL);
}

static unsigned raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return 1024;
	if (l.rlim_cur < l.rlim_max) {
		struct rlimit up = { l.rlim_max, l.rlim_max };

		if (!setrlimit(RLIMIT_NOFILE, &up))
			l.rlim_cur = l.rlim_max;
	}
	return l.rlim_cur > 1u << 20 ? 1u << 20 : (unsigned)l.rlim_cur;
}

static unsigned number(struct logger *l, const char *name, unsigned dflt)
{
	return (unsigned)env_number(env, name, UINT32_MAX, dflt, l);
}

static void http_limits(struct http_options *h, struct logger *l)
{
	unsigned files = raise_file_limit();
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	h->threads = cores < 1 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (unsigned)cores;
	h->connection_memory = CONNECTION_MEMORY;
	/* leave room for the store's files */
	h->connections_max = files > 256 ? files - 128 : files / 2 + 1;
	if (h->connections_max > CONNECTIONS_MAX)
		h->connections_max = CONNECTIONS_MAX;
	h->header_timeout_ms = number(l, "OMNIGRAPH_HTTP_HEADER_TIMEOUT_MS", 15000);
	h->body_grace_ms = number(l, "OMNIGRAPH_HTTP_BODY_GRACE_MS", 20000);
	h->body_min_rate = number(l, "OMNIGRAPH_HTTP_BODY_MIN_RATE", 1024);
	h->idle_timeout_ms = number(l, "OMNIGRAPH_HTTP_IDLE_TIMEOUT_MS", 75000);
	h->send_timeout_ms = number(l, "OMNIGRAPH_HTTP_SEND_TIMEOUT_MS", 120000);
}

static void boot_limits(struct boot_options *b, struct logger *l)
{
	b->limits.body_max = env_number(env, "OMNIGRAPH_BODY_MAX_BYTES", UINT32_MAX, LIMIT_BODY_BYTES, l);
	b->limits.load_body_max =
		env_number(env, "OMNIGRAPH_LOAD_BODY_MAX_BYTES", UINT64_MAX >> 1, LIMIT_LOAD_BODY_BYTES, l);
	b->limits.actor_inflight_max = (uint32_t)env_number(env, "OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX", UINT32_MAX,
							    ADMISSION_INFLIGHT_DEFAULT, l);
	b->limits.actor_bytes_max =
		env_number(env, "OMNIGRAPH_PER_ACTOR_BYTES_MAX", UINT64_MAX, ADMISSION_BYTES_DEFAULT, l);
	b->mutation_max_bytes = env_number(env, "OMNIGRAPH_MUTATION_MAX_BYTES", UINT64_MAX, 0, l);
	b->head_max_age_ms =
		(uint32_t)env_number(env, "OMNIGRAPH_HEAD_MAX_AGE_MS", HEAD_MAX_AGE_LIMIT_MS, HEAD_MAX_AGE_MS, l);
}

static void boot_options(const struct command_line *c, struct logger *l, struct boot_options *b)
{
	*b = (struct boot_options){
		.cluster = c->cluster,
		.strict = c->require_all || env_boolean(env("OMNIGRAPH_REQUIRE_ALL_GRAPHS")),
		.unauthenticated = c->unauthenticated || env_boolean(env("OMNIGRAPH_UNAUTHENTICATED")),
		.tokens = { .single = env("OMNIGRAPH_SERVER_BEARER_TOKEN"),
			    .file = env("OMNIGRAPH_SERVER_BEARER_TOKENS_FILE"),
			    .json = env("OMNIGRAPH_SERVER_BEARER_TOKENS_JSON"),
			    .aws_secret = env("OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET") },
		.env = env,
		.logger = l,
	};
	boot_limits(b, l);
}

static int boot(struct boot_options *b, struct server **out, struct err *e)
{
	int rc = server_boot(b, out, e);

	for (size_t i = 0; i < ARRAY_SIZE(secret_names); i++)
		wipe_env(secret_names[i]);
	b->tokens = (struct token_sources){ 0 };
	return rc;
}

static void log_serving(const struct server *s, const char *address, const char *config)
{
	struct strbuf n = STRBUF_INIT;

	sb_addu64(&n, s->revision->n_graphs);
	log_kv(s->logger, LOG_INFO, "omnigraph::boot", "serving omnigraph", "bind", address, "mode", "cluster",
	       "graph_count", n.s, "config", config, NULL);
	sb_free(&n);
}

/*
 * SIGINT and SIGTERM: before serving they end the process as usual, while serving they start the graceful shutdown, and after
 * that a second one ends the process at once. A handler, because threads of the libraries may take the signal, too.
 */
static struct control control;
static volatile sig_atomic_t serving;

static void on_signal(int sig)
{
	int saved = errno;

	if (serving) {
		serving = 0;
		atomic_store(&control.stop, true);
		sem_post(&control.wake);
	} else {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	errno = saved;
}

static void on_hangup(int sig)
{
	int saved = errno;

	atomic_store(&control.reload, true);
	sem_post(&control.wake);
	errno = saved;
}

static void catch (int sig, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

static void catch_signals(const struct command_line *c)
{
	sem_init(&control.wake, 0, 0);
	catch (SIGINT, on_signal);
	catch (SIGTERM, on_signal);
	if (c->reload_on_hup)
		catch (SIGHUP, on_hangup);
	signal(SIGPIPE, SIG_IGN);
}

static int serve(const struct command_line *c, const struct boot_options *b, struct server *s, struct err *e)
{
	struct control_options o = { .boot = b, .retry_quarantined = c->retry_quarantined };
	struct http_options h = { 0 };
	struct http_server *http;
	char address[64];
	int rc;

	http_limits(&h, s->logger);
	rc = listen_open(c->bind, &h.listen_fd, e);
	if (rc)
		return rc;
	listen_address(h.listen_fd, address);
	o.retry_first_ms = number(s->logger, "OMNIGRAPH_RETRY_QUARANTINED_MS", CONTROL_RETRY_FIRST_MS);
	s->wake = &control.wake;
	serving = 1;
	log_serving(s, address, c->cluster);
	printf("OMNIGRAPH_LISTEN_ADDR=%s\n", address);
	fflush(stdout);
	rc = http_start(&h, &server_app, s, &http, e);
	if (rc)
		return rc;
	trim_memory();
	control_run(&control, s, &o);
	http_drain(http);
	http_stop(http);
	return 0;
}

static const char *s3_env(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

/* A cache that cannot be used is none; said once, here. */
static void configure_cache(struct s3_config *c, struct logger *l)
{
	c->cache_dir = env("OMNIGRAPH_CACHE_DIR");
	if (!c->cache_dir || !*c->cache_dir)
		return;
	c->cache_max_bytes = env_number(env, "OMNIGRAPH_CACHE_MAX_BYTES", UINT64_MAX >> 1, CACHE_BYTES, l);
	if ((!mkdir(c->cache_dir, 0700) || errno == EEXIST) && !access(c->cache_dir, R_OK | W_OK | X_OK))
		return;
	log_kv(l, LOG_WARN, "omnigraph::boot",
	       "OMNIGRAPH_CACHE_DIR cannot be used; objects on S3 are fetched each time", "dir", c->cache_dir, "reason",
	       strerror(errno), NULL);
	c->cache_dir = NULL;
}

static void configure_s3(struct logger *l)
{
	static struct s3_config c;

	s3_config_from_env(s3_env, NULL, &c);
	configure_cache(&c, l);
	store_set_s3_default(&c);
}

static int run(const struct command_line *c, struct err *e)
{
	struct boot_options b;
	struct logger *l = NULL;
	struct server *s = NULL;
	int rc = logger_new(STDERR_FILENO, env("OMNIGRAPH_LOG"), LOG_INFO, false, &l, e);

	if (rc) {
		err_prefix(e, "OMNIGRAPH_LOG: ");
		return rc;
	}
#ifdef CONFIG_FAILPOINTS
	rc = failpoint_configure(env("OMNIGRAPH_FAILPOINTS"), env("OMNIGRAPH_FAILPOINT_DIR"), e);
#endif
	if (!rc && !c->cluster)
		rc = err_set(e, ERR_BAD_REQUEST, NO_CLUSTER);
	if (!rc) {
		configure_s3(l);
		boot_options(c, l, &b);
		rc = boot(&b, &s, e);
	}
	if (!rc)
		rc = serve(c, &b, s, e);
	server_free(s);
	logger_free(l);
	return rc;
}

int main(int argc, char **argv)
{
	struct command_line c;
	struct err e = ERR_INIT;
	int status = 0;

	tune_memory();
	if (command_line_parse(argc, argv, &c, &e)) {
		fprintf(stderr, "Error: %s\n\n%s", err_msg(&e), command_line_usage);
		err_clear(&e);
		return 2;
	}
	if (c.help) {
		fputs(command_line_usage, stdout);
		return 0;
	}
	catch_signals(&c);
	if (run(&c, &e)) {
		fprintf(stderr, "Error: %s\n", err_msg(&e));
		status = 1;
	}
	err_clear(&e);
	return status;
}

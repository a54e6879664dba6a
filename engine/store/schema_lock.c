/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "schema_lock.h"

/* "<boot id of this machine>" without its line end; empty when there is none. */
static void boot_id(char out[64])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, 63) : 0;

	if (fd >= 0)
		close(fd);
	n = n < 0 ? 0 : n;
	out[n] = 0;
	out[strcspn(out, "\n")] = 0;
}

/* Start time of a process in clock ticks since boot, 0 when it does not run: with the pid it names a process for good. */
static uint64_t process_start(int64_t pid)
{
	char path[64], buf[1024];
	const char *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	p = strrchr(buf, ')'); /* the name may hold anything; 20 fields later comes the start time */
	for (int i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

static void compose(struct strbuf *out)
{
	struct json_writer w;
	char boot[64];

	boot_id(boot);
	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "boot", boot);
	jw_ki64(&w, "pid", getpid());
	jw_ku64(&w, "start", process_start(getpid()));
	jw_ki64(&w, "at", time_now_us());
	jw_end_object(&w);
	json_seal(out);
}

static bool owner_gone(const struct json *root)
{
	const struct json *boot = json_get(root, "boot"), *pid = json_get(root, "pid"),
			  *start = json_get(root, "start");
	char here[64];
	int64_t p;
	uint64_t s;

	boot_id(here);
	if (!here[0] || !boot || boot->type != JSON_STRING || !str_eqz(boot->text, here))
		return false; /* another machine */
	return !pid || !json_to_i64(pid, &p) || !start || !json_to_u64(start, &s) || process_start(p) != s;
}

static bool stale(const struct store_object *o)
{
	struct arena a = ARENA_INIT;
	struct str text = { o->data, o->n };
	struct json *root = NULL;
	const struct json *at;
	bool gone = true; /* damaged: nobody can vouch for it */
	int64_t t;

	if (!json_unseal(text, SCHEMA_LOCK_KEY, NULL) && !json_parse(&a, text, NULL, &root, NULL)) {
		at = json_get(root, "at");
		gone = owner_gone(root) || !at || !json_to_i64(at, &t) ||
		       time_now_us() - t > SCHEMA_LOCK_MAX_S * INT64_C(1000000);
	}
	arena_free(&a);
	return gone;
}

/* 0: free or stale (then *token is the stale lock's); 1: held */
static int look(struct graph *g, struct store_token *token, struct err *e)
{
	struct store_object o;
	int rc = store_get(g->store, SCHEMA_LOCK_KEY, 1u << 16, &o, e);

	token->s[0] = 0;
	if (rc == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	rc = !stale(&o);
	*token = o.token;
	store_object_free(&o);
	return rc;
}

static int busy(struct err *e)
{
	return err_set(e, ERR_CONFLICT, "schema apply is already in progress");
}

int schema_lock(struct graph *g, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct store_token token;
	int rc;

	compose(&text);
	rc = store_create(g->store, SCHEMA_LOCK_KEY, text.s, text.n, NULL, e);
	if (rc == -EEXIST) {
		err_clear(e);
		rc = look(g, &token, e);
		if (rc == 1)
			rc = busy(e);
		else if (!rc && token.s[0])
			rc = store_replace(g->store, SCHEMA_LOCK_KEY, &token, text.s, text.n, NULL, e) ? busy(e) : 0;
		else if (!rc)
			rc = store_create(g->store, SCHEMA_LOCK_KEY, text.s, text.n, NULL, e) ? busy(e) : 0;
	}
	sb_free(&text);
	return rc;
}

void schema_unlock(struct graph *g)
{
	store_delete(g->store, SCHEMA_LOCK_KEY, NULL);
}

int schema_lock_check(struct graph *g, const char *op, struct err *e)
{
	struct store_token token;
	int rc = look(g, &token, e);

	if (rc == 1)
		return err_set(e, ERR_CONFLICT, "%s is unavailable while schema apply is in progress", op);
	return rc;
}

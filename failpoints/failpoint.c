/* SPDX-License-Identifier: MIT */
/*
 * The fault-point table: the one piece of global state outside main, as ARCHITECTURE section 5 allows. It is filled once by
 * failpoint_configure before threads start; hits only touch atomics.
 */
#include <omnigraph/failpoint.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <omnigraph/map.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>

#include "failpoints/names.h"

#define ACTIONS_MAX 8
#define DELAY_MS_MAX 600000
#define PAUSE_POLL_MS 5

enum action_kind { ACTION_OFF, ACTION_ERROR, ACTION_CRASH, ACTION_DELAY, ACTION_PAUSE };

struct action {
	enum action_kind kind;
	enum err_code code; /* ACTION_ERROR */
	unsigned ms;	    /* ACTION_DELAY */
	_Atomic long skip;  /* hits still to let pass */
	unsigned percent;   /* of the hits that are not skipped */
	_Atomic long left;  /* hits still to act on; -1: no limit */
};

struct point {
	const char *name, *place;
	unsigned n_actions;
	struct action actions[ACTIONS_MAX];
};

#define ENTRY(name_, place_) { .name = name_, .place = place_ },
static struct point points[] = { FAILPOINT_NAMES(ENTRY) };
static char *pause_dir;

static struct point *find_point(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		if (str_eqz(name, points[i].name))
			return &points[i];
	return NULL;
}

const char *failpoint_name(unsigned i, const char **where)
{
	if (i >= ARRAY_SIZE(points))
		return NULL;
	if (where)
		*where = points[i].place;
	return points[i].name;
}

/* --- the specification: name=[S+][P%][N*]action[->action...];... ------------------------------------------ */

static const struct {
	const char *name;
	enum err_code code;
} codes[] = {
	{ "bad_request", ERR_BAD_REQUEST },
	{ "not_found", ERR_NOT_FOUND },
	{ "conflict", ERR_CONFLICT },
	{ "storage", ERR_STORAGE },
	{ "io", ERR_IO },
	{ "internal", ERR_INTERNAL },
	{ "retryable", ERR_RETRYABLE_CONFLICT },
};

static int malformed(struct err *e, struct str at, const char *why)
{
	return err_set(e, ERR_BAD_REQUEST,
		       "OMNIGRAPH_FAILPOINTS: '%.*s': %s (write name=[S+][P%%][N*]action[->action...];..., action one "
		       "of error, "
		       "error(code), crash, delay(ms), pause, off)",
		       STR_ARG(at), why);
}

/* A leading number followed by @mark; takes it off @s. */
static bool take_number(struct str *s, char mark, long *out)
{
	size_t n = 0;
	uint64_t v;

	while (n < s->n && s->s[n] >= '0' && s->s[n] <= '9')
		n++;
	if (!n || n >= s->n || s->s[n] != mark || !str_to_u64((struct str){ s->s, n }, &v) || v > 1000000000)
		return false;
	*out = (long)v;
	s->s += n + 1;
	s->n -= n + 1;
	return true;
}

/* "word(argument)" with that word; the argument goes to @arg. */
static bool call_of(struct str s, const char *word, struct str *arg)
{
	size_t n = strlen(word);

	if (s.n < n + 2 || memcmp(s.s, word, n) || s.s[n] != '(' || s.s[s.n - 1] != ')')
		return false;
	*arg = (struct str){ s.s + n + 1, s.n - n - 2 };
	return true;
}

static int parse_kind(struct str s, struct action *a, struct err *e)
{
	struct str arg;
	uint64_t ms;

	a->code = ERR_BAD_REQUEST;
	if (str_eqz(s, "off")) {
		a->kind = ACTION_OFF;
	} else if (str_eqz(s, "crash")) {
		a->kind = ACTION_CRASH;
	} else if (str_eqz(s, "pause")) {
		if (!pause_dir)
			return malformed(e, s, "pause needs OMNIGRAPH_FAILPOINT_DIR, where <name>.resume releases it");
		a->kind = ACTION_PAUSE;
	} else if (str_eqz(s, "error")) {
		a->kind = ACTION_ERROR;
	} else if (call_of(s, "error", &arg)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(codes) && !str_eqz(arg, codes[i].name))
			i++;
		if (i == ARRAY_SIZE(codes))
			return malformed(e, s, "unknown error code");
		a->kind = ACTION_ERROR;
		a->code = codes[i].code;
	} else if (call_of(s, "delay", &arg)) {
		if (!str_to_u64(arg, &ms) || ms > DELAY_MS_MAX)
			return malformed(e, s, "delay needs milliseconds, at most 600000");
		a->kind = ACTION_DELAY;
		a->ms = (unsigned)ms;
	} else {
		return malformed(e, s, "unknown action");
	}
	return 0;
}

static int parse_action(struct str s, struct action *a, struct err *e)
{
	long skip = 0, percent = 100, left = -1;

	take_number(&s, '+', &skip);
	take_number(&s, '%', &percent);
	take_number(&s, '*', &left);
	if (percent > 100)
		return malformed(e, s, "a probability is at most 100%");
	atomic_store(&a->skip, skip);
	a->percent = (unsigned)percent;
	atomic_store(&a->left, left);
	return parse_kind(s, a, e);
}

/* Cut @s at the first @sep; the rest goes to *rest (s NULL when there is none). */
static struct str cut(struct str s, const char *sep, struct str *rest)
{
	size_t n = strlen(sep);

	for (size_t i = 0; i + n <= s.n; i++)
		if (!memcmp(s.s + i, sep, n)) {
			*rest = (struct str){ s.s + i + n, s.n - i - n };
			return (struct str){ s.s, i };
		}
	*rest = (struct str){ 0 };
	return s;
}

static int parse_point(struct str spec, struct err *e)
{
	struct str rest, name = cut(spec, "=", &rest);
	struct point *p = find_point(str_trim_ascii(name));

	if (!rest.s)
		return malformed(e, spec, "no '='");
	if (!p)
		return malformed(e, name, "unknown fault point; `omnigraph failpoints list` prints them");
	p->n_actions = 0;
	while (rest.s) {
		struct str one = cut(rest, "->", &rest);
		int rc;

		if (p->n_actions == ACTIONS_MAX)
			return malformed(e, name, "more than 8 actions");
		rc = parse_action(str_trim_ascii(one), &p->actions[p->n_actions], e);
		if (rc)
			return rc;
		p->n_actions++;
	}
	return 0;
}

int failpoint_configure(const char *spec, const char *dir, struct err *e)
{
	struct str rest = str_from(spec ? spec : "");
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		points[i].n_actions = 0;
	free(pause_dir);
	pause_dir = dir ? mem_strdup(dir) : NULL;
	while (!rc && rest.s && rest.n) {
		struct str one = str_trim_ascii(cut(rest, ";", &rest));

		if (one.n)
			rc = parse_point(one, e);
	}
	return rc;
}

/* --- a hit ------------------------------------------------------------------------------------------------- */

static void sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Announce the pause by <name>.paused and wait for <name>.resume. */
static void wait_for_resume(const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.paused", pause_dir, name);
	f = fopen(path, "w");
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "%s/%s.resume", pause_dir, name);
	while (access(path, F_OK))
		sleep_ms(PAUSE_POLL_MS);
}

static bool take(_Atomic long *n)
{
	long v = atomic_load(n);

	while (v > 0)
		if (atomic_compare_exchange_weak(n, &v, v - 1))
			return true;
	return false;
}

/* Does this action claim the hit? A used-up action lets the next one of the chain have it. */
static bool claims(struct action *a)
{
	uint32_t dice;

	if (take(&a->skip))
		return false;
	if (a->percent < 100) {
		random_bytes(&dice, sizeof(dice));
		if (dice % 100 >= a->percent)
			return false;
	}
	return atomic_load(&a->left) < 0 || take(&a->left);
}

static int act(const struct point *p, const struct action *a, struct err *e)
{
	switch (a->kind) {
	case ACTION_OFF:
		break;
	case ACTION_ERROR:
		return err_set(e, a->code, "injected failpoint triggered: %s", p->name);
	case ACTION_CRASH:
		raise(SIGKILL); /* nothing is flushed, nothing is cleaned up */
		break;
	case ACTION_DELAY:
		sleep_ms(a->ms);
		break;
	case ACTION_PAUSE:
		wait_for_resume(p->name);
		break;
	}
	return 0;
}

int failpoint_hit(const char *name, const char *file, int line, struct err *e)
{
	struct point *p = find_point(str_from(name));

	if (!p) {
		fprintf(stderr, "%s:%d: fault point '%s' is not in failpoints/names.h\n", file, line, name);
		abort();
	}
	for (unsigned i = 0; i < p->n_actions; i++)
		if (claims(&p->actions[i]))
			return act(p, &p->actions[i], e);
	return 0;
}

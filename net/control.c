/* SPDX-License-Identifier: MIT */
#include "net/control.h"

#include <errno.h>
#include <time.h>

struct retry {
	unsigned delay_ms;   /* 0: nothing to retry */
	struct timespec due; /* of the real-time clock, as sem_timedwait wants it */
};

static void retry_in(struct retry *r, unsigned ms)
{
	r->delay_ms = ms > CONTROL_RETRY_MAX_MS ? CONTROL_RETRY_MAX_MS : ms;
	clock_gettime(CLOCK_REALTIME, &r->due);
	r->due.tv_sec += r->delay_ms / 1000;
	r->due.tv_nsec += (long)(r->delay_ms % 1000) * 1000000;
	if (r->due.tv_nsec >= 1000000000) {
		r->due.tv_sec++;
		r->due.tv_nsec -= 1000000000;
	}
}

static void retry_from_start(struct retry *r, const struct server *s, const struct control_options *o)
{
	r->delay_ms = 0;
	if (o->retry_quarantined && s->revision->n_quarantined)
		retry_in(r, o->retry_first_ms ? o->retry_first_ms : CONTROL_RETRY_FIRST_MS);
}

/* --- reload --------------------------------------------------------------------------------------------------- */

static bool has_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* Whether @next means to serve a graph: dropping it is no loss, quarantining it is. */
static bool means_to_serve(const struct revision *next, const char *id)
{
	const struct serving_snapshot *s = &next->snapshot;

	for (size_t i = 0; i < s->n_graphs; i++)
		if (!strcmp(s->graphs[i].id, id))
			return true;
	return has_name(s->quarantined, s->n_quarantined, id);
}

static int refuse_if_worse(const struct revision *now, const struct revision *next, struct err *e)
{
	for (size_t i = 0; i < now->n_graphs; i++)
		if (!revision_graph(next, str_from(now->graphs[i].id)) && means_to_serve(next, now->graphs[i].id))
			return err_set(
				e, ERR_CONFLICT,
				"graph '%s' is served now and would be quarantined; the cause is in the log above",
				now->graphs[i].id);
	return 0;
}

static void log_reload(const struct server *s, const char *reason)
{
	const struct revision *v = s->revision;
	struct strbuf revision = STRBUF_INIT, graphs = STRBUF_INIT, quarantined = STRBUF_INIT;

	sb_addu64(&revision, v->snapshot.state_revision);
	sb_addu64(&graphs, v->n_graphs);
	sb_addu64(&quarantined, v->n_quarantined);
	log_kv(s->logger, LOG_INFO, "omnigraph::reload", "applied revision swapped in", "reason", reason,
	       "state_revision", revision.s, "graph_count", graphs.s, "quarantined", quarantined.s, NULL);
	sb_free(&revision);
	sb_free(&graphs);
	sb_free(&quarantined);
}

static bool reload(struct server *s, const struct boot_options *o, const char *reason)
{
	struct revision *next = NULL;
	struct err e = ERR_INIT;
	int rc = boot_revision(o, s, NULL, &next, &e);

	if (!rc)
		rc = refuse_if_worse(s->revision, next, &e);
	if (rc) {
		log_kv(s->logger, LOG_WARN, "omnigraph::reload", "applied revision refused, the one in service stays",
		       "reason", reason, "error", err_msg(&e), NULL);
		revision_free(next);
	} else {
		server_install(s, next);
		log_reload(s, reason);
	}
	err_clear(&e);
	return !rc;
}

/* --- retries -------------------------------------------------------------------------------------------------- */

/* Whether one of the graphs that are not served could be. */
static bool one_is_healthy(struct server *s, const struct boot_options *o)
{
	struct revision *others = NULL;
	struct err e = ERR_INIT;
	bool healthy = !boot_revision(o, s, s->revision, &others, &e);

	revision_free(others);
	err_clear(&e);
	return healthy;
}

static void retry_quarantined(struct retry *r, struct server *s, const struct control_options *o)
{
	if (one_is_healthy(s, o->boot) && reload(s, o->boot, "retry"))
		retry_from_start(r, s, o);
	else
		retry_in(r, r->delay_ms * 2);
}

/* --- the loop ------------------------------------------------------------------------------------------------- */

/* False: it is time to retry. */
static bool wait_for_order(struct control *c, const struct retry *r)
{
	int rc;

	do
		rc = r->delay_ms ? sem_timedwait(&c->wake, &r->due) : sem_wait(&c->wake);
	while (rc && errno == EINTR);
	return !rc;
}

void control_run(struct control *c, struct server *s, const struct control_options *o)
{
	struct retry r;

	retry_from_start(&r, s, o);
	for (;;) {
		bool ordered = wait_for_order(c, &r);

		if (atomic_load(&c->stop))
			break;
		if (server_collect(s))
			log_kv(s->logger, LOG_INFO, "omnigraph::reload", "retired revision closed", NULL);
		if (atomic_exchange(&c->reload, false)) {
			reload(s, o->boot, "SIGHUP");
			retry_from_start(&r, s, o);
		} else if (!ordered) {
			retry_quarantined(&r, s, o);
		}
	}
	log_kv(s->logger, LOG_INFO, "omnigraph::shutdown", "shutdown signal received", NULL);
}

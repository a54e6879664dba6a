/* SPDX-License-Identifier: MIT */
/* omnigraph cluster status --watch (an extension): the status again whenever it changes, until a signal or the reader's end. */
#include <poll.h>
#include <unistd.h>

#include <omnigraph/json.h>

#include "tools/cli/cmd.h"

#define INTERVAL_MS 1000
#define INTERVAL_MS_MIN 10
#define INTERVAL_MS_MAX 3600000

/* The report without the line of a lock's age, which changes by itself. */
static void without_age(struct str json, struct strbuf *out)
{
	while (json.n) {
		const char *end = memchr(json.s, '\n', json.n);
		struct str line = { json.s, end ? (size_t)(end - json.s) + 1 : json.n };

		if (!str_starts(str_trim(line), STR("\"lock_age_seconds\"")))
			sb_adds(out, line);
		json.s += line.n;
		json.n -= line.n;
	}
}

static int print_report(const struct cluster_report *r, bool json, bool first)
{
	struct strbuf out = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct json *v;
	int rc = 0;

	if (json) {
		rc = json_parse(&a, sb_str(&r->json), NULL, &v, &e);
		if (!rc) {
			json_compact(&out, v);
			sb_addch(&out, '\n');
		}
	} else {
		sb_addf(&out, "%s%s", first ? "" : "\n", r->text.s);
	}
	rc = rc ? fail(&e, false) : out_text(&out);
	arena_free(&a);
	return rc;
}

/* False: nobody reads any more. */
static bool wait_for(unsigned ms)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, (int)ms) <= 0 || !(p.revents & (POLLERR | POLLHUP | POLLNVAL));
}

unsigned watch_interval(const char *text)
{
	uint64_t ms = INTERVAL_MS;

	if (text)
		str_to_u64(str_from(text), &ms);
	return ms < INTERVAL_MS_MIN ? INTERVAL_MS_MIN : ms > INTERVAL_MS_MAX ? INTERVAL_MS_MAX : (unsigned)ms;
}

int watch_status(const struct cluster_args *args, bool json, unsigned interval_ms)
{
	struct strbuf last = STRBUF_INIT, now = STRBUF_INIT;
	struct cluster_report r = { 0 };
	struct err e = ERR_INIT;
	int status = EXIT_DONE;

	do {
		cluster_report_clear(&r);
		sb_reset(&now);
		if (cluster_run(CLUSTER_STATUS, args, &r, &e)) {
			status = fail(&e, false);
			break;
		}
		without_age(sb_str(&r.json), &now);
		if (str_eq(sb_str(&now), sb_str(&last)))
			continue;
		status = print_report(&r, json, !last.n);
		sb_reset(&last);
		sb_adds(&last, sb_str(&now));
	} while (!status && wait_for(interval_ms));
	cluster_report_clear(&r);
	sb_free(&last);
	sb_free(&now);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * s3_log.c - a log as one create-only object per record: "<log>.log/<sequence, 20 digits>", beside "<log>.log/.tmp-trim", which
 * holds the last sequence that was trimmed away.
 *
 * The tail is found by listing from the last known record, so the steady state costs one request. A trim first writes the marker,
 * then deletes, but no record that is younger than S3_LOG_YOUNG_US. So a create that succeeds within S3_LOG_TRUST_US of the moment at
 * which its sequence was free is a record: had it been used since, it would still be there. A writer that took longer, asleep while its
 * sequence was used and trimmed again, sees a marker at or above it: it removes its record (which no reader can see below the marker)
 * and reports that it lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <omnigraph/limits.h>

#include "s3_priv.h"

#define PAGE 1000u
#define READ_AHEAD 16		     /* records fetched at once */
#define READ_AHEAD_BYTES (32u << 20) /* and their bytes, but for one larger record */
#define TRIM_MARK ".tmp-trim"
#define TRIM_TRIES 16

static char *record_key(const char *log, uint64_t seq)
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "%s" STORE_LOG_SUFFIX "/%020" PRIu64, log, seq);
	return sb_detach(&b);
}

static char *mark_key(const char *log)
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "%s" STORE_LOG_SUFFIX "/" TRIM_MARK, log);
	return sb_detach(&b);
}

/* The sequence of a record, 0 for the marker and for anything foreign. */
static uint64_t key_seq(const char *key)
{
	const char *last = strrchr(key, '/');
	uint64_t seq;

	return last && s3_is_log_part(key) && str_to_u64(str_from(last + 1), &seq) ? seq : 0;
}

/* --- what is known ---------------------------------------------------------------------------- */

static struct s3_hint *find_hint(struct s3_store *s3, const char *log)
{
	for (size_t i = 0; i < s3->n_hints; i++) {
		if (!strcmp(s3->hints[i].log, log))
			return &s3->hints[i];
	}
	return NULL;
}

static uint64_t hint_get(struct s3_store *s3, const char *log)
{
	struct s3_hint *h;
	uint64_t next;

	pthread_mutex_lock(&s3->lock);
	h = find_hint(s3, log);
	next = h ? h->next : 1;
	pthread_mutex_unlock(&s3->lock);
	return next;
}

static struct s3_moment now(void)
{
	return (struct s3_moment){ time_mono_us(), time_now_us() };
}

static bool is_recent(const struct s3_store *s3, struct s3_moment at)
{
	struct s3_moment t = now();

	return t.mono_us - at.mono_us < s3->log_trust_us && t.real_us >= at.real_us &&
	       t.real_us - at.real_us < s3->log_trust_us;
}

/* Was the number of the next record free a moment ago? */
static bool hint_is_recent(struct s3_store *s3, const char *log, uint64_t seq)
{
	struct s3_hint *h;
	bool recent;

	pthread_mutex_lock(&s3->lock);
	h = find_hint(s3, log);
	recent = h && h->next == seq && is_recent(s3, h->at);
	pthread_mutex_unlock(&s3->lock);
	return recent;
}

static void hint_set(struct s3_store *s3, const char *log, uint64_t next, struct s3_moment at)
{
	struct s3_hint *h;

	pthread_mutex_lock(&s3->lock);
	h = find_hint(s3, log);
	if (!h) {
		MEM_GROW(s3->hints, s3->n_hints, s3->cap_hints);
		h = &s3->hints[s3->n_hints++];
		h->log = mem_strdup(log);
	}
	h->next = next;
	h->at = at;
	pthread_mutex_unlock(&s3->lock);
}

void s3_log_forget(struct s3_store *s3, const char *prefix)
{
	size_t n = strlen(prefix);

	pthread_mutex_lock(&s3->lock);
	for (size_t i = 0; i < s3->n_hints;) {
		struct s3_hint *h = &s3->hints[i];

		if (strncmp(h->log, prefix, n) || (h->log[n] && h->log[n] != '/')) {
			i++;
			continue;
		}
		free(h->log);
		*h = s3->hints[--s3->n_hints];
	}
	pthread_mutex_unlock(&s3->lock);
}

/* --- the marker ------------------------------------------------------------------------------- */

/* *upto = 0 when nothing was trimmed. @token may be NULL. */
static int read_mark(struct s3_store *s3, const char *log, uint64_t *upto, struct store_token *token, struct err *e)
{
	__cleanup(mem_free_ptr) char *key = mark_key(log);
	struct store_object o = { 0 };
	int rc = s3_get(&s3->base, key, 64, &o, e);

	*upto = 0;
	if (token)
		token->s[0] = '\0';
	if (rc == -ENOENT) {
		if (e)
			err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	if (!str_to_u64((struct str){ o.data, o.n }, upto))
		rc = err_set_rc(e, -EIO, ERR_STORAGE, "log \"%s\" in %s: \"%s\" is damaged; it must hold a number", log,
				s3->base.uri, key);
	if (token)
		*token = o.token;
	store_object_free(&o);
	return rc;
}

/* Raise the marker to @upto; *old is what it was. */
static int raise_mark(struct s3_store *s3, const char *log, uint64_t upto, struct err *e)
{
	__cleanup(mem_free_ptr) char *key = mark_key(log);
	struct store_token t;
	char text[24];
	uint64_t old;
	int rc;

	snprintf(text, sizeof(text), "%" PRIu64, upto);
	for (int i = 0; i < TRIM_TRIES; i++) {
		rc = read_mark(s3, log, &old, &t, e);
		if (rc || old >= upto)
			return rc;
		rc = t.s[0] ? s3_replace(&s3->base, key, &t, text, strlen(text), NULL, e)
			    : s3_create(&s3->base, key, text, strlen(text), NULL, e);
		if (rc != -EEXIST && rc != -ESTALE)
			return rc;
	}
	return rc;
}

/* --- the tail --------------------------------------------------------------------------------- */

/* One page of records above @after. *first and *last are 0 when there are none. */
static int probe(struct s3_store *s3, const char *log, uint64_t after, uint64_t *first, uint64_t *last, bool *more,
		 struct err *e)
{
	struct strbuf under = STRBUF_INIT;
	__cleanup(mem_free_ptr) char *start = record_key(log, after);
	struct s3_list l = { .after = start, .max = PAGE };
	struct s3_page page;
	int rc;

	sb_addf(&under, "%s" STORE_LOG_SUFFIX "/", log);
	l.under = under.s;
	rc = s3_list_page(s3, &l, &page, e);
	sb_free(&under);
	if (rc)
		return rc;
	*first = *last = 0;
	for (size_t i = 0; i < page.n; i++) {
		uint64_t seq = key_seq(page.entries[i].key);

		if (!seq)
			continue;
		if (!*first)
			*first = *last = seq;
		else if (seq == *last + 1)
			*last = seq;
		else
			break; /* what does not follow is no record */
	}
	*more = page.more != NULL;
	s3_page_free(&page);
	return rc;
}

/* From record @at, which exists or was trimmed, to the last one. Long logs are galloped through. */
static int seek_end(struct s3_store *s3, const char *log, uint64_t at, bool more, uint64_t *last, struct err *e)
{
	uint64_t step = PAGE, a, b;
	int rc;

	while (more) {
		rc = probe(s3, log, at + step, &a, &b, &more, e);
		if (rc)
			return rc;
		if (a) {
			at = b;
			step *= 2;
		} else if (step) {
			step = step > PAGE ? step / 2 : 0;
			more = true;
		} else {
			break;
		}
	}
	*last = at;
	return 0;
}

int s3_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	uint64_t known = hint_get(s3, log), mark, first = 0, last = 0;
	struct s3_moment at = now();
	bool more = false;
	int rc = s3_key_check(s3, "read log", log, e);

	if (!rc && known > 1)
		rc = probe(s3, log, known - 2, &first, &last, &more, e);
	if (rc)
		return rc;
	if (known == 1 || first != known - 1) { /* nothing is known, or it was trimmed or deleted */
		rc = read_mark(s3, log, &mark, NULL, e);
		if (!rc)
			rc = probe(s3, log, mark, &first, &last, &more, e);
		if (!rc && first != mark + 1) {
			last = mark;
			more = false;
		}
	}
	if (!rc)
		rc = seek_end(s3, log, last, more, &last, e);
	if (rc)
		return rc;
	*next = last + 1;
	hint_set(s3, log, *next, at);
	return 0;
}

/* --- appending -------------------------------------------------------------------------------- */

static int lost_append(struct s3_store *s3, const char *log, uint64_t seq, struct err *e)
{
	uint64_t next;
	int rc = s3_log_tail(&s3->base, log, &next, e);

	return rc ? rc : store_err_log_moved(&s3->base, e, log, seq, next);
}

/* After a create that succeeded: is it a record, or was the log trimmed or deleted meanwhile? */
static int confirm(struct s3_store *s3, const char *log, uint64_t seq, const char *key, struct err *e)
{
	__cleanup(mem_free_ptr) char *mark_at = mark_key(log), *before = record_key(log, seq - 1);
	struct s3_req r[2] = { { .method = "GET", .key = mark_at, .max = 64 }, { .method = "HEAD", .key = before } };
	struct s3_entry own = { .key = (char *)(uintptr_t)key };
	uint64_t mark = 0;
	int rc = 0;

	s3_run(s3, r, seq > 1 ? 2 : 1);
	if (r[0].status == 200)
		str_to_u64((struct str){ r[0].reply.data, r[0].reply.n }, &mark);
	else if (r[0].status != 404)
		rc = s3_fail(s3, &r[0], "read", mark_at, e);
	if (!rc && seq > 1 && r[1].status != 200 && r[1].status != 404)
		rc = s3_fail(s3, &r[1], "look up", before, e);
	/* the two answers may stand on either side of a trim: the marker decides, read after the record was seen gone */
	if (!rc && seq > 1 && r[1].status == 404)
		rc = read_mark(s3, log, &mark, NULL, e);
	if (!rc && (mark >= seq || (seq > 1 && r[1].status == 404 && mark != seq - 1)))
		rc = -EAGAIN;
	s3_req_free(&r[0]);
	s3_req_free(&r[1]);
	if (rc == -EAGAIN) {
		rc = s3_delete_keys(s3, &own, 1, e);
		s3_log_forget(s3, log);
		return rc ? rc : lost_append(s3, log, seq, e);
	}
	return rc;
}

int s3_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	__cleanup(mem_free_ptr) char *key = record_key(log, seq);
	struct s3_moment at = now();
	uint64_t next;
	int rc = s3_key_check(s3, "append to log", key, e);

	if (rc)
		return rc;
	if (seq != hint_get(s3, log) || seq == 1) {
		rc = s3_log_tail(s, log, &next, e);
		if (rc)
			return rc;
		if (seq != next)
			return store_err_log_moved(s, e, log, seq, next);
	}
	rc = s3_create(s, key, data, n, NULL, e);
	if (rc == -EEXIST)
		return lost_append(s3, log, seq, e);
	if (!rc && !hint_is_recent(s3, log, seq))
		rc = confirm(s3, log, seq, key, e);
	if (!rc)
		hint_set(s3, log, seq + 1, at);
	return rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Why record @seq is not there: trimmed away, or lost. */
static int missing(struct s3_store *s3, const char *log, uint64_t seq, struct err *e)
{
	uint64_t mark;
	int rc = read_mark(s3, log, &mark, NULL, e);

	if (rc)
		return rc;
	if (mark >= seq)
		return store_err_trimmed(&s3->base, e, log, seq, mark + 1);
	return err_set_rc(e, -EIO, ERR_STORAGE, "log \"%s\" in %s: record %" PRIu64 " is missing, later ones are there",
			  log, s3->base.uri, seq);
}

/* Fetch and deliver entries [0, n), records @seq and following. */
static int read_some(struct s3_store *s3, const char *log, const struct s3_entry *entries, size_t n, uint64_t seq,
		     store_log_fn fn, void *arg, struct err *e)
{
	struct s3_req r[READ_AHEAD];
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		r[i] = (struct s3_req){ .method = "GET", .key = entries[i].key, .max = LIMIT_LOG_RECORD_BYTES };
	s3_run(s3, r, n);
	for (size_t i = 0; i < n; i++) {
		if (!rc && r[i].too_large)
			rc = store_err_too_large(e, r[i].key, LIMIT_LOG_RECORD_BYTES, r[i].length);
		else if (!rc && r[i].status == 404)
			rc = missing(s3, log, seq + i, e);
		else if (!rc && r[i].status != 200)
			rc = s3_fail(s3, &r[i], "read", r[i].key, e);
		if (!rc)
			rc = fn(arg, seq + i, r[i].reply.data ? r[i].reply.data : "", r[i].reply.n);
		s3_req_free(&r[i]);
	}
	return rc;
}

/* The records of one page; *seq is the next one wanted. */
static int read_page(struct s3_store *s3, const char *log, const struct s3_page *page, uint64_t *seq, store_log_fn fn,
		     void *arg, struct err *e)
{
	size_t i = 0, n;
	int rc = 0;

	while (!rc && i < page->n) {
		uint64_t bytes = 0;

		if (!key_seq(page->entries[i].key)) {
			i++;
			continue;
		}
		for (n = 0; n < READ_AHEAD && i + n < page->n && key_seq(page->entries[i + n].key) == *seq + n; n++) {
			bytes += page->entries[i + n].size;
			if (n && bytes > READ_AHEAD_BYTES)
				break;
		}
		if (n == 0)
			return missing(s3, log, *seq, e);
		rc = read_some(s3, log, page->entries + i, n, *seq, fn, arg, e);
		*seq += n;
		i += n;
	}
	return rc;
}

int s3_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	struct strbuf under = STRBUF_INIT;
	uint64_t seq = from, mark;
	struct s3_page page;
	bool more;
	int rc = s3_key_check(s3, "read log", log, e);

	if (!rc)
		rc = read_mark(s3, log, &mark, NULL, e);
	if (!rc && mark >= from)
		rc = store_err_trimmed(s, e, log, from, mark + 1);
	if (rc)
		return rc;
	sb_addf(&under, "%s" STORE_LOG_SUFFIX "/", log);
	do {
		__cleanup(mem_free_ptr) char *after = record_key(log, seq - 1);
		struct s3_list l = { .under = under.s, .after = after, .max = PAGE };

		rc = s3_list_page(s3, &l, &page, e);
		if (rc)
			break;
		more = page.more != NULL && page.n;
		rc = read_page(s3, log, &page, &seq, fn, arg, e);
		s3_page_free(&page);
	} while (!rc && more);
	sb_free(&under);
	return rc;
}

/* --- trimming --------------------------------------------------------------------------------- */

/* The mark was just written: its time is the server's clock. */
static int trim_before(struct s3_store *s3, const char *log, int64_t *before, struct err *e)
{
	__cleanup(mem_free_ptr) char *key = mark_key(log);
	struct store_stat st;
	int rc = s3_head(&s3->base, key, &st, e);

	*before = rc ? 0 : st.mtime_us - s3->log_young_us;
	return rc;
}

/* Of the records up to @upto at the head of @page, the old ones go to the front; the number of them. *seen: of all. */
static size_t take_old(struct s3_page *page, uint64_t upto, int64_t before, size_t *seen)
{
	size_t n = 0, i = 0;

	for (; i < page->n && key_seq(page->entries[i].key) && key_seq(page->entries[i].key) <= upto; i++) {
		struct s3_entry e = page->entries[i];

		if (e.mtime_us > before)
			continue;
		page->entries[i] = page->entries[n];
		page->entries[n++] = e;
	}
	*seen = i;
	return n;
}

static int delete_records(struct s3_store *s3, const char *log, uint64_t upto, int64_t before, struct err *e)
{
	struct strbuf under = STRBUF_INIT, after = STRBUF_INIT;
	struct s3_page page;
	bool more = true;
	int rc = 0;

	sb_addf(&under, "%s" STORE_LOG_SUFFIX "/", log);
	sb_addf(&after, "%s%020d", under.s, 0); /* behind the marker */
	while (!rc && more) {
		struct s3_list l = { .under = under.s, .after = after.s, .max = PAGE };
		size_t n, seen;

		rc = s3_list_page(s3, &l, &page, e);
		if (rc)
			break;
		sb_reset(&after);
		sb_addz(&after, page.n ? page.entries[page.n - 1].key : "");
		n = take_old(&page, upto, before, &seen);
		more = page.n && seen == page.n && page.more;
		rc = s3_delete_keys(s3, page.entries, n, e);
		s3_page_free(&page);
	}
	sb_free(&under);
	sb_free(&after);
	return rc;
}

int s3_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	int64_t before;
	uint64_t next;
	int rc = s3_log_tail(s, log, &next, e);

	if (rc)
		return rc;
	if (upto > next - 1)
		upto = next - 1;
	if (!upto)
		return 0;
	rc = raise_mark(s3, log, upto, e);
	if (!rc)
		rc = trim_before(s3, log, &before, e);
	return rc ? rc : delete_records(s3, log, upto, before, e);
}

/* --- listing ---------------------------------------------------------------------------------- */

/* The log that holds the first key of @page, in @log ("" for none); @after becomes what lies behind all of that log's keys. */
static void first_log(const struct s3_page *page, struct strbuf *log, struct strbuf *after)
{
	const char *key = page->n ? page->entries[0].key : NULL;
	const char *slash = key ? strrchr(key, '/') : NULL;

	sb_reset(log);
	if (!key)
		return;
	sb_reset(after);
	if (!s3_is_log_part(key)) {
		sb_addz(after, key);
		return;
	}
	sb_add(log, key, (size_t)(slash - key) - strlen(STORE_LOG_SUFFIX));
	sb_addf(after, "%s" STORE_LOG_SUFFIX "0", log->s); /* '0' is the byte behind '/' */
}

/* One request per log: from its first key straight to the next log. */
int s3_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e)
{
	struct strbuf under = STRBUF_INIT, log = STRBUF_INIT, after = STRBUF_INIT;
	struct s3_list l = { .max = 1 };
	struct s3_page page;
	bool more = true;
	int rc = 0;

	sb_addf(&under, "%s/", prefix);
	l.under = under.s;
	while (!rc && more) {
		l.after = after.n ? after.s : NULL;
		rc = s3_list_page(s3_of(s), &l, &page, e);
		if (rc)
			break;
		more = page.n != 0;
		first_log(&page, &log, &after);
		s3_page_free(&page);
		if (log.n && !strchr(log.s + under.n, '/'))
			rc = fn(arg, log.s);
	}
	sb_free(&under);
	sb_free(&log);
	sb_free(&after);
	return rc;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <omnigraph/json.h>
#include <omnigraph/log.h>
#include <omnigraph/mem.h>
#include <omnigraph/util.h>

#define KV_MAX 32
#define LINE_TYPICAL 256 /* bytes that hold most lines */

struct rule {
	struct str target; /* matches itself and what is below it ("a" covers "a::b" and "a.b") */
	enum log_level level;
};

struct logger {
	int fd;
	bool json;
	enum log_level dflt;
	char *filter; /* the rules' texts */
	struct rule *rules;
	size_t n_rules, cap_rules;
	pthread_mutex_t lock; /* one event at a time */
};

static const char *const level_names[] = { "ERROR", "WARN", "INFO", "DEBUG", "TRACE" };

static bool parse_level(struct str s, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (str_eq_nocase(s, str_from(level_names[i]))) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static int bad_part(struct err *e, struct str part)
{
	return err_set(e, ERR_BAD_REQUEST,
		       "invalid log filter '%.*s': expected error, warn, info, debug, trace, or "
		       "target=level",
		       STR_ARG(part));
}

static int parse_part(struct logger *l, struct str part, struct err *e)
{
	const char *eq = part.n ? memchr(part.s, '=', part.n) : NULL;
	struct str target, level;
	struct rule r;

	if (!eq)
		return parse_level(part, &l->dflt) ? 0 : bad_part(e, part);
	target = str_trim_ascii((struct str){ part.s, (size_t)(eq - part.s) });
	level = str_trim_ascii((struct str){ eq + 1, (size_t)(part.s + part.n - eq - 1) });
	r.target = target;
	if (!target.n || !parse_level(level, &r.level))
		return bad_part(e, part);
	MEM_GROW(l->rules, l->n_rules, l->cap_rules);
	l->rules[l->n_rules++] = r;
	return 0;
}

static int parse_filter(struct logger *l, struct err *e)
{
	struct str rest = str_from(l->filter);
	int rc = 0;

	if (!str_trim_ascii(rest).n)
		return 0;
	while (!rc) {
		const char *comma = memchr(rest.s, ',', rest.n);
		size_t n = comma ? (size_t)(comma - rest.s) : rest.n;

		rc = parse_part(l, str_trim_ascii((struct str){ rest.s, n }), e);
		if (!comma)
			break;
		rest = (struct str){ comma + 1, rest.n - n - 1 };
	}
	return rc;
}

int logger_new(int fd, const char *filter, enum log_level dflt, bool json, struct logger **out, struct err *e)
{
	struct logger *l = mem_zalloc(sizeof(*l));
	int rc;

	*out = NULL;
	l->fd = fd;
	l->json = json;
	l->dflt = dflt;
	l->filter = mem_strdup(filter ? filter : "");
	pthread_mutex_init(&l->lock, NULL);
	rc = parse_filter(l, e);
	if (rc) {
		logger_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

void logger_free(struct logger *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->rules);
	free(l->filter);
	free(l);
}

/* The longest rule that covers the target decides; of equal ones the last. */
bool log_enabled(const struct logger *l, enum log_level level, const char *target)
{
	struct str t = str_from(target);
	enum log_level limit;
	size_t best = 0;

	if (!l)
		return false;
	limit = l->dflt;
	for (size_t i = 0; i < l->n_rules; i++) {
		struct str r = l->rules[i].target;

		if (!str_starts(t, r) || (t.n > r.n && t.s[r.n] != ':' && t.s[r.n] != '.'))
			continue;
		if (r.n >= best) {
			best = r.n;
			limit = l->rules[i].level;
		}
	}
	return level <= limit;
}

static bool needs_quotes(struct str s)
{
	if (!s.n)
		return true;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.s[i] <= ' ' || s.s[i] == '"' || s.s[i] == '=' || s.s[i] == '\\' || s.s[i] == 0x7f)
			return true;
	return false;
}

/* A message is not quoted, but may not start a line of its own. */
static void add_message(struct strbuf *b, const char *message)
{
	for (; *message; message++)
		if (*message == '\n')
			sb_addz(b, "\\n");
		else if ((unsigned char)*message < ' ' || *message == 0x7f)
			sb_addf(b, "\\x%02x", (unsigned char)*message);
		else
			sb_addch(b, *message);
}

static void text_line(struct strbuf *b, const char *ts, enum log_level level, const char *target, const char *message,
		      const struct log_field *fields, size_t n)
{
	sb_addf(b, "%s %s %s: ", ts, level_names[level], target);
	add_message(b, message);
	for (size_t i = 0; i < n; i++) {
		sb_addf(b, " %s=", fields[i].key);
		if (needs_quotes(fields[i].value))
			json_quote(b, fields[i].value);
		else
			sb_adds(b, fields[i].value);
	}
	sb_addch(b, '\n');
}

/* Names of the event itself stay unique. */
static void json_key(struct json_writer *w, const char *key)
{
	static const char *const taken[] = { "ts", "level", "target", "message" };
	char buf[32] = "field_";

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (!strcmp(key, taken[i]))
			key = strcat(buf, taken[i]);
	jw_keyz(w, key);
}

/* Bytes that are not UTF-8 become U+FFFD: the line must stay JSON. */
static void json_text(struct json_writer *w, struct str s)
{
	struct strbuf b = STRBUF_INIT;
	const char *p = s.s, *end = s.s + s.n;
	char cp[4];

	if (utf8_valid(s)) {
		jw_str(w, s);
		return;
	}
	while (p < end)
		sb_add(&b, cp, (size_t)utf8_put(cp, utf8_next(&p, end)));
	jw_str(w, sb_str(&b));
	sb_free(&b);
}

static void json_line(struct strbuf *b, const char *ts, enum log_level level, const char *target, const char *message,
		      const struct log_field *fields, size_t n)
{
	struct json_writer w;

	jw_init(&w, b, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "ts", ts);
	jw_kstrz(&w, "level", level_names[level]);
	jw_kstrz(&w, "target", target);
	jw_keyz(&w, "message");
	json_text(&w, str_from(message));
	for (size_t i = 0; i < n; i++) {
		json_key(&w, fields[i].key);
		json_text(&w, fields[i].value);
	}
	jw_end_object(&w);
	sb_addch(b, '\n');
}

/* A log that cannot be written is no reason to fail. */
static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return;
		p += k;
		n -= (size_t)k;
	}
}

void log_event(struct logger *l, enum log_level level, const char *target, const char *message,
	       const struct log_field *fields, size_t n)
{
	struct strbuf b = STRBUF_INIT;
	char ts[32];

	if (!log_enabled(l, level, target))
		return;
	time_format_us(ts, time_now_us(), 6);
	sb_grow(&b, LINE_TYPICAL);
	if (l->json)
		json_line(&b, ts, level, target, message, fields, n);
	else
		text_line(&b, ts, level, target, message, fields, n);
	pthread_mutex_lock(&l->lock);
	write_all(l->fd, b.s, b.n);
	pthread_mutex_unlock(&l->lock);
	sb_free(&b);
}

void log_kv(struct logger *l, enum log_level level, const char *target, const char *message, ...)
{
	struct log_field fields[KV_MAX];
	const char *key, *value;
	size_t n = 0;
	va_list ap;

	if (!log_enabled(l, level, target))
		return;
	va_start(ap, message);
	while (n < KV_MAX && (key = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		fields[n].key = key;
		fields[n].value = str_from(value ? value : "");
		n++;
	}
	va_end(ap);
	log_event(l, level, target, message, fields, n);
}

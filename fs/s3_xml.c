/* SPDX-License-Identifier: MIT */
/*
 * s3_xml.c - the little XML that S3 answers with. Elements are found by name in a bounded document; attributes, comments and
 * nesting of like names do not occur in these documents.
 */
#include <stdio.h>

#include "s3_priv.h"

/* Text between the next <tag> and </tag>; *doc moves behind it. */
static bool next_element(struct str *doc, const char *tag, struct str *out)
{
	char open[64], close[64];
	const char *a, *b;
	size_t n_open = (size_t)snprintf(open, sizeof(open), "<%s>", tag);
	size_t n_close = (size_t)snprintf(close, sizeof(close), "</%s>", tag);

	a = doc->n ? memmem(doc->s, doc->n, open, n_open) : NULL;
	if (!a)
		return false;
	a += n_open;
	b = memmem(a, (size_t)(doc->s + doc->n - a), close, n_close);
	if (!b)
		return false;
	*out = (struct str){ a, (size_t)(b - a) };
	doc->n -= (size_t)(b + n_close - doc->s);
	doc->s = b + n_close;
	return true;
}

bool s3_xml_text(struct str doc, const char *tag, struct str *out)
{
	return next_element(&doc, tag, out);
}

static void unescape(struct strbuf *out, struct str s)
{
	static const struct {
		const char *name;
		char c;
	} t[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' } };

	sb_grow(out, s.n);
	for (size_t i = 0, k; i < s.n; i++) {
		for (k = 0; s.s[i] == '&' && k < ARRAY_SIZE(t); k++) {
			if (str_starts((struct str){ s.s + i, s.n - i }, str_from(t[k].name)))
				break;
		}
		if (s.s[i] == '&' && k < ARRAY_SIZE(t)) {
			sb_addch(out, t[k].c);
			i += strlen(t[k].name) - 1;
		} else {
			sb_addch(out, s.s[i]);
		}
	}
}

static bool decode_key(struct str raw, bool url, const char *prefix, char **out)
{
	struct strbuf text = STRBUF_INIT, key = STRBUF_INIT;
	size_t n = strlen(prefix);
	bool ok = true;

	unescape(&text, raw);
	if (url)
		ok = percent_decode(&key, sb_str(&text), true);
	else
		sb_adds(&key, sb_str(&text));
	ok = ok && key.n > n && !memcmp(key.s, prefix, n) && !memchr(key.s, 0, key.n);
	if (ok)
		*out = mem_strdup(key.s + n);
	sb_free(&text);
	sb_free(&key);
	return ok;
}

static bool add_entry(struct s3_page *p, struct str item, bool url, const char *prefix)
{
	struct s3_entry x = { 0 };
	struct str s;
	int64_t ms;

	if (!s3_xml_text(item, "Size", &s) || !str_to_u64(s, &x.size) || !s3_xml_text(item, "Key", &s))
		return false;
	if (!decode_key(s, url, prefix, &x.key))
		return true; /* "<prefix>/" itself, made by a console: no object of this store */
	if (s3_xml_text(item, "LastModified", &s) && datetime_parse_query(s, &ms))
		x.mtime_us = ms * 1000;
	MEM_GROW(p->entries, p->n, p->cap);
	p->entries[p->n++] = x;
	return true;
}

bool s3_page_parse(struct str doc, const char *prefix, struct s3_page *out)
{
	struct str s, rest, item;
	bool url;

	memset(out, 0, sizeof(*out));
	if (!memmem(doc.s, doc.n, "<ListBucketResult", 17))
		return false;
	url = s3_xml_text(doc, "EncodingType", &s) && str_eqz(s, "url");
	if (s3_xml_text(doc, "IsTruncated", &s) && str_eqz(s, "true")) {
		struct strbuf more = STRBUF_INIT;

		if (!s3_xml_text(doc, "NextContinuationToken", &s))
			return false;
		unescape(&more, s);
		out->more = sb_detach(&more);
	}
	for (rest = doc; next_element(&rest, "Contents", &item);) {
		if (!add_entry(out, item, url, prefix)) {
			s3_page_free(out);
			return false;
		}
	}
	return true;
}

void s3_page_free(struct s3_page *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->entries[i].key);
	free(p->entries);
	free(p->more);
	memset(p, 0, sizeof(*p));
}

/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(struct strbuf *out, struct str s, bool plus)
{
	sb_grow(out, s.n);
	for (size_t i = 0; i < s.n; i++) {
		int hi, lo;

		if (s.s[i] != '%') {
			sb_addch(out, plus && s.s[i] == '+' ? ' ' : s.s[i]);
			continue;
		}
		if (s.n - i < 3)
			return false;
		hi = hex_digit(s.s[i + 1]);
		lo = hex_digit(s.s[i + 2]);
		if (hi < 0 || lo < 0)
			return false;
		sb_addch(out, (char)(hi << 4 | lo));
		i += 2;
	}
	return true;
}

static bool unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

void percent_encode(struct strbuf *out, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	sb_grow(out, s.n);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.s[i];
		char esc[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (unreserved(s.s[i]))
			sb_addch(out, s.s[i]);
		else
			sb_add(out, esc, 3);
	}
}

/* Append the components of @path, resolving "." and ".." against what is there. */
static void add_components(struct strbuf *b, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (b->n && b->s[--b->n] != '/')
				;
			b->s[b->n] = 0;
		} else if (n && !(n == 1 && path[0] == '.')) {
			sb_addch(b, '/');
			sb_add(b, path, n);
		}
		path += n;
		path += *path == '/';
	}
}

char *path_absolute(const char *path)
{
	struct strbuf b = STRBUF_INIT;
	char *cwd;

	sb_grow(&b, strlen(path) + 1);
	b.s[0] = 0;
	if (path[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (cwd)
			add_components(&b, cwd);
		free(cwd);
	}
	add_components(&b, path);
	if (!b.n)
		sb_addch(&b, '/');
	return sb_detach(&b);
}

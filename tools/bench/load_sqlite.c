/* SPDX-License-Identifier: MIT */
/*
 * load_sqlite FILE NDJSON: import the rows tools/bench/run generates into SQLite (WAL, synchronous=FULL, foreign keys
 * checked) as one transaction with prepared statements. Lines are parsed by the same JSON parser `omnigraph load` uses, so
 * the comparison is about storage. Prints "<rows>".
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include <omnigraph/json.h>

#include "tools/bench/clients.h"

static const char ddl[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
			  "CREATE TABLE item (slug TEXT PRIMARY KEY, name TEXT NOT NULL, n INTEGER NOT NULL,"
			  " score REAL NOT NULL) WITHOUT ROWID;"
			  "CREATE INDEX item_name ON item (name);"
			  "CREATE TABLE link (id INTEGER PRIMARY KEY, src TEXT NOT NULL REFERENCES item,"
			  " dst TEXT NOT NULL REFERENCES item, weight REAL NOT NULL);"
			  "CREATE INDEX link_src ON link (src); CREATE INDEX link_dst ON link (dst);"
			  "BEGIN";

static sqlite3 *db;

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL))
		die("%s: %s", sql, sqlite3_errmsg(db));
	return s;
}

static void bind_text(sqlite3_stmt *s, int i, const struct json *v)
{
	sqlite3_bind_text(s, i, v->text.s, (int)v->text.n, SQLITE_STATIC);
}

static void bind_f64(sqlite3_stmt *s, int i, const struct json *v)
{
	double d = 0;

	json_to_f64(v, &d);
	sqlite3_bind_double(s, i, d);
}

static sqlite3_stmt *bind_row(const struct json *row, sqlite3_stmt *item, sqlite3_stmt *link)
{
	const struct json *data = json_get(row, "data");
	int64_t n = 0;

	if (json_get(row, "edge")) {
		bind_text(link, 1, json_get(row, "from"));
		bind_text(link, 2, json_get(row, "to"));
		bind_f64(link, 3, json_get(data, "weight"));
		return link;
	}
	bind_text(item, 1, json_get(data, "slug"));
	bind_text(item, 2, json_get(data, "name"));
	json_to_i64(json_get(data, "n"), &n);
	sqlite3_bind_int64(item, 3, n);
	bind_f64(item, 4, json_get(data, "score"));
	return item;
}

static unsigned long load(FILE *in)
{
	sqlite3_stmt *item = prepare("INSERT INTO item VALUES (?, ?, ?, ?)");
	sqlite3_stmt *link = prepare("INSERT INTO link (src, dst, weight) VALUES (?, ?, ?)");
	unsigned long rows = 0;
	struct err e = ERR_INIT;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, in)) > 0) {
		struct arena a = { 0 };
		struct json *row;
		sqlite3_stmt *s;

		if (json_parse(&a, (struct str){ line, (size_t)n }, NULL, &row, &e))
			die("line %lu: %s", rows + 1, err_msg(&e));
		s = bind_row(row, item, link);
		if (sqlite3_step(s) != SQLITE_DONE)
			die("line %lu: %s", rows + 1, sqlite3_errmsg(db));
		sqlite3_reset(s);
		arena_free(&a);
		rows++;
	}
	free(line);
	sqlite3_finalize(item);
	sqlite3_finalize(link);
	return rows;
}

int main(int argc, char **argv)
{
	unsigned long rows;
	FILE *in;

	if (argc != 3)
		die("usage: load_sqlite FILE NDJSON");
	in = fopen(argv[2], "r");
	if (!in)
		die("cannot open %s", argv[2]);
	if (sqlite3_open(argv[1], &db) || sqlite3_exec(db, ddl, NULL, NULL, NULL))
		die("%s: %s", argv[1], sqlite3_errmsg(db));
	rows = load(in);
	if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL))
		die("commit: %s", sqlite3_errmsg(db));
	sqlite3_close(db);
	fclose(in);
	printf("%lu\n", rows);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * commits_sqlite FILE CLIENTS SECONDS: the same work as commits_omnigraph on SQLite: WAL, synchronous=FULL, one connection
 * per thread, prepared statements. The threads take turns by a mutex, so that no time goes into SQLite's busy handler.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include <omnigraph/mem.h>

#include "tools/bench/clients.h"

struct bench {
	const char *path;
	pthread_mutex_t turn;
};

struct connection {
	struct bench *bench;
	sqlite3 *db;
	sqlite3_stmt *begin, *insert, *commit;
};

static sqlite3 *open_db(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) ||
	    sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=60000", NULL, NULL,
			 NULL))
		die("%s: %s", path, sqlite3_errmsg(db));
	return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL))
		die("%s: %s", sql, sqlite3_errmsg(db));
	return s;
}

static void step(struct connection *c, sqlite3_stmt *s)
{
	if (sqlite3_step(s) != SQLITE_DONE)
		die("%s", sqlite3_errmsg(c->db));
	sqlite3_reset(s);
}

static void *client_open(void *arg, unsigned client)
{
	struct connection *c = mem_zalloc(sizeof(*c));

	c->bench = arg;
	pthread_mutex_lock(&c->bench->turn);
	c->db = open_db(c->bench->path);
	c->begin = prepare(c->db, "BEGIN IMMEDIATE");
	c->insert = prepare(c->db, "INSERT INTO item VALUES (?, ?, ?, 0.5)");
	c->commit = prepare(c->db, "COMMIT");
	pthread_mutex_unlock(&c->bench->turn);
	return c;
}

static void client_insert(void *state, uint64_t number)
{
	struct connection *c = state;
	char slug[40], name[40];

	snprintf(slug, sizeof(slug), "item-%llx", (unsigned long long)number);
	snprintf(name, sizeof(name), "name-%llu", (unsigned long long)number % 1000);
	sqlite3_bind_text(c->insert, 1, slug, -1, SQLITE_STATIC);
	sqlite3_bind_text(c->insert, 2, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(c->insert, 3, (sqlite3_int64)number);
	pthread_mutex_lock(&c->bench->turn);
	step(c, c->begin);
	step(c, c->insert);
	step(c, c->commit);
	pthread_mutex_unlock(&c->bench->turn);
}

static void client_close(void *state)
{
	struct connection *c = state;

	sqlite3_finalize(c->begin);
	sqlite3_finalize(c->insert);
	sqlite3_finalize(c->commit);
	sqlite3_close(c->db);
	free(c);
}

int main(int argc, char **argv)
{
	static const struct client_ops ops = { client_open, client_insert, client_close };
	struct bench b = { .turn = PTHREAD_MUTEX_INITIALIZER };
	sqlite3 *db;

	if (argc != 4)
		die("usage: commits_sqlite FILE CLIENTS SECONDS");
	b.path = argv[1];
	db = open_db(b.path);
	if (sqlite3_exec(db,
			 "CREATE TABLE item (slug TEXT PRIMARY KEY, name TEXT NOT NULL, n INTEGER NOT NULL, score REAL "
			 "NOT NULL)"
			 " WITHOUT ROWID; CREATE INDEX item_name ON item (name)",
			 NULL, NULL, NULL))
		die("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	return clients_run(&ops, &b, (unsigned)atoi(argv[2]), atof(argv[3]));
}

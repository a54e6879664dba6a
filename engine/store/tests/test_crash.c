/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fixture.h"

#define WRITERS 2
#define MAX_WRITES 100000

/* What the writers were told is durable; shared memory outlives them. */
struct acked {
	_Atomic uint32_t n[WRITERS];
};

/* One commit: a person and an edge of theirs to themselves. */
static int write_pair(struct graph *g, int writer, uint32_t i)
{
	char id[32], edge[32];
	const struct op ops_v[] = { PERSON(id, 1), KNOWS(edge, id, id) };
	struct ops ops = { ops_v, 2, 0, false };

	snprintf(id, sizeof(id), "w%d-%u", writer, i);
	snprintf(edge, sizeof(edge), "e%d-%u", writer, i);
	return write_ops(g, NULL, &ops, true, NULL, NULL, NULL);
}

static void writer_main(const char *root, struct acked *a, int writer)
{
	struct graph *g;

	if (graph_open(root, NULL, &g, NULL))
		_exit(3);
	for (uint32_t i = a->n[writer]; i < MAX_WRITES; i++) {
		if (write_pair(g, writer, i))
			_exit(4);
		a->n[writer] = i + 1;
		if (i % 25 == 24 && graph_checkpoint(g, NULL, NULL)) /* be killed in the middle of these, too */
			_exit(5);
	}
	_exit(0);
}

static void check_all(const char *root, struct acked *a)
{
	const struct type *person, *knows;
	uint64_t n = 0, extra = 0;
	struct snapshot *s;
	struct graph *g;
	char id[32];

	CHECK_OK(graph_open(root, NULL, &g, ep));
	CHECK_OK(graph_snapshot(g, NULL, NULL, &s, ep));
	person = catalog_node(snapshot_catalog(s), STR("Person"));
	knows = catalog_edge(snapshot_catalog(s), STR("Knows"));
	for (int w = 0; w < WRITERS; w++) {
		for (uint32_t i = 0; i <= a->n[w]; i++) {
			bool node, edge;

			snprintf(id, sizeof(id), "w%d-%u", w, i);
			node = row_find(s, person, str_from(id)) != ROW_NONE;
			snprintf(id, sizeof(id), "e%d-%u", w, i);
			edge = row_find(s, knows, str_from(id)) != ROW_NONE;
			CHECK_MSG(node == edge, "writer %d write %u is half there", w, i);
			CHECK_MSG(node || i == a->n[w], "acknowledged write %u of writer %d is lost", i, w);
			n += node;
			extra += node && i == a->n[w];
		}
	}
	CHECK_INT(snapshot_count(s, person), n);
	CHECK_INT(snapshot_count(s, knows), n);
	CHECK(extra <= WRITERS);
	/* a write that was durable but not acknowledged counts from now on */
	for (int w = 0; w < WRITERS; w++) {
		snprintf(id, sizeof(id), "w%d-%u", w, a->n[w]);
		if (row_find(s, person, str_from(id)) != ROW_NONE)
			a->n[w]++;
	}
	snapshot_put(s);
	graph_close(g);
}

static void kill_loop(void)
{
	struct acked *a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *root = temp_root();
	int rounds = test_times(12, 4);

	CHECK(a != MAP_FAILED);
	CHECK_OK(graph_init(root, STR(FIXTURE_SCHEMA), NULL, ep));
	for (int round = 0; round < rounds; round++) {
		uint32_t goal = a->n[0] + 20 + (uint32_t)round * 37;
		pid_t pid[WRITERS];

		for (int w = 0; w < WRITERS; w++) {
			pid[w] = fork();
			if (!pid[w])
				writer_main(root, a, w);
		}
		for (int i = 0; a->n[0] < goal && i < 100000; i++)
			usleep(100);
		for (int w = 0; w < WRITERS; w++) {
			int status;

			kill(pid[w], SIGKILL);
			waitpid(pid[w], &status, 0);
			CHECK_MSG(WIFSIGNALED(status), "writer %d gave up with status %d", w, WEXITSTATUS(status));
		}
		check_all(root, a);
	}
	CHECK(a->n[1] > 0);
	munmap(a, sizeof(*a));
	temp_root_remove(root);
}

CHECK_MAIN("engine/crash",
	   { "ENG-01 ENG-02 after kill -9 of two writers every acknowledged commit is there, whole", kill_loop }, )

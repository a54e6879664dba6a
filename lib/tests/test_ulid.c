/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <omnigraph/map.h>
#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

#define PER_THREAD 20000

static void *mint(void *arg)
{
	char(*ids)[ULID_LEN + 1] = arg;

	for (int i = 0; i < PER_THREAD; i++)
		ulid_new(ids[i]);
	return NULL;
}

static void ascending_and_unique(void)
{
	static char ids[4][PER_THREAD][ULID_LEN + 1];
	struct map seen = MAP_INIT;
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, mint, ids[i]));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < PER_THREAD; k++) {
			CHECK(ulid_valid(str_from(ids[i][k])));
			CHECK(!k || strcmp(ids[i][k - 1], ids[i][k]) < 0);
			CHECK(map_add(&seen, str_from(ids[i][k]), ids));
		}
	}
	map_free(&seen);
}

static void time_part(void)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t before = time_now_ms(), ms = 0;
	char id[ULID_LEN + 1];

	ulid_new(id);
	for (int i = 0; i < 10; i++)
		ms = ms * 32 + (strchr(alphabet, id[i]) - alphabet);
	CHECK(ms >= before - 1 && ms <= time_now_ms() + 1);
}

static void after_fork(void)
{
	char a[ULID_LEN + 1], b[ULID_LEN + 1];
	int fds[2], status;
	pid_t pid;

	ulid_new(a);
	CHECK(!pipe(fds));
	pid = fork();
	if (!pid) {
		ulid_new(b);
		_exit(write(fds[1], b, sizeof(b)) != sizeof(b));
	}
	ulid_new(a);
	CHECK(read(fds[0], b, sizeof(b)) == sizeof(b));
	waitpid(pid, &status, 0);
	close(fds[0]);
	close(fds[1]);
	CHECK(strcmp(a, b));
}

static void spelling(void)
{
	CHECK(ulid_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAV")));
	CHECK(ulid_valid(STR("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")));
	CHECK(!ulid_valid(STR("8ZZZZZZZZZZZZZZZZZZZZZZZZZ")));
	CHECK(!ulid_valid(STR("01arz3ndektsv4rrffq69g5fav")));
	CHECK(!ulid_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FA")));
	CHECK(!ulid_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAVV")));
	CHECK(!ulid_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAI")));
	CHECK(!ulid_valid(STR("01ARZ3NDEKTSV4RRFFQ69G5FAU")));
	CHECK(!ulid_valid(STR("")));
}

CHECK_MAIN("lib/ulid", { "ULIDs of a thread ascend and never repeat across threads", ascending_and_unique },
	   { "a ULID begins with the time", time_part }, { "a forked process mints other ULIDs", after_fork },
	   { "only the canonical spelling is a ULID", spelling }, )

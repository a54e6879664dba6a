/* SPDX-License-Identifier: MIT */
/* test_sim.c - the faults of the simulated store; its contract is checked in test_store.c with the others. */
#include <errno.h>

#include "store_fixture.h"

#define MILLION 1000000

static void errors(void)
{
	struct err e = ERR_INIT;
	struct store_stat st;
	struct fx x;

	fx_init_sim(&x);
	sim_arm(x.s, &(struct sim_faults){ .error_ppm = MILLION });
	CHECK_INT(store_put(x.s, "a", "1", 1, &e), -EIO);
	CHECK_INT(e.code, ERR_STORAGE);
	CHECK_HAS(err_msg(&e), "cannot write \"a\" in mem://test: simulated fault");
	CHECK_INT(store_head(x.backing, "a", &st, NULL), -ENOENT);
	sim_arm(x.s, &(struct sim_faults){ .lost_ppm = MILLION });
	CHECK_INT(store_put(x.s, "a", "1", 1, NULL), -EIO);
	CHECK_INT(store_log_append(x.s, "log", 1, "1", 1, NULL), -EIO);
	check_text(x.backing, "a", "1");
	check_log(x.backing, "log", 1, "1=1\n");
	sim_arm(x.s, &(struct sim_faults){ .fail_at = 2 });
	CHECK(store_head(x.s, "a", &st, NULL) == 0);
	CHECK_INT(store_head(x.s, "a", &st, NULL), -EIO);
	CHECK(store_head(x.s, "a", &st, NULL) == 0);
	err_clear(&e);
	fx_done(&x);
}

static void deaths(void)
{
	struct store_put_req p[3] = { { "b/1", "1", 1, 0 }, { "b/2", "2", 1, 0 }, { "b/3", "3", 1, 0 } };
	struct err e = ERR_INIT;
	struct store_stat st;
	struct store *other;
	struct fx x;

	fx_init_sim(&x);
	other = sim_process(x.world, false);
	sim_arm(x.s, &(struct sim_faults){ .die_at = 2 });
	CHECK_INT(store_put_batch(x.s, p, 3, NULL), -EIO);
	CHECK(sim_dead(x.s) && !sim_dead(other));
	CHECK_INT(store_head(x.s, "b/1", &st, &e), -EIO);
	CHECK_HAS(err_msg(&e), "the simulated process has died");
	for (int i = 0; i < 3; i++)
		CHECK(p[i].rc || store_head(other, p[i].key, &st, NULL) == 0);
	sim_power_loss(x.world);
	CHECK_INT(store_put(other, "a", "1", 1, NULL), -EIO);
	CHECK_INT(store_head(x.backing, "a", &st, NULL), -ENOENT);
	store_close(other);
	err_clear(&e);
	fx_done(&x);
}

/* What 200 calls give under faults, as a text. */
static void history(uint64_t seed, struct strbuf *out)
{
	struct sim_faults f = { .error_ppm = MILLION / 5, .lost_ppm = MILLION / 5, .latency_us = 1000, .die_at = 190 };
	struct store *backing = fx_open_path("mem://test", false), *s;
	struct sim *w = sim_new(backing, seed, NULL, NULL);
	struct store_stat st;
	char key[16];

	s = sim_process(w, false);
	sim_arm(s, &f);
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "k/%d", i);
		sb_addf(out, "%d", store_create(s, key, key, strlen(key), NULL, NULL));
		sb_addf(out, "%d ", store_head(backing, key, &st, NULL));
	}
	sb_addf(out, "%" PRIu64, sim_now_us(w));
	store_close(s);
	sim_free(w);
	store_close(backing);
}

static void seeds(void)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT, c = STRBUF_INIT;

	history(7, &a);
	history(7, &b);
	history(8, &c);
	CHECK_STR(a.s, b.s);
	CHECK(strcmp(a.s, c.s));
	sb_free(&a);
	sb_free(&b);
	sb_free(&c);
}

CHECK_MAIN("fs/sim", { "a failed call has no effect, a lost reply has it, the n-th call fails alone", errors },
	   { "a dead process does nothing more, what was acknowledged stays, power loss ends all", deaths },
	   { "a seed decides every fault", seeds }, )

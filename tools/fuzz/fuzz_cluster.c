/* SPDX-License-Identifier: MIT */
/*
 * What a cluster reads back from its store: ledger, sidecars, approvals (the first byte chooses) and, with other bytes, cluster.yaml. A
 * ledger that is accepted is written as one that is accepted and says the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cluster/approval.h"
#include "cluster/config.h"
#include "cluster/ledger.h"
#include "cluster/sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct cluster_store *cs, const char *key, const void *data, size_t n)
{
	if (store_put(cs->s, key, data, n, NULL))
		abort();
}

static bool read_ledger(struct cluster_store *cs, struct strbuf *out)
{
	struct diag_list d = DIAG_LIST_INIT;
	struct ledger l = { 0 };
	bool ok = ledger_read(cs, &l, &d);

	if (ok != !d.n_errors)
		abort();
	if (ok) {
		ledger_check_composites(&l, &d);
		ledger_write_json(&l, out);
	}
	ledger_clear(&l);
	diag_free(&d);
	return ok;
}

static void ledgers(struct cluster_store *cs, const uint8_t *data, size_t size)
{
	struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;

	put(cs, KEY_STATE, data, size);
	if (read_ledger(cs, &once)) {
		put(cs, KEY_STATE, once.s, once.n);
		if (!read_ledger(cs, &twice) || !str_eq(sb_str(&once), sb_str(&twice)))
			abort();
	}
	sb_free(&once);
	sb_free(&twice);
}

static void artifacts(struct cluster_store *cs, bool sidecars, const uint8_t *data, size_t size)
{
	struct diag_list d = DIAG_LIST_INIT;
	struct arena a = ARENA_INIT;
	struct approval *approvals;
	struct sidecar *found;
	size_t n;

	put(cs, sidecars ? KEY_RECOVERIES "/a.json" : KEY_APPROVALS "/a.json", data, size);
	n = sidecars ? sidecar_list(cs, &a, DIAG_ERROR, &d, &found) : approval_list(cs, &a, &d, &approvals);
	if (n + d.n != 1) /* it is one, or it is told why not */
		abort();
	arena_free(&a);
	diag_free(&d);
}

static char dir[] = "/tmp/fuzz-cluster-XXXXXX", path[64];

static void remove_dir(void)
{
	unlink(path);
	rmdir(dir);
}

static void configuration(const uint8_t *data, size_t size)
{
	struct diag_list d = DIAG_LIST_INIT;
	struct cluster_config cfg = { 0 };
	struct strbuf b = STRBUF_INIT;
	FILE *f;

	if (!path[0]) {
		if (!mkdtemp(dir))
			abort();
		snprintf(path, sizeof(path), "%s/cluster.yaml", dir);
		atexit(remove_dir);
	}
	f = fopen(path, "w");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		abort();
	cluster_config_load(dir, &cfg, &d);
	if (!cfg.parsed && !d.n_errors)
		abort();
	if (cfg.parsed)
		cluster_config_canonical(&cfg, &b);
	sb_free(&b);
	cluster_config_clear(&cfg);
	diag_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cluster_store cs = { .root = "/fuzz", .local = false };

	if (!size)
		return 0;
	if (store_open("mem://fuzz", NULL, &cs.s, NULL))
		abort();
	if (data[0] % 4 == 0)
		ledgers(&cs, data + 1, size - 1);
	else if (data[0] % 4 == 3)
		configuration(data + 1, size - 1);
	else
		artifacts(&cs, data[0] % 4 == 1, data + 1, size - 1);
	store_close(cs.s);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - __cluster/state.json: what was applied (spec/cluster.md 5.1, 6.1).
 *
 * Maps are kept ascending by key. Ownership: the ledger's arena. One thread.
 */
#ifndef CLUSTER_LEDGER_H
#define CLUSTER_LEDGER_H

#include "cluster/cluster_store.h"
#include "cluster/desired.h"

struct ledger_resource {
	const char *address, *digest;
	bool has_bindings;
	size_t n_bindings;
	const char **bindings;
	const char *provider;		    /* graphs: embedding_provider */
	const struct cfg_provider *profile; /* providers */
	const char *blob_policy;	    /* graphs: canonical JSON, NULL = deny */
};

struct ledger_status {
	const char *address, *status, *message; /* message NULL when absent */
	size_t n_conditions;
	const char **conditions;
};

struct ledger_record { /* approval_records, recovery_records, observations: any JSON, compact text */
	const char *key;
	struct str json;
};

struct record_map {
	size_t n, cap;
	struct ledger_record *items;
};

struct ledger {
	struct arena arena;
	bool found;		      /* a file was read */
	char cas[8 + SHA256_HEX_LEN]; /* "sha256:<hex>" of the bytes read or written; "" when there is none */
	uint64_t revision;
	const char *config_digest; /* NULL when null */
	size_t n_resources, cap_resources, n_statuses, cap_statuses;
	struct ledger_resource *resources;
	struct ledger_status *statuses;
	struct record_map approvals, recoveries, observations;
};

/*
 * Read the ledger. A missing file is success with found false. Problems: one diagnostic (state_read_error, invalid_state_json,
 * unsupported_state_version, conflicting_graph_manifest_observation) and false.
 */
bool ledger_read(const struct cluster_store *cs, struct ledger *l, struct diag_list *d);
void ledger_clear(struct ledger *l);
/* Pretty JSON with one LF at the end. */
void ledger_write_json(const struct ledger *l, struct strbuf *out);
/*
 * Compare-and-swap: the object must still have @expected ("" = must not exist). On success l->cas is the new value. On failure one
 * diagnostic (state_cas_mismatch, state_write_error) and false; the stored bytes are untouched.
 */
bool ledger_publish(const struct cluster_store *cs, struct ledger *l, const char *expected, struct diag_list *d);

struct ledger_resource *ledger_find(const struct ledger *l, const char *address);
/* Find or insert; the address is copied. Valid until the next insertion. */
struct ledger_resource *ledger_put(struct ledger *l, const char *address);
void ledger_remove(struct ledger *l, const char *address);
const char *ledger_digest(const struct ledger *l, const char *address); /* NULL when absent */

/* Replace a status. @condition and @message may be NULL. */
void ledger_status_set(struct ledger *l, const char *address, const char *status, const char *condition,
		       const char *message);
void ledger_status_remove(struct ledger *l, const char *address);

void record_put(struct ledger *l, struct record_map *m, const char *key, struct str json);
const struct ledger_record *record_find(const struct record_map *m, const char *key);

/* Composite digest of a graph from the ledger's own entries, with the given provider and policy. */
void ledger_composite(const struct ledger *l, const char *graph, const char *provider, const char *blob_policy,
		      char out[SHA256_HEX_LEN + 1]);
/* Check every graph entry against its composite (5.1); mismatches are external_blob_policy_digest_mismatch. */
bool ledger_check_composites(const struct ledger *l, struct diag_list *d);

/* Members of section 17: resource digests, statuses, observations. */
void ledger_digests_json(const struct ledger *l, struct json_writer *w);
void ledger_statuses_json(const struct ledger *l, struct json_writer *w);
void record_map_json(const struct record_map *m, struct json_writer *w);

#endif

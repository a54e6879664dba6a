/* SPDX-License-Identifier: MIT */
/*
 * report.h - what every command carries through its run and prints at its end (spec/cluster.md 17).
 */
#ifndef CLUSTER_REPORT_H
#define CLUSTER_REPORT_H

#include <omnigraph/cluster.h>

#include "cluster/ledger.h"

struct lock_info { /* parsed lock.json; id NULL when it could not be parsed */
	const char *id, *operation, *created_at;
	uint64_t pid;
};

struct observations { /* state_observations */
	bool state_found;
	const char *config_digest; /* NULL when not recorded */
	uint64_t revision;
	char cas[8 + SHA256_HEX_LEN]; /* "" when no ledger was read or written */
	size_t resource_count;
	bool locked; /* held by someone else, or observed */
	bool has_lock_info;
	struct lock_info lock; /* of that lock, or of the one force-unlock removed */
	bool lock_acquired;
	const char *acquired_id;
};

/* The frame of a command. Zero it, then command_begin. */
struct command {
	const struct cluster_args *args;
	struct cluster_report *out;
	struct arena arena;
	struct diag_list diags;
	struct desired desired;
	struct cluster_store cs;
	struct ledger ledger;
	struct observations obs;
	char expected_cas[8 + SHA256_HEX_LEN]; /* of the ledger as read */
	bool lock_held;
};

/* Load the desired state (or only the configuration header) and open the root; problems are in cmd->diags. */
void command_begin(struct command *cmd, bool header_only, bool read_only);
/* Release the lock, then everything else. The report must have been written. */
void command_end(struct command *cmd);
/* Read the ledger into cmd->ledger and cmd->obs. False on an error. */
bool command_read_ledger(struct command *cmd);
/* Refresh cmd->obs from cmd->ledger after a successful write. */
void command_observe_ledger(struct command *cmd);
static inline bool command_failed(const struct command *cmd)
{
	return cmd->diags.n_errors > 0;
}

/* lock.c: take the lock as @operation (6.2). False when it is held or cannot be taken. */
bool lock_acquire(struct command *cmd, const char *operation);
void lock_release(struct command *cmd);
/* Look at the lock without taking it: fills cmd->obs; bad locks become warnings. */
void lock_observe(struct command *cmd);

/* Pieces of the JSON reports. */
void report_begin(struct command *cmd, struct json_writer *w); /* {"ok":..,"config_dir":.. */
void report_end(struct command *cmd, struct json_writer *w);   /* ,"diagnostics":[..]} and LF; sets ok */
void report_observations(const struct command *cmd, struct json_writer *w);
void report_desired_digests(const struct command *cmd, struct json_writer *w);
void report_dependencies(const struct command *cmd, struct json_writer *w);
void report_desired_revision(const struct command *cmd, struct json_writer *w);
/* "id=.., operation=.., pid=.., created_at=.., age_seconds=.." */
void lock_summary(const struct observations *o, struct strbuf *out);
/* Diagnostics at the end of the human output. */
void report_text_end(struct command *cmd);

/* ULID and "now" in the form of stored timestamps, in @a. */
const char *new_ulid(struct arena *a);
const char *now_text(struct arena *a);

#endif

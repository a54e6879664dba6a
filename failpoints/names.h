/* SPDX-License-Identifier: MIT */
/*
 * names.h - every fault point and where it sits (spec/engine.md 20, spec/cluster.md 19). FAILPOINT_NAMES(X) expands X(name, place)
 * in byte order of the names.
 */
#ifndef FAILPOINT_NAMES_H
#define FAILPOINT_NAMES_H

#define FAILPOINT_NAMES(X)                                                                                 \
	X("blob_read.post_capture", "snapshot pinned, before the value is opened")                         \
	X("branch_create.post_native", "ref written, before success is returned")                          \
	X("branch_delete.post_native", "ref removed, before success is returned")                          \
	X("branch_merge.post_authority_capture", "heads captured, before planning")                        \
	X("branch_merge.post_candidate_validation", "merged delta validated")                              \
	X("branch_merge.post_phase_b_pre_manifest_commit", "merge segments written, before publication")   \
	X("change_feed.post_capture", "cut captured")                                                      \
	X("change_feed.pre_table_open", "before one commit's state is opened")                             \
	X("cleanup.post_recovery_check_pre_gates", "keep set complete, nothing deleted")                   \
	X("cleanup.resolve_branch_snapshot", "resolving a branch's keep set")                              \
	X("cleanup.table_gc", "before one type's deletions")                                               \
	X("cluster_apply.after_graph_create", "graph created, sidecar rewritten with the version")         \
	X("cluster_apply.after_graph_delete", "root removed")                                              \
	X("cluster_apply.after_payload_phase", "blobs written, before deletes")                            \
	X("cluster_apply.after_schema_apply", "schema committed, sidecar rewritten")                       \
	X("cluster_apply.before_graph_create", "sidecar armed, before source re-check and create")         \
	X("cluster_apply.before_graph_delete", "sidecar armed, before removal")                            \
	X("cluster_apply.before_schema_apply", "sidecar armed, before the engine call")                    \
	X("cluster_apply.before_state_write", "revision bumped, before the ledger write")                  \
	X("cluster_store.delete_object", "deletion of one sidecar or payload")                             \
	X("ensure_indices.post_stage_pre_commit_btree", "index object written, before it is referenced")   \
	X("graph_publish.after_manifest_commit", "just after the commit's log append")                     \
	X("graph_publish.before_commit_append", "just before the commit's log append")                     \
	X("init.after_coordinator_init", "handle about to be returned")                                    \
	X("init.after_schema_contract_written", "all artefacts before graph.json written")                 \
	X("init.after_schema_pg_written", "schema source written")                                         \
	X("init.manifest_create_ack_lost", "pretend the reply of graph.json's create was lost")            \
	X("init.manifest_create_probe", "fail the read-back of graph.json")                                \
	X("init.post_manifest_create", "graph.json created")                                               \
	X("init.schema_cleanup_delete", "before deleting own artefacts of a failed init")                  \
	X("mutation.delete_node_pre_primary_delete", "cascade computed, before the node delete is staged") \
	X("mutation.post_finalize_pre_publisher", "segments written, before publication")                  \
	X("mutation.post_no_effect_pre_gate", "found to have no effect, before the final head check")      \
	X("mutation.post_stage_pre_effect_gate", "prepared and validated, before the final head check")    \
	X("open.before_schema_contract_read", "stamp checked, schema not yet read")                        \
	X("optimize.before_compact", "before writing compacted segments")                                  \
	X("optimize.post_authority_capture_pre_gates", "base captured")                                    \
	X("publish.load_state_retryable_contention", "publisher re-reading the tail")                      \
	X("read.refresh_post_state_pre_lineage", "new state read, before its commit chain")                \
	X("schema_apply.after_manifest_commit", "after the schema commit")                                 \
	X("schema_apply.after_staging_write", "schema artefacts written")                                  \
	X("schema_apply.before_staging_write", "planned, before anything is written")                      \
	X("schema_reload.before_contract_read", "an open handle about to reload the schema")

#endif

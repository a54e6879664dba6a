/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every bound on input that others control, in one place. Inclusive unless said otherwise.
 * The section that asks for each is named; "ours" marks bounds the specification leaves to us.
 */
#ifndef OMNIGRAPH_LIMITS_H
#define OMNIGRAPH_LIMITS_H

#define LIMIT_JSON_DEPTH 128		       /* server.md 4.4 */
#define LIMIT_BODY_BYTES (1u << 20)	       /* server.md 4.4; OMNIGRAPH_BODY_MAX_BYTES */
#define LIMIT_LOAD_BODY_BYTES (32u << 20)      /* server.md 4.4; OMNIGRAPH_LOAD_BODY_MAX_BYTES */
#define LIMIT_LOAD_LINE_BYTES (32u << 20)      /* engine.md 18 graph_batch_line_bytes */
#define LIMIT_LOAD_LINE_SLOTS 131072u	       /* engine.md 18 graph_batch_json_structural_slots */
#define LIMIT_MUTATION_BYTES (256ull << 20)    /* spec README 5; OMNIGRAPH_MUTATION_MAX_BYTES */
#define LIMIT_LOAD_STAGE_BYTES (16ull << 20)   /* ours: rows of a load in memory; the rest waits in a temporary file */
#define LIMIT_BLOB_INPUT_BYTES (32u << 20)     /* engine.md 18 decoded blob input bytes */
#define LIMIT_BLOB_URI_BYTES (64u << 10)       /* engine.md 18 external Blob URI bytes */
#define LIMIT_BLOB_URI_CELLS 8192	       /* engine.md 18 external Blob reference cells */
#define LIMIT_BLOB_URI_TOTAL_BYTES (32u << 20) /* engine.md 18 external Blob URI metadata bytes */
#define LIMIT_BLOB_SOURCE_BYTES (32u << 20) /* engine.md 18 external Blob object bytes, and of all of them together */
#define LIMIT_BLOB_RANGE_BYTES (4u << 20)   /* engine.md 18 Blob read range bytes */
#define LIMIT_CHANGE_TOKEN_BYTES 4096u	    /* engine.md 13.4 */
#define LIMIT_WRITE_ATTEMPTS 33		    /* engine.md 10.2 */
#define LIMIT_NOT_DEPTH 64		    /* query.md 16 */
#define LIMIT_FUZZY_EXPANSIONS 50	    /* query.md 16 */
#define LIMIT_TEXT_TOKEN_BYTES 40	    /* query.md 9.2, exclusive */
#define LIMIT_SCHEMA_BYTES (4u << 20)	    /* ours */
#define LIMIT_SCHEMA_TYPES 65536u	    /* ours: declarations of one schema */
#define LIMIT_SCHEMA_INJECTIONS 262144u	    /* ours: properties that interfaces contribute, over all nodes */
#define LIMIT_TYPE_PROPERTIES 4096u	    /* ours: properties of one type */
#define LIMIT_SCHEMA_LIST 256u	       /* ours: annotations, arguments, constraint members, interfaces in one list */
#define LIMIT_ENUM_VALUES 16384u       /* ours: values of one enum */
#define LIMIT_QUERY_BYTES (4u << 20)   /* ours */
#define LIMIT_QUERY_PARAMS 1024u       /* ours: parameters of one query */
#define LIMIT_QUERY_ORDERINGS 1024u    /* ours: keys of one order section */
#define LIMIT_YAML_BYTES (4u << 20)    /* ours: cluster.yaml, policies, operator configuration */
#define LIMIT_LEDGER_BYTES (64u << 20) /* ours: __cluster/state.json */
#define LIMIT_LOG_RECORD_BYTES (64u << 20)   /* ours: one record of a commit log */
#define LIMIT_INLINE_COMMIT_BYTES (1u << 20) /* ours: larger commits write segments */
#define LIMIT_ID_BYTES (1u << 20)	     /* ours: one entity id */
#define LIMIT_KEY_BYTES 1024u		     /* ours: one store key */
#define LIMIT_GRAPH_ID_BYTES 64		     /* server.md 3.4 */
#define LIMIT_BRANCH_NAME_BYTES 512	     /* ours */
#define LIMIT_RESULT_BYTES (256u << 20)	     /* ours: one query result */
#define LIMIT_QUERY_ROWS (16u << 20)	     /* ours: intermediate rows of one query */

#endif

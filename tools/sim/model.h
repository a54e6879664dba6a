/* SPDX-License-Identifier: MIT */
/*
 * model.h - what the specification says a graph does, as plainly as possible: every commit is a full copy of all rows.
 *
 * Schema.  Persons know each other and live in cities; tags stand alone. Four things come and go with schema applies: one property each of
 * Person, City and Knows, and the type Tag. Each time one is added it is a new one, and what older rows held under its name is not its value.
 */
#ifndef TOOLS_SIM_MODEL_H
#define TOOLS_SIM_MODEL_H

#include <omnigraph/graph.h>

enum kind { KNOWS, LIVES, CITY, PERSON, TAG, N_KINDS }; /* in the order of an export */
enum feature { PERSON_RANK, CITY_POP, KNOWS_NOTE, TYPE_TAG, N_FEATURES };

#define ID_MAX 16
#define BRANCH_MAX 16
#define OP_ROWS 6

/* The feature that holds the optional property of a row; of tags, the type. N_FEATURES: none. */
enum feature feature_of(enum kind k);

struct mschema {
	uint32_t incarnation[N_FEATURES]; /* 0: not there */
};

struct mrow {
	enum kind kind;
	char id[ID_MAX], src[ID_MAX], dst[ID_MAX];
	int fixed, extra;     /* 0: null */
	uint32_t incarnation; /* of the feature that holds @extra, and of the type for tags */
};

struct mstate {
	struct mschema schema;
	struct mrow *rows; /* ascending by kind, then id */
	size_t n;
};

struct mcommit {
	struct commit_info ci;
	struct mstate state;
	uint32_t op;	  /* that made it */
	bool may_be_gone; /* a cleanup was free to remove its state */
	bool raced;	  /* merged into a branch while a cleanup ran: see check_unseen_write */
};

struct mbranch {
	char name[BRANCH_MAX], from[BRANCH_MAX];
	uint32_t *chain; /* commits, inherited ones first */
	size_t n, cap;
};

struct model {
	struct mcommit *commits;
	size_t n_commits, cap_commits;
	struct mbranch *branches; /* the first is main */
	size_t n_branches, cap_branches;
	uint32_t incarnations; /* given out */
};

enum op_kind {
	OP_LOAD,
	OP_UPDATE,
	OP_DELETE,
	OP_READ,
	OP_FEED,
	OP_OPTIMIZE,
	OP_CHECKPOINT,
	OP_CLEANUP,
	OP_BRANCH,
	OP_DROP_BRANCH,
	OP_MERGE,
	OP_SCHEMA,
	N_OPS
};

struct op {
	uint32_t number;
	enum op_kind kind;
	char branch[BRANCH_MAX]; /* written to, created, deleted, read */
	char other[BRANCH_MAX];	 /* forked from, merged from */
	enum load_mode mode;
	struct mrow rows[OP_ROWS]; /* load; the first names what is updated or deleted */
	size_t n_rows;
	struct mschema schema; /* of the rows; the wanted one */
	uint32_t keep;
	/* how it went */
	unsigned process;
	bool faulted, nested, overlapped; /* it ran inside another, or another inside it */
	int rc;
	enum err_code code;
	char message[256];
	char commit[ULID_LEN + 1]; /* acknowledged; "": none */
	enum merge_outcome outcome;
	size_t n_conflicts;
	bool seen; /* its commit is in the history */
};

const char *op_name(enum op_kind k);

void model_free(struct model *m);
struct mbranch *model_branch(struct model *m, const char *name);
struct mbranch *model_add_branch(struct model *m, const char *name, const char *from, const uint32_t *chain, size_t n);
void model_drop_branch(struct model *m, const char *name);
struct mcommit *model_head(struct model *m, const struct mbranch *b);
/* The schema in force: main's. */
const struct mschema *model_schema(struct model *m);
const struct mcommit *model_find(const struct model *m, const char *id);
/* Append a commit to @b; takes @state. */
void model_commit(struct model *m, struct mbranch *b, const struct commit_info *ci, struct mstate *state, uint32_t op);

enum effect { EFFECT_COMMIT, EFFECT_NONE, EFFECT_REFUSED };
/* What a load, update, delete or schema apply makes of @base. @out is set for EFFECT_COMMIT. */
enum effect model_apply(const struct mstate *base, const struct op *o, struct mstate *out);
/* What a merge of commit @source into the head @target makes; *outcome as in spec/engine.md 11.1. */
enum effect model_merge(const struct model *m, const struct mcommit *source, const struct mcommit *target,
			enum merge_outcome *outcome, struct mstate *out);
/* The common ancestor that a merge compares with; NULL: there is none. */
const struct mcommit *model_merge_base(const struct model *m, const struct mcommit *s, const struct mcommit *t);

void mstate_free(struct mstate *s);
bool mstate_same(const struct mstate *a, const struct mstate *b);
const struct mrow *mstate_find(const struct mstate *s, enum kind kind, const char *id);
/* The export of @s read under @schema, without the tags if they are others than its. */
void mstate_export(const struct mstate *s, const struct mschema *schema, struct strbuf *out);
bool has_tags(const struct mstate *s, const struct mschema *schema);

/* The changes from one state to another, a line of JSON each; the type is its name. */
void mstate_changes(const struct mstate *before, const struct mstate *after, struct strbuf *out);
/* Do they differ in the shape of a type that has rows, so that changes cannot be told? */
bool mstate_boundary(const struct mstate *before, const struct mstate *after);

void schema_text(const struct mschema *s, struct strbuf *out);
/* The rows of a load as NDJSON. */
void rows_ndjson(const struct op *o, struct strbuf *out);
const char *kind_name(enum kind k);

#endif

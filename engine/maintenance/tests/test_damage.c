/* SPDX-License-Identifier: MIT */
/*
 * A damaged golden root: whatever byte of whatever object is changed, wherever one is cut off, and whichever is missing, what is read is an
 * error that names the object, or every answer is what it was. TEST_SLOW=1 changes every byte in two ways and cuts at every seventh, which
 * takes half an hour; otherwise one of DAMAGE_STRIDE bytes is changed, other ones in each object.
 */
#include <dirent.h>

#include "engine/store/tests/counting_store.h"
#include "golden.h"

#define DAMAGE_STRIDE 181
#define CUT_STRIDE 1499
#define RECORD_STRIDE 17
#define SAMPLED_SHARE 3 /* what takes long is tried with one of so many objects damaged */
#define FAULTS_SHOWN 20

struct object {
	char *key; /* path below the root */
	uint8_t *data;
	size_t n;
};

struct damage {
	const char *root; /* name of the golden root */
	char *dir, *want;
	char *want_after; /* of a whole root, what a test of writes compares with; made when first needed */
	struct object *v;
	size_t n, cap;
	size_t tried, errors, faults;
};

/* --- the root --------------------------------------------------------------------------------------- */

static char *path_of(const struct damage *d, const char *key)
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "%s/%s", d->dir, key);
	return sb_detach(&b);
}

static void add_object(struct damage *d, const char *key, size_t size)
{
	char *path = path_of(d, key);
	FILE *f = fopen(path, "rb");
	struct object *o;

	MEM_GROW(d->v, d->n, d->cap);
	o = &d->v[d->n++];
	*o = (struct object){ mem_strdup(key), mem_alloc(size + 1), size };
	CHECK(f && fread(o->data, 1, size + 1, f) == size);
	fclose(f);
	free(path);
}

static void add_folder(struct damage *d, const char *folder)
{
	char *path = path_of(d, folder);
	DIR *dir = opendir(path);

	CHECK(dir != NULL);
	for (struct dirent *de; (de = readdir(dir));) {
		struct strbuf key = STRBUF_INIT;
		struct stat st;

		if (de->d_name[0] == '.')
			continue;
		sb_addf(&key, "%s%s%s", folder, *folder ? "/" : "", de->d_name);
		CHECK(fstatat(dirfd(dir), de->d_name, &st, 0) == 0);
		if (S_ISDIR(st.st_mode))
			add_folder(d, key.s);
		else
			add_object(d, key.s, (size_t)st.st_size);
		sb_free(&key);
	}
	closedir(dir);
	free(path);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct object *)a)->key, ((const struct object *)b)->key);
}

static void damage_begin(struct damage *d, const char *root)
{
	struct strbuf name = STRBUF_INIT;

	*d = (struct damage){ .root = root, .dir = golden_copy(root) };
	sb_addf(&name, "%s/answers.txt", root);
	d->want = golden_text(name.s);
	sb_free(&name);
	add_folder(d, "");
	qsort(d->v, d->n, sizeof(*d->v), by_key);
}

static void damage_end(struct damage *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].key);
		free(d->v[i].data);
	}
	free(d->v);
	free(d->want);
	free(d->want_after);
	temp_dir_remove(d->dir);
}

static void put(const struct damage *d, const struct object *o, const uint8_t *data, size_t n)
{
	char *path = path_of(d, o->key);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	close(fd);
	free(path);
}

/* --- what comes of it ---------------------------------------------------------------------------------- */

static bool begins(const struct object *o, const char *folder)
{
	return !strncmp(o->key, folder, strlen(folder));
}

/* The part of the key by which a message names the object: all of it but the extension. */
static bool names(const struct object *o, const char *message)
{
	const char *dot = strrchr(o->key, '.');
	size_t n = dot && strchr(dot, '/') == NULL ? (size_t)(dot - o->key) : strlen(o->key);
	char *part = str_dup((struct str){ o->key, n });
	bool ok = strstr(message, part) != NULL;

	free(part);
	/* the stamp is judged before its seal (spec/engine.md 2.4): a digit of it that changed is another version */
	return ok || (begins(o, "graph.json") && strstr(message, "graph is stamped at internal schema v"));
}

static void fault(struct damage *d, const struct object *o, const char *how, size_t at, const char *what)
{
	if (d->faults++ < FAULTS_SHOWN)
		fprintf(stderr, "# %s, %s %zu: %.300s\n", o->key, how, at, what);
}

/* Read everything; the same answers, or an error that names @o. */
static void judge_as(struct damage *d, const struct object *o, bool read_only, const char *how, size_t at)
{
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = golden_read(d->dir, read_only, &got, &e);

	d->tried++;
	d->errors += rc != 0;
	if (rc && !names(o, err_msg(&e)))
		fault(d, o, how, at, err_msg(&e));
	if (!rc && strcmp(got.s, d->want) != 0)
		fault(d, o, how, at, "a wrong answer");
	err_clear(&e);
	sb_free(&got);
}

static void judge_whole(struct damage *d, const struct object *o, size_t at)
{
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = golden_read(d->dir, true, &got, &e);

	if (rc || strcmp(got.s, d->want) != 0)
		fault(d, o, "restored after maintenance with changed byte", at, rc ? err_msg(&e) : "a wrong answer");
	err_clear(&e);
	sb_free(&got);
}

static void judge(struct damage *d, const struct object *o, const char *how, size_t at)
{
	judge_as(d, o, true, how, at);
}

/* --- how ------------------------------------------------------------------------------------------------ */

static bool thorough(void)
{
	const char *slow = getenv("TEST_SLOW");

	return slow && *slow == '1';
}

static void change_byte(struct damage *d, const struct object *o, size_t at, uint8_t mask)
{
	char *path = path_of(d, o->key);
	uint8_t changed = o->data[at] ^ mask;
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0 && pwrite(fd, &changed, 1, (off_t)at) == 1);
	judge(d, o, mask == 0xff ? "inverted byte" : "changed bit of byte", at);
	if (begins(o, "log/")) { /* a handle that may write repairs what a crash can have left */
		judge_as(d, o, false, "opened for writing, changed byte", at);
		put(d, o, o->data, o->n);
	}
	CHECK(pwrite(fd, &o->data[at], 1, (off_t)at) == 1);
	close(fd);
	free(path);
}

/* Which offset of an object the walk begins at: all residues occur. */
static size_t phase(const struct object *o)
{
	return siphash13(1, 2, o->key, strlen(o->key)) % DAMAGE_STRIDE;
}

static bool is_sampled(const struct object *o)
{
	return thorough() || phase(o) % SAMPLED_SHARE == 0;
}

static void change_bytes(struct damage *d, const struct object *o)
{
	bool all = thorough();

	for (size_t i = all ? 0 : phase(o); i < o->n; i += all ? 1 : DAMAGE_STRIDE) {
		if (all || i % 2)
			change_byte(d, o, i, 0xff);
		if (all || !(i % 2))
			change_byte(d, o, i, (uint8_t)(1u << i % 8));
	}
}

static void cut_off(struct damage *d, const struct object *o)
{
	size_t stride = thorough() ? 7 : CUT_STRIDE;

	for (size_t n = 0; n < o->n; n += stride) {
		put(d, o, o->data, n);
		judge(d, o, "cut off at", n);
	}
	if (o->n) {
		put(d, o, o->data, o->n - 1);
		judge(d, o, "cut off at", o->n - 1);
	}
	put(d, o, o->data, o->n);
}

/* Is there "<folder>/<id>/..." for the branch of "log/<id>.log" or "history/<id>.json"? */
static bool has_objects(const struct damage *d, const char *folder, const struct object *o)
{
	struct strbuf prefix = STRBUF_INIT;
	bool found = false;

	sb_addf(&prefix, "%s/%.*s/", folder, ULID_LEN, strchr(o->key, '/') + 1);
	for (size_t i = 0; i < d->n && !found; i++)
		found = begins(&d->v[i], prefix.s);
	sb_free(&prefix);
	return found;
}

/*
 * What nothing else tells of (format.md): a ref; a log of which nothing has been put into a checkpoint; the history object of a log of
 * which no record has been removed.
 */
static bool is_only_trace(const struct damage *d, const struct object *o)
{
	return begins(o, "refs/") || (begins(o, "log/") && !has_objects(d, "ckpt", o)) ||
	       (begins(o, "history/") && strstr(o->key, ".json") && !has_objects(d, "history", o));
}

static void missing(struct damage *d, const struct object *o)
{
	char *path = path_of(d, o->key);

	CHECK(unlink(path) == 0);
	if (!is_only_trace(d, o))
		judge(d, o, "missing", 0);
	put(d, o, o->data, o->n);
	free(path);
}

typedef int (*write_op)(struct graph *g, struct err *e);

static int load_rows(struct graph *g, struct err *e)
{
	return golden_load(g, NULL, e);
}

/* A branch with changes of its own: the one that is there, or a new one. */
static int merge_branch(struct graph *g, struct err *e)
{
	struct merge_opts o = { .source = "review/z\xc3\xbcrich" };
	struct merge_result r = { 0 };
	bool exists;
	int rc = graph_branch_exists(g, o.source, &exists, e);

	if (!rc && !exists) {
		o.source = "new";
		rc = graph_branch_create(g, o.source, NULL, NULL, e);
		if (!rc)
			rc = golden_load(g, o.source, e);
	}
	if (!rc)
		rc = graph_merge(g, &o, &r, e);
	merge_result_clear(&r);
	return rc;
}

/* Write, and export main. */
static int write_and_read(const char *dir, write_op op, struct strbuf *out, struct err *e)
{
	struct snapshot *s = NULL;
	struct graph *g = NULL;
	int rc = graph_open(dir, NULL, &g, e);

	if (!rc)
		rc = op(g, e);
	if (!rc)
		rc = graph_snapshot(g, NULL, NULL, &s, e);
	if (!rc)
		rc = graph_export(s, NULL, 0, on_export, out, e);
	snapshot_put(s);
	graph_close(g);
	return rc;
}

static char *written_whole(const struct damage *d, write_op op)
{
	struct strbuf out = STRBUF_INIT;
	char *dir = golden_copy(d->root);

	CHECK_OK(write_and_read(dir, op, &out, ep));
	temp_dir_remove(dir);
	return sb_detach(&out);
}

/* A copy of the root in which byte @at of @o is inverted; temp_dir_remove() it. */
static char *damaged_copy(const struct damage *d, const struct object *o, size_t at)
{
	uint8_t *changed = memcpy(mem_alloc(o->n), o->data, o->n);
	struct damage copy = *d;

	changed[at] ^= 0xff;
	copy.dir = golden_copy(d->root);
	put(&copy, o, changed, o->n);
	free(changed);
	return copy.dir;
}

static void written_with(struct damage *d, const struct object *o, write_op op)
{
	struct strbuf got = STRBUF_INIT;
	size_t at = o->n / 2;
	char *dir = damaged_copy(d, o, at);
	struct err e = ERR_INIT;
	int rc = write_and_read(dir, op, &got, &e);

	if (!d->want_after)
		d->want_after = written_whole(d, op);
	d->tried++;
	d->errors += rc != 0;
	if (rc && !names(o, err_msg(&e)))
		fault(d, o, "written with changed byte", at, err_msg(&e));
	if (!rc && strcmp(got.s, d->want_after) != 0)
		fault(d, o, "written with changed byte", at, "a wrong answer");
	err_clear(&e);
	sb_free(&got);
	temp_dir_remove(dir);
}

static void loaded(struct damage *d, const struct object *o)
{
	written_with(d, o, load_rows);
}

static void merged(struct damage *d, const struct object *o)
{
	written_with(d, o, merge_branch);
}

/* Is the object still the damaged one? Then it comes back from a backup. */
static void restore(const struct damage *d, const struct object *o, size_t at)
{
	char *path = path_of(d, o->key);
	uint8_t *now = mem_alloc(o->n + 1);
	int fd = open(path, O_RDONLY);
	bool same = fd >= 0 && read(fd, now, o->n + 1) == (ssize_t)o->n;

	if (same) {
		now[at] ^= 0xff;
		same = !memcmp(now, o->data, o->n);
	}
	if (fd >= 0)
		close(fd);
	if (same)
		put(d, o, o->data, o->n);
	free(now);
	free(path);
}

/* Optimize, and a cleanup that keeps @n commits; either may refuse. */
static void maintain(const char *dir, uint64_t n)
{
	struct cleanup_opts keep = { .by_count = true, .keep_versions = n, .orphan_age_s = -1 };
	struct optimize_result o;
	struct cleanup_result c;
	struct graph *g = NULL;

	if (graph_open(dir, NULL, &g, NULL))
		return;
	g->segs.index_rows = 0;
	graph_optimize(g, &o, NULL);
	optimize_result_clear(&o);
	graph_cleanup(g, &keep, &c, NULL);
	cleanup_result_clear(&c);
	graph_close(g);
}

static int on_head(void *arg, const char *name)
{
	struct golden_view *v = arg;

	sb_addf(v->out, "%s\n", name);
	return golden_export(v, name, NULL, v->out);
}

/* The rows of every branch. */
static int read_heads(const char *dir, struct strbuf *out, struct err *e)
{
	struct golden_view v = { .out = out, .e = e };
	int rc = graph_open(dir, &(struct graph_open_opts){ .read_only = true }, &v.g, e);

	if (!rc)
		rc = graph_branches(v.g, on_head, &v, e);
	graph_close(v.g);
	return rc;
}

static void judge_heads(struct damage *d, const struct object *o, size_t at)
{
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = read_heads(d->dir, &got, &e);

	if (rc || strcmp(got.s, d->want_after) != 0)
		fault(d, o, "restored after a hard cleanup with changed byte", at, rc ? err_msg(&e) : "a wrong answer");
	err_clear(&e);
	sb_free(&got);
}

/* Maintain while an object is damaged, keeping @n commits, restore it, and judge. */
static void maintained_with(struct damage *d, const struct object *o, uint64_t n,
			    void (*judgement)(struct damage *d, const struct object *o, size_t at))
{
	size_t at = o->n / 2;
	struct damage work = *d;

	work.dir = damaged_copy(d, o, at);
	maintain(work.dir, n);
	restore(&work, o, at);
	judgement(&work, o, at);
	temp_dir_remove(work.dir);
	d->tried++;
	d->faults = work.faults;
}

/* What is done meanwhile destroys nothing: every answer is what it was; after a cleanup that keeps little, that of every head. */
static void maintained(struct damage *d, const struct object *o)
{
	struct strbuf heads = STRBUF_INIT;

	if (!d->want_after) {
		CHECK_OK(read_heads(d->dir, &heads, ep));
		d->want_after = sb_detach(&heads);
	}
	if (!is_sampled(o))
		return;
	maintained_with(d, o, 1000, judge_whole);
	maintained_with(d, o, 1, judge_heads);
}

/* An object that is restored in place under an open handle: what the handle missed meanwhile it does not take for absent. */
static void restore_under(struct damage *copy, struct graph *g, const struct object *o)
{
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc;

	g->segs.index_rows = 0;
	golden_observe(g, &got, &e);
	err_clear(&e);
	sb_reset(&got);
	put(copy, o, o->data, o->n);
	rc = golden_observe(g, &got, &e);
	copy->errors += rc != 0;
	if (rc && !names(o, err_msg(&e)))
		fault(copy, o, "restored in place, once changed byte", o->n / 2, err_msg(&e));
	if (!rc && strcmp(got.s, copy->want) != 0)
		fault(copy, o, "restored in place, once changed byte", o->n / 2, "a wrong answer");
	err_clear(&e);
	sb_free(&got);
}

static void restored_in_place(struct damage *d, const struct object *o)
{
	struct damage copy = *d;
	struct graph *g = NULL;

	if (!is_sampled(o))
		return;
	copy.dir = damaged_copy(d, o, o->n / 2);
	copy.tried++;
	if (!graph_open(copy.dir, &(struct graph_open_opts){ .read_only = true }, &g, NULL)) {
		restore_under(&copy, g, o);
		graph_close(g);
	}
	temp_dir_remove(copy.dir);
	copy.dir = d->dir;
	*d = copy;
}

static void each_object(void (*fn)(struct damage *d, const struct object *o))
{
	for (size_t r = 0; r < ARRAY_SIZE(golden_roots); r++) {
		struct damage d;

		damage_begin(&d, golden_roots[r]);
		for (size_t i = 0; i < d.n; i++)
			fn(&d, &d.v[i]);
		printf("# %s: %zu tries, %zu errors, %zu faults\n", golden_roots[r], d.tried, d.errors, d.faults);
		CHECK_INT(d.faults, 0);
		damage_end(&d);
	}
}

static void every_byte(void)
{
	each_object(change_bytes);
}

static void every_cut(void)
{
	each_object(cut_off);
}

static void every_absence(void)
{
	each_object(missing);
}

static void every_write(void)
{
	each_object(loaded);
	each_object(merged);
}

static void every_restoration(void)
{
	each_object(restored_in_place);
}

static void every_maintenance(void)
{
	each_object(maintained);
}

/* --- records, of a store that does not prove them itself (S3) --------------------------------------------- */

struct record_damage { /* byte @at of record @seq of @log is inverted when it is read */
	struct counting_store base;
	char log[64];
	uint64_t seq;
	size_t at;
	store_log_fn fn;
	void *arg;
};

static int pass_changed(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct record_damage *r = arg;
	uint8_t *copy;
	int rc;

	if (seq != r->seq)
		return r->fn(r->arg, seq, data, n);
	copy = memcpy(mem_alloc(n + 1), data, n);
	copy[r->at] ^= 0xff;
	rc = r->fn(r->arg, seq, copy, n);
	free(copy);
	return rc;
}

static int read_changed(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e)
{
	struct record_damage *r = (struct record_damage *)s;
	bool same = !strcmp(log, r->log);

	r->fn = fn;
	r->arg = arg;
	return store_log_read(r->base.inner, log, from, same ? pass_changed : fn, same ? r : arg, e);
}

static void judge_record(struct damage *d, struct record_damage *r)
{
	struct object o = { .key = r->log };
	struct strbuf got = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = golden_read_store(&r->base.base, true, &got, &e);

	d->tried++;
	d->errors += rc != 0;
	if (rc && !strstr(err_msg(&e), r->log))
		fault(d, &o, "changed in a record, byte", r->at, err_msg(&e));
	if (!rc)
		fault(d, &o, "changed in a record, byte", r->at, "not noticed");
	err_clear(&e);
	sb_free(&got);
}

static void change_record(struct damage *d, struct record_damage *r, size_t n)
{
	size_t stride = thorough() ? 1 : RECORD_STRIDE;

	for (r->at = thorough() ? 0 : r->seq * 31 % stride; r->at < n; r->at += stride)
		judge_record(d, r);
}

struct record_walk {
	struct damage *d;
	struct record_damage *r;
	uint64_t seqs[64];
	size_t sizes[64], n;
};

static int note_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct record_walk *w = arg;

	CHECK(w->n < ARRAY_SIZE(w->seqs));
	w->seqs[w->n] = seq;
	w->sizes[w->n++] = n;
	return 0;
}

static int change_log(void *arg, const char *log)
{
	struct record_walk *w = arg;
	uint64_t from = 1;

	w->n = 0;
	while (store_log_read(w->r->base.inner, log, from, note_record, w, NULL) == -ENOENT)
		from++; /* trimmed away */
	CHECK(w->n > 0);
	snprintf(w->r->log, sizeof(w->r->log), "%s", log);
	for (size_t i = 0; i < w->n; i++) {
		w->r->seq = w->seqs[i];
		change_record(w->d, w->r, w->sizes[i]);
	}
	return 0;
}

static void change_records(const char *root)
{
	struct store_open_opts so = { .read_only = true };
	struct record_damage r = { .seq = 0 };
	struct store_ops ops = counting_ops;
	struct store *s = NULL;
	struct damage d;
	struct record_walk w = { .d = &d, .r = &r };

	damage_begin(&d, root);
	CHECK_OK(store_open(d.dir, &so, &s, ep));
	counting_init(&r.base, s);
	ops.log_read = read_changed;
	r.base.base.ops = &ops;
	CHECK_OK(store_log_list(s, "log", change_log, &w, ep));
	store_close(s);
	printf("# %s: %zu tries, %zu errors, %zu faults\n", root, d.tried, d.errors, d.faults);
	CHECK_INT(d.faults, 0);
	damage_end(&d);
}

static void every_record(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(golden_roots); i++)
		change_records(golden_roots[i]);
}

CHECK_MAIN(
	"engine/damage",
	{ "a changed byte of any object is an error that names the object, or changes no answer", every_byte },
	{ "so is an object that is cut off", every_cut },
	{ "a missing object is an error that names it, or changes no answer", every_absence },
	{ "a changed byte of a record is an error that names the log, on a store that does not prove records, too",
	  every_record },
	{ "ENG-03 ENG-49 a load and a merge on a damaged graph are an error that names the object, or right",
	  every_write },
	{ "an object that is restored under an open handle changes no answer, or goes on being named",
	  every_restoration },
	{ "ENG-71 ENG-73 optimize and cleanup of a damaged graph destroy nothing: restore the object, and all is there",
	  every_maintenance })

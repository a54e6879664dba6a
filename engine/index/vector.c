/* SPDX-License-Identifier: MIT */
/* Exact nearest neighbours by squared L2 distance (spec/query.md 9.4): a bounded max-heap over the candidates. */
#include <errno.h>

#include <omnigraph/arch.h>

#include "engine/index/search.h"

#ifdef CONFIG_ENGINE_VECTOR

struct near {
	double d;
	struct str id;
	rowref row;
};

/* Farther first; equal distances by the greater id. */
static bool farther(const struct near *a, const struct near *b)
{
	if (a->d != b->d)
		return a->d > b->d;
	return str_cmp(a->id, b->id) > 0;
}

static void sift_down(struct near *h, size_t n, size_t i)
{
	for (;;) {
		size_t top = i, l = 2 * i + 1, r = l + 1;
		struct near tmp;

		if (l < n && farther(&h[l], &h[top]))
			top = l;
		if (r < n && farther(&h[r], &h[top]))
			top = r;
		if (top == i)
			return;
		tmp = h[i];
		h[i] = h[top];
		h[top] = tmp;
		i = top;
	}
}

static int nearer_first(const void *a, const void *b)
{
	return farther(a, b) ? 1 : farther(b, a) ? -1 : 0;
}

int rank_nearest(struct arena *a, const struct snapshot *s, const struct type *t, uint32_t prop, const float *query,
		 uint32_t dim, const rowref *candidates, size_t n, uint64_t k, struct ranked **out, size_t *n_out,
		 struct err *e)
{
	const struct arch_ops *ops = arch_ops();
	size_t cap = k < n ? (size_t)k : n, m = 0;
	struct near *heap = arena_array(a, struct near, cap + 1);

	for (size_t i = 0; cap && i < n; i++) {
		struct near x = { .row = candidates[i] };
		struct val v;

		row_get(s, t, candidates[i], prop, a, &v);
		if (v.kind != VAL_VEC || v.n != dim)
			continue;
		x.d = ops->l2_f32(v.vec, query, dim);
		x.id = row_id(s, t, candidates[i]);
		if (m < cap) {
			heap[m++] = x;
			if (m == cap)
				for (size_t p = m / 2; p-- > 0;)
					sift_down(heap, m, p);
		} else if (farther(&heap[0], &x)) {
			heap[0] = x;
			sift_down(heap, m, 0);
		}
	}
	if (m)
		qsort(heap, m, sizeof(*heap), nearer_first);
	*out = arena_array(a, struct ranked, m + 1);
	for (size_t i = 0; i < m; i++)
		(*out)[i] = (struct ranked){ heap[i].row, heap[i].d };
	*n_out = m;
	return 0;
}

#else

int rank_nearest(struct arena *a, const struct snapshot *s, const struct type *t, uint32_t prop, const float *query,
		 uint32_t dim, const rowref *candidates, size_t n, uint64_t k, struct ranked **out, size_t *n_out,
		 struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED,
		       "vector search is not in this build; enable CONFIG_ENGINE_VECTOR in menuconfig and rebuild");
}

#endif

/* SPDX-License-Identifier: MIT */
/* The mock provider (spec/server.md 9.7): FNV-1a (Fowler, Noll, Vo) seeds a xorshift64 sequence (Marsaglia 2003). */
#include <float.h>
#include <math.h>

#include <omnigraph/embed.h>

void embed_mock(struct str text, uint32_t dim, float *out)
{
	uint64_t x = 14695981039346656037ull;
	double sum = 0;
	float norm;

	for (size_t i = 0; i < text.n; i++)
		x = (x ^ (unsigned char)text.s[i]) * 1099511628211ull;
	for (uint32_t i = 0; i < dim; i++) {
		volatile float ratio, twice; /* each step is rounded to binary32 on its own */

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		ratio = (float)((double)x / (double)UINT64_MAX);
		twice = ratio * 2.0f;
		out[i] = twice - 1.0f;
		sum += (double)out[i] * (double)out[i];
	}
	norm = (float)sqrt(sum);
	for (uint32_t i = 0; norm > FLT_EPSILON && i < dim; i++)
		out[i] /= norm;
}

/* SPDX-License-Identifier: MIT */
/* ULID: github.com/ulid/spec. Crockford base 32, first character 0..7. */
#include <unistd.h>

#include <omnigraph/map.h>
#include <omnigraph/util.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Per thread, so that no lock is needed; the process id guards against a fork, which would repeat
 * ids. */
struct ulid_state {
	uint64_t ms;
	uint16_t hi; /* random part: 16 + 64 bits */
	uint64_t lo;
	pid_t pid;
};

static _Thread_local struct ulid_state state;

static void fresh(struct ulid_state *s, uint64_t ms)
{
	s->ms = ms;
	random_bytes(&s->hi, sizeof(s->hi));
	random_bytes(&s->lo, sizeof(s->lo));
	s->hi &= 0x7fff; /* headroom for increments */
}

/* The low 5 * @n bits of hi:lo, hi having 16 bits. */
static void encode(char *out, size_t n, uint64_t hi, uint64_t lo)
{
	while (n--) {
		out[n] = alphabet[lo & 31];
		lo = lo >> 5 | hi << 59;
		hi >>= 5;
	}
}

void ulid_new(char out[ULID_LEN + 1])
{
	uint64_t ms = (uint64_t)time_now_ms();
	pid_t pid = getpid();

	/* a clock that was set back by less than a second must not make ids descend */
	if (state.pid == pid && ms <= state.ms && state.ms - ms < 1000) {
		if (++state.lo == 0 && ++state.hi == 0)
			fresh(&state, state.ms + 1);
	} else {
		fresh(&state, ms);
		state.pid = pid;
	}
	encode(out, 10, 0, state.ms & ((UINT64_C(1) << 48) - 1));
	encode(out + 10, 16, state.hi, state.lo);
	out[ULID_LEN] = 0;
}

static bool in_alphabet(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z' && c != 'I' && c != 'L' && c != 'O' && c != 'U');
}

bool ulid_valid(struct str s)
{
	if (s.n != ULID_LEN || s.s[0] > '7')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!in_alphabet(s.s[i]))
			return false;
	return true;
}

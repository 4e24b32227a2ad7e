/* Numbers out of text: decimal only, no sign, no white space, overflow refused. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

/* Digits only, at least one; false above max. */
bool parse_u64(const char *s, uint64_t max, uint64_t *out);
/* The next of "0 2-7 9": numbers up to max, or two of them; *s moves on. False at its end, or
 * where there is no such thing: *s is not at its end then. */
bool parse_range(const char **s, uint64_t max, uint64_t *from, uint64_t *to);
/* parse_u64 with an optional suffix K, M, G or T (powers of 1024). */
bool parse_size(const char *s, uint64_t max, uint64_t *out);
/* Seconds, or a number with suffix s, m, h or d. */
bool parse_seconds(const char *s, uint64_t max, uint64_t *out);

#endif

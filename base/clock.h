/* Time: a monotonic clock for deadlines, and the date of RFC 5322 3.3. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/text.h"

/* Milliseconds of the monotonic clock. */
int64_t clock_ms(void);

/* Seconds since 1970. */
time_t clock_now(void);

/* Seconds of CPU this process has used. */
uint64_t clock_cpu_seconds(void);

/* Appends "Sun, 22 Nov 2026 11:22:33 +0000", always in UTC; bad past year 9999. */
void clock_date(struct text *t, time_t when);

/* Appends "2026-11-22T11:22:33Z" (RFC 3339 5.6); bad past year 9999. */
void clock_stamp(struct text *t, time_t when);

#endif

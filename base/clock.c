/*
 * See clock.h. Asks the kernel by system call, not by vDSO: a session reads the clock
 * a few times in its life, and the vDSO's three pages would be faulted in anew in
 * every process. Reads no zone files.
 */
#include "base/clock.h"

#include <sys/syscall.h>
#include <unistd.h>

int64_t
clock_ms(void)
{
	struct timespec now;

	/* CLOCK_MONOTONIC with a valid pointer cannot fail. */
	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

time_t
clock_now(void)
{
	struct timespec now;

	(void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now); /* cannot fail, as above */
	return now.tv_sec;
}

uint64_t
clock_cpu_seconds(void)
{
	struct timespec used = { 0, 0 };

	(void)syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &used); /* cannot fail */
	return (uint64_t)used.tv_sec;
}

/*
 * The Gregorian date of a day counted from 1970-01-01, by whole 400-year eras that
 * start in March. libc's gmtime_r would open /etc/localtime first, which a confined
 * process may not.
 */
static void
find_date(uint64_t day, unsigned *year, unsigned *month, unsigned *mday)
{
	uint64_t since = day + 719468; /* days from 0000-03-01 */
	uint64_t era = since / 146097;
	unsigned doe = (unsigned)(since % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned march = (5 * doy + 2) / 153; /* months from March */

	*mday = doy - (153 * march + 2) / 5 + 1;
	*month = march < 10 ? march + 2 : march - 10; /* 0 = January */
	*year = yoe + (unsigned)era * 400 + (*month < 2);
}

/* "07:05:00", of the seconds of a day */
static void
add_time(struct text *t, uint64_t seconds)
{
	text_addf(t, seconds / 3600, 2);
	text_addc(t, ':');
	text_addf(t, seconds / 60 % 60, 2);
	text_addc(t, ':');
	text_addf(t, seconds % 60, 2);
}

void
clock_date(struct text *t, time_t when)
{
	static const char days[] = "ThuFriSatSunMonTueWed"; /* day 0 was a Thursday */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t seconds = when > 0 ? (uint64_t)when : 0;
	uint64_t day = seconds / 86400;
	unsigned year, month, mday;

	find_date(day, &year, &month, &mday);
	t->bad |= year > 9999;
	text_addn(t, days + 3 * (day % 7), 3);
	text_add(t, ", ");
	text_addu(t, mday);
	text_addc(t, ' ');
	text_addn(t, months + 3 * month, 3);
	text_addc(t, ' ');
	text_addf(t, year, 4);
	text_addc(t, ' ');
	add_time(t, seconds % 86400);
	text_add(t, " +0000");
}

void
clock_stamp(struct text *t, time_t when)
{
	uint64_t seconds = when > 0 ? (uint64_t)when : 0;
	unsigned year, month, mday;

	find_date(seconds / 86400, &year, &month, &mday);
	t->bad |= year > 9999;
	text_addf(t, year, 4);
	text_addc(t, '-');
	text_addf(t, month + 1, 2);
	text_addc(t, '-');
	text_addf(t, mday, 2);
	text_addc(t, 'T');
	add_time(t, seconds % 86400);
	text_addc(t, 'Z');
}

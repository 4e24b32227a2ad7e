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

void
clock_date(struct text *t, time_t when)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL) {
		t->bad = true;
		return;
	}
	text_addn(t, days + 3 * tm.tm_wday, 3);
	text_add(t, ", ");
	text_addu(t, (uint64_t)tm.tm_mday);
	text_addc(t, ' ');
	text_addn(t, months + 3 * tm.tm_mon, 3);
	text_addc(t, ' ');
	text_addf(t, (uint64_t)tm.tm_year + 1900, 4);
	text_addc(t, ' ');
	text_addf(t, (uint64_t)tm.tm_hour, 2);
	text_addc(t, ':');
	text_addf(t, (uint64_t)tm.tm_min, 2);
	text_addc(t, ':');
	text_addf(t, (uint64_t)tm.tm_sec, 2);
	text_add(t, " +0000");
}

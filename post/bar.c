/* Progress on a terminal: one line that is written again. See post.h. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "post/post.h"

#define WIDTH 40
#define EVERY_MS 200

static bool shown;

void
post_bar(uint64_t done, uint64_t all)
{
	static int64_t last;
	int64_t now = clock_ms();
	char bar[WIDTH + 1];
	unsigned n = all > 0 ? (unsigned)((double)done / (double)all * WIDTH) : WIDTH;

	if (!isatty(STDERR_FILENO) || (done < all && now - last < EVERY_MS))
		return;
	last = now;
	shown = true;
	for (unsigned i = 0; i < WIDTH; i++)
		bar[i] = i < n ? '#' : '.';
	bar[WIDTH] = '\0';
	(void)fprintf(stderr, "\r[%s] %3u%% of %.1f MB", bar,
	              all > 0 ? (unsigned)((double)done / (double)all * 100) : 100,
	              (double)all / 1e6);
}

void
post_bar_clear(void)
{
	if (shown)
		(void)fputs("\r\033[K", stderr);
	shown = false;
}

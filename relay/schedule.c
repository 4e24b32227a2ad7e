/* See schedule.h. Called by the runner that holds the domain's lock. */
#include "relay/schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "base/xtext.h"

#define HEAD "postern-retry 1\n"
#define MAX_FAILURES 999
#define FILE_SIZE (SCHEDULE_HOSTS * (3 * (SCHEDULE_NAME + SCHEDULE_CODE + SCHEDULE_TEXT) + 40))

/* -- the file --------------------------------------------------------------------------- */

static bool
take_xtext(char **s, char *out, size_t cap)
{
	size_t len = strcspn(*s, " ");
	struct text t;

	text_init(&t, out, cap);
	if (!xtext_decode(&t, *s, len))
		return false;
	*s += len + ((*s)[len] == ' ');
	return true;
}

static bool
take_number(char **s, uint64_t max, uint64_t *n)
{
	size_t len = strcspn(*s, " ");
	bool more = (*s)[len] == ' ';

	(*s)[len] = '\0';
	if (!parse_u64(*s, max, n))
		return false;
	*s += len + more;
	return true;
}

/* One line without its LF. */
static bool
parse_host(struct schedule *s, char *line)
{
	struct schedule_host *h = &s->host[s->n];
	uint64_t until, failures;
	char *p = line + strlen("host ");

	if (s->n == SCHEDULE_HOSTS || strncmp(line, "host ", 5) != 0 ||
	    !take_xtext(&p, h->name, sizeof h->name) || h->name[0] == '\0' ||
	    schedule_find(s, h->name) != NULL ||
	    !take_number(&p, INT32_MAX * (uint64_t)4, &until) ||
	    !take_number(&p, MAX_FAILURES, &failures) ||
	    !take_xtext(&p, h->code, sizeof h->code) ||
	    !take_xtext(&p, h->text, sizeof h->text) || *p != '\0')
		return false;
	h->until = (time_t)until;
	h->failures = (unsigned)failures;
	s->n++;
	return true;
}

int
schedule_read(int fd, struct schedule *s)
{
	static char buf[FILE_SIZE + 1];
	char *p = buf + strlen(HEAD);
	ssize_t n;

	s->n = 0;
	s->changed = false;
	do
		n = pread(fd, buf, FILE_SIZE, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	buf[n] = '\0';
	if (n == 0)
		return 1; /* just made, or its writer was killed: nothing is known */
	if (strlen(buf) != (size_t)n || strncmp(buf, HEAD, strlen(HEAD)) != 0)
		return 0;
	while (*p != '\0') {
		char *lf = strchr(p, '\n');

		if (lf != NULL)
			*lf = '\0';
		if (lf == NULL || !parse_host(s, p)) {
			s->n = 0;
			return 0;
		}
		p = lf + 1;
	}
	return 1;
}

int
schedule_write(int fd, const struct schedule *s)
{
	static char buf[FILE_SIZE + sizeof HEAD];
	struct text t;

	text_init(&t, buf, sizeof buf);
	text_add(&t, HEAD);
	for (const struct schedule_host *h = s->host; h < s->host + s->n; h++) {
		text_add(&t, "host ");
		xtext_encode(&t, h->name);
		text_addc(&t, ' ');
		text_addu(&t, (uint64_t)h->until);
		text_addc(&t, ' ');
		text_addu(&t, h->failures);
		text_addc(&t, ' ');
		xtext_encode(&t, h->code);
		text_addc(&t, ' ');
		xtext_encode(&t, h->text);
		text_addc(&t, '\n');
	}
	if (!text_ok(&t)) {
		errno = EFBIG;
		return -1;
	}
	if (pwrite(fd, buf, t.len, 0) != (ssize_t)t.len)
		return -1;
	return ftruncate(fd, (off_t)t.len);
}

/* -- hosts ---------------------------------------------------------------------------- */

const struct schedule_host *
schedule_find(const struct schedule *s, const char *name)
{
	for (unsigned i = 0; i < s->n; i++)
		if (strcmp(s->host[i].name, name) == 0)
			return &s->host[i];
	return NULL;
}

bool
schedule_is_down(const struct schedule *s, const char *name, const struct conf *c, time_t now)
{
	const struct schedule_host *h = schedule_find(s, name);

	return h != NULL && h->until > now && h->until <= now + (time_t)c->retry_max;
}

/* The place of a host that is not known yet: a free one, or that of the longest past. */
static struct schedule_host *
make_host(struct schedule *s, const char *name)
{
	struct schedule_host *h = &s->host[s->n];

	if (s->n < SCHEDULE_HOSTS) {
		s->n++;
	} else {
		h = s->host;
		for (unsigned i = 1; i < s->n; i++)
			if (s->host[i].until < h->until)
				h = &s->host[i];
	}
	memset(h, 0, sizeof *h);
	return text_copy(h->name, sizeof h->name, name) ? h : NULL;
}

/* Cut, where a character is not divided: nobody acts on it. */
static void
copy_cut(char *out, size_t cap, const char *s)
{
	size_t len = strlen(s);

	if (len >= cap) {
		len = cap - 1;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, s, len);
	out[len] = '\0';
}

void
schedule_failed(struct schedule *s, const char *name, const struct conf *c, time_t now,
                const char *code, const char *text)
{
	struct schedule_host *h = NULL;

	for (unsigned i = 0; i < s->n; i++)
		if (strcmp(s->host[i].name, name) == 0)
			h = &s->host[i];
	if (h == NULL && (h = make_host(s, name)) == NULL)
		return; /* no name of ours is that long */
	h->failures += h->failures < MAX_FAILURES;
	h->until = now + schedule_backoff(c, h->failures);
	copy_cut(h->code, sizeof h->code, code);
	copy_cut(h->text, sizeof h->text, text);
	s->changed = true;
}

void
schedule_works(struct schedule *s, const char *name)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (strcmp(s->host[i].name, name) != 0)
			continue;
		s->host[i] = s->host[--s->n];
		s->changed = true;
		return;
	}
}

/* -- times ------------------------------------------------------------------------------ */

time_t
schedule_backoff(const struct conf *c, unsigned n)
{
	uint64_t wait = c->retry_min;
	uint16_t chance = 0;

	for (; n > 1 && wait < c->retry_max; n--)
		wait *= 2;
	if (wait > c->retry_max)
		wait = c->retry_max;
	/* Without randomness (a kernel just started) all wait alike: no harm. */
	if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != sizeof chance)
		chance = UINT16_MAX / 2;
	wait = wait * 3 / 4 + wait * chance / (2 * UINT64_C(65536));
	return (time_t)(wait > c->retry_max ? c->retry_max : wait < 1 ? 1 : wait);
}

static bool
is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

bool
schedule_is_due(int spool, const char *domain, const struct conf *c, time_t now)
{
	char path[LIMIT_NAME + sizeof "/retry"];
	struct stat retry, dir;
	struct text t;

	text_init(&t, path, sizeof path);
	text_add(&t, domain);
	text_add(&t, "/retry");
	if (!text_ok(&t) || fstatat(spool, path, &retry, AT_SYMLINK_NOFOLLOW) == -1)
		return true; /* whatever is wrong, the run will say it */
	/* Further ahead than any backoff: the clock was set back. */
	if (retry.st_mtime <= now || retry.st_mtime > now + (time_t)c->retry_max + 1)
		return true;
	/* The file's inode changed last when the last run ended. */
	return fstatat(spool, domain, &dir, AT_SYMLINK_NOFOLLOW) == -1 ||
	       !is_before(&dir.st_mtim, &retry.st_ctim);
}

int
schedule_set_due(int fd, time_t due)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { due, 0 } };

	return futimens(fd, times);
}

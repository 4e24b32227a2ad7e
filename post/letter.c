/* The message that `postern send` sends; see post.h. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "post/post.h"
#include "spool/list.h"

static bool
fail(const char *name, const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", name, what);
	return false;
}

/* What is no file is read once, into memory that a sender can be given. */
static int
copy(int fd)
{
	static char buf[LIMIT_CHUNK];
	int to = memfd_create("message", MFD_CLOEXEC);
	ssize_t n;

	while (to != -1 && (n = read(fd, buf, sizeof buf)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || write(to, buf, (size_t)n) != n) {
			(void)close(to); /* not used */
			return -1;
		}
	}
	return to;
}

/* The id is of the content: another run, or another copy, has the same. */
static bool
name_content(struct post_message *m)
{
	static char buf[LIMIT_CHUNK];
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state s;
	struct text t;
	uint64_t at = 0;
	ssize_t n;

	(void)crypto_hash_sha256_init(&s); /* none of the three can fail */
	while ((n = pread(m->fd, buf, sizeof buf, (off_t)at)) > 0) {
		(void)crypto_hash_sha256_update(&s, (const unsigned char *)buf, (size_t)n);
		at += (uint64_t)n;
	}
	(void)crypto_hash_sha256_final(&s, hash);
	text_init(&t, m->id, sizeof m->id);
	text_addc(&t, 's');
	for (unsigned i = 0; i < 12; i++)
		text_addx(&t, hash[i], 2);
	return n == 0 && at == m->size;
}

static bool
add(void *context, const struct list_item *item)
{
	struct post_message *m = context;

	if (item->address.domain[0] == '\0' || m->n == LIMIT_RECIPIENTS)
		return false;
	m->to[m->n++] = item->address;
	return true;
}

static bool
is_recipients_field(const char *line, size_t len)
{
	static const char *const names[] = { "to", "cc", "bcc" };
	size_t n = 0;

	while (n < len && line[n] != ':' && line[n] != ' ' && line[n] != '\t')
		n++;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == n && strncasecmp(line, names[i], n) == 0)
			return memchr(line, ':', len) != NULL;
	return false;
}

/* The end of a field, its folded lines (RFC 5322 2.2.3) included. */
static const char *
field_end(const char *p, const char *end)
{
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (lf == NULL)
			return end;
		p = lf + 1;
		if (p == end || (*p != ' ' && *p != '\t'))
			break;
	}
	return p;
}

static bool
read_recipients(struct post_message *m)
{
	static char head[LIMIT_HEADER];
	ssize_t n = pread(m->fd, head, sizeof head, 0);
	const char *end = head + (n > 0 ? n : 0);

	for (const char *p = head; p < end && *p != '\n' && *p != '\r';) {
		const char *next = field_end(p, end);
		const char *colon;

		if (is_recipients_field(p, (size_t)(next - p))) {
			colon = memchr(p, ':', (size_t)(next - p));
			if (!list_read(colon + 1, (size_t)(next - colon - 1), add, m))
				return fail(m->name, "a recipient in its header is no address; "
				            "name them on the command line");
		}
		p = next;
	}
	return m->n > 0 ||
	       fail(m->name, "no recipient, neither in its header nor on the command line");
}

bool
post_letter(struct post_message *m, const char *name, int fd, bool recipients)
{
	struct stat st;

	m->name = name;
	m->fd = fd;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		m->fd = copy(fd);
	if (m->fd == -1 || fstat(m->fd, &st) == -1)
		return fail(name, strerror(errno));
	m->size = (uint64_t)st.st_size;
	if (m->size == 0)
		return fail(name, "it is empty");
	if (!name_content(m))
		return fail(name, "it can't be read, or changes meanwhile");
	return !recipients || read_recipients(m);
}

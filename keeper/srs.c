/* See srs.h. Case may be lost on the way, so hash and time are base32 in lower case. */
#include "keeper/srs.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"

#define HASH 8       /* characters: 40 bits */
#define DAYS 1024    /* two characters of time count so many */
#define KEY_FILE "srs.key"

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

_Static_assert(SRS_KEY == crypto_auth_hmacsha256_KEYBYTES, "an HMAC key");

static int
read_key(int state, unsigned char key[SRS_KEY])
{
	int fd = openat(state, KEY_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = read(fd, key, SRS_KEY);
	(void)close(fd); /* only read */
	if (n == SRS_KEY)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* Named when it is whole; who comes second takes the first one's. */
static int
make_key(int state, unsigned char key[SRS_KEY])
{
	int fd = openat(state, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char path[32];
	struct text t;
	int r = -1;

	if (fd == -1)
		return -1;
	text_init(&t, path, sizeof path);
	text_add(&t, "/proc/self/fd/");
	text_addu(&t, (uint64_t)fd);
	if (getrandom(key, SRS_KEY, 0) == SRS_KEY && write(fd, key, SRS_KEY) == SRS_KEY &&
	    fsync(fd) == 0)
		r = linkat(AT_FDCWD, path, state, KEY_FILE, AT_SYMLINK_FOLLOW);
	(void)close(fd); /* synced */
	return r == -1 && errno != EEXIST ? -1 : fsync(state);
}

int
srs_key(int state, unsigned char key[SRS_KEY])
{
	int dir, r;

	if (read_key(state, key) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	/* STATE is held as a path; making and syncing need it open. */
	dir = openat(state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return -1;
	r = make_key(dir, key);
	(void)close(dir); /* synced */
	return r == -1 ? -1 : read_key(state, key);
}

static void
add_lower(struct text *t, const char *s)
{
	for (; *s != '\0'; s++)
		text_addc(t, *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s);
}

/* Of what stands behind the hash, in lower case. */
static void
hash(char out[HASH + 1], const char *rest, const unsigned char key[SRS_KEY])
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char lower[LIMIT_ADDRESS + 16];
	struct text t;

	text_init(&t, lower, sizeof lower);
	add_lower(&t, rest);
	(void)crypto_auth_hmacsha256(mac, (const unsigned char *)lower, t.len, key);
	for (unsigned i = 0; i < HASH; i++)
		out[i] = digits[mac[i] & 31];
	out[HASH] = '\0';
}

static void
add_time(struct text *t, time_t now)
{
	unsigned day = (unsigned)(now / 86400 % DAYS);

	text_addc(t, digits[day >> 5]);
	text_addc(t, digits[day & 31]);
}

/* "TAGhash=rest@domain" */
static bool
build(struct address *out, const char *tag, const char *rest, const char *domain,
      const unsigned char key[SRS_KEY])
{
	char code[HASH + 1];
	struct text t;

	hash(code, rest, key);
	text_init(&t, out->local, sizeof out->local);
	text_add(&t, tag);
	text_add(&t, code);
	text_addc(&t, '=');
	text_add(&t, rest);
	return text_ok(&t) && text_copy(out->domain, sizeof out->domain, domain);
}

bool
is_srs(const char *local)
{
	return (strncasecmp(local, "SRS0", 4) == 0 || strncasecmp(local, "SRS1", 4) == 0) &&
	       local[4] != '\0' && strchr("=+-", local[4]) != NULL;
}

bool
srs_rewrite(struct address *out, const struct address *sender, const char *domain,
            const unsigned char key[SRS_KEY], time_t now)
{
	char rest[LIMIT_ADDRESS + 16];
	struct text t;
	bool again = is_srs(sender->local);

	*out = *sender;
	if (sender->local[0] == '\0')
		return true; /* a report has no sender to rewrite */
	text_init(&t, rest, sizeof rest);
	if (again && strncasecmp(sender->local, "SRS1", 4) == 0) {
		/* Who rewrote it first stays named; the hash was another host's. */
		const char *eq = strchr(sender->local + 5, '=');

		if (eq == NULL)
			return false;
		text_add(&t, eq + 1);
	} else if (again) {
		text_add(&t, sender->domain);
		text_addc(&t, '=');
		text_add(&t, sender->local + 4);
	} else {
		add_time(&t, now);
		text_addc(&t, '=');
		text_add(&t, sender->domain);
		text_addc(&t, '=');
		text_add(&t, sender->local);
	}
	if (text_ok(&t) && build(out, again ? "SRS1=" : "SRS0=", rest, domain, key))
		return true;
	*out = *sender;
	return false;
}

static bool
is_recent(const char *two, time_t now)
{
	const char *high = strchr(digits, two[0] | 0x20);
	const char *low = strchr(digits, two[1] | 0x20);
	unsigned today = (unsigned)(now / 86400 % DAYS);
	unsigned then;

	/* Digits 2 to 7 have the bit set already. */
	if (high == NULL || low == NULL || *high == '\0' || *low == '\0')
		return false;
	then = (unsigned)((high - digits) << 5 | (low - digits));
	return (today + DAYS - then) % DAYS <= LIMIT_SRS_DAYS;
}

/* domain=local, or for SRS1 the first rewriter's domain and what it wrote. */
static bool
split(struct address *out, const char *rest, bool again)
{
	const char *eq = strchr(rest, '=');
	struct text t;

	if (eq == NULL)
		return false;
	text_init(&t, out->domain, sizeof out->domain);
	text_addn(&t, rest, (size_t)(eq - rest));
	if (!text_ok(&t) || out->domain[0] == '\0')
		return false;
	text_init(&t, out->local, sizeof out->local);
	if (again)
		text_add(&t, "SRS0");
	text_add(&t, eq + 1);
	return text_ok(&t) && out->local[again ? 4 : 0] != '\0' &&
	       is_address_safe(out->local, out->domain);
}

bool
srs_reverse(struct address *out, const char *local, const unsigned char key[SRS_KEY],
            time_t now)
{
	char code[HASH + 1];
	const char *rest = local + 5 + HASH;
	bool again;

	if (!is_srs(local) || strlen(local) < 5 + HASH + 4 || *rest != '=')
		return false;
	rest++;
	hash(code, rest, key);
	if (strncasecmp(local + 5, code, HASH) != 0) /* 40 bits, one guess a RCPT */
		return false;
	again = local[3] == '1';
	if (again)
		return split(out, rest, true);
	return rest[2] == '=' && is_recent(rest, now) && split(out, rest + 3, false);
}

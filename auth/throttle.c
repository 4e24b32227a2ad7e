/*
 * See throttle.h. Fixed tables of numbers: whatever a damaged entry holds, no delay is
 * longer than LIMIT_AUTH_DELAY. Names are kept as keyed hashes only.
 */
#include "auth/throttle.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/table.h"
#include "base/ip.h"
#include "base/text.h"

#define FORGIVE_MS (5 * 60 * 1000)
/* Addresses that one login may have among the WAYS of its bucket. */
#define PAIRS_OF_LOGIN 8

static struct table *table;

enum kind { LOGIN, SOURCE, PAIR };

/* 0 marks an empty entry. */
static uint64_t
hash(enum kind kind, const char *a, const char *b)
{
	char text[1024];
	uint64_t id;
	struct text t;

	text_init(&t, text, sizeof text);
	text_addc(&t, "lsp"[kind]);
	text_add(&t, a);
	text_addc(&t, '\n');
	text_add(&t, b);
	crypto_shorthash((unsigned char *)&id, (unsigned char *)text, t.len, table->head.key);
	return id != 0 ? id : 1;
}

/* An IPv4 address, or the /64 of an IPv6 one; "" for what has no address. */
static void
source_of(char out[64], const char *client)
{
	static const unsigned char v4[12] = { [10] = 0xff, [11] = 0xff };
	struct text t;
	struct ip ip;

	text_init(&t, out, 64);
	if (!parse_ip(client, &ip))
		return;
	if (memcmp(ip.octets, v4, sizeof v4) != 0)
		memset(ip.octets + 8, 0, 8);
	ip_text(&t, &ip);
}

/* The entry of id, or the least of its bucket, emptied for it. */
static struct failures *
find(enum kind kind, uint64_t id, int64_t now)
{
	struct failures *bucket = table->failures[kind][id % TABLE_BUCKETS];
	struct failures *least = bucket;

	for (unsigned i = 0; i < TABLE_WAYS; i++) {
		if (bucket[i].id == id)
			return &bucket[i];
		if (bucket[i].id == 0 || (least->id != 0 && bucket[i].count < least->count))
			least = &bucket[i];
	}
	*least = (struct failures){ .id = id, .since = now };
	return least;
}

/* Forgives what time has healed, and makes sense of any content. */
static void
age(struct failures *f, int64_t now)
{
	int64_t healed;

	if (f->since > now || f->since < 0)
		f->since = now;
	healed = (now - f->since) / FORGIVE_MS;
	f->since += healed * FORGIVE_MS;
	f->count = (int64_t)f->count > healed ? f->count - (uint32_t)healed : 0;
	if (f->free_at < 0 || f->free_at > now + 2 * LIMIT_AUTH_DELAY)
		f->free_at = now + LIMIT_AUTH_DELAY;
}

/* After this many, the next has to wait. */
static int64_t
delay(uint32_t count, uint32_t free)
{
	uint32_t over = count > free ? count - free : 0;

	if (over == 0)
		return 0;
	return over > 5 ? LIMIT_AUTH_DELAY : (int64_t)1000 << (over - 1);
}

/* When an attempt may start. */
static int64_t
start_of(const struct failures *f, int64_t now)
{
	return f->free_at > now ? f->free_at : now;
}

static void
charge(struct failures *f, uint32_t free, int64_t now)
{
	f->free_at = start_of(f, now);
	f->count += f->count < UINT32_MAX;
	f->free_at += delay(f->count, free);
}

static void
refund(enum kind kind, uint64_t id, uint32_t free, int64_t now)
{
	struct failures *f = find(kind, id, now);

	age(f, now);
	f->count -= f->count > 0;
	if (f->count <= free)
		f->free_at = now;
}

static struct pair *
find_pair(uint64_t login, uint64_t id)
{
	struct pair *bucket = table->pairs[login % TABLE_BUCKETS];

	for (unsigned i = 0; i < TABLE_PAIRS; i++)
		if (bucket[i].id == id)
			return &bucket[i];
	return NULL;
}

/*
 * A login's addresses share one bucket, and only so many of it: who has an account and
 * many addresses pushes out his own.
 */
static void
remember(uint64_t login, uint64_t id, int64_t now)
{
	struct pair *bucket = table->pairs[login % TABLE_BUCKETS];
	struct pair *oldest = bucket, *own = NULL, *p = find_pair(login, id);
	unsigned n = 0;

	for (unsigned i = 0; p == NULL && i < TABLE_PAIRS; i++) {
		struct pair *b = &bucket[i];

		if (b->id == 0 || (oldest->id != 0 && b->last < oldest->last))
			oldest = b;
		if (b->id != 0 && b->login == (uint32_t)(login >> 32)) {
			n++;
			own = own == NULL || b->last < own->last ? b : own;
		}
	}
	if (p == NULL)
		p = n >= PAIRS_OF_LOGIN ? own : oldest;
	*p = (struct pair){ id, (uint32_t)(login >> 32), (uint32_t)(now / 1000) };
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* can't fail; kept over restarts */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
throttle_open(int auth, const unsigned char key[KEY_SIZE])
{
	table = table_map(auth, key);
	return table != NULL ? 0 : -1;
}

int
throttle_fd(void)
{
	return table_fd();
}

int64_t
throttle_enter(const char *login, const char *client, bool *known)
{
	char source[64];
	struct failures *l, *s = NULL;
	int64_t now = now_ms(), start;
	uint64_t id = hash(LOGIN, login, "");

	source_of(source, client);
	table_lock();
	*known = source[0] != '\0' && find_pair(id, hash(PAIR, login, source)) != NULL;
	if (*known) {
		table_unlock();
		return 0;
	}
	l = find(LOGIN, id, now);
	age(l, now);
	start = start_of(l, now);
	if (source[0] != '\0') {
		s = find(SOURCE, hash(SOURCE, source, ""), now);
		age(s, now);
		start = start_of(s, now) > start ? start_of(s, now) : start;
	}
	if (start - now <= LIMIT_AUTH_DELAY) {
		charge(l, THROTTLE_FREE_LOGIN, start);
		if (s != NULL)
			charge(s, THROTTLE_FREE_SOURCE, start);
	}
	table_unlock();
	return start - now <= LIMIT_AUTH_DELAY ? start - now : -1;
}

void
throttle_good(const char *login, const char *client, bool known)
{
	char source[64];
	int64_t now = now_ms();
	uint64_t id = hash(LOGIN, login, "");

	source_of(source, client);
	table_lock();
	if (!known) {
		refund(LOGIN, id, THROTTLE_FREE_LOGIN, now);
		if (source[0] != '\0')
			refund(SOURCE, hash(SOURCE, source, ""), THROTTLE_FREE_SOURCE, now);
	}
	if (source[0] != '\0')
		remember(id, hash(PAIR, login, source), now);
	table_unlock();
}

int64_t
throttle_bad(const char *login, const char *client)
{
	char source[64];
	int64_t now = now_ms(), wait, of_source;
	struct failures *f;

	source_of(source, client);
	table_lock();
	f = find(LOGIN, hash(LOGIN, login, ""), now);
	age(f, now);
	charge(f, THROTTLE_FREE_LOGIN, now);
	f = find(SOURCE, hash(SOURCE, source, ""), now);
	age(f, now);
	/* As long as an unknown login would have: or the time would tell that this one exists. */
	of_source = start_of(f, now) - now;
	charge(f, THROTTLE_FREE_SOURCE, now);
	/* Whoever fails elsewhere must not make this client wait. */
	f = find(PAIR, hash(PAIR, login, source), now);
	age(f, now);
	charge(f, THROTTLE_FREE_LOGIN, now);
	wait = f->free_at - now > of_source ? f->free_at - now : of_source;
	table_unlock();
	return wait > LIMIT_AUTH_DELAY ? LIMIT_AUTH_DELAY : wait;
}

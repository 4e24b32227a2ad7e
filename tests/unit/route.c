/* relay/route.h: the runner's side, with a router that says what it should not. */
#include "relay/route.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/packet.h"
#include "base/routing.h"
#include "base/sts.h"
#include "tests/unit/test.h"

static struct route r;
static int sts = -1;

/* Packets, each "letter|field|field", ended by NULL; asks, then tells what came. */
static enum route_result
play(const char *const *packets)
{
	static struct packet p;
	enum route_result result;
	int pair[2];
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	pid = fork();
	MUST(pid != -1);
	if (pid == 0) {
		(void)close(pair[0]);
		if (packet_recv(pair[1], &p) != 1 || p.n != 2)
			_exit(1);
		for (; *packets != NULL; packets++) {
			char *s = strdup(*packets), *field;

			packet_start(&p, s[0]);
			for (field = s + 1; *field == '|';) {
				char *end = field + 1 + strcspn(field + 1, "|");
				char kept = *end;

				*end = '\0';
				packet_add(&p, field + 1);
				*end = kept;
				field = end;
			}
			if (packet_send(pair[1], &p, -1) == -1)
				_exit(0); /* the asker has had enough */
		}
		_exit(0);
	}
	(void)close(pair[1]);
	result = route_mx(&r, pair[0], "domain.example", sts);
	(void)close(pair[0]);
	MUST(waitpid(pid, NULL, 0) == pid);
	return result;
}

#define PLAY(...) play((const char *const[]){ __VA_ARGS__, NULL })
#define HOP "h|192.0.2.1|25|mx.example|10|yes|"

static void
test_good(void)
{
	TEST(PLAY(HOP "dane|mx.example domain.example|2", "a|3 1 1 ab", "a|2 0 2 cd",
	          "h|2001:db8::1|25|mx.example|10|yes|dane|mx.example domain.example|2",
	          "a|3 1 1 ab", "a|2 0 2 cd", "h|192.0.2.2|25|b.example|20|||b.example|0", "+") ==
	     ROUTE_GOOD, "a route");
	TEST(r.n == 3 && r.hop[0].policy == ROUTE_POLICY_DANE && r.hop[0].secure &&
	     r.hop[0].n_tlsa == 2 && strcmp(r.hop[0].tlsa[1], "2 0 2 cd") == 0, "a hop");
	TEST(r.hop[1].tlsa[0] == r.hop[0].tlsa[0], "records are shared by addresses of one host");
	TEST(!r.hop[2].secure && r.hop[2].policy == ROUTE_POLICY_NONE && r.hop[2].preference == 20 &&
	     strcmp(r.hop[2].address, "192.0.2.2") == 0, "another hop");
	TEST(PLAY("5|5.1.2|no such domain") == ROUTE_PERMANENT && strcmp(r.code, "5.1.2") == 0 &&
	     strcmp(r.text, "no such domain") == 0, "never");
	TEST(PLAY("4|4.4.3|caf\xc3\xa9\n") == ROUTE_TEMPORARY && strcmp(r.code, "4.4.3") == 0 &&
	     strcmp(r.text, "caf???") == 0, "later, and printable");
	TEST(PLAY("h|192.0.2.1|25||0||||0", "+") == ROUTE_GOOD && r.hop[0].host[0] == '\0', "literal");
}

static void
test_nonsense(void)
{
	static const char *const alone[] = {
		"+", "x", "5", "5|5.1.2", "5|4.1.2|x", "5|5.1.2|x|y", "4|5.1.2|x", "4|4.1.2345678901234|x",
		"4|4.a|x", "a|3 1 1 ab", "+|x", "s", "m|a|b",
		"h|192.0.2.1|25|mx.example|10|yes||mx.example",
		"h|mx.example|25|mx.example|10|yes||mx.example|0",
		"h|192.0.2.1|0|mx.example|10|yes||mx.example|0",
		"h|192.0.2.1|65536|mx.example|10|yes||mx.example|0",
		"h|192.0.2.1|25|mx example|10|yes||mx.example|0",
		"h|192.0.2.1|25|mx.example|65536|yes||mx.example|0",
		"h|192.0.2.1|25|mx.example|10|yes|sts|mx.example|0",
		"h|192.0.2.1|25|mx.example|10|yes||mx.example\n|0",
		"h|192.0.2.1|25|mx.example|10|yes|dane|mx.example|13",
	};

	for (size_t i = 0; i < LENGTH(alone); i++)
		TEST(PLAY(alone[i], "+") == ROUTE_TEMPORARY && strcmp(r.code, "4.3.0") == 0 && r.n == 0,
		     "nonsense: %s", show(alone[i]));
	TEST(PLAY(HOP "dane|mx.example|1", "+") == ROUTE_TEMPORARY, "a record is missing");
	TEST(PLAY(HOP "dane|mx.example|1", "a|3 1 1 xy", "+") == ROUTE_TEMPORARY, "no hex");
	TEST(PLAY(HOP "dane|mx.example|1", "a|3 1 1 abc", "+") == ROUTE_TEMPORARY, "odd hex");
	TEST(PLAY(HOP "dane|mx.example|1", "a|4 1 1 ab", "+") == ROUTE_TEMPORARY, "no usage");
	TEST(PLAY(HOP "|mx.example|0") == ROUTE_TEMPORARY && r.n == 0, "the end before the last word");
}

static void
test_many(void)
{
	static const char *packets[LIMIT_HOPS + 3];
	static char long_record[3072];

	for (unsigned i = 0; i < LIMIT_HOPS + 1; i++)
		packets[i] = HOP "|mx.example|0";
	packets[LIMIT_HOPS] = "+";
	TEST(play(packets) == ROUTE_GOOD && r.n == LIMIT_HOPS, "as many hops as there may be");
	packets[LIMIT_HOPS] = packets[0];
	packets[LIMIT_HOPS + 1] = "+";
	TEST(play(packets) == ROUTE_TEMPORARY && r.n == 0, "one more");
	snprintf(long_record, sizeof long_record, "a|3 1 1 %s", repeat('a', 3000));
	for (unsigned i = 0; i < 2 * 16; i += 2) {
		packets[i] = i % 4 == 0 ? HOP "dane|mx.example|1" :
		             "h|192.0.2.1|25|my.example|10|yes|dane|mx.example|1";
		packets[i + 1] = long_record;
	}
	packets[32] = "+";
	TEST(play(packets) == ROUTE_GOOD && r.n == 16, "as many records as there may be");
}

static void
test_kept(void)
{
	static const char policy[] = "postern-sts 1\nid 1\nfetched 1\nmax-age 5\nmode enforce\nmx a.b\n";
	char packet[512], buf[512];
	struct stat st;
	int dir = scratch(), fd;
	ssize_t n;

	sts = route_open_kept(dir);
	MUST(sts != -1);
	snprintf(packet, sizeof packet, "s|%s", policy);
	TEST(PLAY(packet, HOP "|mx.example|0", "+") == ROUTE_GOOD, "a policy to keep");
	fd = openat(dir, "sts/domain.example", O_RDONLY | O_CLOEXEC);
	n = fd != -1 ? read(fd, buf, sizeof buf - 1) : 0;
	buf[n > 0 ? n : 0] = '\0';
	TEST_STR(buf, policy, "it is kept");
	TEST(fd != -1 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600, "for us alone");
	TEST(PLAY("s|postern-sts 1\n", HOP "|mx.example|0", "+") == ROUTE_GOOD &&
	     faccessat(sts, "domain.example", F_OK, 0) == -1, "what is none goes away");
	TEST(PLAY(packet, "s|", "5|5.1.2|x") == ROUTE_PERMANENT &&
	     faccessat(sts, "domain.example", F_OK, 0) == -1, "none any more");
}

int
main(void)
{
	test_good();
	test_nonsense();
	test_many();
	test_kept();
	return 0;
}

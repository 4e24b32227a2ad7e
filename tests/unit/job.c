/* base/job.h: what goes in comes out, what is no job is refused, nothing stays open. */
#include "base/job.h"

#include <limits.h>
#include <sys/socket.h>

#include "tests/unit/test.h"

/* Two descriptors to be passed, and how many are open in all. */
static int one, two, front, back;

static int
count_open(void)
{
	/* The one that looks at the directory is among them, each time. */
	return count_in(AT_FDCWD, "/proc/self/fd");
}

static bool
is_same_file(int a, int b)
{
	struct stat s, t;

	MUST(fstat(a, &s) == 0 && fstat(b, &t) == 0);
	return s.st_ino == t.st_ino && s.st_dev == t.st_dev;
}

static struct job
make_job(enum service service, const char *client, const char *id)
{
	struct job j = { .service = service, .boundary = one, .conn = two };

	MUST(client == NULL || parse_ip(client, &j.client));
	MUST(text_copy(j.session_id, sizeof j.session_id, id));
	return j;
}

static void
test_round_trips(void)
{
	static const struct {
		enum service service;
		const char *client, *id;
	} rows[] = {
		{ SERVICE_SMTP, "192.0.2.1", "6b02e943e181f.1" },
		{ SERVICE_SUBMISSION, "2001:db8::1", "x" },
		{ SERVICE_LMTP, NULL, "0123456789012345678901234567890123456789" },
		{ SERVICE_SMTP, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "" },
		{ SERVICE_SMTP, "::", "y" },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct job in = make_job(rows[i].service, rows[i].client, rows[i].id), out;
		bool good;

		memset(&out, 'x', sizeof out);
		MUST(job_send(front, &in) == 0);
		good = job_recv(back, &out) == 1 && out.service == in.service &&
		       out.client.known == in.client.known &&
		       memcmp(out.client.octets, in.client.octets, 16) == 0 &&
		       strcmp(out.session_id, in.session_id) == 0;
		TEST(good && is_same_file(out.boundary, one) && is_same_file(out.conn, two) &&
		     out.boundary != one && fcntl(out.conn, F_GETFD) == FD_CLOEXEC,
		     "%s %s %s", rows[i].client != NULL ? rows[i].client : "(unknown)",
		     rows[i].service == SERVICE_LMTP ? "lmtp" : "smtp", rows[i].id);
		MUST(close(out.boundary) == 0 && close(out.conn) == 0);
	}
}

/* What a job is made of is the module's own business: cut, padded, without descriptors. */
static void
send_octets(const char *octets, size_t len, unsigned fds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (char *)(uintptr_t)octets, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fds > 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), (int[]){ one, two }, fds * sizeof(int));
	}
	MUST(sendmsg(front, &msg, 0) == (ssize_t)len);
}

static const struct {
	const char *what;
	int longer;   /* than a job, in octets */
	unsigned fds; /* how many go along */
} bad[] = {
	{ "no descriptor", 0, 0 },      { "one descriptor", 0, 1 },
	{ "one octet less", -1, 2 },    { "one octet more", 1, 2 },
	{ "one octet", INT_MIN, 2 },    { "too much", 4000, 2 },
};

static void
test_bad(void)
{
	static char octets[8192];
	struct job j = make_job(SERVICE_SMTP, "192.0.2.1", "x");
	ssize_t len;

	MUST(job_send(front, &j) == 0);
	len = recv(back, octets, sizeof octets, 0); /* its descriptors are dropped */
	MUST(len > 1);
	for (size_t i = 0; i < LENGTH(bad); i++) {
		int before = count_open();
		int r;

		send_octets(octets, bad[i].longer < -len ? 1 : (size_t)(len + bad[i].longer),
		            bad[i].fds);
		errno = 0;
		r = job_recv(back, &j);
		TEST(r == -1 && errno == EBADMSG && count_open() == before,
		     "refuses %s, keeps no descriptor", bad[i].what);
	}
	/* Whatever is in it, the id ends. */
	memset(octets, 'x', sizeof octets);
	send_octets(octets, (size_t)len, 2);
	TEST(job_recv(back, &j) == 1 && strlen(j.session_id) == LIMIT_ID, "an id without an end");
	MUST(close(j.boundary) == 0 && close(j.conn) == 0);
}

static void
test_ends(void)
{
	struct job j = make_job(SERVICE_SMTP, "192.0.2.1", "x");
	int r;

	MUST(fcntl(back, F_SETFL, O_NONBLOCK) == 0);
	r = job_recv(back, &j);
	TEST(r == -1 && errno == EAGAIN, "nothing there: EAGAIN");
	MUST(close(front) == 0);
	TEST(job_recv(back, &j) == 0, "the other end is closed: 0");
	TEST(job_send(back, &j) == -1 && errno == EPIPE, "and nobody to send to: EPIPE");
}

static void
test_services(void)
{
	static const char *const wrong[] = { "", "SMTP", "smtps", "smtp ", "s", "submissionss" };
	enum service s;

	TEST(parse_service("smtp", &s) && s == SERVICE_SMTP, "smtp");
	TEST(parse_service("submission", &s) && s == SERVICE_SUBMISSION, "submission");
	TEST(parse_service("submissions", &s) && s == SERVICE_SUBMISSIONS, "submissions");
	TEST(parse_service("lmtp", &s) && s == SERVICE_LMTP, "lmtp");
	TEST(parse_service("odmr", &s) && s == SERVICE_ODMR, "odmr");
	TEST(parse_service("fetched", &s) && s == SERVICE_FETCHED, "fetched");
	for (size_t i = 0; i < 6; i++) {
		const enum service all[] = { SERVICE_SMTP, SERVICE_SUBMISSION, SERVICE_SUBMISSIONS,
			                     SERVICE_LMTP, SERVICE_ODMR, SERVICE_FETCHED };

		TEST(parse_service(service_name(all[i]), &s) && s == all[i], "service_name %zu", i);
	}
	TEST(is_submission(SERVICE_SUBMISSION) && is_submission(SERVICE_SUBMISSIONS) &&
	     !is_submission(SERVICE_SMTP) && !is_submission(SERVICE_LMTP),
	     "submission's rules are for two of them");
	TEST(is_implicit_tls(SERVICE_SUBMISSIONS) && !is_implicit_tls(SERVICE_SUBMISSION) &&
	     is_implicit_tls(SERVICE_ODMR) && !is_implicit_tls(SERVICE_FETCHED) &&
	     !is_implicit_tls(SERVICE_SMTP) && !is_implicit_tls(SERVICE_LMTP),
	     "one of them begins with TLS");
	for (size_t i = 0; i < LENGTH(wrong); i++)
		TEST(!parse_service(wrong[i], &s), "no service: %s", show(wrong[i]));
}

static void
test_ids(void)
{
	char a[LIMIT_ID + 1], b[LIMIT_ID + 1];

	job_make_id(a, 1);
	job_make_id(b, 2);
	TEST(strcmp(a, b) != 0 && strspn(a, "0123456789abcdef.") == strlen(a) &&
	     strlen(a) == 15, "ids differ, and are short: %s %s", a, b);
	job_make_id(a, UINT32_MAX);
	TEST(strcmp(a + 13, ".ffffffff") == 0, "the longest: %s", a);
}

int
main(void)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	front = pair[0];
	back = pair[1];
	one = open("/dev/null", O_RDWR | O_CLOEXEC);
	two = open("/dev/zero", O_RDWR | O_CLOEXEC);
	MUST(one != -1 && two != -1);
	test_round_trips();
	test_bad();
	test_ends();
	test_services();
	test_ids();
	return 0;
}

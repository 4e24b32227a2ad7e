/*
 * See fetch.h. The order: take the question, give up everything, and only then connect. Names
 * are not looked up here: the router sends the addresses.
 */
#include "sts/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/packet.h"
#include "base/sandbox.h"
#include "base/sts.h"
#include "base/sts_fetch.h"

/* The system's bundle is about 220 KiB. */
#define CA_MAX (8 * 1024 * 1024)
#define ASK_SECONDS 10
#define REASON 200
#define URL (LIMIT_DOMAIN + 64)
#define WHERE (LIMIT_DOMAIN + 32 + STS_ADDRESSES * 50)

static char *authorities;
static size_t authorities_len;

struct body {
	size_t len;
	bool too_long;
	char buf[LIMIT_STS_FILE];
};

/* -- the parent ----------------------------------------------------------------------------- */

static bool
read_authorities(int fd)
{
	struct stat st;
	size_t cap;

	if (fstat(fd, &st) == -1 || st.st_size > CA_MAX)
		return false;
	cap = (size_t)st.st_size + 1;
	authorities = malloc(cap);
	if (authorities == NULL)
		return false;
	while (authorities_len < cap) {
		ssize_t n = read(fd, authorities + authorities_len, cap - authorities_len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		if (n == 0)
			break;
		authorities_len += (size_t)n;
	}
	return authorities_len > 0;
}

bool
fetch_start(int ca)
{
	static const struct rlimit none = { 0, 0 };

	tzset(); /* before the files are out of reach */
	/* What openssl.cnf of the host says is for programs without rules of their own. */
	if (setenv("OPENSSL_CONF", "/dev/null", 1) == -1 || setrlimit(RLIMIT_CORE, &none) == -1 ||
	    sandbox_no_new_privs() == -1 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_error("start", errno);
		return false;
	}
	if (!read_authorities(ca)) {
		log_error("read the certificates of authorities", errno);
		return false;
	}
	(void)close(ca); /* only read */
	return true;
}

/* -- the child ------------------------------------------------------------------------------ */


static const int calls[] = {
	SYS_read, SYS_write, SYS_close, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise,
	SYS_getrandom, SYS_getpid, SYS_clock_gettime, SYS_gettimeofday, SYS_futex,
	SYS_restart_syscall, SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask,
	SYS_exit_group, SYS_sendmsg, SANDBOX_POLL, SYS_gettid, SANDBOX_SANITIZER
	/* HTTPS, and the pair by which libcurl wakes itself */
	SYS_socket, SYS_socketpair, SYS_connect, SYS_sendto, SYS_recvfrom, SYS_fcntl, SYS_ioctl,
	SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername, SYS_pipe2, SYS_eventfd2,
	/* asked for in passing; what they would open is out of reach (Landlock), or refused */
	SYS_getuid, SYS_geteuid, SYS_sysinfo,
};

/* What a taken-over child could not do: open, execute, listen, connect elsewhere. */
static bool
confine(int asker)
{
	static const uint16_t https = 443;

	if (dup2(asker, 3) == -1)
		return false;
	log_close();
	if (syscall(SYS_close_range, 4, ~0U, 0) == -1)
		return false;
	log_reopen();
	return sandbox_drop_capabilities() == 0 && sandbox_landlock_connect(&https, 1) != -1 &&
	       sandbox_seccomp_only(calls, sizeof calls / sizeof calls[0]) == 0;
}

static size_t
on_data(char *data, size_t size, size_t n, void *to)
{
	struct body *b = to;

	n *= size;
	if (n > sizeof b->buf - b->len) {
		b->too_long = true;
		return 0; /* ends it */
	}
	memcpy(b->buf + b->len, data, n);
	b->len += n;
	return n;
}

/* The URL, and the line that says where its host is. */
static bool
write_target(const struct packet *p, char url[URL], char where[WHERE])
{
	struct text u, w;

	text_init(&u, url, URL);
	text_init(&w, where, WHERE);
	text_add(&u, "https://mta-sts.");
	text_add(&u, p->field[0]);
	text_add(&u, "/.well-known/mta-sts.txt");
	text_add(&w, "mta-sts.");
	text_add(&w, p->field[0]);
	text_add(&w, ":443:");
	for (unsigned i = 1; i < p->n; i++) {
		struct ip ip;

		if (!parse_ip(p->field[i], &ip))
			return false;
		text_add(&w, i > 1 ? "," : "");
		text_add(&w, strchr(p->field[i], ':') != NULL ? "[" : "");
		text_add(&w, p->field[i]);
		text_add(&w, strchr(p->field[i], ':') != NULL ? "]" : "");
	}
	return p->n > 1 && is_domain(p->field[0], strlen(p->field[0])) &&
	       !has_utf8(p->field[0]) && text_ok(&u) && text_ok(&w);
}

static bool
set_rules(CURL *c, struct curl_blob *ca, char *error)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },         /* RFC 8461 3.3: must not */
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_HTTP09_ALLOWED, 0 },
		{ CURLOPT_TIMEOUT, LIMIT_STS_FETCH },
		{ CURLOPT_CONNECTTIMEOUT, LIMIT_STS_FETCH / 2 },
		{ CURLOPT_MAXFILESIZE, LIMIT_STS_FILE },
		{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
		{ CURLOPT_DNS_CACHE_TIMEOUT, -1 },     /* nothing is looked up */
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (curl_easy_setopt(c, numbers[i].option, numbers[i].value) != CURLE_OK)
			return false;
	return curl_easy_setopt(c, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, ca) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
}

/* RFC 8461 3.2, 3.3: 200 and text/plain, or it is no policy. */
static bool
check_answer(CURL *c, const struct body *b, char *error)
{
	const char *type = NULL;
	char number[24];
	long status = 0;
	struct text t;

	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status); /* 0 where it fails */
	(void)curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
	text_init(&t, number, sizeof number);
	text_addu(&t, status > 0 ? (uint64_t)status : 0);
	text_init(&t, error, CURL_ERROR_SIZE);
	if (status != 200) {
		text_add(&t, "HTTP status ");
		text_add(&t, number);
	} else if (type == NULL || strncasecmp(type, "text/plain", 10) != 0 ||
	           strchr("; \t", type[10]) == NULL) {
		text_add(&t, "the media type is not text/plain");
	} else if (b->len == 0) {
		text_add(&t, "the policy is empty");
	}
	return error[0] == '\0';
}

static bool
run(const struct packet *p, struct body *b, char error[CURL_ERROR_SIZE])
{
	struct curl_blob ca = { authorities, authorities_len, CURL_BLOB_NOCOPY };
	char url[URL], where[WHERE];
	CURL *c = curl_easy_init();
	struct curl_slist *hosts;
	CURLcode r;

	(void)text_copy(error, CURL_ERROR_SIZE, "out of memory, or a domain that is none");
	if (c == NULL || !write_target(p, url, where) || !set_rules(c, &ca, error) ||
	    (hosts = curl_slist_append(NULL, where)) == NULL ||
	    curl_easy_setopt(c, CURLOPT_RESOLVE, hosts) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, b) != CURLE_OK)
		return false;
	error[0] = '\0';
	r = curl_easy_perform(c);
	if (r == CURLE_OK)
		return check_answer(c, b, error);
	if (b->too_long)
		(void)text_copy(error, CURL_ERROR_SIZE, "the policy is too long");
	else if (error[0] == '\0')
		(void)text_copy(error, CURL_ERROR_SIZE, curl_easy_strerror(r));
	return false; /* the process ends with what is left */
}

static void
answer(int asker, const struct packet *in)
{
	static struct body b;
	static struct packet p;
	static struct sts_policy policy;
	char error[CURL_ERROR_SIZE], reason[REASON];
	const char *why = error;

	if (run(in, &b, error) && sts_parse_file(b.buf, b.len, &policy, &why)) {
		packet_start(&p, STS_FETCHED);
		packet_add(&p, sts_mode_text(policy.mode));
		packet_addu(&p, policy.max_age);
		packet_add(&p, policy.mx);
	} else {
		size_t n = 0;

		for (; why[n] != '\0' && n + 1 < sizeof reason; n++)
			reason[n] = why[n] >= ' ' && why[n] <= '~' ? why[n] : '?';
		reason[n] = '\0';
		packet_start(&p, STS_FAILED);
		packet_add(&p, reason);
	}
	(void)packet_send(asker, &p, -1); /* gone: nobody to tell */
}

int
fetch_serve(int asker)
{
	static const struct timeval wait = { ASK_SECONDS, 0 };
	static struct packet in;

	(void)prctl(PR_SET_NAME, "sts-fetch", 0, 0, 0); /* for ps; a valid name */
	if (setsockopt(asker, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == -1 ||
	    packet_recv(asker, &in) != 1)
		return 1;
	packet_close_fds(&in);
	if (in.letter != STS_FETCH || in.n < 2 || in.n > 1 + STS_ADDRESSES) {
		log_error("a request that is none: closed", 0);
		return 1;
	}
	if (!confine(asker)) {
		log_error("confine the fetcher", errno);
		return 111;
	}
	answer(3, &in);
	return 0;
}

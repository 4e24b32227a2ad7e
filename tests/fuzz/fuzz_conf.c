/*
 * postern.conf, or (first octet odd) a domain's file: every error is reported with its
 * file, and what is accepted is within the ranges that base/conf.h promises.
 */
#include "base/conf.h"
#include "tests/fuzz/fuzz.h"

static int dir = -1;
static unsigned reports;
static const char *file;

static void
report(void *context, const char *message)
{
	CHECK(context == &reports && strncmp(message, file, strlen(file)) == 0 &&
	      message[strlen(file)] == ':' && strchr(message, '\n') == NULL);
	reports++;
}

static void
check_global(void)
{
	static struct conf c;
	char path[sizeof fuzz_dir + 16];
	unsigned errors;

	snprintf(path, sizeof path, "%s/x.conf", fuzz_dir);
	file = path;
	errors = conf_load(&c, path, report, &reports);
	CHECK(errors == reports);
	if (errors > 0)
		return;
	CHECK(is_domain(c.hostname, strlen(c.hostname)) && !has_utf8(c.hostname));
	CHECK(c.state[0] == '/' && c.domains[0] == '/' && strcmp(c.file, path) == 0);
	CHECK(c.postmaster.local[0] == '\0' ||
	      is_address_safe(c.postmaster.local, c.postmaster.domain));
	CHECK(c.relay_from.n <= LIMIT_NETWORKS && c.proxies.n <= LIMIT_NETWORKS);
	CHECK(c.size >= 65536 && c.size <= LIMIT_MESSAGE && c.session_user < 65534);
	CHECK(c.recipients >= 100 && c.recipients <= LIMIT_RECIPIENTS && c.messages > 0);
	CHECK(c.received >= 10 && c.received <= 1000 && c.errors > 0);
	CHECK(c.command > 0 && c.data > 0 && c.session > 0 && c.session <= 7 * 86400);
}

static void
check_domain(void)
{
	struct domain d;
	int r;

	file = "domains/x.conf";
	r = conf_load_domain(&d, dir, "x", report, &reports);
	CHECK(r == (reports > 0 ? -1 : 0));
	if (r == 0)
		CHECK((d.size == 0 || d.size >= 65536) && d.size <= LIMIT_MESSAGE &&
		      d.quota <= LIMIT_MESSAGE && is_address_safe(d.catchall, ""));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > (1 << 16))
		return 0;
	if (dir == -1)
		dir = fuzz_scratch();
	fuzz_put(dir, "x.conf", data + 1, size - 1);
	reports = 0;
	if (data[0] % 2 == 0)
		check_global();
	else
		check_domain();
	return 0;
}

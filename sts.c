/*
 * sts: fetches MTA-STS policies (RFC 8461 3.3) for the router, one process each. The parent
 * has the authorities' certificates and forks; a child reads what a web server sends, and
 * can open nothing.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/log.h"
#include "base/sts_fetch.h"
#include "sts/fetch.h"

/* Policies on their way at once. */
#define CHILDREN 16

int
main(int argc, char **argv)
{
	struct helper h = { .children = CHILDREN, .feed = true, .serve = fetch_serve };
	int r;

	log_open("sts");
	if (argc != 2 || strcmp(argv[1], "-F") != 0) {
		log_error("usage: sts -F, started by flush (see flush(8))", 0);
		return 2;
	}
	if (!fetch_start(STS_CA_FD))
		die_temp("policies cannot be fetched", errno);
	r = helper_run(&h);
	return r == -1 ? 2 : r;
}

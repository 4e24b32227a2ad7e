/*
 * Asks a router of its own, for router.py: route -c FILE [-s STATE] [-u UID] [-n]. Each line
 * of its input is one or more questions separated by ";", which are asked at once:
 * `mx DOMAIN` or `host NAME PORT`. For each there come lines of words separated by tabs:
 * hops, their records, and the result. -n: without MTA-STS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/log.h"
#include "relay/route.h"
#include "relay/router.h"

#define QUESTIONS 64

static struct conf conf;
static struct route route;

static void
report(void *unused, const char *message)
{
	(void)unused;
	fprintf(stderr, "%s\n", message);
}

static void
print(FILE *out, enum route_result result)
{
	static const char *const policies[] = { "none", "dane", "sts-enforce", "sts-testing" };
	static const char *const results[] = { "good", "permanent", "temporary" };

	for (unsigned i = 0; result == ROUTE_GOOD && i < route.n; i++) {
		const struct route_hop *h = &route.hop[i];

		fprintf(out, "hop\t%s\t%u\t%s\t%u\t%s\t%s\t%s\n", h->address, h->port, h->host,
		        h->preference, h->secure ? "secure" : "insecure", policies[h->policy], h->names);
		for (unsigned k = 0; k < h->n_tlsa; k++)
			fprintf(out, "tlsa\t%s\n", h->tlsa[k]);
	}
	fprintf(out, "%s\t%s\t%s\n", results[result], route.code, route.text);
}

/* In a process of its own: its answer goes to out. */
static void
ask(int feed, int sts, char *question, int out)
{
	const struct helper_door door = { NULL, feed };
	int boundary = helper_connect(&door);
	char *verb = strtok(question, " "), *name = strtok(NULL, " "), *port = strtok(NULL, " ");
	FILE *f = fdopen(out, "w");

	if (boundary == -1 || verb == NULL || name == NULL || f == NULL)
		_exit(2);
	if (strcmp(verb, "mx") == 0)
		print(f, route_mx(&route, boundary, name, sts));
	else
		print(f, route_host(&route, boundary, name, (unsigned)atoi(port != NULL ? port : "25")));
	_exit(fclose(f) != 0);
}

static void
serve_line(int feed, int sts, char *line)
{
	int out[QUESTIONS], n = 0;
	char *next, buf[4096];
	ssize_t len;

	for (char *q = line; q != NULL && n < QUESTIONS; q = next) {
		int pipes[2];

		next = strchr(q, ';');
		if (next != NULL)
			*next++ = '\0';
		if (pipe2(pipes, O_CLOEXEC) == -1)
			exit(111);
		if (fork() == 0)
			ask(feed, sts, q, pipes[1]);
		(void)close(pipes[1]);
		out[n++] = pipes[0];
	}
	for (int i = 0; i < n; i++) {
		while ((len = read(out[i], buf, sizeof buf)) > 0)
			fwrite(buf, 1, (size_t)len, stdout);
		(void)close(out[i]);
		(void)wait(NULL);
	}
	puts(".");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct router_setup setup = { .conf = &conf, .sts = true };
	const char *state = NULL, *file = "postern.conf";
	char line[8192];
	int c, feed, sts = -1;

	while ((c = getopt(argc, argv, "c:s:u:n")) != -1) {
		if (c == 'c')
			file = optarg;
		else if (c == 's')
			state = optarg;
		else if (c == 'u')
			setup.uid = setup.gid = (unsigned)atoi(optarg);
		else if (c == 'n')
			setup.sts = false;
		else
			return 2;
	}
	log_open("route");
	if (conf_load(&conf, file, report, NULL) != 0)
		return 1;
	if (state != NULL) {
		int dir = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		sts = dir != -1 ? route_open_kept(dir) : -1;
		if (sts == -1)
			return 1;
	}
	feed = router_start(&setup);
	if (feed == -1)
		return 111;
	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		serve_line(feed, sts, line);
	}
	return 0;
}

/* See dispatch_own.h: what is forked, and who it becomes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "base/tidy.h"
#include "relay/dispatch_own.h"
#include "relay/runner_run.h"
#include "relay/sender.h"
#include "relay/trim.h"

static void
set_child_signals(const struct dispatch *d)
{
	/* Valid signals and sets: these cannot fail. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &d->outside, NULL);
}

static noreturn void
be_runner(const struct dispatch *d, int control)
{
	const struct dispatch_setup *setup = d->setup;
	int fds[] = { control, setup->state, setup->spool, setup->dir, setup->sts,
	              d->router.feed, setup->tls.feed };
	struct runner_setup r = { .conf = setup->conf, .uid = setup->owner,
	                          .gid = setup->owner_gid, .lock = true };

	set_child_signals(d);
	log_close();
	if (fds_settle(fds, sizeof fds / sizeof fds[0], 3) == -1)
		_exit(111);
	log_reopen();
	r.control = fds[0];
	r.state = fds[1];
	r.spool = fds[2];
	r.domains = fds[3];
	r.sts = fds[4];
	r.router = (struct helper_door){ d->router.path, fds[5] };
	r.tls = (struct helper_door){ setup->tls.path, fds[6] };
	_exit(runner_work(&r));
}

bool
dispatch_start_runner(struct dispatch *d, struct runner_seat *s)
{
	int pair[2];

	if (d->router.path == NULL && d->router.feed == -1)
		d->router.feed = d->setup->start_router(d->setup);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		log_error("socketpair", errno);
		return false;
	}
	s->pid = fork();
	if (s->pid == 0)
		be_runner(d, pair[1]);
	(void)close(pair[1]); /* the runner's */
	if (s->pid == -1) {
		log_error("fork a runner", errno);
		(void)close(pair[0]);
		s->pid = 0;
		return false;
	}
	s->control = pair[0];
	s->busy = false;
	s->spool = 0;
	return true;
}

/* As a runner: whoever started flush, names in STATE are its owner's to remove. */
static noreturn void
be_tidier(const struct dispatch *d)
{
	const struct dispatch_setup *setup = d->setup;
	int fds[] = { setup->state, setup->spool, setup->dir };
	struct runner_setup r = { .conf = setup->conf, .uid = setup->owner,
	                          .gid = setup->owner_gid, .lock = true };
	int tmp, partial;

	set_child_signals(d);
	log_close();
	if (fds_settle(fds, sizeof fds / sizeof fds[0], 3) == -1)
		_exit(111);
	log_reopen();
	r.state = fds[0];
	r.spool = fds[1];
	r.domains = fds[2];
	if (!run_confine(&r))
		_exit(111);
	tmp = openat(r.state, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tmp != -1)
		tidy_tmp(tmp);
	tidy_partial(r.state);
	partial = openat(r.state, "partial", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (partial != -1)
		trim_partial(partial);
	_exit(0);
}

void
dispatch_start_tidier(struct dispatch *d)
{
	pid_t pid = fork();

	if (pid == 0)
		be_tidier(d);
	if (pid == -1) {
		log_error("fork to tidy up", errno); /* the next run does it */
		return;
	}
	d->tidier = pid;
	d->tidier_until = clock_ms() + (int64_t)LIMIT_TIDY * 1000;
}

void
dispatch_start_sender(const struct dispatch *d, int end)
{
	pid_t pid = fork();

	if (pid == 0) {
		set_child_signals(d);
		sender_confine(end, d->setup->jail, d->setup->session, d->setup->session_gid);
		_exit((int)sender_run(SENDER_BOUNDARY, true));
	}
	if (pid == -1)
		log_error("fork a sender", errno); /* the runner sees its end closed */
	(void)close(end);
}

static noreturn void
be_spool(const struct dispatch *d, const char *how, int message, int envelope)
{
	char program[LIMIT_FILE], name[] = "spool", option[] = "-c", file[LIMIT_FILE];
	char extra[] = "-?";
	char *argv[] = { name, option, file, how != NULL ? extra : NULL, NULL };

	set_child_signals(d);
	if (how != NULL)
		memcpy(extra, how, sizeof extra);
	if (!text_copy(file, sizeof file, d->setup->conf->file) || !program_beside(program, name) ||
	    (d->setup->owner != 0 && sandbox_become(d->setup->owner, d->setup->owner_gid) == -1) ||
	    dup2(message, 0) == -1 || dup2(envelope, 1) == -1) {
		log_error("start spool", errno);
		_exit(111);
	}
	(void)execv(program, argv);
	log_error("execute spool", errno);
	_exit(111);
}

bool
dispatch_start_spool(const struct dispatch *d, struct runner_seat *s, int message, int envelope)
{
	s->spool = fork();
	if (s->spool == 0)
		be_spool(d, s->spool_option, message, envelope);
	if (s->spool == -1)
		log_error("fork for spool", errno);
	(void)close(message); /* spool's */
	(void)close(envelope);
	if (s->spool == -1)
		s->spool = 0;
	s->spool_until = clock_ms() + (int64_t)LIMIT_REPORT_WAIT * 1000;
	return s->spool != 0;
}

/*
 * Disturbs one system call of a command by ptrace(2): a crash or a failure exactly
 * there. The command is a keeper, the first process it forks is its session.
 *
 *   inject [-t] [-r FD] [-f CALL] [-a CALL[,ARG&MASK]=RESULT]... WHO N ACTION COMMAND [ARG]...
 *
 * WHO (keeper or session) and N choose the call, counted from 1 after the execve.
 * ACTION: kill (before the call), after (kill after it), stop (SIGSTOP in it, SIGCONT
 * soon after), short (half the count of a read or write), open:PATH or create:PATH
 * (first tries to read PATH or to make it), or an errno name: the call is not made and
 * fails with it. N = 0 disturbs none. -a gives each CALL, or those
 * with a bit of MASK in argument ARG, RESULT: an errno name or a number. -t lists all
 * calls. -f CALL: the session is the process that makes CALL first, and N counts from
 * there on. The report goes to FD, 3 unless given:
 *   call WHO N NAME ARG0 ARG1 ARG2 ARG3 = RESULT     (-t; arguments in hex)
 *   hit WHO N NAME         the chosen call came and was disturbed
 *   skip WHO N NAME        it came, and is none that ACTION could disturb
 *   tried WHO RESULT       what open or create gave: a descriptor, or minus an errno
 *   calls WHO COUNT        up to its end, or to the hit where nothing else matters; 0 of
 *                          one whose calls nobody asked for
 *   end WHO exit CODE | end WHO signal NUMBER
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracee.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define STOP_USEC 2000

enum action { KILL_BEFORE, KILL_AFTER, STOP, SHORT, OPEN, CREATE, FAIL };

struct rule {
	int nr;
	int arg; /* -1: every call */
	uint64_t mask;
	int64_t result;
};

static const char *const who_names[] = { "keeper", "session", "other" };

static struct {
	bool trace;
	enum who who;
	unsigned n;
	enum action action;
	const char *path;
	int64_t result;
	int first; /* -f, or -1 */
	struct rule rules[8];
	unsigned n_rules;
} want = { .first = -1 };

static struct tracee tracees[32];
static unsigned n_tracees;
static bool by_call; /* -f was given */
static bool started; /* the command's execve is done */
static bool done;    /* the chosen call was disturbed */
static int report_fd = 3;
static FILE *report;

static const char *
call_name(uint64_t nr)
{
	static char *name;

	free(name);
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
	return name == NULL ? "?" : name;
}

/* A call that ends its process, or that the kernel makes for it, cannot fail. */
static bool
can_fail(uint64_t nr)
{
	return nr != SYS_exit_group && nr != SYS_exit && nr != SYS_rt_sigreturn &&
	       nr != SYS_restart_syscall;
}

static void
strike(struct tracee *t)
{
	bool applies = true;

	switch (want.action) {
	case KILL_BEFORE:
		(void)kill(t->pid, SIGKILL); /* it is stopped, so it exists */
		break;
	case KILL_AFTER:
		t->kill_after = true;
		break;
	case STOP:
		(void)kill(t->pid, SIGSTOP);
		break;
	case SHORT:
		applies = shorten(t);
		break;
	case OPEN:
		applies = open_first(t, want.path, O_RDONLY);
		break;
	case CREATE:
		applies = open_first(t, want.path, O_CREAT | O_WRONLY);
		break;
	case FAIL:
		applies = can_fail(t->nr);
		if (applies) {
			t->result = want.result;
			make_harmless(t);
		}
		break;
	}
	done = true;
	fprintf(report, "%s %s %u %s\n", applies ? "hit" : "skip", who_names[t->who], t->n,
	        call_name(t->nr));
}

static const struct rule *
find_rule(const struct tracee *t)
{
	for (unsigned i = 0; i < want.n_rules; i++) {
		const struct rule *r = &want.rules[i];

		if (t->nr == (uint64_t)r->nr &&
		    (r->arg == -1 || (t->args[r->arg] & r->mask) != 0))
			return r;
	}
	return NULL;
}

static void
on_entry(struct tracee *t)
{
	const struct rule *r = find_rule(t);

	if (want.first != -1 && t->nr == (uint64_t)want.first) {
		want.first = -1;
		t->who = SESSION;
		t->n = 0;
	}
	t->n++;
	t->in_call = true;
	if (!done && t->who == want.who && t->n == want.n)
		strike(t);
	if (r != NULL && t->override == NONE) {
		t->result = r->result;
		make_harmless(t);
	}
}

static void
on_exit_of_call(struct tracee *t, int64_t result)
{
	if (!t->in_call)
		return; /* of the first execve, or of the fork in the child */
	t->in_call = false;
	if (t->override == RESULT)
		result = t->result;
	if (t->override == AGAIN)
		fprintf(report, "tried %s %" PRId64 "\n", who_names[t->who], result);
	if (t->override != NONE)
		repair(t);
	if (want.trace)
		fprintf(report,
		        "call %s %u %s %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64
		        " = %" PRId64 "\n",
		        who_names[t->who], t->n, call_name(t->nr), t->args[0], t->args[1],
		        t->args[2], t->args[3], result);
	if (t->kill_after)
		(void)kill(t->pid, SIGKILL);
}

static void
on_syscall_stop(struct tracee *t)
{
	struct __ptrace_syscall_info info;

	if (!started ||
	    ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, (void *)sizeof info, &info) == -1)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->nr = info.entry.nr;
		memcpy(t->args, info.entry.args, sizeof t->args);
		on_entry(t);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		on_exit_of_call(t, info.exit.rval);
	}
}

static struct tracee *
find_tracee(pid_t pid)
{
	struct tracee *t;

	for (unsigned i = 0; i < n_tracees; i++)
		if (tracees[i].pid == pid)
			return &tracees[i];
	if (n_tracees == sizeof tracees / sizeof tracees[0])
		misuse("the command forks too often");
	t = &tracees[n_tracees];
	t->pid = pid;
	t->who = n_tracees == KEEPER || (n_tracees == SESSION && !by_call) ?
		(enum who)n_tracees : OTHER;
	n_tracees++;
	return t;
}

/* Whether a later call of this process matters. */
static bool
is_watched(const struct tracee *t)
{
	return want.trace || want.n_rules > 0 || want.first != -1 || t->who == want.who;
}

/* Lets a process go on: for good, when nothing of it matters any more; without a stop at
 * each call, when only its end does. */
static void
resume(struct tracee *t, int sig)
{
	bool busy = t->kill_after || t->override != NONE || want.action == STOP;
	bool let_go = done && !busy && !want.trace && want.n_rules == 0;

	/* A failure means that it died just now; waitpid() tells. */
	(void)ptrace(let_go ? PTRACE_DETACH : is_watched(t) ? PTRACE_SYSCALL : PTRACE_CONT, t->pid,
	             NULL, (void *)(intptr_t)sig);
}

static void
on_stop(struct tracee *t, int status)
{
	int sig = WSTOPSIG(status);
	int event = status >> 16;

	if (sig == SYSCALL_STOP) {
		on_syscall_stop(t);
		resume(t, 0);
	} else if (event == PTRACE_EVENT_STOP && sig == SIGSTOP) {
		/* Really stopped, as by a shell; on with it after a while. */
		(void)ptrace(PTRACE_LISTEN, t->pid, NULL, NULL);
		(void)usleep(STOP_USEC);
		(void)kill(t->pid, SIGCONT);
	} else if (event != 0) {
		started |= event == PTRACE_EVENT_EXEC;
		resume(t, 0);
	} else {
		resume(t, sig);
	}
}

static void
run_to_end(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) != -1 || errno == EINTR) {
		struct tracee *t;

		if (pid == -1)
			continue;
		t = find_tracee(pid);
		if (WIFSTOPPED(status))
			on_stop(t, status);
		else if (WIFEXITED(status))
			fprintf(report, "end %s exit %d\n", who_names[t->who],
			        WEXITSTATUS(status));
		else
			fprintf(report, "end %s signal %d\n", who_names[t->who],
			        WTERMSIG(status));
	}
	for (unsigned i = 0; i < n_tracees; i++)
		fprintf(report, "calls %s %u\n", who_names[tracees[i].who], tracees[i].n);
}

static void
start(char **argv)
{
	int go[2];
	char c = 0;
	pid_t pid;

	if (pipe(go) == -1)
		fail("pipe");
	pid = fork();
	if (pid == -1)
		fail("fork");
	if (pid == 0) {
		(void)close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(125);
		(void)close(go[0]);
		(void)close(report_fd);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	if (ptrace(PTRACE_SEIZE, pid, NULL,
	           (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC |
	                    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	                    PTRACE_O_TRACECLONE)) == -1)
		fail("PTRACE_SEIZE");
	(void)find_tracee(pid);
	/* Syscall stops only begin with PTRACE_SYSCALL, so start from a stop. */
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == -1 || write(go[1], &c, 1) != 1)
		fail("PTRACE_INTERRUPT");
	(void)close(go[0]);
	(void)close(go[1]);
}

static int64_t
parse_result(const char *s)
{
	char *end;
	long long n;

	for (int e = 1; e < 134; e++) {
		const char *name = strerrorname_np(e);

		if (name != NULL && strcmp(s, name) == 0)
			return -e;
	}
	n = strtoll(s, &end, 0);
	if (end == s || *end != '\0')
		misuse("no errno name or number after =");
	return n;
}

static void
parse_rule(char *s)
{
	struct rule *r = &want.rules[want.n_rules++];
	char *equals = strchr(s, '=');
	char *comma = strchr(s, ',');

	if (want.n_rules > sizeof want.rules / sizeof want.rules[0] || equals == NULL)
		misuse("-a CALL[,ARG&MASK]=RESULT, eight at most");
	r->result = parse_result(equals + 1);
	*equals = '\0';
	r->arg = -1;
	if (comma != NULL) {
		if (comma[1] < '0' || comma[1] > '5' || comma[2] != '&')
			misuse("-a CALL,ARG&MASK=RESULT");
		r->arg = comma[1] - '0';
		r->mask = strtoull(comma + 3, NULL, 0);
		*comma = '\0';
	}
	r->nr = seccomp_syscall_resolve_name(s);
	if (r->nr < 0)
		misuse("-a: no such system call here");
}

static void
parse_action(const char *s)
{
	static const char *const names[] = { "kill",  "after", "stop",
		                             "short", "open:", "create:" };

	for (unsigned i = 0; i < FAIL; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(s, names[i], len) == 0) {
			want.action = (enum action)i;
			want.path = s + len;
			return;
		}
	}
	want.action = FAIL;
	want.result = parse_result(s);
}

int
main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+tr:a:f:")) != -1) {
		if (c == 't')
			want.trace = true;
		else if (c == 'r')
			report_fd = (int)strtol(optarg, NULL, 10);
		else if (c == 'a')
			parse_rule(optarg);
		else if (c == 'f')
			by_call = (want.first = seccomp_syscall_resolve_name(optarg)) >= 0;
		else
			return 2;
	}
	if (argc - optind < 4)
		misuse("WHO N ACTION COMMAND [ARG]...");
	want.who = strcmp(argv[optind], "session") == 0 ? SESSION : KEEPER;
	want.n = (unsigned)strtoul(argv[optind + 1], NULL, 10);
	parse_action(argv[optind + 2]);
	report = fdopen(report_fd, "w");
	if (report == NULL)
		fail("-r: the descriptor for the report");
	/* A session whose keeper was killed is ours to wait for. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		fail("PR_SET_CHILD_SUBREAPER");
	start(argv + optind + 3);
	/* The connection is the command's alone: its end must be seen by the client. */
	(void)close(0);
	(void)close(1);
	run_to_end();
	if (fclose(report) == EOF)
		fail("the report");
	return 0;
}

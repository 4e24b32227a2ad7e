/*
 * base/rewind.h and base/ancestor.h: processes that have been taken over. Each does one deed
 * that a filter of relays has to forbid, which is its death, or that leaves something in its
 * memory; then the next job of that process, or of another one of the same ancestor, looks
 * whether all is as it was when the first was forked.
 */
#include "base/rewind.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/ancestor.h"
#include "base/brood.h"
#include "base/packet.h"
#include "tests/unit/test.h"

#define PAGE 4096
#define SPARES 1
#define WORD_MS 10000
#define MARK 0x5a
#define GUARD_INSTALL 102 /* madvise(2), since Linux 6.13 */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* mmap(2), since Linux 6.11 */
#endif
#define FLAG_ID (1UL << 21) /* of the processor's flags; anybody may set it */
#define CHECK "look"

static const int calls[] = {
	SYS_read, SYS_write, SYS_getpid, SYS_recvmsg, SYS_sendto, SYS_exit_group, SYS_shutdown,
	SANDBOX_SETFL, SANDBOX_ADVICE, SANDBOX_NO_MEMORY, SANDBOX_POLL, SYS_rt_sigreturn,
	SYS_clock_gettime,
};

/* Memory of each kind. */
static _Alignas(PAGE) char of_file[2 * PAGE] = { 1, [PAGE] = 2 };
static _Alignas(PAGE) char zeros[4 * PAGE];
static char *heap;
static char *wiped, *droppable; /* the ancestor's alone: a fork leaves zeros of them */
static char *(*const relocated[])(const char *, int) = { strchr };
static const _Alignas(PAGE) char constants[PAGE] = { 3 };

/* -- in the child ------------------------------------------------------------------- */

static bool
is_all(const volatile char *p, char c)
{
	for (size_t i = 0; i < PAGE; i++)
		if (p[i] != c)
			return false;
	return true;
}

/* As it was at the fork? */
static bool
is_whole(void)
{
	return of_file[0] == 1 && of_file[PAGE] == 2 && is_all(zeros, 0) &&
	       is_all(zeros + PAGE, 0) && is_all(wiped, 0) && is_all(droppable, 0) &&
	       (__builtin_ia32_readeflags_u64() & FLAG_ID) == 0 && is_all(heap, 7) && is_all(heap + PAGE, 7) &&
	       ((void *const volatile *)relocated)[0] != NULL &&
	       ((const volatile char *)constants)[0] == 3;
}

static void
leave_marks(void)
{
	char here[PAGE];

	memset(of_file, MARK, sizeof of_file);
	memset(zeros, MARK, sizeof zeros);
	memset(heap, MARK, 2 * PAGE);
	memset(wiped, MARK, PAGE);
	memset(droppable, MARK, PAGE);
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | FLAG_ID);
	memset(here, MARK, sizeof here);
	__asm__ volatile("" : : "r"(here) : "memory");
}

/* Each stops us; without SIGPIPE's place in the filter we would not go on. */
static void
write_to_nobody(int fd, unsigned long times)
{
	while (times-- > 0)
		(void)!write(fd, "x", 1);
}

static void
do_deed(const char *what, unsigned long a, unsigned long b, unsigned long c, int fd)
{
	if (strcmp(what, "mark") == 0)
		leave_marks();
	else if (strcmp(what, "madvise") == 0)
		(void)syscall(SYS_madvise, a, b, c);
	else if (strcmp(what, "close") == 0)
		(void)syscall(SYS_close, a);
	else if (strcmp(what, "shutdown") == 0)
		(void)syscall(SYS_shutdown, a, SHUT_RDWR);
	else if (strcmp(what, "setfl") == 0)
		(void)syscall(SYS_fcntl, a, F_SETFL, O_NONBLOCK);
	else if (strcmp(what, "ptrace") == 0)
		(void)syscall(SYS_ptrace, a, b, 0, 0);
	else if (strcmp(what, "sigpipe") == 0)
		write_to_nobody(fd, a);
	else if (strcmp(what, "stop") == 0)
		rewind_wait();
	else if (strcmp(what, "crash") == 0)
		__builtin_trap();
}

/* Job: a deed, three numbers, and where to answer: our number, and whether all is well. */
static void
serve(void)
{
	struct packet p;
	char answer[64];
	int n;

	if (packet_recv(ANCESTOR_JOBS, &p) != 1 || p.n != 4 || p.fd[0] == -1)
		_exit(0);
	n = snprintf(answer, sizeof answer, "%ld %d", syscall(SYS_getpid), is_whole());
	(void)!write(p.fd[0], answer, (size_t)n);
	do_deed(p.field[0], strtoul(p.field[1], NULL, 0), strtoul(p.field[2], NULL, 0),
	        strtoul(p.field[3], NULL, 0), p.fd[0]);
}

/* A page with something in it. */
static char *
map_page(int flags)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED) /* by an older kernel */
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	else
		memset(p, MARK, PAGE);
	return p;
}

static void
be_ancestor(int control)
{
	struct spawn s = {
		.run = serve, .calls = calls, .n = LENGTH(calls), .descriptors = 4, .rests = true,
	};

	wiped = map_page(MAP_PRIVATE);
	droppable = map_page(MAP_DROPPABLE);
	if (wiped == MAP_FAILED || droppable == MAP_FAILED ||
	    madvise(wiped, PAGE, MADV_WIPEONFORK) == -1)
		_exit(1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ancestor_settle(control) == 0)
		(void)ancestor_run(&s);
	_exit(1);
}

/* -- their master ------------------------------------------------------------------- */

static struct brood *b;

struct answer {
	long pid;
	int whole;
};

/* What became of a job: READY or ENDED. */
static enum brood_word
await(struct brood_news *news)
{
	struct pollfd p = { brood_control(b), POLLIN, 0 };

	for (;;) {
		enum brood_word word = brood_hear(b, news);

		if (word == BROOD_NOTHING)
			MUST(poll(&p, 1, WORD_MS) == 1);
		else if (word == BROOD_GONE || word == BROOD_READY || word == BROOD_ENDED)
			return word;
	}
}

struct deed {
	const char *what;
	unsigned long number[3];
	int answer;
};

static int
send_deed(int jobs, const void *what)
{
	const struct deed *d = what;
	struct packet p;

	packet_start(&p, 'd');
	packet_add(&p, d->what);
	for (int i = 0; i < 3; i++)
		packet_addu(&p, d->number[i]);
	return packet_send(jobs, &p, d->answer);
}

static enum brood_word
give(struct deed d, struct answer *a, struct brood_news *news)
{
	struct pollfd born = { brood_control(b), POLLIN, 0 };
	char buf[64] = "";
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	d.answer = pair[1];
	while (brood_give(b, send_deed, &d) == -1) {
		MUST(errno == EAGAIN && poll(&born, 1, WORD_MS) == 1);
		MUST(brood_hear(b, news) != BROOD_GONE);
	}
	(void)close(pair[1]);
	MUST(read(pair[0], buf, sizeof buf - 1) > 0);
	MUST(sscanf(buf, "%ld %d", &a->pid, &a->whole) == 2);
	(void)close(pair[0]);
	return await(news);
}

/* Where the image of a process is. */
static unsigned long
find_image(long pid)
{
	char path[64], line[512];
	unsigned long start = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%ld/maps", pid);
	f = fopen(path, "re");
	MUST(f != NULL);
	while (start == 0 && fgets(line, sizeof line, f) != NULL)
		if (strstr(line, " r--s ") != NULL && strstr(line, "image") != NULL)
			start = strtoul(line, NULL, 16);
	(void)fclose(f);
	return start;
}

#define LIVES 0

static void
run_row(const char *name, struct deed d, int death)
{
	struct brood_news news;
	struct answer did, saw;
	enum brood_word word = give(d, &did, &news);

	TEST(death == LIVES ? word == BROOD_READY :
	     word == BROOD_ENDED && WIFSIGNALED(news.status) && WTERMSIG(news.status) == death,
	     "%s: %s", name, death == LIVES ? "goes on" : "death");
	TEST(give((struct deed){ .what = CHECK }, &saw, &news) == BROOD_READY && saw.whole,
	     "%s: nothing is left of it", name);
	if (death == LIVES)
		TEST(saw.pid == did.pid, "%s: nothing is left in the same process", name);
}

#define ADVICE(name, at, size, advice, death) \
	run_row(name, (struct deed){ "madvise", { (unsigned long)(at), size, advice }, 0 }, death)
#define CALL(name, what, a, death) run_row(name, (struct deed){ what, { a }, 0 }, death)

static void
advise(unsigned long image)
{
	uintptr_t text = (uintptr_t)strchr & ~(uintptr_t)(PAGE - 1);

	MUST(image != 0);
	ADVICE("pages of zeros are dropped", zeros, 2 * PAGE, MADV_DONTNEED, LIVES);
	ADVICE("pages of the heap are dropped", heap, 2 * PAGE, MADV_DONTNEED, LIVES);
	ADVICE("pages are populated", zeros, sizeof zeros, MADV_POPULATE_WRITE, LIVES);
	ADVICE("text is dropped", text, PAGE, MADV_DONTNEED, SIGSYS);
	ADVICE("our text is dropped", (uintptr_t)serve & ~(uintptr_t)(PAGE - 1), PAGE,
	       MADV_DONTNEED, SIGSYS);
	ADVICE("constants are dropped", constants, PAGE, MADV_DONTNEED, SIGSYS);
	ADVICE("relocated constants are dropped", (uintptr_t)relocated & ~(uintptr_t)(PAGE - 1),
	       PAGE, MADV_DONTNEED, SIGSYS);
	ADVICE("pages of the file are dropped", of_file, PAGE, MADV_DONTNEED, SIGSYS);
	ADVICE("the image is dropped", image, PAGE, MADV_DONTNEED, SIGSYS);
	ADVICE("the image is removed", image, PAGE, MADV_REMOVE, SIGSYS);
	ADVICE("all from the heap to the image", heap, image - (uintptr_t)heap, MADV_DONTNEED,
	       SIGSYS);
	ADVICE("all up to a page of zeros", of_file, (uintptr_t)zeros - (uintptr_t)of_file + PAGE,
	       MADV_DONTNEED, SIGSYS);
	ADVICE("4 GiB", zeros, 1UL << 32, MADV_DONTNEED, SIGSYS);
	ADVICE("nearly 4 GiB", zeros, 0xfffff000UL, MADV_DONTNEED, SIGSYS);
	ADVICE("4 GiB further on", zeros + (1UL << 32), PAGE, MADV_DONTNEED, SIGSYS);
	ADVICE("removed", zeros, PAGE, MADV_REMOVE, SIGSYS);
	ADVICE("freed later", zeros, PAGE, MADV_FREE, SIGSYS);
	ADVICE("guarded", zeros, PAGE, GUARD_INSTALL, SIGSYS);
	ADVICE("merged", zeros, PAGE, MADV_MERGEABLE, SIGSYS);
	ADVICE("not inherited", zeros, PAGE, MADV_DONTFORK, SIGSYS);
	ADVICE("inherited as zeros", zeros, PAGE, MADV_WIPEONFORK, SIGSYS);
	ADVICE("large pages", zeros, PAGE, MADV_HUGEPAGE, SIGSYS);
}

static void
do_other_deeds(void)
{
	CALL("marks in all memory", "mark", 0, LIVES);
	CALL("done in the midst of it", "stop", 0, LIVES);
	CALL("dead where it stands", "crash", 0, SIGILL);
	CALL("the jobs' socket closed", "close", ANCESTOR_JOBS, SIGSYS);
	CALL("the log closed", "close", ANCESTOR_JOBS + 1, SIGSYS);
	CALL("the jobs' socket shut down", "shutdown", ANCESTOR_JOBS, SIGSYS);
	CALL("the log shut down", "shutdown", ANCESTOR_JOBS + 1, SIGSYS);
	CALL("the log made non-blocking", "setfl", ANCESTOR_JOBS + 1, SIGSYS);
	CALL("traced again", "ptrace", PTRACE_TRACEME, LIVES);
	CALL("tracing", "ptrace", PTRACE_ATTACH, SIGSYS);
	CALL("some writes to who has gone", "sigpipe", 100, LIVES);
	CALL("writes to who has gone without end", "sigpipe", 100000, SIGKILL);
}

int
main(void)
{
	struct brood_setup setup = { .spares = SPARES, .idle = 2 * SPARES, .uses = 1000 };
	struct brood_news news;
	struct answer first;
	enum brood_word word;
	int control[2];
	pid_t pid;

	heap = aligned_alloc(PAGE, 2 * PAGE);
	MUST(heap != NULL && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control) == 0);
	memset(heap, 7, 2 * PAGE);
	pid = fork();
	MUST(pid != -1);
	if (pid == 0)
		be_ancestor(control[1]);
	(void)close(control[1]);
	setup.control = control[0];
	b = brood_new(&setup);
	MUST(b != NULL);
	word = give((struct deed){ .what = CHECK }, &first, &news);
	TEST(first.whole, "a process as it was forked");
	if (word != BROOD_READY) {
		puts("skip rewinding: no process can be traced here");
	} else {
		advise(find_image(first.pid));
		do_other_deeds();
	}
	brood_free(b);
	MUST(waitpid(pid, NULL, 0) == pid);
	free(heap);
	return 0;
}

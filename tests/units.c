/*
 * All unit tests in one program. It runs the test by whose name, unit_NAME, it is called;
 * by any other name all of them, each in a child. NAMES is X(NAME) for each, and each
 * main() is named unit_NAME: see tests/tests.mk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define X(name) int unit_##name(void);
NAMES
#undef X

#define X(name) { "unit_" #name, unit_##name },
static const struct unit {
	const char *name;
	int (*run)(void);
} units[] = { NAMES };

#define N_UNITS (sizeof units / sizeof units[0])

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

/* 1 and one line more when it did not come to its end. */
static int
run_in_child(const struct unit *u)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		program_invocation_short_name = (char *)u->name;
		exit(u->run());
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid) {
		perror("units");
		exit(1);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	printf("not ok %s: %s %d\n", u->name, WIFEXITED(status) ? "exit code" : "signal",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	(void)fflush(stdout);
	return 1;
}

int
main(void)
{
	int failed = 0;

	for (size_t i = 0; i < N_UNITS; i++)
		if (strcmp(units[i].name, program_invocation_short_name) == 0)
			return units[i].run();
	/* The search for leaks reads all static memory; what it maps here it need not map in
	 * each child again. */
	if (__lsan_do_recoverable_leak_check != NULL)
		(void)__lsan_do_recoverable_leak_check();
	for (size_t i = 0; i < N_UNITS; i++)
		failed |= run_in_child(&units[i]);
	return failed;
}

/*
 * replay_NAME FOLDER: runs a fuzz target over every file of a folder, each octet
 * sequence as libFuzzer would give it. Needs no clang. One line when all is well;
 * a finding ends the process, and the last line names the file.
 */
#include <sys/types.h>

#include "tests/fuzz/fuzz.h"

static char current[1024];

/* Where there is a sanitizer, its report goes to our stderr whatever fd 2 becomes. */
__attribute__((weak)) void __sanitizer_set_report_fd(void *fd);

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void
run_file(const char *folder, const char *name)
{
	uint8_t *data;
	struct stat st;
	int fd;

	snprintf(current, sizeof current, "%s/%s", folder, name);
	fd = open(current, O_RDONLY | O_CLOEXEC);
	CHECK(fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	/* Its exact size, so that a sanitizer sees a step over its end. */
	data = malloc((size_t)st.st_size + (st.st_size == 0));
	CHECK(data != NULL && read(fd, data, (size_t)st.st_size) == st.st_size);
	CHECK(close(fd) == 0);
	printf("# %s\n", current);
	fflush(stdout);
	(void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
}

int
main(int argc, char **argv)
{
	struct dirent **files;
	const char *name;
	int n;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	if (__sanitizer_set_report_fd != NULL)
		__sanitizer_set_report_fd((void *)(intptr_t)dup(2));
	n = scandir(argv[1], &files, is_input, by_name);
	if (n == -1) {
		perror(argv[1]);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		run_file(argv[1], files[i]->d_name);
		free(files[i]);
	}
	free(files);
	name = strrchr(argv[1], '/');
	printf("ok fuzz/%s %d inputs\n", name != NULL ? name + 1 : argv[1], n);
	return 0;
}

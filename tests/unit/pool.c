/*
 * front/pool.h: who gets which keeper. Its keepers here are children that wait for
 * the end of their control socket.
 */
#include "front/pool.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/test.h"

static struct pool pool;

static void
keep(int control)
{
	char c;

	/* As the real one does: the other keepers' sockets are not its own. */
	if (dup2(control, 3) == -1 || syscall(SYS_close_range, 4, ~0U, 0) == -1)
		_exit(1);
	control = 3;
	while (recv(control, &c, 1, 0) > 0)
		;
	_exit(0);
}

static const struct front_setup setup = { .run_keeper = keep };

static int
take(int conn)
{
	bool is_new;
	int place = pool_take(&pool, &setup, conn, &is_new);

	MUST(place != -1 && pool.at[place].conn == conn && pool.at[place].control != -1);
	return place;
}

static int
take_new(int conn)
{
	bool is_new;
	int place = pool_take(&pool, &setup, conn, &is_new);

	MUST(place != -1 && is_new);
	return place;
}

/* The keeper has gone home: it was told by the end of its socket. */
static bool
is_gone(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
is_there(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void
test_reuse(void)
{
	int a = take_new(1), b = take_new(2), c;
	pid_t pid = pool.at[a].pid, other = pool.at[b].pid;
	bool is_new = true;

	TEST(pid != other && pool.n_idle == 0, "two at work are two");
	pool_put_back(&pool, a);
	TEST(pool.n_idle == 1 && pool.at[a].conn == -1, "one is back");
	c = pool_take(&pool, &setup, 3, &is_new);
	TEST(c == a && !is_new && pool.at[c].pid == pid && pool.n_idle == 0 && is_there(pid),
	     "and is taken again");
	pool_put_back(&pool, b);
	pool_put_back(&pool, c);
	TEST(take(4) == c && take(5) == b, "the last one back is the first one taken");
	pool_remove(&pool, c);
	TEST(is_gone(pid) && pool.at[c].control == -1, "removed at work: it goes home");
	pool_put_back(&pool, b);
	pool_remove(&pool, b);
	TEST(is_gone(other) && pool.n_idle == 0 && pool.idle == -1, "removed when idle: too");
}

/* An idle one that dies is somewhere in the list. */
static void
test_remove_idle(void)
{
	for (int which = 0; which < 3; which++) {
		int at[3];
		pid_t pids[3];
		bool good = true;

		for (int i = 0; i < 3; i++) {
			at[i] = take(10 + i);
			pids[i] = pool.at[at[i]].pid;
		}
		for (int i = 0; i < 3; i++)
			pool_put_back(&pool, at[i]);
		pool_remove(&pool, at[which]);
		good &= is_gone(pids[which]) && pool.n_idle == 2;
		for (int i = 2; i >= 0; i--)
			good &= i == which || take(20) == at[i];
		good &= pool.n_idle == 0 && pool.idle == -1;
		for (int i = 0; i < 3; i++) {
			if (i != which)
				pool_remove(&pool, at[i]);
			good &= i == which || is_gone(pids[i]);
		}
		TEST(good, "the idle one number %d leaves, the others stay", which);
	}
}

static void
test_idle_limit(void)
{
	int at[POOL_IDLE + 3];
	pid_t pids[POOL_IDLE + 3];
	unsigned there = 0;

	for (int i = 0; i < POOL_IDLE + 3; i++) {
		at[i] = take_new(i);
		pids[i] = pool.at[at[i]].pid;
	}
	for (int i = 0; i < POOL_IDLE + 3; i++)
		pool_put_back(&pool, at[i]);
	TEST(pool.n_idle == POOL_IDLE, "%d idle ones stay", POOL_IDLE);
	TEST(is_gone(pids[POOL_IDLE]) && is_gone(pids[POOL_IDLE + 1]) &&
	     is_gone(pids[POOL_IDLE + 2]), "the others go home");
	for (int i = 0; i < POOL_IDLE; i++)
		there += is_there(pids[i]);
	TEST(there == POOL_IDLE, "and only they");
}

/* Follows test_idle_limit: the pool is full of idle ones. */
static void
test_retire(void)
{
	int busy = take(1);
	pid_t pid = pool.at[busy].pid;
	int gone = 0, fresh;

	pool_retire(&pool);
	TEST(pool.n_idle == 0 && pool.idle == -1, "all idle ones go home");
	while (waitpid(-1, NULL, 0) > 0 && ++gone < POOL_IDLE - 1)
		;
	TEST(gone == POOL_IDLE - 1 && is_there(pid), "the busy one goes on");
	fresh = take_new(2);
	pool_put_back(&pool, busy);
	TEST(is_gone(pid) && pool.n_idle == 0, "until it is done");
	pid = pool.at[fresh].pid;
	pool_put_back(&pool, fresh);
	TEST(pool.n_idle == 1 && is_there(pid), "one of the new configuration comes back");
	pool_remove(&pool, fresh);
	MUST(is_gone(pid));
}

/* No place is lost: the whole table can be taken after all that. */
static void
test_places(void)
{
	unsigned free_places = 0;

	for (int i = pool.free; i != -1; i = pool.at[i].next)
		free_places++;
	TEST(free_places == LIMIT_CONNECTIONS, "%d places are free again", LIMIT_CONNECTIONS);
}

int
main(void)
{
	pool_init(&pool);
	test_reuse();
	test_remove_idle();
	test_idle_limit();
	test_retire();
	test_places();
	return 0;
}

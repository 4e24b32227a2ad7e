/* Leftovers of crashed processes, and of clients that did not come back. */
#ifndef BASE_TIDY_H
#define BASE_TIDY_H

/* Removes files in STATE/tmp untouched for LIMIT_TMP_AGE; dir is that directory. */
void tidy_tmp(int dir);

/*
 * The same in STATE/partial, after LIMIT_PARTIAL_AGE; state: STATE. What belongs to a
 * transaction (base/partial_dir.h) stays as long as its KEY.p is younger.
 */
void tidy_partial(int state);

/* Removes one file, and says so in the log. */
void tidy_remove(int dir, const char *name);

#endif

/* Leftovers of crashed processes. */
#ifndef KEEPER_TIDY_H
#define KEEPER_TIDY_H

/* Removes files in STATE/tmp untouched for LIMIT_TMP_AGE; dir is that directory. */
void tidy_tmp(int dir);

/* The same in STATE/partial, after LIMIT_PARTIAL_AGE; state: STATE. */
void tidy_partial(int state);

#endif

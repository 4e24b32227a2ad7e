/* Leftovers of crashed processes. */
#ifndef KEEPER_TIDY_H
#define KEEPER_TIDY_H

/* Removes files in STATE/tmp untouched for LIMIT_TMP_AGE; dir is that directory. */
void tidy_tmp(int dir);

#endif

/*
 * The program's own text and constants in huge pages. A process that was just forked
 * faults in each page of text that it touches; of a page of 2 MiB, mapped in the parent,
 * it inherits the one entry, and so it touches all of it for nothing.
 */
#ifndef TLS_HUGE_H
#define TLS_HUGE_H

/*
 * At the start, while there is one thread and no signal handler: moves what the linker has
 * aligned to 2 MiB into anonymous memory of the same protection. Where a rule or the
 * kernel forbids it, all stays as it was. From then on no memory of this process or its
 * children can be made executable (prctl(2), PR_SET_MDWE; Linux 6.3).
 */
void huge_start(void);

#endif

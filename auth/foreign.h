/*
 * A foreign checkpassword program (key `auth` of postern.conf), asked over the interface
 * of cr.yp.to/checkpwd/interface.html. The process that reads the client's octets is
 * confined and starts nothing: a *runner*, forked before, does it for it.
 */
#ifndef AUTH_FOREIGN_H
#define AUTH_FOREIGN_H

enum foreign_answer { FOREIGN_YES, FOREIGN_NO, FOREIGN_LATER };

/*
 * Forks the runner for one attempt; command is the program and its arguments, separated
 * by blanks. The socket to it, or -1 with errno.
 */
int foreign_start(const char *command);

/*
 * Asks: three strings, each NUL-ended for the program, which finds the client's address
 * in TCPREMOTEIP. Exit 0 is YES; 1, and 3 to 24 as of vchkpw, NO, and so is what does
 * not fit LIMIT_CHECKPASSWORD; all else, a signal, and LIMIT_PROGRAM seconds of silence
 * are LATER (logged).
 */
enum foreign_answer foreign_ask(int runner, const char *client, const char *login,
                                const char *second, const char *third);

#endif

/* `postern help [COMMAND]`, printed from the table of commands. */
#ifndef ADMIN_HELP_H
#define ADMIN_HELP_H

#include <stdio.h>

#include "admin/admin.h"

/* What it is, how to begin, and every command of the table (ends with noun NULL). */
void help_overview(FILE *f, const struct command *commands);

/* All commands that begin with noun, and verb unless NULL. False where none does. */
bool help_command(FILE *f, const struct command *commands, const char *noun,
                  const char *verb);

/* "usage: postern user add ..." */
void help_usage(FILE *f, const struct command *c);

/* The long texts of the table's rows. */
extern const char help_init[], help_domain_add[], help_domain_list[], help_domain_show[],
	help_domain_remove[], help_user_add[], help_user_list[], help_user_password[],
	help_user_remove[], help_user_passwd[], help_user_disable[], help_user_enable[],
	help_user_certificate[], help_alias_add[], help_alias_list[], help_alias_remove[],
	help_tls_show[], help_tls_check[], help_tls_make[], help_queue_list[],
	help_queue_show[], help_queue_summary[], help_queue_retry[], help_queue_hold[],
	help_queue_release[], help_queue_remove[], help_flush[], help_send[], help_trace[], help_check[],
	help_help[];

#endif

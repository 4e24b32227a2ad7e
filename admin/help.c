/* See help.h. The texts that do not fit into a row of the table stand here. */
#include "admin/help.h"

#include <string.h>

#include "admin/options.h"

const char help_init[] =
	"Makes DIR with everything mail needs: postern.conf with comments, the domain's\n"
	"file, and the directories for mailboxes. Without --user the first mailbox is\n"
	"postmaster, which only receives; with it, postmaster is an alias of that user.\n"
	"Prints how to start the server and how to send a first message.\n"
	"\n"
	"As an ordinary user the whole tree belongs to you. As root, mail belongs to the\n"
	"user postern, sessions run as postern-session, passwords belong to postern-auth,\n"
	"and all three must exist; the key belongs to postern-tls where that user exists.\n"
	"When DIR is " SYSCONFDIR "/postern, mailboxes are in " LOCALSTATEDIR "/lib/postern,\n"
	"otherwise in DIR/state.\n"
	"\n"
	"Example: postern init ~/mail --hostname mx.example.org --domain example.org --user me\n";
const char help_domain_add[] =
	"Mail for addresses @NAME is taken from now on; mailboxes are made by `user add`.\n"
	"The file with the domain's settings is printed: edit it to set a quota, a size\n"
	"limit or a catchall mailbox. NAME may be in any script (it is stored as A-labels).\n";
const char help_domain_list[] = "Prints the domains served here, one a line.\n";
const char help_domain_show[] = "Prints the settings of a domain and counts its mailboxes.\n";
const char help_domain_remove[] =
	"Mail for NAME is refused from now on. A domain that still has mailboxes or aliases\n"
	"is not removed without --force, and then they stay on disk, passwords too, until\n"
	"`user remove` and `alias remove` take them away.\n";
const char help_user_add[] =
	"Makes a mailbox. The password is asked for twice, or is the first line of\n"
	"standard input with --password-stdin; only a verifier of it is stored.\n"
	"Upper and lower case are the same, and mail to alice+anything@... reaches alice@...\n"
	"\n"
	"Example: postern user add alice@example.org\n";
const char help_user_list[] =
	"Prints all mailboxes, or those of one domain, sorted. Aliases: see `alias list`.\n";
const char help_user_password[] =
	"Gives a mailbox another password; with --no-password takes it away, so that nobody\n"
	"can log in and the mailbox only receives.\n";
const char help_user_passwd[] = "Another name of `user password`.\n";
const char help_user_disable[] =
	"Nobody can log in to the mailbox until `user enable`; mail still comes in, and the\n"
	"password is kept. The client is told no more than that it was wrong.\n";
const char help_user_enable[] = "Undoes `user disable`.\n";
const char help_user_certificate[] =
	"Lets whoever holds a client certificate log in without a password (EXTERNAL): the\n"
	"certificate in FILE (PEM or DER), or the one with this fingerprint. Without either,\n"
	"prints the fingerprints there are. Clients are asked for certificates where\n"
	"`tls-client-ca` is set.\n"
	"\n"
	"Example: postern user certificate alice@example.org alice.pem\n";
const char help_user_remove[] =
	"Removes a mailbox, its password and its forward file. A mailbox with messages in\n"
	"it is not removed without --force, which removes them too, for good.\n";
const char help_alias_add[] =
	"Sends mail for ADDRESS on to each TARGET: makes an alias, or gives one more targets.\n"
	"For a mailbox, name ADDRESS itself among the targets: it then keeps a copy.\n"
	"A target here that does not exist is refused without --force.\n"
	"\n"
	"Example: postern alias add info@example.org alice@example.org bob@example.org\n";
const char help_alias_list[] =
	"Prints every address that forwards, and where to, sorted. An address that is among\n"
	"its own targets is a mailbox that keeps a copy.\n";
const char help_alias_remove[] =
	"Without TARGET: the alias is gone, and mail for it is refused; a mailbox that\n"
	"forwarded keeps its mail itself again. With TARGET: only those are taken out.\n"
	"An alias with messages from before in it is not removed without --force.\n";
const char help_tls_show[] =
	"Prints each certificate that postern.conf names: for which names it is good, until\n"
	"when, who issued it, its fingerprint, the data of a TLSA record (3 1 1) that stays\n"
	"right as long as the key does, and the chain that clients are sent.\n";
const char help_tls_check[] =
	"Looks at certificates and keys: whether they belong together, whether the chain is\n"
	"whole and in order, whether it covers the host's name, whether it ends within three\n"
	"weeks, whether others may read the key. With HOST also makes handshakes with that\n"
	"server (STARTTLS; port 465 without) and compares what it shows with the files.\n"
	"Exit 0: no finding, 1: findings. Run it as root or as the owner of the key.\n"
	"\n"
	"Example: postern tls check localhost:587\n";
const char help_tls_make[] =
	"Makes a key and a self-signed certificate, tls.key and tls.crt beside postern.conf,\n"
	"for this host's name and each NAME: enough to try STARTTLS, and for senders that do\n"
	"not check. Files that are there stay as they are.\n";
const char help_queue_list[] =
	"Prints the messages that wait for other hosts, one a line: id, age, octets, hold or -,\n"
	"sender, those who are still to get it, and the queue they are in. Without an option\n"
	"all of them, in no order; or those that every option given agrees with.\n"
	"\n"
	"Example: postern queue list --domain example.net --sender alice@example.org\n";
const char help_queue_show[] =
	"Prints all that is known of messages: recipients, attempts, when the next one is due,\n"
	"the message's header, and which hosts were tried and why they failed.\n";
const char help_queue_summary[] =
	"Prints messages, octets and the age of the oldest message of each domain, and of all.\n";
const char help_queue_retry[] =
	"Makes messages due now, forgets how often their domains' hosts have failed, and tells\n"
	"flush. Others that wait for the same domain may go with them.\n";
const char help_queue_hold[] =
	"Keeps messages in the queue until `queue release`: not sent, and not bounced. One that\n"
	"is being sent at this moment may still go.\n";
const char help_queue_release[] = "Undoes `queue hold`, and makes the messages due now.\n";
const char help_queue_remove[] =
	"Removes messages from the queue, for good: nobody gets a report of it.\n";
const char help_flush[] =
	"Sends what waits for DOMAIN now: asks flush through its socket, or runs it here where\n"
	"there is no socket. Without DOMAIN runs it here for the whole queue.\n";
const char help_send[] =
	"Sends a message to a server, from standard input or from each FILE. Recipients are the\n"
	"words with an @; without one they are taken from the message's To, Cc and Bcc. When the\n"
	"connection breaks it connects again and, where the server has CHECKPOINT (RFC 1845), goes\n"
	"on where it was; so does the same command later, for three days.\n"
	"--to: the server, localhost:25 where not said. --tls: encrypted, and the server's name is\n"
	"proved by the system's authorities, or by those of --ca FILE; port 465 begins so. --login:\n"
	"a file of two lines, login and password, that nobody else may read; wants TLS. -f: whom\n"
	"it is from, the login where not said. --timeout: seconds without an answer until the\n"
	"connection counts as broken, 60 where not said. --tries: connections in a row without\n"
	"progress until it gives up, 10 where not said.\n"
	"Exit 0: sent, 1: refused, 111: not sent, try the same again.\n"
	"\n"
	"Example: postern send --to mx.example.org:587 --login ~/.mail-login \\\n"
	"             -f you@example.org them@example.net holiday.eml\n";
const char help_trace[] =
	"Prints the lines of the log that tell of one message, from its arrival on: those with\n"
	"its id, and those of the session it came in. They come from the journal; where there is\n"
	"none name the log's files, the oldest first, or - for standard input. The id stands in\n"
	"the message's Received line, and `queue list` prints it.\n"
	"\n"
	"Example: postern trace 6b030c02abe24.56dc.1 /var/log/mail.log\n";
const char help_check[] =
	"Looks at the configuration, owners and permissions, what the kernel offers, whether\n"
	"messages can be linked into mailboxes, and at everything in the state directory.\n"
	"With --dns also asks DNS: addresses and PTR records of the host, and of each domain MX,\n"
	"SPF, DMARC, MTA-STS and TLSA records, and says what to publish.\n"
	"Each finding is followed by what to do. Nothing is changed. Exit 0: no finding, 1:\n"
	"findings. Run it as root or as the owner of the mail.\n";
const char help_help[] = "Prints this overview, or what one command does.\n";

void
help_usage(FILE *f, const struct command *c)
{
	(void)fprintf(f, "usage: postern [-c FILE] %s%s%s%s%s", c->noun,
	              c->verb != NULL ? " " : "", c->verb != NULL ? c->verb : "",
	              c->operands[0] != '\0' ? " " : "", c->operands);
	options_print_usage(f, c->options);
	(void)putc('\n', f); /* main looks at the stream's errors at the end */
}

static void
print_summary(FILE *f, const struct command *c)
{
	char words[64];

	(void)snprintf(words, sizeof words, "%s%s%s%s%s", c->noun, c->verb != NULL ? " " : "",
	               c->verb != NULL ? c->verb : "", c->operands[0] != '\0' ? " " : "",
	               c->operands); /* the rows fit */
	(void)fprintf(f, "  %-36s %s\n", words, c->summary);
}

void
help_overview(FILE *f, const struct command *commands)
{
	(void)fputs("postern is the administrator's command of the mail server Postern.\n\n"
	            "usage: postern [-c FILE] COMMAND ...\n\n", f);
	for (const struct command *c = commands; c->noun != NULL; c++)
		print_summary(f, c);
	(void)fputs("\nFILE is the configuration, " SYSCONFDIR "/postern/postern.conf unless "
	            "given. An ADDRESS is\nLOCAL@DOMAIN, such as alice@example.org.\n\n"
	            "To begin: `postern init` makes a tree to try, and says how to go on;\n"
	            "`postern help user add` explains one command, `postern help user` all of "
	            "them;\n`postern check` finds what is wrong and says what to do.\n\n"
	            "Exit status: 0 done, 1 refused or findings, 2 not understood, 111 try "
	            "again later.\n", f);
}

bool
help_command(FILE *f, const struct command *commands, const char *noun, const char *verb)
{
	bool found = false;

	for (const struct command *c = commands; c->noun != NULL; c++) {
		if (strcmp(c->noun, noun) != 0 ||
		    (verb != NULL && (c->verb == NULL || strcmp(c->verb, verb) != 0)))
			continue;
		if (found)
			(void)putc('\n', f);
		found = true;
		help_usage(f, c);
		(void)fprintf(f, "\n%s", c->help);
		if (c->options != 0)
			(void)putc('\n', f);
		options_print_help(f, c->options);
	}
	return found;
}

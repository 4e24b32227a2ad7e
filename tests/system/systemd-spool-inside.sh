# Runs in the container of systemd-spool.sh, as a unit, with /tests and /check.
# shellcheck shell=sh
. /tests/inside.sh
unit=/usr/local/lib/systemd/system/postern-spool
sendmail=/usr/local/sbin/postern-sendmail

is_state() { [ "$(systemctl is-active "$1")" = "$2" ]; }
as() { # USER COMMAND...
	name=$1
	shift
	setpriv --reuid "$name" --regid "$(id -g "$name")" --clear-groups "$@"
}
send() { # USER RECIPIENT...
	name=$1
	shift
	printf 'Subject: from %s\n\nbody\n' "$name" | as "$name" $sendmail "$@"
}
# The newest message of alice has these words.
newest_has() { grep -q -- "$1" "$(find "$new" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)"; }

systemd-sysusers
systemd-tmpfiles --create postern.conf
useradd -m -c 'Joe Doe,,,' joe
joe=$(id -u joe)
check 'spool units: configuration' configure
check 'spool units: valid' is_quiet systemd-analyze verify --man=no --recursive-errors=no \
	$unit.service $unit.socket
check 'spool units: exposure at most 1.0' exposure_at_most 1.0 postern-spool.service
check 'spool units: the link is there' [ "$(readlink $sendmail)" = spool ]
check 'spool units: /usr/sbin/sendmail is not ours' [ ! -e /usr/sbin/sendmail ]
check 'spool units: without the socket a user is told so' sh -c \
	'! echo x | setpriv --reuid joe --clear-groups postern-sendmail alice 2>/run/said; grep -q /run/postern/spool /run/said'
check 'spool units: the socket starts' systemctl enable --now postern-spool.socket
check 'spool units: nothing runs before the first message' is_state postern-spool.service inactive
check 'spool units: everybody may ask' [ "$(stat -c %a /run/postern/spool)" = 666 ]
check 'spool units: joe sends' send joe alice
check 'spool units: the service is up' is_state postern-spool.service active
check 'spool units: the message says who' newest_has "(from uid $joe)"
check 'spool units: and his name' newest_has '^From: "Joe Doe" <joe@here.test>$'
check 'spool units: it is the owner'"'"'s, who runs the service' [ "$(find "$new" -type f \
	-printf %u)" = postern ] &&
	check 'spool units: no leftovers' [ -z "$(find $state/tmp -type f)" ]
check 'spool units: root sends without the service' send root alice
check 'spool units: and is root in the message' newest_has '(from uid 0)'
check 'spool units: a user without rights sends, too' send nobody alice
check 'spool units: whoever it is' newest_has "(from uid $(id -u nobody))"
check 'spool units: mail for others is queued' send joe carl@away.test
check 'spool units: where only the owner reads' sh -c "
	[ \$(find $state/spool/away.test -name '*.[em]' -user postern | wc -l) = 2 ]"
check 'spool units: nobody else reads it' sh -c "! setpriv --reuid joe --clear-groups ls $state/spool"
send joe nobody@here.test 2>/run/said
check 'spool units: an unknown mailbox is 67' [ $? = 67 ]
printf 'EHLO x\r\nMAIL FROM:<joe@here.test>\r\nRCPT TO:<alice@here.test>\r\nQUIT\r\n' |
	as joe $sendmail -bs >/run/smtp
check 'spool units: sendmail -bs is a session' grep -q '^250 2.1.5' /run/smtp
check 'spool units: reload' systemctl reload postern-spool.service
check 'spool units: and it still takes mail' send joe alice
journalctl --sync 2>/dev/null
check 'spool units: the log says who' sh -c "
	journalctl --no-pager -t spool | grep 'event=local .*uid=$joe .*what=message.* code=0'"
id=$(grep -h -o 'id [0-9a-f]*\.[0-9a-f.]*' "$(find "$new" -type f | head -n 1)" | head -n 1 | cut -c 4-)
check 'spool units: postern trace follows the message' sh -c "postern trace $id | grep event=delivered"
check 'spool units: no error in the log' sh -c \
	"! journalctl --no-pager -t spool | grep -E 'event=(error|child-died)'"
check 'spool units: they stop' systemctl stop postern-spool.socket postern-spool.service

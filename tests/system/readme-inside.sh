# Runs in the containers of readme.sh, as a unit: readme-inside.sh WAY. The blocks of
# README.md are in /check/blocks.
# shellcheck shell=sh
. /tests/inside.sh
way=$1
new=$state/mail/example.org/alice/Maildir/new

block() { check "readme, $way: block $1" sh -exc "cd /root && . '/check/blocks/$1'"; }
is_open() { talk 127.0.0.1 "$1" listening; }

[ "$way" = systemd ] || block by-hand
block "$way"
if [ "$way" = tcpserver ]; then
	svscan /etc/service >/run/svscan.log 2>&1 &
fi
check "readme, $way: it listens" wait_for is_open 25
block try
check "readme, $way: the message is there" delivered "$new" 1
check "readme, $way: as it was sent" grep -qx 'It works.' "$new"/*
block manage
printf 'Subject: x\r\n\r\nfor both\r\n' >/run/message
check "readme, $way: the alias works" \
	talk 127.0.0.1 25 deliver a@client.test info@example.net /run/message
check "readme, $way: alice has it" delivered "$new" 2
check "readme, $way: bob has it" delivered "$state/mail/example.net/bob/Maildir/new" 1

if [ "$way" = systemd ]; then
	block submission
	check 'readme, systemd: sent with a login' wait_for \
		grep -rqx 'With a login.' "$new"
	block sending
	printf 'To: alice@example.org\n\nBy a program.\n' |
		/usr/local/sbin/postern-sendmail -t
	check 'readme, systemd: sent by a program' wait_for grep -rqx 'By a program.' "$new"
fi

case $way in
systemd)
	check "readme, $way: its log is where it says" wait_for sh -c \
		"journalctl --no-pager -t smtpd | grep event=delivered"
	;;
tcpserver)
	check "readme, $way: its log is where it says" wait_for \
		grep -q event=delivered /etc/sv/postern/log/main/current
	;;
xinetd)
	# Standard error is the connection: the log goes to syslog, here the journal's.
	check "readme, $way: its log goes to syslog, mail" wait_for sh -c \
		"journalctl --no-pager -t smtpd SYSLOG_FACILITY=2 | grep event=delivered"
	;;
esac

# In its last machine: an ordinary user in the folder of the sources, on port 2525.
[ "$way" = xinetd ] || exit 0
useradd --create-home --shell /bin/sh me && ln -s /usr/local/sbin /home/me/build
printf 'cd && . /check/blocks/user' >/run/user.sh
setpriv --reuid me --regid me --clear-groups env HOME=/home/me sh -ex /run/user.sh \
	>/run/user.log 2>&1 &
if wait_for is_open 2525; then
	check 'readme, ordinary user: delivers' \
		talk 127.0.0.1 2525 deliver a@client.test me@example.org /run/message
	check 'readme, ordinary user: the message is his' [ "$(
		stat -c %U /home/me/mail/state/mail/example.org/me/Maildir/new/*)" = me ]
else
	fail 'readme, ordinary user' "$(tail -n 5 /run/user.log)"
fi

# Runs in the container of systemd.sh whose filter withholds Landlock: it is missing here,
# mail is delivered all the same and one line of the log says so.
# shellcheck shell=sh
. /tests/inside.sh

systemd-sysusers && systemd-tmpfiles --create postern.conf && configure >/dev/null &&
	systemctl start postern-inetd.socket || fail 'systemd without Landlock' 'no start'
message old
check 'systemd without Landlock: delivers' \
	talk 127.0.0.1 25 deliver a@client.test alice@here.test /run/message
check 'systemd without Landlock: message is equal' arrived "$new"
journalctl --sync 2>/dev/null
check 'systemd without Landlock: one warning' \
	[ "$(journalctl --no-pager -p warning -t smtpd | grep -ci landlock)" -eq 1 ]
check 'systemd without Landlock: postern check finds it' \
	sh -c 'postern check 2>&1 | grep -i landlock'

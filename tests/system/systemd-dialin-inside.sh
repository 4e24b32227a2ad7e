# Sourced by systemd-flush-inside.sh, whose machine it goes on with: the provider's side
# of ATRN (postern-odmr.socket) and the site's (postern-fetch@.timer and its service), as
# installed. The site is a second configuration and state on the same machine, which the
# fetch unit sees in place of the provider's.
# shellcheck shell=sh disable=SC2154

# Logs in at port 366 as mail clients do, says ATRN, and is then the server; prints what it
# was told. Exit 0 after QUIT.
cat >/run/customer.py <<'P'
import smtplib, ssl
context = ssl.create_default_context(cafile="/etc/postern/tls.crt")
c = smtplib.SMTP_SSL("mx.here.test", 366, "client.site.test", timeout=30, context=context)
c.ehlo()
print("announced", *sorted(c.esmtp_features))
print("before login", *c.docmd("ATRN", "site.test"))
c.login("alice@here.test", "secret")
print("other", *c.docmd("ATRN", "there.test"))
code, text = c.docmd("ATRN", "site.test")
print("turn", code, text)
say = lambda s: c.sock.sendall(s + b"\r\n")
say(b"220 client.site.test")
for line in c.file:
    print(line.rstrip().decode())
    verb = line[:4].upper()
    if verb == b"DATA":
        say(b"354 go")
        while c.file.readline() != b".\r\n":
            pass
    say(b"221 bye" if verb == b"QUIT" else b"250 fine")
    if verb == b"QUIT":
        raise SystemExit(0)
raise SystemExit("no QUIT")
P
# at_site COMMAND...: with the site's files in the places of the provider's.
at_site() {
	unshare -m sh -c 'mount --bind /etc/site /etc/postern &&
		mount --bind /var/lib/site /var/lib/postern && exec "$@"' sh "$@"
}
for_site() { # SUBJECT
	printf 'Subject: %s\n\nx\n' "$1" >/run/mail &&
		talk 127.0.0.1 25 deliver a@away.test bob@site.test /run/mail
}
in_box() { grep -qsx "Subject: $1" /var/lib/site/mail/site.test/bob/Maildir/new/*; }
in_journal() { journalctl --no-pager -o cat | grep -q "$1"; }
# in_a_quarter: the timer of the unit as installed, in words of systemd, has 13 to 15
# minutes to go.
in_a_quarter() {
	systemctl show -p TimersMonotonic postern-fetch@isp.timer >/run/timers
	cat /run/timers
	sed -n 's/.*OnUnitInactiveUSec=15min ; next_elapse=\(.*\) }/\1/p' /run/timers | tr ' ' '\n' |
		awk -v now="$(cut -d. -f1 /proc/uptime)" '
		/[0-9]d$/ { at += 86400 * $1 } /[0-9]h$/ { at += 3600 * $1 } /[0-9]min$/ { at += 60 * $1 }
		/[0-9]s$/ && !/ms$/ { at += $1 }
		END { exit !(at - now > 13 * 60 && at - now <= 15 * 60 + 1) }'
}
dialin=/usr/local/lib/systemd/system/postern

check 'dialin units: valid' is_quiet systemd-analyze verify --man=no --recursive-errors=no \
	$dialin-odmr.socket $dialin-fetch@.service $dialin-fetch@.timer
check 'dialin units: exposure at most 2.0' exposure_at_most 2.0 postern-fetch@.service
# The certificate of init is its own authority, for the provider's clients.
sed -i '/^hostname/a tls-ca = /etc/postern/tls.crt' /etc/postern/postern.conf
echo '127.0.0.1 mx.here.test' >>/etc/hosts
printf 'deliver = hold\netrn = alice@here.test\n' >/etc/postern/domains/site.test.conf
check 'dialin units: the provider starts' systemctl enable --now postern-tls.socket \
	postern-auth.socket postern.socket postern-odmr.socket postern-flush.socket
check 'dialin units: mail for the site is taken' for_site first
check 'dialin units: and waits' [ -n "$(ls /var/lib/postern/spool/site.test)" ]
check 'dialin units: a customer logs in and turns the connection' \
	sh -c 'python3 /run/customer.py >/run/customer 2>&1 || { cat /run/customer; false; }'
check 'dialin units: ATRN is announced' grep -q '^announced .*atrn' /run/customer
check 'dialin units: no ATRN before the login' grep -q '^before login 530' /run/customer
check 'dialin units: nor for a domain of others' grep -q '^other 450' /run/customer
check 'dialin units: the mail comes' grep -qi '^RCPT TO:<bob@site.test>' /run/customer
check 'dialin units: its end is in the log' wait_for in_journal \
	'event=flush id=.* domain=site.test result=done sent=1 failed=0 left=0'

mkdir -p /etc/site /var/lib/site
at_site systemd-tmpfiles --create postern.conf
echo secret | at_site postern init /etc/postern --hostname client.site.test \
	--domain site.test --user bob --password-stdin >/dev/null
sed -i '/^hostname/a tls-ca = /etc/postern/isp.crt' /etc/site/postern.conf
printf '[provider isp]\nhost = mx.here.test\nlogin = isp.login\n' >>/etc/site/postern.conf
cp /etc/postern/tls.crt /etc/site/isp.crt
printf 'alice@here.test\nsecret\n' >/etc/site/isp.login
chown postern /etc/site/isp.login && chmod 600 /etc/site/isp.login
mkdir -p /etc/systemd/system/postern-fetch@isp.service.d \
	/etc/systemd/system/postern-fetch@isp.timer.d
cat >/etc/systemd/system/postern-fetch@isp.service.d/site.conf <<-'D'
	[Service]
	BindReadOnlyPaths=/etc/site:/etc/postern
	BindPaths=/var/lib/site:/var/lib/postern
D
# Its first time is two minutes after the start, for which this machine is too young.
printf '[Timer]\nOnBootSec=1s\nAccuracySec=100ms\n' \
	>/etc/systemd/system/postern-fetch@isp.timer.d/now.conf
systemctl daemon-reload
check 'dialin units: postern check of the site' at_site postern check
for_site timer
check 'dialin units: the timer starts' systemctl enable --now postern-fetch@isp.timer
check 'dialin units: and its service fetches' wait_for in_box timer
check 'dialin units: the file is of the owner of the mail' [ "$(stat -c %U \
	/var/lib/site/mail/site.test/bob/Maildir/new/*)" = postern ]
check 'dialin units: the service ends' wait_for is_state postern-fetch@isp.service inactive
check 'dialin units: it comes again in a quarter of an hour' in_a_quarter
for_site hand
check 'dialin units: by hand' systemctl start postern-fetch@isp.service
check 'dialin units: and it is there, too' wait_for in_box hand
as_root() { at_site flush --fetch isp 2>&1 | grep -q 'result=turned'; }
for_site root
check 'dialin units: by root, as the manual has it' as_root
check 'dialin units: and it is there, too, again' wait_for in_box root
check 'dialin units: once each' [ "$(find /var/lib/site/mail/site.test/bob -type f -path '*/new/*' |
	wc -l)" = 3 ]
check 'dialin units: nothing there is no failure' systemctl start postern-fetch@isp.service
journalctl --sync 2>/dev/null
check 'dialin units: the log says who asked' in_journal \
	'event=atrn .*login=alice@here.test .*what=site.test result=turned'
# Of the whole journal: who ends right after its line is of no unit, when journald comes late.
# shellcheck disable=SC2016
check 'dialin units: and at the site what came of it' wait_for sh -c '
	journalctl --no-pager -o cat >/run/journal.all &&
	[ "$(grep -c "event=fetch provider=isp .*result=turned" /run/journal.all)" = 2 ] &&
	grep -q "event=fetch provider=isp .*result=no-mail" /run/journal.all'
check 'dialin units: nothing was killed by a filter' sh -c '
	journalctl --no-pager -o cat -u postern-fetch@isp.service >/run/journal &&
	grep -q . /run/journal && ! grep -E "died|SYS|core|event=error" /run/journal'
check 'dialin units: nothing waits' [ ! -e /var/lib/postern/spool/site.test ]

# What the timer starts also clears away what clients left that did not come back.
owner=0123456789abcde
as_postern() { setpriv --reuid postern --regid postern --clear-groups "$@"; }
# held N AGE SIZE: an interrupted message of the owner N, a hexadecimal digit.
held() {
	key=/var/lib/postern/partial/$owner$1-00000000000000000000000000000000
	as_postern touch "$key.p" "$key.1.e"
	as_postern truncate -s "$3" "$key.1.m"
	as_postern touch -d "$2" "$key.p" "$key.1.e" "$key.1.m"
}
left() { # NAMES of owners
	ls /var/lib/postern/partial >/run/partial
	[ "$(sed -n "s/^$owner\(.\)-.*/\1/p" /run/partial | uniq -c | awk '{ print $2 $1 }' |
		tr '\n' ' ')" = "$1" ]
}
gone() { [ ! -e "/var/lib/postern/tmp/$1" ]; }
held 1 '4 days ago' 1000
held 2 '2 days ago' 1000
held 3 '1 day ago' 2G
cp -p "$key.1.m" "$key.2.m"
# Resumed an hour ago: its envelope is as old as its first day.
held 4 '1 hour ago' 1000
as_postern touch -d '4 days ago' "$key.1.e"
# Its commit was cut off when it had a link already.
held 5 '2 days ago' 3G
as_postern ln "$key.1.m" /var/lib/postern/mail/linked
# The rules of systemd-tmpfiles as if all their ages had passed: no file of a transaction goes
# by its own age.
as_postern touch /var/lib/postern/tmp/crashed
sed 's/ [0-9][0-9]*[hdw]$/ 1us/' /usr/local/lib/tmpfiles.d/postern.conf >/run/now.conf
check 'dialin units: systemd-tmpfiles cleans' systemd-tmpfiles --clean /run/now.conf
check 'dialin units: what a crash has left in tmp/' gone crashed
check 'dialin units: and no file of a transaction' left '13 23 34 43 53 '
as_postern touch -d '2 days ago' /var/lib/postern/tmp/crashed
as_postern touch -d '1 day ago' /var/lib/postern/tmp/young
check 'dialin units: the run of the timer' systemctl start postern-flush-due.service
check 'dialin units: removes what a client has left for three days, and what is too much' \
	wait_for left '23 43 53 '
check 'dialin units: and what is too old in tmp/' wait_for gone crashed
check 'dialin units: not what may be in use' [ -e /var/lib/postern/tmp/young ]
check 'dialin units: it says so' wait_for in_journal 'event=tidied file=crashed'
check 'dialin units: as a process that nothing kills' sh -c '
	journalctl --no-pager -o cat -u postern-flush-due.service >/run/journal &&
	grep -q . /run/journal && ! grep -Ew "died|SYS|core" /run/journal'
rm -f /var/lib/postern/partial/$owner* /var/lib/postern/mail/linked /var/lib/postern/tmp/young
check 'dialin units: they stop' systemctl stop postern-fetch@isp.timer postern-odmr.socket \
	postern.socket postern.service

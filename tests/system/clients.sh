#!/bin/sh
# suite: timeout=180
# Mail clients of others send to a real smtpd under tcpserver (or systemd-socket-activate):
# swaks, curl, msmtp, s-nail, mutt, Python's smtplib, Postfix's smtp-source.
. "$(dirname "$0")/lib.sh"

need clients python3
new_tree "$tmp/tree" || { fail clients 'no tree'; exit 0; }
serve "$tmp/tree" || { fail clients "no server: $(tail -n 3 "$tmp/serve.log")"; exit 0; }
to=alice@here.test
sent=0
export HOME="$tmp" MAILRC=/dev/null

client_message sender@client.test "$to"

has() { command -v "$1" >/dev/null || { skip "clients: $1" 'not installed'; return 1; }; }

# client NAME message|longer|body COMMAND...: the command succeeds and one more message is
# there, equal to that file; body: the text is, for the client made the header.
client() {
	name=$1 how=$2
	shift 2
	sent=$((sent + 1))
	if ! "$@" >"$tmp/out" 2>&1 </dev/null; then
		fail "clients: $name" "$(tail -n 3 "$tmp/out")"
		sent=$(count "$tmp/tree" alice)
		return
	fi
	wait_for has_messages "$tmp/tree" alice "$sent" ||
		{ fail "clients: $name" 'no new message'; return; }
	if [ "$how" = body ]; then
		check "clients: $name" talk - - text "$tmp/body" "$(newest "$tmp/tree" alice)"
	else
		check "clients: $name" same_message "$tmp/$how" "$(newest "$tmp/tree" alice)"
	fi
}

client smtplib message talk 127.0.0.1 "$port" deliver sender@client.test "$to" "$tmp/message"

if has swaks; then
	client swaks longer swaks --server 127.0.0.1 --port "$port" --from sender@client.test \
		--to "$to" --ehlo client.test --data "@$tmp/message"
	client 'swaks, pipelining' longer swaks --server 127.0.0.1 --port "$port" --pipeline \
		--from sender@client.test --to "$to" --ehlo client.test --data "@$tmp/message"
fi

has curl && client curl message curl -sS --crlf "smtp://127.0.0.1:$port/client.test" \
	--mail-from sender@client.test --mail-rcpt "$to" --upload-file "$tmp/message"

has msmtp && client msmtp message sh -c "msmtp --file=/dev/null --host=127.0.0.1 \
	--port=$port --from=sender@client.test --domain=client.test $to <'$tmp/message'"

has s-nail && client s-nail body sh -c "s-nail -:/ -Sv15-compat -Smta=smtp://127.0.0.1:$port \
	-Ssmtp-auth=none -Snosmtp-use-starttls -Shostname=client.test -Sttycharset=utf-8 \
	-Smime-encoding=8b -r sender@client.test -s 'by a client' $to <'$tmp/body'"

has mutt && client mutt body sh -c "mutt -n -F /dev/null -e 'set smtp_url=smtp://127.0.0.1:$port' \
	-e 'set from=sender@client.test hostname=client.test copy=no ssl_starttls=no ssl_force_tls=no' \
	-e 'set charset=utf-8 send_charset=utf-8 allow_8bit=yes' -s 'by a client' $to <'$tmp/body'"

find_smtp_source() {
	smtp_source=$(command -v smtp-source) && return
	unpack_postfix || return
	export LD_LIBRARY_PATH="$place/usr/lib/postfix:$(echo "$place"/usr/lib/*-linux-gnu)"
	smtp_source=$place/usr/sbin/smtp-source
}

if find_smtp_source >"$tmp/out" 2>&1 && [ -x "$smtp_source" ]; then
	before=$(count "$tmp/tree" bob)
	check 'clients: smtp-source, 200 messages by 10 at once' "$smtp_source" -c -s 10 -m 200 \
		-l 4000 -M client.test -f sender@client.test -t bob@here.test "127.0.0.1:$port"
	check 'clients: smtp-source, all of them arrived' \
		has_messages "$tmp/tree" bob $((before + 200))
	check 'clients: smtp-source, many in one session' "$smtp_source" -d -m 20 -l 100 \
		-M client.test -f sender@client.test -t bob@here.test "127.0.0.1:$port"
	check 'clients: smtp-source, those too' has_messages "$tmp/tree" bob $((before + 220))
else
	skip 'clients: smtp-source' "no Postfix package: $(tail -n 1 "$tmp/out")"
fi

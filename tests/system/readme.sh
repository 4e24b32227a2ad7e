#!/bin/sh
# suite: timeout=600
# Runs the commands of README.md as they stand there, each way to install in a fresh
# machine: a newcomer who copies them gets mail. Blocks are found by the comment
# `tested: NAME` before them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need readme

# The blocks, each into a file named as it says.
mkdir "$tmp/blocks"
awk -v to="$tmp/blocks/" '
	/^<!-- tested: / { sub(/^<!-- tested: /, ""); sub(/ -->$/, ""); gsub(/ /, "-"); name = $0 }
	/^```$/ { if (inside) close(to name); inside = 0; name = "" }
	inside { print > (to name) }
	/^```sh$/ { if (name == "") { print "a block that no comment names" > (to "unnamed") }
		else { inside = 1 } }
' "$top/README.md"
check 'readme: every block has a name' [ ! -e "$tmp/blocks/unnamed" ]
check 'readme: the blocks are known' [ "$(ls "$tmp/blocks" | tr '\n' ' ')" = \
	'by-hand install manage sending submission systemd tcpserver try user xinetd ' ]

for way in systemd tcpserver xinetd; do
	container_new "$way" || { fail "readme: $way" 'no overlay mount'; exit 0; }
	check "readme: install, for $way" sh -ec \
		"cd '$top' && export DESTDIR='$root' BUILD='$BUILD' && . '$tmp/blocks/install'" ||
		exit 0
	container_libraries
	# A host without systemd does not read these at boot.
	[ "$way" = systemd ] || rm "$root"/usr/local/lib/*.d/postern.conf
	cp -R "$tmp/blocks" "$tmp/$way/check/"
	container_run "$way" "readme-inside.sh $way" "$allow_landlock"
done

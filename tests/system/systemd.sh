#!/bin/sh
# suite: timeout=600
# The installed units under a real systemd in a container: postern-inetd.socket with
# Accept=yes. The second boot withholds Landlock, as an old kernel would.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need systemd

for name in landlock nolandlock; do
	container_new "$name" || { fail "systemd $name" "no overlay mount"; exit 0; }
	make -s -C "$top" install DESTDIR="$root" BUILD="$BUILD" >"$tmp/make.log" 2>&1 ||
		{ fail "systemd install" "$(tail -n 3 "$tmp/make.log")"; exit 0; }
	container_libraries
done
root=$tmp/landlock/root
container_run landlock systemd-inside.sh "$allow_landlock"
root=$tmp/nolandlock/root
container_run nolandlock systemd-old.sh

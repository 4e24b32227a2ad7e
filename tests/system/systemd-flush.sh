#!/bin/sh
# suite: timeout=300
# flush under a real systemd in a container: its socket, both services and the timer as
# installed, who its processes are, and that none is left when there is nothing to do.
# Then the units of mail on demand, which need it: systemd-dialin-inside.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need systemd-flush
container_install flush
container_run flush systemd-flush-inside.sh "$allow_landlock"

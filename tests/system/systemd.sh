#!/bin/sh
# suite: timeout=600
# The installed units under a real systemd in a container: postern-inetd.socket with
# Accept=yes. The second boot withholds Landlock, as an old kernel would.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need systemd

container_install landlock
container_run landlock systemd-inside.sh "$allow_landlock"
container_install nolandlock
container_run nolandlock systemd-old.sh

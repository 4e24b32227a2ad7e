#!/bin/sh
# suite: timeout=300
# auth under a real systemd in a container: its socket and service as installed, users of
# the system by auth-pam with either drop-in of its manual page, and who may read what.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need systemd-auth
container_install auth
container_run auth systemd-auth-inside.sh "$allow_landlock"

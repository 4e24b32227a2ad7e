#!/bin/sh
# suite: timeout=300
# The listening entrance under a real systemd in a container: postern.service and its
# sockets, as installed. With --long it also waits for the service to leave when idle.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need systemd-front
container_install front
[ -z "${POSTERN_LONG:-}" ] || : >"$tmp/front/check/long"
container_run front systemd-front-inside.sh "$allow_landlock"

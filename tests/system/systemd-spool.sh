#!/bin/sh
# suite: timeout=300
# spool's socket and service as installed, under a real systemd in a container: users of the
# host send by sendmail, and the log says who it was.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need systemd-spool
container_install spool
container_run spool systemd-spool-inside.sh "$allow_landlock"

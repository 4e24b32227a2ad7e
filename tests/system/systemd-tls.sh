#!/bin/sh
# suite: timeout=300
# tls under a real systemd in a container: its socket and service as installed, handshakes
# through smtpd's units, reload, idle units, and who may read the key.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/container.sh"

container_need systemd-tls
container_install tls
container_run tls systemd-tls-inside.sh "$allow_landlock"

#!/bin/sh
# A few hundred messages at once; nothing may be lost. Times nothing.
# suite: timeout=120
exec "$(dirname "$0")/run" --smoke

#!/usr/bin/env bash
# Whether Envoy serves: its admin interface says LIVE. (The image has bash, and no curl.)

set -euo pipefail
exec 3<>"/dev/tcp/$OPERATORS/${ADMIN_PORT:-9901}"
printf 'GET /ready HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n' >&3
grep -q '^LIVE' <&3

#!/bin/sh
# Makes this machine a Konferenco gateway: a user, a command, a settings file to fill in, a systemd unit.
# Run from the built repository, as root. Running it again repairs and upgrades; it never touches filled-in settings.
# DESTDIR=/some/folder puts everything below that folder instead and starts nothing (for images and tests).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dest=${DESTDIR:-}
user=konferenco-gateway

fail() { echo "install.sh: $1" >&2; exit 2; }

[ -n "$dest" ] || [ "$(id -u)" = 0 ] || fail "needs root: run \"sudo $0\""
command -v node >/dev/null || fail 'Node is missing: run "sudo apt install nodejs npm"'
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  fail "Node $(node --version) is too old, 20.19 is needed: see docs/deploy-a-gateway.md, step 2"
[ -f "$here/dist/main.js" ] || fail 'not built yet: run "npx tsc -b gateway-agent" in the repository first'

case $here in /home/* | /root/*) [ -n "$dest" ] || fail "the repository must lie outside of home folders, which the service cannot see: move it to /opt/konferenco" ;; esac

mkdir -p "$dest/usr/local/bin" "$dest/etc/konferenco" "$dest/etc/systemd/system"

printf '#!/bin/sh\nexec "%s" "%s/dist/main.js" "$@"\n' "$(command -v node)" "$here" >"$dest/usr/local/bin/konferenco-gateway"
chmod 755 "$dest/usr/local/bin/konferenco-gateway"
cp "$here/konferenco-gateway.service" "$dest/etc/systemd/system/konferenco-gateway.service"
chmod 644 "$dest/etc/systemd/system/konferenco-gateway.service"

settings=$dest/etc/konferenco/gateway.json
[ -f "$settings" ] || "$dest/usr/local/bin/konferenco-gateway" --init "$settings" >/dev/null

if [ -z "$dest" ]; then
  id "$user" >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin "$user"
  # It holds a password: readable by root and the gateway alone.
  chown "root:$user" "$settings"
  chmod 640 "$settings"
  systemctl daemon-reload
fi

cat <<TEXT
Installed. Next:
  1. sudo nano $settings
  2. sudo konferenco-gateway --check
  3. sudo systemctl enable --now konferenco-gateway
TEXT

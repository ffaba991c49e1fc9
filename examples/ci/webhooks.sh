#!/bin/sh
# Tests the webhook endpoint of an application: starts the application, puts the
# guard in front of it, and sends events. Fails if the application does not accept
# one of them, or if a forgery reaches it.
#
#	./webhooks.sh <command that starts the application on port 3000>
set -eu

app=http://localhost:3000
guard=http://localhost:8080

CLERK_WEBHOOK_SIGNING_SECRET=$(caddy clerk-webhook secret)
export CLERK_WEBHOOK_SIGNING_SECRET # the application verifies with it, too
pids=
trap 'kill $pids 2>/dev/null || true' EXIT

# await returns when something listens at the address.
await() {
	for _ in $(seq 300); do
		if curl --silent --output /dev/null "$1"; then return; fi
		sleep 0.1
	done
	echo "nothing answers at $1" >&2
	exit 1
}

"$@" &
pids="$pids $!"
await "$app"
caddy clerk-webhook proxy --from "$guard" --to "$app" --inspect=off &
pids="$pids $!"
await "$guard"

send() { caddy clerk-webhook send --to "$guard/api/webhooks" "$@"; }

send user.created user.updated user.deleted
send user.created --id msg_twice
send user.created --id msg_twice # as Svix may do
if send user.created --invalid signature; then
	echo "a forgery was accepted" >&2
	exit 1
fi

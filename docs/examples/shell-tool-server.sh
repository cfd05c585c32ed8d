#!/bin/sh
# A tool server in POSIX shell: serves `execute_command` as the server $1 (docs/ipc.md). Needs jq and timeout.
ipc=${SYMPOZIUM_IPC:-/ipc}; dir=$ipc/tools/${1:?name of the server}
mkdir -p "$dir/requests" "$dir/results" "$dir/artifacts" "$dir/cancel"

put() { cat > "${1%/*}/.new-$$-${1##*/}" && mv "${1%/*}/.new-$$-${1##*/}" "$1"; } # write, then rename
result() { jq -Rsc --arg id "$1" --arg status "$2" "{id: \$id, status: \$status, content: .} + $3" | put "$dir/results/$1.json"; }
refuse() { printf %s "$3" | result "$1" "$2" null; }

answer() { # runs the request in file $1, whose id is $2
  jq -e --arg id "$2" '.id == $id and (.arguments | type) == "object"' "$1" > /dev/null 2>&1 || { refuse "$2" error 'this is no request'; return; }
  tool=$(jq -r .tool "$1"); [ "$tool" = execute_command ] || { refuse "$2" error "there is no tool $tool"; return; }
  jq -e '.arguments.command | type == "string" and . != ""' "$1" > /dev/null || { refuse "$2" error 'command must be a text'; return; }
  seconds=$(jq -r '(.deadline // (now + 30)) - now | ceil' "$1"); [ "$seconds" -gt 0 ] || { refuse "$2" timeout 'it came too late'; return; }
  out=$dir/artifacts/$2-output.txt; jq -rj .arguments.command "$1" > "$1.sh"; cd "${SYMPOZIUM_WORKSPACE:-/workspace}" || return
  timeout -k 1 "$seconds" sh "$1.sh" > "$out" 2>&1 < /dev/null & pid=$!
  trap 'kill $pid' TERM
  while sleep 0.05; kill -0 $pid 2> /dev/null; do [ ! -e "$dir/cancel/$2" ] || { rm "$dir/cancel/$2"; kill $pid; }; done
  wait $pid; code=$?; status=ok; [ $code -ne 124 ] || status=timeout; rm "$1.sh"
  if [ "$(wc -c < "$out")" -gt 50000 ]; then head -c 50000 "$out" | result "$2" $status "{exitCode: $code, truncated: true, artifacts: [\"$2-output.txt\"]}"
  else result "$2" $status "{exitCode: $code}" < "$out"; rm "$out"; fi
}

stop() { trap '' TERM; kill 0; exit 0; } # and with it whatever still runs
trap stop TERM
put "$dir/manifest.json" << 'END'
{"version": 1, "tools": [{"name": "execute_command", "description": "Run a shell command.", "parameters":
  {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}}]}
END
while [ ! -e "$ipc/done" ]; do
  for request in "$dir"/requests/*.json; do
    id=${request##*/}; id=${id%.json}
    mv "$request" "$dir/requests/.claimed-$id" 2> /dev/null && answer "$dir/requests/.claimed-$id" "$id" &
  done
  sleep 0.1
done
stop

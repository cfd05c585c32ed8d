#!/bin/sh
# A tool server in POSIX shell: serves `execute_command` as the server $1 (docs/ipc.md). Needs sh, awk and timeout.
LC_ALL=C; export LC_ALL
ipc=${SYMPOZIUM_IPC:-/ipc}; dir=$ipc/tools/${1:?name of the server}
mkdir -p "$dir/requests" "$dir/results"

put() { cat > "${1%/*}/.new-$$-${1##*/}" && mv "${1%/*}/.new-$$-${1##*/}" "$1"; } # write, then rename

text() { # the text of field $2 in file $1; in JSON a quote within a text is escaped, so "name": is always a field
  awk -v f="\"$2\"[ \t]*:[ \t]*\"" 'function hex(s, i, n) { for (i = 1; i <= 4; i++) n = n * 16 + index("0123456789abcdef", tolower(substr(s, i, 1))) - 1; return n }
    { s = s $0 "\n" } END { if (!match(s, f)) exit; s = substr(s, RSTART + RLENGTH)
    while ((c = substr(s, 1, 1)) != "\"" && c != "") { s = substr(s, 2); if (c == "\\") { c = substr(s, 1, 1); s = substr(s, 2)
        if (c == "u") { n = hex(s); s = substr(s, 5); c = n < 128 ? sprintf("%c", n) : n < 2048 ? sprintf("%c%c", 192 + int(n / 64), 128 + n % 64) : sprintf("%c%c%c", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64) }
        else if (c in e) c = e[c] } printf "%s", c } } BEGIN { e["n"] = "\n"; e["t"] = "\t"; e["r"] = "\r"; e["b"] = "\b"; e["f"] = "\f" }' "$1"
}

quote() { # standard input as a JSON text
  awk 'BEGIN { for (i = 1; i < 32; i++) u[sprintf("%c", i)] = sprintf("\\u%04x", i); u["\\"] = "\\\\"; u["\""] = "\\\""; printf "\"" }
    { if (NR > 1) printf "\\n"; n = length($0); for (i = 1; i <= n; i++) { c = substr($0, i, 1); printf "%s", (c in u) ? u[c] : c } } END { printf "\"" }'
}

answer() { # runs the request $1 and writes its result
  command=$(text "$1" command; printf .); out=$(cd "${SYMPOZIUM_WORKSPACE:-/workspace}" && timeout 30 sh -c "${command%.}" 2>&1 < /dev/null); code=$?
  status=ok; [ $code -ne 124 ] || status=timeout
  printf '{"id":"%s","status":"%s","exitCode":%d,"content":%s}' "$2" $status $code "$(printf %s "$out" | tr -d '\000' | head -c 50000 | quote)" | put "$dir/results/$2.json"
}

put "$dir/manifest.json" << 'END'
{"version": 1, "tools": [{"name": "execute_command", "description": "Run a shell command.", "parameters":
  {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}}]}
END
while [ ! -e "$ipc/done" ]; do
  for request in "$dir"/requests/*.json; do
    id=${request##*/}; id=${id%.json}
    mv "$request" "$dir/requests/.claimed-$id" 2> /dev/null && answer "$dir/requests/.claimed-$id" "$id" &
  done
  sleep 0.1 2> /dev/null || sleep 1
done

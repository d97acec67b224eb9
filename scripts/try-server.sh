#!/usr/bin/env bash
# Measures a real llama.cpp server on this machine, as `bench --endpoint` does for people: one request at a time, whose
# CPU time is read around each, and in an open loop, whose is shared. The model is one that tokenwork builds. Exits with
# 0 and says so where no llama-server can be had. LLAMA_TOOLS is the folder that scripts/llama-tools.sh prints.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
if ! tools=${LLAMA_TOOLS:-$(scripts/llama-tools.sh)}; then
  echo 'server: SKIPPED: no llama-server can be had here'
  exit 0
fi
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

model=$(npx tokenwork models build tiny --format gguf --dtype fp16)
[ -f "$model" ] || model=$(find "$model" -name '*.gguf' -print -quit)
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
"$tools/llama-server" -m "$model" --host 127.0.0.1 --port "$port" --metrics -t 1 -np 4 -c 2048 >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do
  ! curl -sf "http://127.0.0.1:$port/health" >/dev/null 2>&1 || break
  kill -0 "$server" || { cat "$work/log"; exit 1; }
  sleep 0.1
done

cat >"$work/suite.json" <<'SUITE'
{
  "description": "A server, in small.",
  "models": [{ "model": "tiny" }],
  "design": [{ "promptTokens": [16, 96], "completionTokens": [8, 48] }],
  "repetitions": 6,
  "concurrency": 1,
  "seed": 1
}
SUITE
bench() { npm run --silent bench -- --endpoint "http://127.0.0.1:$port/v1" --shape "$model" --suite "$work/suite.json" --quiet "$@"; }
bench --out "$work/closed.json"
bench --rate 20 --repetitions 40 --out "$work/open.json"
npx tokenwork report "$work/open.json" --out "$work/open.html" >/dev/null
node -e '
  for (const path of process.argv.slice(1)) {
    const { run, requests, conservation, warnings, metrics } = JSON.parse(require("fs").readFileSync(path, "utf8"));
    const bad = requests.filter(({ outcome }) => outcome.status !== "ok");
    const ledger = warnings.filter(({ code }) => code === "ledger-mismatch");
    if (!run.complete || bad.length > 0 || ledger.length > 0) throw new Error(JSON.stringify([bad, ledger]));
    for (const [account, { total, requests: theirs, idle, unattributed }] of Object.entries(conservation)) {
      if (!/^cpuTime/.test(account)) continue;
      if (theirs + idle + unattributed !== total) throw new Error(`${account} does not add up`);
      console.log(`${account}: ${requests.length} requests used ${(theirs / 1e9).toFixed(2)} of ${(total / 1e9).toFixed(2)} s, ${metrics.cpuTime.provenance}`);
    }
    if (metrics.cpuTime.provenance === "unavailable") throw new Error(metrics.cpuTime.hint);
    if (!Object.keys(conservation).some((account) => /^cpuTime/.test(account))) throw new Error("no CPU time of the server");
  }
' "$work/closed.json" "$work/open.json"

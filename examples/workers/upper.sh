#!/usr/bin/env bash
# A worker in bash, with jq for the JSON: one message in, one message out. See docs/protocol.md.
while IFS= read -r line; do
    jq -c 'if (.item | type) == "string"
           then {id, result: (.item | ascii_upcase)}
           else {id, error: "not a text"} end' <<<"$line"
done

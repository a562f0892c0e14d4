#!/usr/bin/env bash
# A worker without any tool for JSON: its items are whole numbers. One of them it cannot bear.
while IFS= read -r line; do
    id=${line#*:} id=${id%%,*} number=${line##*:} number=${number%\}}
    if [ "$number" = 5 ]; then
        echo "I cannot bear 5" >&2
        kill -9 $$
    fi
    echo "{\"id\":$id,\"result\":$number}"
done

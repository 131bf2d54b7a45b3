#!/bin/bash
# The contract of plain.py: a shell with a child of its own, spoken to through pipes, and curl as another one in every wait.
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
read -r loaded </proc/sys/kernel/random/uuid
coproc TWICE { while read -r n; do echo $((2 * n)); done; }
sleep 1000000 &
sleeper=$!
calls=0
while :; do
	event=$(curl -sS -D /tmp/head "$api/next") || exit 1
	id=$(tr -d '\r' </tmp/head | sed -n 's/^lambda-runtime-aws-request-id: *//Ip')
	calls=$((calls + 1))
	case $event in *'"exit"'*) kill -9 $$ ;; esac
	[[ $event =~ \"s\":\ ?([0-9.]+) ]] && sleep "${BASH_REMATCH[1]}"
	[[ $event =~ \"n\":\ ?([0-9]+) ]] && n=${BASH_REMATCH[1]}
	echo "$n" >&"${TWICE[1]}"
	read -r twice <&"${TWICE[0]}"
	kill -0 "$sleeper" || exit 1
	curl -sS -o /dev/null -d "{\"n\":$n,\"twice\":$twice,\"loaded\":\"$loaded\",\"calls\":$calls}" "$api/$id/response" || exit 1
done

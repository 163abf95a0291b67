#!/bin/bash
# Greedy decoding equals the reference program's, token for token: for every llama2.c model at hand, prompt and output
# at 120 positions are what its greedy.jsonl holds.
#
# The reference of int8 models also rounds activations to int8, so an argmax may differ from f32's where the two best
# logits are close: there, and only there, a difference is accepted where the margin is under BOUND. What follows
# the first difference is another story and is not compared.
set -eu -o pipefail
BOUND=0.25

[ -d ../shared/models ] || { echo 'skipped: no models at ../shared/models'; exit 77; }

# first_difference PROMPT GREEDY < record: the margin of the first token that leads away from GREEDY
first_difference()
{
	jq -r --arg greedy "$2" '.prompt as $p | .logprobs as $l
		| first(range($l | length) as $i
			| select(($greedy | startswith($p + ($l[:$i + 1] | map(.token) | join("")))) | not)
			| "\($l[$i].margin) at token \($i + 1), \($l[$i].token | tojson)")'
}

proven=0 broken=0
for folder in ../shared/models/*/; do
	name=$(basename "$folder")
	tokenizer=$(ls "$folder"tok*.bin)
	weights=$(find "$folder" -name '*.bin' ! -name 'tok*')
	# A tokenizer file that is the printed dump of another file holds no pieces.
	if head -c 9 "$tokenizer" | grep -q '^00000000:'; then
		echo "$name: not tested, $(basename "$tokenizer") is a hex dump and no tokenizer"
		broken=$((broken + 1))
		continue
	fi
	int8=
	head -c 4 "$weights" | grep -q '^24ka$' && int8=yes
	sr-model convert "$weights" --tokenizer "$tokenizer" -o "$TMP/$name.gguf"
	jq -r .prompt "$folder"greedy.jsonl |
		sr-generate -m "$TMP/$name.gguf" -i lines --temperature 0 --positions 120 --special --logprobs > "$TMP/$name.out"
	[ "$(wc -l < "$TMP/$name.out")" -eq "$(wc -l < "$folder"greedy.jsonl)" ]
	paste "$folder"greedy.jsonl "$TMP/$name.out" > "$TMP/rows"
	while IFS=$'\t' read -r want got; do
		greedy=$(jq .greedy <<< "$want")
		[ "$(jq '.prompt + .output' <<< "$got")" = "$greedy" ] && continue
		margin=$(first_difference "$(jq -r .prompt <<< "$got")" "$(jq -r .greedy <<< "$want")" <<< "$got")
		echo "$name: differs from the reference with a margin of $margin"
		[ "$int8" ] && awk -v m="${margin%% *}" -v b=$BOUND 'BEGIN { exit !(m < b) }' || exit 1
	done < "$TMP/rows"
	echo "$name: $(wc -l < "$TMP/rows") rows"
	proven=$((proven + 1))
done
[ $proven -gt 0 ] || { echo 'skipped: no model has a usable tokenizer'; exit 77; }

#!/bin/bash
# sr-train-step's loss curve is PyTorch's: 30 steps of full fine-tuning, of LoRA, rsLoRA and a prefix, from the same first
# numbers over the same records, in f32. PyTorch is whatever python3 has it (Debian: python3-torch).
set -eu -o pipefail

python=
for name in python3 /usr/bin/python3; do
	[ -n "$python" ] || ! "$name" -c 'import torch' 2> /dev/null || python=$name
done
[ -n "$python" ] || { echo 'skipped: no python3 here has PyTorch (python3-torch)'; exit 77; }
command -v jq > /dev/null || { echo 'skipped: no jq'; exit 77; }

fail()
{
	echo "$*"
	[ ! -s "$TMP/err" ] || tail -n 5 "$TMP/err"
	exit 1
}

root=$PWD pairs=$PWD/data/pairs.csv
cd "$TMP"
{ sed -n 1p "$pairs"; grep ',unsafe,.*,train$' "$pairs" | sed -n 1,60p; } > pairs.csv
sed -n 2,400p "$pairs" | sr-tokenize --train 400 -o vocab.gguf --control '<|end|>' --control '<|text|>' \
	--control '<|rewrite|>' 2> err
sr-prompt -i csv -f completion=benign < pairs.csv | sr-tokenize -m vocab.gguf --only > once.jsonl
for ((i = 0; i < 4; i++)); do cat once.jsonl; done > tokens.jsonl # 240: 30 steps of 8

settings=(--batch 8 --warmup 5 --clip 0.5 --weight-decay 0.1 --beta1 0.8 --beta2 0.95 --products f32)
json='warmup: 5, batch: 8, clip: 0.5, weight_decay: 0.1, beta1: 0.8, beta2: 0.95'

# curve NAME MODEL RATE OPTIONS...: both, and how far they are apart
curve()
{
	local name=$1 model=$2 rate=$3 adapter=-

	shift 3
	[ -d "$model.hf" ] || sr-model convert --to hf "$model.gguf" -o "$model.hf"
	if [ $# -gt 0 ]; then
		# a step at a rate of 0 leaves an adapter as it begins
		sr-train-step -m "$model.gguf" -o "$name/" --rate 0 --steps 1 --batch 1 "$@" < once.jsonl > log 2> err
		adapter=$name
	fi
	sr-train-step -m "$model.gguf" -o out.gguf --rate "$rate" "${settings[@]}" "$@" < tokens.jsonl > ours 2> err ||
		fail "$name: exit $?"
	"$python" "$root/tests/peers/train_torch.py" "$model.hf" "$adapter" "$(jq -nc "{rate: $rate, $json}")" \
		< tokens.jsonl > theirs
	paste -d '\n' ours theirs | jq -sc '[range(0; length; 2) as $i | [.[$i], .[$i + 1]]] |
		{steps: length, first: .[0][0].loss, last: .[-1][0].loss,
		 apart: (map((.[0].loss - .[1].loss) | fabs) | max),
		 norms: (map((.[0].grad_norm / .[1].grad_norm - 1) | fabs) | max)}' > apart
	echo "$name: $(cat apart)"
	jq -e '.steps == 30 and .apart < 1e-4 and .norms < 1e-3 and .last < .first' apart > ok || fail "$name: another curve"
}

init=(--vocab vocab.gguf --dim 64 --layers 2 --heads 4 --ctx 256)
sr-model init "${init[@]}" --kv-heads 2 --ff 160 -s 2 -o grouped.gguf
sr-model init "${init[@]}" --ff 96 -s 3 -o plain.gguf
curve full grouped 3e-3
# Adapters of models that know something: what a random one says hangs on nothing.
cp out.gguf tuned.gguf
curve other plain 3e-3
curve lora tuned 1e-2 --lora 8 --alpha 16
curve rslora tuned 5e-3 --lora 16 --alpha 8 --rslora --targets q_proj,v_proj,down_proj
curve prefix tuned 3e-2 --prefix 5

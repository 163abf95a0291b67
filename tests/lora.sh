#!/bin/bash
# sr-train-step --lora: an adapter learns beside a model of any type, is what sr-generate and sr-score-bias then run, goes
# into a GGUF file or a PEFT folder, and a run that was stopped ends with the bytes of one that was not.
set -eu -o pipefail

command -v jq > /dev/null || { echo 'skipped: no jq'; exit 77; }

fail()
{
	echo "$*"
	[ ! -s "$TMP/err" ] || tail -n 5 "$TMP/err"
	exit 1
}

# close A B MOST: two numbers that differ by no more
close()
{
	awk -v a="$1" -v b="$2" -v most="$3" 'BEGIN { d = a - b; exit !(d <= most && -d <= most) }' ||
		fail "$1 is not $2 within $3"
}

# refuses STATUS WORDS COMMAND...
refuses()
{
	local want=$1 words=$2 got=0

	shift 2
	"$@" < /dev/null > "$TMP/log" 2> "$TMP/err" || got=$?
	[ $got = "$want" ] || fail "exit $got, not $want: $*"
	grep -qF -- "$words" "$TMP/err" || fail "expected on stderr: $words"
}

pairs=$PWD/data/pairs.csv
cd "$TMP"
{ sed -n 1p "$pairs"; grep ',unsafe,.*,train$' "$pairs" | sed -n 1,32p; } > pairs.csv
sed -n 2,400p "$pairs" | sr-tokenize --train 400 -o vocab.gguf --control '<|end|>' --control '<|text|>' \
	--control '<|rewrite|>' 2> err
sr-model init --vocab vocab.gguf --dim 64 --layers 2 --heads 4 --kv-heads 2 --ff 160 --ctx 256 -s 2 -o init.gguf
sr-prompt -i csv -f completion=benign < pairs.csv | sr-tokenize -m init.gguf --only > once.jsonl
# A base that knows other texts.
sed -n 500,1500p "$pairs" | sr-tokenize -m init.gguf -i lines --only --eos |
	sr-train-step -m init.gguf -o base.gguf --batch 16 --rate 5e-3 > log 2> err
for ((i = 0; i < 10; i++)); do cat once.jsonl; done > tokens.jsonl

# train OUT OPTIONS...
train()
{
	local out=$1

	shift
	sr-train-step -m "${base:-base.gguf}" --lora 8 --alpha 16 --rate 0.01 --batch 16 -o "$out" "$@" \
		< tokens.jsonl > log 2> err || fail "exit $?: train $out $*"
}

train full.gguf --dropout 0.1
grep -q 'training an adapter of rank 8 on 14 matrices, 0.0[0-9] M parameters beside the 0.1[0-9] M of base.gguf' err ||
	fail 'no word on what is trained'
jq -es 'length == 20 and .[-1].loss < .[0].loss - 0.2' log > full.ok || fail "it does not learn: $(tail -n 1 log)"

# Stopped after six steps of ten and resumed; dropout goes on where it was.
head -n 96 tokens.jsonl > start.jsonl
{ cat start.jsonl; sleep 5; } | sr-train-step -m base.gguf --lora 8 --alpha 16 --rate 0.01 --batch 16 --dropout 0.1 -o again.gguf \
	> log 2> err &
for ((i = 0; i < 100; i++)); do [ "$(wc -l < log)" = 6 ] && break; sleep 0.1; done
pkill -TERM -P $$ -f 'sr-train-step.*again.gguf' || fail 'nothing to stop'
wait $! && fail 'a stopped run does not fail'
[ -e again.gguf.checkpoint ] || fail 'no checkpoint'
train again.gguf --dropout 0.1 --resume
cmp again.gguf full.gguf || fail 'a resumed run gives another adapter'

# The loss in training is what sr-score-bias finds with the adapter; as a folder it is the same adapter.
# tuned ADAPTER: the mean loss of the completions
tuned()
{
	sr-train-step -m base.gguf -a "$1" --rate 0 --batch 32 -o "$TMP/x.gguf" < once.jsonl 2> err | jq -r .loss
}
train quiet.gguf
train folder/
[ -e folder/adapter_config.json ] && [ -e folder/adapter_model.safetensors ] || fail 'no PEFT folder'
jq -e '.r == 8 and .lora_alpha == 16' folder/adapter_config.json > ok || fail 'another rank or alpha'
close "$(tuned quiet.gguf)" "$(tuned folder)" 1e-6
# the texts' own losses, text and completion together
score() { sr-prompt -i csv < pairs.csv | sr-score-bias loglik -m base.gguf -f text=text "$@" | tail -n 1 | jq .mean; }
awk -v a="$(score)" -v b="$(score -a quiet.gguf)" 'BEGIN { exit a == b }' || fail 'the adapter changes nothing'

# Merged it is the same model.
sr-model merge base.gguf -a quiet.gguf -o merged.gguf > log 2> err
close "$(sr-train-step -m merged.gguf --rate 0 --batch 32 --products f32 -o x.gguf < once.jsonl 2> err | jq .loss)" \
	"$(sr-train-step -m base.gguf -a quiet.gguf --rate 0 --batch 32 --products f32 -o x.gguf < once.jsonl 2> err | jq .loss)" 1e-4

# QLoRA: beside a quantized model the curve is that beside the same numbers in F32.
sr-model quantize --type Q4_0 base.gguf -o q4.gguf 2> err
sr-model quantize --type F32 q4.gguf -o q4f.gguf 2> err
base=q4.gguf train a.gguf --products f32
cp log q4.log
base=q4f.gguf train b.gguf --products f32
close "$(jq -s '.[-1].loss' q4.log)" "$(jq -s '.[-1].loss' log)" 1e-3
close "$(jq -s '.[0].loss' q4.log)" "$(jq -s '.[0].loss' log)" 1e-5

# The paper's settings, which options change; names of matrices.
sr-train-step -m base.gguf --recipe sr-llm --steps 4 --batch 8 -o paper.gguf < once.jsonl > log 2> err || fail 'recipe'
grep -q 'rank 64 on 14 matrices' err || fail 'another rank'
jq -es '.[0].learning_rate == 0.0002 and length == 4' log > ok || fail "other settings: $(head -n 1 log)"
train qv.gguf --targets q_proj,attn_v
grep -q 'on 4 matrices' err || fail 'other targets'
refuses 1 "no matrix of a llama is called 'nothing'" sr-train-step -m base.gguf --lora 4 --targets q_proj,nothing -o x.gguf
refuses 2 'are of an adapter' sr-train-step -m base.gguf --dropout 0.1 -o x.gguf
refuses 1 'cannot write folder/' sr-train-step -m base.gguf -o folder/

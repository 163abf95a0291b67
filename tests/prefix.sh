#!/bin/bash
# sr-train-step --prefix: virtual tokens learn before a model of any type, by themselves and through a network, and every
# tool with -a runs behind them: batched, drafted, behind shared prompts, as behind the words that a prefix is made of.
set -eu -o pipefail

command -v jq > /dev/null || { echo 'skipped: no jq'; exit 77; }

fail()
{
	echo "$*"
	[ ! -s "$TMP/err" ] || tail -n 5 "$TMP/err"
	exit 1
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

# holds FILTER: it is true of the log as an array
holds()
{
	jq -es "$1" log > ok || fail "not true of the log: $1 $(tail -n 1 log)"
}

pairs=$PWD/data/pairs.csv
cd "$TMP"
{ sed -n 1p "$pairs"; grep ',unsafe,.*,train$' "$pairs" | sed -n 1,32p; } > pairs.csv
sed -n 2,400p "$pairs" | sr-tokenize --train 400 -o vocab.gguf --control '<|end|>' --control '<|text|>' \
	--control '<|rewrite|>' 2> err
sr-model init --vocab vocab.gguf --dim 64 --layers 2 --heads 4 --kv-heads 2 --ff 160 --ctx 256 -s 2 -o init.gguf
sr-prompt -i csv -f completion=benign < pairs.csv > prompts.jsonl
sr-tokenize -m init.gguf --only < prompts.jsonl > once.jsonl
sed -n 500,1500p "$pairs" | sr-tokenize -m init.gguf -i lines --only --eos |
	sr-train-step -m init.gguf -o base.gguf --batch 16 --rate 5e-3 > log 2> err
for ((i = 0; i < 10; i++)); do cat once.jsonl; done > tokens.jsonl

# train OUT OPTIONS...
train()
{
	local out=$1

	shift
	sr-train-step -m base.gguf --rate 0.1 --weight-decay 0 --batch 16 -o "$out" "$@" < tokens.jsonl > log 2> err ||
		fail "exit $?: train $out $*"
}

# It learns, by itself and through a network; what comes out is the same kind of file.
train plain.gguf --prefix 8
grep -q 'training a prefix of 8 virtual tokens, 0.00 M parameters beside the 0.11 M of base.gguf' err || fail 'no word on it'
holds '.[-2].loss < .[0].loss - 0.1'
train mlp.gguf --prefix 8 --prefix-mlp 24
holds '.[-2].loss < .[0].loss - 0.1'
for name in plain mlp; do
	sr-model info --json $name.gguf | jq -e '.metadata["adapter.type"] == "prefix"
		and .metadata["general.architecture"] == "llama"' > ok || fail "$name: another file"
	[ "$(sr-model info $name.gguf | grep -c 'a prefix of 8 virtual tokens')" = 1 ] || fail "$name: info"
done
# beside numbers of four bits
sr-model quantize --type Q4_0 base.gguf -o q4.gguf 2> err
sr-train-step -m q4.gguf --rate 0.1 --batch 16 -o x.gguf --prefix 4 < tokens.jsonl > log 2> err || fail 'beside Q4_0'
holds '.[-2].loss < .[0].loss - 0.1'
sr-train-step -m base.gguf --base nf4 --rate 0.1 --batch 16 -o x.gguf --prefix 4 < tokens.jsonl > log 2> err || fail 'beside NF4'
holds '.[-2].loss < .[0].loss - 0.1'

# Stopped and resumed it ends alike; from a file or folder it goes on.
for kind in plain mlp; do
	options=(--prefix 8)
	[ $kind = plain ] || options+=(--prefix-mlp 24)
	mkfifo pipe
	sr-train-step -m base.gguf --rate 0.1 --weight-decay 0 --batch 16 -o again.gguf "${options[@]}" < pipe > log 2> err &
	pid=$!
	exec 3> pipe
	head -n 100 tokens.jsonl >&3
	for ((i = 0; i < 600; i++)); do [ "$(wc -l < log)" -lt 6 ] || break; sleep 0.05; done
	kill -TERM $pid
	! wait $pid || fail 'a stopped run does not fail'
	exec 3>&-
	rm pipe
	train again.gguf "${options[@]}" --resume
	grep -q 'resumed at step 6' err || fail 'it did not resume'
	cmp again.gguf $kind.gguf || fail "$kind: resumed it is another one"
done
# worth ADAPTER: the mean loss of the completions behind it
worth() { sr-train-step -m base.gguf -a "$1" --rate 0 --batch 32 -o x.gguf < once.jsonl 2> err | jq .loss; }
train folder/ --prefix 8
jq -e '.peft_type == "PREFIX_TUNING" and .num_virtual_tokens == 8 and .num_layers == 2 and .num_attention_heads == 2 and
	.token_dim == 32 and .prefix_projection == false' folder/adapter_config.json > ok || fail 'another folder'
[ "$(worth folder)" = "$(worth plain.gguf)" ] || fail 'file and folder differ'
train on.gguf -a folder --rate 0.02
[ "$(jq -s '.[0].records' log)" = 16 ] || fail 'no log'
awk -v a="$(worth on.gguf)" -v b="$(worth plain.gguf)" 'BEGIN { exit !(a < b) }' || fail 'it does not go on'

# What is trained is what other tools run.
sr-prompt -i csv < pairs.csv > asked.jsonl
generate() { sr-generate -m base.gguf --temperature 0 --max-tokens 20 "$@" | jq -c '[.id, .output]'; }
generate -a mlp.gguf < asked.jsonl > all
[ "$(wc -l < all)" = 32 ] || fail 'these are not 32'
! cmp -s all <(generate < asked.jsonl) || fail 'the prefix changes nothing'
cmp all <(generate -a mlp.gguf --batch 1 --no-draft < asked.jsonl) || fail 'neighbours or drafts count'
cmp all <(generate -a mlp.gguf --batch 5 -t 1 < asked.jsonl) || fail 'batches or threads count'

# Behind the words of a prefix as behind the words: continued and scored. (make_adapter takes 3, 1, 4, 1, 5, 9)
make_adapter --prefix 6 base.gguf words.gguf
head -n 12 once.jsonl | jq -c '{id: 1, tokens: .tokens[:.loss_from], loss_from: .loss_from}' > short.jsonl
jq -c '.tokens = [3,1,4,1,5,9] + .tokens | .loss_from += 6' short.jsonl > told.jsonl
cmp <(generate -a words.gguf < short.jsonl) <(generate < told.jsonl) || fail 'not what the words say'
cmp <(generate -a words.gguf --no-draft --batch 1 < short.jsonl) <(generate < told.jsonl) || fail 'nor one by one'
loss() { sr-train-step -m base.gguf --rate 0 --batch 32 --products f32 -o x.gguf "$@" 2> err | jq .loss; }
want=$(loss < <(jq -c '.tokens = [3,1,4,1,5,9] + .tokens | .loss_from += 6' once.jsonl))
got=$(loss -a words.gguf < once.jsonl)
awk -v a="$want" -v b="$got" 'BEGIN { d = a - b; exit !(d < 1e-5 && d > -1e-5) }' || fail "a loss of $got behind a prefix, not $want"
said() { sr-score-bias safety -i lines -m base.gguf "$@" < pairs.csv 2> err | head -n 20 | jq -c '.scores.safety.unsafe'; }
cmp <(said -a words.gguf) <(said -a words.gguf -t 1) || fail 'shared beginnings: threads count'
! cmp -s <(said -a words.gguf) <(said) || fail 'no prefix before shared beginnings'
embedded() { echo 'the rain' | sr-embed -m base.gguf -i lines "$@" | jq -c .embedding; }
[ "$(embedded -a words.gguf)" != "$(embedded)" ] || fail 'sr-embed runs without the prefix'
[ "$(embedded -a words.gguf=0)" = "$(embedded)" ] || fail 'scale 0 is a prefix'
# the context is shorter
jq -nc '{tokens: [range(250) | 5]}' > long.jsonl
sr-generate -m base.gguf --max-tokens 1 < long.jsonl > ok
refuses 1 "the prompt has 250 tokens, the model's context 248" bash -c 'sr-generate -m base.gguf -a plain.gguf --max-tokens 1 < long.jsonl'
refuses 1 'at most 249 fit' bash -c 'sr-train-step -m base.gguf --prefix 8 -o x.gguf < <(jq -c ".loss_from = 0" long.jsonl)'

refuses 2 'which?' sr-train-step -m base.gguf --prefix 4 --lora 4 -o x.gguf
refuses 2 'which?' sr-train-step -m base.gguf --prefix 4 -a plain.gguf -o x.gguf
refuses 2 'which?' sr-train-step -m base.gguf --prefix 4 --train-only '*' -o x.gguf
refuses 2 'of a new prefix' sr-train-step -m base.gguf --prefix-mlp 4 -a plain.gguf -o x.gguf
refuses 2 'are of LoRA' sr-train-step -m base.gguf --prefix 4 --dropout 0.1 -o x.gguf
refuses 2 'is of LoRA, this is a prefix' sr-train-step -m base.gguf -a plain.gguf --dropout 0.1 -o x.gguf
refuses 1 'room for 1 to 255' sr-train-step -m base.gguf --prefix 256 -o x.gguf

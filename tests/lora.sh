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

root=$PWD
pairs=$root/data/pairs.csv
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
# rsLoRA: 16 / sqrt(8), said as such in the folder, and as an alpha / 8 in the file.
train rs.gguf --rslora
train rs/ --rslora
jq -e '.use_rslora and .lora_alpha == 16' rs/adapter_config.json > ok || fail 'no rsLoRA in the folder'
close "$(sr-model info --json rs.gguf | jq '.metadata["adapter.lora.alpha"]')" 45.254834 1e-5
close "$(tuned rs.gguf)" "$(tuned rs)" 1e-6
sr-model convert -m base.gguf --to hf rs -o rs.again
settings() { jq -S '.target_modules |= sort' "$1/adapter_config.json"; }
diff <(settings rs.again) <(settings rs) || fail 'rsLoRA is lost between folders'
awk -v a="$(tuned rs.gguf)" -v b="$(tuned quiet.gguf)" 'BEGIN { exit a == b }' || fail 'rsLoRA scales as LoRA does'

# An adapter is trained on as it is, at its own rank and scale, from either form.
for form in rs.gguf rs; do
	sr-train-step -m base.gguf -a $form --rate 1e-3 --batch 32 -o on.gguf < tokens.jsonl > log 2> err || fail "on from $form"
	grep -q 'an adapter of rank 8 on 14 matrices' err || fail 'another adapter'
	close "$(jq -s '.[0].loss' log)" "$(tuned $form)" 1e-6
	jq -es '.[-1].loss < .[0].loss - 0.02' log > ok || fail "it does not learn on: $(tail -n 1 log)"
	close "$(sr-model info --json on.gguf | jq '.metadata["adapter.lora.alpha"]')" 45.254834 1e-5
done
sr-train-step -m base.gguf -a rs --rate 0 --batch 32 -o on/ < once.jsonl > log 2> err
diff <(settings on) <(settings rs) || fail 'another rsLoRA after going on'
close "$(tuned on)" "$(tuned rs)" 1e-7

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

# A base in NF4, in four bits and a bit: it says a little else than the file does, and the adapter learns as well.
said() { sr-train-step -m base.gguf -a quiet.gguf --rate 0 --batch 32 -o x.gguf "$@" < once.jsonl 2> err | jq .loss; }
close "$(said --base nf4)" "$(said)" 0.3
close "$(said --base nf4)" "$(said --base nf4 --double-quant)" 0.02
[ "$(said --base nf4)" != "$(said)" ] && [ "$(said --base nf4)" != "$(said --base nf4 --double-quant)" ] || fail 'nothing is lost to NF4'
train a.gguf --base nf4 --double-quant
jq -es '.[-1].loss < .[0].loss - 0.2' log > ok || fail "it does not learn beside NF4: $(tail -n 1 log)"
# planned and there: bytes of the matrices
sr-model init --like smollm2-135m --layers 4 --type F16 -o wide.gguf
for double in no-double-quant double-quant; do
	sr-train-step -m wide.gguf --lora 4 --base nf4 --$double --dry-run < /dev/null 2> err
	grep -o 'in NF4.*in the file' err
done > planned
diff planned - << END || fail 'other bytes'
in NF4 (8.0 MB that are 28.3 MB in the file
in NF4, doubly quantized (7.3 MB that are 28.3 MB in the file
END
refuses 2 'goes with an adapter' sr-train-step -m base.gguf --base nf4 -o x.gguf
refuses 2 'is of --base nf4' sr-train-step -m base.gguf --lora 4 --double-quant -o x.gguf
refuses 1 'q4.gguf: layer 0 is stored as Q4_0 already' sr-train-step -m q4.gguf --lora 4 --base nf4 -o x.gguf

# The paper's settings: those of the man page's table, one by one; and other options go before them, wherever they stand.
mapfile -t table < <(awk '/^\.It Fl -[a-z0-9-]+ Ta/ { print "-" $3; print $5 }' "$root/man/sr-train-step.1")
[ ${#table[@]} = 30 ] || fail "the man page has ${#table[@]} words of the recipe"
paper() { sr-train-step -m base.gguf -o paper.gguf --valid once.jsonl --steps 4 "$@" < tokens.jsonl > log 2> err; }
paper --recipe sr-llm || fail 'recipe'
grep -q 'rank 64 on 14 matrices.*: 16 records a step' err || fail 'other settings'
jq -c 'del(.tokens_per_s)' log > recipe.log
cp paper.gguf recipe.gguf
paper "${table[@]}" || fail "${table[*]}"
cmp paper.gguf recipe.gguf || fail 'the man page has another recipe'
diff recipe.log <(jq -c 'del(.tokens_per_s)' log)
paper --batch 8 --rate=1e-3 --recipe=sr-llm --lora 4 || fail 'recipe'
grep -q 'rank 4 on 14 matrices.*: 8 records a step' err || fail 'options do not override'
jq -es '.[0].learning_rate == 0.001' log > ok || fail "other settings: $(head -n 1 log)"
paper -a quiet.gguf --recipe sr-llm || fail 'recipe on an adapter'
grep -q 'rank 8 on 14 matrices' err || fail 'another rank'
# early: every 25 steps a look, and an end after three that are no better than the best, as at a rate of 0
jq -c '{tokens: [range(3; 30)], loss_from: 1}' <<< null > strange.jsonl
sr-train-step -m base.gguf -o paper.gguf --valid strange.jsonl --recipe sr-llm --warmup 0 --rate 0 --batch 2 < tokens.jsonl \
	> log 2> err || fail 'recipe'
jq -es 'map(select(.valid_loss)) | (map(.step) | . == [range(1; length + 1) * 25]) and
	map(.best) == [true,false,false,false]' log > ok || fail "other looks: $(grep valid log)"
refuses 2 'must be one of sr-llm' sr-train-step -m base.gguf --recipe none -o x.gguf

# What is learnt from: a prompt without its completion, which the mask begins at and a real end closes.
sr-tokenize -m base.gguf -d --json --show-control < <(jq -c '{tokens: .tokens[.loss_from:]}' once.jsonl) | jq -c .text > said.learnt
sr-prompt -i csv -f completion=benign < pairs.csv > prompts.jsonl
diff <(jq -c '.completion + "<|end|>"' prompts.jsonl) said.learnt || fail 'not the completions and their end'
end=$(sr-model info --json base.gguf | jq '.metadata["tokenizer.ggml.eos_token_id"]')
jq -es --argjson eos "$end" 'all(.[]; (.tokens | index($eos)) == (.tokens | length) - 1)' once.jsonl > ok || fail 'no end of sequence'
# an end that a text spells is no end
[ "$(echo '<|end|>' | sr-tokenize -m base.gguf -i lines --only | jq --argjson eos "$end" '.tokens | index($eos)')" = null ] ||
	fail 'a text ends a sequence'
# whatever the completion is, the prompt is the same, and that of sr-generate
begin() { jq -c '[.id, .loss_from, .tokens[:.loss_from]]'; }
diff <(begin < once.jsonl) <(jq -c '.completion = "Nothing."' prompts.jsonl | sr-tokenize -m base.gguf | begin) > err ||
	fail 'a prompt knows its completion'
diff <(jq -c '[.id, .prompt]' prompts.jsonl) <(sr-prompt -i csv < pairs.csv | jq -c '[.id, .prompt]') > err ||
	fail 'another prompt where there is a completion'

train qv.gguf --targets q_proj,attn_v
grep -q 'on 4 matrices' err || fail 'other targets'
refuses 1 "no matrix of a llama is called 'nothing'" sr-train-step -m base.gguf --lora 4 --targets q_proj,nothing -o x.gguf
refuses 2 'of a new adapter' sr-train-step -m base.gguf -a rs --alpha 4 -o x.gguf
refuses 2 'which?' sr-train-step -m base.gguf -a rs --lora 4 -o x.gguf
refuses 2 'are of LoRA' sr-train-step -m base.gguf --dropout 0.1 -o x.gguf
refuses 1 'cannot write folder/' sr-train-step -m base.gguf -o folder/

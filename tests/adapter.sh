#!/bin/bash
# Adapters: the same one as a GGUF file and as a PEFT folder, beside the model and merged, for
# every architecture, LoRA and prefixes; PEFT's own arithmetic in Python; merge, diff and -a, and what they refuse.
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail()
{
	echo "FAIL: $*" >&2
	exit 1
}

# refused STATUS WORDS COMMAND...: exits with STATUS and a line that says WORDS.
refused()
{
	local want=$1 words=$2 status=0
	shift 2
	"$@" > "$TMP/printed" 2> "$TMP/err" < /dev/null || status=$?
	[ $status -eq "$want" ] || fail "exit $status, not $want, for $words: $* ($(cat "$TMP/err"))"
	grep -qF -- "$words" "$TMP/err" || fail "not '$words' but '$(cat "$TMP/err")': $*"
	[ "$want" -eq 2 ] || [ "$(wc -l < "$TMP/err")" -eq 1 ] || fail "not one line: $(cat "$TMP/err")"
}

echo '[5,17,250,42,9,200,77]' > "$TMP/ids"
seq 40 | sed 's/.*/The quick brown fox number & jumps over the lazy dog./' |
	sr-tokenize --train 280 --control '<|end|>' -o "$TMP/vocab"
# says NAME OPTIONS... MODEL: logits into NAME
says()
{
	SR_PRODUCTS=f32 logits run "${@:2}" "$TMP/$1" < "$TMP/ids"
}
# near A B: logits within rounding
near()
{
	logits compare "$TMP/$1" "$TMP/$2" > "$TMP/apart"
	jq -e '.apart < 1e-4' "$TMP/apart" > "$TMP/printed" || fail "$m: $1 and $2: $(cat "$TMP/apart")"
}

archs=(llama qwen2 qwen3 gpt2 gptneox gemma gemma2 gemma3 phi3)
for m in "${archs[@]}"; do
	d=$TMP/$m
	mkdir "$d"
	sr-model init --vocab "$TMP/vocab" --arch $m --dim 32 --layers 2 --heads 4 --ff 32 --ctx 64 -o "$d/base"
	make_adapter --embedding "$d/base" "$d/lora"

	# The same in both forms, and nothing lost between them.
	sr-model convert -m "$d/base" --to hf "$d/lora" -o "$d/peft"
	sr-model convert -m "$d/base" "$d/peft" -o "$d/again"
	sr-model diff "$d/lora" "$d/again" || fail "$m: another adapter behind PEFT"
	says "$m/base.out" "$d/base"
	says "$m/lora.out" -a "$d/lora" "$d/base"
	says "$m/peft.out" -a "$d/peft" "$d/base"
	cmp "$d/lora.out" "$d/peft.out" || fail "$m: GGUF and PEFT differ"
	logits compare "$d/base.out" "$d/lora.out" | jq -e '.apart > 0.1' > "$TMP/printed" ||
		fail "$m: the adapter changes nothing"

	# None at all, in halves, token by token.
	says "$m/none.out" -a "$d/lora=0" "$d/base"
	cmp "$d/base.out" "$d/none.out" || fail "$m: scale 0 is not none"
	says "$m/halves.out" -a "$d/lora=0.75" -a "$d/peft=.25" "$d/base"
	near $m/lora.out $m/halves.out
	says "$m/rows.out" -r -a "$d/lora" "$d/base"
	near $m/lora.out $m/rows.out

	# Merged: without the embedding, which may be the head as well.
	make_adapter --rank 3 --seed 7 "$d/base" "$d/inner"
	says "$m/inner.out" -a "$d/inner=0.5" "$d/base"
	sr-model merge "$d/base" -a "$d/inner=0.5" -o "$d/merged" 2> "$TMP/err"
	grep -q '^sr-model: largest logit difference from the unmerged model: [0-9.]*e-0[5-9]' "$TMP/err" ||
		fail "$m: merge says $(cat "$TMP/err")"
	says "$m/merged.out" "$d/merged"
	near $m/inner.out $m/merged.out

	# A prefix of words says what the words say: in both forms, at once and token by token.
	SR_PRODUCTS=f32 make_adapter --prefix 6 "$d/base" "$d/words"
	sr-model convert -m "$d/base" --to hf "$d/words" -o "$d/words.peft"
	sr-model convert -m "$d/base" "$d/words.peft" -o "$d/again"
	sr-model diff "$d/words" "$d/again" || fail "$m: another prefix behind PEFT"
	jq -c '[3,1,4,1,5,9] + .' "$TMP/ids" | SR_PRODUCTS=f32 logits run "$d/base" "$d/told.all"
	# of 13 positions the last 7
	{ head -c 8 "$d/base.out"; tail -c $((7 * 4 * $(od -An -tu4 -j4 -N4 "$d/base.out"))) "$d/told.all"; } > "$d/told.out"
	says "$m/words.out" -a "$d/words" "$d/base"
	cmp "$d/words.out" "$d/told.out" || fail "$m: a prefix is not its words"
	says "$m/words.peft.out" -a "$d/words.peft" "$d/base"
	cmp "$d/words.out" "$d/words.peft.out" || fail "$m: the prefix in GGUF and PEFT differ"
	says "$m/words.rows.out" -r -a "$d/words" "$d/base"
	near $m/words.out $m/words.rows.out
	says "$m/both.out" -a "$d/words" -a "$d/lora" "$d/base"
	says "$m/both.other.out" -a "$d/lora" -a "$d/words" "$d/base"
	cmp "$d/both.out" "$d/both.other.out" || fail "$m: a prefix and LoRA hang on their order"
	! cmp -s "$d/both.out" "$d/words.out" || fail "$m: LoRA changes nothing behind a prefix"
done

# PEFT's own arithmetic, on the folders.
python=$(command -v python3 || true)
if [ -n "$python" ]; then
	others=() jobs=()
	for m in "${archs[@]}"; do
		d=$TMP/$m
		sr-model convert --to hf "$d/base" -o "$d/hf"
		others+=("$d/peft" "$d/other")
		jobs+=("$d/hf" "$d/peft" "$d/peer.out" "$d/hf" "$d/other" "$d/there.out"
			"$d/hf" "$d/words.peft" "$d/words.there.out")
	done
	python3 tests/peers/peft_logits.py rewrite "${others[@]}"
	python3 tests/peers/peft_logits.py score "${jobs[@]}" < "$TMP/ids"
	for m in "${archs[@]}"; do
		d=$TMP/$m
		near $m/peer.out $m/peft.out
		near $m/words.there.out $m/words.out
		says "$m/other.out" -a "$d/other" "$d/base"
		near $m/there.out $m/other.out
		sr-model convert -m "$d/base" "$d/other" -o "$d/plain"
		says "$m/plain.out" -a "$d/plain" "$d/base"
		cmp "$d/other.out" "$d/plain.out" || fail "$m: rsLoRA as GGUF is another adapter"
	done
fi

# merge: types, metadata, an adapter in F16 of a quantized model, the embedding.
d=$TMP/llama
sr-model quantize "$d/base" -o "$d/q8" 2> "$TMP/err"
sr-model merge "$d/q8" -a "$d/inner" -o "$d/m8" 2> "$TMP/err"
[ "$(sr-model diff --json "$d/q8" "$d/m8" | jq -c '[.keys, (.tensors | map(.a == .b) | unique)]')" \
	= '[[],[true]]' ] || fail 'merge changed more than values'
sr-model merge "$d/base" -a "$d/inner" --type Q8_0 --probe README.md -o "$d/m8" 2> "$TMP/err"
! sr-model diff --json "$d/q8" "$d/m8" > "$TMP/out" || fail 'nothing is merged'
jq -e '.keys == [] and .same_tensors > 0' "$TMP/out" > "$TMP/printed" ||
	fail 'merge --type is not quantize'
sr-model merge "$d/base" -a "$d/inner=0" -o "$d/none" 2> "$TMP/err"
cmp "$d/base" "$d/none" || fail 'nothing merged is not the same file'
refused 2 '-a ADAPTER says' sr-model merge "$d/base" -o "$d/x"
refused 2 '-o FILE says' sr-model merge "$d/base" -a "$d/inner"
refused 2 'must be one of F32, F16' sr-model merge "$d/base" -a "$d/inner" --type Q9 -o "$d/x"
refused 1 'token_embd.weight, which is the head as well' \
	sr-model merge "$TMP/gpt2/base" -a "$TMP/gpt2/lora" -o "$d/x"

refused 1 'a prefix is no part of the weights' sr-model merge "$d/base" -a "$d/words" -o "$d/x"
refused 1 'a prefix has no scale' sr-embed -m "$d/base" -a "$d/words=0.5"
refused 1 'another prefix is there already' sr-embed -m "$d/base" -a "$d/words" -a "$d/words"
make_adapter --prefix 16 "$d/base" "$d/long"
sr-model init --vocab "$TMP/vocab" --dim 32 --layers 2 --heads 4 --ff 32 --ctx 16 -o "$TMP/narrow"
refused 1 '16 virtual tokens, where a model of 16 positions has room for 1 to 15' sr-embed -m "$TMP/narrow" -a "$d/long"
sr-model info "$d/words" | grep -qx 'adapter       for "llama", a prefix of 6 virtual tokens' ||
	fail "info says $(sr-model info "$d/words")"
sr-model info "$d/words.peft" | grep -q 'a prefix of 6 virtual tokens' || fail "info says $(sr-model info "$d/words.peft")"

# -a: on every tool that runs a model, and with a line about what is wrong.
for tool in 'sr-generate' 'sr-embed' 'sr-score-bias loglik' 'sr-score-rewrite' 'sr-debias'; do
	refused 1 "$d/nowhere" $tool -m "$d/base" -a "$d/nowhere"
	refused 1 'architecture llama, the model is a gpt2' $tool -m "$TMP/gpt2/base" -a "$d/lora"
	$tool --help | tr -s ' \n' ' ' | grep -qF -- '-a, --adapter FILE[=SCALE] adapter on the model' || fail "$tool --help"
done
refused 1 'model_type gpt2 has no model.' sr-embed -m "$TMP/gpt2/base" -a "$d/peft"
refused 1 'no adapter' sr-embed -m "$d/base" -a "$d/base"
sr-model init --vocab "$TMP/vocab" --dim 64 --layers 1 --heads 4 -o "$TMP/wide"
refused 1 'another base model?' sr-embed -m "$TMP/wide" -a "$d/inner"
refused 1 'another base model?' sr-embed -m "$TMP/wide" -a "$d/words"
refused 1 'another base model?' sr-embed -m "$TMP/wide" -a "$d/words.peft"
refused 1 'adapter_config.json' sr-embed -m "$d/base" -a "$d"
embedding()
{
	echo 'the rain' | sr-embed -i lines -m "$d/base" "$@" | jq -c .embedding
}
[ "$(embedding)" != "$(embedding -a "$d/lora")" ] || fail 'sr-embed -a changes nothing'
[ "$(embedding)" = "$(embedding -a "$d/lora=0")" ] || fail 'sr-embed -a LORA=0 changes something'
echo 'the rain' | sr-score-bias loglik -i lines -m "$d/base" -a "$d/lora=0.5" | tail -n 1 |
	jq -e --arg m "$d/base + $d/lora=0.5" '.model == $m' > "$TMP/printed" || fail 'the summary names no adapter'

# diff
sr-model diff "$d/base" "$d/base" > "$TMP/out" || fail 'a file is not itself'
[ ! -s "$TMP/out" ] || fail 'diff tells of equal files'
! sr-model diff -q "$d/base" "$d/q8" > "$TMP/out" || fail 'diff -q sees nothing'
[ ! -s "$TMP/out" ] || fail 'diff -q is not quiet'
sr-model set "$d/base" -o "$d/set" general.license=MIT
! sr-model diff "$d/base" "$d/set" > "$TMP/out" || fail 'diff sees no key'
grep -qx 'key general.license: none | "MIT"' "$TMP/out" || fail "diff says $(cat "$TMP/out")"
! sr-model diff --json "$d/base" "$TMP/qwen2/base" > "$TMP/out" || fail 'diff sees no model'
jq -e '.equal == false and (.tensors | map(select(.a == null)) | length) == 6 and
	(.keys | map(select(.name == "general.architecture")) == [{name: "general.architecture", a: "llama", b: "qwen2"}])' \
	"$TMP/out" > "$TMP/printed" || fail "diff --json: $(cat "$TMP/out")"
refused 1 'nowhere' sr-model diff "$d/base" "$TMP/nowhere"
refused 2 'two models' sr-model diff "$d/base"
[ -n "$python" ] || { echo 'skipped: python3 computes as PEFT does'; exit 77; }

#!/bin/bash
# sr-model: every verb on a small model, its refusals, llama2.c's models against their reference.
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail()
{
	echo "FAIL: $*" >&2
	exit 1
}

# refused STATUS WORDS COMMAND...: exits with STATUS, stdout stays empty, stderr says WORDS.
refused()
{
	local want=$1 words=$2 status=0
	shift 2
	"$@" > "$TMP/out" 2> "$TMP/err" || status=$?
	[ $status -eq "$want" ] || fail "exit $status, not $want: $*"
	[ ! -s "$TMP/out" ] || fail "something on stdout: $*"
	head -n 1 "$TMP/err" | grep -q '^sr-model: ' || fail "no message: $*"
	grep -qF -- "$words" "$TMP/err" || fail "not '$words' but '$(cat "$TMP/err")': $*"
}

same()
{
	[ "$1" = "$2" ] || fail "'$1' is not '$2'"
}

for i in {1..40}; do
	echo "The quick brown fox number $i jumps over the lazy dog, and nobody minds."
done | sr-tokenize --train 300 --control '<|end|>' -o "$TMP/vocab.gguf"
init=(sr-model init --vocab "$TMP/vocab.gguf" --dim 64 --layers 2 --heads 4 --kv-heads 2
	--ff 80 --ctx 64)

# init: the same seed gives the same bytes, the shape is the one asked for.
"${init[@]}" --seed 3 -o "$TMP/a.gguf"
"${init[@]}" --seed 3 -o "$TMP/b.gguf"
"${init[@]}" --seed 4 --untied -o "$TMP/c.gguf"
cmp "$TMP/a.gguf" "$TMP/b.gguf"
! cmp -s "$TMP/a.gguf" "$TMP/c.gguf" || fail "another seed, the same bytes"
info()
{
	sr-model info --json "$1" | jq -rc "$2"
}
same "$(info "$TMP/a.gguf" '[.architecture, .layers, .width, .heads, .kv_heads, .context]')" \
	'["llama",2,64,4,2,64]'
same "$(info "$TMP/a.gguf" .feed_forward)" 80
n=$(info "$TMP/a.gguf" .vocabulary)
same "$(info "$TMP/a.gguf" .parameters)" \
	$((n * 64 + 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 80 + 2 * 64)))
same "$(info "$TMP/c.gguf" .tied)" false
same "$(info "$TMP/a.gguf" .tied)" true
sr-model info "$TMP/a.gguf" "$TMP/vocab.gguf" > "$TMP/text"
grep -q 'architecture  llama: 2 layers of width 64' "$TMP/text"
grep -q "vocabulary    $n tokens, byte-level BPE" "$TMP/text"
grep -q '^kind  *a vocabulary alone' "$TMP/text"

# What it is, its special tokens, and the memory that it needs: keys and values in f32 for 64
# positions of 2 layers, training with weights, gradients and two moments at the least.
same "$(info "$TMP/vocab.gguf" .kind)" vocabulary
same "$(info "$TMP/a.gguf" '[.kind, .special.eos.text, .memory.kv]')" \
	"[\"model\",\"<|end|>\",$((2 * 4 * 2 * 64 * 32))]"
info "$TMP/a.gguf" '.memory.weights == ([.groups[].bytes] | add) and .memory.weights > .parameters * 4 - 1
	and .memory.train > .parameters * 16' | grep -qx true || fail "memory"
same "$(info data/models/ngram.gguf .kind)" judge
sr-model set "$TMP/a.gguf" -o "$TMP/other.gguf" general.architecture=sparrow
same "$(info "$TMP/other.gguf" '[.kind, (.why | contains("sparrow"))]')" '["other",true]'
if command -v python3 > /dev/null; then
	python3 tests/peers/lora.py "$TMP/a.gguf" "$TMP/lora.gguf"
	sr-model convert -m "$TMP/a.gguf" --to hf "$TMP/lora.gguf" -o "$TMP/peft"
	for adapter in "$TMP/lora.gguf" "$TMP/peft"; do
		same "$(info "$adapter" '[.kind, .rank, .metadata."adapter.lora.alpha", .tensors]')" \
			'["adapter",4,8,28]'
		sr-model info "$adapter" > "$TMP/text"
		grep -q '^adapter  .*rank 4, alpha 8' "$TMP/text"
	done
fi
sr-model set "$TMP/a.gguf" -o "$TMP/chat.gguf" \
	tokenizer.chat_template="{{'<|im_start|>' + message['role'] + message['content'] + '<|im_end|>'}}"
same "$(info "$TMP/chat.gguf" .template)" chatml
mkdir "$TMP/empty"
refused 1 "$TMP/empty" sr-model info "$TMP/empty"

# init without a vocabulary: published shapes with their special tokens at their places, and a
# small model of every architecture; their vocabularies are sound.
same "$(sr-model init --help | tr -s ' \n' ' ' | grep -c 'llama2-7b.*gemma3-270m')" 1
for like in smollm2-135m:576:0 tinyllama-1.1b:2048:2 gpt2:768:50256; do
	IFS=: read -r name width eos <<< "$like"
	sr-model init --like "$name" --layers 1 --ff 32 --type Q8_0 -o "$TMP/like.gguf"
	same "$(info "$TMP/like.gguf" '.metadata |
		[."general.name", ."tokenizer.ggml.eos_token_id"]')" "[\"$name\",$eos]"
	same "$(info "$TMP/like.gguf" '.groups[0].shape[0]')" "$width"
	text='{"text":"the rain in Spain <0x0A> \u00e9\ud83d\ude00"}'
	same "$(sr-tokenize -m "$TMP/like.gguf" <<< "$text" | sr-tokenize -m "$TMP/like.gguf" -d --json |
		jq -c '{text}')" "$(jq -c . <<< "$text")"
done
for arch in llama qwen2 qwen3 gpt2 gptneox gemma gemma2 gemma3 phi3; do
	sr-model init --arch $arch --dim 64 --layers 2 --heads 4 --ff 64 -s 5 -o "$TMP/arch.gguf"
	sr-model init --arch $arch --dim 64 --layers 2 --heads 4 --ff 64 -s 5 -o "$TMP/again.gguf"
	cmp "$TMP/arch.gguf" "$TMP/again.gguf"
	same "$(info "$TMP/arch.gguf" '[.metadata."general.architecture", .vocabulary]')" "[\"$arch\",512]"
done
refused 2 'must be one of llama, qwen2' sr-model init --arch bert -o "$TMP/x"
refused 2 'must be one of smollm2-135m' sr-model init --like gpt5 -o "$TMP/x"

# set: values typed by their keys, everything else kept; a file may be changed in place.
sr-model set "$TMP/a.gguf" -o "$TMP/set.gguf" sr.safety.threshold=0.62 'sr.bias.values=yes|no|' \
	$'sr.rewrite.prompt=[[<|text|>]]{text}=\n\e[31m' general.license=MIT llama.context_length=32
same "$(info "$TMP/set.gguf" '.metadata | [."sr.safety.threshold", ."sr.bias.values"]')" \
	'[0.62,["yes","no",""]]'
same "$(info "$TMP/set.gguf" '[.context, .metadata."general.license"]')" '[32,"MIT"]'
same "$(info "$TMP/set.gguf" '.metadata."sr.rewrite.prompt"')" $'[[<|text|>]]{text}=\n\e[31m'
sr-model info "$TMP/set.gguf" > "$TMP/text"
! grep -q $'\e' "$TMP/text" || fail "info passes control characters on"
sr-model set "$TMP/set.gguf" -o "$TMP/set.gguf" --drop sr.bias.values --drop sr.rewrite.prompt \
	--drop sr.safety.threshold --drop general.license llama.context_length=64
cmp "$TMP/set.gguf" "$TMP/a.gguf"
sr-model set "$TMP/a.gguf" -o "$TMP/set.gguf" sr.harm.temperature=1.5 tokenizer.ggml.eot_token_id=3 tokenizer.ggml.add_bos_token=true
same "$(info "$TMP/set.gguf" '.metadata | [."sr.harm.temperature", ."tokenizer.ggml.eot_token_id", ."tokenizer.ggml.add_bos_token"]')" \
	'[1.5,3,true]'
refused 2 'eot_token_id wants a whole number' sr-model set "$TMP/a.gguf" -o "$TMP/x" tokenizer.ggml.eot_token_id=3.5
refused 2 'sr.safety.threshold wants a number' \
	sr-model set "$TMP/a.gguf" -o "$TMP/x" sr.safety.threshold=high
refused 2 "is no KEY=VALUE" sr-model set "$TMP/a.gguf" -o "$TMP/x" general.license
refused 1 'no key sr.none' sr-model set "$TMP/a.gguf" -o "$TMP/x" --drop sr.none

# quantize: smaller, all metadata there, rows that are no whole blocks (80) in F16 with a note
# for the first of them.
sr-model quantize "$TMP/a.gguf" -o "$TMP/q8.gguf" 2> "$TMP/err"
note='ffn_down.weight: rows of 80 values are no whole blocks of Q8_0, stored as F16'
same "$(grep -c "$note" "$TMP/err")" 1
grep -q '^sr-model: 1 more likewise$' "$TMP/err" || fail "no word on the others: $(cat "$TMP/err")"
types='.groups | map({(.name): .type}) | add | [.attn_norm, .attn_q, .ffn_down]'
same "$(info "$TMP/q8.gguf" "$types")" '["F32","Q8_0","F16"]'
[ "$(stat -c %s "$TMP/q8.gguf")" -lt $(($(stat -c %s "$TMP/a.gguf") * 2 / 5)) ] ||
	fail "Q8_0 is not smaller"
sr-model quantize --type f16 -v "$TMP/a.gguf" -o "$TMP/f16.gguf" 2> "$TMP/err"
grep -q 'attn_q.weight .* F32 -> F16  error' "$TMP/err" || fail "-v tells no errors"
sr-model quantize --type F32 "$TMP/f16.gguf" -o "$TMP/f32.gguf"
sr-model quantize --type F16 "$TMP/f32.gguf" -o "$TMP/again.gguf"
cmp "$TMP/f16.gguf" "$TMP/again.gguf"
refused 2 'must be one of F32, F16, BF16, Q8_0' sr-model quantize --type Q2_K "$TMP/a.gguf" -o "$TMP/x"

# Wrong use and wrong files: a clear line, and nothing is written.
refused 2 'a verb is missing' sr-model
refused 2 "no verb is called 'fly'" sr-model fly
refused 2 '-o FILE' sr-model quantize "$TMP/a.gguf"
refused 2 'does not split into 3 heads' "${init[@]}" --heads 3 -o "$TMP/x"
refused 2 'not a multiple of --kv-heads 3' "${init[@]}" --kv-heads 3 -o "$TMP/x"
sr-model set "$TMP/vocab.gguf" -o "$TMP/bare.gguf" --drop tokenizer.ggml.tokens
refused 1 'no vocabulary' sr-model init --vocab "$TMP/bare.gguf" -o "$TMP/x"
refused 1 'no GGUF file' sr-model info tests/model.sh
refused 1 'No such file' sr-model info "$TMP/none.gguf"
head -c 4000 "$TMP/a.gguf" > "$TMP/cut.gguf"
refused 1 'ends within' sr-model info "$TMP/cut.gguf"
head -c 100000 "$TMP/a.gguf" > "$TMP/cut.gguf"
refused 1 'truncated?' sr-model quantize "$TMP/cut.gguf" -o "$TMP/x"
refused 1 'no llama2.c model' sr-model convert tests/model.sh --tokenizer "$TMP/a.gguf" -o "$TMP/x"
refused 1 'a GGUF file already' sr-model convert "$TMP/a.gguf" --tokenizer "$TMP/a.gguf" -o "$TMP/x"
[ ! -e "$TMP/x" ] || fail "a failed run left a file"
if [ -c /dev/full ]; then
	status=0
	sr-model info "$TMP/a.gguf" > /dev/full 2> "$TMP/err" || status=$?
	same $status 1
fi
for verb in info init convert quantize set; do
	sr-model $verb --help > "$TMP/out"
	grep -q "^usage: sr-model $verb" "$TMP/out" || fail "no help for $verb"
	refused 2 'unknown option --wrong' sr-model $verb --wrong
done

# Real models of llama2.c, greedy, against what the reference program prints. A tokenizer that is
# none is refused by name; without it there is nothing to compare.
models=../shared/models
[ -d $models ] || { echo "skipped: the llama2.c models are not there; all else passed"; exit 77; }
proved=0
for greedy in "$models"/*/greedy.jsonl; do
	dir=${greedy%/*}
	tok=$(echo "$dir"/tok*.bin)
	bin=$(find "$dir" -name '*.bin' ! -name 'tok*')
	if ! sr-model convert "$bin" --tokenizer "$tok" -o "$TMP/m.gguf" 2> "$TMP/err"; then
		grep -q 'no llama2.c tokenizer' "$TMP/err" || fail "$(cat "$TMP/err")"
		echo "$tok is no tokenizer: $bin is not compared"
		continue
	fi
	# 120 positions are fed, BOS the first; what the last one gives is printed too.
	jq -c '{prompt}' "$greedy" |
		sr-generate -m "$TMP/m.gguf" --temperature 0 --positions 120 --special |
		jq -c '.prompt + .output' > "$TMP/got"
	jq -c .greedy "$greedy" > "$TMP/want"
	diff "$TMP/want" "$TMP/got"
	proved=$((proved + 1))
done
[ $proved -gt 0 ] || fail "no model was compared"

# bench: what a token reads and computes follows from the shape alone
sr-model init --arch llama --dim 64 --layers 2 --heads 4 --kv-heads 2 --ff 96 --vocab "$TMP/vocab.gguf" -o "$TMP/timed"
sr-model bench -p 24 -g 8 -r 1 -t 1 "$TMP/timed" > "$TMP/out"
[ "$(cut -f 2-3 "$TMP/out" | tr '\t\n' '  ')" = 'test tokens prompt 24 generation 8 ' ]
vocab=$(sr-model info --json "$TMP/timed" | jq .vocabulary)
awk -F '\t' -v vocab="$vocab" '
	function near(a, b) { return a > 0.999 * b && a < 1.001 * b }
	BEGIN { layer = 64 * 64 * 2 + 64 * 32 * 2 + 64 * 96 * 3 }
	NR == 2 { good += $4 > 0 && near($5, 2 * layer * 4 / 24 / 1e6) && near($6, 2 * (2 * layer + 2 * 2 * 64 * 12) / 1e9) }
	NR == 3 { good += near($5, (2 * layer + vocab * 64 + 2 * 2 * 32 * 28) * 4 / 1e6) }
	END { exit good != 2 }' "$TMP/out" || { cat "$TMP/out"; fail 'other figures'; }
refused 2 'bench takes model files' sr-model bench

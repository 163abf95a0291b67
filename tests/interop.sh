#!/bin/bash
# llama.cpp and we make the same of the same files. It comes from npm (`make peers`), or SR_PEERS names the folder with
# its node_modules; without it, or without node, there is nothing to compare.
#
# Every file that is compared is a job for llama.cpp; all jobs are run at once in the middle, our side before, the
# comparisons behind.
set -eu -o pipefail
export SR_PRODUCTS=f32 # of the same weights; what products round is tests/test_blocks.c's
peers=${SR_PEERS:-$BUILD/peers}
command -v node > /dev/null || { echo 'skipped: node is not here'; exit 77; }
[ -d "$peers/node_modules/node-llama-cpp" ] || { echo 'skipped: llama.cpp is not here (make peers)'; exit 77; }
libs=$(find "$peers/node_modules/@node-llama-cpp" -name 'libllama.*so*' -printf '%h\n' -quit)

failed=0
fail()
{
	echo "FAIL: $*"
	failed=$((failed + 1))
}

# What is tokenized.
jq -Rc '{text: .}' > "$TMP/texts" << 'END'
The quick brown fox jumps over the lazy dog.
  Two blanks before,  two within, and two behind  
It's 2,048 or 3.14159? "Don't!" -- they'd said (twice); he'll see: we're I'VE
naïve façade, Übergröße, Ελληνικά, русский язык, 中文字符, 日本語, 한국어, العربية, हिन्दी
emoji 😀👍🏽 and e + combining acute: é, a zero width‍joiner, a no-break space
under_score CamelCase x=y+z; /path/to/file.c #include <stdio.h> {"a": [1, 2]}
a	tab, and ...... ----- ====== !!!!
1234567890 12 123 1234 0x1F ½ Ⅷ ²
END

# tokens MODEL < records: an array of ids a line, no BOS in front
tokens()
{
	sr-tokenize -m "$1" --only | jq -c --argjson bos "$(bos "$1")" \
		'.tokens | if .[0] == $bos then .[1:] else . end'
}

# The BOS that a model's texts begin with, or null.
bos()
{
	sr-model info --json "$1" | jq '.metadata |
		if .["tokenizer.ggml.add_bos_token"] then .["tokenizer.ggml.bos_token_id"] else null end'
}

# job NAME MODEL [JQ]: let llama.cpp say what follows every token of NAME.ids; JQ adds to the job.
job()
{
	jq -nc --slurpfile ids "$TMP/$1.ids" --arg model "$2" \
		"{model: \$model, ids: \$ids, logits: (\$model + \".there\")} ${3:+| $3}" >> "$TMP/jobs"
}

# here NAME MODEL [OPTIONS]: the same from us, at once and token by token.
here()
{
	logits run "${@:3}" "$2" "$2.here" < "$TMP/$1.ids"
	rows "$@"
}

rows()
{
	logits run "${@:3}" -r "$2" "$2.rows" < "$TMP/$1.ids"
}

# Trained models: as F32 and F16, their tokens, and 64 tokens from each of two beginnings.
models=()
model()
{
	models+=("$1")
	sed -n 7,20p data/demo.txt | jq -Rc '{text: .}' | tokens "$2" |
		jq -c --argjson bos "$(bos "$2")" 'if $bos then [$bos] + . else . end' > "$TMP/$1.ids"
	for type in F32 F16; do
		sr-model quantize --type $type "$2" -o "$TMP/$1.$type"
		here "$1" "$TMP/$1.$type"
	done
	tokens "$2" < "$TMP/texts" > "$TMP/$1.tokens"
	head -n 2 "$TMP/$1.ids" | jq -c '{tokens: .[:8]}' > "$TMP/$1.prompts"
	sr-generate -m "$TMP/$1.F32" --temperature 0 --ignore-eos --max-tokens 64 --special \
		< "$TMP/$1.prompts" | jq -c .output > "$TMP/$1.output"
	job "$1" "$TMP/$1.F32" ".prompts = (\$ids[:2] | map(.[:8])) | .greedy = 64 |
		.texts = $(jq -sc 'map(.text)' "$TMP/texts")"
	job "$1" "$TMP/$1.F16"
}
model sr data/models/sr.gguf
model base data/models/base.gguf
stories=../shared/models/stories260K
if [ -d $stories ]; then
	sr-model convert $stories/stories260K.bin --tokenizer $stories/tok512.bin -o "$TMP/stories"
	model stories "$TMP/stories"
fi

# The vocabularies of others, as they lie beside their models.
vocabs=()
for folder in ../shared/tokenizers/*/; do
	name=$(basename "$folder")
	if ! sr-model init --vocab "$folder" --dim 32 --layers 1 --heads 1 --ff 32 --type Q8_0 -o "$TMP/$name" \
		2> "$TMP/err"; then
		echo "$name: not compared: $(cat "$TMP/err")"
		continue
	fi
	vocabs+=("$name")
	tokens "$TMP/$name" < "$TMP/texts" > "$TMP/$name.tokens"
	jq -sc --arg model "$TMP/$name" '{model: $model, texts: map(.text)}' "$TMP/texts" >> "$TMP/jobs"
done

# Every type that we write, next to llama.cpp's own file of it.
types='BF16 Q8_0 Q4_0 Q5_0 Q5_1 IQ4_NL Q4_K Q5_K Q6_K Q4_K_M Q5_K_M'
head -n 9 "$TMP/base.ids" > "$TMP/types.ids"
ln -s "$TMP/base.F32" "$TMP/types.F32"
job types "$TMP/types.F32"
for type in $types; do
	sr-model quantize --type "$type" "$TMP/base.F32" -o "$TMP/ours.$type"
	python3 tests/peers/llama_quantize.py "$libs" "$TMP/base.F32" "$TMP/theirs.$type" "$type"
	rows types "$TMP/ours.$type"
	job types "$TMP/ours.$type"
	job types "$TMP/theirs.$type"
done

# Every architecture with small random weights, all of whose parts show; a window that is shorter
# than the texts.
archs=()
arch()
{
	local name=$1

	archs+=("$name")
	sr-model init "${@:2}" --ctx 64 -s 3 -o "$TMP/$name.F32"
	jq -nc "range(${texts:-3}) as \$k | [range(${long:-32})"' | (. * . * 31 + . * 7 + $k * 101) % 509 + 3]' > "$TMP/$name.ids"
	here "$name" "$TMP/$name.F32"
	job "$name" "$TMP/$name.F32"
}
small=(--dim 64 --layers 3 --heads 4 --ff 96)
arch llama --arch llama "${small[@]}" --kv-heads 2
arch qwen2 --arch qwen2 "${small[@]}" --kv-heads 2
arch qwen3 --arch qwen3 "${small[@]}" --kv-heads 2 --head-dim 32
arch gpt2 --arch gpt2 "${small[@]}"
arch gptneox --arch gptneox "${small[@]}"
arch gemma --arch gemma "${small[@]}" --kv-heads 1 --head-dim 32
arch gemma2 --arch gemma2 "${small[@]}" --kv-heads 2 --window 9
arch gemma3 --arch gemma3 "${small[@]}" --kv-heads 2 --window 9 --layers 7
# llama.cpp leaves this one's window out
arch phi3 --arch phi3 "${small[@]}" --window 64
# RoPE's factors; little text, for the vocabulary is large
texts=1 long=12 arch llama3 --like llama3.2-1b --layers 2 --dim 64 --heads 2 --kv-heads 1 --ff 64

# Adapters change what they say as they change what we say. The first has been through a PEFT folder.
loras=()
lora()
{
	local model=$TMP/$1.F32 with=$TMP/$1.lora

	loras+=("$1")
	ln -s "$model" "$with"
	here "$1" "$with" -a "$2"
	job "$1" "$with" ".lora = \"$2\""
}
for name in base gpt2 gptneox gemma3 phi3; do
	python3 tests/peers/lora.py "$TMP/$name.F32" "$TMP/$name.gguf"
done
sr-model convert -m "$TMP/base.F32" --to hf "$TMP/base.gguf" -o "$TMP/peft"
sr-model convert -m "$TMP/base.F32" "$TMP/peft" -o "$TMP/again.gguf"
lora base "$TMP/again.gguf"
for name in gpt2 gptneox gemma3 phi3; do
	lora $name "$TMP/$name.gguf"
done
# Trained here, scaled as LoRA and as rsLoRA, which GGUF knows by its alpha alone.
sr-prompt -i csv -f completion=benign < data/pairs.csv | sr-tokenize -m "$TMP/base.F32" --only | sed -n 1,64p > "$TMP/pairs"
for name in trained rslora; do
	options=(--lora 8 --alpha 24)
	[ $name = trained ] || options+=(--rslora)
	for file in F32 ids F32.there; do
		ln -s "$TMP/base.$file" "$TMP/$name.$file"
	done
	sr-train-step -m "$TMP/base.F32" -o "$TMP/$name.gguf" "${options[@]}" --rate 5e-3 --batch 8 \
		< "$TMP/pairs" > "$TMP/log" 2> "$TMP/err" || fail "$name: $(cat "$TMP/err")"
	lora $name "$TMP/$name.gguf"
done

node tests/peers/llama_cpp.mjs "$peers" < "$TMP/jobs" > "$TMP/results"
errors=$(jq -c 'select(.error)' "$TMP/results")
[ -z "$errors" ] || fail "$errors"

# holds WHAT JQ WANT GOT: the comparison of two files of logits satisfies JQ.
holds()
{
	local found

	found=$(logits compare "$3" "$4") || fail "$1"
	echo "$1: $found"
	jq -e "$2" <<< "$found" > /dev/null || fail "$1: not $2"
}

# result FILE JQ: of what llama.cpp said of that file
result()
{
	jq -c "select(.model == \"$TMP/$1\") | $2" "$TMP/results"
}

for name in "${vocabs[@]}"; do
	diff "$TMP/$name.tokens" <(result "$name" '.tokens[]') || fail "$name: other tokens"
done

for name in "${models[@]}"; do
	diff "$TMP/$name.tokens" <(result "$name.F32" '.tokens[]') || fail "$name: other tokens"
	# What they said as text, and the beginning before what we said.
	result "$name.F32" '.greedy' | jq -c --slurpfile p "$TMP/$name.prompts" 'to_entries[] | {tokens: ($p[.key].tokens + .value)}' |
		sr-tokenize -m "$TMP/$name.F32" -d --json --show-control | jq -c .text > "$TMP/$name.said"
	sr-tokenize -m "$TMP/$name.F32" -d --json --show-control < "$TMP/$name.prompts" |
		jq -c --slurpfile o "$TMP/$name.output" '.text + $o[input_line_number - 1]' |
		diff - "$TMP/$name.said" || fail "$name: another text"
	holds "$name F32 at once" '.kl_max < 1e-6 and .same == 1' "$TMP/$name.F32".{there,here}
	holds "$name F32 token by token" '.kl_max < 1e-6 and .same == 1' "$TMP/$name.F32".{there,rows}
	holds "$name F16 at once" '.kl < 1e-3 and .same >= 0.99' "$TMP/$name.F16".{there,here}
	holds "$name F16 token by token" '.kl < 1e-3 and .same >= 0.99' "$TMP/$name.F16".{there,rows}
done

# bound NAME: how near two programs in f32 are
bound()
{
	case $1 in
	g*) echo '.kl_max < 1e-6 and .apart < 0.01' ;; # GELU is a table of f16 there
	*) echo '.kl_max < 1e-9 and .apart < 1e-4' ;;
	esac
}
for name in "${archs[@]}"; do
	holds "$name at once" "$(bound "$name")" "$TMP/$name.F32".{there,here}
	holds "$name token by token" "$(bound "$name")" "$TMP/$name.F32".{there,rows}
done
for name in "${loras[@]}"; do
	holds "$name: what its adapter changes" '.kl > 0.01' "$TMP/$name".{F32,lora}.there
	holds "$name with an adapter at once" "$(bound "$name")" "$TMP/$name.lora".{there,here}
	holds "$name with an adapter token by token" "$(bound "$name")" "$TMP/$name.lora".{there,rows}
done

# No further from F32 than llama.cpp's own file, here and there, as far as so few positions tell. Products
# with quantized weights are rounded there, too.
for type in $types; do
	holds "$type" '.kl < 2e-3' "$TMP/ours.$type".{there,rows}
	lost=$(for said in ours.$type.rows ours.$type.there theirs.$type.there; do
		logits compare "$TMP/types.F32.there" "$TMP/$said"
	done | jq -sc 'map(.kl)')
	echo "$type: KL divergence from F32 $lost"
	jq -e '.[0] <= .[2] * 1.1 and .[1] <= .[2] * 1.25' <<< "$lost" > /dev/null ||
		fail "$type: further from F32 than llama.cpp's own"
done
[ $failed -eq 0 ]

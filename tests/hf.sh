#!/bin/bash
# Hugging Face folders: read as transformers would read them (a second derivation in Python says what
# comes out), turned into GGUF and back without loss, refused with a word about why.
set -eu -o pipefail
cd "$(dirname "$0")/.."
export SR_PRODUCTS=f32 # the weights, not what products round

fail()
{
	echo "FAIL: $*" >&2
	exit 1
}

# refused STATUS WORDS COMMAND...: exits with STATUS and one line that says WORDS.
refused()
{
	local want=$1 words=$2 status=0
	shift 2
	"$@" > "$TMP/printed" 2> "$TMP/err" || status=$?
	[ $status -eq "$want" ] || fail "exit $status, not $want, for $words: $* ($(cat "$TMP/err"))"
	grep -qF -- "$words" "$TMP/err" || fail "not '$words' but '$(cat "$TMP/err")': $*"
	[ "$want" -eq 2 ] || [ "$(wc -l < "$TMP/err")" -eq 1 ] || fail "not one line: $(cat "$TMP/err")"
}

command -v python3 > /dev/null || { echo "skipped: python3 makes the folders"; exit 77; }
peer()
{
	python3 tests/peers/hf_logits.py "$@"
}

printf '%s\n' 'Hi' 'abc xyz, the fox' 'a b  c' > "$TMP/texts"
loglik()
{
	sr-score-bias loglik -i lines -m "$1" < "$TMP/texts" | jq '.scores.loglik.sum // empty'
}
# near WHAT TOLERANCE WANT GOT
near()
{
	paste "$3" "$4" | awk -v tol="$2" 'NF != 2 || ($1 - $2) ^ 2 > (tol * $1) ^ 2 { bad = 1 }
		END { exit bad || NR != 3 }' || fail "$1: $(paste "$3" "$4")"
}

peer make "$TMP/in"
peer score "$TMP/in"/* < "$TMP/texts"
mkdir "$TMP/out"
for d in "$TMP/in"/*; do
	case=${d##*/}
	# The products of F16 and BF16 weights round what is multiplied by them; F32 ones do not.
	loglik "$d" > "$TMP/got"
	near "$case" 0.02 "$d/loglik" "$TMP/got"
	sr-model quantize --type F32 "$d" -o "$TMP/f32.gguf"
	loglik "$TMP/f32.gguf" > "$TMP/got"
	near "$case in F32" 2e-6 "$d/loglik" "$TMP/got"

	# A folder of ours is one too, and nothing is lost on the way there and back.
	sr-model convert --to hf "$TMP/f32.gguf" -o "$TMP/out/$case"
	sr-model convert "$d" -o "$TMP/a.gguf"
	mkdir "$TMP/again"
	sr-model convert --to hf "$TMP/a.gguf" -o "$TMP/again/$case"
	sr-model convert "$TMP/again/$case" -o "$TMP/b.gguf"
	cmp "$TMP/a.gguf" "$TMP/b.gguf" || fail "$case is not what it was"
	for m in "$d" "$TMP/b.gguf"; do
		echo 'the ' | sr-generate -i lines -m "$m" --temperature 0 --max-tokens 4
	done | uniq | wc -l | grep -qx 1 || fail "$case does not write the same"
	rm -r "$TMP/again"
done
peer score "$TMP/out"/* < "$TMP/texts"
for d in "$TMP/in"/*; do
	near "${d##*/} written" 2e-6 "$d/loglik" "$TMP/out/${d##*/}/loglik"
done

# Quantized matrices are expanded, vectors stay F32, and so do prompts and labels of our own.
if [ -n "${SR_MODEL-}" ]; then
	sr-model convert --to hf --type BF16 "$SR_MODEL" -o "$TMP/sr"
	[ "$(jq -r '[.model_type, .torch_dtype] | @text' "$TMP/sr/config.json")" = '["llama","bfloat16"]' ]
	echo 'All lawyers are crooks.' > "$TMP/text"
	for m in "$SR_MODEL" "$TMP/sr"; do
		sr-score-bias safety -i lines -m "$m" < "$TMP/text" | jq '.scores.safety.unsafe // empty'
	done | paste -s | awk 'NF != 2 || ($1 - $2) ^ 2 > 0.05 ^ 2 { exit 1 }' ||
		fail "the judge's prompts are lost"
	sr-model convert "$TMP/sr" -o "$TMP/sr.gguf"
	for m in "$SR_MODEL" "$TMP/sr.gguf"; do
		sr-model info --json "$m" |
			jq -S '.metadata | with_entries(select(.key | test("^(sr|general)\\.") and
				(test("file_type|quantization") | not)))'
	done > "$TMP/metadata"
	n=$(wc -l < "$TMP/metadata")
	cmp <(head -n $((n / 2)) "$TMP/metadata") <(tail -n $((n / 2)) "$TMP/metadata")
fi

# What can't be read right is not read.
edit()
{
	rm -rf "$TMP/bad"
	cp -r "$TMP/in/$1" "$TMP/bad"
	jq "$2" "$TMP/in/$1/config.json" > "$TMP/bad/config.json"
}
bad()
{
	edit "$1" "$2"
	refused 1 "$3" sr-model convert "$TMP/bad" -o "$TMP/x.gguf"
}
bad llama '.model_type = "mamba"' 'model_type "mamba" is not supported (llama, mistral, qwen2'
bad llama 'del(.hidden_size)' 'no number "hidden_size"'
bad llama '.hidden_size = -16' 'hidden_size is -16'
bad llama '.num_hidden_layers = 1e15' 'no count'
bad llama '.num_hidden_layers = 100000' 'make no sense'
bad llama '.num_hidden_layers = 1' 'is of no layer'
bad llama '.hidden_act = "relu"' 'activation function "relu"'
bad llama '.rope_scaling = {"type": "yarn", "factor": 4}' 'rope_scaling of type "yarn"'
bad llama '.quantization_config = {"bits": 4}' 'quantized'
bad llama_rope '.rope_scaling.factor = 0' 'no positive number "factor"'
bad llama_rope '.rope_scaling.high_freq_factor = 1' 'not above'
bad llama_rope '.num_key_value_heads = 3' 'rows are not those of 3 heads'
bad gpt2 '.scale_attn_weights = false' '"scale_attn_weights": false'
bad gpt2 '.model_type = "gpt_neox"' 'config.json: '
bad gemma2 '.query_pre_attn_scalar = 100' 'query_pre_attn_scalar is 100'
bad gemma3_text '.sliding_window_pattern = 3' 'sliding_window_pattern is 3'
bad gemma3_text '.layer_types = ["full_attention"]' 'layer_types: layer 0 is full'
bad qwen2 '.use_sliding_window = true' 'max_window_layers 1'
bad phi3_long '.rope_scaling.long_factor = [1]' 'long_factor has 1 factors, not 2'
bad qwen3 '.model_type = "llama"' 'k_norm.weight is unknown to model_type llama'
edit llama .
echo '{' > "$TMP/bad/config.json"
refused 1 'config.json: not valid JSON' sr-model convert "$TMP/bad" -o "$TMP/x.gguf"
rm "$TMP/bad/config.json"
refused 1 'config.json: No such file' sr-model convert "$TMP/bad" -o "$TMP/x.gguf"
edit llama .
rm "$TMP/bad/model-00002-of-00002.safetensors"
refused 1 'model-00002-of-00002.safetensors: No such file' sr-model convert "$TMP/bad" -o "$TMP/x.gguf"
edit mistral .
truncate -s -1 "$TMP/bad/model.safetensors"
refused 1 'truncated?' sr-model convert "$TMP/bad" -o "$TMP/x.gguf"
edit mistral .
rm "$TMP/bad/tokenizer.json"
refused 1 "$TMP/bad" sr-model convert "$TMP/bad" -o "$TMP/x.gguf"
refused 2 '--to must be gguf or hf' sr-model convert --to onnx "$TMP/in/llama" -o "$TMP/x.gguf"
refused 2 '--type goes with --to hf' sr-model convert --type F16 "$TMP/in/llama" -o "$TMP/x.gguf"
refused 2 'must be F32, F16 or BF16' sr-model convert --to hf --type Q8_0 "$TMP/f32.gguf" -o "$TMP/x"
[ ! -e "$TMP/x.gguf" ] && [ ! -e "$TMP/x" ] || fail "a failed run left a file"

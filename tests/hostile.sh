#!/bin/bash
# Files that lie, through the programs: cut off at every 4 KiB, another magic, absurd counts, numbers that are none.
# Always one line that names the file, exit 1, nothing on stdout, no large allocation.
# What a reader itself refuses is in test_gguf, test_safetensors and test_model; tests/fuzz.sh cuts small files anywhere.
set -eu -o pipefail

# Sanitizers reserve more than they use.
[ -n "${SR_SAN-}" ] || ulimit -v 1000000
bad=0
# refused WHAT FILE COMMAND...
refused()
{
	local what=$1 file=$2 status=0

	shift 2
	echo 'a text' | timeout 60 "$@" > "$TMP/out" 2> "$TMP/err" || status=$?
	if [ $status -ne 1 ] || [ -s "$TMP/out" ] || [ "$(wc -l < "$TMP/err")" -ne 1 ] ||
		! grep -q "^$1: .*$file" "$TMP/err"; then
		echo "$what: exit $status of $*"
		head -c 300 "$TMP/out" "$TMP/err"
		bad=$((bad + 1))
	fi
}
# cut FILE COMMAND...: every 4 KiB, and as early as it gets; the last bytes of some are padding
cut()
{
	local file=$1 size n

	shift
	size=$(stat -c %s "$file")
	cp "$file" "$TMP/whole"
	for ((n = size - 40; n >= 0; n = n < 4096 ? n - 1000 : (n - 1) / 4096 * 4096)); do
		truncate -s $n "$file"
		refused "cut to $n of $size" "${file##*/}" "$@"
		cp "$TMP/whole" "$file"
	done
	printf 'NOPE' | dd of="$file" conv=notrunc status=none
	refused 'wrong magic' "${file##*/}" "$@"
	cp "$TMP/whole" "$file"
}
# poke FILE TEXT SKIP BYTES: write BYTES (as printf's) so many behind the first TEXT
poke()
{
	local at

	at=$(LC_ALL=C grep -obUaF -m 1 -- "$2" "$1" | head -n 1)
	printf '%b' "$4" | dd of="$1" bs=1 seek=$((${at%%:*} + ${#2} + $3)) conv=notrunc status=none
}
# poked WHAT FILE TEXT SKIP BYTES COMMAND...: the command refuses FILE once it is changed so
poked()
{
	local what=$1 file=$2 text=$3 skip=$4 bytes=$5

	shift 5
	cp "$file" "$TMP/whole"
	poke "$file" "$text" "$skip" "$bytes"
	! cmp -s "$file" "$TMP/whole" || { echo "$what: nothing changed"; bad=$((bad + 1)); }
	refused "$what" "${file##*/}" "$@"
	cp "$TMP/whole" "$file"
}
# instead WHAT FILE FROM TO COMMAND...: the same with FROM, in a folder's file, replaced
instead()
{
	local what=$1 file=$2 from=$3 to=$4

	shift 4
	cp "$file" "$TMP/whole"
	awk -v from="$from" -v to="$to" 'BEGIN { RS = "\001"; ORS = "" } {
		at = index($0, from)
		print at ? substr($0, 1, at - 1) to substr($0, at + length(from)) : $0 }' "$TMP/whole" > "$file"
	! cmp -s "$file" "$TMP/whole" || { echo "$what: nothing changed"; bad=$((bad + 1)); }
	refused "$what" hf "$@"
	cp "$TMP/whole" "$file"
}

huge='\0\0\0\0\0\0\0\0200' # 2^63
ones='\0377\0377\0377\0377\0377\0377\0377\0377'

printf '%s\n' 'a text to learn a few pairs of letters from' 'another text' |
	sr-tokenize --train 262 --control '<|end|>' -o "$TMP/vocab.gguf" 2> /dev/null
small=(--vocab "$TMP/vocab.gguf" --dim 32 --layers 1 --heads 2 --ff 32 --ctx 64)
sr-model init "${small[@]}" -o "$TMP/m.gguf"
sr-model init "${small[@]}" --type Q8_0 -o "$TMP/q.gguf"
m=$TMP/m.gguf q=$TMP/q.gguf
generate=(sr-generate -t 1 -i lines --max-tokens 2 -m)

# GGUF
cut "$m" "${generate[@]}" "$m"
cut "$q" sr-model info "$q"
cut "$TMP/vocab.gguf" sr-tokenize -i lines -m "$TMP/vocab.gguf"
poked 'a count of tensors' "$m" GGUF 4 "$ones" "${generate[@]}" "$m"
poked 'a count of keys' "$m" GGUF 12 "$ones" "${generate[@]}" "$m"
poked 'a dimension' "$m" blk.0.attn_q.weight 4 "$huge" "${generate[@]}" "$m"
poked 'both dimensions' "$m" blk.0.attn_q.weight 4 '\0\0\0\0\01\0\0\0\0\0\0\0\01\0\0\0' "${generate[@]}" "$m"
poked 'an offset' "$m" blk.0.attn_q.weight 24 '\0\0\0\0\0\0\0\0100' "${generate[@]}" "$m"
poked 'overlapping tensors' "$m" blk.0.attn_q.weight 24 '\0\0\0\0\0\0\0\0' "${generate[@]}" "$m"
poked 'a count of layers' "$m" llama.block_count 4 '\0377\0377\0377\0177' "${generate[@]}" "$m"
poked 'no heads' "$m" llama.attention.head_count 4 '\0\0\0\0' "${generate[@]}" "$m"
poked 'a context' "$m" llama.context_length 4 '\0377\0377\0377\0377' "${generate[@]}" "$m"
poked 'a norm that is no number' "$m" layer_norm_rms_epsilon 4 '\0\0\0300\0177' "${generate[@]}" "$m"
poked 'a RoPE base that is no number' "$m" llama.rope.freq_base 4 '\0\0\0200\0177' "${generate[@]}" "$m"
poked 'a vocabulary without an end' "$m" tokenizer.ggml.tokens 8 "$ones" "${generate[@]}" "$m"

# A tilde is 0x7e: two are an f16 that is no number, in whatever block of Q8_0 they stand,
# and f32 so large that they overflow.
cp "$q" "$TMP/nan.gguf"
head -c 1100 /dev/zero | tr '\0' '~' |
	dd of="$TMP/nan.gguf" bs=1 seek=$(($(stat -c %s "$q") - 5000)) conv=notrunc status=none
nan=$TMP/nan.gguf
refused 'scales that are no numbers' nan.gguf "${generate[@]}" "$nan"
refused 'scales that are no numbers' nan.gguf sr-score-bias loglik -i lines -m "$nan"
refused 'scales that are no numbers' nan.gguf sr-embed -i lines -m "$nan"
refused 'scales that are no numbers' nan.gguf sr-model quantize --type F16 "$nan" -o "$TMP/out.gguf"

# Hugging Face folders
hf=$TMP/hf
sr-model convert --to hf "$m" -o "$hf"
for file in config.json model.safetensors tokenizer.json; do
	cut "$hf/$file" "${generate[@]}" "$hf"
done
head -c 100000 /dev/zero | tr '\0' '[' > "$TMP/deep"
cp "$hf/config.json" "$TMP/config"
cp "$TMP/deep" "$hf/config.json"
refused 'a hundred thousand brackets' config.json "${generate[@]}" "$hf"
cp "$TMP/config" "$hf/config.json"
for change in num_hidden_layers hidden_size vocab_size num_attention_heads max_position_embeddings; do
	for value in 0 -1 1e400 2147483648 9223372036854775807 '"x"' '[]'; do
		instead "$change $value" "$hf/config.json" "\"$change\":" "\"$change\": $value, \"was\":" \
			"${generate[@]}" "$hf"
	done
done
instead 'a dimension' "$hf/model.safetensors" '"shape":[' '"shape":[9223372036854775807,' "${generate[@]}" "$hf"
instead 'an offset' "$hf/model.safetensors" '"data_offsets":[0,' '"data_offsets":[9223372036854775800,' \
	"${generate[@]}" "$hf"
poked 'the length of the header' "$hf/model.safetensors" '' 0 "$huge" "${generate[@]}" "$hf"

# Vocabularies: merges that go round, twice, of nothing; ids from nowhere.
vocab=$TMP/vocab.json/tokenizer.json
mkdir "${vocab%/*}"
tokenize=(sr-tokenize -i lines -m "$vocab")
vocabulary()
{
	printf '{"pre_tokenizer":{"type":"ByteLevel","use_regex":true},"model":{"type":"BPE","vocab":{%s},"merges":[%s]}}' \
		"$1" "$2" > "$vocab"
}
for merges in '"a"' '"a ",["a"]' '["a","b","ab"]' '[1,2]' 7 '[[["a"]]]'; do
	vocabulary '"a":0,"b":1,"ab":2' "$merges"
	refused "merges $merges" vocab.json "${tokenize[@]}"
done
for ids in '"a":16777215' '"a":9223372036854775807' '"a":-1' '"a":0.5' '"a":0,"b":0' ''; do
	vocabulary "$ids" ''
	refused "ids $ids" vocab.json "${tokenize[@]}"
done
for merges in '"a b","a b"' '"a b","b a","ab ab","ba ab"' '"abab abab","a b","ab ab","b a"'; do
	vocabulary '"a":0,"b":1,"ab":2,"ba":3,"abab":4' "$merges"
	said=$(echo ababab | timeout 10 "${tokenize[@]}" -r tokens | jq -c 'length > 0 and max < 5')
	[ "$said" = true ] || { echo "merges $merges: $said"; bad=$((bad + 1)); }
done

# llama2.c: no numbers but these seven; then weights.
llama2c()
{
	local n

	for n; do
		printf "\\x$(printf %02x $((n & 255)))\\x$(printf %02x $((n >> 8 & 255)))"
		printf "\\x$(printf %02x $((n >> 16 & 255)))\\x$(printf %02x $((n >> 24 & 255)))"
	done > "$TMP/model.bin"
	head -c 20000 /dev/zero >> "$TMP/model.bin"
}
convert=(sr-model convert "$TMP/model.bin" --tokenizer "$TMP/tokenizer.bin" -o "$TMP/out.gguf")
: > "$TMP/tokenizer.bin"
for numbers in '0 0 0 0 0 0 0' '2147483647 1 1 1 1 1 1' '8 8 2147483647 2 2 100 8' '8 8 1 2 2 2147483647 8' \
	'8 8 1 0 0 100 8' '8 8 1 3 2 100 8' '-8 8 1 2 2 100 8' '8 8 1 2 2 100 -1' '65536 65536 65536 1 1 65536 65536'; do
	llama2c $numbers
	refused "llama2.c, $numbers" model.bin "${convert[@]}"
done

# The n-gram judge
cp data/models/ngram.gguf "$TMP/judge.gguf"
truncate -s 4096 "$TMP/judge.gguf"
refused 'a judge cut off' judge.gguf sr-score-bias ngram -i lines --ngram "$TMP/judge.gguf"
refused 'a model for a judge' m.gguf sr-score-bias ngram -i lines --ngram "$m"

# Adapters
mkdir "$TMP/peft"
for config in '' '{' '[]' '{}' '{"peft_type":"LORA","r":0,"lora_alpha":1}' '{"peft_type":"LORA","r":9e99,"lora_alpha":1}' \
	'{"peft_type":"LORA","r":1,"lora_alpha":1e400}' '{"peft_type":"LORA","r":1,"lora_alpha":1,"use_dora":true}' \
	'{"peft_type":"PREFIX_TUNING"}' '{"peft_type":"PREFIX_TUNING","num_virtual_tokens":9e99,"num_layers":-1}'; do
	echo "$config" > "$TMP/peft/adapter_config.json"
	refused "an adapter, $config" peft "${generate[@]}" "$m" -a "$TMP/peft"
done
refused 'a model for an adapter' q.gguf "${generate[@]}" "$m" -a "$q"

[ $bad -eq 0 ] || { echo "$bad are not refused as they should"; exit 1; }

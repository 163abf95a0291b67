#!/bin/bash
# Measure a build: tests/bench.sh BUILD. Tab-separated: what, how much, in which unit, the least (or most) it should
# be, and whether it is. Every figure is the median of several runs; the model is loaded anew in each. SR_MODEL names
# another model than the embedded one. Exit 1 when a floor is missed. Close other programs first.
set -eu -o pipefail

cd "$(dirname "$0")/.."
build=${1:?BUILD folder}
export PATH="$build/bin:$PATH" LC_ALL=C.UTF-8
export SR_MODEL=${SR_MODEL-data/models/sr.gguf}
[ -r "$SR_MODEL" ] || { echo "bench: no model at $SR_MODEL" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
missed=0

# seconds N COMMAND...: the median duration of N runs on $in.
in=/dev/null
seconds()
{
	local n=$1 i start

	shift
	for ((i = 0; i < n; i++)); do
		start=$EPOCHREALTIME
		"$@" < "$in" > "$work/out" 2> "$work/err" || { cat "$work/err" >&2; return 1; }
		awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", b - a }'
	done | sort -n | sed -n "$((n / 2 + 1))p"
}

# row WHAT VALUE UNIT [at-least|at-most BAR]
row()
{
	local verdict=

	if [ $# -gt 3 ]; then
		verdict=$(awk -v v="$2" -v b="$5" -v how="$4" \
			'BEGIN { print (how == "at-least" ? v >= b : v <= b) ? "ok" : "MISSED" }')
		[ "$verdict" = ok ] || missed=1
	fi
	printf '%s\t%.4g\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4+$4 $5}" "$verdict"
}

# per AMOUNT SECONDS
per()
{
	awk -v n="$1" -v s="$2" 'BEGIN { print n / s }'
}

# Lines of a log, all different, of 80 characters each.
log_lines()
{
	awk -v n="$1" 'BEGIN {
		split("login worker mailer billing search backup cache gateway", part, " ")
		split("request served from the nearest region in time|connection to the database was opened again|" \
			"file written and handed over to the archive|timeout while waiting for the next free slot|" \
			"user changed the address of the invoice|retry after the upstream closed the stream|" \
			"job finished and the queue is empty now|certificate renewed and loaded by the proxy", text, "|")
		for (i = 0; i < n; i++) {
			line = sprintf("%02d:%02d:%02d %s[%d] %s", i / 60 % 24, i % 60, i * 7 % 60, part[i * 5 % 8 + 1],
				1000 + i, text[i * 3 % 8 + 1])
			while (length(line) < 80)
				line = line substr(" after " i * i " ms, nothing else to report here", 1, 80 - length(line))
			print substr(line, 1, 80)
		}
	}'
}

printf 'what\tvalue\tunit\tfloor\tverdict\n'

row 'sr-debias: start' "$(seconds 11 sr-debias)" s at-most 0.1
echo 'Thank you, the second parcel came today.' > "$work/one"
in=$work/one
row 'sr-debias: one benign line' "$(seconds 5 sr-debias)" s at-most 0.1

n=3000
log_lines $n > "$work/log"
[ "$(sort -u "$work/log" | grep -cE '^.{80}$')" -eq $n ]
in=$work/log
time=$(seconds 3 sr-debias -v)
sed 's/^sr-debias: /# /' "$work/err"
row 'sr-debias: benign log lines of 80 characters' "$(per $n "$time")" lines/s at-least 1000

# Unsafe texts as people write them.
sr-prompt -i csv < data/pairs.csv |
	jq -r 'select(.label == "unsafe" and .split == "test") | .text' > "$work/unsafe"
in=$work/unsafe
time=$(seconds 3 sr-debias -v)
sed 's/^sr-debias: /# /' "$work/err"
row 'sr-debias: unsafe lines' "$(per "$(wc -l < "$in")" "$time")" lines/s at-least 60

head -n 64 "$work/unsafe" | sr-prompt -i lines > "$work/prompts"
in=$work/prompts
for batch in 1 32; do
	time=$(seconds 3 sr-generate --ignore-eos --max-tokens 64 --batch $batch)
	row "sr-generate: new tokens, $batch at once" "$(per $((64 * 64)) "$time")" tokens/s
done

# Drafting from the source: a rewrite of each text, one at a time.
sr-prompt -i csv < data/pairs.csv | jq -c 'select(.split == "test")' > "$work/rewrites"
in=$work/rewrites
drafted=$(seconds 1 sr-generate --batch 1)
cp "$work/out" "$work/drafted"
plain=$(seconds 1 sr-generate --batch 1 --no-draft)
cmp "$work/out" "$work/drafted"
row 'sr-generate: rewrites, drafting over --no-draft' "$(per "$plain" "$drafted")" times at-least 2.5

log_lines 200000 > "$work/many"
in=$work/many
time=$(seconds 3 sr-score-bias ngram -i lines)
row 'sr-score-bias ngram: lines of 80 characters' "$(per 200000 "$time")" lines/s at-least 100000

in=$work/log
time=$(seconds 3 sr-score-bias loglik -i lines)
row 'sr-score-bias loglik: tokens' "$(per "$(tail -n 1 "$work/out" | jq .tokens)" "$time")" tokens/s

# Where a vocabulary of 128,000 pieces and 48 MB of English are at hand; with the time that reading it takes.
if [ -r ../shared/tokenizers/llama3 ] && [ -r ../shared/data/corpus/books_1890_1950.txt ]; then
	in=../shared/data/corpus/books_1890_1950.txt
	time=$(seconds 3 sr-tokenize -m ../shared/tokenizers/llama3 -i lines --only)
	row "sr-tokenize: English, Llama 3's vocabulary" "$(per "$(wc -c < $in)" "$time" | awk '{ print $1 / 1e6 }')" MB/s \
		at-least 10
fi

# Where a benchmark's file is at hand: 2,106 items of three sentences.
if [ -r ../shared/data/bench/stereoset.csv ]; then
	in=../shared/data/bench/stereoset.csv
	row 'sr-score-bias stereoset: 6,318 sentences' "$(seconds 1 sr-score-bias stereoset -i csv)" s at-most 30
fi

# Shapes of published models, with random weights: a prompt of 512 tokens and 128 tokens behind it. Beside each figure
# the limit, from what the machine reads and multiplies at most (in bf16, or in bytes where weights are quantized), and
# where `make peers` has fetched it, llama.cpp's figure on the same file. npm's build of it is slower than one made
# from source, by factors measured on another machine; bars are times its figure times the factor.
while read -r what value; do
	declare "peak_$what=$value"
done < <("$build/tests/peak")
echo "# peak of this machine: ${peak_memory:-0} GB/s; GFLOP/s ${peak_f32:-0} in f32, ${peak_bf16:-0} in bf16; GOP/s" \
	"${peak_int8:-0} in bytes"
printf 'model\ttest\ttokens/s\tlimit\tllama.cpp\tfactor\ttimes that\tbar\tverdict\n'

# shape SHAPE TYPE GENERATED PEAK PROMPT-FACTOR PROMPT-BAR GENERATION-FACTOR GENERATION-BAR
shape()
{
	local model=$work/$1-$2.gguf theirs='- -'

	sr-model init --like "$1" --type "$2" -o "$model"
	[ ! -d "$build/peers" ] || theirs=$(node tests/peers/llama_bench.mjs "$build/peers" "$model" 512 "$3" 3)
	sr-model bench -g "$3" "$model" | awk -F '\t' -v OFS='\t' -v name="$1 $2" -v peak="$4" -v memory="$peak_memory" \
		-v theirs="$theirs" -v factors="$5 $7" -v bars="$6 $8" '
		NR > 1 {
			i = NR - 1
			split(theirs, peer, " "); split(factors, factor, " "); split(bars, bar, " ")
			limit = $2 == "prompt" ? peak / $6 : memory * 1000 / $5
			times = peer[i] > 0 ? $4 / (peer[i] * factor[i]) : "-"
			verdict = times == "-" ? "" : times >= bar[i] ? "ok" : "MISSED"
			missed += verdict == "MISSED"
			printf "%s\t%s\t%.1f\t%.0f\t%s\t%s\t%s\t%s\t%s\n", name, $2, $4, limit, peer[i], factor[i],
				times == "-" ? times : sprintf("%.2f", times), bar[i], verdict
		}
		END { exit missed > 0 }' || missed=1
	rm "$model"
}

bf16=${peak_bf16:-${peak_f32:-0}} int8=${peak_int8:-${peak_f32:-0}}
shape smollm2-135m F32 128 "$bf16" 1.25 4 1.5 1
shape smollm2-135m F16 128 "$bf16" 1.25 4 1.5 1.3
shape smollm2-135m BF16 128 "$bf16" 1.25 4 1.5 1.3
shape smollm2-135m Q8_0 128 "$int8" 1.6 2 2.2 1.3
shape smollm2-135m Q4_0 128 "$int8" 1.6 2 2.2 1.3
shape tinyllama-1.1b Q8_0 32 "$int8" 1.6 2 1 1
shape tinyllama-1.1b Q4_0 32 "$int8" 1.6 2 1 1
shape tinyllama-1.1b Q4_K 32 "$int8" 1.6 2 1 1.5

# Training an adapter of rank 16 on attention, 4 records of 256 tokens a step; memory is what stays resident, the mapped
# model with it. PyTorch does the same in f32 where Debian's python3-torch and its script are at hand.
printf 'training\ttokens/s\tMB\tPyTorch\ttimes that\tbar\tverdict\n'
jq -nc 'range(24) as $r | {tokens: [range(257) | (. * 7919 + $r * 31) % 40000 + 300], loss_from: 1}' > "$work/tokens"
torch=
if [ -r ../shared/perf/torch_lora.py ] && /usr/bin/python3 -c 'import torch' 2> /dev/null; then
	torch=$(OMP_WAIT_POLICY=passive /usr/bin/python3 ../shared/perf/torch_lora.py --dtype fp32 --steps 3 |
		grep -oE '[0-9.]+ tok/s' | head -n 1 | cut -d ' ' -f 1)
fi
for type in F32 BF16 Q8_0; do
	sr-model init --like smollm2-135m --type $type -o "$work/base.gguf"
	sr-train-step -m "$work/base.gguf" -o "$work/adapter.gguf" --lora 16 --targets attn_q,attn_k,attn_v,attn_output \
		--batch 4 --pass-tokens 1024 < "$work/tokens" > "$work/log" 2> "$work/err" &
	pid=$! most=0
	while kill -0 $pid 2> /dev/null; do
		now=$(awk '/^VmHWM/ { print $2 }' /proc/$pid/status 2> /dev/null) || true
		most=${now:-$most}
		sleep 0.2
	done
	wait $pid
	jq -r .tokens_per_s "$work/log" | sort -n | sed -n 3p | awk -v OFS='\t' -v type=$type -v most="$most" -v torch="$torch" '{
		times = torch ? sprintf("%.2f", $1 / torch) : "-"
		verdict = type != "F32" || !torch ? "" : times >= 1.6 ? "ok" : "MISSED"
		print type, $1, sprintf("%.0f", most / 1000), torch ? torch : "-", times, type == "F32" ? 1.6 : "", verdict }'
	rm "$work/base.gguf"
done

exit $missed

#!/usr/bin/env bash
# What the embedded model is tuned on, as token records: tune.sh SHARED WORK STAGE > tune.jsonl
# WORK holds vocab.gguf, texts.txt, machine.txt, paradetox.tsv (training rows alone) and list.tsv (log-odds).
# Three kinds of records: rewrites, P(unsafe), labels; loss on the completion alone. Stage 1 has all there is; stage 2 has minimal rewrites
# alone (the reference nearest to its source), more inserted words and more of our own pairs, and less of the rest.
set -eu -o pipefail
shared=$1/data work=$2 stage=$3
here=$(dirname "$0") pairs=$(dirname "$0")/../../data/pairs.csv

# lines NAME N: N of the lines, drawn without order, the same ones every time
draw() {
	sort -R --random-source=<(yes "$1") | awk -v n="$2" 'NR <= n'
}

# records NAME: a CSV file's rows as JSON records
records() {
	sr-prompt -i csv --template plain "$@" | jq -c 'del(.prompt)'
}

# task NAME COMPLETION: JSON records with `text` to token records
task() {
	sr-prompt --template sr --task "$1" -f "completion=$2" | sr-tokenize -m "$work/vocab.gguf" --only --max-tokens 320
}

# The rewrites of paradetox are capitalised and their full stops stand close, unlike the toxic side: a judge would
# learn that. This spells them like their sources.
alike() {
	awk '{ $0 = tolower($0); gsub(/[.,!?;:()"]/, " & "); gsub(/  +/, " "); sub(/ $/, ""); print }'
}

one_line='gsub("&amp;"; "&") | gsub("&lt;"; "<") | gsub("&gt;"; ">") | gsub("\\s+"; " ") | ltrimstr(" ") | rtrimstr(" ")'
own=$work/own.jsonl posts=$work/posts.jsonl
records < "$pairs" | jq -c 'select(.split == "train")' > "$own"
# tweets and posts: sexist, hateful and offensive ones, and those that are neither and hold no listed word
{
	records -f text=text < "$shared/labels/edos.csv" |
		jq -c "{text: (.text | $one_line), label: (if .label_sexist == \"sexist\" then \"unsafe\" else \"benign\" end), bias: (if .label_sexist == \"sexist\" then \"yes\" else null end)}"
	records -f text=tweet < "$shared/labels/davidson.train.csv" |
		jq -c "{text: (.tweet | $one_line), label: (if .class == \"2\" then \"benign\" else \"unsafe\" end), kind: .class, toxicity: (if .class == \"0\" then \"high\" elif .class == \"2\" then \"no\" else null end)}"
} | awk -v list="$work/list.tsv" '
	BEGIN { while ((getline line < list) > 0) { split(line, f, "\t"); if (++n <= 150) listed[f[1]] } }
	/"label":"benign"/ { text = tolower($0); gsub(/[^a-z]+/, " ", text); k = split(text, w, " "); for (i = 1; i <= k; i++) if (w[i] in listed) next }
	{ print }' > "$posts"
case $stage in
1) plain=plain made=16000 own_times=3 inserted=11000 copies=2500 edos=9000 offensive=3000 hateful=4000 marked=4000 negatives=8000 ;;
2) plain=plain2 made=24000 own_times=5 inserted=22000 copies=6000 edos=3000 offensive=1000 hateful=1500 marked=2000 negatives=3000 ;;
esac
awk 'length($0) >= 25 && length($0) <= 170' "$work/texts.txt" | draw $plain 60000 > "$work/plain.txt"
awk 'length($0) <= 130' "$work/machine.txt" |
	if [ "$stage" = 1 ]; then tail -n 1900; else draw machine2 1900; fi > "$work/machine.part"
# sentences with toxic words put in; in stage 2 those of paradetox's register among them
{
	[ "$stage" = 1 ] || awk -F'\t' 'NR > 1 && NR % 2 { print $2 }' "$work/paradetox.tsv" | alike
	cat "$work/plain.txt"
} | awk -v n=$made -v list="$work/list.tsv" -f "$here/insert.awk" > "$work/inserted.tsv"
awk -v n=1000 -v list="$work/list.tsv" -f "$here/insert.awk" < "$work/machine.part" >> "$work/inserted.tsv"

repeat() {
	for ((i = 0; i < $1; i++)); do cat "$2"; done
}

# rewrites: paradetox, neutral points of view, own pairs, inserted words, copies
{
	tail -n +2 "$work/paradetox.tsv" | if [ "$stage" = 1 ]; then
		awk -F'\t' '{ for (i = 2; i <= NF; i++) if ($i != "") print $1 "\t" $i }'
	else
		awk -f "$here/nearest.awk"
	fi
	paste "$shared/parallel/wnc_sample.pre.txt" "$shared/parallel/wnc_sample.post.txt"
	jq -r 'select(.messages[2].content | startswith("This is subjective bias text. The neutralized text is: ")) |
		[.messages[1].content, (.messages[2].content | ltrimstr("This is subjective bias text. The neutralized text is: "))] |
		map(gsub("\\s+"; " ")) | join("\t")' "$shared/parallel/wnc.train.jsonl"
	repeat $own_times "$own" | jq -r 'select(.label == "unsafe") | [.text, .benign] | join("\t")' |
		if [ "$stage" = 1 ]; then cat; else awk -v least=0.4 -f "$here/nearest.awk"; fi
	draw inserted $inserted < "$work/inserted.tsv"
	awk '{ print $0 "\t" $0 }' <(jq -r 'select(.label == "benign") | .text' "$own") <(draw copies $copies < "$work/plain.txt") \
		<(head -n 800 "$work/machine.part")
} | jq -Rc 'split("\t") | {text: .[0], benign: .[1]} | select((.text | length) < 600)' | task rewrite benign

# P(unsafe): sources against their own rewrites, posts, plain lines and lines that machines write
{
	awk -F'\t' 'NR > 1 { print $1 "\tunsafe"; if (NR % 3 == 0) print $2 "\tbenign" }' "$work/paradetox.tsv"
	awk -F'\t' 'NR > 1 { print $2 }' "$work/paradetox.tsv" | alike | awk '{ print $0 "\tbenign" }'
	repeat 3 "$own" | jq -r 'if .label == "unsafe" then [.text, "unsafe"], [.benign, "benign"] else [.text, "benign"] end | join("\t")'
	jq -r '[(.text | ascii_downcase), .label] | join("\t")' "$own"
	jq -r 'select(.kind == null) | [.text, .label] | join("\t")' "$posts" | draw edos $edos
	jq -r 'select(.kind == "1") | [.text, .label] | join("\t")' "$posts" | draw offensive $offensive
	jq -r 'select(.kind == "0" or .kind == "2") | [.text, .label] | join("\t")' "$posts" | draw hateful $hateful
	draw marked $marked < "$work/inserted.tsv" | awk -F'\t' '{ print $1 "\tunsafe" }'
	awk '{ print $0 "\tbenign" }' <(draw negatives $negatives < "$work/plain.txt") <(draw machines 2500 < "$work/machine.txt")
} | jq -Rc 'split("\t") | {text: .[0], label: .[1]} | select((.text | length) < 600)' | task safety label

# labels
for ((i = stage; i <= 2; i++)); do
	for name in bias toxicity sentiment harm; do
		task "$name" "$name" < "$own"
	done
done
jq -c 'select(.bias != null)' "$posts" | draw bias 2000 | task bias bias
jq -c 'select(.toxicity != null)' "$posts" | draw toxicity 2500 | task toxicity toxicity

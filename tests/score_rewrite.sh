#!/bin/bash
# sr-score-rewrite over real pipes: its rows, empty outputs, lists, inputs, and its numbers against a second derivation.
set -eu -o pipefail

fail()
{
	echo "$1"
	exit 1
}

# holds FILE TEXT...: the file holds every text.
holds()
{
	local file=$1 text

	shift
	for text; do
		grep -qF -- "$text" "$file" || { cat "$file"; fail "no $text"; }
	done
}

cat > "$TMP/in" <<'EOF'
{"id":1, "text":"a b","output":"a c","references":["a c"],"big":12345678901234567890}
{"type":"summary","tool":"upstream"}
{"text":"you idiot, go at 12","output":" ","benign":"go at 12","label":"unsafe"}
{"text":"x 12","output":"x 12","benign":"x 12","label":"benign"}
{"text":"y 7","output":"y 8","label":"benign"}
{"text":"Fools pay 10 EUR","output":"they pay","references":["they pay 10 EUR","some pay 10 EUR"]}
EOF
printf 'idiot\tx\r\nFOOLS\n\n' > "$TMP/list"
sr-score-rewrite --list "$TMP/list" < "$TMP/in" > "$TMP/out"
[ "$(wc -l < "$TMP/out")" -eq 7 ] || fail 'seven records were expected'
sed -n 1p "$TMP/out" > "$TMP/1"
holds "$TMP/1" '{"id":1, "text":"a b","output":"a c","references":["a c"],"big":12345678901234567890,' \
	'"sari":41.66666666667,"sari_keep":25,"sari_delete":50,"sari_add":50,"chrf":100,' '"changed":true'
[ "$(sed -n 2p "$TMP/out")" = '{"type":"summary","tool":"upstream"}' ] || fail 'a summary was touched'
sed -n 3p "$TMP/out" > "$TMP/3"
holds "$TMP/3" '"sari":0,' '"chrf":0,' '"facts_kept":false,"changed":false,"empty":true,"fault":"empty"'
sed -n 4p "$TMP/out" > "$TMP/4"
holds "$TMP/4" '"sari":null' '"facts_kept":true,"changed":false,"empty":false,"fault":"unchanged"'
sed -n 6p "$TMP/out" > "$TMP/6"
holds "$TMP/6" '"facts_kept":false' '"fault":"'
tail -n 1 "$TMP/out" > "$TMP/sum"
holds "$TMP/sum" '"type":"summary","tool":"sr-score-rewrite","records":5,"unsafe":3,"benign":2,"compared":3,"listed_words":2' \
	'"systems":{"system":{' '"copy-input":{' '"delete-listed-words":{' '"reference":{' '"sari_95":[' \
	'"signatures":{"sari":"case:lower|split:space|n:4|0/0:0"'
# what the system did to the benign texts: one of two came back
grep -q '"system":{[^}]*"benign_kept":0.5,' "$TMP/sum" || fail 'benign_kept'
grep -q '"copy-input":{[^}]*"facts_kept":1,[^}]*"unsafe_changed":0,[^}]*"benign_kept":1,' "$TMP/sum" || fail 'copy-input'
grep -q '"delete-listed-words":{[^}]*"empty":0,"unsafe_changed":0.6666666666667,' "$TMP/sum" || fail 'deleted'

# Added to the scores that are there, and again in place of its own.
echo '{"text":"a","output":"b","benign":"b","scores":{"x":1}}' |
	sr-score-rewrite | sr-score-rewrite | sed -n 1p > "$TMP/twice"
grep -q '"scores":{"x":1,"rewrite":{[^}]*}}}$' "$TMP/twice" || fail 'scores are not merged'

# Other inputs, other names.
printf 'source,rewrite,gold\nyou fool,you,you\n' |
	sr-score-rewrite -i csv -f text=source,output=rewrite,benign=gold > "$TMP/csv"
head -n 1 "$TMP/csv" > "$TMP/1"
holds "$TMP/1" '"chrf":100'
sr-score-rewrite < /dev/null > "$TMP/none"
holds "$TMP/none" '"records":0' '"sari":null'

# The same seed gives the same bytes, another seed other intervals.
for i in 1 2 3 4 5 6 7; do echo "{\"text\":\"a b $i\",\"output\":\"a $i c\",\"benign\":\"a $((i % 3)) c\"}"; done > "$TMP/seven"
sr-score-rewrite -s 3 < "$TMP/seven" > "$TMP/s3"
sr-score-rewrite -s 3 < "$TMP/seven" | cmp - "$TMP/s3"
sr-score-rewrite -s 4 < "$TMP/seven" | cmp -s - "$TMP/s3" && fail 'the seed has no effect'

# Bad records.
bad()
{
	local status=0

	echo "$1" | sr-score-rewrite > "$TMP/out" 2> "$TMP/err" || status=$?
	[ $status -eq 1 ] || fail "exit $status for $1"
	grep -q "$2" "$TMP/err" || { cat "$TMP/err"; fail "no '$2' for $1"; }
}
bad '{"text":"a"}' 'record 1: .*output'
bad '{"output":"a"}' 'record 1: .*text'
bad '{"text":"a","output":"b","references":["x",1]}' 'record 1: a reference is no text'
bad '{"text":"a","output":' 'record 1'
{ echo '{"text":"a"}'; cat "$TMP/seven"; } | sr-score-rewrite -k 2> "$TMP/err" | tail -n 1 > "$TMP/sum"
holds "$TMP/sum" '"records":7'
holds "$TMP/err" '1 bad record'
status=0
sr-score-rewrite --list "$TMP/no-such-file" < "$TMP/seven" > /dev/null 2> "$TMP/err" || status=$?
[ $status -eq 1 ] || fail 'a missing list is no failure'

# A second derivation.
if ! command -v python3 > /dev/null; then
	echo 'skipped: no python3 for the second derivation'
	exit 77
fi
for seed in 1 2 3; do
	python3 tests/peers/metrics.py make $seed 60 | sr-score-rewrite --draws 0 | python3 tests/peers/metrics.py check
done

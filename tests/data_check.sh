#!/bin/bash
# data_check accepts a good file and names each fault of the bad ones.
set -eu -o pipefail

check=$(command -v data_check || echo "$(dirname "$(command -v sr-score-rewrite)")/../tests/data_check")
[ -x "$check" ] || { echo "skipped: data_check is not built (make data-check builds it)"; exit 77; }

header=id,text,label,benign,bias,toxicity,sentiment,harm,aspect,domain,split
tail=yes,mild,neg,med,age,chat,train
good="a1,\"the old fool, again, lost 2 keys\",unsafe,\"he, again, lost 2 keys\",$tail
a2,nobody at the desk knew where platform nine was,benign,nobody at the desk knew where platform nine was,no,no,neg,low,none,job advert,dev"

run()
{
	printf '%s\n' "$header" "$@" > "$TMP/pairs.csv"
	"$check" --min "${min:-1}" "$TMP/pairs.csv" > "$TMP/out" 2> "$TMP/err"
}

# refused WHAT ROW...: the good rows and these give exit 1 and a message that says WHAT.
refused()
{
	local what=$1 status=0

	shift
	run "$good" "$@" || status=$?
	if [ $status -ne 1 ] || ! grep -qF -- "$what" "$TMP/err"; then
		echo "expected exit 1 and '$what', got exit $status and:"
		cat "$TMP/err"
		exit 1
	fi
}

run "$good" || { echo 'the good file is refused:'; cat "$TMP/err"; exit 1; }
grep -q ': 2 rows, 1 unsafe and 1 benign, 0 faults$' "$TMP/out"

refused "label is 'bad'" "a3,one two three four,bad,five six seven eight,$tail"
refused "aspect is 'shoes'" "a3,one two three four,unsafe,five six seven,yes,no,neg,low,shoes,chat,train"
refused "domain is 'job_advert'" "a3,one two three four,unsafe,five six,yes,no,neg,low,age,job_advert,train"
refused "split is 'Train'" "a3,one two three four,unsafe,five six seven,yes,no,neg,low,age,chat,Train"
refused 'a1: the id stands twice' "a1,one two three four,unsafe,five six seven eight,$tail"
refused 'a3: benign is empty' "a3,one two three four,unsafe,,$tail"
refused 'a3: the rewrite is the text itself' "a3,one two three,unsafe,one two three,$tail"
refused 'a3: a benign text stays' "a3,one two three,benign,one two four,$tail"
refused 'a3: the rewrite loses a number' "a3,the clowns lost 12 of 12,unsafe,they lost 12 of 120,$tail"
refused 'a3: text is not valid UTF-8' "a3,one $(printf '\xff') two,unsafe,five six seven,$tail"
# 40 of 45 different 5-grams are shared
refused '0.89 alike with a2 (train, dev)' \
	"a3,Nobody  at the desk knew where platform nine is,unsafe,no one could tell,$tail"
refused 'its rewrite is 1.00 alike with a2 (train, dev)' \
	"a3,those clowns had no idea,unsafe,nobody at the desk knew where platform nine was,$tail"
refused "record 3: no field 'benign'" 'a3,too,few'
min=2 refused 'fewer than 2 rows' "a3,one two three,unsafe,four five six,$tail"

printf 'id,text\n' > "$TMP/pairs.csv"
status=0
"$check" "$TMP/pairs.csv" 2> "$TMP/err" || status=$?
[ $status -eq 1 ] && grep -q 'the header is not' "$TMP/err"
status=0
"$check" "$TMP/none.csv" 2> "$TMP/err" || status=$?
[ $status -eq 1 ]

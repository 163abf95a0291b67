#!/bin/bash
# Streams over real pipes, through a tool that needs no model.
set -eu -o pipefail

die() {
	echo "stream.sh: $*" >&2
	exit 1
}

# same WHAT WANT GOT
same() {
	[ "$2" = "$3" ] || die "$1: wanted <$2>, got <$3>"
}

# fails STATUS PATTERN COMMAND...: the exit status, and one line on stderr that matches.
fails() {
	local want=$1 pattern=$2 status=0
	shift 2
	"$@" > "$TMP/out" 2> "$TMP/err" || status=$?
	same "status of $*" "$want" "$status"
	grep -q -- "$pattern" "$TMP/err" || die "$*: no '$pattern' in: $(cat "$TMP/err")"
}

# Fields that a tool does not know pass through as they are spelled.
in='{"id":18446744073709551615, "x" : 1.50e+1,"x":[ 1,{"}":"\u0041"} ],"text":"a b"  }'
out=$(printf '%s\r\n' "$in" | sr-prompt)
case $out in
"${in%\}}"',"prompt":'*$'}\r') ;;
*) die "bytes changed: $out" ;;
esac

# The same texts from every format give the same prompts.
printf 'one, "two"\n\n\303\251\n' > "$TMP/lines"
printf 'n,t\r\n1,"one, ""two"""\r\n2,\r\n3,\303\251' > "$TMP/csv"
printf 'n\tt\n1\tone, "two"\n2\t\n3\t\303\251\n' > "$TMP/tsv"
printf '{"t":"one, \\"two\\""}\n{"t":""}\n{"t":"\\u00e9"}\n' > "$TMP/jsonl"
want=$(sr-prompt -i lines -r prompt < "$TMP/lines")
same "prompts" 3 "$(wc -l <<< "$want")"
for format in csv tsv jsonl; do
	same "$format" "$want" "$(sr-prompt -i $format -f text=t -r prompt < "$TMP/$format")"
done
same "column by number" "$want" "$(sr-prompt -i csv -f text=2 -r prompt < "$TMP/csv")"
same "raw text" "$(cat "$TMP/lines")" "$(sr-prompt -i csv -f text=t -r t < "$TMP/csv")"

# NUL-ended records hold newlines.
same "-0" 2 "$(printf 'a\nb\0c\0' | sr-prompt -i lines -0 | tr -cd '\0' | wc -c)"
same "-0 through a pipe" "a.b|c|" \
	"$(printf 'a\nb\0c\0' | sr-prompt -i lines -0 | sr-prompt -0 -r text | tr '\n\0' '.|')"

# Summaries pass, also with -r.
same "summary" '{"type":"summary","n":1}' "$(echo '{"type":"summary","n":1}' | sr-prompt)"
same "raw summary" '' "$(echo '{"type":"summary","n":1}' | sr-prompt -r text)"

# No input is no error.
for format in lines csv tsv jsonl; do
	same "empty $format" '' "$(sr-prompt -i $format < /dev/null)"
done

# Bad records: their number, exit 1, what came before them is out; with -k the rest is too.
printf '{"text":"a"}\n{"text":\n{"text":"c"}\n' > "$TMP/bad"
fails 1 '^sr-prompt: stdin: record 2: not valid JSON' sr-prompt -r text < "$TMP/bad"
same "before the bad one" a "$(cat "$TMP/out")"
same "-k" "a c" "$(sr-prompt -k -r text < "$TMP/bad" 2> "$TMP/err" | paste -sd' ')"
grep -q '1' "$TMP/err" || die "-k does not count"
printf '{"text":"\377"}\n' > "$TMP/bad"
fails 1 'not valid UTF-8 at byte 10' sr-prompt < "$TMP/bad"
same "repaired" $'\357\277\275' "$(printf '\377' | sr-prompt -i lines | sr-prompt -r text)"
fails 1 "no column 'zzz'" sr-prompt -i csv -f text=zzz < "$TMP/csv"
fails 1 "cannot write" bash -c "echo a | sr-prompt -i lines > /dev/full"
fails 1 "cannot write" bash -c "echo a | sr-prompt -i lines >&-"
fails 1 "stdin: " bash -c "sr-prompt -i lines <&-"
fails 1 "stdin: " sr-prompt -i lines < .
fails 2 "lines|csv|tsv|jsonl" sr-prompt -i xml
fails 2 "unknown option" sr-prompt --nonsense

# A line of 10 MB, with NULs.
head -c 10000000 /dev/zero | tr '\0' x > "$TMP/long"
printf '\0\n' >> "$TMP/long"
sr-prompt -i lines < "$TMP/long" | sr-prompt -r text > "$TMP/out"
cmp "$TMP/out" "$TMP/long"

# A reader that closes early ends the writer quietly.
(set +o pipefail
yes | head -n 200000 | sr-prompt -i lines 2> "$TMP/err" | head -n 1 > "$TMP/out")
[ ! -s "$TMP/err" ] || die "closed pipe: $(cat "$TMP/err")"

# A line that comes slowly is answered while the next is not there yet.
mkfifo "$TMP/in" "$TMP/back"
sr-prompt -i lines -r text < "$TMP/in" > "$TMP/back" &
exec 3> "$TMP/in" 4< "$TMP/back"
for line in first second; do
	printf '%s\nbegin' "$line" >&3
	read -r -t 20 -u 4 got || die "no answer to a slow line"
	same "slow line" "${line/second/beginsecond}" "$got"
done
exec 3>&-
same "last line" begin "$(cat <&4)"
wait $!

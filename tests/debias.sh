#!/bin/bash
# sr-debias: what holds for every model, shown with a small one trained here by heart, and with the
# embedded model where that is there.
set -eu -o pipefail

die()
{
	echo "$*"
	exit 1
}

# exits STATUS COMMAND...
exits()
{
	local want=$1 got=0

	shift
	"$@" > "$TMP/out" 2> "$TMP/err" < "${input:-/dev/null}" || got=$?
	[ "$got" -eq "$want" ] || { cat "$TMP/err"; die "'$*' exits $got, not $want"; }
}

for tool in debias prompt tokenize train-step generate model; do
	command -v sr-$tool > /dev/null || { echo "skipped: sr-$tool is not built"; exit 77; }
done

# A small model that knows these rows by heart. The rewrite of the last one loses a number.
cat > "$TMP/pairs.csv" <<'END'
text,benign,label
Only an idiot would sit there.,Few people would sit there.,unsafe
Those lazy people never work.,Those people never work.,unsafe
What a stupid question from you.,What a question from you.,unsafe
Women are bad drivers.,Some people are bad drivers.,unsafe
The stupid server web01 ate 42 jobs.,The server web01 ate 42 jobs.,unsafe
The old fools run room 7.,The people run room.,unsafe
The bus leaves at noon.,The bus leaves at noon.,benign
Few people would sit there.,Few people would sit there.,benign
Those people never work.,Those people never work.,benign
What a question from you.,What a question from you.,benign
Some people are bad drivers.,Some people are bad drivers.,benign
The server web01 ate 42 jobs.,The server web01 ate 42 jobs.,benign
The people run room.,The people run room.,benign
END
cut -d, -f1 "$TMP/pairs.csv" | tail -n +2 > "$TMP/lines"
head -n 6 "$TMP/lines" > "$TMP/unsafe"
tail -n +7 "$TMP/lines" > "$TMP/benign"
(
	cd "$TMP"
	sr-tokenize --train 400 -o vocab.gguf --control '<|end|>' --control '<|text|>' \
		--control '<|rewrite|>' --control '<|safety|>' -i csv < pairs.csv
	sr-model init --vocab vocab.gguf --dim 64 --layers 2 --heads 4 --ff 128 --ctx 64 -o base.gguf
	head -n 7 pairs.csv | sr-prompt -i csv -f completion=benign | sr-tokenize -m base.gguf --only > tokens
	sr-prompt -i csv --task safety -f completion=label < pairs.csv |
		sr-tokenize -m base.gguf --only >> tokens
	for _ in {1..150}; do cat tokens; done |
		sr-train-step -m base.gguf -o trained.gguf --batch 19 --rate 3e-3 --warmup 10 > log
	sr-model set trained.gguf sr.template=sr -o model.gguf
) 2> "$TMP/train" || { cat "$TMP/train"; die 'no model'; }
small=$TMP/model.gguf

# For every line that is changed the rewrite is what sr-prompt | sr-generate gives.
same_as_generate()
{
	local model=$1 lines=$2 changed=0 source now output

	sr-debias -m "$model" < "$lines" > "$TMP/debiased"
	sr-prompt -i lines < "$lines" | sr-generate -m "$model" -r output > "$TMP/generated"
	while IFS= read -r source <&3 && IFS= read -r now <&4 && IFS= read -r output <&5; do
		[ "$now" = "$source" ] && continue
		[ "$now" = "$output" ] || die "'$source' became '$now', sr-generate says '$output'"
		changed=$((changed + 1))
	done 3< "$lines" 4< "$TMP/debiased" 5< "$TMP/generated"
	[ "$(wc -l < "$TMP/debiased")" -eq "$(wc -l < "$lines")" ] || die 'lines were lost'
	echo "$changed"
}

# What holds for any model and any text.
contract()
{
	local model=$1 lines=$2 n

	# Bytes of every kind, CRLF, no newline at the end: what is not changed comes out as it went in.
	printf 'fine\r\n\xff\xfe broken \xc3\n\n\0\x01\x02\n%s\n\ttabs \e[31mred\e[m \nlast' \
		"$(printf 'word %.0s' {1..400})" > "$TMP/bytes"
	sr-debias -m "$model" --threshold 1 < "$TMP/bytes" | cmp - "$TMP/bytes"
	sr-debias -m "$model" --threshold 1 -0 < "$TMP/bytes" | cmp - "$TMP/bytes"
	[ -z "$(sr-debias -m "$model" < /dev/null)" ]

	# A line's result does not depend on its neighbours, on files or on threads.
	sr-debias -m "$model" < "$lines" > "$TMP/a"
	tac "$lines" | sr-debias -m "$model" -t 1 | tac | cmp - "$TMP/a"
	cat "$lines" "$lines" | sr-debias -m "$model" "$lines" - "$lines" | cmp - \
		<(cat "$TMP/a" "$TMP/a" "$TMP/a" "$TMP/a")

	# The report has a record for each unsafe line; those that were rewritten score lower.
	sr-debias -m "$model" --report "$TMP/report" -v < "$lines" 2> "$TMP/err" | cmp - "$TMP/a"
	[ "$(stat -c %a "$TMP/report")" = 600 ] || die 'others can read the report'
	n=$(sr-debias -m "$model" --check < "$lines" | wc -l) || true
	[ "$(wc -l < "$TMP/report")" -eq "$n" ] || die "$n unsafe lines, not as many in the report"
	n=$(grep -c '"outcome":"rewritten"' "$TMP/report") || true
	grep -q ", $n rewritten, " "$TMP/err" || { cat "$TMP/err"; die "not $n rewritten"; }
	awk -F'"before":' '/"rewritten"/ { split($2, p, ",\"after\":"); if (!(p[2] + 0 < p[1] + 0)) exit 1 }' \
		"$TMP/report" || die 'a rewrite that is no safer'

	# As many lines are shown as changed as are changed; --dry-run tells of all that are unsafe.
	n=$(paste -d '\n' "$lines" "$TMP/a" | awk 'NR % 2 { a = $0; next } a != $0 { n++ } END { print n + 0 }')
	[ "$(sr-debias -m "$model" --diff < "$lines" | wc -l)" -eq "$n" ] || die "not $n differences"
	n=$(sr-debias -m "$model" --dry-run < "$lines" 2> "$TMP/err" | wc -l)
	[ "$(wc -l < "$TMP/report")" -eq "$n" ] || die "--dry-run tells of $n lines"
	[ -s "$TMP/err" ] || die '--dry-run gives no summary'

	# A line comes out before the next is there.
	coproc D { sr-debias -m "$model" --threshold 1; }
	for line in one two; do
		echo "$line" >&"${D[1]}"
		IFS= read -r -t 60 line_out <&"${D[0]}" || die "no '$line' while the input is open"
		[ "$line_out" = "$line" ]
	done
	n=$D_PID
	eval "exec ${D[1]}>&-"
	wait "$n"
}

contract "$small" "$TMP/lines"
n=$(same_as_generate "$small" "$TMP/lines")
[ "$n" -eq 5 ] || { cat "$TMP/debiased"; die "$n lines are rewritten, not 5"; }
tail -n +7 "$TMP/debiased" | cmp - "$TMP/benign"

# What this model knows: one difference, one refusal.
export SR_MODEL=$small
[ "$(sed -n 2p "$TMP/unsafe" | sr-debias --diff)" = 'stdin:1: Those [-lazy -]people never work.' ]
[ "$(sed -n 6p "$TMP/unsafe" | sr-debias --dry-run 2> /dev/null | sed 's/[01][.][0-9]*/P/')" = \
	'stdin:1: P refused: numbers (7 is lost)' ]
sr-debias --report "$TMP/report" < "$TMP/unsafe" > /dev/null
grep -q '"line":6,"outcome":"refused","reason":"numbers","action":"kept","detail":"7 is lost","source":"The old' \
	"$TMP/report"
[ "$(sr-debias --on-fail mask < "$TMP/unsafe" | tail -n 1)" = '[removed]' ]
[ "$(sr-debias --on-fail drop < "$TMP/unsafe" | wc -l)" -eq 5 ]
[ "$(tail -n 1 "$TMP/unsafe" | sr-debias --on-fail mask --diff)" = \
	'stdin:1: [-The old fools run room 7.-]{+[removed]+}' ]

# --check finds, names and fails; it is content with what is benign.
input=$TMP/lines exits 1 sr-debias --check
[ "$(wc -l < "$TMP/out")" -eq 6 ]
grep -Eqx 'stdin:2: [01]\.[0-9]{2} Those lazy people never work\.' "$TMP/out"
exits 1 sr-debias --check "$TMP/benign" "$TMP/unsafe"
head -n 1 "$TMP/out" | grep -q "^$TMP/unsafe:1: "
input=$TMP/benign exits 0 sr-debias --check
[ ! -s "$TMP/out" ]

# What has no English in it is not judged; what does not fit the model is not rewritten.
printf '\xd0\xb4\xd1\x83\xd1\x80\xd0\xb0\xd0\xba\n1234\n' | sr-debias --threshold 0 -v 2>&1 > /dev/null |
	grep -q ', 2 skipped;'
{
	for _ in {1..8}; do printf 'Only an idiot would sit there. '; done
	echo
} > "$TMP/long"
sr-debias --dry-run < "$TMP/long" 2> /dev/null | grep -q 'refused: too long'
sr-debias < "$TMP/long" | cmp - "$TMP/long"

# CSV: the one field changes, with the quotes that it had; JSON Lines: the rest keeps its spelling.
printf 'id,"note",comment\r\n1,"a ""b""",Women are bad drivers.\r\n2, c ,"Those lazy people never work."\n' |
	sr-debias -i csv -f text=comment > "$TMP/out"
cmp "$TMP/out" <(printf 'id,"note",comment\r\n1,"a ""b""",Some people are bad drivers.\r\n%s\n' \
	'2, c ,"Those people never work."')
printf '{"n":1.50,"msg":"Women are bad drivers.","n":12345678901234567890}\n{"type":"summary"}\n' |
	sr-debias -i jsonl -f text=msg > "$TMP/out"
cmp "$TMP/out" <(printf '{"n":1.50,"msg":"Some people are bad drivers.","n":12345678901234567890}\n%s\n' \
	'{"type":"summary"}')
printf 'comment,n\nThe old fools run room 7.,1\n' | sr-debias -i csv -f text=comment --on-fail drop > "$TMP/out"
cmp "$TMP/out" <(printf 'comment,n\n')

# A record without a text: an error after what came before it, or passed through with -k.
printf '{"text":"Women are bad drivers."}\n{"msg":1}\n{"text":"The bus leaves at noon."}\n' > "$TMP/holes"
input=$TMP/holes exits 1 sr-debias -i jsonl
grep -q 'record 2' "$TMP/err"
[ "$(cat "$TMP/out")" = '{"text":"Some people are bad drivers."}' ]
input=$TMP/holes exits 0 sr-debias -i jsonl -k
[ "$(sed -n 2p "$TMP/out")" = '{"msg":1}' ]
[ "$(wc -l < "$TMP/out")" -eq 3 ]

# A signal ends the input: what was read is written, the report too.
mkfifo "$TMP/fifo"
rm -f "$TMP/report"
sr-debias --report "$TMP/report" < "$TMP/fifo" > "$TMP/out" &
pid=$!
exec 7> "$TMP/fifo"
cat "$TMP/unsafe" >&7
for _ in {1..600}; do
	[ "$(wc -l < "$TMP/out")" -eq 6 ] && break
	sleep 0.1
done
kill -TERM $pid
status=0
wait $pid || status=$?
exec 7>&-
[ $status -eq 143 ] && [ "$(wc -l < "$TMP/report")" -eq 6 ] || die "after SIGTERM: exit $status"

# Trouble is said and counted as such, before any work where that can be.
exits 2 sr-debias --check --diff
exits 2 sr-debias --threshold 2
exits 2 sr-debias --on-fail shrug
exits 1 sr-debias "$TMP/none"
exits 1 sr-debias -m "$TMP/none"
exits 1 sr-debias --report "$TMP/none/report"
exits 1 sr-debias -i csv -f text=comment "$TMP/pairs.csv"
input=$TMP/benign exits 1 bash -c 'exec sr-debias > /dev/full'
[ -z "$(find "$TMP" -name '*.tmp-*')" ] || die 'a temporary file is left'

# The embedded model: the same promises, on texts of its own kind.
embedded=data/models/sr.gguf
if [ ! -e $embedded ]; then
	echo "no $embedded: checked with a small model alone"
	exit 0
fi
head -n 3 "$TMP/unsafe" > "$TMP/own"
for i in {1..20}; do
	echo "2025-03-0$((i % 9 + 1))T10:$((i + 10)):00Z web0$((i % 5)) app[$i]: request $((i * 7)) served in $i ms"
done >> "$TMP/own"
contract $embedded "$TMP/own"
same_as_generate $embedded "$TMP/own" > /dev/null

# The gate passes little that the model finds unsafe, and stands back where the threshold is not the one it was made for.
sr-prompt -i csv --template plain < data/pairs.csv | jq -r 'select(.split != "train") | .text' > "$TMP/judged"
for threshold in '' --threshold=0.1; do
	for gate in --gate --no-gate; do
		sr-debias -m $embedded --check $gate $threshold "$TMP/judged" > "$TMP/found$gate" || [ $? -eq 1 ]
	done
	if [ -n "$threshold" ]; then
		cmp "$TMP/found--gate" "$TMP/found--no-gate" || die 'the gate works below its threshold'
	else
		extra=$(comm -23 <(sort "$TMP/found--gate") <(sort "$TMP/found--no-gate") | wc -l)
		[ "$extra" -eq 0 ] || die "the gate found $extra texts that the model does not"
		awk 'FNR == NR { n++; next } { m++ } END { exit !(n >= 0.97 * m && m > 20) }' \
			"$TMP/found--gate" "$TMP/found--no-gate" || die 'the gate misses too much'
	fi
done

# In place: what changes is changed, and the mode stays; what does not is not touched; a link's file is the one that it
# points to.
cd "$TMP"
model=(-m "$embedded")
[[ $embedded = /* ]] || model=(-m "$OLDPWD/$embedded")
printf '%s\n' 'Thank you for the map.' 'Only an idiot would say so.' > text
cp text before
chmod 640 text
ln -s text link
sr-debias "${model[@]}" --in-place=.old link
sr-debias "${model[@]}" < before | cmp - text
cmp before text.old
[ -L link ] && [ "$(stat -c %a text)" = 640 ] || die 'in place: the link or the mode is lost'
echo 'Thank you for the map.' > calm
inode=$(stat -c '%i %Y' calm)
sr-debias "${model[@]}" --in-place calm
[ "$(stat -c '%i %Y' calm)" = "$inode" ] || die 'in place: a file without a change was written'
for bad in '' - 'calm --check'; do
	status=0
	sr-debias "${model[@]}" --in-place $bad < /dev/null 2> err || status=$?
	[ $status = 2 ] || die "in place: exit $status for '$bad'"
done
mkdir folder
! sr-debias "${model[@]}" --in-place folder 2> err || die 'in place: a folder'
[ -z "$(find . -maxdepth 1 -name '*.tmp-*')" ] || die 'in place: something was left behind'

# SIGUSR1: how it stands, and it goes on.
mkfifo pipe
sr-debias "${model[@]}" < pipe > out 2> err &
pid=$!
exec 3> pipe
echo 'Thank you for the map.' >&3
for ((i = 0; i < 600; i++)); do [ ! -s out ] || break; sleep 0.05; done
kill -USR1 $pid
for ((i = 0; i < 600; i++)); do [ ! -s err ] || break; sleep 0.05; done
grep -q '^sr-debias: 1 lines: 1 benign, 0 rewritten' err || die "SIGUSR1 said: $(cat err)"
echo 'Well done.' >&3
exec 3>&-
wait $pid
[ "$(wc -l < out)" = 2 ] || die 'SIGUSR1: it did not go on'

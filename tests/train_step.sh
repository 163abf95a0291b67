#!/bin/bash
# sr-train-step: it learns; batches, schedules and validation do what they say; a run that was stopped, killed or saved
# on the way ends with the bytes of one that was not.
set -eu -o pipefail

command -v jq > /dev/null || { echo 'skipped: no jq'; exit 77; }

fail()
{
	echo "$*"
	[ ! -s "$TMP/err" ] || tail -n 5 "$TMP/err"
	exit 1
}

# says WORDS: the last command's stderr has them
says()
{
	grep -qF -- "$1" "$TMP/err" || fail "expected on stderr: $1"
}

# refuses STATUS WORDS COMMAND...: no log, and a message
refuses()
{
	local want=$1 words=$2 got=0

	shift 2
	"$@" > "$TMP/log" 2> "$TMP/err" || got=$?
	[ $got = "$want" ] || fail "exit $got, not $want: $*"
	[ ! -s "$TMP/log" ] || fail "there is a log: $*"
	says "$words"
}

# holds FILTER: it is true of the records of $TMP/log, which are an array
holds()
{
	jq -es "$1" "$TMP/log" > /dev/null || fail "not true of the log: $1
$(head -n 5 "$TMP/log")"
}

cd "$TMP"
root=$OLDPWD
pairs=$root/data/pairs.csv

# 32 pairs, a vocabulary and a model with random weights.
# (sed reads on to the end: a reader that leaves would fail the pipe)
{ sed -n 1p "$pairs"; grep ',unsafe,.*,train$' "$pairs" | sed -n 1,32p; } > pairs.csv
sed -n 2,400p "$pairs" | sr-tokenize --train 400 -o vocab.gguf --control '<|end|>' --control '<|text|>' \
	--control '<|rewrite|>' 2> err
sr-model init --vocab vocab.gguf --dim 64 --layers 2 --heads 4 --kv-heads 2 --ff 160 --ctx 256 -s 2 -o init.gguf
sr-model init --vocab vocab.gguf --dim 16 --layers 2 --heads 2 --kv-heads 1 --ff 32 --ctx 256 -o tiny.gguf
sr-prompt -i csv -f completion=benign < pairs.csv > prompts.jsonl
sr-tokenize -m init.gguf --only < prompts.jsonl > once.jsonl
[ "$(wc -l < once.jsonl)" = 32 ] || fail 'these are not 32 records'
times() { for ((i = 0; i < $1; i++)); do cat once.jsonl; done; }
times 3 > thrice.jsonl

# It learns them by heart.
times 52 | sr-train-step -m init.gguf -o learnt.gguf --batch 8 --rate 6e-3 --beta2 0.98 --warmup 10 --schedule cosine --steps 208 \
	--weight-decay 0 --valid once.jsonl --valid-every 52 > log 2> err
says 'training all 0.11 M parameters of init.gguf: 8 records a step, '
says ' products, '
says ' tokens/s; about '
holds 'map(.valid_loss | values) | length == 4 and .[3] < 0.05 and .[0] > 1'
jq -c '{id, prompt}' prompts.jsonl | sr-generate -m learnt.gguf --temperature 0 --max-tokens 120 > outputs.jsonl
alike=$(paste -d '\n' prompts.jsonl outputs.jsonl |
	jq -s '[range(0; length; 2) as $i | select(.[$i].completion == .[$i + 1].output)] | length')
[ "$alike" -ge 30 ] || fail "only $alike of 32 come out as they were learnt"
sr-model info --json learnt.gguf | jq -e '.metadata["sr.training.steps"] == 208' > /dev/null || fail 'provenance is missing'

# What the log says.
sr-train-step -m tiny.gguf -o out.gguf --batch 10 < thrice.jsonl > log 2> err
holds 'length == 10 and map(.step) == [range(1; 11)]'
holds 'map(keys_unsorted) | unique == [["step","loss","learning_rate","grad_norm","records","tokens","targets","tokens_per_s"]]'
holds 'map(.records) == [10,20,30,40,50,60,70,80,90,96]'
holds 'all(.[]; .learning_rate == 0.0003 and .loss > 0 and .grad_norm > 0 and .tokens_per_s > 0)'
tokens=$(jq -s 'map(.tokens | length) | add' thrice.jsonl)
targets=$(jq -s 'map((.tokens | length) - .loss_from) | add' thrice.jsonl)
holds "(map(.tokens) | add == $tokens) and (map(.targets) | add == $targets)"
[ ! -e out.gguf.checkpoint ] || fail 'a checkpoint was left behind'

# Schedules: rates of 12 steps.
rates()
{
	local want=$1

	shift
	sr-train-step -m tiny.gguf -o out.gguf --batch 1 --rate 1 --steps 12 --divergence 0 "$@" < once.jsonl > log 2> err
	holds "map(.learning_rate) as \$got | $want as \$want |
		(\$got | length == 12) and all(range(12); (\$got[.] - \$want[.]) | fabs < 1e-6)"
}
rates '[range(12) | 1]'
rates '([0.25,0.5,0.75] + [range(9) | 1])' --warmup 4
rates '([0.25,0.5,0.75,1] + [range(1; 9) | 1 - . / 8])' --warmup 4 --schedule linear
rates '([1,2,3 | . / 3] + [range(1; 10) | 1 - . / 9])' --warmup 0.25 --schedule linear
rates '([0.5,1] + [range(1; 11) | 0.1 + 0.45 * (1 + (3.141592653589793 * . / 10 | cos))])' --warmup 2 --schedule cosine

# A step's records may go through in one pass or in many; the sums are rounded elsewhere, no more.
losses()
{
	sr-train-step -m tiny.gguf -o "out$1.gguf" --batch-tokens 900 --pass-tokens "$1" --products f32 --rate 1e-3 \
		< thrice.jsonl > log 2> err
	jq -sc 'map(.loss)' log
}
large=$(losses 2048)
holds 'length > 6 and all(.[]; .tokens <= 900)'
# whole records, as many as fit
first=$(jq -s '[.[].tokens | length] | . as $n | [range(1; length)] | map(select($n[:.] | add <= 900)) | last' once.jsonl)
holds ".[0].records == $first"
for size in 900 300 131; do
	small=$(losses $size)
	jq -en "$large as \$a | $small as \$b | (\$a | length) == (\$b | length) and
		all(range(\$a | length); ((\$a[.] - \$b[.]) / \$a[.] | fabs) < 1e-5)" > /dev/null ||
		fail "passes of $size: $small, not $large"
done

# Threads do not count.
for threads in 1 2 3; do
	sr-train-step -m tiny.gguf -o out$threads.gguf --batch 12 -t $threads < thrice.jsonl > log 2> err
	cmp out1.gguf out$threads.gguf
done

# Validation: tokens that training makes ever less likely, so the first look is the best.
jq -c '{tokens: [range(3; 30)], loss_from: 1}' <<< null > strange.jsonl
stopping=(--batch 2 --rate 1e-2 --valid strange.jsonl --valid-every 5 --patience 2)
sr-train-step -m tiny.gguf -o early.gguf "${stopping[@]}" < thrice.jsonl > log 2> err
holds 'map(select(.valid_loss)) | map([.step,.best]) == [[5,true],[10,false],[15,false]]'
holds 'last.step == 15 and length == 18'
says 'the model of step 5 is kept'
best=$(jq -s 'map(.valid_loss | values)[0]' log)
# a rate of 0 changes nothing, and so tells what the model is worth
sr-train-step -m early.gguf -o out.gguf --rate 0 --steps 1 --valid strange.jsonl < once.jsonl > log 2> err
holds "last.valid_loss / $best - 1 | fabs < 1e-5"

# Stopped and taken up again. A run's input comes through a pipe that stays open, so that it waits there.
mkfifo pipe
# begin OUT OPTIONS...: start a run; its input is file descriptor 3
begin()
{
	sr-train-step -m tiny.gguf -o "$@" < pipe > log 2> err 3>&- &
	pid=$!
	exec 3> pipe
}
# logged N: wait until there are N records in the log
logged()
{
	local i

	for ((i = 0; i < 1200; i++)); do
		[ "$(wc -l < log)" -lt "$1" ] || return 0
		sleep 0.05
	done
	fail "the log never came to $1 records"
}
# ends STATUS: the run is over, by itself or by a signal
ends()
{
	local got=0

	exec 3>&-
	wait $pid 2> /dev/null || got=$?
	[ $got = "$1" ] || fail "exit $got, not $1"
}
whole=(--batch 8 --rate 1e-3 --warmup 3)
sr-train-step -m tiny.gguf -o whole.gguf "${whole[@]}" < thrice.jsonl > whole.log 2> err
steps=$(wc -l < whole.log)

# SIGTERM, SIGINT, with four records of the next batch read already
for signal in TERM INT; do
	begin stopped.gguf "${whole[@]}"
	sed -n 1,44p thrice.jsonl >&3
	logged 5
	kill -$signal $pid
	ends 1
	says 'step 5 saved in stopped.gguf.checkpoint'
	says "stopped by signal $(kill -l $signal); --resume goes on from there"
	[ ! -e stopped.gguf ] || fail 'a model was written'
	cp log first.log
	refuses 1 '--resume goes on' sr-train-step -m tiny.gguf -o stopped.gguf "${whole[@]}" < thrice.jsonl
	sr-train-step -m tiny.gguf -o stopped.gguf "${whole[@]}" --resume < thrice.jsonl > log 2> err
	says 'resumed at step 5, after 40 records'
	cmp whole.gguf stopped.gguf
	[ ! -e stopped.gguf.checkpoint ] || fail 'the checkpoint was left behind'
	diff <(jq -c 'del(.tokens_per_s)' first.log log) <(jq -c 'del(.tokens_per_s)' whole.log)
	rm stopped.gguf
done

# kill -9: from the last checkpoint, steps in between are done again
begin killed.gguf "${whole[@]}" --save-every 2 --checkpoint elsewhere
sed -n 1,44p thrice.jsonl >&3
logged 5
kill -9 $pid
ends 137
sr-train-step -m tiny.gguf -o killed.gguf "${whole[@]}" --save-every 3 --checkpoint elsewhere --resume \
	< thrice.jsonl > log 2> err
says 'resumed at step 4, after 32 records'
cmp whole.gguf killed.gguf

# SIGUSR1 saves and goes on
begin saved.gguf "${whole[@]}"
sed -n 1,20p thrice.jsonl >&3
logged 2
kill -USR1 $pid
for ((i = 0; i < 1200; i++)); do [ ! -e saved.gguf.checkpoint ] || break; sleep 0.05; done
[ -e saved.gguf.checkpoint ] || fail 'SIGUSR1: nothing was saved'
sed -n '21,$p' thrice.jsonl >&3
ends 0
says 'step 2 saved in saved.gguf.checkpoint'
cmp whole.gguf saved.gguf

# Stopped behind the last record: what is left to do is to write the model
begin last.gguf "${whole[@]}"
cat thrice.jsonl >&3
logged "$steps"
kill -TERM $pid
ends 1
cp last.gguf.checkpoint kept
sr-train-step -m tiny.gguf -o last.gguf "${whole[@]}" --resume < thrice.jsonl > log 2> err
[ ! -s log ] || fail 'it trained on'
cmp whole.gguf last.gguf

# The best model so far is in the checkpoint
begin best.gguf "${stopping[@]}"
sed -n 1,24p thrice.jsonl >&3
logged 14 # 12 steps, 2 validations
kill -TERM $pid
ends 1
refuses 1 'made with valid=' sr-train-step -m tiny.gguf -o best.gguf "${stopping[@]}" --valid once.jsonl --resume \
	< thrice.jsonl
sr-train-step -m tiny.gguf -o best.gguf "${stopping[@]}" --resume < thrice.jsonl > log 2> err
holds 'last | .step == 15 and .best == false'
cmp early.gguf best.gguf

# What a run may not be resumed with. The checkpoint stays.
resume() { cp kept out.gguf.checkpoint && sr-train-step -m "${model:-tiny.gguf}" -o out.gguf "${whole[@]}" --resume "$@"; }
refuses 1 'made with rate=0.001, not rate=0.002' resume --rate 2e-3 < thrice.jsonl
refuses 1 'made with nothing, not valid=' resume --valid once.jsonl < thrice.jsonl
model=init.gguf refuses 1 'made with params=' resume < thrice.jsonl
refuses 1 'the first 96 records differ' resume < <(tac thrice.jsonl)
refuses 1 'stdin ends after 32 records, but out.gguf.checkpoint has seen 96' resume < once.jsonl
[ -e out.gguf.checkpoint ] || fail 'the checkpoint is gone'
cp tiny.gguf out.gguf.checkpoint
refuses 1 'not a checkpoint of sr-train-step' sr-train-step -m tiny.gguf -o out.gguf --resume < thrice.jsonl
head -c 3000 kept > out.gguf.checkpoint
refuses 1 'out.gguf.checkpoint: ' sr-train-step -m tiny.gguf -o out.gguf "${whole[@]}" --resume < thrice.jsonl
rm out.gguf.checkpoint out.gguf
# without one, --resume begins
sr-train-step -m tiny.gguf -o out.gguf "${whole[@]}" --resume < thrice.jsonl > log 2> err
cmp whole.gguf out.gguf

# A model that was trained is trained on.
sr-train-step -m whole.gguf -o again.gguf --steps 2 --batch 4 < once.jsonl > log 2> err
sr-model info --json again.gguf | jq -e '.metadata["sr.training.steps"] == 2' > /dev/null || fail 'training twice'

# Some tensors alone: they become F32, all others stay as they are, quantized ones too.
sr-model quantize --type Q8_0 init.gguf -o q8.gguf 2> err
sr-train-step -m q8.gguf -o some.gguf --train-only 'blk.1.attn_?.weight' --train-only output_norm.weight --rate 1e-2 --batch 8 \
	< thrice.jsonl > log 2> err
says 'training 0.01 M of the 0.11 M parameters of q8.gguf'
holds '.[-1].loss < .[0].loss - 0.1'
sr-model diff --json q8.gguf some.gguf > diff.json || true
changed='["blk.1.attn_k.weight","blk.1.attn_q.weight","blk.1.attn_v.weight","output_norm.weight"]'
jq -e ".tensors | map(.name) | sort == $changed" diff.json > ok || fail "other tensors: $(jq -c '.tensors | map(.name)' diff.json)"
jq -e '.tensors | all(.[]; .b.type == "F32")' diff.json > ok || fail "not in F32: $(jq -c .tensors diff.json)"
refuses 1 "no tensor of this llama matches 'blk.9.*', 'attn_q'" sr-train-step -m tiny.gguf -o out.gguf --train-only 'blk.0.*' \
	--train-only 'blk.9.*' --train-only attn_q < thrice.jsonl
refuses 2 'which?' sr-train-step -m tiny.gguf -o out.gguf --train-only 'blk.0.*' --lora 4 < thrice.jsonl

# What goes wrong. Nothing is written then.
rm out.gguf
status=0
sr-train-step -m tiny.gguf -o out.gguf --rate 1e9 < thrice.jsonl > log 2> err || status=$?
[ $status = 1 ] || fail "an endless rate: exit $status"
says 'lower the rate'
holds 'all(.[]; .loss | type == "number")'
refuses 1 'stdin: no records to train on' sr-train-step -m tiny.gguf -o out.gguf < /dev/null
refuses 1 'stdin: no records to train on' sr-train-step -m tiny.gguf -o out.gguf --resume < /dev/null
status=0
sr-train-step -m tiny.gguf -o out.gguf < thrice.jsonl > /dev/full 2> err || status=$?
[ $status = 1 ] || fail "a full disk: exit $status"
says 'No space left on device'
mkdir folder
refuses 1 'cannot write none/out.gguf' sr-train-step -m tiny.gguf -o none/out.gguf < thrice.jsonl
refuses 1 'cannot write folder: Is a directory' sr-train-step -m tiny.gguf -o folder < thrice.jsonl
refuses 1 'cannot write none/c' sr-train-step -m tiny.gguf -o out.gguf --checkpoint none/c < thrice.jsonl
refuses 1 'none.jsonl: No such file' sr-train-step -m tiny.gguf -o out.gguf --valid none.jsonl < thrice.jsonl
refuses 1 'no records to validate on' sr-train-step -m tiny.gguf -o out.gguf --valid /dev/null < thrice.jsonl
refuses 1 'none.gguf' sr-train-step -m none.gguf -o out.gguf < thrice.jsonl
refuses 2 '-m MODEL is needed' sr-train-step -o out.gguf < thrice.jsonl
refuses 2 '-o FILE is needed' sr-train-step -m tiny.gguf < thrice.jsonl
refuses 2 'cosine needs --steps' sr-train-step -m tiny.gguf -o out.gguf --schedule cosine < thrice.jsonl
refuses 2 'a share of warm-up needs --steps' sr-train-step -m tiny.gguf -o out.gguf --warmup 0.1 < thrice.jsonl
[ ! -e out.gguf ] || fail 'a model was written'

# Bad records are named.
bad()
{
	{ sed -n 1p once.jsonl; echo "$2"; sed -n 2p once.jsonl; } > bad.jsonl
	refuses 1 "stdin: record 2: $1" sr-train-step -m tiny.gguf -o out.gguf --batch 3 < bad.jsonl
	sr-train-step -m tiny.gguf -o out.gguf --batch 3 -k < bad.jsonl > log 2> err
	says '1 bad records skipped'
	holds 'length == 1 and .[0].records == 2'
}
bad 'token 400 is outside the model' '{"tokens":[1,400],"loss_from":1}'
bad "'tokens' is not an array of token ids" '{"tokens":[1,-1]}'
bad "'tokens' is not an array of token ids" '{"tokens":[1,2.5]}'
bad "'tokens' is not an array of token ids" '{"tokens":[1,99999999999999999999]}'
bad "'tokens' is not an array of token ids" '{"tokens":"1,2"}'
bad "no field 'tokens'" '{"text":"hi"}'
bad "'loss_from' is not an index" '{"tokens":[1,2,3],"loss_from":-1}'
bad '3 tokens and loss_from 3 leave nothing to learn' '{"tokens":[1,2,3],"loss_from":3}'
bad '1 tokens and loss_from 1 leave nothing to learn' '{"tokens":[1],"loss_from":1}'
bad '300 tokens, but at most 257 fit' "$(jq -cn '{tokens: [range(300)]}')"
bad '' '{"tokens":[1,2'
# A blank line of a text has nothing to learn, and is no mistake.
printf '%s\n' '{"tokens":[1]}' '{"tokens":[1,2]}' '{"tokens":[]}' '{"tokens":[2,1]}' |
	sr-train-step -m tiny.gguf -o out.gguf --batch 2 --valid <(echo '{"tokens":[1]}'; cat once.jsonl) > log 2> err
says '2 records of blank texts had nothing to learn'
holds '.[0].records == 2 and all(.[1:][]; .records == null or .records == 32)'
{ cat once.jsonl; echo '{"type":"summary","records":32}'; } |
	sr-train-step -m tiny.gguf -o out.gguf --batch 32 --valid <(echo '{"type":"summary"}'; cat once.jsonl) > log 2> err
holds 'length == 2 and .[0].records == 32'

# Told what it would do, and nothing done.
rm out.gguf
sr-train-step -m tiny.gguf --dry-run < thrice.jsonl > log 2> err
says 'training all 0.0'
[ ! -s log ] || fail 'a dry run has a log'

# What is trained: the answer and the end behind it, none of the prompt.
sr-train-step -m tiny.gguf --show-mask < once.jsonl > log 2> err
holds 'length == 32 and all(.[]; (.given | endswith("<|rewrite|>")) and (.trained | endswith("<|end|>")))'
diff <(jq -r .completion prompts.jsonl) <(jq -r '.trained | rtrimstr("<|end|>")' log)
[ "$(jq -s 'map(.targets) | add' log)" = "$(jq -s 'map((.tokens | length) - .loss_from) | add' once.jsonl)" ]

# Layers computed twice: the same bytes, less memory.
sr-train-step -m tiny.gguf -o recomputed.gguf "${whole[@]}" --recompute < thrice.jsonl > log 2> err
cmp whole.gguf recomputed.gguf
megabytes() { sr-train-step -m init.gguf --dry-run --pass-tokens 8192 "$@" 2>&1 | sed -n 's/.*, \([0-9]*\) MB$/\1/p'; }
[ "$(megabytes --recompute)" -lt "$(megabytes)" ] || fail 'recomputing saves nothing'

# Epochs, of a pipe: three times the same is what stood there thrice.
cat once.jsonl | sr-train-step -m tiny.gguf -o epochs.gguf "${whole[@]}" --epochs 3 > log 2> err
diff <(jq -c 'del(.tokens_per_s)' log) <(jq -c 'del(.tokens_per_s)' whole.log)
times 180 > many.jsonl
status=0
sr-train-step -m tiny.gguf -o out.gguf --batch 1000 --epochs 2 --spool-limit 1 < many.jsonl > log 2> err || status=$?
[ $status = 1 ] || fail "too much to spool: exit $status"
says 'more than 1 MB: see --spool-limit'

# In another order: as many records and tokens, other batches; killed at any moment, again and again (SR_KILLS times),
# and taken up from whatever the disk has, it ends as if undisturbed.
mixed=(--rate 1e-3 --batch 2 --epochs 30 --shuffle 20 --group-by-length --seed 3 --save-every 1)
sr-train-step -m tiny.gguf -o mixed.gguf "${mixed[@]}" < once.jsonl > mixed.log 2> err
jq -es 'last.records == 960' mixed.log > /dev/null || fail 'not every record came 30 times'
[ "$(jq -s 'map(.tokens) | add' mixed.log)" = $((10 * tokens)) ] || fail 'not every token came as often'
sr-train-step -m tiny.gguf -o other.gguf "${mixed[@]}" --seed 4 < once.jsonl > log 2> err
! cmp -s mixed.gguf other.gguf || fail 'the seed changes nothing'
kills=0
for ((i = 0; i < ${SR_KILLS:-8}; i++)); do
	sr-train-step -m tiny.gguf -o loop.gguf "${mixed[@]}" --resume < once.jsonl > log 2> err &
	pid=$!
	sleep "0.$(printf '%03d' $((5 + i * 37 % 90)))"
	kill -9 $pid 2> /dev/null && kills=$((kills + 1))
	wait $pid 2> /dev/null || true
	[ ! -e loop.gguf ] || break
done
[ $kills -gt 2 ] || fail "only $kills kills"
[ -e loop.gguf ] || sr-train-step -m tiny.gguf -o loop.gguf "${mixed[@]}" --resume < once.jsonl > log 2> err
cmp mixed.gguf loop.gguf

# The loss goes up and up: it ends, and the checkpoint is named. It stays as it was.
status=0
sr-train-step -m tiny.gguf -o wild.gguf --batch 4 --epochs 20 --rate 1 --clip 0 --divergence 0.5 --save-every 1 < once.jsonl \
	> log 2> err || status=$?
[ $status = 1 ] || fail "divergence: exit $status"
says 'the loss diverges'
says "wild.gguf.checkpoint has step $(($(wc -l < log) - 1))"
[ ! -e wild.gguf ] || fail 'a model was written'

# A full disk: an error, and the old checkpoint stands.
mkdir small
if mount -t tmpfs -o size=200k tmpfs small 2> /dev/null; then
	trap 'umount small' EXIT
	status=0
	sr-train-step -m tiny.gguf -o out.gguf "${whole[@]}" --save-every 2 --checkpoint small/c < thrice.jsonl > log 2> err || status=$?
	[ $status = 1 ] || fail "a full disk: exit $status"
	says 'No space left on device'
	[ "$(ls small)" = c ] || fail "left behind: $(ls small)"
	umount small
	trap - EXIT
fi

#!/bin/bash
# Every tool has a manual page that names all its options, and whose examples run.
set -eu -o pipefail

bad=0
complain()
{
	echo "$*"
	bad=$((bad + 1))
}

# The options that a help text lists, one a line, by all their names.
options()
{
	"$@" --help | sed -nE '/^  (-|    --)/{s/^  (-.).*/&\n\1/;s/^ *(-., )?(--[a-z0-9-]+)[^\n]*/\2/;s/^ [^\n]*\n//;p;}' |
		grep -vxE -- '--(help|version)'
}

# plain PAGE: as text, without overstriking.
plain()
{
	mandoc -T ascii -O width=1000 "$1" | sed 's/.\x08//g'
}

for path in "$BUILD"/bin/sr-*; do
	tool=${path##*/}
	page=man/$tool.1
	[ -r "$page" ] || { complain "$tool has no $page"; continue; }
	plain "$page" > "$TMP/text"
	plain man/sr-stream.5 > "$TMP/stream"
	options "$tool" > "$TMP/options" || true
	# the verbs of sr-model have options of their own
	for verb in $("$tool" --help | sed -n '/^usage: .* VERB/,/^options/s/^  \([a-z]*\) .*/\1/p'); do
		grep -q "^ *$tool $verb " "$TMP/text" || complain "$page does not show '$tool $verb'"
		options "$tool" "$verb" >> "$TMP/options" || true
	done
	while read -r option; do
		# a flag that is on by itself may stand as --no-NAME
		pattern="(^|[^a-z-])(--no${option#-}|$option)([^a-z-]|$)"
		grep -qE -- "$pattern" "$TMP/text" && continue
		# what all tools share stands in sr-stream(5)
		grep -qF 'sr-stream(5)' "$TMP/text" && grep -qE -- "$pattern" "$TMP/stream" && continue
		complain "$page does not tell of $option"
	done < "$TMP/options"
	for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
		grep -qx "$section" "$TMP/text" || complain "$page has no $section"
	done
done

for page in man/*; do
	mandoc -T lint -W warning "$page" > "$TMP/lint" || { cat "$TMP/lint"; complain "$page: mandoc complains"; }
done

# The examples of a page, as a script: displays and .Dl lines, without mdoc's escapes.
examples()
{
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$1" |
		sed -n '/^\.Bd -literal/,/^\.Ed/{/^\.[BE]d/d;p;}; s/^\.Dl //p' |
		sed 's/\\e/\\/g; s/\\(dq/"/g; s/\\(aq/'\''/g; s/\\-/-/g; s/\\&//g'
}

# A folder like the root of the tree with fewer pairs, and the files that examples are about. Without the embedded
# model a model that knows nothing shows that the commands run.
root=$PWD
mkdir "$TMP/tree" "$TMP/tree/data"
cp README.md "$TMP/tree"
cp data/demo.txt "$TMP/tree/data"
head -n 20 data/pairs.csv > "$TMP/tree/data/pairs.csv"
cd "$TMP/tree"
if [ -z "${SR_MODEL-}" ]; then
	sr-tokenize --train 300 -o vocab.gguf --control '<|end|>' --control '<|text|>' \
		--control '<|rewrite|>' --control '<|safety|>' < README.md 2> /dev/null
	sr-model init --vocab vocab.gguf --dim 16 --layers 1 --heads 2 --ff 16 --ctx 1024 -o "$TMP/tiny.gguf"
	export SR_MODEL=$TMP/tiny.gguf
fi
ln -s "$SR_MODEL" base.gguf
ln -s "$SR_MODEL" sr.gguf
cp data/pairs.csv pairs.csv
printf '%s\n' comment 'The bus was late.' '"Late, again"' > comments.csv
printf '%s\n' fool idiot > words.txt
for name in comments sentences texts corpus; do
	cp data/demo.txt $name.txt
done
sr-prompt -i lines < data/demo.txt > prompts.jsonl
sr-prompt -i csv -f completion=benign < pairs.csv | sr-tokenize --only > pairs.tok.jsonl

for page in "$root"/man/*; do
	# each page from the same start: an example may write over a file
	rm -rf "$TMP/page"
	cp -a "$TMP/tree" "$TMP/page"
	cd "$TMP/page"
	examples "$page" > "$TMP/script"
	[ -s "$TMP/script" ] || { complain "${page##*/} has no example"; continue; }
	status=0
	# head reads on, so that no tool is stopped by it; --check may find something
	{
		echo 'head() { command head "$@"; cat > /dev/null; }'
		sed -E 's/^sr-debias .*--check.*/& || [ $? -eq 1 ]/' "$TMP/script"
	} > "$TMP/run"
	bash -e -o pipefail "$TMP/run" > "$TMP/out" 2> "$TMP/err" || status=$?
	[ $status -eq 0 ] || { head -n 5 "$TMP/err"; complain "${page##*/}: an example fails with exit $status"; }
done

[ $bad -eq 0 ] || exit 1

#!/bin/bash
# The commands of README.md run as they stand there, and each shows something.
set -eu -o pipefail

[ -r data/models/sr.gguf ] || { echo 'skipped: the tour needs data/models/sr.gguf'; exit 77; }

# A tree as a clone has it after make.
mkdir "$TMP/tree"
ln -s "$BUILD" "$TMP/tree/build"
ln -s "$PWD/data" "$TMP/tree/data"
sed -n '/^```sh$/,/^```$/p' README.md | grep -v '^```' > "$TMP/tour"
sed -i "s|/tmp/|$TMP/|g" "$TMP/tour"
cd "$TMP/tree"
unset SR_MODEL

lines=0
while IFS= read -r line <&3; do
	case $line in
	'' | '#'*) continue ;;
	'export '*)
		eval "$line"
		continue
		;;
	esac
	lines=$((lines + 1))
	# head reads on, so that no tool is stopped by it
	bash -e -o pipefail -c 'head() { command head "$@"; cat > /dev/null; }; '"$line" > "$TMP/out" 2> "$TMP/err" || {
		echo "exit $?: $line"
		cat "$TMP/err"
		exit 1
	}
	[ -s "$TMP/out" ] || { echo "shows nothing: $line"; exit 1; }
done 3< "$TMP/tour"
[ $lines -ge 10 ] || { echo "the tour has $lines lines, not ten"; exit 1; }

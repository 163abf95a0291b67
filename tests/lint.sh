#!/bin/bash
# Style: what .editorconfig says of every text of ours, shell scripts, manual pages, C. Checkers that this machine
# lacks are named and left out. Alignment by hand is fine, so clang-format is not asked.
set -u -o pipefail

export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.." || exit 1
bad=0
complain()
{
	echo "$*"
	bad=$((bad + 1))
}

# reports WHAT COMMAND...: whatever the command prints is wrong.
reports()
{
	local what=$1 found

	shift
	found=$("$@" 2>&1) || true
	[ -z "$found" ] || complain "$found"$'\n'"-- $what"
}

have()
{
	command -v "$1" > /dev/null && return
	echo "no $1 here: left out"
	return 1
}

# Files of the tree that git knows, else (an unpacked archive) all outside build folders.
files()
{
	git ls-files -co --exclude-standard 2> /dev/null ||
		find . \( -name 'build*' -o -name .git \) -prune -o -type f -print
}
mapfile -t c < <(files | grep -E '\.[ch]$')
mapfile -t scripts < <(files | grep -E '\.sh$|^(\./)?\.ci/run$')
mapfile -t pages < <(files | grep -E '^(\./)?man/')
mapfile -t texts < <(files | grep -E '\.([ch]|sh|md|awk|jq|[15])$|Makefile$|^(\./)?(INSTALL|LICENSE)$')

reports 'trailing blanks' grep -nE '[[:blank:]]+$' "${c[@]}" "${pages[@]}" Makefile
reports 'carriage returns' grep -nl $'\r' "${texts[@]}"
reports 'indented with blanks, not tabs' grep -nE '^ +[^ *]' "${c[@]}"
for file in "${c[@]}"; do
	# a tab counts as eight; a line that is a string stays whole, so that grep finds it
	n=$(expand -t 8 "$file" | grep -E '^.{101,}' | grep -cvE '^ *(\{ |[^("]* = )?"')
	[ "$n" -eq 0 ] || complain "$file: $n lines of more than 100 columns"
done
for file in "${texts[@]}"; do
	[ -z "$(tail -c 1 "$file")" ] || complain "$file: no newline at the end"
done
reports 'typedef of a struct' grep -nE '^typedef (struct|union)' "${c[@]}"

if have mandoc; then
	reports 'mandoc' mandoc -T lint -W warning "${pages[@]}"
fi
if have shellcheck; then
	reports 'shellcheck' shellcheck -S warning "${scripts[@]}"
fi
if have cppcheck; then
	# where it is wrong here: it follows no _Noreturn function into another file, calls views of a file's
	# bytes as numbers unportable, and takes a sum that begins at 0 for 0
	doubtful=(missingIncludeSystem nullPointerRedundantCheck nullPointerArithmeticRedundantCheck
		ctunullpointer ctuuninitvar invalidPointerCast invalidFunctionArg)
	reports 'cppcheck' cppcheck --quiet --std=c11 --enable=warning,portability -Icommon \
		"${doubtful[@]/#/--suppress=}" --template='{file}:{line}: {message} [{id}]' common tools
fi

[ $bad -eq 0 ] || { echo "$bad complaints"; exit 1; }

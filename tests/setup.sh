#!/bin/bash
# setup.sh says exactly what is missing and how to get it, installs where it may, and does nothing where nothing is
# missing. What it would call is played by scripts that note down what they are asked.
set -eu -o pipefail

fail()
{
	echo "$1"
	cat "$TMP/err" "$TMP/asked" 2> /dev/null
	exit 1
}

# A machine of its own: PATH holds these alone.
machine()
{
	local name

	rm -rf "${TMP:?}/bin"
	mkdir "$TMP/bin"
	: > "$TMP/asked"
	for name in bash env cat true; do
		ln -s "$(type -P $name)" "$TMP/bin/$name"
	done
	for name in make pkg-config jq mandoc; do
		play $name
	done
	# the compiler finds every header but those that $TMP/lacks names
	play gcc 'read -r line; case " $(cat '"$TMP"'/lacks) " in *" ${line#*<} "*) exit 1;; esac'
	: > "$TMP/lacks"
	play id 'echo 1000'
	play apt-get 'echo "apt-get $*" >> '"$TMP/asked"
	play sudo 'shift; exec "$@"'
}

play()
{
	rm -f "$TMP/bin/$1"
	printf '#!%s\n%s\n' "$BASH" "${2-exit 0}" > "$TMP/bin/$1"
	chmod +x "$TMP/bin/$1"
}

lacks()
{
	local header

	for header; do
		printf '%s> ' "$header" >> "$TMP/lacks"
	done
}

run()
{
	status=0
	env -u WITH_DNNL -u CC PATH="$TMP/bin" "$BASH" ./setup.sh > "$TMP/out" 2> "$TMP/err" || status=$?
}

machine
run
[ $status -eq 0 ] && [ ! -s "$TMP/err" ] && [ ! -s "$TMP/asked" ] || fail 'nothing is missing, and yet'

machine
lacks csv.h
rm "$TMP/bin/jq"
run
[ $status -eq 0 ] || fail "exit $status where sudo works"
grep -q '^apt-get .*install .*libcsv-dev jq$' "$TMP/asked" || fail 'did not install libcsv-dev and jq'

# oneDNN alone is no reason to install, and no reason to fail
machine
lacks dnnl.h
run
[ $status -eq 0 ] && [ ! -s "$TMP/asked" ] || fail 'oneDNN is optional'
lacks csv.h
play apt-get 'echo "apt-get $*" >> '"$TMP/asked"'; case $* in *libdnnl*) exit 100;; esac'
run
[ $status -eq 0 ] && grep -q 'install .*libcsv-dev$' "$TMP/asked" || fail 'a missing oneDNN stops the rest'

machine
lacks blis.h check.h
play sudo 'exit 1'
run
[ $status -eq 1 ] && [ "$(wc -l < "$TMP/err")" -eq 1 ] && [ ! -s "$TMP/asked" ] || fail "exit $status without sudo"
grep -q 'run: sudo apt-get install libblis-dev check$' "$TMP/err" || fail 'the command is not exact'

machine
lacks blis.h
play apt-get 'exit 100'
run
[ $status -eq 1 ] || fail "exit $status where apt-get fails"
tail -n 1 "$TMP/err" | grep -q 'run: sudo apt-get install libblis-dev$' || fail 'no word on how to go on'
rm "$TMP/bin/apt-get"
run
[ $status -eq 1 ] && [ "$(wc -l < "$TMP/err")" -eq 1 ] || fail 'no apt-get here'

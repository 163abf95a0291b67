#!/bin/bash
# Run the tests: tests/run.sh BUILD [NAME...]
#
# A test is a program BUILD/tests/test_NAME or a script tests/NAME.sh, run in the root of the tree with the programs
# of BUILD on PATH, an empty folder of its own in $TMP, nothing on stdin and a time limit. It passes with exit 0 and
# is skipped with exit 77 (its last line says why); whatever else happens is a failure, and its output is shown.
# So is a sanitizer's report, even from a program that was expected to fail. The last line counts, for machines.
set -u -o pipefail

cd "$(dirname "$0")/.." || exit 1
build=$(cd "${1:?BUILD folder}" && pwd)
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
limit=${SR_TIME_LIMIT:-$([ -n "${SR_SAN-}" ] && echo 900 || echo 300)}

export PATH=$build/bin:$build/tests:$PATH LC_ALL=C.UTF-8 BUILD=$build CK_VERBOSITY=normal CK_TIMEOUT_MULTIPLIER=100
# The model of this tree, not one that is installed.
unset SR_MODEL NO_COLOR
[ -r data/models/sr.gguf ] && export SR_MODEL=$PWD/data/models/sr.gguf

# Its own tools for the tests, not tests themselves.
not_a_test='^(run|bench|lint)$'

names=$*
if [ -z "$names" ]; then
	names=$(
		find "$build/tests" -maxdepth 1 -type f -name 'test_*' -perm -u+x -printf '%f\n' | sort
		find tests -maxdepth 1 -name '*.sh' -printf '%f\n' | sed 's/\.sh$//' | sort | grep -Ev "$not_a_test"
	)
fi

passed=0 failed=0 skipped=0
for name in $names; do
	case $name in
	test_*) run=("$build/tests/$name") ;;
	*) run=(bash "tests/$name.sh") ;;
	esac
	dir=$scratch/$name
	out=$scratch/$name.out
	san=$scratch/$name.san
	mkdir "$dir"
	start=$EPOCHREALTIME
	TMP=$dir TMPDIR=$dir \
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:exitcode=99:log_path=$san \
	LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0:exitcode=99 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99:log_path=$san \
		timeout -k 5 "$limit" "${run[@]}" > "$out" 2>&1 < /dev/null
	status=$?
	took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%6.1f s", b - a }')
	why=
	[ $status -eq 124 ] && why=" (no end after $limit s)"
	if compgen -G "$san.*" > /dev/null; then
		status=1 why=' (sanitizer report)'
		cat "$san".* >> "$out"
	fi
	case $status in
	0)
		passed=$((passed + 1))
		echo "ok   $took  $name"
		;;
	77)
		skipped=$((skipped + 1))
		echo "skip $took  $name: $(tail -n 1 "$out" | sed 's/^skipped: //')"
		;;
	*)
		failed=$((failed + 1))
		echo "FAIL $took  $name: exit $status$why"
		tail -n 60 "$out" | sed 's/^/     | /'
		;;
	esac
	rm -rf "$dir" "$out" "$san".*
done

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $((passed + skipped)) -gt 0 ]

#!/bin/bash
# Install what building and testing need and this machine lacks, with Debian's apt-get, as root or through sudo.
# Nothing is installed, and no network is used, when nothing is missing. `make deps` calls this.
set -eu -o pipefail

cc=${CC:-gcc}

missing=()

# need_program PACKAGE PROGRAM, need_header PACKAGE HEADER
need_program()
{
	command -v "$2" > /dev/null || missing+=("$1")
}
has_header()
{
	echo "#include <$1>" | $cc -E -x c - > /dev/null 2>&1
}
need_header()
{
	has_header "$2" || missing+=("$1")
}

need_program gcc "${cc%% *}"
need_program make make
need_header libc6-dev stdio.h
need_header libblis-dev blis.h
need_header libcsv-dev csv.h
need_header libutf8proc-dev utf8proc.h
need_header libjansson-dev jansson.h
need_header check check.h
need_program pkg-config pkg-config
need_program jq jq
need_program mandoc mandoc

# oneDNN makes products fast where the CPU has matrix units. It comes along, but nothing fails without it.
optional=()
if [ "${WITH_DNNL-}" != 0 ] && [ "${#missing[@]}" -gt 0 ] && ! has_header dnnl.h; then
	optional=(libdnnl-dev)
fi

[ "${#missing[@]}" -gt 0 ] || exit 0

command="apt-get install ${missing[*]}${optional[*]:+ ${optional[*]}}"
give_up()
{
	echo "setup.sh: $1; run: sudo $command" >&2
	exit 1
}

as_root=()
command -v apt-get > /dev/null || give_up "missing, and there is no apt-get here: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
	as_root=(sudo -n)
	sudo -n true 2> /dev/null || give_up "missing, and this user may not install them: ${missing[*]}"
fi

echo "setup.sh: $command" >&2
# env, because sudo drops the environment
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y
	--no-install-recommends)
"${as_root[@]}" apt-get -qq update || true
[ "${#optional[@]}" -eq 0 ] || "${install[@]}" "${optional[@]}" > /dev/null ||
	echo "setup.sh: no oneDNN here; going on without it" >&2
"${install[@]}" "${missing[@]}" > /dev/null || give_up "apt-get cannot install what is missing: ${missing[*]}"

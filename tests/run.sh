#!/usr/bin/env bash
# Builds mailhaul and runs its tests. This is what CI runs, and nothing else.
#
#   tests/run.sh                 the whole suite, preset `check`
#   tests/run.sh --sanitizers    then unit, conformance, dialogue under ASan+UBSan and TSan, but for tests of volume
#   tests/run.sh --matrix        then clang (unit tests), and the whole suite under ASan+UBSan and under TSan
#   tests/run.sh ... -- ARGS     ARGS go to the first ctest, e.g. `-- -L unit` or `-- -R mbox`
#
# Corpus tests read $MAILHAUL_CORPORA, or ../shared/corpora beside the checkout; without either they are skipped.
# Exit status: 0 when every run passed, 1 when tests failed or a build did not, 2 for a wrong option.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly jobs=2  # what CI has; more makes the timing tests share a core
sanitizers=no
matrix=no
ctest_args=()
failed=()

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }

while (($# > 0)); do
  case $1 in
    --sanitizers) sanitizers=yes ;;
    --matrix) matrix=yes ;;
    -h | --help) usage; exit 0 ;;
    --) shift; ctest_args=("$@"); break ;;
    *) echo "tests/run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

say() { printf '\n== %s\n' "$*"; }

# Asks dpkg first, so that a machine that has everything needs neither root nor network.
install_missing() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  local sudo=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "tests/run.sh: these packages are missing and there is no sudo: ${missing[*]}" >&2
      exit 1
    fi
    sudo=(sudo)
  fi
  say "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -q
  # ccache only makes it faster: not every mirror has it, and nothing depends on it.
  apt-cache show ccache >/dev/null 2>&1 && missing+=(ccache)
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# build PRESET: configures and builds build/PRESET; of its test programs only those that match $programs.
build() {
  local options=("-DMAILHAUL_CORPORA=$corpora") targets=(all)
  export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
  command -v ccache >/dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  say "building preset $1"
  cmake --preset "$1" "${options[@]}" >"build/$1.configure.log" 2>&1 || { cat "build/$1.configure.log"; return 1; }
  [[ -z $programs ]] || mapfile -t targets < <(ninja -C "build/$1" -t targets all | sed -nE "s/^($programs): phony.*/\\1/p")
  cmake --build --preset "$1" --parallel "$jobs" --target "${targets[@]}" -- -k 0
}

# run PRESET [CTEST ARGS]: builds and tests; a failure is remembered, so that the other runs still happen.
run() {
  local preset=$1
  shift
  if build "$preset" && say "testing preset $preset $*" && \
     "${launcher[@]}" ctest --test-dir "build/$preset" --no-tests=error --output-on-failure -j "$jobs" "$@"; then
    return 0
  fi
  failed+=("$preset")
}

packages=(g++ cmake ninja-build pkg-config libpoco-dev libsqlite3-dev libcxxopts-dev libssl-dev zlib1g-dev libxxhash-dev
          libgtest-dev python3 strace valgrind openssl dovecot-imapd dovecot-pop3d dovecot-lmtpd)
[[ $matrix == no ]] || packages+=(clang libclang-rt-14-dev)
install_missing "${packages[@]}"

corpora=${MAILHAUL_CORPORA:-}
if [[ -z $corpora && -d ../shared/corpora ]]; then corpora=$(cd ../shared/corpora && pwd); fi
[[ -n $corpora ]] || say "no corpora: their tests will be skipped (set MAILHAUL_CORPORA)"

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
launcher=()
programs=
mkdir -p build

run check "${ctest_args[@]}"

# GCC 12's TSan cannot place its shadow where the kernel randomises more than 28 bits of an address.
if [[ $sanitizers == yes || $matrix == yes ]]; then
  random_bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
  if ((random_bits > 28)) && setarch -R true 2>/dev/null; then tsan_launcher=(setarch -R); else tsan_launcher=(); fi
fi
if [[ $matrix == yes ]]; then
  programs='unit_[a-z_]+'
  run clang -L unit
  programs=
  run asan -LE fault
  # LeakSanitizer stops a program that strace holds, and fault tests stop theirs where nothing can be freed.
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 run asan -L fault
  launcher=("${tsan_launcher[@]}")
  run tsan
elif [[ $sanitizers == yes ]]; then
  programs='unit_[a-z_]+|conformance|dialogue'
  # Tests of volume take the same paths as the others, only many times over, and cost the most.
  selection=(-L 'unit|conformance|dialogue' -E 'huge|64_MiB|thousand')
  run asan "${selection[@]}"
  launcher=("${tsan_launcher[@]}")
  run tsan "${selection[@]}"
fi

((${#failed[@]} == 0)) || exit 1

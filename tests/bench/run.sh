#!/usr/bin/env bash
# Measures mailhaul beside other programs, everything in one run on this machine, and prints one table.
#
#   tests/bench/run.sh                 mbox, POP3 and IMAP, at 0 and 100 ms; half an hour and more
#   tests/bench/run.sh --quick         little mail, two rounds, none of the slow peers; some minutes
#   tests/bench/run.sh --rounds N      how often each program runs (5)
#   tests/bench/run.sh --rtt MS        the round trip of the distant server (100)
#   tests/bench/run.sh --micro         the hot loops alone by Google Benchmark (libbenchmark-dev), in a minute
#   tests/bench/run.sh --scale         a million messages, one of 2 GiB, 1,000 distant folders, CPU seconds a GiB; hours,
#                                      and 20 GB of disk
#   tests/bench/run.sh --out DIR       where the JSON of each part goes (build/bench)
#   tests/bench/run.sh --install       first installs the peers from Debian, with root or sudo
#
# The mail is made by a fixed rule. Servers are private Dovecots on loopback. Rounds are interleaved, and what each
# program wrote is read back and compared. $IMAPSYNC names an imapsync to be measured between accounts. A peer that is
# not installed is left out. $MH_BINARY names the program to measure; without it a release is built. Exit status: 0 when
# every part ran, 1 when one did not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

quick=no rounds=5 rtt=100 out=build/bench install=no micro=no scale=no
usage() { sed -n '2,17p' "$0" | sed 's/^# \{0,1\}//'; }
while (($# > 0)); do
  case $1 in
    --quick) quick=yes rounds=2 ;;
    --rounds) rounds=$2; shift ;;
    --rtt) rtt=$2; shift ;;
    --micro) micro=yes ;;
    --scale) scale=yes ;;
    --out) out=$2; shift ;;
    --install) install=yes ;;
    -h | --help) usage; exit 0 ;;
    *) echo "tests/bench/run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

if [[ $install == yes ]]; then
  sudo=()
  ((EUID == 0)) || sudo=(sudo)
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    dovecot-imapd dovecot-pop3d dovecot-lmtpd openssl gcc isync mpop getmail6 fetchmail mb2md procmail libbenchmark-dev
fi
mkdir -p "$out"
if [[ $micro == yes ]]; then
  mkdir -p build/release-tests
  cmake --preset release -B build/release-tests -DMAILHAUL_TESTS=ON >build/release-tests/configure.log
  cmake --build build/release-tests --target micro
  build/release-tests/tests/micro --benchmark_repetitions=5 --benchmark_report_aggregates_only=true \
    --benchmark_out="$out/micro.json" --benchmark_out_format=json >&2
  exec python3 tests/bench/table.py "$out/micro.json"
fi
if [[ -z ${MH_BINARY:-} ]]; then
  mkdir -p build
  cmake --preset release >build/release.configure.log
  cmake --build --preset release --target mailhaul
  export MH_BINARY=$PWD/build/release/mailhaul
fi
failed=()

# part NAME PROGRAM ARGS: its JSON in $out/NAME.json.
part() {
  local name=$1
  shift
  echo "== $name: $*" >&2
  if python3 "tests/bench/$1.py" --rounds "$rounds" "${@:2}" >"$out/$name.json.part" 2>"$out/$name.log"; then
    mv "$out/$name.json.part" "$out/$name.json"
  else
    failed+=("$name")
    tail -n 20 "$out/$name.log" >&2
  fi
}

if [[ $scale == yes ]]; then
  part scale-millions scale --millions 1000000
  part scale-huge scale --huge 2047
  part scale-folders scale --folders 1000 --rtt "$rtt"
  part scale-cpu scale --cpu 256
elif [[ $quick == yes ]]; then
  part mbox stores --messages 500 --big 0
  part pop3 pop3 --messages 500 --without getmail,fetchmail
  part imap imap --messages 500
  part imap-distant imap --corpus L --messages 100 --rtt "$rtt" --jobs imap-imap
else
  part mbox stores
  part pop3 pop3 --corpus S
  part pop3-small pop3 --corpus T --jobs pop3-maildir --without getmail
  part pop3-distant pop3 --corpus L --rtt "$rtt"
  part imap imap --corpus S
  part imap-small imap --corpus T --jobs imap-imap
  part imap-distant imap --corpus L --rtt "$rtt" --jobs imap-imap,imap-maildir
fi
tables=("$out"/*.json)
[[ $scale == no ]] || tables=("$out"/scale-*.json)
python3 tests/bench/table.py "${tables[@]}"
((${#failed[@]} == 0)) || { echo "these parts failed: ${failed[*]}" >&2; exit 1; }

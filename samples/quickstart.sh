#!/usr/bin/env bash
# From a fresh checkout on Debian 12 to moved and proven mail: installs what the build needs, builds mailhaul, and
# carries the mail of samples/mail into a Maildir and back into mbox files. Each command is shown before it runs.
#
#   samples/quickstart.sh [FOLDER]     FOLDER: where everything goes (default: build/quickstart)
#
# Nothing outside build/ and FOLDER is written, your own ledgers are not touched. A second run takes seconds.
set -euo pipefail
work=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly work=${work:-build/quickstart}
readonly marker=$work/.mailhaul-quickstart
packages=(g++ cmake ninja-build pkg-config libpoco-dev libsqlite3-dev libcxxopts-dev libssl-dev zlib1g-dev libxxhash-dev)

# Asks dpkg first: where everything is there already, neither root nor network is needed.
install_missing() {
  local package missing=() sudo=()
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "install these packages first: ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
  fi
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Each run begins anew, but never by removing something that this script did not make.
clean_work_folder() {
  if [[ -e $work && ! -e $marker && -n $(ls -A "$work") ]]; then
    echo "$work is not empty and was not made by this script: name another folder" >&2
    exit 2
  fi
  mkdir -p "$work"
  touch "$marker"
  rm -rf "$work/Maildir" "$work/back" "$work/state"
}

step() { printf '\n# %s\n' "$*"; }
show() { printf '$'; printf ' %q' "$@"; printf '\n'; "$@"; }

step "Building (the first time takes some minutes)"
install_missing "${packages[@]}"
show cmake --preset release
show cmake --build --preset release

clean_work_folder
XDG_STATE_HOME=$(realpath -m "$work")/state  # the ledger goes there, not to ~/.local/state
export XDG_STATE_HOME
PATH=$PWD/build/release:$PATH

step "All mail of a Thunderbird-like profile goes into a new Maildir"
show mailhaul copy mbox:samples/mail/ "maildir:$work/Maildir"

step "The proof: both sides are read again and compared by content"
show mailhaul verify mbox:samples/mail/ "maildir:$work/Maildir"

step "What is there now"
show mailhaul ls "maildir:$work/Maildir"

step "The same copy once more: nothing is left to do"
show mailhaul copy mbox:samples/mail/ "maildir:$work/Maildir"

step "And the way back, into mbox files"
show mailhaul copy "maildir:$work/Maildir" "mbox:$work/back/"
show mailhaul verify "maildir:$work/Maildir" "mbox:$work/back/"

step "Done. The Maildir, the mbox files and the ledgers are in $work"

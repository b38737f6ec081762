#!/usr/bin/env bash
# The guide docs/user/pop3-to-imap.md at work, without any account: starts two private Dovecots on this machine, a POP3
# server that holds the mail of samples/mail/Inbox and an empty IMAP server, and moves the mail from one to the other.
# Each command of mailhaul is shown before it runs.
#
#   samples/pop3-to-imap/run.sh
#
# Needs no rights, and changes nothing outside a temporary folder, which it removes. The servers listen on 127.0.0.1
# only. Nothing is built: the program is $MAILHAUL, build/release/mailhaul, or the mailhaul in PATH. Exit code: 0, 77
# when something is missing, or that of the command that failed.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
readonly top=${BASH_SOURCE[0]%/*}/../..
readonly user=anna password='a word for anna'

missing() { echo "$1" >&2; exit 77; }

find_program() {
  if [[ -n ${MAILHAUL:-} ]]; then
    program=$MAILHAUL
  elif [[ -x $top/build/release/mailhaul ]]; then
    program=$top/build/release/mailhaul
  else
    program=$(type -P mailhaul) || missing "no mailhaul: build it (samples/quickstart.sh), or name it in \$MAILHAUL"
  fi
  [[ -x $program ]] || missing "$program is no program"
  [[ $program == /* ]] || program=$PWD/$program
}

check_packages() {
  local tool
  for tool in dovecot openssl setpriv mktemp; do
    type -P "$tool" > /dev/null || missing "no $tool: install the packages dovecot-imapd dovecot-pop3d openssl"
  done
  for tool in imap pop3; do
    [[ -x /usr/lib/dovecot/$tool ]] || missing "no Dovecot for $tool: install the packages dovecot-imapd dovecot-pop3d"
  done
}

# Dovecot is not run as root: root becomes nobody, everybody else stays who he is.
choose_server_user() {
  if ((EUID == 0)); then
    server_user=nobody
    server_group=$(id -gn nobody)
    become=(--reuid nobody --regid "$server_group" --clear-groups)
  else
    server_user=$(id -un)
    server_group=$(id -gn)
    become=()
  fi
}

servers=()
work=
clean() {
  local pid
  for pid in ${servers[@]+"${servers[@]}"}; do
    kill "$pid" 2> /dev/null || true
  done
  for pid in ${servers[@]+"${servers[@]}"}; do
    wait "$pid" 2> /dev/null || true
  done
  if [[ -n $work ]]; then rm -rf "$work"; fi
}

# A certificate authority of our own, and a certificate of "localhost" signed by it.
make_certificates() {
  local ca=$work/ca
  mkdir "$ca"
  {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=CA of a sample" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
      -keyout "$ca/ca.key" -out "$ca/ca.pem"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
      -keyout "$ca/server.key" -out "$ca/server.csr"
    printf '%s\n' subjectAltName=DNS:localhost extendedKeyUsage=serverAuth basicConstraints=CA:FALSE > "$ca/extensions"
    openssl x509 -req -in "$ca/server.csr" -CA "$ca/ca.pem" -CAkey "$ca/ca.key" -CAcreateserial -days 2 \
      -extfile "$ca/extensions" -out "$ca/server.crt"
  } 2> "$ca/log" || { cat "$ca/log" >&2; exit 1; }
}

is_open() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

# One for TLS; below the range from which the system takes the ports of clients.
free_port() {
  local port
  for _ in {1..50}; do
    port=$((20000 + RANDOM % 12000))
    is_open "$port" || { echo "$port"; return; }
  done
  echo "no free port" >&2
  exit 1
}

# settings FOLDER PROTOCOL PORT
settings() {
  cat << END
base_dir = $1/run
state_dir = $1/run
log_path = $1/log
protocols = $2
listen = 127.0.0.1
default_internal_user = $server_user
default_internal_group = $server_group
default_login_user = $server_user
first_valid_uid = 1
last_valid_uid = 0
first_valid_gid = 1
ssl = required
ssl_cert = <$1/server.crt
ssl_key = <$1/server.key
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  args = scheme=PLAIN $1/passwd
}
userdb {
  driver = static
  args = uid=$server_user gid=$server_group home=$1/mail/%u
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
  chroot =
}
service stats {
  chroot =
}
service auth {
  chroot =
}
service $2-login {
  chroot =
  inet_listener $2 {
    port = 0
  }
  inet_listener $2s {
    port = $3
    ssl = yes
  }
}
namespace inbox {
  inbox = yes
  separator = /
}
END
}

# start NAME PROTOCOL: sets `port`. It ends with this script, however that ends (--pdeathsig).
start() {
  local folder=$work/$1 pid
  mkdir -p "$folder/run" "$folder/mail"
  cp "$work/ca/server.crt" "$work/ca/server.key" "$folder"
  printf '%s:{PLAIN}%s\n' "$user" "$password" > "$folder/passwd"
  for _ in {1..5}; do  # somebody else may take the port between our look and the server's
    port=$(free_port)
    settings "$folder" "$2" "$port" > "$folder/dovecot.conf"
    if ((EUID == 0)); then chown -R "$server_user:$server_group" "$folder"; fi
    setpriv --pdeathsig TERM ${become[@]+"${become[@]}"} dovecot -F -c "$folder/dovecot.conf" \
      < /dev/null > "$folder/said" 2>&1 &
    pid=$!
    for _ in {1..150}; do
      if is_open "$port"; then
        servers+=("$pid")
        return
      fi
      kill -0 "$pid" 2> /dev/null || break
      sleep 0.1
    done
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  echo "Dovecot did not start:" >&2
  cat "$folder/said" "$folder/log" >&2 2> /dev/null || true
  exit 1
}

step() { printf '\n# %s\n' "$*"; }
show() {
  printf '$ mailhaul'
  printf ' %q' "$@"
  printf '\n'
  "$program" "$@"
}

find_program
check_packages
choose_server_user
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work=$(mktemp -d)
chmod 711 "$work"
export XDG_STATE_HOME=$work/state  # the ledger goes there, not to ~/.local/state

make_certificates
mkdir -p "$work/old/mail"
"$program" copy -q --dedup none "mbox:$top/samples/mail/Inbox" "maildir:$work/old/mail/$user/Maildir"
start old pop3
readonly old=pop3s://$user@localhost:$port
start new imap
readonly new=imaps://$user@localhost:$port
readonly ca=$work/ca/ca.pem
export MAILHAUL_SOURCE_PASSWORD=$password MAILHAUL_TARGET_PASSWORD=$password

echo "The POP3 account is $old, the IMAP account $new."
echo "--source-ca and --target-ca name the authority of these servers; a provider's certificate needs no such option."
echo "The passwords are in the environment; else they would be asked for."

step "1. Both accounts can be entered"
show probe --source-ca "$ca" "$old"
show probe --source-ca "$ca" "$new"

step "2. What the POP3 mailbox holds: one folder, and nobody knows what was read"
show ls --source-ca "$ca" "$old"

step "3. What a copy would do"
show copy --dry-run --source-ca "$ca" --target-ca "$ca" "$old" "$new"

step "4. The copy"
show copy --source-ca "$ca" --target-ca "$ca" "$old" "$new"

step "5. The proof: both sides are read again and compared by content"
show verify --source-ca "$ca" --target-ca "$ca" "$old" "$new"

step "6. The same copy once more: nothing is left to do"
show copy --source-ca "$ca" --target-ca "$ca" "$old" "$new"

step "What the IMAP account holds now; the POP3 mailbox still holds all of it"
show ls --source-ca "$ca" "$new"
show ls --source-ca "$ca" "$old"

step "Done. The servers are stopped, and all that they had is removed"

"""Private mail servers for one test: on loopback, without privileges, on free ports, gone when the test is gone.

    with Dovecot(directory, certificates.Authority(directory + "/ca")) as server:
        server.port, server.tls_port, server.password, server.fetch("anna")

Facts that cost time: docs of the settings do not say that chroots must be emptied for a server that is not root, that
failed logins are answered late unless the penalty is off, nor that a master killed by SIGTERM needs up to a second.
"""

import base64
import ctypes
import hashlib
import hmac
import json
import os
import pwd
import random
import shlex
import shutil
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
USER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
GROUP = "nogroup" if os.geteuid() == 0 else str(USER.pw_gid)
TOKEN_KEY = b"0123456789abcdef0123456789abcdef"
START_SECONDS = 15


def dovecot_available():
    return bool(shutil.which("dovecot") and shutil.which("doveadm") and shutil.which("openssl")
                and os.path.exists("/usr/lib/dovecot/imap"))


def tied_to_us():
    """In the child, before exec: the kernel ends it when this process ends, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def as_server_user():
    """Options of subprocess that give up root. Credentials change before tied_to_us(), else the tie would be lost."""
    options = {"preexec_fn": tied_to_us}
    if os.geteuid() == 0:
        options.update(user=USER.pw_uid, group=USER.pw_gid, extra_groups=[])
    return options


def give_away(path):
    """Makes a tree the server user's own, and lets it be reached through our temporary folder."""
    if os.geteuid() != 0:
        return
    for folder, folders, names in os.walk(path):
        for name in [""] + folders + names:
            os.chown(os.path.join(folder, name), USER.pw_uid, USER.pw_gid, follow_symlinks=False)
    parent = os.path.dirname(path)
    while parent.startswith("/tmp/"):
        os.chmod(parent, os.stat(parent).st_mode | 0o011)
        parent = os.path.dirname(parent)


def free_ports(count):
    """Ports nobody listens on, below the range from which the system takes ports of clients."""
    found = []
    while len(found) < count:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def wait_until(reached, seconds, what):
    """Polls; a test that waits longer than that has failed."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise RuntimeError(what + " did not happen in %d s" % seconds)
        time.sleep(0.02)


def connectable(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def token(user, seconds=600):
    """An OAuth token that the test's Dovecot accepts for `seconds`; negative: one that has expired."""
    def part(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=")

    now = int(time.time())
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = {"sub": user, "aud": "test", "iat": now - 7200, "exp": now + seconds, "iss": "default"}
    text = head + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.new(TOKEN_KEY, text, hashlib.sha256).digest())).decode()


class Dovecot:
    """One listening Dovecot. Settings are given before start():

    storage     maildir, sdbox, mdbox
    separator   "/" or "."
    users       name -> password
    master      (name, password) of a user who may act as any other, or None
    capability  replaces what IMAP announces after login; hides an extension, does not take it away
    quota       "messages=10" or "storage=1M" per user, or None
    special_use names with their roles: {"Sent": "\\Sent"}
    extra       lines for the end of the configuration
    """

    def __init__(self, directory, authority, **settings):
        self.directory = directory
        self.storage = settings.pop("storage", "maildir")
        self.separator = settings.pop("separator", "/")
        self.users = settings.pop("users", {"anna": "secret", "bert": "pass word"})
        self.master = settings.pop("master", None)
        self.capability = settings.pop("capability", None)
        self.quota = settings.pop("quota", None)
        self.special_use = settings.pop("special_use", {})
        self.fsync = settings.pop("fsync", "never")
        self.pop3 = os.path.exists("/usr/lib/dovecot/pop3")
        self.extra = settings.pop("extra", "")
        assert not settings, settings
        self.authority = authority
        self.certificate = self.key = self.process = None
        self.port = self.tls_port = self.pop3_port = self.pop3_tls_port = None

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    @property
    def conf(self):
        return self.path("dovecot.conf")

    @property
    def log(self):
        return self.path("log")

    def mail_root(self, user):
        return self.path("mail", user)

    # Life -----------------------------------------------------------------------------------------------------------

    def start(self):
        for name in ("run", "mail", "keys/default/HS256"):
            os.makedirs(self.path(name), exist_ok=True)
        self.certificate, self.key = (shutil.copy(path, self.directory) for path in self.authority.issue())
        for name, octets in (("keys/default/HS256/default", base64.b64encode(TOKEN_KEY)),
                             ("oauth2.conf", self.oauth_settings().encode()),
                             ("passwd", self.passwd(self.users)), ("masters", self.passwd(dict([self.master] if self.master else [])))):
            with open(self.path(name), "wb") as file:
                file.write(octets)
        for attempt in range(5):  # somebody else may take a port between our look and the server's bind
            self.port, self.tls_port, self.pop3_port, self.pop3_tls_port = free_ports(4)
            with open(self.conf, "w", encoding="utf-8") as file:
                file.write(self.settings())
            give_away(self.directory)
            self.process = subprocess.Popen(["dovecot", "-F", "-c", self.conf], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **as_server_user())
            try:
                wait_until(lambda: self.process.poll() is not None or connectable(self.port), START_SECONDS, "start of Dovecot")
            except RuntimeError:
                self.stop()
                raise
            if self.process.poll() is None:
                return self
            told = self.process.stderr.read().decode("utf-8", "replace") + self.read_log()
            self.process.stderr.close()
            if "Address already in use" not in told or attempt == 4:
                raise RuntimeError("Dovecot did not start: " + told)

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        # The same run directory cannot be used again before the file of its master is gone.
        wait_until(lambda: not os.path.exists(self.path("run", "master.pid")) or not connectable(self.port), 10, "end of Dovecot")
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def read_log(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # Asked by tests -------------------------------------------------------------------------------------------------

    def doveadm(self, *arguments, check=True, **options):
        """Runs doveadm on this server; gives its standard output as octets."""
        done = subprocess.run(["doveadm", "-c", self.conf, *arguments], stdin=options.pop("stdin", subprocess.DEVNULL),
                              capture_output=True, check=False, env={"PATH": os.environ["PATH"], "HOME": self.directory},
                              cwd="/", **as_server_user(), **options)
        if check and done.returncode != 0:
            raise RuntimeError("doveadm %s: %s" % (arguments, done.stderr.decode("utf-8", "replace")))
        return done.stdout

    def url(self, user, tls=True, host="localhost", folder="", query=""):
        return "%s://%s@%s:%d/%s%s" % ("imaps" if tls else "imap", user, host, self.tls_port if tls else self.port, folder, query)

    def pop3_url(self, user, tls=True, host="localhost", query=""):
        return "%s://%s@%s:%d%s" % ("pop3s" if tls else "pop3", user, host, self.pop3_tls_port if tls else self.pop3_port, query)

    def password_file(self, user):
        path = self.path("password-of-" + user)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.users[user] + "\n")
        os.chmod(path, 0o600)
        return path

    def forget(self, user):
        """The user's mail is gone, and with it all that the server remembers of it."""
        self.doveadm("kick", user, check=False)
        shutil.rmtree(self.mail_root(user), ignore_errors=True)

    # Configuration --------------------------------------------------------------------------------------------------

    @staticmethod
    def passwd(users):
        return "".join("%s:{PLAIN}%s\n" % pair for pair in users.items()).encode()

    def oauth_settings(self):
        return ("introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=%s/\n"
                "username_attribute = sub\nusername_format = %%u\n" % self.path("keys"))

    def settings(self):
        plugins = ["quota"] if self.quota else []
        text = f"""
base_dir = {self.path("run")}
state_dir = {self.path("run")}
log_path = {self.log}
protocols = imap{" pop3" if self.pop3 else ""}
listen = 127.0.0.1
default_internal_user = {USER.pw_name}
default_internal_group = {GROUP}
default_login_user = {USER.pw_name}
first_valid_uid = 1
last_valid_uid = 0
first_valid_gid = 1
ssl = yes
ssl_cert = <{self.certificate}
ssl_key = <{self.key}
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = {self.storage}:~/{self.storage}
mail_fsync = {self.fsync}
mail_max_userip_connections = 200
mail_plugins = {" ".join(plugins)}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {self.path("passwd")}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {self.path("oauth2.conf")}
}}
userdb {{
  driver = static
  args = uid={USER.pw_uid} gid={USER.pw_gid} home={self.path("mail")}/%u
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
  chroot =
}}
service stats {{
  chroot =
}}
service auth {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = {self.tls_port}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {self.pop3_port}
  }}
  inet_listener pop3s {{
    port = {self.pop3_tls_port}
    ssl = yes
  }}
}}
namespace inbox {{
  inbox = yes
  separator = {self.separator}
{"".join('  mailbox %s {' % json.dumps(name, ensure_ascii=False) + chr(10) + '    special_use = %s' % role + chr(10) + '    auto = create' + chr(10) + '  }' + chr(10) for name, role in self.special_use.items())}
}}
"""
        if self.master:
            text += "passdb {\n  driver = passwd-file\n  args = scheme=PLAIN %s\n  master = yes\n  result_success = continue\n}\n" % self.path("masters")
        if self.quota:
            text += "plugin {\n  quota = count:User quota\n  quota_rule = *:%s\n  quota_vsizes = yes\n}\n" % self.quota
        if self.capability:
            text += "imap_capability = %s\n" % self.capability
        return text + self.extra + "\n"


class DovecotPipe:
    """Dovecot without a server: each session is a process of `doveadm exec imap`, already logged in."""

    def __init__(self, directory, storage="maildir", separator="/", extra=""):
        self.directory = directory
        os.makedirs(os.path.join(directory, "home"), exist_ok=True)
        self.conf = os.path.join(directory, "dovecot.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f"""
base_dir = {directory}/run
state_dir = {directory}/run
log_path = /dev/stderr
protocols = imap
ssl = no
first_valid_uid = 0
last_valid_uid = 0
first_valid_gid = 0
mail_uid = {USER.pw_uid}
mail_gid = {USER.pw_gid}
mail_home = {directory}/home
mail_location = {storage}:~/{storage}
mail_fsync = never
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
{extra}
""")
        give_away(directory)

    def command(self):
        """For `?tunnel=`, not yet percent-encoded. The server wants pipes, not a terminal or a file."""
        home = shlex.quote(self.directory + "/home")
        return "HOME=%s USER=test exec doveadm -c %s exec imap 2>>%s" % (
            home, shlex.quote(self.conf), shlex.quote(self.directory + "/log"))

    def url(self, folder="", query=""):
        from urllib.parse import quote
        return "imap://test@localhost/%s?tunnel=%s%s" % (folder, quote(self.command(), safe=""), query)

    def doveadm(self, *arguments, check=True):
        done = subprocess.run(["doveadm", "-c", self.conf, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              check=False, cwd="/", preexec_fn=tied_to_us,
                              env={"PATH": os.environ["PATH"], "HOME": self.directory + "/home", "USER": "test"})
        if check and done.returncode != 0:
            raise RuntimeError("doveadm %s: %s" % (arguments, done.stderr.decode("utf-8", "replace")))
        return done.stdout

"""An IMAP server of a few hundred lines, and a POP3 server of a few less, that are honest until a test tells them where
to lie.

    class Amnesiac(Honest):
        def do_append(self, command): ...
    with Liar(lambda connection: Amnesiac(connection, mailboxes)) as liar: ... liar.port, liar.transcript

A script is called with each connection, in a thread of its own; it may be any function that talks over it."""

import contextlib
import re
import socket
import ssl
import threading
import zlib


class Closed(Exception):
    """The client went away."""


class Connection:
    """One client: octets in and out, and everything that it ever sent."""

    def __init__(self, server, sock, number):
        self.server, self.socket, self.number = server, sock, number
        self.buffer = b""
        self.sent_by_client = b""
        self.deflater = self.inflater = None

    def send(self, octets):
        if self.deflater:
            octets = self.deflater.compress(octets) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        self.send_as_it_is(octets)

    def send_as_it_is(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError as error:
            raise Closed from error

    def receive(self):
        try:
            octets = self.socket.recv(65536)
        except OSError as error:
            raise Closed from error
        if not octets:
            raise Closed
        if self.inflater:
            octets = self.inflater.decompress(octets)
        self.sent_by_client += octets
        self.server.hear(octets)
        self.buffer += octets

    def line(self):
        while b"\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def exactly(self, count):
        while len(self.buffer) < count:
            self.receive()
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        return octets

    def start_tls(self, context):
        self.buffer = b""
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def start_compression(self):
        """Both ways from here on; what came already is compressed."""
        self.deflater, self.inflater = zlib.compressobj(6, zlib.DEFLATED, -15), zlib.decompressobj(-15)
        self.buffer = self.inflater.decompress(self.buffer)

    def wait_for_the_end(self):
        """Reads until the client closes: for scripts that have said everything."""
        with contextlib.suppress(Closed):
            while True:
                self.receive()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.socket.close()


class Liar:
    """Listens on a free port of loopback. `tls`: an SSLContext for TLS from the first octet."""

    def __init__(self, script, tls=None):
        self.script, self.tls = script, tls
        self.connections = 0
        self.transcript = b""  # of all connections, what clients sent, decrypted
        self.failures = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def hear(self, octets):
        with self._lock:
            self.transcript += octets

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, number):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, sock, number)
        try:
            if self.tls:
                connection.socket = self.tls.wrap_socket(sock, server_side=True)
            self.script(connection)
        except (Closed, ssl.SSLError, ConnectionError):
            pass
        except Exception as error:  # a mistake of the script must not look like one of the client
            self.failures.append(error)
        finally:
            connection.close()


def say(*lines):
    """A script that sends lines without waiting for anything, and listens until the client has gone."""
    def script(connection):
        for line in lines:
            connection.send(line)
        connection.wait_for_the_end()
    return script


# A model of a server ------------------------------------------------------------------------------------------------

class Message:
    def __init__(self, uid, octets, flags=("\\Seen",), date="01-Feb-2003 04:05:06 +0000"):
        self.uid, self.octets, self.flags, self.date = uid, octets, list(flags), date


class Box:
    def __init__(self, messages=(), attributes=""):
        self.validity, self.next, self.attributes = 1234, 1, attributes
        self.messages = []
        for message in messages:
            self.add(message)

    def add(self, octets, flags=("\\Seen",), date="01-Feb-2003 04:05:06 +0000"):
        message = octets if isinstance(octets, Message) else Message(self.next, octets, flags, date)
        self.messages.append(message)
        self.next = message.uid + 1
        return message


class Command:
    def __init__(self, tag, name, tokens, line):
        self.tag, self.name, self.tokens, self.line = tag, name, tokens, line


def quoted(name):
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", name) + b'"'


class Honest:
    """Serves `boxes` (raw name -> Box) to one connection until LOGOUT. Override what shall be a lie."""

    greeting = b"* OK liar ready\r\n"
    capability = b"IMAP4rev1 LITERAL+ UIDPLUS AUTH=PLAIN"

    def __init__(self, connection, boxes):
        self.connection, self.boxes = connection, boxes
        self.box = None
        self.send = connection.send
        self.serve()

    def serve(self):
        self.send(self.greeting)
        while True:
            command = self.command()
            handler = getattr(self, "do_" + command.name.lower().replace(" ", "_"), None)
            if handler is None:
                self.reply(command, b"BAD not known here")
            elif handler(command) == "end":
                return

    def command(self):
        line = whole = self.connection.line()
        tokens = []
        while True:
            literal = re.search(rb"\{(\d+)(\+?)\}$", line)
            tokens += self.tokens(line[:literal.start()] if literal else line)
            if not literal:
                break
            if not literal.group(2):
                self.send(b"+ go\r\n")
            octets = self.connection.exactly(int(literal.group(1)))
            tokens.append(octets)
            line = self.connection.line()
            whole += b"\r\n" + octets + line
        tag, name, rest = tokens[0], tokens[1].upper().decode("ascii"), tokens[2:]
        if name == "UID":
            name, rest = "UID " + rest[0].upper().decode("ascii"), rest[1:]
        return Command(tag, name, rest, whole)

    @staticmethod
    def tokens(line):
        found = re.findall(rb'"((?:\\.|[^"\\])*)"|([()])|([^\s()"]+)', line)
        return [re.sub(rb"\\(.)", rb"\1", text) if not paren and not atom else paren or atom for text, paren, atom in found]

    def reply(self, command, text):
        self.send(command.tag + b" " + text + b"\r\n")

    def done(self, command):
        self.reply(command, b"OK " + command.name.encode() + b" completed")

    # Commands -------------------------------------------------------------------------------------------------------

    def do_capability(self, command):
        self.send(b"* CAPABILITY " + self.capability + b"\r\n")
        self.done(command)

    def do_noop(self, command):
        self.done(command)

    do_check = do_enable = do_subscribe = do_unselect = do_noop

    def do_compress(self, command):
        if b"COMPRESS=DEFLATE" not in self.capability:
            return self.reply(command, b"BAD not known here")
        self.done(command)
        return self.connection.start_compression()

    def do_id(self, command):
        self.send(b'* ID ("name" "liar")\r\n')
        self.done(command)

    def do_namespace(self, command):
        self.send(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
        self.done(command)

    def do_login(self, command):
        self.done(command)

    def do_authenticate(self, command):
        if len(command.tokens) < 2:
            self.send(b"+ \r\n")
            self.connection.line()
        self.done(command)

    def do_logout(self, command):
        self.send(b"* BYE bye\r\n")
        self.done(command)
        return "end"

    def list_line(self, name, box):
        return b"* LIST (" + box.attributes.encode() + b') "/" ' + quoted(name) + b"\r\n"

    def do_list(self, command):
        for name, box in self.boxes.items():
            self.send(self.list_line(name, box))
        self.done(command)

    def do_lsub(self, command):
        for name in self.boxes:
            self.send(b'* LSUB () "/" ' + quoted(name) + b"\r\n")
        self.done(command)

    def do_status(self, command):
        box = self.boxes.get(command.tokens[0])
        if box is None:
            return self.reply(command, b"NO no such mailbox")
        facts = b"MESSAGES %d UIDNEXT %d UIDVALIDITY %d UNSEEN 0" % (len(box.messages), box.next, box.validity)
        self.send(b"* STATUS " + quoted(command.tokens[0]) + b" (" + facts + b")\r\n")
        return self.done(command)

    def do_create(self, command):
        self.boxes[command.tokens[0].rstrip(b"/")] = Box()
        self.done(command)

    def uidnext_line(self):
        return b"* OK [UIDNEXT %d] next\r\n" % self.box.next

    def do_select(self, command):
        self.box = self.boxes.get(command.tokens[0])
        if self.box is None:
            return self.reply(command, b"NO no such mailbox")
        self.send(b"* %d EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\n" % len(self.box.messages))
        self.send(b"* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)] all\r\n")
        self.send(b"* OK [UIDVALIDITY %d] valid\r\n" % self.box.validity)
        self.send(self.uidnext_line())
        self.reply(command, b"OK [READ-%s] open" % (b"ONLY" if command.name == "EXAMINE" else b"WRITE"))
        return None

    do_examine = do_select

    def chosen(self, spelled):
        """The messages of a UID set."""
        wanted = set()
        top = max([message.uid for message in self.box.messages], default=0)
        for part in spelled.decode("ascii").split(","):
            low, _, high = part.partition(":")
            ends = [top if word == "*" else int(word) for word in (low, high or low)]
            wanted.update(message.uid for message in self.box.messages if min(ends) <= message.uid <= max(ends))
        return [message for message in self.box.messages if message.uid in wanted]

    def fetch_line(self, number, message, items):
        """One whole FETCH response, as octets."""
        parts = [b"UID %d" % message.uid]
        if "FLAGS" in items:
            parts.append(b"FLAGS (" + " ".join(message.flags).encode() + b")")
        if "INTERNALDATE" in items and message.date is not None:
            parts.append(b'INTERNALDATE "' + message.date.encode() + b'"')
        if "RFC822.SIZE" in items:
            parts.append(b"RFC822.SIZE %d" % len(message.octets))
        if "BODY.PEEK[]" in items:
            parts.append(b"BODY[] {%d}\r\n" % len(message.octets) + message.octets)
        if any(item.startswith("BODY.PEEK[HEADER") for item in items):
            head = message.octets.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
            name = re.search(r"\[(.*)\]", " ".join(items)).group(1)
            parts.append(b"BODY[" + name.encode() + b"] {%d}\r\n" % len(head) + head)
        return b"* %d FETCH (" % number + b" ".join(parts) + b")\r\n"

    def items_of(self, command):
        return [token.decode("latin-1").upper() for token in command.tokens[1:] if token not in (b"(", b")")]

    def do_uid_fetch(self, command):
        items = self.items_of(command)
        for message in self.chosen(command.tokens[0]):
            self.send(self.fetch_line(self.box.messages.index(message) + 1, message, items))
        self.done(command)

    def do_uid_search(self, command):
        words = [token.upper() for token in command.tokens]
        spelled = words[words.index(b"UID") + 1] if b"UID" in words else b"1:*"
        self.send(b"* SEARCH" + b"".join(b" %d" % message.uid for message in self.chosen(spelled)) + b"\r\n")
        self.done(command)

    def do_uid_store(self, command):
        self.done(command)

    def keep(self, command):
        """The message that an APPEND brings, put where it belongs; None without such a mailbox."""
        box = self.boxes.get(command.tokens[0])
        if box is None:
            return None
        words = command.tokens[1:-1]
        flags = [word.decode() for word in words if word.startswith(b"\\") or word.startswith(b"$")]
        date = next((word.decode() for word in words if re.match(rb"[ \d]\d-", word)), "01-Jan-2000 00:00:00 +0000")
        return box, box.add(command.tokens[-1], flags, date)

    def do_append(self, command):
        kept = self.keep(command)
        if kept is None:
            return self.reply(command, b"NO [TRYCREATE] no such mailbox")
        box, message = kept
        return self.reply(command, b"OK [APPENDUID %d %d] stored" % (box.validity, message.uid))


# The same for POP3 --------------------------------------------------------------------------------------------------

class Pop3Box:
    """Messages (octets with CRLF) and their names; name None: the server gives it none."""

    def __init__(self, texts, names=None):
        self.texts = list(texts)
        self.names = ["n%05d" % number for number in range(len(self.texts))] if names is None else list(names)
        self.delivered = []  # the number of every message that left whole, in order


class HonestPop3:
    """Serves a Pop3Box to one connection until QUIT. Override what shall be a lie: do_VERB(arguments)."""

    greeting = b"+OK liar ready\r\n"
    capability = b"USER UIDL TOP PIPELINING RESP-CODES"

    def __init__(self, connection, box):
        self.connection, self.box = connection, box
        self.send = connection.send
        self.given = 0  # messages of this connection
        self.serve()

    def serve(self):
        self.send(self.greeting)
        while True:
            words = self.connection.line().decode("latin-1").split(" ")
            handler = getattr(self, "do_" + words[0].lower(), None)
            if handler is None:
                self.send(b"-ERR not known here\r\n")
            elif handler(words[1:]) == "end":
                return

    def ok(self, text=b""):
        self.send(b"+OK " + text + b"\r\n")

    def listing(self, lines):
        self.send(b"+OK here it is\r\n" + b"".join(line + b"\r\n" for line in lines) + b".\r\n")

    def do_capa(self, _):
        self.listing(self.capability.split(b" "))

    def do_user(self, _):
        self.ok(b"and the password?")

    def do_pass(self, _):
        self.ok(b"logged in")

    def do_noop(self, _):
        self.ok()

    def size(self, number):
        return len(self.box.texts[number - 1])

    def do_stat(self, _):
        self.ok(b"%d %d" % (len(self.box.texts), sum(map(len, self.box.texts))))

    def do_list(self, _):
        self.listing(b"%d %d" % (number, self.size(number)) for number in range(1, len(self.box.texts) + 1))

    def do_uidl(self, _):
        self.listing(b"%d %s" % (number, name.encode()) for number, name in enumerate(self.box.names, 1) if name is not None)

    @staticmethod
    def stuffed(text):
        return re.sub(rb"(?m)^\.", b"..", text)

    def do_retr(self, arguments):
        number = int(arguments[0])
        self.send(b"+OK %d octets\r\n" % self.size(number) + self.stuffed(self.box.texts[number - 1]) + b".\r\n")
        self.given += 1
        self.box.delivered.append(number)

    def do_quit(self, _):
        self.ok(b"bye")
        return "end"

"""Certificates of the tests: a CA of their own and leaves signed by it, made by the openssl program for one run."""

import os
import subprocess


def run(*arguments):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (arguments[0], done.stderr))
    return done.stdout


class Authority:
    """A CA below a directory; `file` is what a client trusts."""

    def __init__(self, directory, name="Test CA"):
        self.directory = directory
        self.count = 0
        os.makedirs(directory, exist_ok=True)
        self.file, self.key = self.path("ca.pem"), self.path("ca.key")
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=" + name, "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign", "-keyout", self.key, "-out", self.file)

    def path(self, name):
        return os.path.join(self.directory, name)

    def issue(self, names="DNS:localhost,IP:127.0.0.1", days=30):
        """(certificate file, key file) of a server with these subject alternative names."""
        self.count += 1
        base = self.path("leaf%d" % self.count)
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test server",
            "-keyout", base + ".key", "-out", base + ".csr")
        with open(base + ".ext", "w", encoding="ascii") as file:
            file.write("subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n" % names)
        run("x509", "-req", "-in", base + ".csr", "-CA", self.file, "-CAkey", self.key, "-CAcreateserial",
            "-days", str(days), "-extfile", base + ".ext", "-out", base + ".crt")
        return base + ".crt", base + ".key"


def fingerprint(certificate):
    """SHA-256 of a certificate file, as people write it: AB:CD:…"""
    return run("x509", "-in", certificate, "-noout", "-fingerprint", "-sha256").strip().split("=")[1]

"""Receivers on loopback: an SMTP server with TLS and login, and an HTTPS server that stands in for
any host, reached as a proxy, with a certificate authority of its own.

The services' own plug-ins speak to them unchanged: names, paths, passwords and certificates are
those of the real services.
"""

import datetime as dt
import socket
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ("localhost", "api.twilio.com", "hooks.slack.com", "receiver.example.org")


@dataclass(frozen=True)
class Certificates:
    """An authority, and a server certificate of all HOSTS signed by it."""

    authority: Path
    server: ssl.SSLContext


def make_certificates(folder: Path) -> Certificates:
    """A new authority; its file is what a client must trust."""
    now = dt.datetime.now(dt.UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

    def certificate(name: x509.Name, of: ec.EllipticCurvePrivateKey, ca: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True).add_extension(
                x509.SubjectKeyIdentifier.from_public_key(of.public_key()), critical=False
            )
        else:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
            own = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
            builder = builder.add_extension(names, critical=False).add_extension(
                own, critical=False
            )
        return builder.sign(authority_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    authority = folder / "authority.pem"
    authority.write_bytes(certificate(issuer, authority_key, True).public_bytes(pem))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test server")])
    chain = folder / "server.pem"
    chain.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate(subject, key, False).public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Certificates(authority, context)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MailServer:
    """SMTP on loopback that takes mail only after STARTTLS and the right login."""

    def __init__(
        self, context: ssl.SSLContext, user: str, password: str, port: int | None = None
    ) -> None:
        self.messages: list[str] = []
        self.secured: list[bool] = []
        login = (user.encode(), password.encode())

        def check(
            server: Any, session: Any, envelope: Any, mechanism: str, data: Any
        ) -> AuthResult:
            given = isinstance(data, LoginPassword) and (data.login, data.password)
            return AuthResult(success=given == login)

        self.port = port or _free_port()
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=check,
        )

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """One mail arrived."""
        content = envelope.content
        self.messages.append(content if isinstance(content, str) else (content or b"").decode())
        self.secured.append(session.ssl is not None)
        return "250 taken"

    def start(self) -> None:
        """Listen on ``port``, which was free when this object was made."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening; a server that was stopped stays so."""
        if not self._controller.loop.is_closed():
            self._controller.stop()


@dataclass(frozen=True)
class Request:
    """What a service received; ``host`` is what the client asked the proxy for."""

    host: str
    path: str
    headers: dict[str, str]
    body: str


class HttpReceiver:
    """HTTP on loopback; through CONNECT also HTTPS under the name of any of HOSTS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.requests: list[Request] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            target = "plain"

            def do_CONNECT(self) -> None:
                self.target = self.path.partition(":")[0]
                self.send_response(200)
                self.end_headers()
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)
                self.close_connection = False

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                receiver.requests.append(Request(self.target, self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
                self.close_connection = True

            def finish(self) -> None:
                super().finish()
                self.connection.close()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

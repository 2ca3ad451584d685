"""Keys of an account and the signature of a request (RSA-PSS or Ed25519).

The signed text is ``timestamp_ms + METHOD + path``: the path begins with ``/trade-api/``, without
host and without query. Keys belong to one environment, so each has its own variables.
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from precog_core.errors import PrecogError
from precog_core.kalshi.config import Env

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PREFIXES: Mapping[Env, str] = {"prod": "KALSHI_", "demo": "KALSHI_DEMO_"}
SALT_BYTES = 32


@dataclass(frozen=True)
class Credentials:
    """A key id and its private key; neither appears in ``repr``, logs or errors."""

    key_id: str = field(repr=False)
    private_key: "RSAPrivateKey | Ed25519PrivateKey" = field(repr=False)

    @classmethod
    def from_environment(cls, env: Env) -> "Credentials | None":
        """The credentials of ``env``, or None when none of its variables is set.

        Raises PrecogError when only half is set or the private key cannot be used.
        """
        prefix = PREFIXES[env]
        key_id = os.environ.get(f"{prefix}KEY_ID", "").strip()
        text = os.environ.get(f"{prefix}PRIVATE_KEY", "")
        file = os.environ.get(f"{prefix}PRIVATE_KEY_PATH", "")
        if not (key_id or text or file):
            return None
        if not key_id or not (text or file):
            absent = f"{prefix}KEY_ID" if not key_id else f"{prefix}PRIVATE_KEY_PATH"
            raise PrecogError(
                f"{absent} is not set; a Kalshi key for {env} needs {prefix}KEY_ID and "
                f"{prefix}PRIVATE_KEY_PATH (or {prefix}PRIVATE_KEY, the PEM text)"
            )
        if text:
            return cls(key_id, _read_key(text.encode(), f"{prefix}PRIVATE_KEY"))
        try:
            content = Path(file).expanduser().read_bytes()
        except OSError as error:
            raise PrecogError(
                f"{prefix}PRIVATE_KEY_PATH: cannot read the file ({error.strerror})"
            ) from error
        return cls(key_id, _read_key(content, f"the file of {prefix}PRIVATE_KEY_PATH"))

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        """The three signature headers for a request at ``timestamp_ms`` (Unix milliseconds).

        ``path`` may carry a query; it is not signed.
        """
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": self._sign(signed_text(method, path, timestamp_ms)),
        }

    def _sign(self, text: str) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        if isinstance(self.private_key, RSAPrivateKey):
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=SALT_BYTES)
            signature = self.private_key.sign(text.encode(), pss, hashes.SHA256())
        else:
            signature = self.private_key.sign(text.encode())
        return base64.b64encode(signature).decode()


def signed_text(method: str, path: str, timestamp_ms: int) -> str:
    """What is signed: ``1703123456789GET/trade-api/v2/portfolio/balance``."""
    return f"{timestamp_ms}{method.upper()}{path.partition('?')[0]}"


def _read_key(content: bytes, where: str) -> "RSAPrivateKey | Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"OPENSSH PRIVATE KEY" in content:
        raise PrecogError(
            f"{where} is an OpenSSH key; Kalshi needs PEM: ssh-keygen -p -m PEM -f FILE"
        )
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The parser's text may quote the key.
        raise PrecogError(
            f"{where} is not an unencrypted PEM private key ({type(error).__name__}); use the file "
            "that Kalshi gave when the key was made"
        ) from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise PrecogError(f"{where} is neither an RSA nor an Ed25519 key; Kalshi accepts those two")
    return key

"""Signatures, verified with the public key as the venue would, and keys that cannot sign."""

import base64
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from precog_core.errors import PrecogError
from precog_core.kalshi.credentials import Credentials, signed_text
from tests.kalshi import payloads
from tests.kalshi.conftest import Connect
from tests.kalshi.payloads import AWAY
from tests.kalshi.server import FakeKalshi

NOW_MS = 1703123456789
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.mark.requirement("API-002")
def test_the_signed_text_is_timestamp_method_and_path_without_query() -> None:
    """API-002: the documented example."""
    text = "1703123456789GET/trade-api/v2/portfolio/balance"
    assert signed_text("get", "/trade-api/v2/portfolio/balance?limit=5", NOW_MS) == text
    assert signed_text("GET", "/trade-api/ws/v2", NOW_MS) == "1703123456789GET/trade-api/ws/v2"


@pytest.mark.requirement("API-002")
def test_an_rsa_signature_verifies_as_pss_with_a_salt_of_32(rsa_key: rsa.RSAPrivateKey) -> None:
    """API-002: PSS is randomised, so the public key decides and never the bytes."""
    credentials = Credentials("key-1", rsa_key)
    headers = credentials.headers("GET", "/trade-api/v2/portfolio/fills?limit=200", NOW_MS)
    assert headers["KALSHI-ACCESS-KEY"] == "key-1"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1703123456789"
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)
    text = b"1703123456789GET/trade-api/v2/portfolio/fills"
    rsa_key.public_key().verify(signature, text, PSS, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        rsa_key.public_key().verify(signature, text + b"?limit=200", PSS, hashes.SHA256())
    other_salt = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=20)
    with pytest.raises(InvalidSignature):
        rsa_key.public_key().verify(signature, text, other_salt, hashes.SHA256())
    again = credentials.headers("GET", "/trade-api/v2/portfolio/fills", NOW_MS)
    assert again["KALSHI-ACCESS-SIGNATURE"] != headers["KALSHI-ACCESS-SIGNATURE"]


def test_an_ed25519_key_signs_the_same_text_raw() -> None:
    """API-002: the kind of key is read from the PEM."""
    key = ed25519.Ed25519PrivateKey.generate()
    headers = Credentials("k", key).headers("GET", "/trade-api/v2/account/limits", NOW_MS)
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"])
    key.public_key().verify(signature, b"1703123456789GET/trade-api/v2/account/limits")


@pytest.mark.requirement("API-002")
def test_a_signed_read_carries_headers_the_venue_can_verify(
    connect: Connect, venue: FakeKalshi, rsa_key: rsa.RSAPrivateKey
) -> None:
    """API-002: over real HTTP, with a query that is sent and not signed."""
    venue.fills = [payloads.fill()]
    client = connect(Credentials("key-1", rsa_key))
    assert len(client.fills(AWAY).items) == 1
    seen = venue.asked("/portfolio/fills")[0]
    assert seen.query["ticker"] == AWAY
    rsa_key.public_key().verify(
        base64.b64decode(seen.headers["kalshi-access-signature"]),
        b"1703123456789GET/trade-api/v2/portfolio/fills",
        PSS,
        hashes.SHA256(),
    )


def test_a_public_read_is_not_signed_even_with_a_key(
    connect: Connect, venue: FakeKalshi, rsa_key: rsa.RSAPrivateKey
) -> None:
    """API-002: a key is shown to nobody who does not need it."""
    connect(Credentials("key-1", rsa_key)).exchange_status()
    assert not [name for name in venue.seen[0].headers if name.startswith("kalshi-access")]


@pytest.mark.parametrize(("env", "prefix"), [("prod", "KALSHI_"), ("demo", "KALSHI_DEMO_")])
def test_each_environment_has_its_own_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rsa_key: rsa.RSAPrivateKey, env, prefix
) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "key.pem"
    file.write_text(pem(rsa_key))
    assert Credentials.from_environment(env) is None
    monkeypatch.setenv(f"{prefix}KEY_ID", f"id of {env}")
    monkeypatch.setenv(f"{prefix}PRIVATE_KEY_PATH", str(file))
    credentials = Credentials.from_environment(env)
    assert credentials is not None
    assert credentials.key_id == f"id of {env}"
    assert Credentials.from_environment("demo" if env == "prod" else "prod") is None


def test_a_key_may_stand_in_the_variable_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_KEY_ID", "k")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY", pem(ed25519.Ed25519PrivateKey.generate()))
    credentials = Credentials.from_environment("prod")
    assert credentials is not None
    assert isinstance(credentials.private_key, ed25519.Ed25519PrivateKey)


def test_half_a_key_is_an_error_that_names_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_KEY_ID", "k")
    with pytest.raises(PrecogError, match="KALSHI_PRIVATE_KEY_PATH is not set"):
        Credentials.from_environment("prod")
    monkeypatch.delenv("KALSHI_KEY_ID")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY", "x")
    with pytest.raises(PrecogError, match="KALSHI_KEY_ID is not set"):
        Credentials.from_environment("prod")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nxx", "ssh-keygen -p -m PEM"),
        ("secret-looking text", "not an unencrypted PEM private key (ValueError)"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither an RSA nor an Ed25519 key"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("KALSHI_KEY_ID", "k")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY", text)
    with pytest.raises(PrecogError) as caught:
        Credentials.from_environment("prod")
    assert said in str(caught.value)
    assert text not in str(caught.value)


def test_a_key_file_that_cannot_be_read_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KALSHI_KEY_ID", "k")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY_PATH", str(tmp_path / "none.pem"))
    with pytest.raises(PrecogError, match="KALSHI_PRIVATE_KEY_PATH: cannot read the file"):
        Credentials.from_environment("prod")


def test_credentials_do_not_show_themselves(rsa_key: rsa.RSAPrivateKey) -> None:
    assert repr(Credentials("key-1", rsa_key)) == "Credentials()"

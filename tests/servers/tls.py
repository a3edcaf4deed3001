"""Throw-away certificates for servers that speak TLS on the loopback address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form."""

    authority: Path
    """What a client trusts."""
    certificate: Path
    """The server's, for ``127.0.0.1`` and ``localhost``, with its chain."""
    key: Path
    """The server's private key, readable by its owner alone: PostgreSQL insists."""


def certificates(folder: Path, *names: str) -> Certificates:
    """Make an authority and one certificate in *folder*.

    Args:
        folder: an existing folder.
        names: whom the certificate is for; other names make one that a client must refuse.
    """
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert(*(names or ("127.0.0.1", "localhost")))
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    authority.cert_pem.write_to_path(str(made.authority))
    issued.private_key_pem.write_to_path(str(made.key))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(made.certificate), append=number > 0)
    made.key.chmod(0o600)
    return made

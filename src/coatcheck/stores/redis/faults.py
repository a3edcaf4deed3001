"""What an answer that is no answer means: was it surely not done, may it pass by itself, who can mend it.

Three outcomes matter to a caller. `Unreached`: nothing was sent, so asking again is safe. `Lost`: it was sent and no
answer came, so what was asked may have happened. An error the server answers with was refused before it ran, because
every script begins with ``#!lua`` and is checked as a whole; whether it may pass by itself is `Meaning`. Two errors
come from the middle of a script, which may have written before: a key that is on its way to another node (``"MOVING"``
here), and a command or key that an access list forbids to scripts (``"ACL"``).
"""

from __future__ import annotations

import enum
import re
import ssl
from typing import Final

from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from coatcheck.errors import CoatcheckError, ConfigurationError, StoreUnavailable


class Unreached(StoreUnavailable):
    """No connection, so nothing was sent."""


class Crowded(StoreUnavailable):
    """No connection was free, so nothing was sent; the server is not to blame."""


class Lost(StoreUnavailable):
    """Sent, and no answer: whether it was done is unknown."""


class Meaning(enum.Enum):
    """What a server's error says about the question."""

    SCRIPT = enum.auto()  # it does not know the script: load it
    PASSING = enum.auto()  # not now: ask again until the time is up
    ELSEWHERE = enum.auto()  # not this server: look for the primary
    MOVED = enum.auto()  # a Cluster's slot is served by another node
    ASK = enum.auto()  # the same, for this one question
    REFUSED = enum.auto()  # a person has to mend it: loud, and at once
    BUG = enum.auto()  # anything else is a fault of the script


_CODES: Final = {
    "NOSCRIPT": Meaning.SCRIPT,
    "LOADING": Meaning.PASSING,
    "BUSY": Meaning.PASSING,
    "TRYAGAIN": Meaning.PASSING,
    "CLUSTERDOWN": Meaning.PASSING,
    "MASTERDOWN": Meaning.PASSING,
    "READONLY": Meaning.ELSEWHERE,
    "MOVED": Meaning.MOVED,
    "ASK": Meaning.ASK,
    "OOM": Meaning.REFUSED,
    "MISCONF": Meaning.REFUSED,
    "NOREPLICAS": Meaning.REFUSED,
    "NOAUTH": Meaning.REFUSED,
    "WRONGPASS": Meaning.REFUSED,
    "NOPERM": Meaning.REFUSED,
    "ACL": Meaning.REFUSED,
    "MOVING": Meaning.REFUSED,
}

_CLASSES: Final = {
    "NoScriptError": "NOSCRIPT",
    "BusyLoadingError": "LOADING",
    "TryAgainError": "TRYAGAIN",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "ReadOnlyError": "READONLY",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "OutOfMemoryError": "OOM",
    "AuthenticationError": "NOAUTH",
    "AuthorizationError": "NOPERM",
    "NoPermissionError": "NOPERM",
}

_WORDS: Final = {
    "LOADING": "is still loading its data",
    "BUSY": "is busy with a long script",
    "TRYAGAIN": "is moving these keys to another node",
    "CLUSTERDOWN": "says that the Cluster is down",
    "MASTERDOWN": "is a replica that has lost its primary",
    "READONLY": "is a replica and takes no writes, and there is no other primary",
    "MOVED": "says that another node has these keys, and that node says the same",
    "ASK": "is moving these keys to another node",
    "OOM": "is out of memory and refuses to write (maxmemory is reached); reading goes on",
    "MISCONF": "refuses to write because it cannot save its data to disk",
    "NOREPLICAS": "refuses to write because too few replicas are connected (min-replicas-to-write)",
    "NOAUTH": "asks for a password",
    "WRONGPASS": "refuses the user or the password",
    "NOPERM": "does not permit this user what the store needs (ACL)",
    "ACL": "does not permit this user what the store needs (ACL); whether it did what was asked is unknown",
    "MOVING": "is moving keys that belong together to another node; whether it did what was asked is unknown",
    "NOSCRIPT": "forgets scripts at once",
}

_TARGET: Final = re.compile(r"(\d+) (\S*):(\d+)$")
_SPLIT_SLOT: Final = "attempted to access a non local key"
_ACL_IN_SCRIPT: Final = "The user executing the script can't"

REPLIES: Final = (ResponseError, BusyLoadingError, AuthenticationError)
"""What redis-py raises for an error that the server answered with; its connection is as good as before."""


def code_of(error: Exception) -> str:
    """Return the error's code, such as ``"READONLY"``; ``"ERR"`` for one without."""
    text = str(error)
    if _ACL_IN_SCRIPT in text:
        return "ACL"
    if _SPLIT_SLOT in text:
        return "MOVING"
    code = _CLASSES.get(type(error).__name__)
    if code is not None:
        return code
    first = text.split(" ", 1)[0]
    return first if first in _CODES else "ERR"


def meaning_of(error: Exception) -> Meaning:
    """Return what a server's error says about the question."""
    return _CODES.get(code_of(error), Meaning.BUG)


def as_fault(error: Exception, where: str) -> Exception:
    """Return what the caller gets for a server's error; a script's own fault stays as it is."""
    if isinstance(error, CoatcheckError) or meaning_of(error) is Meaning.BUG:
        return error
    return StoreUnavailable(f"Redis at {where} {_WORDS[code_of(error)]}")


def target_of(error: Exception) -> tuple[int, str, int] | None:
    """Return slot, host and port of a redirection; an empty host means the node that answered."""
    match = _TARGET.search(str(error))
    return None if match is None else (int(match[1]), match[2].strip("[]"), int(match[3]))


def unreached(error: BaseException, where: str, timeout: float) -> CoatcheckError:
    """Return what a failed connection means, without anything the server or a URL might hold of a password."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return ConfigurationError(f"Redis at {where} shows a certificate that is not trusted; name its authority: ca=")
    if any(isinstance(link, ssl.SSLError) and not isinstance(link, _PASSING_TLS) for link in chain):
        return ConfigurationError(
            f"Redis at {where} refuses TLS, or the client's certificate; check rediss:// and cert="
        )
    if isinstance(error, REPLIES) and meaning_of(error) is Meaning.REFUSED:
        return ConfigurationError(f"Redis at {where} {_WORDS[code_of(error)]}; check the URL's user and password")
    if isinstance(error, REPLIES) and "invalid username-password" in str(error).lower():
        return ConfigurationError(f"Redis at {where} {_WORDS['WRONGPASS']}; check the URL's user and password")
    if isinstance(error, ResponseError) and "DB index" in str(error):
        return ConfigurationError(f"Redis at {where} has no database of that number; check the URL's last part")
    return Unreached(f"Redis at {where} {_silence(error, timeout)}")


_PASSING_TLS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLWantReadError)


def lost(error: BaseException, where: str, timeout: float) -> Lost:
    """Return what a connection lost in the middle means."""
    return Lost(f"Redis at {where} {_silence(error, timeout)}; whether it did what was asked is unknown")


def _silence(error: BaseException, timeout: float) -> str:
    """Say how a server did not answer."""
    if "imeout" in type(error).__name__ or "imed out" in str(error):
        return f"did not answer within {timeout * 1000:.0f} ms"
    if isinstance(error, RedisError) and "max number of clients" in str(error):
        return "has all the clients it allows (maxclients)"
    if isinstance(error, REPLIES) and code_of(error) in _WORDS:
        return _WORDS[code_of(error)]
    return "cannot be reached" if "refused" in str(error) or "connecting" in str(error) else "closed the connection"

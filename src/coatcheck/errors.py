"""Everything coatcheck raises, as one tree.

::

    CoatcheckError
    ├── ConfigurationError        refused at start-up, all faults at once
    │   └── MissingExtra          an optional dependency is absent; names the command that adds it
    ├── StoreUnavailable          the store did not answer (503)
    │   └── Unconfirmed           a revocation was written, but too few replicas confirmed it (503)
    ├── UnreadableRecord          a newer release wrote this session (503)
    ├── WrongEventLoop            one AsyncSessions used from two running event loops
    └── SessionError
        ├── SignInRequired        the request is not signed in (401); what guards say beyond that: coatcheck.refusals
        ├── CommitRefused         changes were not saved
        │   ├── SessionGone       the session ended meanwhile (401)
        │   └── PrivilegeChanged  its privileges changed meanwhile (409)
        ├── StaleLogin            sessions ended or roles changed while the password was checked (401)
        ├── SessionLimitReached   the user has all the sessions they may have (409)
        ├── Contended             a transaction met its deadline (503)
        ├── NotLoaded             the session was used before it was loaded (500)
        ├── InsecureTransport     a session cookie over plain http (500)
        ├── TooLate               the answer's headers have already left (500)
        ├── WrongCarrier          a bearer request asked for what only a cookie can carry (400)
        ├── TransactionMisuse     a transaction's function was a coroutine (500)
        ├── NotAwaited            a verb was called without await, so nothing was done (500)
        └── DataError
            ├── NotEncodable      a value that could not be restored as it was (500)
            ├── DataTooLarge      the session's data would pass the policy's limit (413)
            └── DataMismatch      stored data does not fit the type asked for (500)

Each class has a machine-readable ``code`` and the HTTP ``status`` that adapters answer with. No message ever holds a
secret, a digest or a datum of a session. A traceback ends with where the error is explained; ``str(error)`` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Self

if TYPE_CHECKING:
    from coatcheck.model import Record, Tombstone


PAGE: Final = "docs/reference/errors.md"
"""The page of coatcheck's documentation that has a heading for each ``code``."""


class CoatcheckError(Exception):
    """Root of everything that coatcheck raises."""

    code: ClassVar[str] = "coatcheck_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Session error"

    def __init__(self, *args: object) -> None:
        """Keep the message, and add the line that ends a traceback."""
        super().__init__(*args)
        self.add_note(f"See {self.help}")

    @property
    def help(self) -> str:
        """Where the error is explained: a page of coatcheck's documentation and the heading on it."""
        return f"{PAGE}#{self.code}"


class ConfigurationError(CoatcheckError):
    """Something is set up wrong. All faults are found at once.

    Attributes:
        faults: one sentence a fault, each saying what is wrong and how to mend it.
    """

    code = "configuration"
    title = "Configuration error"

    def __init__(self, faults: Sequence[str] | str) -> None:
        """Collect the *faults*; a single one may be given as text."""
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        mark = "- " if len(self.faults) > 1 else ""
        super().__init__("\n".join(mark + fault for fault in self.faults))


class MissingExtra(ConfigurationError):
    """An optional dependency is not installed."""

    code = "missing_extra"

    def __init__(self, what: str, extra: str | None, package: str) -> None:
        """Name what was wanted, the package that is absent and the extra that brings it, if one does."""
        self.extra = extra
        remedy = package if extra is None else f'"coatcheck[{extra}]"'
        super().__init__(f"{what} needs {package}, which is not installed: pip install {remedy}")


class StoreUnavailable(CoatcheckError):
    """The store did not answer; whether a change was made is unknown.

    Attributes:
        told: whether ``store.unavailable`` was raised for it.
        signing_out: it was a person's own sign-out: their cookie is deleted, and the rest is tried again.
    """

    code = "store_unavailable"
    status = 503
    title = "Sessions are unavailable"
    told: bool = False
    signing_out: bool = False


class Unconfirmed(StoreUnavailable):
    """A revocation was written, but fewer replicas confirmed it than were asked for: a failover may undo it.

    Ask again: the same revocation, sent once more, waits for the replicas once more.

    Attributes:
        ended: what this call ended, as it would have answered; empty when that was nothing, or is unknown.
        epoch: what `raise_epoch` would have answered, once every part of the store refuses what is older; ``None``
            with other verbs, and when that is unknown.
        record: what `rotate` would have answered; ``None`` with other verbs, and when that is unknown.
    """

    code = "unconfirmed"

    def __init__(
        self,
        message: str = "",
        *,
        ended: Sequence[Tombstone] = (),
        epoch: int | None = None,
        record: Record | None = None,
    ) -> None:
        """Say what is not confirmed, and keep what was done."""
        super().__init__(message)
        self.ended: tuple[Tombstone, ...] = tuple(ended)
        self.epoch = epoch
        self.record = record


class UnreadableRecord(CoatcheckError):
    """A newer release of coatcheck wrote this session; it was left untouched.

    Attributes:
        schema: the format it was written in, ``None`` when the store did not say.
        session_id: which session it is, by its public id, ``None`` when the store did not say.
    """

    code = "unreadable_record"
    status = 503
    title = "Sessions are unavailable"
    schema: int | None = None
    session_id: str | None = None

    @classmethod
    def written_in(cls, session_id: str, schema: int) -> Self:
        """Say which session it is, by its public id, and in which format it was written."""
        error = cls(
            f"session {session_id} has format {schema}, which a newer release of coatcheck wrote; "
            "finish the upgrade on this machine"
        )
        error.schema, error.session_id = schema, session_id
        return error


class WrongEventLoop(CoatcheckError):
    """An `AsyncSessions` belongs to the first event loop that uses it."""

    code = "wrong_event_loop"


class SessionError(CoatcheckError):
    """Root of what concerns one session."""

    code = "session_error"


class SignInRequired(SessionError):
    """The request is not signed in.

    Attributes:
        reason: why not: ``"none"``, ``"pending"`` (a factor is missing still), ``"expired"``, ``"idle"``, ``"locked"``
            or the reason the session ended.
    """

    code = "sign_in_required"
    status = 401
    title = "Sign in to continue"

    def __init__(self, reason: str = "none") -> None:
        """Keep the *reason* for the answer."""
        self.reason = reason = "expired" if reason == "absolute" else reason
        super().__init__(REASONS.get(reason, REASONS["none"]))


REASONS: dict[str, str] = {
    "none": "You are not signed in.",
    "pending": "You have not finished signing in.",
    "expired": "Your session reached its maximum length.",
    "idle": "Your session ended because it was not used for a while.",
    "locked": "Your session is locked because it was not used for a while.",
    "signed_out": "You signed out.",
    "revoked": (
        "This session was ended on another device, by an administrator, or because its cookie was used in two places."
    ),
    "evicted": "This session ended because you signed in on another device and reached your limit.",
    "superseded": (
        "The cookie of this sign-in was replaced by a newer one. If you did not sign in again here, somebody may have "
        "used a copy of it: sign in and change your password."
    ),
}
"""What a person is told, by reason. ``absolute`` is told as ``expired``."""


class CommitRefused(SessionError):
    """Changes were not saved; the stored session is as it was."""

    code = "commit_refused"
    status = 409
    title = "Your change was not saved"


class SessionGone(CommitRefused):
    """The session ended while this request was under way."""

    code = "session_gone"
    status = 401
    title = "Your session has ended"


class PrivilegeChanged(CommitRefused):
    """The session's privileges changed while this request was under way."""

    code = "privilege_changed"


class StaleLogin(SessionError):
    """The user's sessions were ended, or their roles changed, while their password was checked; check it again."""

    code = "stale_login"
    status = 401
    title = "Sign in again"


class SessionLimitReached(SessionError):
    """The user already has as many sessions as the policy allows, and the policy rejects a further one."""

    code = "session_limit_reached"
    status = 409
    title = "Too many sessions"


class Contended(SessionError):
    """A transaction was retried until its deadline and never won."""

    code = "contended"
    status = 503
    title = "Too busy to save your change"


class NotLoaded(SessionError):
    """The session was used before it was loaded."""

    code = "not_loaded"


class InsecureTransport(SessionError):
    """A session would have travelled over plain http."""

    code = "insecure_transport"


class TooLate(SessionError):
    """The answer's headers have left, so the browser cannot be given another ticket."""

    code = "too_late"


class WrongCarrier(SessionError):
    """A request with a bearer token asked for a new ticket, which only a cookie could bring back."""

    code = "wrong_carrier"
    status = 400
    title = "Not with a bearer token"

    def __init__(self, what: str) -> None:
        """Say *what* was asked for, and the line to write instead."""
        super().__init__(
            f"{what} answers with a new cookie, and this request came with a bearer token, which stays as it is. "
            "Send it without the Authorization header; or, for another token, write "
            "issued = await sessions.issue(user_id, epoch=epoch)"
        )


class TransactionMisuse(SessionError):
    """A transaction's function was a coroutine function; it must be a plain one, because it may run again."""

    code = "transaction_misuse"


class NotAwaited(SessionError):
    """A session's verb was called without ``await``, so it did nothing; the answer was replaced.

    Nothing further was saved. What was awaited before holds, such as a sign-in.
    """

    code = "not_awaited"


class DataError(SessionError):
    """Root of what concerns the application's data in a session."""

    code = "data_error"


class NotEncodable(DataError, TypeError):
    """A value has a type that could not be restored as it was."""

    code = "not_encodable"


class DataTooLarge(DataError):
    """The session's data would pass the policy's limit.

    Attributes:
        size: bytes that the data would take.
        limit: bytes that the policy allows.
        largest: the three largest keys with their sizes in bytes, largest first.
    """

    code = "data_too_large"
    status = 413
    title = "Too much to remember"

    def __init__(self, size: int, limit: int, largest: Sequence[tuple[str, int]]) -> None:
        """Name the sizes; keys are named, values never."""
        self.size, self.limit, self.largest = size, limit, tuple(largest)
        keys = ", ".join(f"{key!r} {count} bytes" for key, count in self.largest)
        super().__init__(
            f"session data would be {size} bytes and the policy's data_limit is {limit}; the largest keys are {keys}. "
            "Keep large objects in your database and their ids in the session."
        )


class DataMismatch(DataError):
    """Stored data does not fit the type that was asked for."""

    code = "data_mismatch"

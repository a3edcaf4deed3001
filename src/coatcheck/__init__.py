"""Session management for web applications.

A browser holds an opaque ticket in a cookie; the server holds who it belongs to, for how long, and how it ends.
"""

from coatcheck.blocking import Sessions
from coatcheck.errors import (
    CoatcheckError,
    CommitRefused,
    ConfigurationError,
    Contended,
    DataError,
    DataMismatch,
    DataTooLarge,
    InsecureTransport,
    MissingExtra,
    NotAwaited,
    NotEncodable,
    NotLoaded,
    PrivilegeChanged,
    SessionError,
    SessionGone,
    SessionLimitReached,
    SignInRequired,
    StaleLogin,
    StoreUnavailable,
    TooLate,
    TransactionMisuse,
    Unconfirmed,
    UnreadableRecord,
    WrongEventLoop,
)
from coatcheck.events import Event, Listener
from coatcheck.model import Device, SessionInfo
from coatcheck.policy import Policy
from coatcheck.selection import Selection
from coatcheck.session import AsyncSession, BlockingSession
from coatcheck.sessions import AsyncSessions
from coatcheck.user import User

__version__ = "0.1.0"

__all__ = [
    "AsyncSession",
    "AsyncSessions",
    "BlockingSession",
    "CoatcheckError",
    "CommitRefused",
    "ConfigurationError",
    "Contended",
    "DataError",
    "DataMismatch",
    "DataTooLarge",
    "Device",
    "Event",
    "InsecureTransport",
    "Listener",
    "MissingExtra",
    "NotAwaited",
    "NotEncodable",
    "NotLoaded",
    "Policy",
    "PrivilegeChanged",
    "Selection",
    "SessionError",
    "SessionGone",
    "SessionInfo",
    "SessionLimitReached",
    "Sessions",
    "SignInRequired",
    "StaleLogin",
    "StoreUnavailable",
    "TooLate",
    "TransactionMisuse",
    "Unconfirmed",
    "UnreadableRecord",
    "User",
    "WrongEventLoop",
]

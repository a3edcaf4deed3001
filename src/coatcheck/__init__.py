"""Session management for web applications.

A browser holds an opaque ticket in a cookie; the server holds who it belongs to, for how long, and how it ends.
"""

from coatcheck.account import Account
from coatcheck.accounts import AsyncAccounts, BlockingAccounts
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
    WrongCarrier,
    WrongEventLoop,
)
from coatcheck.events import Event, Listener
from coatcheck.issued import Issued
from coatcheck.model import Device, SessionInfo
from coatcheck.policy import Policy
from coatcheck.refusals import (
    AccountLimitReached,
    ActingForAnother,
    CallbackRefused,
    CsrfRefused,
    PathDenied,
    PathRefused,
    RoleRequired,
    StepUpRequired,
)
from coatcheck.selection import Selection
from coatcheck.session import AsyncSession, BlockingSession
from coatcheck.sessions import AsyncSessions
from coatcheck.user import User

__version__ = "0.1.0"

__all__ = [
    "Account",
    "AccountLimitReached",
    "ActingForAnother",
    "AsyncAccounts",
    "AsyncSession",
    "AsyncSessions",
    "BlockingAccounts",
    "BlockingSession",
    "CallbackRefused",
    "CoatcheckError",
    "CommitRefused",
    "ConfigurationError",
    "Contended",
    "CsrfRefused",
    "DataError",
    "DataMismatch",
    "DataTooLarge",
    "Device",
    "Event",
    "InsecureTransport",
    "Issued",
    "Listener",
    "MissingExtra",
    "NotAwaited",
    "NotEncodable",
    "NotLoaded",
    "PathDenied",
    "PathRefused",
    "Policy",
    "PrivilegeChanged",
    "RoleRequired",
    "Selection",
    "SessionError",
    "SessionGone",
    "SessionInfo",
    "SessionLimitReached",
    "Sessions",
    "SignInRequired",
    "StaleLogin",
    "StepUpRequired",
    "StoreUnavailable",
    "TooLate",
    "TransactionMisuse",
    "Unconfirmed",
    "UnreadableRecord",
    "User",
    "WrongCarrier",
    "WrongEventLoop",
]

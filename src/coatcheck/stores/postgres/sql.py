"""Every statement of the PostgreSQL store, each said once and by name, for the blocking and the asyncio client alike.

Constants, not text put together at run time: whatever a caller brings is a parameter. ``__schema__`` stands for the
quoted schema and is filled in once per connection pool. Reading is plain statements; changing is calls of the
functions in ``migrations/``, one call a verb. Nothing but named columns is read and written, so that the columns of a
newer release stay as they are.
"""
# ruff: noqa: S608  (nothing but the constants of this module is put into a statement)

from __future__ import annotations

from typing import Final

NAMES: Final = (
    *("id", "tenant", "schema", "secret_digest", "created_at", "last_seen_at", "idle_expires_at", "expires_at"),
    *("rotated_at", "previous_digest", "successor_nonce", "confirmed_at", "rotate_due", "user_id", "roles"),
    *("auth_time", "amr", "aal", "version", "generation", "epoch", "locks", "lifetime", "persistent", "agent_hash"),
    *("browser", "system", "first_address", "last_address", "device_id", "data_keys", "data_values", "ended_at"),
    *("reason", "had_data", "origin"),
)
"""The columns of a session as rows are read, in the order of `coatcheck.stores.postgres.rows.RawRow`."""

COLUMNS: Final = ", ".join(NAMES)
_ANSWERED: Final = ", ".join(f"(f.o_session).{name}" for name in NAMES)
_SESSIONS: Final = "__schema__.coatcheck_sessions"


def filled(statement: str, schema: str) -> bytes:
    """Return a statement for a quoted *schema*, as psycopg takes text that is not written where it is executed."""
    return statement.replace("__schema__", schema).encode()


def _call(function: str, *parameters: str) -> str:
    """Return a call by named parameters, which is safe against a change of their order."""
    given = ", ".join(f"p_{name} => %({name})s" for name in parameters)
    return f"__schema__.coatcheck_{function}({given}) AS f"


# --- one session ------------------------------------------------------------------------------------------------------

FIND: Final = f"SELECT {COLUMNS} FROM {_SESSIONS} WHERE id = %(id)s AND tenant = %(tenant)s"

FIND_MANY: Final = f"SELECT {COLUMNS} FROM {_SESSIONS} WHERE id = ANY (%(ids)s::text[]) AND tenant = %(tenant)s"

CREATE: Final = f"SELECT f.o_outcome, {_ANSWERED} FROM " + _call(
    "create",
    *("known", "now", "tenant", "id", "secret_digest", "created_at", "last_seen_at", "idle_expires_at", "expires_at"),
    *("rotated_at", "previous_digest", "successor_nonce", "confirmed_at", "rotate_due", "user_id", "roles"),
    *("auth_time", "amr", "aal", "version", "generation", "locks", "lifetime", "persistent", "agent_hash", "browser"),
    *("system", "first_address", "last_address", "device_id", "schema", "keys", "values", "limit", "at_limit"),
    *("epoch", "began_at", "replacing", "replacing_generation", "carry", "unset", "max", "origin"),
)

_CHANGE: Final = ("known", "tenant", "id", "generation", "now", "at", "idle", "confirms", "address")

TOUCH: Final = "SELECT f FROM " + _call("touch", *_CHANGE)

COMMIT: Final = "SELECT f.o_outcome, f.o_version, f.o_size, f.o_keys, f.o_sizes FROM " + _call(
    "commit", *_CHANGE, "keys", "values", "unset", "max", "expect"
)

ROTATE: Final = f"SELECT f.o_outcome, f.o_size, f.o_keys, f.o_sizes, {_ANSWERED} FROM " + _call(
    "rotate",
    *_CHANGE,
    *("keys", "values", "unset", "max", "replaces", "digest", "rotated_at", "nonce", "held", "roles"),
    *("auth_time", "amr", "aal"),
)

END: Final = f"SELECT {COLUMNS} FROM " + _call("end", "known", "tenant", "id", "reason", "now", "owner")

TAKE: Final = f"SELECT f.o_keys, f.o_values, {_ANSWERED} FROM " + _call("take", "known", "tenant", "id", "now")

# --- one user ---------------------------------------------------------------------------------------------------------

END_USER: Final = f"SELECT {COLUMNS} FROM " + _call("end_user", "known", "tenant", "user_id", "reason", "now", "keep")

SET_ROLES: Final = "SELECT f.o_id, f.o_newer FROM " + _call("set_roles", "known", "tenant", "user_id", "roles", "now")

EPOCH: Final = """
SELECT coalesce((SELECT epoch FROM __schema__.coatcheck_tenants WHERE tenant = %(tenant)s), 0)
    + coalesce((SELECT epoch FROM __schema__.coatcheck_users WHERE tenant = %(tenant)s AND user_id = %(user_id)s), 0)"""

LIST_USER: Final = f"""
SELECT {COLUMNS} FROM {_SESSIONS}
WHERE tenant = %(tenant)s AND user_id = %(user_id)s AND ended_at IS NULL AND schema <= %(known)s
    AND (expires_at IS NULL OR expires_at > %(now)s) AND (idle_expires_at IS NULL OR idle_expires_at > %(now)s)
ORDER BY last_seen_at DESC, created_at DESC, id DESC"""

LIST_ENDED: Final = f"""
SELECT {COLUMNS} FROM {_SESSIONS}
WHERE tenant = %(tenant)s AND user_id = %(user_id)s AND ended_at IS NOT NULL AND schema <= %(known)s
ORDER BY ended_at DESC, created_at DESC, id DESC LIMIT %(limit)s"""

# --- everybody --------------------------------------------------------------------------------------------------------

RAISE_EPOCH: Final = "SELECT f FROM " + _call("raise_epoch", "tenant", "now")

END_ALL: Final = f"SELECT {COLUMNS} FROM " + _call("end_all", "known", "tenant", "below", "reason", "now", "limit")

_AFTER: Final = "(created_at, id) < (%(created_at)s, %(id)s) AND schema <= %(known)s"

BROWSE: Final = f"""
SELECT {COLUMNS} FROM {_SESSIONS} WHERE tenant = %(tenant)s AND {_AFTER}
ORDER BY created_at DESC, id DESC LIMIT %(limit)s"""

# Two halves, so that each has an index with a user's own rows and nobody's else.
BROWSE_USER: Final = f"""
SELECT {COLUMNS} FROM {_SESSIONS}
WHERE tenant = %(tenant)s AND user_id = %(user_id)s AND ended_at IS NULL AND {_AFTER}
UNION ALL
SELECT {COLUMNS} FROM {_SESSIONS}
WHERE tenant = %(tenant)s AND user_id = %(user_id)s AND ended_at IS NOT NULL AND {_AFTER}
ORDER BY created_at DESC, id DESC LIMIT %(limit)s"""

COUNT: Final = f"""
SELECT count(*) FROM {_SESSIONS}
WHERE tenant = %(tenant)s AND ended_at IS NULL AND schema <= %(known)s
    AND (expires_at IS NULL OR expires_at > %(now)s) AND (idle_expires_at IS NULL OR idle_expires_at > %(now)s)"""

# --- sweeping ---------------------------------------------------------------------------------------------------------

SWEEP: Final = f"SELECT f.o_examined, {_ANSWERED} FROM " + _call("sweep", "known", "tenant", "now", "limit")

FORGET_OLD: Final = "SELECT f FROM " + _call("forget_old", "known", "tenant", "before", "limit")

FORGET_SURPLUS: Final = "SELECT f FROM " + _call("forget_surplus", "known", "tenant", "max_ended", "limit")

FORGET_USERS: Final = "SELECT f FROM " + _call("forget_users", "tenant", "raised", "limit")

# --- beside sessions --------------------------------------------------------------------------------------------------

PUT_SIDE: Final = "SELECT f FROM " + _call("put_side", "known", "tenant", "id", "name", "value", "now")

GET_SIDE: Final = f"""
SELECT side.value FROM __schema__.coatcheck_sides AS side JOIN {_SESSIONS} AS s ON s.id = side.session_id
WHERE side.session_id = %(id)s AND side.name = %(name)s AND s.tenant = %(tenant)s AND s.ended_at IS NULL"""

LEASE: Final = """
INSERT INTO __schema__.coatcheck_leases AS l (tenant, name, holder, until)
VALUES (%(tenant)s, %(name)s, %(holder)s, %(until)s)
ON CONFLICT (tenant, name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE l.holder = excluded.holder OR l.until <= %(now)s
RETURNING 1"""

KEY: Final = "SELECT value FROM __schema__.coatcheck_keys WHERE name = 'key'"

MAKE_KEY: Final = """
INSERT INTO __schema__.coatcheck_keys (name, value) VALUES ('key', %(value)s) ON CONFLICT (name) DO NOTHING"""

CLOCK: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"

# --- counting ---------------------------------------------------------------------------------------------------------

# The types are named: psycopg sends a list of whole numbers as the smallest type that holds them.
ADD_COUNTS: Final = """
SELECT f FROM __schema__.coatcheck_add_counts(
    p_tenant => %(tenant)s, p_every => %(every)s::integer[], p_at => %(at)s::bigint[], p_names => %(names)s,
    p_counts => %(counts)s::bigint[], p_forget_every => %(forget_every)s::integer[],
    p_forget_before => %(forget_before)s::bigint[]) AS f"""

# An object for each bucket: a day of minutes is tens of thousands of numbers, and a row for each costs more to fetch.
READ_COUNTS: Final = """
SELECT at, pg_catalog.json_object_agg(name, count)::text FROM __schema__.coatcheck_counts
WHERE tenant = %(tenant)s AND every = %(every)s AND at >= %(since)s AND at < %(until)s
GROUP BY at ORDER BY at"""

# --- the server and its tables ----------------------------------------------------------------------------------------

SERVER: Final = """
SELECT current_schema(), current_setting('server_encoding'), current_setting('transaction_isolation'),
    current_setting('statement_timeout'), current_setting('client_min_messages'),
    current_setting('server_version_num')::integer"""

TABLES: Final = """
SELECT to_regclass(%(schema)s || '.coatcheck_meta') IS NOT NULL,
    coalesce(has_schema_privilege(to_regnamespace(%(schema)s), 'USAGE'), true),
    coalesce((SELECT bool_and(has_table_privilege(to_regclass(%(schema)s || '.coatcheck_' || name), rights))
        FROM (VALUES ('meta', 'SELECT'), ('keys', 'SELECT'), ('keys', 'INSERT'), ('sessions', 'SELECT'),
            ('sessions', 'INSERT'), ('sessions', 'UPDATE'), ('sessions', 'DELETE'), ('users', 'SELECT'),
            ('users', 'INSERT'), ('users', 'UPDATE'), ('users', 'DELETE'), ('tenants', 'SELECT'),
            ('tenants', 'INSERT'), ('tenants', 'UPDATE'), ('sides', 'SELECT'), ('sides', 'INSERT'),
            ('sides', 'UPDATE'), ('sides', 'DELETE'), ('leases', 'SELECT'), ('leases', 'INSERT'),
            ('leases', 'UPDATE'), ('counts', 'SELECT'), ('counts', 'INSERT'), ('counts', 'UPDATE'),
            ('counts', 'DELETE')) AS needed (name, rights)), true)
    AND coalesce((SELECT bool_and(has_function_privilege(f.oid, 'EXECUTE')) FROM pg_catalog.pg_proc AS f
        WHERE f.pronamespace = to_regnamespace(%(schema)s) AND starts_with(f.proname::text, 'coatcheck_')), true)"""

META: Final = "SELECT name, value FROM __schema__.coatcheck_meta WHERE name IN ('version', 'oldest_reader')"

SET_LIMITS: Final = (
    "SELECT set_config('statement_timeout', %s, true), set_config('client_min_messages', 'warning', true)"
)
"""What the connection's parameters say, for one transaction."""

"""Every SQL statement of the SQLite store, each said once and by name.

Constants, not text put together at run time: whatever a caller brings is a parameter. Every statement that looks at
sessions is bound to a tenant, and those of the sweeper to the formats this release can read, because a newer one may
count time otherwise.
"""
# ruff: noqa: S608  (nothing but the constants of this module is put into a statement)

from __future__ import annotations

from typing import Final

COLUMNS: Final = (
    "id, tenant, schema, secret_digest, created_at, last_seen_at, idle_expires_at, expires_at, rotated_at, "
    "previous_digest, successor_nonce, confirmed_at, rotate_due, user_id, roles, auth_time, amr, aal, version, "
    "generation, epoch, locks, lifetime, persistent, device, data, ended_at, reason, had_data, origin"
)

# --- one session ------------------------------------------------------------------------------------------------------

FIND: Final = f"SELECT {COLUMNS} FROM sessions WHERE id = ? AND tenant = ?"

# The plus keeps the planner from walking a tenant's index instead of looking up each id.
FIND_MANY: Final = f"SELECT {COLUMNS} FROM sessions WHERE id IN (SELECT value FROM json_each(?)) AND +tenant = ?"

EXISTS: Final = "SELECT 1 FROM sessions WHERE id = ?"

INSERT: Final = f"INSERT INTO sessions ({COLUMNS}) VALUES ({', '.join('?' * (COLUMNS.count(',') + 1))})"

DEVICE: Final = "SELECT device FROM sessions WHERE id = ?"

SAVE_ACTIVITY: Final = "UPDATE sessions SET last_seen_at = ?, idle_expires_at = ?, confirmed_at = ? WHERE id = ?"

SAVE_DEVICE: Final = "UPDATE sessions SET device = ? WHERE id = ?"

SAVE_DATA: Final = "UPDATE sessions SET version = ?, data = ? WHERE id = ?"

SAVE_PRIVILEGE: Final = """
UPDATE sessions SET secret_digest = ?, previous_digest = ?, successor_nonce = ?, rotated_at = ?, rotate_due = ?,
    generation = ?, roles = ?, auth_time = ?, amr = ?, aal = ?
WHERE id = ?"""

BURY: Final = """
UPDATE sessions SET schema = ?, ended_at = ?, reason = ?, had_data = ?, data = NULL, roles = '[]', amr = '[]',
    origin = NULL
WHERE id = ?"""

BURY_UNREADABLE: Final = """
UPDATE sessions SET schema = :schema, secret_digest = :secret_digest, created_at = :created_at,
    last_seen_at = :last_seen_at, idle_expires_at = NULL, expires_at = NULL, rotated_at = :last_seen_at,
    previous_digest = :previous_digest, successor_nonce = :successor_nonce, confirmed_at = :confirmed_at,
    rotate_due = 0, user_id = :user_id, roles = '[]', auth_time = NULL, amr = '[]', aal = NULL, version = 0,
    generation = 0, epoch = 0, locks = 0, lifetime = '', persistent = 0, device = :device, data = NULL,
    ended_at = :ended_at, reason = :reason, had_data = 1, origin = NULL
WHERE id = :id AND tenant = :tenant"""

REMOVE: Final = "DELETE FROM sessions WHERE id = ? AND tenant = ?"

OWNER: Final = "SELECT user_id FROM sessions WHERE id = ?"

# --- one user ---------------------------------------------------------------------------------------------------------

STANDING_OF_USER: Final = f"""
SELECT {COLUMNS} FROM sessions WHERE tenant = :tenant AND user_id = :user_id AND ended_at IS NULL"""

ENDED_OF_USER: Final = f"""
SELECT {COLUMNS} FROM sessions
WHERE tenant = :tenant AND user_id = :user_id AND ended_at IS NOT NULL AND schema <= :schema
ORDER BY ended_at DESC, created_at DESC, id DESC LIMIT :limit"""

EPOCH: Final = """
SELECT coalesce((SELECT epoch FROM tenants WHERE tenant = :tenant), 0),
    coalesce((SELECT epoch FROM users WHERE tenant = :tenant AND user_id = :user_id), 0),
    max(coalesce((SELECT raised_at FROM tenants WHERE tenant = :tenant), -1),
        coalesce((SELECT raised_at FROM users WHERE tenant = :tenant AND user_id = :user_id), -1))"""

# As `transitions.raised` says: a value is never used twice, also after the row was forgotten.
RAISE_USER: Final = """
INSERT INTO users (tenant, user_id, epoch, raised_at) VALUES (:tenant, :user_id, max(1, :now), :now)
ON CONFLICT (tenant, user_id) DO UPDATE SET epoch = max(epoch + 1, :now), raised_at = max(raised_at, :now)"""

# --- everybody --------------------------------------------------------------------------------------------------------

RAISE_TENANT: Final = """
INSERT INTO tenants (tenant, epoch, raised_at) VALUES (:tenant, max(1, :now), :now)
ON CONFLICT (tenant) DO UPDATE SET epoch = max(epoch + 1, :now), raised_at = max(raised_at, :now)"""

# An ended row leaves the partial index, so each batch begins where there is work. The planner must not choose: with
# no statistics it may prefer the table in order.
STANDING_BELOW_EPOCH: Final = f"""
SELECT {COLUMNS} FROM sessions INDEXED BY sessions_due_absolute
WHERE tenant = :tenant AND ended_at IS NULL AND epoch < :below AND typeof(id) = 'text'
LIMIT :limit"""

_PLACED: Final = "typeof(created_at) = 'integer' AND typeof(id) = 'text' AND schema <= :schema"

BROWSE: Final = f"""
SELECT {COLUMNS} FROM sessions
WHERE tenant = :tenant AND (created_at, id) < (:created_at, :id) AND {_PLACED}
ORDER BY created_at DESC, id DESC LIMIT :limit"""

# A user's own rows are few and sorted; the planner would rather walk everybody's in order.
BROWSE_USER: Final = f"""
SELECT {COLUMNS} FROM sessions INDEXED BY sessions_live_of_user
WHERE tenant = :tenant AND user_id = :user_id AND ended_at IS NULL AND (created_at, id) < (:created_at, :id)
    AND {_PLACED}
UNION ALL
SELECT {COLUMNS} FROM sessions INDEXED BY sessions_ended_of_user
WHERE tenant = :tenant AND user_id = :user_id AND ended_at IS NOT NULL AND (created_at, id) < (:created_at, :id)
    AND {_PLACED}
ORDER BY created_at DESC, id DESC LIMIT :limit"""

COUNT: Final = """
SELECT count(*) FROM sessions
WHERE tenant = :tenant AND ended_at IS NULL AND schema <= :schema
    AND (expires_at IS NULL OR expires_at > :now) AND (idle_expires_at IS NULL OR idle_expires_at > :now)"""

# --- sweeping ---------------------------------------------------------------------------------------------------------

DUE_ABSOLUTE: Final = f"""
SELECT {COLUMNS} FROM sessions
WHERE tenant = :tenant AND ended_at IS NULL AND expires_at <= :now AND schema <= :schema AND typeof(id) = 'text'
ORDER BY expires_at LIMIT :limit"""

DUE_IDLE: Final = f"""
SELECT {COLUMNS} FROM sessions
WHERE tenant = :tenant AND ended_at IS NULL AND locks = 0 AND idle_expires_at <= :now AND schema <= :schema
    AND typeof(id) = 'text'
ORDER BY idle_expires_at LIMIT :limit"""

FORGET_OLD: Final = """
DELETE FROM sessions WHERE rowid IN (
    SELECT rowid FROM sessions
    WHERE tenant = :tenant AND ended_at IS NOT NULL AND ended_at < :before AND schema <= :schema
    ORDER BY ended_at LIMIT :limit)"""

# Skipping the newest `max_ended` walks the index alone; what lies beyond is the surplus.
FORGET_SURPLUS: Final = """
DELETE FROM sessions WHERE rowid IN (
    SELECT rowid FROM sessions
    WHERE tenant = :tenant AND ended_at IS NOT NULL AND schema <= :schema
    ORDER BY ended_at DESC LIMIT :limit OFFSET :max_ended)"""

FORGET_EPOCHS: Final = """
DELETE FROM users WHERE tenant = :tenant AND user_id IN (
    SELECT user_id FROM users WHERE tenant = :tenant AND raised_at < :raised_before ORDER BY raised_at LIMIT :limit)"""

# --- beside sessions --------------------------------------------------------------------------------------------------

PUT_SIDE: Final = """
INSERT INTO sides (session_id, name, value) VALUES (?, ?, ?)
ON CONFLICT (session_id, name) DO UPDATE SET value = excluded.value"""

GET_SIDE: Final = """
SELECT value FROM sides JOIN sessions ON sessions.id = sides.session_id
WHERE sides.session_id = ? AND sides.name = ? AND sessions.tenant = ?"""

DROP_SIDES: Final = "DELETE FROM sides WHERE session_id = ?"

LEASE: Final = """
INSERT INTO leases (tenant, name, holder, until) VALUES (:tenant, :name, :holder, :until)
ON CONFLICT (tenant, name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE holder = excluded.holder OR until <= :now"""

KEY: Final = "SELECT value FROM meta WHERE name = 'key'"

MAKE_KEY: Final = "INSERT INTO meta (name, value) VALUES ('key', ?) ON CONFLICT (name) DO NOTHING"

# --- counting ---------------------------------------------------------------------------------------------------------

ADD_COUNT: Final = """
INSERT INTO counts (tenant, every, at, name, count) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, every, at, name) DO UPDATE SET count = count + excluded.count"""

FORGET_COUNTS: Final = "DELETE FROM counts WHERE tenant = ? AND every = ? AND at < ?"

# An object for each bucket: a day of minutes is tens of thousands of numbers, and a row for each costs more to fetch.
READ_COUNTS: Final = """
SELECT at, json_group_object(name, count) FROM counts
WHERE tenant = :tenant AND every = :every AND at >= :since AND at < :until
GROUP BY at ORDER BY at"""

-- Tables. Names begin with coatcheck_, so that they may lie among an application's own.
-- Times are whole milliseconds since the Unix epoch. Text compares by code points (collation "C"), as in Python.

CREATE TABLE __schema__.coatcheck_meta (
    name text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
);

-- The lowest number of steps that a release must know to use these tables.
INSERT INTO __schema__.coatcheck_meta (name, value) VALUES ('oldest_reader', 1);

CREATE TABLE __schema__.coatcheck_keys (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

-- One row a session, for ever: what ends becomes its own tombstone, so that an id is never used again.
-- due_at is not later than the deadline at which the session is swept; renewals leave it, the sweeper moves it. No
-- index holds what a commit, a renewal or a rotation changes, so that the new row stays on its page (HOT).
-- Application data is two parallel arrays: one row, merged key by key, and any bytes.
-- agent_hash is null where nothing is known of the device. Wide columns come first: nothing is lost to alignment.
CREATE TABLE __schema__.coatcheck_sessions (
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    rotated_at bigint NOT NULL,
    version bigint NOT NULL,
    generation bigint NOT NULL,
    epoch bigint NOT NULL,
    due_at bigint,
    idle_expires_at bigint,
    expires_at bigint,
    confirmed_at bigint,
    auth_time bigint,
    ended_at bigint,
    schema integer NOT NULL,
    aal integer,
    rotate_due boolean NOT NULL,
    locks boolean NOT NULL,
    persistent boolean NOT NULL,
    had_data boolean NOT NULL,
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    secret_digest bytea NOT NULL,
    previous_digest bytea,
    successor_nonce bytea,
    user_id text COLLATE "C",
    roles text[] NOT NULL,
    amr text[] NOT NULL,
    lifetime text NOT NULL,
    reason text,
    agent_hash bytea,
    browser text,
    system text,
    first_address text,
    last_address text,
    device_id text,
    data_keys text[] COLLATE "C" NOT NULL,
    data_values bytea[] NOT NULL
) WITH (fillfactor = 85);

CREATE INDEX coatcheck_sessions_due ON __schema__.coatcheck_sessions (tenant, due_at)
    WHERE ended_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX coatcheck_sessions_of_user ON __schema__.coatcheck_sessions (tenant, user_id)
    WHERE ended_at IS NULL AND user_id IS NOT NULL;
CREATE INDEX coatcheck_sessions_of_epoch ON __schema__.coatcheck_sessions (tenant, epoch)
    WHERE ended_at IS NULL;
CREATE INDEX coatcheck_sessions_created ON __schema__.coatcheck_sessions (tenant, created_at, id);
CREATE INDEX coatcheck_sessions_ended ON __schema__.coatcheck_sessions (tenant, ended_at)
    WHERE ended_at IS NOT NULL;
CREATE INDEX coatcheck_sessions_ended_of_user ON __schema__.coatcheck_sessions (tenant, user_id, ended_at)
    WHERE ended_at IS NOT NULL AND user_id IS NOT NULL;

-- A user's row holds the epoch and is what sign-ins of one user queue for. It may be forgotten some time after
-- changed_at, the moment of its last raise, or of its making.
CREATE TABLE __schema__.coatcheck_users (
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    raised_at bigint,
    changed_at bigint NOT NULL,
    PRIMARY KEY (tenant, user_id)
);

CREATE INDEX coatcheck_users_changed ON __schema__.coatcheck_users (tenant, changed_at);

CREATE TABLE __schema__.coatcheck_tenants (
    tenant text COLLATE "C" PRIMARY KEY,
    epoch bigint NOT NULL,
    raised_at bigint NOT NULL
);

CREATE TABLE __schema__.coatcheck_sides (
    session_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (session_id, name)
);

CREATE TABLE __schema__.coatcheck_leases (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    holder text NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- What the verbs share: the clocks, who may change a session, how data is merged, how a session is buried.
-- Functions run with the rights of whoever calls them. Those that are called from outside set the search path, so that
-- nobody who may make functions in one of the caller's schemas has theirs run with the caller's rights; what they call
-- (this file, and coatcheck_raise_user) runs under theirs.

-- Which clock has run out, the earlier one if both have; null while the session is alive.
CREATE FUNCTION __schema__.coatcheck_dead_at(p_idle bigint, p_absolute bigint, p_now bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_absolute <= p_now AND (p_idle IS NULL OR p_absolute <= p_idle) THEN 'absolute'
        WHEN p_idle <= p_now THEN 'idle'
    END
$$;

-- Likewise, but a session that only locks when idle is left until its absolute deadline.
CREATE FUNCTION __schema__.coatcheck_sweepable_at(p_locks boolean, p_idle bigint, p_absolute bigint, p_now bigint)
RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_locks AND (p_absolute IS NULL OR p_now < p_absolute) THEN NULL
        WHEN p_absolute <= p_now AND (p_idle IS NULL OR p_absolute <= p_idle) THEN 'absolute'
        WHEN p_idle <= p_now THEN 'idle'
    END
$$;

-- The deadline at which a session is swept; null for never.
CREATE FUNCTION __schema__.coatcheck_due(p_locks boolean, p_idle bigint, p_absolute bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_locks THEN p_absolute ELSE least(p_idle, p_absolute) END
$$;

-- Whether data is what a release writes: plain arrays of one length, without nulls.
CREATE FUNCTION __schema__.coatcheck_whole(p_keys text[], p_values bytea[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT cardinality(p_keys) = cardinality(p_values) AND coalesce(array_ndims(p_keys), 1) = 1
        AND coalesce(array_ndims(p_values), 1) = 1 AND array_position(p_keys, NULL) IS NULL
        AND array_position(p_values, NULL) IS NULL
$$;

-- Whether a release that knows formats up to p_known can read a session.
CREATE FUNCTION __schema__.coatcheck_readable(p_session __schema__.coatcheck_sessions, p_known integer) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_session.schema BETWEEN 1 AND p_known AND octet_length(p_session.secret_digest) > 0
        AND __schema__.coatcheck_whole(p_session.data_keys, p_session.data_values)
$$;

-- Why a session may not be changed by somebody who read it at a generation; null when they may. p_known is the
-- newest record format that the caller reads.
CREATE FUNCTION __schema__.coatcheck_refusal(
    p_session __schema__.coatcheck_sessions, p_generation bigint, p_now bigint, p_known integer
) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_session.id IS NULL OR p_session.ended_at IS NOT NULL THEN 'gone'
        WHEN p_session.schema > p_known THEN 'future'
        WHEN NOT __schema__.coatcheck_readable(p_session, p_known) THEN 'gone'
        WHEN p_session.idle_expires_at <= p_now OR p_session.expires_at <= p_now THEN 'gone'
        WHEN p_session.generation <> p_generation THEN 'generation'
    END
$$;

-- Data with changed keys merged in, and the size of keys and values together, in bytes.
CREATE FUNCTION __schema__.coatcheck_merged(
    p_old_keys text[], p_old_values bytea[], p_keys text[], p_values bytea[], p_unset text[],
    OUT o_keys text[], OUT o_values bytea[], OUT o_size bigint
)
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(m.k), '{}'), coalesce(array_agg(m.v), '{}'),
        coalesce(sum(octet_length(m.k) + octet_length(m.v)), 0)::bigint
    FROM (
        SELECT o.k, o.v FROM unnest(p_old_keys, p_old_values) AS o (k, v)
        WHERE o.k <> ALL (p_keys) AND o.k <> ALL (p_unset)
        UNION ALL
        SELECT n.k, n.v FROM unnest(p_keys, p_values) AS n (k, v)
    ) AS m
$$;

-- The three largest keys with their bytes, largest first, of equal ones by name.
CREATE FUNCTION __schema__.coatcheck_largest(
    p_keys text[], p_values bytea[], OUT o_keys text[], OUT o_sizes bigint[]
)
LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(m.k), array_agg(m.size)
    FROM (
        SELECT e.k, (octet_length(e.k) + octet_length(e.v))::bigint AS size
        FROM unnest(p_keys, p_values) AS e (k, v)
        ORDER BY 2 DESC, e.k COLLATE "C" LIMIT 3
    ) AS m
$$;

-- Later than what the caller holds for now and than this server's own clock: a raise is never dated back.
CREATE FUNCTION __schema__.coatcheck_moment(p_now bigint) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT greatest(p_now, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
$$;

-- The advisory lock that sign-ins share and a raise of the store-wide epoch takes alone.
CREATE FUNCTION __schema__.coatcheck_lock(p_tenant text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('coatcheck ' || '__schema__ ' || p_tenant, 0)
$$;

-- With an older snapshot than its locks a verb would not see what it waited for.
CREATE FUNCTION __schema__.coatcheck_require_read_committed() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'coatcheck needs the isolation level READ COMMITTED' USING ERRCODE = 'CC001';
    END IF;
END
$$;

-- Turns sessions into tombstones and answers those it ended. A reason of null is the clock that ran out first; what
-- is revoked after a clock ran out keeps the clock's reason. A session without a digest leaves no tombstone: nobody could
-- be told by it.
CREATE FUNCTION __schema__.coatcheck_bury(p_ids text[], p_reason text, p_now bigint, p_known integer)
RETURNS SETOF __schema__.coatcheck_sessions
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    UPDATE __schema__.coatcheck_sessions AS s SET
        ended_at = p_now,
        reason = CASE
            WHEN s.schema <= p_known AND coalesce(p_reason, 'revoked') = 'revoked' THEN coalesce(
                __schema__.coatcheck_sweepable_at(s.locks, s.idle_expires_at, s.expires_at, p_now), p_reason, 'revoked'
            )
            ELSE coalesce(p_reason, 'revoked')
        END,
        had_data = s.schema > p_known OR cardinality(s.data_keys) > 0 OR cardinality(s.data_values) > 0,
        schema = p_known, data_keys = '{}', data_values = '{}', roles = '{}', amr = '{}'
    WHERE s.id = ANY (p_ids) AND s.ended_at IS NULL AND octet_length(s.secret_digest) > 0
    RETURNING s.*;
    DELETE FROM __schema__.coatcheck_sessions AS d
    WHERE d.id = ANY (p_ids) AND d.ended_at IS NULL AND octet_length(d.secret_digest) = 0;
    DELETE FROM __schema__.coatcheck_sides AS side WHERE side.session_id = ANY (p_ids);
END
$$;

-- Ending sessions, one, a user's, or everybody's, and raising epochs.
--
-- Each of these verbs writes something, also where it finds nothing left to end: a lock on a row is a write. A commit
-- that wrote waits for the synchronous replica, if there is one, and for all that was written before. So a verb that is
-- asked again because its wait was broken off waits again.

-- Raises a user's epoch: to more than it was and never to what it once was, also after it was forgotten.
CREATE FUNCTION __schema__.coatcheck_raise_user(p_tenant text, p_user_id text, p_now bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM __schema__.coatcheck_require_read_committed();
    INSERT INTO __schema__.coatcheck_users (tenant, user_id, epoch, changed_at)
    VALUES (p_tenant, p_user_id, 0, p_now) ON CONFLICT (tenant, user_id) DO NOTHING;
    -- The moment is read once the row is held: a sign-in that it waited for began earlier.
    PERFORM FROM __schema__.coatcheck_users AS u WHERE u.tenant = p_tenant AND u.user_id = p_user_id FOR UPDATE;
    UPDATE __schema__.coatcheck_users AS u SET
        epoch = greatest(u.epoch + 1, m.at), raised_at = greatest(u.raised_at, m.at), changed_at = m.at
    FROM (SELECT __schema__.coatcheck_moment(p_now) AS at) AS m
    WHERE u.tenant = p_tenant AND u.user_id = p_user_id;
    IF NOT FOUND THEN
        PERFORM __schema__.coatcheck_raise_user(p_tenant, p_user_id, p_now);  -- it was forgotten meanwhile
    END IF;
END
$$;

-- Raises the store-wide epoch once every sign-in under way is done; those that come next read the new one.
CREATE FUNCTION __schema__.coatcheck_raise_epoch(p_tenant text, p_now bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_epoch bigint;
BEGIN
    PERFORM __schema__.coatcheck_require_read_committed();
    PERFORM pg_advisory_xact_lock(__schema__.coatcheck_lock(p_tenant));
    INSERT INTO __schema__.coatcheck_tenants AS t (tenant, epoch, raised_at)
    SELECT p_tenant, m.at, m.at FROM (SELECT __schema__.coatcheck_moment(p_now) AS at) AS m
    ON CONFLICT (tenant) DO UPDATE SET
        epoch = greatest(t.epoch + 1, excluded.epoch), raised_at = greatest(t.raised_at, excluded.raised_at)
    RETURNING t.epoch INTO v_epoch;
    RETURN v_epoch;
END
$$;

CREATE FUNCTION __schema__.coatcheck_end(
    p_known integer, p_tenant text, p_id text, p_reason text, p_now bigint, p_owner text
) RETURNS SETOF __schema__.coatcheck_sessions
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A tombstone is locked too.
    PERFORM FROM __schema__.coatcheck_sessions AS s
    WHERE s.id = p_id AND s.tenant = p_tenant AND (p_owner IS NULL OR s.user_id = p_owner) FOR UPDATE;
    IF FOUND THEN
        RETURN QUERY SELECT b.* FROM __schema__.coatcheck_bury(ARRAY[p_id], p_reason, p_now, p_known) AS b;
    END IF;
END
$$;

-- Ends a session and answers its data as it was; what cannot be read brings none.
CREATE FUNCTION __schema__.coatcheck_take(p_known integer, p_tenant text, p_id text, p_now bigint)
RETURNS TABLE (o_keys text[], o_values bytea[], o_session __schema__.coatcheck_sessions)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_session __schema__.coatcheck_sessions;
BEGIN
    SELECT s.* INTO v_session FROM __schema__.coatcheck_sessions AS s
    WHERE s.id = p_id AND s.tenant = p_tenant FOR UPDATE;  -- a tombstone too
    IF v_session.id IS NULL THEN
        RETURN;
    END IF;
    IF v_session.schema > p_known OR NOT __schema__.coatcheck_whole(v_session.data_keys, v_session.data_values) THEN
        v_session.data_keys := '{}';
        v_session.data_values := '{}';
    END IF;
    RETURN QUERY SELECT v_session.data_keys, v_session.data_values, b
    FROM __schema__.coatcheck_bury(ARRAY[p_id], 'superseded', p_now, p_known) AS b;
END
$$;

CREATE FUNCTION __schema__.coatcheck_end_user(
    p_known integer, p_tenant text, p_user_id text, p_reason text, p_now bigint, p_keep text
) RETURNS SETOF __schema__.coatcheck_sessions
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_ids text[];
BEGIN
    PERFORM __schema__.coatcheck_raise_user(p_tenant, p_user_id, p_now);
    v_ids := ARRAY(
        SELECT s.id FROM __schema__.coatcheck_sessions AS s
        WHERE s.tenant = p_tenant AND s.user_id = p_user_id AND s.ended_at IS NULL AND s.id IS DISTINCT FROM p_keep
        ORDER BY s.id FOR UPDATE
    );
    RETURN QUERY SELECT b.* FROM __schema__.coatcheck_bury(v_ids, p_reason, p_now, p_known) AS b;
END
$$;

-- Ends sessions that began under a lower store-wide epoch. It waits for those that others are changing, and goes on
-- when others ended all it had chosen, or what it ended left no tombstone: an empty answer means that none is left.
CREATE FUNCTION __schema__.coatcheck_end_all(
    p_known integer, p_tenant text, p_below bigint, p_reason text, p_now bigint, p_limit integer
) RETURNS SETOF __schema__.coatcheck_sessions
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_ids text[];
BEGIN
    PERFORM __schema__.coatcheck_require_read_committed();
    LOOP
        v_ids := ARRAY(
            SELECT s.id FROM __schema__.coatcheck_sessions AS s
            WHERE s.tenant = p_tenant AND s.ended_at IS NULL AND s.epoch < p_below
            ORDER BY s.epoch LIMIT p_limit  -- by the index: a batch does not pass over all that those before it ended
        );
        IF cardinality(v_ids) = 0 THEN
            PERFORM FROM __schema__.coatcheck_tenants AS t WHERE t.tenant = p_tenant FOR UPDATE;
            EXIT;
        END IF;
        v_ids := ARRAY(
            SELECT s.id FROM __schema__.coatcheck_sessions AS s
            WHERE s.id = ANY (v_ids) AND s.ended_at IS NULL ORDER BY s.id FOR UPDATE
        );
        RETURN QUERY SELECT b.* FROM __schema__.coatcheck_bury(v_ids, p_reason, p_now, p_known) AS b;
        EXIT WHEN FOUND;
    END LOOP;
END
$$;

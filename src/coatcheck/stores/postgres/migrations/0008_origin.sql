-- How a session came to be: written when it is made, and never looked into here.
--
-- The wait for the table is short: while this waits behind a long reader, everybody else waits behind this.
SET LOCAL lock_timeout = '1s';
ALTER TABLE __schema__.coatcheck_sessions ADD COLUMN origin bytea;
SET LOCAL lock_timeout TO DEFAULT;

-- As in step 2, and a tombstone keeps no origin.
CREATE OR REPLACE FUNCTION __schema__.coatcheck_bury(p_ids text[], p_reason text, p_now bigint, p_known integer)
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
        schema = p_known, data_keys = '{}', data_values = '{}', roles = '{}', amr = '{}',
        origin = NULL
    WHERE s.id = ANY (p_ids) AND s.ended_at IS NULL AND octet_length(s.secret_digest) > 0
    RETURNING s.*;
    DELETE FROM __schema__.coatcheck_sessions AS d
    WHERE d.id = ANY (p_ids) AND d.ended_at IS NULL AND octet_length(d.secret_digest) = 0;
    DELETE FROM __schema__.coatcheck_sides AS side WHERE side.session_id = ANY (p_ids);
END
$$;

-- As the function of step 3, with the origin: it has one more parameter and no default, so every call finds its own.
CREATE FUNCTION __schema__.coatcheck_create(
    p_known integer, p_now bigint, p_tenant text, p_id text, p_secret_digest bytea, p_created_at bigint,
    p_last_seen_at bigint, p_idle_expires_at bigint, p_expires_at bigint, p_rotated_at bigint,
    p_previous_digest bytea, p_successor_nonce bytea, p_confirmed_at bigint, p_rotate_due boolean, p_user_id text,
    p_roles text[], p_auth_time bigint, p_amr text[], p_aal integer, p_version bigint, p_generation bigint,
    p_locks boolean, p_lifetime text, p_persistent boolean, p_agent_hash bytea, p_browser text, p_system text,
    p_first_address text, p_last_address text, p_device_id text, p_schema integer, p_keys text[], p_values bytea[],
    p_limit integer, p_at_limit text, p_epoch bigint, p_began_at bigint,
    p_replacing text, p_replacing_generation bigint, p_carry boolean, p_unset text[], p_max bigint,
    p_origin bytea
) RETURNS TABLE (o_outcome text, o_session __schema__.coatcheck_sessions)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_own bigint := 0;
    v_own_raised bigint;
    v_all bigint := 0;
    v_all_raised bigint;
    v_crowded boolean := false;
    v_surplus bigint;
    v_ids text[] := '{}';
    v_over text[] := '{}';
    v_evicted text[] := '{}';
    v_old __schema__.coatcheck_sessions;
    v_new __schema__.coatcheck_sessions;
    v_merged record;
BEGIN
    PERFORM __schema__.coatcheck_require_read_committed();
    PERFORM pg_advisory_xact_lock_shared(__schema__.coatcheck_lock(p_tenant));
    WHILE p_user_id IS NOT NULL LOOP
        SELECT u.epoch, u.raised_at INTO v_own, v_own_raised FROM __schema__.coatcheck_users AS u
        WHERE u.tenant = p_tenant AND u.user_id = p_user_id FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO __schema__.coatcheck_users (tenant, user_id, epoch, changed_at)
        VALUES (p_tenant, p_user_id, 0, p_now) ON CONFLICT DO NOTHING;
    END LOOP;
    SELECT t.epoch, t.raised_at INTO v_all, v_all_raised FROM __schema__.coatcheck_tenants AS t
    WHERE t.tenant = p_tenant;
    v_all := coalesce(v_all, 0);

    IF EXISTS (SELECT FROM __schema__.coatcheck_sessions AS s WHERE s.id = p_id) THEN
        RETURN QUERY SELECT 'exists', v_new;
        RETURN;
    END IF;
    IF p_epoch <> v_all + v_own OR p_began_at <= v_own_raised OR p_began_at <= v_all_raised THEN
        RETURN QUERY SELECT 'stale_epoch', v_new;
        RETURN;
    END IF;

    -- Only a user who may be at the limit has their live sessions locked. What is over may be brought back by a slower
    -- worker until it is locked, so that it is counted here. What this release cannot read counts nowhere.
    IF p_limit IS NOT NULL AND p_user_id IS NOT NULL THEN
        SELECT coalesce(array_agg(u.id), '{}'), coalesce(array_agg(u.id) FILTER (WHERE u.over), '{}')
        INTO v_ids, v_over
        FROM (
            SELECT s.id,
                __schema__.coatcheck_dead_at(s.idle_expires_at, s.expires_at, p_now) IS NOT NULL AS dead,
                __schema__.coatcheck_sweepable_at(s.locks, s.idle_expires_at, s.expires_at, p_now) IS NOT NULL AS over
            FROM __schema__.coatcheck_sessions AS s
            WHERE s.tenant = p_tenant AND s.user_id = p_user_id AND s.ended_at IS NULL
                AND __schema__.coatcheck_readable(s, p_known)
        ) AS u
        WHERE u.over OR NOT u.dead;
        v_crowded := cardinality(v_ids) >= p_limit;
    END IF;
    IF NOT v_crowded THEN
        v_ids := v_over;
    END IF;
    IF p_replacing IS NOT NULL THEN
        v_ids := v_ids || p_replacing;
    END IF;
    IF cardinality(v_ids) > 0 THEN
        PERFORM FROM __schema__.coatcheck_sessions AS s
        WHERE s.id = ANY (v_ids) AND s.tenant = p_tenant AND s.ended_at IS NULL ORDER BY s.id FOR UPDATE;
    END IF;

    IF p_replacing IS NOT NULL THEN
        SELECT s.* INTO v_old FROM __schema__.coatcheck_sessions AS s
        WHERE s.id = p_replacing AND s.tenant = p_tenant AND s.ended_at IS NULL;
        IF v_old.schema <= p_known AND v_old.generation <> p_replacing_generation THEN
            v_old := NULL;
        END IF;
    END IF;

    IF v_crowded THEN
        SELECT count(*) + 1 - p_limit INTO v_surplus FROM __schema__.coatcheck_sessions AS s
        WHERE s.id = ANY (v_ids) AND s.user_id = p_user_id AND s.ended_at IS NULL
            AND __schema__.coatcheck_readable(s, p_known)
            AND s.tenant = p_tenant AND s.id IS DISTINCT FROM v_old.id
            AND __schema__.coatcheck_dead_at(s.idle_expires_at, s.expires_at, p_now) IS NULL;
        IF v_surplus > 0 AND p_at_limit = 'reject' THEN
            RETURN QUERY SELECT 'limit', v_new;
            RETURN;
        END IF;
        v_evicted := ARRAY(
            SELECT s.id FROM __schema__.coatcheck_sessions AS s
            WHERE s.id = ANY (v_ids) AND s.user_id = p_user_id AND s.ended_at IS NULL
                AND __schema__.coatcheck_readable(s, p_known)
                AND s.tenant = p_tenant AND s.id IS DISTINCT FROM v_old.id
                AND __schema__.coatcheck_dead_at(s.idle_expires_at, s.expires_at, p_now) IS NULL
            ORDER BY CASE WHEN p_at_limit = 'evict_oldest' THEN s.created_at ELSE s.last_seen_at END,
                s.created_at, s.id
            LIMIT greatest(v_surplus, 0)
        );
    END IF;

    -- What does not count must not come back beside the new session.
    IF cardinality(v_over) > 0 THEN
        v_over := ARRAY(
            SELECT s.id FROM __schema__.coatcheck_sessions AS s
            WHERE s.id = ANY (v_over) AND s.ended_at IS NULL AND s.id IS DISTINCT FROM v_old.id
                AND __schema__.coatcheck_sweepable_at(s.locks, s.idle_expires_at, s.expires_at, p_now) IS NOT NULL
        );
    END IF;

    IF p_carry AND v_old.schema <= p_known AND __schema__.coatcheck_whole(v_old.data_keys, v_old.data_values)
        AND __schema__.coatcheck_sweepable_at(v_old.locks, v_old.idle_expires_at, v_old.expires_at, p_now) IS NULL
    THEN
        SELECT m.o_keys, m.o_values, m.o_size INTO v_merged
        FROM __schema__.coatcheck_merged(v_old.data_keys, v_old.data_values, p_keys, p_values, p_unset) AS m;
        IF p_max IS NULL OR v_merged.o_size <= p_max THEN
            p_keys := v_merged.o_keys;
            p_values := v_merged.o_values;
        END IF;
    END IF;

    INSERT INTO __schema__.coatcheck_sessions AS s (
        created_at, last_seen_at, rotated_at, version, generation, epoch, due_at, idle_expires_at, expires_at,
        confirmed_at, auth_time, schema, aal, rotate_due, locks, persistent, had_data, id, tenant, secret_digest,
        previous_digest, successor_nonce, user_id, roles, amr, lifetime, agent_hash, browser, system, first_address,
        last_address, device_id, data_keys, data_values, origin
    ) VALUES (
        p_created_at, p_last_seen_at, p_rotated_at, p_version, p_generation, v_all,
        __schema__.coatcheck_due(p_locks, p_idle_expires_at, p_expires_at), p_idle_expires_at, p_expires_at,
        p_confirmed_at, p_auth_time, p_schema, p_aal, p_rotate_due, p_locks, p_persistent, false, p_id, p_tenant,
        p_secret_digest, p_previous_digest, p_successor_nonce, p_user_id, p_roles, p_amr, p_lifetime, p_agent_hash,
        p_browser, p_system, p_first_address, p_last_address, p_device_id, p_keys, p_values, p_origin
    )
    ON CONFLICT (id) DO NOTHING RETURNING s.* INTO v_new;
    IF v_new.id IS NULL THEN
        RETURN QUERY SELECT 'exists', v_new;
        RETURN;
    END IF;

    RETURN QUERY SELECT 'created', v_new;
    IF cardinality(v_over) > 0 THEN
        RETURN QUERY SELECT 'ended', b FROM __schema__.coatcheck_bury(v_over, NULL, p_now, p_known) AS b;
    END IF;
    IF cardinality(v_evicted) > 0 THEN
        RETURN QUERY SELECT 'ended', b FROM __schema__.coatcheck_bury(v_evicted, 'evicted', p_now, p_known) AS b
        ORDER BY array_position(v_evicted, b.id);
    END IF;
    IF v_old.id IS NOT NULL THEN
        RETURN QUERY SELECT 'ended', b
        FROM __schema__.coatcheck_bury(ARRAY[v_old.id], 'superseded', p_now, p_known) AS b;
    END IF;
END
$$;

-- What releases before this step call. It is not dropped, so that none of their calls finds nothing while this runs.
CREATE OR REPLACE FUNCTION __schema__.coatcheck_create(
    p_known integer, p_now bigint, p_tenant text, p_id text, p_secret_digest bytea, p_created_at bigint,
    p_last_seen_at bigint, p_idle_expires_at bigint, p_expires_at bigint, p_rotated_at bigint,
    p_previous_digest bytea, p_successor_nonce bytea, p_confirmed_at bigint, p_rotate_due boolean, p_user_id text,
    p_roles text[], p_auth_time bigint, p_amr text[], p_aal integer, p_version bigint, p_generation bigint,
    p_locks boolean, p_lifetime text, p_persistent boolean, p_agent_hash bytea, p_browser text, p_system text,
    p_first_address text, p_last_address text, p_device_id text, p_schema integer, p_keys text[], p_values bytea[],
    p_limit integer, p_at_limit text, p_epoch bigint, p_began_at bigint,
    p_replacing text, p_replacing_generation bigint, p_carry boolean, p_unset text[], p_max bigint
) RETURNS TABLE (o_outcome text, o_session __schema__.coatcheck_sessions)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT c.o_outcome, c.o_session FROM __schema__.coatcheck_create(
        p_known, p_now, p_tenant, p_id, p_secret_digest, p_created_at, p_last_seen_at, p_idle_expires_at,
        p_expires_at, p_rotated_at, p_previous_digest, p_successor_nonce, p_confirmed_at, p_rotate_due,
        p_user_id, p_roles, p_auth_time, p_amr, p_aal, p_version, p_generation, p_locks, p_lifetime,
        p_persistent, p_agent_hash, p_browser, p_system, p_first_address, p_last_address, p_device_id, p_schema,
        p_keys, p_values, p_limit, p_at_limit, p_epoch, p_began_at, p_replacing, p_replacing_generation,
        p_carry, p_unset, p_max, NULL::bytea
    ) AS c;
END
$$;

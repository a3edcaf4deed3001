-- Changing a session that is there: activity, data, a new secret, a side record.

-- Records activity, forward only. One statement where nothing is in the way; else says what is.
CREATE FUNCTION __schema__.coatcheck_touch(
    p_known integer, p_tenant text, p_id text, p_generation bigint, p_now bigint,
    p_at bigint, p_idle bigint, p_confirms bytea, p_address text
) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_session __schema__.coatcheck_sessions;
    v_refusal text;
BEGIN
    LOOP
        UPDATE __schema__.coatcheck_sessions AS s SET
            last_seen_at = greatest(s.last_seen_at, p_at),
            idle_expires_at = CASE WHEN s.idle_expires_at IS NOT NULL THEN greatest(s.idle_expires_at, p_idle) END,
            confirmed_at = CASE
                WHEN s.confirmed_at IS NULL AND s.secret_digest = p_confirms THEN p_at ELSE s.confirmed_at END,
            last_address = CASE
                WHEN s.agent_hash IS NOT NULL AND p_address IS NOT NULL AND p_at >= s.last_seen_at THEN p_address
                ELSE s.last_address END
        WHERE s.id = p_id AND s.tenant = p_tenant AND s.ended_at IS NULL AND s.schema BETWEEN 1 AND p_known
            AND s.generation = p_generation AND (s.expires_at IS NULL OR s.expires_at > p_now)
            AND (s.idle_expires_at IS NULL OR s.idle_expires_at > p_now) AND octet_length(s.secret_digest) > 0
            AND __schema__.coatcheck_whole(s.data_keys, s.data_values);
        IF FOUND THEN
            RETURN 'done';
        END IF;
        SELECT s.* INTO v_session FROM __schema__.coatcheck_sessions AS s
        WHERE s.id = p_id AND s.tenant = p_tenant;
        v_refusal := __schema__.coatcheck_refusal(v_session, p_generation, p_now, p_known);
        IF v_refusal IS NOT NULL THEN
            RETURN v_refusal;
        END IF;
    END LOOP;
END
$$;

-- Merges named keys into the session's data; answers the new version, or why not.
CREATE FUNCTION __schema__.coatcheck_commit(
    p_known integer, p_tenant text, p_id text, p_generation bigint, p_now bigint,
    p_at bigint, p_idle bigint, p_confirms bytea, p_address text,
    p_keys text[], p_values bytea[], p_unset text[], p_max bigint, p_expect bigint,
    OUT o_outcome text, OUT o_version bigint, OUT o_size bigint, OUT o_keys text[], OUT o_sizes bigint[]
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_session __schema__.coatcheck_sessions;
    v_merged record;
BEGIN
    SELECT s.* INTO v_session FROM __schema__.coatcheck_sessions AS s
    WHERE s.id = p_id AND s.tenant = p_tenant FOR UPDATE;
    o_outcome := __schema__.coatcheck_refusal(v_session, p_generation, p_now, p_known);
    IF o_outcome IS NULL AND v_session.version <> p_expect THEN
        o_outcome := 'conflict';
    END IF;
    IF o_outcome IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT m.o_keys, m.o_values, m.o_size INTO v_merged
    FROM __schema__.coatcheck_merged(v_session.data_keys, v_session.data_values, p_keys, p_values, p_unset) AS m;
    IF v_merged.o_size > p_max AND cardinality(p_keys) > 0 THEN
        o_outcome := 'too_large';
        o_size := v_merged.o_size;
        SELECT l.o_keys, l.o_sizes INTO o_keys, o_sizes
        FROM __schema__.coatcheck_largest(v_merged.o_keys, v_merged.o_values) AS l;
        RETURN;
    END IF;
    UPDATE __schema__.coatcheck_sessions AS s SET
        data_keys = v_merged.o_keys, data_values = v_merged.o_values, version = s.version + 1,
        last_seen_at = greatest(s.last_seen_at, p_at),
        idle_expires_at = CASE WHEN s.idle_expires_at IS NOT NULL THEN greatest(s.idle_expires_at, p_idle) END,
        confirmed_at = CASE
            WHEN s.confirmed_at IS NULL AND s.secret_digest = p_confirms THEN p_at ELSE s.confirmed_at END,
        last_address = CASE
            WHEN s.agent_hash IS NOT NULL AND p_address IS NOT NULL AND p_at >= s.last_seen_at THEN p_address
            ELSE s.last_address END
    WHERE s.id = p_id RETURNING s.version INTO o_version;
    o_outcome := 'done';
END
$$;

-- Replaces the secret and merges what comes with it; answers the session as it is then, or why not. A rotation by age
-- that another one has overtaken merges what it brings and leaves the other's secret.
CREATE FUNCTION __schema__.coatcheck_rotate(
    p_known integer, p_tenant text, p_id text, p_generation bigint, p_now bigint,
    p_at bigint, p_idle bigint, p_confirms bytea, p_address text,
    p_keys text[], p_values bytea[], p_unset text[], p_max bigint,
    p_replaces bytea, p_digest bytea, p_rotated_at bigint, p_nonce bytea, p_held bytea,
    p_roles text[], p_auth_time bigint, p_amr text[], p_aal integer,
    OUT o_outcome text, OUT o_size bigint, OUT o_keys text[], OUT o_sizes bigint[],
    OUT o_session __schema__.coatcheck_sessions
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_session __schema__.coatcheck_sessions;
    v_merged record;
    v_changes boolean := cardinality(p_keys) > 0 OR cardinality(p_unset) > 0;
    v_first boolean;
BEGIN
    SELECT s.* INTO v_session FROM __schema__.coatcheck_sessions AS s
    WHERE s.id = p_id AND s.tenant = p_tenant FOR UPDATE;
    o_outcome := __schema__.coatcheck_refusal(v_session, p_generation, p_now, p_known);
    v_first := v_session.secret_digest = p_replaces;
    IF o_outcome IS NULL AND NOT v_first AND (
        p_nonce IS NULL OR v_session.successor_nonce IS NULL OR v_session.previous_digest IS DISTINCT FROM p_replaces
    ) THEN
        o_outcome := 'conflict';
    END IF;
    IF o_outcome IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT m.o_keys, m.o_values, m.o_size INTO v_merged
    FROM __schema__.coatcheck_merged(v_session.data_keys, v_session.data_values, p_keys, p_values, p_unset) AS m;
    IF v_merged.o_size > p_max AND cardinality(p_keys) > 0 THEN
        o_outcome := 'too_large';
        o_size := v_merged.o_size;
        SELECT l.o_keys, l.o_sizes INTO o_keys, o_sizes
        FROM __schema__.coatcheck_largest(v_merged.o_keys, v_merged.o_values) AS l;
        RETURN;
    END IF;
    UPDATE __schema__.coatcheck_sessions AS s SET
        data_keys = v_merged.o_keys, data_values = v_merged.o_values, version = s.version + v_changes::integer,
        last_seen_at = greatest(s.last_seen_at, p_at),
        idle_expires_at = CASE WHEN s.idle_expires_at IS NOT NULL THEN greatest(s.idle_expires_at, p_idle) END,
        last_address = CASE
            WHEN s.agent_hash IS NOT NULL AND p_address IS NOT NULL AND p_at >= s.last_seen_at THEN p_address
            ELSE s.last_address END,
        confirmed_at = CASE
            WHEN v_first THEN NULL
            WHEN s.confirmed_at IS NULL AND s.secret_digest = p_confirms THEN p_at ELSE s.confirmed_at END,
        secret_digest = CASE WHEN v_first THEN p_digest ELSE s.secret_digest END,
        previous_digest = CASE WHEN v_first THEN coalesce(p_held, s.secret_digest) ELSE s.previous_digest END,
        successor_nonce = CASE WHEN v_first THEN p_nonce ELSE s.successor_nonce END,
        rotated_at = CASE WHEN v_first THEN p_rotated_at ELSE s.rotated_at END,
        rotate_due = s.rotate_due AND NOT v_first,
        generation = s.generation + (v_first AND p_nonce IS NULL)::integer,
        roles = CASE WHEN v_first THEN coalesce(p_roles, s.roles) ELSE s.roles END,
        auth_time = CASE WHEN v_first THEN coalesce(p_auth_time, s.auth_time) ELSE s.auth_time END,
        amr = CASE WHEN v_first THEN coalesce(p_amr, s.amr) ELSE s.amr END,
        aal = CASE WHEN v_first THEN coalesce(p_aal, s.aal) ELSE s.aal END
    WHERE s.id = p_id RETURNING s.* INTO o_session;
    o_outcome := 'done';
END
$$;

-- Gives every session of a user that has not ended these roles, also one whose clock has run out: a slower worker's
-- activity could bring it back with its old ones. Raises the user's epoch. Answers the ids, and then those of a newer
-- release, which it left as they are, with their formats.
CREATE FUNCTION __schema__.coatcheck_set_roles(
    p_known integer, p_tenant text, p_user_id text, p_roles text[], p_now bigint
) RETURNS TABLE (o_id text, o_newer integer)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_ids text[];
BEGIN
    PERFORM __schema__.coatcheck_raise_user(p_tenant, p_user_id, p_now);
    v_ids := ARRAY(
        SELECT s.id FROM __schema__.coatcheck_sessions AS s
        WHERE s.tenant = p_tenant AND s.user_id = p_user_id AND s.ended_at IS NULL ORDER BY s.id FOR UPDATE
    );
    RETURN QUERY
    UPDATE __schema__.coatcheck_sessions AS s SET roles = p_roles, generation = s.generation + 1, rotate_due = true
    WHERE s.id = ANY (v_ids) AND __schema__.coatcheck_readable(s, p_known)
    RETURNING s.id, NULL::integer;
    RETURN QUERY
    SELECT s.id, s.schema FROM __schema__.coatcheck_sessions AS s WHERE s.id = ANY (v_ids) AND s.schema > p_known;
END
$$;

-- Keeps a value beside a live session. The session is locked, so that it cannot end meanwhile and leave the value.
CREATE FUNCTION __schema__.coatcheck_put_side(
    p_known integer, p_tenant text, p_id text, p_name text, p_value bytea, p_now bigint
) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_session __schema__.coatcheck_sessions;
BEGIN
    SELECT s.* INTO v_session FROM __schema__.coatcheck_sessions AS s
    WHERE s.id = p_id AND s.tenant = p_tenant FOR UPDATE;
    IF __schema__.coatcheck_refusal(v_session, v_session.generation, p_now, p_known) IS NOT NULL THEN
        RETURN false;
    END IF;
    INSERT INTO __schema__.coatcheck_sides AS side (session_id, name, value) VALUES (p_id, p_name, p_value)
    ON CONFLICT (session_id, name) DO UPDATE SET value = excluded.value;
    RETURN true;
END
$$;

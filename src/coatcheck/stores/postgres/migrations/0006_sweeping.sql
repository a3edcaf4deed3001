-- Sweeping and forgetting, in small ordered batches. Rows that others hold are left for the next time.

-- Looks at up to p_limit sessions that may be over, buries those that are and moves the due time of those that were
-- renewed. The first row says how many it looked at; each further row is one that it ended.
CREATE FUNCTION __schema__.coatcheck_sweep(p_known integer, p_tenant text, p_now bigint, p_limit integer)
RETURNS TABLE (o_examined integer, o_session __schema__.coatcheck_sessions)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_ids text[];
    v_over text[];
    v_nothing __schema__.coatcheck_sessions;
BEGIN
    PERFORM __schema__.coatcheck_require_read_committed();
    v_ids := ARRAY(
        SELECT s.id FROM __schema__.coatcheck_sessions AS s
        WHERE s.tenant = p_tenant AND s.ended_at IS NULL AND s.due_at <= p_now AND s.schema <= p_known
        ORDER BY s.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    );
    v_over := ARRAY(
        SELECT s.id FROM __schema__.coatcheck_sessions AS s
        WHERE s.id = ANY (v_ids)
            AND __schema__.coatcheck_sweepable_at(s.locks, s.idle_expires_at, s.expires_at, p_now) IS NOT NULL
    );
    UPDATE __schema__.coatcheck_sessions AS s
    SET due_at = __schema__.coatcheck_due(s.locks, s.idle_expires_at, s.expires_at)
    WHERE s.id = ANY (v_ids) AND s.id <> ALL (v_over);
    RETURN QUERY SELECT cardinality(v_ids), v_nothing;
    RETURN QUERY SELECT cardinality(v_ids), b FROM __schema__.coatcheck_bury(v_over, NULL, p_now, p_known) AS b;
END
$$;

-- Forgets up to p_limit tombstones that ended before p_before; answers how many.
CREATE FUNCTION __schema__.coatcheck_forget_old(p_known integer, p_tenant text, p_before bigint, p_limit integer)
RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH forgotten AS (
        DELETE FROM __schema__.coatcheck_sessions AS d WHERE d.id = ANY (ARRAY(
            SELECT s.id FROM __schema__.coatcheck_sessions AS s
            WHERE s.tenant = p_tenant AND s.ended_at < p_before AND s.schema <= p_known
            ORDER BY s.ended_at LIMIT p_limit FOR UPDATE SKIP LOCKED
        ))
        RETURNING 1
    )
    SELECT count(*) FROM forgotten
$$;

-- Forgets up to p_limit of the oldest tombstones beyond p_max_ended; answers how many. It counts no further than it has
-- to: among millions too many, counting all of them would take longer than a statement may.
CREATE FUNCTION __schema__.coatcheck_forget_surplus(
    p_known integer, p_tenant text, p_max_ended bigint, p_limit integer
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_ids text[];
    v_forgotten bigint;
BEGIN
    PERFORM __schema__.coatcheck_require_read_committed();
    -- Counted and chosen under one snapshot, so that two sweepers choose the same, and before anything is locked: rows
    -- that an OFFSET passes over would be locked too, which writes each of them.
    v_ids := ARRAY(
        SELECT s.id FROM __schema__.coatcheck_sessions AS s
        WHERE s.tenant = p_tenant AND s.ended_at IS NOT NULL AND s.schema <= p_known
        ORDER BY s.ended_at LIMIT (
            SELECT greatest(count(*) - p_max_ended, 0) FROM (
                SELECT FROM __schema__.coatcheck_sessions AS e
                WHERE e.tenant = p_tenant AND e.ended_at IS NOT NULL LIMIT p_max_ended + p_limit
            ) AS counted
        )
    );
    DELETE FROM __schema__.coatcheck_sessions AS d WHERE d.id = ANY (ARRAY(
        SELECT s.id FROM __schema__.coatcheck_sessions AS s
        WHERE s.id = ANY (v_ids) AND s.ended_at IS NOT NULL FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS v_forgotten = ROW_COUNT;
    RETURN v_forgotten;
END
$$;

-- Forgets up to p_limit users' rows that were last raised before p_raised; answers how many.
CREATE FUNCTION __schema__.coatcheck_forget_users(p_tenant text, p_raised bigint, p_limit integer) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH forgotten AS (
        DELETE FROM __schema__.coatcheck_users AS d USING (
            SELECT u.tenant, u.user_id FROM __schema__.coatcheck_users AS u
            WHERE u.tenant = p_tenant AND u.changed_at < p_raised
            ORDER BY u.changed_at LIMIT p_limit FOR UPDATE SKIP LOCKED
        ) AS old
        WHERE d.tenant = old.tenant AND d.user_id = old.user_id
        RETURNING 1
    )
    SELECT count(*) FROM forgotten
$$;

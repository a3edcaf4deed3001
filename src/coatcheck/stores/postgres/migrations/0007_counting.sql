-- What happened, counted by minute, hour and day. "every" is the length of such a time and "at" its beginning, in
-- milliseconds. Room is left on each page, because the rows of the present are added to again and again.
CREATE TABLE __schema__.coatcheck_counts (
    at bigint NOT NULL,
    count bigint NOT NULL,
    every integer NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, every, at, name)
) WITH (fillfactor = 85);

-- Adds p_counts to the sums that p_every, p_at and p_names name, each of which stands there once, and forgets what
-- begins before p_forget_before, which has a time for each length of p_forget_every.
-- Everybody adds in the order of the key, so that nobody waits in a circle, and forgets last and without waiting. What
-- another process holds just then, and what is left of a great deal, is forgotten by the next call. Nothing waits for
-- the disk or for a replica: a count is no promise, and whoever adds to the same row would wait too.
CREATE FUNCTION __schema__.coatcheck_add_counts(
    p_tenant text, p_every integer[], p_at bigint[], p_names text[], p_counts bigint[], p_forget_every integer[],
    p_forget_before bigint[]
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM __schema__.coatcheck_require_read_committed();
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO __schema__.coatcheck_counts AS c (tenant, every, at, name, count)
    SELECT p_tenant, a.every, a.at, a.name, a.count
    FROM unnest(p_every, p_at, p_names, p_counts) AS a (every, at, name, count)
    ORDER BY a.every, a.at, a.name COLLATE "C"
    ON CONFLICT (tenant, every, at, name) DO UPDATE SET count = c.count + excluded.count;
    -- One length after another, so that the planner takes the key, and no more than a statement has time for.
    FOR v_place IN 1 .. cardinality(p_forget_every) LOOP
        DELETE FROM __schema__.coatcheck_counts AS d WHERE d.ctid = ANY (ARRAY(
            SELECT c.ctid FROM __schema__.coatcheck_counts AS c
            WHERE c.tenant = p_tenant AND c.every = p_forget_every[v_place] AND c.at < p_forget_before[v_place]
            ORDER BY c.at LIMIT 5000 FOR UPDATE SKIP LOCKED
        ));
    END LOOP;
END
$$;

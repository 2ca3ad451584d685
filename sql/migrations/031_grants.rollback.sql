-- The roles stay: another database of the server may use them.
DO $$
DECLARE
    statement TEXT;
    role_name TEXT;
BEGIN
    IF to_regrole('precog_owner') IS NOT NULL THEN
        FOR statement IN
            SELECT format(
                'ALTER %s %s OWNER TO %I',
                CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
                c.oid::REGCLASS,
                current_user
            )
            FROM pg_class AS c
            WHERE c.relnamespace = 'public'::REGNAMESPACE
              AND c.relkind IN ('r', 'p', 'v')
              AND c.relowner = 'precog_owner'::REGROLE
            UNION ALL
            SELECT format('ALTER FUNCTION %s OWNER TO %I', p.oid::REGPROCEDURE, current_user)
            FROM pg_proc AS p
            WHERE p.pronamespace = 'public'::REGNAMESPACE
              AND p.proowner = 'precog_owner'::REGROLE
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
    GRANT EXECUTE ON FUNCTION ensure_snapshot_partitions(TIMESTAMPTZ, TIMESTAMPTZ) TO PUBLIC;
    FOREACH role_name IN ARRAY ARRAY['precog_owner', 'precog_app', 'precog_read'] LOOP
        CONTINUE WHEN to_regrole(role_name) IS NULL;
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', role_name);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM %I', role_name);
        EXECUTE format('REVOKE ALL ON SCHEMA public FROM %I', role_name);
        EXECUTE format(
            'ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM %I', role_name
        );
    END LOOP;
END;
$$;

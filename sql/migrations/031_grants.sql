-- Roles: precog_owner may change the schema, precog_app may do what the programs do, precog_read may
-- look. A login is made a member of one of them; who logs in is the business of the installation.
--
-- Roles belong to the server, not to this database. They are created only where absent, and on a
-- managed server where the migrating user may not create roles the migration says so and goes on:
-- everything then works under that one user, without the separation.

DO $$
DECLARE
    role_name TEXT;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['precog_owner', 'precog_app', 'precog_read'] LOOP
        CONTINUE WHEN to_regrole(role_name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                RAISE NOTICE 'role % was created by another database at this moment', role_name;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % is missing and % may not create it: its grants are left out',
                        role_name, current_user;
        END;
    END LOOP;
END;
$$;


-- Only an owner may alter a table, so precog_owner becomes the owner of all that the migrations
-- made. A migrating user without superuser rights stays able to migrate by becoming a member.
DO $$
DECLARE
    statement TEXT;
BEGIN
    IF to_regrole('precog_owner') IS NULL THEN
        RETURN;
    END IF;
    GRANT USAGE, CREATE ON SCHEMA public TO precog_owner;
    IF NOT pg_has_role(current_user, 'precog_owner', 'USAGE') THEN
        EXECUTE format('GRANT precog_owner TO %I', current_user);
    END IF;
    FOR statement IN
        SELECT format(
            'ALTER %s %s OWNER TO precog_owner',
            CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
            c.oid::REGCLASS
        )
        FROM pg_class AS c
        WHERE c.relnamespace = 'public'::REGNAMESPACE
          AND c.relkind IN ('r', 'p', 'v')
          AND c.relowner = to_regrole(quote_ident(current_user))
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO precog_owner', p.oid::REGPROCEDURE)
        FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::REGNAMESPACE
          AND p.proowner = to_regrole(quote_ident(current_user))
    LOOP
        EXECUTE statement;
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'tables stay with %, not precog_owner: %', current_user, SQLERRM;
END;
$$;


-- The triggers refuse what must not happen; withholding the right as well means that not even a
-- disabled trigger opens the way for a program.
DO $$
DECLARE
    -- Class APP: rows never change.
    append_only CONSTANT TEXT[] := ARRAY[
        'market_snapshots', 'market_candles', 'market_trades', 'fee_schedules', 'method_templates',
        'source_snapshots', 'training_datasets', 'training_dataset_features',
        'training_dataset_sources', 'model_evaluations', 'elo_rating_history', 'predictions',
        'probability_matrices', 'decisions', 'order_events', 'fills', 'trades', 'position_history',
        'position_exits', 'exit_attempts', 'settlements', 'account_ledger', 'trading_controls',
        'order_approvals', 'notification_deliveries'
    ];
    -- Versions, histories and money: rows change along their paths and are never deleted.
    never_deleted CONSTANT TEXT[] := ARRAY[
        'strategies', 'probability_models', 'methods', 'feature_definitions',
        'market_attributes', 'game_states', 'edges', 'account_balance',
        'orders', 'positions'
    ];
    misspelt TEXT;
    table_name NAME;
BEGIN
    SELECT string_agg(listed.name, ', ')
    INTO misspelt
    FROM unnest(append_only || never_deleted) AS listed (name)
    WHERE to_regclass(listed.name) IS NULL;
    IF misspelt IS NOT NULL THEN
        RAISE EXCEPTION 'no such table: %', misspelt;
    END IF;
    IF to_regrole('precog_app') IS NULL THEN
        RETURN;
    END IF;

    GRANT USAGE ON SCHEMA public TO precog_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO precog_app;
    -- Partitions are reached through their parent.
    FOR table_name IN
        SELECT c.relname
        FROM pg_class AS c
        WHERE c.relnamespace = 'public'::REGNAMESPACE
          AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition
    LOOP
        EXECUTE format(
            'GRANT %s ON %I TO precog_app',
            CASE
                WHEN table_name = ANY (append_only) THEN 'INSERT'
                WHEN table_name = ANY (never_deleted) THEN 'INSERT, UPDATE'
                ELSE 'INSERT, UPDATE, DELETE'
            END,
            table_name
        );
    END LOOP;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO precog_app;

    -- It makes partitions with the rights of its owner, which is for programs, not for readers.
    REVOKE EXECUTE ON FUNCTION ensure_snapshot_partitions(TIMESTAMPTZ, TIMESTAMPTZ) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION ensure_snapshot_partitions(TIMESTAMPTZ, TIMESTAMPTZ) TO precog_app;
END;
$$;


DO $$
BEGIN
    IF to_regrole('precog_read') IS NULL THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA public TO precog_read;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO precog_read;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO precog_read;
END;
$$;

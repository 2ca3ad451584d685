-- The two assumed rows are seeds and come back with the migration.
DO $$
BEGIN
    IF EXISTS (SELECT FROM fee_schedules WHERE source <> 'assumed: Kalshi fee schedule') THEN
        RAISE EXCEPTION 'rollback refused: fee_schedules holds rows that exist nowhere else'
            USING ERRCODE = 'restrict_violation';
    END IF;
END;
$$;

DROP TABLE fee_schedules;

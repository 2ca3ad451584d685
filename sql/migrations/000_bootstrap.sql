-- Functions that every later migration builds on: the classes of schema.md (APP, VER, SCD2, CUR)
-- are promises of the database, so they are triggers here and not habits of the code that writes.
--
-- Refused changes raise restrict_violation (SQLSTATE 23001), a row that may not be inserted raises
-- check_violation (23514). Triggers fire for every role, superusers included.

CREATE FUNCTION touch_updated_at() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION touch_updated_at() IS
    'BEFORE UPDATE FOR EACH ROW: sets updated_at to the time of the transaction (classes DIM, '
    'CUR).';


-- Row level for UPDATE and DELETE, because a statement trigger would also refuse an
-- INSERT ... ON CONFLICT DO UPDATE or an UPDATE that touches no row, and because only row triggers
-- are inherited by partitions. TRUNCATE has statement triggers only. With a WHEN clause it freezes
-- a row from some state on.
CREATE FUNCTION forbid_change() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows never change', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              HINT = 'A correction is a new row: insert it beside the old one.',
              SCHEMA = TG_TABLE_SCHEMA,
              TABLE = TG_TABLE_NAME;
END;
$$;
COMMENT ON FUNCTION forbid_change() IS
    'BEFORE UPDATE OR DELETE FOR EACH ROW and BEFORE TRUNCATE FOR EACH STATEMENT: refuses (class '
    'APP, versions, frozen rows).';


CREATE FUNCTION allow_only() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    -- updated_at belongs to touch_updated_at, whichever of the two triggers fires first.
    may_change TEXT[] := TG_ARGV || 'updated_at'::TEXT;
    before JSONB;
    after JSONB;
    refused TEXT;
BEGIN
    IF NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;
    END IF;
    before := to_jsonb(OLD) - may_change;
    after := to_jsonb(NEW) - may_change;
    IF before IS DISTINCT FROM after THEN
        SELECT string_agg(b.key, ', ' ORDER BY b.key)
        INTO refused
        FROM jsonb_each(before) AS b
        WHERE b.value IS DISTINCT FROM after -> b.key;
        RAISE EXCEPTION 'UPDATE of % on % is refused: only % may change',
                refused, TG_TABLE_NAME, array_to_string(TG_ARGV, ', ')
            USING ERRCODE = 'restrict_violation',
                  HINT = 'A different definition is a new version: insert a new row.',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION allow_only() IS
    'BEFORE UPDATE FOR EACH ROW: the trigger arguments are the only columns that may change; '
    'others are refused by name (class VER, orders).';


-- Arguments are the legal steps, 'draft>testing', in any number; the left side of the first one is
-- the state a row is born in, enforced when the trigger is also declared for INSERT.
CREATE FUNCTION enforce_status_path() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    first_status TEXT;
BEGIN
    IF TG_OP = 'INSERT' THEN
        first_status := split_part(TG_ARGV[0], '>', 1);
        IF NEW.status IS DISTINCT FROM first_status THEN
            RAISE EXCEPTION 'a row of % is inserted with status %, not %',
                    TG_TABLE_NAME, first_status, NEW.status
                USING ERRCODE = 'check_violation',
                      HINT = 'Insert it first, then UPDATE its status along the path.',
                      SCHEMA = TG_TABLE_SCHEMA,
                      TABLE = TG_TABLE_NAME,
                      COLUMN = 'status';
        END IF;
    ELSIF NEW.status IS DISTINCT FROM OLD.status
            AND (OLD.status || '>' || NEW.status) <> ALL (TG_ARGV) THEN
        RAISE EXCEPTION 'status of % cannot go from % to %', TG_TABLE_NAME, OLD.status, NEW.status
            USING ERRCODE = 'restrict_violation',
                  HINT = 'Legal steps: ' || array_to_string(TG_ARGV, ', '),
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME,
                  COLUMN = 'status';
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION enforce_status_path() IS
    'BEFORE [INSERT OR] UPDATE FOR EACH ROW: status moves only along the steps given as '
    'arguments, such as draft>testing.';


-- Class SCD2. Arguments are the key columns K. The table needs two unique indexes, both NULLS NOT
-- DISTINCT when a key column may be NULL: (K) WHERE row_current_ind, which keeps one current row
-- also under concurrency, and (K, row_start_ts), which finds the predecessor in one index probe.
-- An open predecessor is left to the first of them, so that ON CONFLICT still works.
CREATE FUNCTION scd2_guard() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    key_column TEXT;
    matches TEXT := '';
    new_row JSONB;
    predecessor_end TIMESTAMPTZ;
    refused TEXT;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT NEW.row_current_ind OR NEW.row_end_ts IS NOT NULL THEN
            RAISE EXCEPTION
                    'a row of % is inserted as current: row_current_ind true, row_end_ts NULL',
                    TG_TABLE_NAME
                USING ERRCODE = 'check_violation',
                      SCHEMA = TG_TABLE_SCHEMA,
                      TABLE = TG_TABLE_NAME;
        END IF;
        -- "=" or IS NULL, chosen by the value: IS NOT DISTINCT FROM cannot use an index.
        new_row := to_jsonb(NEW);
        FOREACH key_column IN ARRAY TG_ARGV LOOP
            IF new_row ->> key_column IS NULL THEN
                matches := matches || format(' AND %I IS NULL', key_column);
            ELSE
                matches := matches || format(' AND %1$I = ($1).%1$I', key_column);
            END IF;
        END LOOP;
        EXECUTE format(
            'SELECT row_end_ts FROM %s WHERE true%s ORDER BY row_start_ts DESC LIMIT 1',
            TG_RELID::REGCLASS, matches
        ) INTO predecessor_end USING NEW;
        IF NEW.row_start_ts < predecessor_end THEN
            RAISE EXCEPTION 'a row of % starts at %, before its predecessor ended at %',
                    TG_TABLE_NAME, NEW.row_start_ts, predecessor_end
                USING ERRCODE = 'check_violation',
                      HINT = 'Rows of a key never overlap: ' || array_to_string(TG_ARGV, ', '),
                      SCHEMA = TG_TABLE_SCHEMA,
                      TABLE = TG_TABLE_NAME;
        END IF;
        RETURN NEW;
    END IF;

    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% on % is refused: history is kept', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation',
                  HINT = 'Close the current row: row_end_ts = the end, row_current_ind = false.',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;

    IF NOT OLD.row_current_ind OR NEW.row_current_ind THEN
        RAISE EXCEPTION 'UPDATE on % is refused: the one legal UPDATE closes the current row',
                TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation',
                  HINT = 'Close the current row and insert a new one in the same transaction.',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;
    OLD.row_end_ts := NEW.row_end_ts;
    OLD.row_current_ind := NEW.row_current_ind;
    IF NEW IS DISTINCT FROM OLD THEN
        SELECT string_agg(b.key, ', ' ORDER BY b.key)
        INTO refused
        FROM jsonb_each(to_jsonb(OLD)) AS b
        WHERE b.value IS DISTINCT FROM to_jsonb(NEW) -> b.key;
        RAISE EXCEPTION 'UPDATE of % on % is refused: closing a row changes nothing else',
                refused, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation',
                  HINT = 'The new values belong in the row that is inserted next.',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION scd2_guard() IS
    'BEFORE INSERT OR UPDATE OR DELETE FOR EACH ROW and BEFORE TRUNCATE FOR EACH STATEMENT: class '
    'SCD2; the arguments are the key columns.';


-- Arguments: history table, its reference to the changed row (also the primary key of that row),
-- then the columns whose change is no event. The row lock of the UPDATE orders the versions.
CREATE FUNCTION write_history() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    history_table TEXT := TG_ARGV[0];
    key_column TEXT := TG_ARGV[1];
    ignored TEXT[] := TG_ARGV[2:];
    before JSONB := '{}';
    after JSONB := to_jsonb(NEW);
    changed JSONB;
    row_data JSONB;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := to_jsonb(OLD);
        IF before - ignored = after - ignored THEN
            RETURN NULL;
        END IF;
    END IF;
    SELECT jsonb_agg(a.attname ORDER BY a.attnum)
               FILTER (WHERE coalesce(before -> a.attname, 'null') <> after -> a.attname
                             AND a.attname <> ALL (ignored)),
           -- Decimals become strings, so that no reader can turn money into a float.
           jsonb_object_agg(
               a.attname,
               CASE
                   WHEN a.atttypid = 'numeric'::REGTYPE AND after -> a.attname <> 'null'
                       THEN to_jsonb(after ->> a.attname)
                   ELSE after -> a.attname
               END
           )
    INTO changed, row_data
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = TG_RELID
      AND a.attnum > 0
      AND NOT a.attisdropped;
    EXECUTE format(
        'INSERT INTO %1$I.%2$I (%3$I, version, changed_at, changed_columns, row_data)
         SELECT ($1).%3$I, coalesce(max(version), 0) + 1, now(), $2, $3
         FROM %1$I.%2$I
         WHERE %3$I = ($1).%3$I',
        TG_TABLE_SCHEMA, history_table, key_column
    ) USING NEW, changed, row_data;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION write_history() IS
    'AFTER INSERT OR UPDATE FOR EACH ROW: appends the whole new row as the next version to the '
    'history table named by the first argument.';


CREATE FUNCTION refuse_to_drop_rows(VARIADIC tables REGCLASS[]) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    table_name REGCLASS;
    has_rows BOOLEAN;
BEGIN
    FOREACH table_name IN ARRAY tables LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', table_name) INTO has_rows;
        IF has_rows THEN
            RAISE EXCEPTION 'rollback refused: % holds rows that exist nowhere else', table_name
                USING ERRCODE = 'restrict_violation',
                      HINT = 'Money and audit rows are kept. Write a forward migration instead.';
        END IF;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION refuse_to_drop_rows(REGCLASS[]) IS
    'Used by rollback files: raises when one of the tables holds money or audit rows.';

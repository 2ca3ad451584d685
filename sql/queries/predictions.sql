-- Predictions: issued once per game, fit and moment; what is stored never changes.

-- name: transaction_time()$
SELECT now();

-- name: latest_results(model_id, game_ids, moments)
-- When the newest result in either team's chain of ratings became known, as of each game's moment.
SELECT
    at.game_id,
    greatest(
        (
            SELECT max(h.known_at)
            FROM elo_rating_history AS h
            WHERE h.model_id = :model_id
              AND h.team_id = g.home_team_id
              AND h.known_at <= at.moment
        ),
        (
            SELECT max(a.known_at)
            FROM elo_rating_history AS a
            WHERE a.model_id = :model_id
              AND a.team_id = g.away_team_id
              AND a.known_at <= at.moment
        )
    ) AS known_at
FROM unnest(CAST(:game_ids AS BIGINT []), CAST(:moments AS TIMESTAMPTZ [])) AS at (game_id, moment)
JOIN games AS g ON g.game_id = at.game_id;

-- name: result_times(game_ids)
SELECT game_id, result_known_at
FROM games
WHERE game_id = ANY (:game_ids)
  AND status = 'final';

-- name: games_due(decision_s, day_before_s)
-- Games still ahead whose latest moment has passed without a prediction of the champion, by season.
-- A game announced late has its first moment when it was announced, none after its decision.
WITH ahead AS (
    SELECT
        game_id,
        league,
        season,
        kickoff_at - make_interval(secs => :decision_s) AS decision_at,
        greatest(kickoff_at - make_interval(secs => :day_before_s), known_at) AS first_at
    FROM games
    WHERE status = 'scheduled'
      AND game_type IN ('regular', 'postseason')
      AND kickoff_at > now()
      AND kickoff_at <= now() + make_interval(secs => :day_before_s)
      AND known_at <= kickoff_at - make_interval(secs => :decision_s)
)
SELECT
    a.league,
    a.season,
    array_agg(a.game_id ORDER BY a.game_id) AS game_ids,
    max(CASE WHEN a.decision_at <= now() THEN a.decision_at ELSE a.first_at END) AS moment
FROM ahead AS a
JOIN probability_models AS m ON m.league = a.league AND m.status IN ('testing', 'active')
WHERE NOT EXISTS (
    SELECT
    FROM predictions AS p
    WHERE p.game_id = a.game_id
      AND p.model_id = m.model_id
      AND p.event_ts >= CASE WHEN a.decision_at <= now() THEN a.decision_at ELSE a.first_at END
)
GROUP BY a.league, a.season
ORDER BY a.league, a.season;

-- name: create_staged_predictions#
CREATE TEMPORARY TABLE staged_predictions (
    game_id BIGINT NOT NULL,
    model_id BIGINT NOT NULL,
    training_run_id BIGINT NOT NULL,
    p_home NUMERIC(10, 4) NOT NULL,
    p_low NUMERIC(10, 4),
    p_high NUMERIC(10, 4),
    trained_until TIMESTAMPTZ NOT NULL,
    mlflow_run_id TEXT NOT NULL,
    registry_version INTEGER,
    features_hash TEXT NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL
) ON COMMIT DROP;

-- name: count_differing()$
-- Stored predictions that would come out differently today: a source was corrected afterwards.
SELECT count(*)
FROM staged_predictions AS s
JOIN predictions AS p USING (game_id, training_run_id, event_ts)
WHERE p.features_hash IS DISTINCT FROM s.features_hash
   OR p.p_home <> s.p_home;

-- name: insert_staged_predictions(dagster_run_id)!
-- A refit that says the same from the same features issues nothing: what the earlier fit issued
-- stands, and a weekly training does not repeat twenty seasons.
INSERT INTO predictions (
    game_id, model_id, training_run_id, p_home, p_low, p_high, trained_until, mlflow_run_id,
    registry_version, features_hash, event_ts, known_at, dagster_run_id
)
SELECT
    game_id, model_id, training_run_id, p_home, p_low, p_high, trained_until, mlflow_run_id,
    registry_version, features_hash, event_ts, known_at, :dagster_run_id
FROM staged_predictions AS s
WHERE NOT EXISTS (
    SELECT
    FROM predictions AS p
    WHERE p.game_id = s.game_id
      AND p.model_id = s.model_id
      AND p.event_ts = s.event_ts
      AND p.features_hash = s.features_hash
      AND p.p_home = s.p_home
      AND (p.p_low, p.p_high) IS NOT DISTINCT FROM (s.p_low, s.p_high)
)
ORDER BY game_id, training_run_id, event_ts
ON CONFLICT (game_id, training_run_id, event_ts) DO NOTHING;

-- name: predictions_span(league, seasons)^
SELECT count(*) AS predictions, min(p.event_ts) AS first_event, max(p.event_ts) AS last_event
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
WHERE g.league = :league
  AND g.season = ANY (:seasons);

-- name: predictions_by_season(league, seasons)
SELECT g.season, count(*) AS predictions
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
WHERE g.league = :league
  AND g.season = ANY (:seasons)
GROUP BY g.season
ORDER BY g.season;

-- name: predictions_preview(league, seasons)
SELECT
    g.game_key,
    m.model_name,
    p.p_home,
    p.p_low,
    p.p_high,
    p.event_ts,
    p.known_at
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
JOIN probability_models AS m ON m.model_id = p.model_id
WHERE g.league = :league
  AND g.season = ANY (:seasons)
ORDER BY p.event_ts DESC, g.game_key, m.model_name
LIMIT 10;

-- name: count_implausible(league, seasons)$
-- Certainties, or intervals that are not intervals.
SELECT count(*)
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
WHERE g.league = :league
  AND g.season = ANY (:seasons)
  AND (
      p.p_home <= 0
      OR p.p_home >= 1
      OR (p.p_low IS NULL) <> (p.p_high IS NULL)
  );

-- name: count_leaking(league, seasons)$
-- Predictions that could have known the future: trained on it, or on features that did.
SELECT count(*)
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
WHERE g.league = :league
  AND g.season = ANY (:seasons)
  AND (
      p.trained_until >= g.kickoff_at
      OR p.trained_until > p.event_ts
      OR p.event_ts >= g.kickoff_at
      OR EXISTS (
          SELECT
          FROM features_historical AS f
          WHERE f.entity_type = 'game'
            AND f.entity_id = p.game_id
            AND f.event_ts = p.event_ts
            AND f.known_at > p.event_ts
      )
  );

-- name: count_ambiguous(league, seasons)$
-- Games for which one model speaks twice at the same moment with the same age of training.
SELECT count(*)
FROM (
    SELECT
    FROM predictions AS p
    JOIN games AS g ON g.game_id = p.game_id
    JOIN model_training_runs AS r ON r.training_run_id = p.training_run_id
    WHERE g.league = :league
      AND g.season = ANY (:seasons)
    GROUP BY p.game_id, p.model_id, p.event_ts, r.params ->> 'identity'
    HAVING count(*) > 1
) AS doubled;

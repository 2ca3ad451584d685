-- Probability model versions: definition and parameters, never changed once written.

-- name: insert_model(name, version, model_type, category, league, config, created_by, notes)!
-- Waits for a concurrent insert of the same version and then does nothing.
INSERT INTO probability_models (
    model_name, model_version, model_type, category, league, config, created_by, notes
)
VALUES (:name, :version, :model_type, :category, :league, :config, :created_by, :notes)
ON CONFLICT (model_name, model_version) DO NOTHING;

-- name: select_model(name, version)^
SELECT model_id, model_type, league, config
FROM probability_models
WHERE model_name = :name
  AND model_version = :version;

-- name: list_models(league)
-- Every version with its last fit, what it issued, and its evaluation beside the market.
SELECT
    m.model_id, m.model_name, m.model_version, m.model_type, m.league, m.status, m.activated_at,
    m.approved_by,
    r.completed_at AS trained_at, r.trained_until, left(r.git_sha, 12) AS git_sha, r.mlflow_run_id,
    (SELECT count(*) FROM predictions AS p WHERE p.model_id = m.model_id) AS predictions,
    e.n, e.brier, e.baseline_brier AS market_brier
FROM probability_models AS m
LEFT JOIN LATERAL (
    SELECT t.completed_at, t.trained_until, t.git_sha, t.mlflow_run_id
    FROM model_training_runs AS t
    WHERE t.model_id = m.model_id
      AND t.status = 'completed'
    ORDER BY t.trained_until DESC, t.training_run_id DESC
    LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT v.n, v.brier, v.baseline_brier
    FROM model_evaluations AS v
    WHERE v.model_id = m.model_id
      AND v.baseline = 'market'
      AND v.scope = 'walk_forward'
    ORDER BY v.n DESC, v.evaluation_id DESC
    LIMIT 1
) AS e ON true
WHERE CAST(:league AS TEXT) IS NULL OR m.league = :league
ORDER BY m.league, m.model_name, m.model_id;

-- name: versions_of(name)
SELECT model_version
FROM probability_models
WHERE model_name = :name
ORDER BY model_id;

-- name: model_at_gate(name, version)^
-- The row stays locked until the transaction ends: two people do not move it at once.
SELECT model_id, status
FROM probability_models
WHERE model_name = :name
  AND model_version = :version
FOR UPDATE;

-- name: settled_predictions(model_id, lead_s)
-- Out-of-sample predictions at the decision of games with a winner, and P(home wins) by the market
-- at that moment: the newest mid of the real venue known then, not older than a day. Simulated,
-- assumed and typed quotes are no market, nor is the venue's test host. Of several fits for the same
-- game the newest counts.
SELECT DISTINCT ON (g.game_id)
    g.game_id,
    p.event_ts,
    p.p_home,
    CAST(g.home_score > g.away_score AS INTEGER) AS home_win,
    market.p_home AS market_p_home
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
LEFT JOIN LATERAL (
    SELECT CASE WHEN m.yes_team_id = g.home_team_id THEN last.mid ELSE 1 - last.mid END AS p_home
    FROM events AS e
    JOIN markets AS m ON m.event_id = e.event_id
    JOIN platforms AS v ON v.platform_id = m.platform_id AND v.venue_environment = 'prod'
    CROSS JOIN LATERAL (
        SELECT (q.yes_bid + q.yes_ask) / 2 AS mid, q.observed_at
        FROM market_snapshots AS q
        WHERE q.market_id = m.market_id
          AND q.source IN ('recorded', 'recorded_candle')
          AND q.yes_bid IS NOT NULL
          AND q.yes_ask IS NOT NULL
          AND q.observed_at <= p.event_ts
          AND q.observed_at > p.event_ts - INTERVAL '24 hours'
          AND q.known_at <= p.event_ts
        ORDER BY q.observed_at DESC
        LIMIT 1
    ) AS last
    WHERE e.game_id = g.game_id
      AND m.yes_team_id IN (g.home_team_id, g.away_team_id)
    ORDER BY last.observed_at DESC, (m.yes_team_id = g.home_team_id) DESC, m.market_id
    LIMIT 1
) AS market ON true
WHERE p.model_id = :model_id
  AND g.game_type IN ('regular', 'postseason')
  AND g.status = 'final'
  AND g.home_score <> g.away_score
  AND p.event_ts = g.kickoff_at - make_interval(secs => :lead_s)
ORDER BY g.game_id, p.training_run_id DESC;

-- name: unattributed_trades(model_id)$
-- Trades of the model's positions that do not name it, or no strategy.
SELECT count(*)
FROM trades AS t
JOIN positions AS p ON p.position_id = t.position_id
WHERE p.model_id = :model_id
  AND (t.model_id IS DISTINCT FROM p.model_id OR t.strategy_id IS NULL);

-- name: methods_in_force(model_id)
SELECT method_name, method_version
FROM methods
WHERE model_id = :model_id
  AND status IN ('testing', 'active')
ORDER BY method_name, method_id;

-- name: change_status(model_id, old_status, new_status, who, notes)$
-- The path is the trigger's business; the time of each end is kept.
UPDATE probability_models
SET status = :new_status,
    activated_at = CASE
        WHEN :new_status = 'active' THEN COALESCE(activated_at, now()) ELSE activated_at
    END,
    deactivated_at = CASE WHEN :new_status = 'active' THEN NULL ELSE now() END,
    approved_by = CASE
        WHEN :new_status = 'active' THEN CAST(:who AS TEXT) ELSE approved_by
    END,
    notes = :notes
WHERE model_id = :model_id
  AND status = :old_status
RETURNING model_id;

-- Evaluations: what really happened, and how models fared on it.

-- name: home_wins_by_season(league)
SELECT
    season,
    count(*) FILTER (WHERE home_score > away_score) AS home_wins,
    count(*) AS decided
FROM games
WHERE league = :league
  AND game_type IN ('regular', 'postseason')
  AND status = 'final'
  AND home_score <> away_score
GROUP BY season
ORDER BY season;

-- name: insert_evaluation(model_id, training_run_id, league, window_start_ts, window_end_ts, n, brier, log_loss, accuracy, auc, ece, baseline, baseline_brier, brier_diff_low, brier_diff_high, reliability, gate_passed)!
INSERT INTO model_evaluations (
    model_id, training_run_id, scope, league, window_start_ts, window_end_ts, n, brier, log_loss,
    accuracy, auc, ece, baseline, baseline_brier, brier_diff_low, brier_diff_high, reliability,
    gate_passed
)
VALUES (
    :model_id, :training_run_id, 'walk_forward', :league, :window_start_ts, :window_end_ts, :n,
    :brier, :log_loss, :accuracy, :auc, :ece, :baseline, :baseline_brier, :brier_diff_low,
    :brier_diff_high, :reliability, :gate_passed
)
ON CONFLICT (
    model_id, training_run_id, scope, league, window_start_ts, window_end_ts, baseline
) DO NOTHING;

-- name: count_evaluations(training_run_ids)$
SELECT count(*)
FROM model_evaluations
WHERE training_run_id = ANY (:training_run_ids);

-- name: predictions_at_decision(league, season_from, season_to, lead_s)
-- Every model's probability at the decision and the outcome, ties left out. Of several fits for the
-- same game the newest counts.
SELECT DISTINCT ON (g.game_id, p.model_id)
    g.game_id,
    g.season,
    m.model_name,
    m.status,
    p.p_home,
    CAST(g.home_score > g.away_score AS INTEGER) AS home_win
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
JOIN probability_models AS m ON m.model_id = p.model_id
WHERE g.league = :league
  AND g.season BETWEEN :season_from AND :season_to
  AND g.game_type IN ('regular', 'postseason')
  AND g.status = 'final'
  AND g.home_score <> g.away_score
  AND p.event_ts = g.kickoff_at - make_interval(secs => :lead_s)
ORDER BY g.game_id, p.model_id, p.training_run_id DESC;

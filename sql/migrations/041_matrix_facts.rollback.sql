SELECT refuse_to_drop_rows('game_period_points');
SELECT refuse_to_drop_rows('game_closing_spreads');
SELECT refuse_to_drop_rows('probability_matrices');

COMMENT ON COLUMN probability_matrices.win_probability IS 'Share of the sample that won.';
ALTER TABLE probability_matrices
    DROP COLUMN wins,
    DROP COLUMN first_season,
    DROP COLUMN last_season;
DROP TABLE game_closing_spreads;
DROP TABLE game_period_points;

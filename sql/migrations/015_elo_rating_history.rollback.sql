SELECT refuse_to_drop_rows('elo_rating_history');

DROP TABLE elo_rating_history;

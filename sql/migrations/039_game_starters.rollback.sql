SELECT refuse_to_drop_rows('game_starters');

DROP TABLE game_starters;

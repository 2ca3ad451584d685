SELECT refuse_to_drop_rows('game_states');

DROP TABLE game_states;

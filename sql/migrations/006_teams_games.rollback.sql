ALTER TABLE markets DROP COLUMN yes_team_id;
ALTER TABLE events DROP COLUMN game_id;
DROP TABLE games;
DROP TABLE team_aliases;
DROP TABLE teams;

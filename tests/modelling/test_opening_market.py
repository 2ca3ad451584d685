"""The opening price is the first one seen; a closing line has none."""

from pathlib import Path

from precog_core.database import Database
from precog_pipelines.sources.config import BackfillSection, league_config, sources_config
from precog_pipelines.sources.feeds import GeneratedFeed
from precog_pipelines.sources.games_table import store_games
from precog_pipelines.sources.nflverse_games import NflverseFile
from precog_pipelines.sources.quotes_table import closing_probabilities, opening_probabilities
from precog_pipelines.sources.reference import store_league
from precog_pipelines.sources.sample_games import SampleGames

FIRST_QUOTE = """
SELECT (q.yes_bid + q.yes_ask) / 2
FROM market_snapshots AS q
JOIN markets AS m USING (market_id)
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
WHERE g.game_id = %s AND m.yes_team_id = g.home_team_id
ORDER BY q.observed_at
LIMIT 1
"""


def test_the_first_quote_of_each_game_is_its_opening(db: Database) -> None:
    league = league_config("nfl")
    with db.transaction() as conn:
        settings = sources_config(conn)
        store_league(conn, "nfl", league)
        source = SampleGames()
        store_games(conn, "nfl", source.games("nfl", [2009]), league, BackfillSection())
        feed = GeneratedFeed(source, "nfl", settings)
        feed.store_markets(conn, [2009])
        feed.store_quotes(conn, [2009], lambda done, total: None)
        opening = opening_probabilities(conn, "nfl", [2009]).set_index("game_id")
        closing = closing_probabilities(conn, "nfl", [2009]).set_index("game_id")
        assert len(opening) == len(closing) == 267
        assert set(opening["source"]) == {"simulated"}
        assert (opening["p_home"] != closing["p_home"]).any()
        for game_id in opening.index[:20]:
            (first,) = conn.execute(FIRST_QUOTE, (game_id,)).fetchone() or (None,)
            assert opening.loc[game_id, "p_home"] == float(first)


def test_closing_lines_have_no_opening(db: Database, data_dir: Path) -> None:
    league = league_config("nfl")
    with db.transaction() as conn:
        settings = sources_config(conn)
        settings = settings.model_copy(
            update={"games": settings.games.model_copy(update={"provider": "nflverse_file"})}
        )
        store_league(conn, "nfl", league)
        source = NflverseFile(data_dir / "nfl" / "nflverse_games.csv")
        store_games(conn, "nfl", source.games("nfl", [2024]), league, BackfillSection())
        feed = GeneratedFeed(source, "nfl", settings)
        feed.store_markets(conn, [2024])
        feed.store_quotes(conn, [2024], lambda done, total: None)
        assert len(closing_probabilities(conn, "nfl", [2024])) == 285
        assert opening_probabilities(conn, "nfl", [2024]).empty

"""Elo as stored history: idempotent, revised by corrections, refused over holes, bitemporal."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Thread

import psycopg
import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_pipelines.models import ensure_model, find_model
from precog_pipelines.ratings.config import LeagueElo, elo_config
from precog_pipelines.ratings.history import (
    find_elo_model,
    require_rated,
    season_summaries,
    write_ratings,
)
from precog_pipelines.ratings.report import rating_plot, rating_table
from tests.synthetic_league import GameRow, made_up_league, store

SEASONS = range(2009, 2014)
HISTORY = (
    "SELECT g.game_key, t.team_code, o.team_code, h.revision, h.is_home, h.rating_before,"
    " h.rating_after, h.expected, h.actual, h.k_factor, h.event_ts, h.known_at"
    " FROM elo_rating_history h JOIN games g USING (game_id) JOIN teams t USING (team_id)"
    " JOIN teams o ON o.team_id = h.opponent_team_id JOIN probability_models m USING (model_id)"
    " WHERE m.model_version = %s ORDER BY 1, 2, 4"
)


@pytest.fixture
def elo() -> LeagueElo:
    return elo_config().league("ncaaf")


@pytest.fixture
def league(db: Database) -> Database:
    with db.transaction() as conn:
        store(conn, made_up_league())
    return db


def rows(db: Database, version: str = "v1.0") -> list[tuple]:
    with db.transaction() as conn:
        return conn.execute(HISTORY, (version,)).fetchall()


def rate(db: Database, elo: LeagueElo, *seasons: int, source_seasons=()) -> tuple[int, int]:
    with db.transaction() as conn:
        written = write_ratings(conn, "ncaaf", seasons, elo, source_seasons=source_seasons)
    return written.inserted, written.revised


def test_every_finished_counted_game_gets_two_opposite_rows(league: Database, elo) -> None:
    rate(league, elo, *SEASONS)
    stored = rows(league)
    assert len(stored) == 5 * 12 * 4 * 2
    assert {key.split(":")[1] for key, *_ in stored} == {str(s) for s in SEASONS}
    for first, second in zip(stored[::2], stored[1::2], strict=True):
        assert (first[1], first[2]) == (second[2], second[1])
        assert {first[4], second[4]} == {True, False}
        assert first[6] - first[5] == pytest.approx(second[5] - second[6], abs=1e-9)
        assert first[7] + second[7] == pytest.approx(1)
        assert first[8] + second[8] == 1


def test_rating_the_same_games_again_writes_nothing(league: Database, elo) -> None:
    assert rate(league, elo, *SEASONS) == (480, 0)
    before = rows(league)
    assert rate(league, elo, *SEASONS) == (0, 0)
    assert rate(league, elo, 2011) == (0, 0)
    assert rows(league) == before


@pytest.mark.parametrize(
    "chunks",
    [
        [(2013,), (2009,), (2011,), (2010,), (2012,)],
        [(2009, 2010), (2011, 2012, 2013)],
        [(2012, 2013), (2009, 2010, 2011), (2009, 2013)],
    ],
)
def test_any_chunking_of_the_seasons_gives_the_same_rows(league: Database, elo, chunks) -> None:
    rate(league, elo, *SEASONS)
    # The same parameters under another version: rows of its own to compare.
    twin = elo.model_copy(update={"version": "v1.1"})
    for chunk in chunks:
        rate(league, twin, *chunk)
    assert rows(league, "v1.1") == rows(league)


def test_a_corrected_score_writes_the_next_revision_and_keeps_the_first(
    league: Database, elo
) -> None:
    rate(league, elo, *SEASONS)
    before = {(r[0], r[1]): r for r in rows(league)}
    with league.transaction() as conn:
        (key,) = conn.execute(
            "UPDATE games SET home_score = away_score + 30, result_known_at = result_known_at"
            " + interval '1 hour' WHERE game_id = (SELECT game_id FROM games WHERE season = 2012"
            " AND game_type = 'regular' AND home_score < away_score ORDER BY game_key LIMIT 1)"
            " RETURNING game_key"
        ).fetchone()
    assert rate(league, elo, 2009, 2010, 2011) == (0, 0)
    inserted, revised = rate(league, elo, 2012)
    assert inserted == 0
    assert revised > 2
    after = rows(league)
    assert [r for r in after if r[3] == 1] == [before[k] for k in sorted(before)]
    corrected = [r for r in after if r[0] == key and r[3] == 2]
    assert [r[8] for r in corrected if r[4]] == [1.0]
    # Nothing before the corrected game moved.
    assert {r[10] >= corrected[0][10] for r in after if r[3] == 2} == {True}
    assert rate(league, elo, 2012) == (0, 0)


def test_a_rating_is_known_when_the_latest_result_of_its_chain_is(db: Database, elo) -> None:
    def game(day: int, home: str, away: str, known: timedelta) -> GameRow:
        kickoff = datetime(2010, 9, day, 17, tzinfo=UTC)
        return GameRow(
            "ncaaf", 2010, kickoff.date(), home, away, kickoff, 20, 10,
            result_known_at=kickoff + known,
        )  # fmt: skip

    late = timedelta(days=30)
    with db.transaction() as conn:
        store(
            conn,
            [
                game(1, "A", "B", late),
                game(8, "B", "C", timedelta(hours=4)),
                game(15, "C", "D", timedelta(hours=4)),
                game(15, "E", "F", timedelta(hours=4)),
            ],
        )
    rate(db, elo, 2010)
    known = {r[0].split(":")[3]: r[11] for r in rows(db)}
    known_late = datetime(2010, 10, 1, 17, tzinfo=UTC)
    assert known == {
        "b@a": known_late,
        "c@b": known_late,  # B's rating rests on the late result,
        "d@c": known_late,  # and through B also C's.
        "f@e": datetime(2010, 9, 15, 21, tzinfo=UTC),
    }


def test_a_season_the_source_has_but_games_lack_is_an_error_naming_it(db: Database, elo) -> None:
    with db.transaction() as conn:
        store(conn, [g for g in made_up_league() if g.season not in (2009, 2011)])
    with pytest.raises(PrecogError, match=r"ncaaf\|2009, ncaaf\|2011.*materialise the asset games"):
        rate(db, elo, 2012, source_seasons=list(SEASONS))
    assert rows(db) == []
    with pytest.raises(PrecogError, match=r"games of ncaaf\|2009, which"):
        rate(db, elo, 2010, source_seasons=list(SEASONS))
    # What comes after the requested season does not matter.
    assert rate(db, elo, 2010, source_seasons=[2010, 2014])[0] == 96


def test_unrated_finished_games_are_named(league: Database, elo) -> None:
    rate(league, elo, 2009, 2010)
    with league.transaction() as conn:
        model_id = find_elo_model(conn, "ncaaf", elo)
        require_rated(conn, model_id, "ncaaf", 2010)
        with pytest.raises(PrecogError, match=r"ncaaf\|2011 \(48 games\)"):
            require_rated(conn, model_id, "ncaaf", 2011)


def test_the_model_version_is_registered_once_also_by_many_at_once(db: Database, elo) -> None:
    found: list[int] = []

    def register() -> None:
        with psycopg.connect(db.base_url) as conn:
            found.append(
                ensure_model(
                    conn,
                    name="ncaaf-elo",
                    version="v1.0",
                    model_type="elo",
                    league="ncaaf",
                    config=elo.definition(),
                )
            )

    threads = [Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    with db.transaction() as conn:
        assert set(found) == {find_model(conn, "ncaaf-elo", "v1.0")}
        assert conn.execute("SELECT count(*), min(status) FROM probability_models").fetchone() == (
            1,
            "draft",
        )


def test_other_parameters_under_the_same_version_are_refused(league: Database, elo) -> None:
    rate(league, elo, 2009)
    faster = elo.model_copy(update={"k": 25.0})
    with pytest.raises(PrecogError, match=r"ncaaf-elo v1\.0 already exists with another config"):
        rate(league, faster, 2009)
    next_version = faster.model_copy(update={"version": "v1.1"})
    assert rate(league, next_version, 2009) == (96, 0)


def test_asking_for_ratings_that_were_never_computed_says_what_to_do(db: Database, elo) -> None:
    with db.transaction() as conn, pytest.raises(PrecogError, match="materialise the asset elo_r"):
        find_elo_model(conn, "ncaaf", elo)


def test_the_table_at_a_date_counts_only_results_known_by_then(league: Database, elo) -> None:
    rate(league, elo, *SEASONS)
    with league.transaction() as conn:
        model_id = find_elo_model(conn, "ncaaf", elo)
        kickoff, result = conn.execute(
            "SELECT kickoff_at, result_known_at FROM games WHERE season = 2011 AND game_type ="
            " 'regular' ORDER BY kickoff_at DESC, game_key LIMIT 1"
        ).fetchone()
        before = rating_table(conn, model_id, result - timedelta(microseconds=1))
        after = rating_table(conn, model_id, result)
    assert len(before) == len(after) == 8
    assert [row.rank for row in after] == list(range(1, 9))
    assert [row.rating for row in after] == sorted((r.rating for r in after), reverse=True)
    assert max(row.last_game_at for row in before) < kickoff
    assert max(row.last_game_at for row in after) == kickoff
    assert sum(row.rating for row in after) == pytest.approx(8 * 1505, abs=300)


def test_a_season_is_summarised_with_its_score_and_drawn(league: Database, elo) -> None:
    rate(league, elo, *SEASONS)
    with league.transaction() as conn:
        model_id = find_elo_model(conn, "ncaaf", elo)
        summaries = season_summaries(conn, model_id, list(SEASONS))
        assert [(s.season, s.rows) for s in summaries] == [(season, 96) for season in SEASONS]
        (expected,) = conn.execute(
            "SELECT avg((expected - actual) ^ 2) FROM elo_rating_history JOIN games USING (game_id)"
            " WHERE is_home AND actual <> 0.5 AND season = 2012"
        ).fetchone()
        assert summaries[3].brier == pytest.approx(expected)
        assert rating_plot(conn, model_id, 2012, "2012")[:8] == b"\x89PNG\r\n\x1a\n"
        assert rating_plot(conn, model_id, 1901, "1901") is None


def test_two_writers_of_the_same_seasons_leave_one_copy(league: Database, elo) -> None:
    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(lambda _: rate(league, elo, *SEASONS), range(2)))
    assert sorted(written) == [(0, 0), (480, 0)]
    assert len(rows(league)) == 480

"""The compiled loops behind ``kernel``; importing this module imports numba.

Same operations in the same order as ``elo``, so that the bits agree: no fused or reordered
arithmetic, and the power's base comes in as an argument, because LLVM would turn a constant one
into another function. What depends on a margin alone is looked up; no divisor can be zero, so none
is tested. Coverage cannot see compiled lines; tests hold every output against ``elo``. The first
call of a machine compiles (some seconds) and keeps the result on disk.
"""

import numba
import numpy as np

FOOTBALL, BASKETBALL, OTHER = 0, 1, 2


@numba.njit(cache=True, inline="always")
def _entering(ratings, seasons, team, season, reversion, mean, starts):  # type: ignore[no-untyped-def]  # pragma: no cover
    last = seasons[team]
    if last == season or last < 0:
        return ratings[team]
    if starts.shape[0]:
        special = starts[team, season]
        if special == special:
            return special
    return mean * reversion + ratings[team] * (1.0 - reversion)


@numba.njit(cache=True, inline="always")
def _multiplier(form, scale, sign, difference):  # type: ignore[no-untyped-def]  # pragma: no cover
    # Times the sign of the margin, which is exact, instead of a branch that no processor guesses;
    # a tie makes the correction 2.2 / 2.2.
    if form == FOOTBALL:
        return scale * (2.2 / (0.001 * (sign * difference) + 2.2))
    if form == BASKETBALL:
        return scale / (7.5 + 0.006 * (sign * difference))
    return scale


@numba.njit(cache=True)
def code_names(  # type: ignore[no-untyped-def]  # pragma: no cover
    offsets, content, codes, keys, values, first, count
):  # fmt: skip
    """Codes of short names into ``codes``, numbered as they appear, going on from ``count``.

    Name i is ``content[offsets[i]:offsets[i + 1]]``. ``keys`` and ``values`` are a hash table (a
    power of two of slots, value -1: free), ``first`` gets the row of each new name within this
    call. Returns the new count, or -1 for a name of more than 7 bytes or too many names.
    """
    slots = len(keys)
    for i in range(len(codes)):
        begin = offsets[i]
        size = offsets[i + 1] - begin
        if size > 7:
            return -1
        key = np.uint64(size)
        for place in range(size):
            key = (key << np.uint64(8)) | np.uint64(content[begin + place])
        slot = ((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & np.uint64(slots - 1)
        while values[slot] >= 0 and keys[slot] != key:
            slot = (slot + np.uint64(1)) & np.uint64(slots - 1)
        if values[slot] < 0:
            if count >= len(first):
                return -1
            keys[slot], values[slot], first[count] = key, count, i
            count += 1
        codes[i] = values[slot]
    return count


@numba.njit(cache=True, error_model="numpy")
def rate(  # type: ignore[no-untyped-def]  # pragma: no cover
    season, home, away, margin, neutral, advantage, scales, starts, ratings, seasons,
    k, reversion, mean, form, ten,
):  # fmt: skip
    """Rate all games; ``ratings`` and ``seasons`` are the state and are changed.

    Returns home before, away before, expected, weight, home after, away after.
    """
    n = len(season)
    out = np.empty((6, n))
    for i in range(n):
        s, h, a, m = season[i], home[i], away[i], margin[i]
        home_before = _entering(ratings, seasons, h, s, reversion, mean, starts)
        away_before = _entering(ratings, seasons, a, s, reversion, mean, starts)
        difference = home_before - away_before
        if not neutral[i]:
            difference += advantage[s]
        expected = 1.0 / (1.0 + ten ** (-difference / 400.0))
        sign = float(min(max(m, -1), 1))
        actual = 0.5 * (sign + 1.0)
        weight = k * _multiplier(form, scales[abs(m)], sign, difference)
        shift = weight * (actual - expected)
        ratings[h] = home_before + shift
        ratings[a] = away_before - shift
        seasons[h] = s
        seasons[a] = s
        out[0, i] = home_before
        out[1, i] = away_before
        out[2, i] = expected
        out[3, i] = weight
        out[4, i] = ratings[h]
        out[5, i] = ratings[a]
    return out


@numba.njit(cache=True, error_model="numpy")
def expect(  # type: ignore[no-untyped-def]  # pragma: no cover
    season, home, away, margin, neutral, advantage, scales, starts, ratings, seasons,
    k, reversion, mean, form, ten,
):  # fmt: skip
    """As ``rate``, but returns the expected scores only: a sixth of the memory to fill."""
    out = np.empty(len(season))
    for i in range(len(season)):
        s, h, a, m = season[i], home[i], away[i], margin[i]
        home_before = _entering(ratings, seasons, h, s, reversion, mean, starts)
        away_before = _entering(ratings, seasons, a, s, reversion, mean, starts)
        difference = home_before - away_before
        if not neutral[i]:
            difference += advantage[s]
        expected = 1.0 / (1.0 + ten ** (-difference / 400.0))
        sign = float(min(max(m, -1), 1))
        actual = 0.5 * (sign + 1.0)
        shift = k * _multiplier(form, scales[abs(m)], sign, difference) * (actual - expected)
        ratings[h] = home_before + shift
        ratings[a] = away_before - shift
        seasons[h] = s
        seasons[a] = s
        out[i] = expected
    return out


@numba.njit(cache=True, error_model="numpy")
def score(  # type: ignore[no-untyped-def]  # pragma: no cover
    season, home, away, margin, neutral, advantage, scales, starts, ratings, seasons,
    k, reversion, mean, form, ten,
):  # fmt: skip
    """As ``rate``; returns by season decided games, sum of log losses, sum of squared errors."""
    sums = np.zeros((3, len(advantage)))
    for i in range(len(season)):
        s, h, a, m = season[i], home[i], away[i], margin[i]
        home_before = _entering(ratings, seasons, h, s, reversion, mean, starts)
        away_before = _entering(ratings, seasons, a, s, reversion, mean, starts)
        difference = home_before - away_before
        if not neutral[i]:
            difference += advantage[s]
        expected = 1.0 / (1.0 + ten ** (-difference / 400.0))
        sign = float(min(max(m, -1), 1))
        actual = 0.5 * (sign + 1.0)
        shift = k * _multiplier(form, scales[abs(m)], sign, difference) * (actual - expected)
        ratings[h] = home_before + shift
        ratings[a] = away_before - shift
        seasons[h] = s
        seasons[a] = s
        if m != 0:
            p = min(max(expected, 1e-6), 1.0 - 1e-6)
            sums[0, s] += 1.0
            sums[1, s] -= np.log(p if m > 0 else 1.0 - p)
            sums[2, s] += (expected - actual) ** 2
    return sums

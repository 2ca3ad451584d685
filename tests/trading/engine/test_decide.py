from tests.trading.worlds import world


def test_a():
    x = world().one()
    print(x)
    assert x.skip_reason is None

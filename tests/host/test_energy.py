import numpy as np
import pytest

from trine.golden.quantise import ternarise
from trine.host.energy import ARITHMETIC, NODES, NONZERO_SHARE, token_energy


def test_a_layer_by_hand():
    """3 x 5, 7 nm: 15 products, 12 additions, and 8 scalings of the ternary layer."""
    energy = token_energy([(3, 5)])
    assert energy["float16"][7] == pytest.approx((15 * 0.34 + 12 * 0.16) * 1e-12)
    assert energy["float32"][45] == pytest.approx((15 * 3.7 + 12 * 0.9) * 1e-12)
    assert energy["int8"][45] == pytest.approx((15 * 0.2 + 12 * 0.03) * 1e-12)
    assert energy["ternary"][7] == pytest.approx((12 * 0.007 + 8 * 1.31) * 1e-12)
    assert energy["ternary, zeros skipped"][45] == pytest.approx((NONZERO_SHARE * 12 * 0.03 + 8 * 3.7) * 1e-12)


def test_layers_add_up():
    one, other, both = (token_energy(shapes) for shapes in ([(3, 5)], [(7, 2)], [(3, 5), (7, 2)]))
    for name in ARITHMETIC:
        for node in NODES:
            assert both[name][node] == pytest.approx(one[name][node] + other[name][node])


def test_the_papers_ratio():
    """arXiv 2402.17764: matrix products take 71.4 times less at 7 nm; what scaling takes vanishes in big layers."""
    energy = token_energy([(10**7, 10**7)])
    assert energy["float16"][7] / energy["ternary"][7] == pytest.approx(71.4, abs=0.05)


def test_share_that_is_not_zero():
    trits, _ = ternarise(np.random.default_rng(0).standard_normal((500, 500), np.float32))
    assert np.count_nonzero(trits) / trits.size == pytest.approx(NONZERO_SHARE, abs=0.003)

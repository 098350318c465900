import numpy as np
import pytest

from trine.golden.arrays import first, require_dtype, require_finite, require_range, require_weights


def test_first_is_in_c_order():
    assert first(np.array([[False, False], [True, True]])) == (1, 0)


def test_require_dtype_wrong_dtype():
    with pytest.raises(ValueError, match="codes must be int8, not int64"):
        require_dtype("codes", np.array([1]), np.int8)


def test_require_dtype_wrong_type():
    with pytest.raises(ValueError, match="codes must be an array of int8, not list"):
        require_dtype("codes", [1], np.int8)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_require_finite_names_index(value):
    x = np.zeros((2, 3), np.float32)
    x[1, 2] = value
    with pytest.raises(ValueError, match=rf"x must be finite, but x\[1, 2\] is {value}"):
        require_finite("x", x)


@pytest.mark.parametrize("value", [-8, 8])
def test_require_range_names_index(value):
    x = np.zeros(5, np.int8)
    x[3] = value
    with pytest.raises(ValueError, match=rf"x must be in -7..7, but x\[3\] is {value}"):
        require_range("x", x, -7, 7)


def test_require_range_admits_bounds():
    require_range("x", np.array([-7, 7], np.int8), -7, 7)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (1, 2, 3)])
def test_require_weights_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"weights must be a non-empty \(N, K\) matrix"):
        require_weights(np.zeros(shape, np.int8))


def test_require_weights_wrong_value():
    with pytest.raises(ValueError, match=r"weights\[0, 1\] is 2"):
        require_weights(np.array([[1, 2]], np.int8))

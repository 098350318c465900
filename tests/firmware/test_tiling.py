"""Cutting layers: every row and column once, no tile too big, and no cut where the array does not add exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.firmware.tiling import Part, TilingError, cut_columns, cut_rows, result_row_blocks


@given(st.integers(1, 100), st.integers(1, 20))
def test_columns_once_and_in_order(small, columns, chunks):
    position = 0
    for first, count in cut_columns(columns, chunks, small):
        assert first == position
        assert first % 6 == 0
        assert 1 <= count <= 6 * chunks
        position += count
    assert position == columns
    assert len(cut_columns(columns, chunks, small)) == -(-columns // (6 * chunks))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(1, 12))
def test_rows_once_and_in_order(small, rows, row_blocks):
    covered = [np.zeros(count, int) for count in rows]
    tiles = list(cut_rows(rows, row_blocks, small))
    for index, tile in enumerate(tiles):
        used = sum(-(-part.rows // 4) for part in tile)
        assert used == row_blocks or (index == len(tiles) - 1 and 1 <= used <= row_blocks)
        for part in tile:
            assert part.first_row % 4 == 0
            covered[part.layer_index][part.first_row : part.first_row + part.rows] += 1
    assert all((count == 1).all() for count in covered)


def test_a_tile_takes_the_end_of_one_layer_and_the_beginning_of_the_next(small):
    assert list(cut_rows([10, 9], 4, small)) == [
        [Part(0, 0, 10), Part(1, 0, 4)],
        [Part(1, 4, 5)],
    ]


def test_columns_are_cut_at_the_ends_of_groups(configure):
    configuration = configure(group=12, group_accumulator_bits=8)
    assert cut_columns(70, 5, configuration) == [(0, 24), (24, 24), (48, 22)]
    assert cut_columns(30, 5, configuration) == [(0, 30)]


def test_group_over_all_columns_cannot_be_cut(configure):
    configuration = configure(group_accumulator_bits=8)
    assert cut_columns(36, 6, configuration) == [(0, 36)]
    with pytest.raises(TilingError, match=r"37 columns are 7 chunks, small has room for 6, and a group accumulator "
                                          r"over all columns cannot be cut \(group, group_accumulator_bits\)"):
        cut_columns(37, 6, configuration)


def test_group_wider_than_the_buffer_cannot_be_cut(configure):
    with pytest.raises(TilingError, match=r"a group of 42 columns cannot be cut \(group\)"):
        cut_columns(43, 6, configure(group=42, group_accumulator_bits=8))


def test_result_row_blocks(configure):
    assert result_row_blocks(configure(result_beats=15, result_width=2)) == 7
    with pytest.raises(TilingError, match=r"a row block has 4 beats of results, small has room for 3 \(result_beats\)"):
        result_row_blocks(configure(result_beats=3, result_width=1))

"""Boards: pins, clocks, the link of each, and the top of the design that is in its bitstream."""

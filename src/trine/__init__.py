"""trine: BitNet networks on small open FPGAs, cycle-accurate in simulation and bit-exact against a golden model."""

__version__ = "0.1.0"

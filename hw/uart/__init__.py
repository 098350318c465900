"""The serial link: bytes between a pair of wires and the accelerator's byte streams."""

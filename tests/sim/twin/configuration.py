"""The devices that all tests of the twin share."""

from trine.firmware.configuration import USB_FULL_SPEED, USB_HIGH_SPEED, Configuration

CONFIGURATION = Configuration("twin", "none", clock_mhz=24, lanes=4, depth=16, packing="trit2", weight_words=16384,
                              activation_chunks=32, result_beats=512, result_width=4, maximum_payload=2048,
                              timeout_cycles=1 << 16, link=USB_FULL_SPEED)
"""It holds `austen-small`, and its simulator compiles quickly."""
CLOCK = round(CONFIGURATION.clock_mhz * 1e6)
"""Hz of its domain `sync`."""

FAST = Configuration("fast", "none", clock_mhz=75, lanes=1, depth=4, packing="trit2", weight_words=16,
                     activation_chunks=4, result_beats=8, result_width=1, program_words=4, link=USB_HIGH_SPEED)
"""The smallest one, with high speed."""
FAST_CLOCK = round(FAST.clock_mhz * 1e6)

"""The small device that all tests of the twin share: it holds `austen-small`, and its simulator compiles quickly."""

from trine.firmware.configuration import USB_FULL_SPEED, Configuration

CONFIGURATION = Configuration("twin", "none", clock_mhz=24, lanes=4, depth=16, packing="trit2", weight_words=16384,
                              activation_chunks=32, result_beats=512, result_width=4, maximum_payload=2048,
                              timeout_cycles=1 << 16, link=USB_FULL_SPEED)
CLOCK = round(CONFIGURATION.clock_mhz * 1e6)
"""Hz of the domain `sync`."""

"""Named configurations: one per board, and four bare arrays for comparing arrays and nothing else.

The clock is what the routed report must reach; where a report is committed, it shows by how much it does.
"""

from trine.firmware.configuration import (
    UART_3M,
    UART_6M,
    USB_FULL_SPEED,
    USB_HIGH_SPEED,
    Configuration,
    ConfigurationError,
    Link,
)


def _ecp5_85f(name: str, part: str, link: Link) -> Configuration:
    """512 trits; `austen-small` needs 1,260 of the 2,048 weight words."""
    return Configuration(name, part, clock_mhz=75, lanes=16, depth=32, packing="trit2", weight_words=2048,
                         activation_chunks=256, result_beats=512, result_width=4, link=link)


def _ecp5_25f(name: str, part: str, link: Link) -> Configuration:
    """384 trits as 24 x 16, the one shape of which `austen-tiny` fits 512 words (510): no column is padded."""
    return Configuration(name, part, clock_mhz=75, lanes=24, depth=16, packing="trit2", weight_words=512,
                         activation_chunks=256, result_beats=256, result_width=8, program_words=64, link=link)


PRESETS: dict[str, Configuration] = {
    preset.name: preset
    for preset in (
        # Five trits a byte: 8 tables of five are the 64 bits that the four SPRAMs deliver a cycle.
        Configuration("icebreaker", "iCE40UP5K-sg48", clock_mhz=24, lanes=1, depth=40, packing="trit5x8",
                      weight_words=16384, activation_chunks=16, result_beats=512, result_width=1, program_words=64,
                      accumulator_bits=20, maximum_payload=512, dataflow="tables", weight_storage="single-port",
                      link=UART_6M),
        Configuration("tinyfpga_bx", "iCE40LP8K-cm81", clock_mhz=16, lanes=4, depth=8, packing="trit2",
                      weight_words=512, activation_chunks=64, result_beats=128, result_width=1, program_words=16,
                      accumulator_bits=20, maximum_payload=512, link=USB_FULL_SPEED),
        _ecp5_25f("ulx3s_25f", "LFE5U-25F-6-CABGA381", UART_3M),
        _ecp5_25f("orangecrab_25f", "LFE5U-25F-8-CSFBGA285", USB_FULL_SPEED),
        _ecp5_85f("ulx3s_85f", "LFE5U-85F-6-CABGA381", UART_3M),
        _ecp5_85f("orangecrab_85f", "LFE5U-85F-8-CSFBGA285", USB_FULL_SPEED),
        # A lane's 18 bits of 1,024 words are one block RAM, and so are two accumulators of 18 bits in 256 beats: so
        # the 32 of an LFE5U-12F are enough for `austen-tiny` (972 words), USB and everything else.
        Configuration("cynthion", "LFE5U-12F-8-CABGA256", clock_mhz=60, lanes=20, depth=9, packing="trit2",
                      weight_words=1024, activation_chunks=128, result_beats=256, result_width=2, program_words=64,
                      accumulator_bits=18, link=USB_HIGH_SPEED),
        _ecp5_85f("butterstick", "LFE5UM5G-85F-8-CABGA381", USB_HIGH_SPEED),
        # Tables of three: fewer lanes mean more row blocks to a chunk, and less waiting for tables; more lanes, fewer
        # groups whose tables have to be built.
        Configuration("array_25f_384", "LFE5U-25F-6-CABGA381", clock_mhz=150, lanes=8, depth=48, packing="trit3x5",
                      weight_words=512, activation_chunks=128, result_beats=512, result_width=8, accumulator_bits=20,
                      dataflow="tables", bare=True),
        Configuration("array_25f_768", "LFE5U-25F-6-CABGA381", clock_mhz=150, lanes=8, depth=96, packing="trit3x5",
                      weight_words=512, activation_chunks=128, result_beats=512, result_width=8, accumulator_bits=20,
                      dataflow="tables", bare=True),
        # 2,064 trits: a multiple of three.
        Configuration("array_85f_2048", "LFE5U-85F-6-CABGA381", clock_mhz=100, lanes=16, depth=129, packing="trit3x5",
                      weight_words=512, activation_chunks=128, result_beats=512, result_width=16, accumulator_bits=20,
                      dataflow="tables", bare=True),
        Configuration("array_up5k_40", "iCE40UP5K-sg48", clock_mhz=48, lanes=1, depth=40, packing="trit5x8",
                      weight_words=4096, activation_chunks=16, result_beats=256, result_width=1, accumulator_bits=20,
                      dataflow="tables", weight_storage="single-port", bare=True),
    )
}


def find_preset(name: str) -> Configuration:
    """The preset of that name; raises ConfigurationError with the names that exist."""
    if name not in PRESETS:
        raise ConfigurationError(f"unknown preset {name!r}; presets are {', '.join(PRESETS)}")
    return PRESETS[name]

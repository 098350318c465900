"""The loads of an image in a device: written before what needs them is run, and again if nobody knows what is there.

What a device holds besides load 0 is known only from what was written last and answered well. Any fault, and any sign
that the device was reset, makes it unknown, and everything is written anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters
from trine.firmware.image import Image
from trine.firmware.link import Request
from trine.firmware.plan import RequestPlan, Tile
from trine.firmware.recovery import ATTEMPTS
from trine.firmware.traffic import Message, TrafficError, load_messages, request_messages, request_results
from trine.golden.arrays import Int8, Int32
from trine.host.connection import Connection
from trine.host.errors import DeviceError, bad_input
from trine.host.info import counters_of, info_of, read_counters

FRAMES_AT_ONCE = 64
"""Frames of a load that are written before their responses are read; bounds what the operating system must buffer."""
SNAPSHOT: Message = (Request.COUNTERS, b"")
QUESTION: Message = (Request.INFO, b"")


@dataclass(frozen=True, eq=False)
class TileRun:
    """One program's run: the rows of each layer that it computed and, elsewhere, zeros; and when it was done.

    results: int32 (N_i,) per layer of the request. cycle: the device's cycle counter when the last result was written.
    """

    tile: Tile
    results: tuple[Int32, ...]
    cycle: int


class Loads:
    """An image in a device, which holds load 0 of it or gets it by `write_first` before anything else.

    Parameters: the connection to the device; its configuration; the image, which is read there. Every method raises
    DeviceError, and UsageError if the image is damaged in its file.
    """

    def __init__(self, connection: Connection, configuration: Configuration, image: Image) -> None:
        self._connection = connection
        self._configuration = configuration
        self.image = image
        self._held: int | None = 0  # the load that was written last, None if nobody knows what is there

    def write_first(self, progress: Callable[[float], None] | None = None) -> None:
        """Write load 0; DeviceError also if the device is reset meanwhile.

        progress: told how much of it is done, 0 to 1.
        """
        with bad_input():
            messages = list(load_messages(self.image, self._configuration))
        self._held = None
        cycles = read_counters(self._connection).cycles
        for start in range(0, len(messages), FRAMES_AT_ONCE):
            *_, snapshot = self._connection.exchange([*messages[start : start + FRAMES_AT_ONCE], SNAPSHOT])
            before, cycles = cycles, counters_of(snapshot).cycles
            if cycles < before:
                self._connection.exchange([(Request.COMMIT, bytes(4))])
                raise DeviceError(f"the device was reset while {self.image.name} was loaded; load it again")
            if progress is not None:
                progress(min(1.0, (start + FRAMES_AT_ONCE) / len(messages)))
        self._held = 0

    def run(self, plan: RequestPlan, tiles: Sequence[Tile], vectors: Int8) -> list[tuple[list[TileRun], Counters]]:
        """One exchange: `tiles` of a request on each of `vectors` int8 (n, K), n > 0; their loads are written before
        them, unless it is one and there. If there are several vectors, it has to be one.

        Returns for each vector its runs, and what they added to the counters; the loads are part of the first.
        """
        image = self.image
        if self._held is None:
            self.write_first()
        held = self._held or 0
        needed = {tile.load for tile in tiles} - {0, held}
        asked = bool(needed and image.loads[0].words)  # whether load 0 is still there
        for _ in range(ATTEMPTS):
            parts = [self._batches(plan, tiles, codes, bool(needed) and number == 0)
                     for number, codes in enumerate(vectors)]
            messages = [QUESTION] * asked + [SNAPSHOT]
            for part in parts:
                messages += [*(message for _, batch in part for message in batch), SNAPSHOT]
            self._held = None if needed else held  # until all is well
            answers = iter(self._connection.exchange(messages))
            there = not asked or info_of(next(answers)).image_id == image.load_id(held)
            before = counters_of(next(answers))
            done = []
            for part in parts:
                payloads = [(tile, batch, [next(answers) for _ in batch]) for tile, batch in part]
                runs = [self._tile_run(replace(plan, tiles=(tile,)), batch, found)
                        for tile, batch, found in payloads if tile is not None]
                after = counters_of(next(answers))
                done.append((runs, after - before))
                before = after
            if there:
                self._held = tiles[-1].load if needed else held
                return done
            # The device was reset, or it had begun to write when the exchange was done again: nobody knows which.
            self.write_first()
            held = 0
        raise DeviceError(f"the device lost {image.name} {ATTEMPTS} times; check its supply and the cable")

    def _batches(self, plan: RequestPlan, tiles: Sequence[Tile], codes: Int8,
                 stream: bool) -> list[tuple[Tile | None, list[Message]]]:
        """What executes `tiles` of a request on codes (K,), tile by tile; to stream is to write each load but load 0
        before its tiles, which is a part without a tile."""
        batches: list[tuple[Tile | None, list[Message]]] = []
        for load, group in groupby(tiles, lambda tile: tile.load):
            if stream and load:
                with bad_input():
                    batches.append((None, list(load_messages(self.image, self._configuration, load))))
            batches += [(tile, request_messages(replace(plan, tiles=(tile,)), codes, self._configuration))
                        for tile in group]
        return batches

    def _tile_run(self, part: RequestPlan, messages: Sequence[Message], payloads: Sequence[bytes]) -> TileRun:
        try:
            results = request_results(part, payloads, self._configuration)
        except TrafficError as error:
            raise DeviceError(f"a wrong response: {error}") from error
        run = payloads[[request for request, _ in messages].index(Request.RUN)]
        if len(run) != 8:
            raise DeviceError(f"a wrong response: RUN answers with 8 bytes, not {len(run)}")
        return TileRun(part.tiles[0], tuple(results), int.from_bytes(run, "little"))

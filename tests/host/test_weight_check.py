from dataclasses import replace

import pytest

from tests.hw.configurations import VARIANTS, small
from trine.firmware.link import Region
from trine.firmware.machine import Machine
from trine.host.device import Device
from trine.host.errors import DeviceError, MismatchError
from trine.host.transport import GoldenTransport
from trine.host.weight_check import check_weight_memory, digits


class Broken(Machine):
    """A machine whose weight memory has bits of `mask` stuck at 1 in byte `at`, or is spoiled in another way."""

    at, mask = 0, 0

    def _write(self, payload):
        answer = super()._write(payload)
        if payload[0] == Region.WEIGHTS:
            self.spoil(self._memories[Region.WEIGHTS])
        return answer

    def spoil(self, memory):
        memory[self.at] |= self.mask


def check(machine):
    configuration = machine.configuration
    progress: list[float] = []
    found = check_weight_memory(Device(GoldenTransport(machine), configuration), 0, progress.append)
    assert progress == sorted(progress)
    assert progress[-1] == 1
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_trit(variant):
    """Every packing, dataflow and accumulator mode."""
    configuration = small(**VARIANTS[variant])
    found = check(Machine(configuration))
    values = 3 if configuration.codec.has_zero else 2
    assert found.trits == configuration.weight_trits
    assert found.patterns == values
    runs = -(-configuration.depth // digits(configuration))
    assert found.results == values * runs * configuration.weight_words * configuration.lanes


@pytest.mark.parametrize(("changes", "count"), [
    ({}, 5), ({"accumulator_bits": 8}, 5), ({"activation_bits": 4, "group": 16, "group_accumulator_bits": 8}, 2),
    ({"group_accumulator_bits": 8}, 5), ({"group_accumulator_bits": 5}, 3), ({"group_accumulator_bits": 2}, 1),
])
def test_digits(changes, count):
    assert digits(small(**changes)) == count


def test_image_is_lost():
    device = Device(GoldenTransport(Machine(small())), small())
    check_weight_memory(device, 0, lambda done: None)
    assert device.info().image_id == 0


@pytest.mark.parametrize("word", [0, 37, 63])
def test_stuck_bit(word):
    """The sign of the third trit of lane 2, whose slice is byte 2 of the word."""
    machine = Broken(small())
    machine.at, machine.mask = 4 * word + 2, 0x20
    with pytest.raises(MismatchError, match=rf"^weight word {word}, lane 2, columns 0 to 3: the device says -?\d+, "
                                            r"golden -?\d+; 1 of \d+ results of words \d+ to \d+ differ$"):
        check(machine)


def test_address_line_that_is_not_connected():
    """Words 32 and up are words 0 to 31."""
    class Half(Broken):
        def spoil(self, memory):
            memory[: len(memory) // 2] = memory[len(memory) // 2 :]

    with pytest.raises(MismatchError, match=r"^weight word 0, lane 0, columns 0 to 3: "):
        check(Half(small()))


def test_words_that_are_never_written():
    class Deaf(Machine):
        def _write(self, payload):
            region, address = payload[0], int.from_bytes(payload[4:8], "little")
            return b"" if region == Region.WEIGHTS and address == 0 else super()._write(payload)

    with pytest.raises(MismatchError, match=r"^weight word 0, lane"):
        check(Deaf(small()))


def test_short_answer():
    class Short(Machine):
        def _read(self, payload):
            return super()._read(payload)[:-4]

    with pytest.raises(MismatchError, match=r"the device says -?\d+, golden"):
        check(Short(small()))


def test_device_that_refuses():
    class Refusing(Machine):
        def _run(self, payload):
            self._image_id = 0
            return super()._run(payload)

    with pytest.raises(DeviceError, match=r"the device refuses RUN: NOT_COMMITTED"):
        check(Refusing(small()))


def test_memory_larger_than_one_read():
    """Results of one run are read with one request, however many the buffer holds."""
    configuration = replace(small(), result_beats=1 << 15, weight_words=9000)
    found = check(Machine(configuration))
    assert found.results == 3 * 9000 * 4

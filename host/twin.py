"""The USB twin as a device: the host's own USB transport on a simulated bus, behind it the simulated device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trine.firmware.configuration import Configuration
from trine.firmware.image import Image
from trine.host.device import Device
from trine.host.errors import DeviceError, UsageError
from trine.host.simulator import SOURCES, build_progress
from trine.host.tools import tools_run
from trine.host.usb import UsbTransport
from trine.hw.usb.utmi_accelerator import UtmiAccelerator
from trine.sim.build import build
from trine.sim.errors import SimulatorError
from trine.sim.twin.backend import TwinBackend
from trine.sim.twin.bus import BusFault
from trine.sim.twin.bus_time import BusTime
from trine.sim.twin.harness import UTMI
from trine.sim.twin.host_controller import HostController
from trine.sim.twin.speed import FULL_SPEED, HIGH_SPEED, Speed
from trine.sim.twin.usbip_server import HOST, Log, UsbIpServer
from trine.sim.twin.utmi import UtmiModel

TIMEOUT = 60.0
"""Seconds that one response may take: the simulation's, which are many to one of the bus."""


def bus_speed(configuration: Configuration) -> Speed:
    """The speed of a board's USB; full speed for one whose configuration has another link."""
    link = configuration.link
    return HIGH_SPEED if link is not None and link.kind == "usb-high-speed" else FULL_SPEED


def plug_in(configuration: Configuration, progress: Callable[[str, float], None] | None = None) -> HostController:
    """A bus with a simulated device of `configuration`, built or taken from the cache, just after power-up.

    progress: told what is done and how much of it all, 0 to 1, if it has to be built. Raises BuildError if a tool
    fails, SetupError if one is missing or the cache cannot be used.
    """
    speed = bus_speed(configuration)
    with tools_run(SimulatorError):
        library = build(lambda: UtmiAccelerator(configuration, speed.name), harness=UTMI,
                        key=f"{configuration.canonical()} {configuration.clock_mhz} {speed.name}", sources=SOURCES,
                        progress=build_progress(progress))
        return HostController(UtmiModel(library, speed, round(configuration.clock_mhz * 1e6)), speed)


class Twin(Device):
    """A device on a simulated bus, which belongs to it from here on. Raises as Device, and if it is not enumerated."""

    def __init__(self, controller: HostController, configuration: Configuration) -> None:
        self._controller = controller
        self._loaded = BusTime()
        with _enumeration(controller):
            transport = UsbTransport(backend=TwinBackend(controller))
        super().__init__(transport, configuration, TIMEOUT)

    @property
    def bus_time(self) -> BusTime:
        """What the bus carried since the device was plugged in."""
        return self._controller.time

    def load(self, image: Image, progress: Callable[[float], None] | None = None, *, force: bool = False) -> None:
        """As Device.load; the figures of the link start anew."""
        super().load(image, progress, force=force)
        self._loaded = self.bus_time

    def link_figures(self) -> dict[str, Any]:
        """What the bus did since the image was loaded."""
        time = self.bus_time - self._loaded
        return {
            "speed": self._controller.speed.name, "seconds": time.seconds(self._controller.speed),
            "round_trips": time.round_trips, "frames": time.frames, "packets": time.packets, "tokens": time.tokens,
            "naks": time.naks, "errors": time.errors, "data_packets": time.data_packets, "bytes_out": time.bytes_out,
            "bytes_in": time.bytes_in,
        }

    def close(self) -> None:
        """Let go of the device, and unplug it."""
        try:
            super().close()
        finally:
            self._controller.unplug()


def open_twin(configuration: Configuration, progress: Callable[[str, float], None] | None = None) -> Twin:
    """The twin of a board of `configuration`, as a device; raises as `plug_in` and Twin."""
    return Twin(plug_in(configuration, progress), configuration)


def serve_twin(configuration: Configuration, port: int, log: Log,
               progress: Callable[[str, float], None] | None = None) -> UsbIpServer:
    """The twin of a board of `configuration`, ready to be served by USB/IP on that port of the loopback.

    Raises as `plug_in`, DeviceError if the twin is not enumerated, UsageError if the port cannot be had.
    """
    controller = plug_in(configuration, progress)
    try:
        with _enumeration(controller):
            return UsbIpServer(controller, port, log)
    except OSError as error:
        raise UsageError(f"port {port} of {HOST} cannot be had: {error.strerror}; choose another one") from error


@contextmanager
def _enumeration(controller: HostController) -> Iterator[None]:
    """Around what enumerates the twin: unplugs one that cannot be, and says so."""
    try:
        yield
    except BaseException as error:
        controller.unplug()
        if isinstance(error, BusFault | TimeoutError):
            raise DeviceError(f"the twin is not enumerated: {error}") from error
        raise

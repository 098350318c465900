"""Buses with the small device, and PyUSB's view of it."""

from collections.abc import Callable

import pytest
import usb.core

from tests.sim.twin.configuration import CLOCK, CONFIGURATION, FAST
from trine.firmware.usb import PRODUCT_ID, VENDOR_ID
from trine.hw.usb.utmi_accelerator import UtmiAccelerator
from trine.sim.build import build, build_verilog
from trine.sim.library import Library
from trine.sim.twin.backend import TwinBackend
from trine.sim.twin.enumeration import attach, setup_packet
from trine.sim.twin.harness import UTMI
from trine.sim.twin.host_controller import SET_CONFIGURATION, HostController
from trine.sim.twin.speed import FULL_SPEED, HIGH_SPEED
from trine.sim.twin.utmi import UtmiModel
from trine.sim.verilog import simulation_verilog

SOURCES = ("trine.hw", "trine.firmware", "trine.golden")


@pytest.fixture(scope="session")
def twin_library() -> Library:
    """The simulator of the twin at full speed; in the user's cache, where the tests of host find it too."""
    return build(lambda: UtmiAccelerator(CONFIGURATION, FULL_SPEED.name), harness=UTMI, key="tests of the twin",
                 sources=SOURCES)


@pytest.fixture(scope="session")
def fast_library() -> Library:
    """The simulator of the twin at high speed."""
    return build_verilog(lambda: simulation_verilog(UtmiAccelerator(FAST, HIGH_SPEED.name), UTMI), harness=UTMI,
                         quick=True, key="tests of the twin", sources=(*SOURCES, "trine.sim"))


@pytest.fixture
def plug_in(twin_library: Library, request: pytest.FixtureRequest) -> Callable[..., HostController]:
    """Makes buses with a device that was just plugged in."""

    def make(**options: bool) -> HostController:
        controller = HostController(UtmiModel(twin_library, FULL_SPEED, CLOCK, **options), FULL_SPEED)
        request.addfinalizer(controller.unplug)
        return controller

    return make


@pytest.fixture
def bus(plug_in: Callable[..., HostController]) -> HostController:
    """A bus whose device is configured."""
    controller = plug_in()
    attach(controller)
    controller.control(setup_packet(SET_CONFIGURATION, 1))
    return controller


@pytest.fixture
def device(plug_in: Callable[..., HostController]) -> usb.core.Device:
    """The twin as PyUSB finds it, configured; `device.bus` is its bus."""
    controller = plug_in()
    found = usb.core.find(idVendor=VENDOR_ID, idProduct=PRODUCT_ID, backend=TwinBackend(controller))
    found.set_configuration()
    found.bus_controller = controller
    return found

"""An image on a device, everything that it executes compared with golden, request by request."""

from collections.abc import Mapping

from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters
from trine.firmware.cycles import token_bytes, token_cycles
from trine.firmware.image import Image, layer_weights
from trine.firmware.plan import RequestPlan
from trine.golden.arrays import Int8, Int32
from trine.golden.lazy import LazyMapping
from trine.host.device import Device, Execution
from trine.host.errors import bad_input
from trine.host.figures import TokenRates, token_rates
from trine.host.routed import clock_of
from trine.host.shipped import Model
from trine.host.verify import Tally, Verifier


class Runner:
    """Loads an image and watches the device: every integer is compared with golden's, every cycle with the model's.

    So whatever the device executes from now on, through `multiply`, the hook of golden's models, or through its own
    methods, raises MismatchError if it is wrong. counters: what the requests added to the device's, link time included.

    Parameters: the device; the image; the model that it was compiled from, or the weights int8 (N, K) of its layers by
    name; with neither, it is compared with the weights in the image itself. Raises UsageError and DeviceError as
    `Device.load`.
    """

    def __init__(self, device: Device, image: Image, model: Model | None = None,
                 weights: Mapping[str, Int8] | None = None) -> None:
        self.device = device
        self.image = image
        self.model = model
        self.counters = Counters()
        if model is not None:
            linears = model.linears
            weights = LazyMapping(linears, lambda layer: linears[layer].weights)
        elif weights is None:
            weights = layer_weights(image, device.configuration)
        self._verifier = Verifier(device.configuration, weights)
        device.load(image)
        device.watch(self._watch)

    @property
    def configuration(self) -> Configuration:
        """The device's."""
        return self.device.configuration

    @property
    def tally(self) -> Tally:
        """What was compared and found equal."""
        return self._verifier.tally

    @property
    def passes(self) -> int:
        """How often the whole model ran: tokens of a decoder, inputs of a classifier."""
        return self.tally.requests // len(self.image.requests)

    @property
    def weights(self) -> int:
        """Ternary weights of the model."""
        return sum(rows * plan.columns for plan in self.image.requests for rows in plan.rows)

    def multiply(self, names: tuple[str, ...], codes: Int8) -> list[Int32]:
        """The sums int32 (N_i,) of the layers that share the input `codes` int8 (K,), executed and compared."""
        with bad_input():
            plan = self.image.request(names)
        return self.device.run_request(plan, codes)

    def rates(self) -> TokenRates:
        """What the board of this configuration would do with the model, from cycles that were checked on the way."""
        cycles = token_cycles(self.image, self.configuration).cycles
        use = token_bytes(self.image, self.configuration)
        return token_rates(cycles, use, clock_of(self.configuration), self.configuration.link)

    def _watch(self, plan: RequestPlan, codes: Int8, execution: Execution) -> None:
        with bad_input():  # weights that are read only now
            self._verifier.check(plan, codes, execution)
        self.counters += execution.counters

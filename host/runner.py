"""The integer part of a golden model, executed by a device and compared with golden, request by request."""

from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters
from trine.firmware.cycles import token_bytes, token_cycles
from trine.firmware.image import Image
from trine.golden.arrays import Int8, Int32
from trine.host.device import Device
from trine.host.errors import bad_input
from trine.host.figures import TokenRates, token_rates
from trine.host.routed import clock_of
from trine.host.shipped import Model
from trine.host.verify import Tally, Verifier


class Runner:
    """Executes the layers of an image that is resident in a device.

    `multiply` is the hook of golden's models. counters: what its requests added to the device's, link time included.

    Parameters: the device; the image, which is loaded unless the device holds it; the model that it was compiled from.
    """

    def __init__(self, device: Device, image: Image, model: Model) -> None:
        self.device = device
        self.image = image
        self.model = model
        self.counters = Counters()
        weights = {name: linear.weights for name, linear in model.linears.items()}
        self._verifier = Verifier(image, device.configuration, weights)
        device.load(image)

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
        return sum(linear.weights.size for linear in self.model.linears.values())

    def multiply(self, names: tuple[str, ...], codes: Int8) -> list[Int32]:
        """The sums int32 (N_i,) of the layers that share the input `codes` int8 (K,), executed and compared.

        Raises MismatchError if a sum is not golden's or a cycle not the cycle model's, DeviceError if the device fails.
        """
        with bad_input():
            plan = self.image.request(names)
        execution = self.device.execute(plan, codes)
        self._verifier.check(plan, codes, execution)
        self.counters += execution.counters
        return list(execution.results)

    def rates(self) -> TokenRates:
        """What the board of this configuration would do with the model, from cycles that were checked on the way."""
        cycles = token_cycles(self.image, self.configuration).cycles
        use = token_bytes(self.image, self.configuration)
        return token_rates(cycles, use, clock_of(self.configuration), self.configuration.link)

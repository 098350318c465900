"""BitNet layers of PyTorch and transformers models, executed by a device. Needs the extra: pip install 'trine[torch]'.

    from trine.host.torch import offload

    with open_device("usb") as device, offload(model, device):
        model.generate(...)

Nothing else in trine imports PyTorch.
"""

from trine.host.errors import SetupError

try:
    from trine.host.torch.bitlinear import BitLinear
    from trine.host.torch.offload import Offloaded, offload
except ImportError as error:
    raise SetupError(f"trine.host.torch needs PyTorch and transformers ({error}): pip install 'trine[torch]'"
                     ) from error

__all__ = ["BitLinear", "Offloaded", "offload"]

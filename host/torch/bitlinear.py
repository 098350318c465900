"""A layer whose integer product a device computes, as a module of PyTorch.

Everything around the product is done here, in the operations and the order of transformers' layers and in the dtype
that they do it in: golden's order is the same, but golden is float32 only. The two classes of transformers differ in
what weight_scale does, and in the dtype in which they quantise.
"""

from typing import Any

import torch
from torch import Tensor, nn

from trine.golden.quantise import SMALLEST
from trine.host.errors import UsageError
from trine.host.layers import Layers

RESCALINGS = ("bitlinear", "autobitlinear", "online")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class BitLinear(nn.Module):
    """A BitNet b1.58 layer on a device: x (..., K) of float32, bfloat16 or float16 on the CPU to y (..., N).

    Codes: `scale = 127 / max(max|x|, 1e-5)` along the last axis and `q = clip(round_half_even(x * scale), -128, 127)`,
    in the dtype of x for "bitlinear" and in float32 for the others. Sums `a = W @ q`, exact, by the device. Output, of
    the dtype of x unless that of weight_scale is wider:

        bitlinear      y = a / (weight_scale * scale) + bias      a first rounded to `dtype`
        autobitlinear  y = (a / scale + bias) * weight_scale      in float32, rounded to the dtype of x before the `*`
        online         y = a / scale * weight_scale + bias        in float32, then rounded to the dtype of x

    The first is bit for bit what transformers' BitLinear computes, as long as its product in `dtype` is exact before it
    is rounded: in float32 always (|a| < 2**24). Where it is not finite (float16, |a| > 65,504), neither is this. The
    others are AutoBitLinear, which divides each code by the scale, rounds it to the dtype of x and then adds: it has no
    integers, and differs by the rounding of its inputs and sums.

    layers: the image on its device. name: the layer in it; layers that share an input share a request (`Layers`).
    weight_scale: what the formula says, a Tensor (1,). rescaling: which formula. bias: a Tensor (N,) or None.
    dtype: of the sums of a "bitlinear"; None for that of x. norm: applied to x before all this.

    The module holds no weights: its state cannot be saved or loaded. It has no gradient: a backward pass through it
    raises UsageError. So does the forward pass for another shape, dtype or place of x, and NaN or infinity in it;
    also DeviceError.
    """

    weight_scale: Tensor
    bias: Tensor | None

    def __init__(self, layers: Layers, name: str, weight_scale: Tensor, rescaling: str = "bitlinear",
                 bias: Tensor | None = None, dtype: torch.dtype | None = None, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = layers.shape(name)
        if rescaling not in RESCALINGS:
            raise UsageError(f"{name}: rescaling must be one of {', '.join(RESCALINGS)}, not {rescaling!r}")
        if weight_scale.numel() != 1 or not (torch.isfinite(weight_scale) & (weight_scale > 0)).all():
            raise UsageError(f"{name}: weight_scale must be one positive finite number, not {weight_scale.tolist()}")
        if bias is not None and bias.shape != (self.out_features,):
            raise UsageError(f"{name}: bias must be ({self.out_features},), not {tuple(bias.shape)}")
        self._layers = layers
        self._name = name
        self._rescaling = rescaling
        self._dtype = dtype
        self.norm = norm
        self.register_buffer("weight_scale", weight_scale.detach().reshape(1), persistent=False)
        self.register_buffer("bias", None if bias is None else bias.detach(), persistent=False)

    def quantise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(codes int8 (..., K), scale (..., 1)) of x (..., K), already normalised."""
        if self._rescaling != "bitlinear":
            x = x.float()
        scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=float(SMALLEST))
        return (x * scale).round().clamp(-128, 127).to(torch.int8), scale

    def rescale(self, sums: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
        """The output (..., N) from sums int32 (..., N) and the scale (..., 1) of an x of `dtype`."""
        if self._rescaling == "bitlinear":
            y = sums.to(self._dtype or dtype) / (self.weight_scale * scale)
            return y if self.bias is None else y + self.bias
        y = sums.float() / scale
        if self._rescaling == "online":
            y = y * self.weight_scale
        if self.bias is not None:
            y = y + self.bias
        y = y.to(dtype)
        return y if self._rescaling == "online" else y * self.weight_scale

    @torch.compiler.disable
    def forward(self, x: Tensor) -> Tensor:
        """y (..., N) of x (..., K); never compiled, since a compiler of graphs cannot follow it to the device."""
        if self.norm is not None:
            x = self.norm(x)
        self._check(x)
        y: Tensor = _OnDevice.apply(x, self)
        return y

    def extra_repr(self) -> str:
        """What `print(model)` says of it."""
        return f"{self._name}, {self.in_features} -> {self.out_features}, {self._rescaling}, on a device"

    def _check(self, x: Tensor) -> None:
        if x.dtype not in DTYPES:
            raise UsageError(f"{self._name}: x must be float32, bfloat16 or float16, not {x.dtype}")
        if x.device.type != "cpu":
            raise UsageError(f"{self._name}: x must be on the CPU, not on {x.device}; move the model there")
        if x.shape[-1:] != (self.in_features,):
            raise UsageError(f"{self._name}: x must be (..., {self.in_features}), not {tuple(x.shape)}")
        if not torch.isfinite(x).all():
            raise UsageError(f"{self._name}: x has NaN or infinity, of which there are no codes")

    def _save_to_state_dict(self, *_: Any, **__: Any) -> None:
        raise UsageError(f"{self._name}: its weights are on the device; restore the model before its state is saved")

    def _load_from_state_dict(self, *_: Any, **__: Any) -> None:
        raise UsageError(f"{self._name}: its weights are on the device; restore the model before a state is loaded")


class _OnDevice(torch.autograd.Function):
    """The arithmetic of a BitLinear, in which gradients end."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, module: BitLinear) -> Tensor:
        codes, scale = module.quantise(x)
        sums = module._layers.sums(module._name, codes.numpy())
        ctx.name = module._name
        return module.rescale(torch.from_numpy(sums), scale, x.dtype)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise UsageError(f"{ctx.name}: no gradient passes a device; restore the model before it is trained")

"""Train a BitNet b1.58 character model (or its float32 twin) on the corpus, on one CPU core.

    python train.py austen-small --steps 7500 --out austen-small.pt

The recipe is fixed but for its length: AdamW (3e-3, betas 0.9 and 0.98), 60 steps of warm-up, a cosine down to 2 %,
weight decay 0.05 on the projections for the first half and none after it, 32 windows of 128 characters a step,
gradients clipped to norm 1. There is no early stopping and no choice among checkpoints: the last one is the model, and
the held-out text is read once, by the evaluation after the last step.

A run that was killed goes on from its last checkpoint when the same command is given again.
"""

import argparse
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as missing:
    print(f"train.py: it needs PyTorch ({missing}): pip install '.[torch]'", file=sys.stderr)
    sys.exit(4)

import corpus
import numpy as np
from model import PRESETS, BitNetForCausalLM, ModelConfig


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What, with the corpus, determines a trained model (on one version of PyTorch and one kind of processor)."""

    steps: int
    mode: str = "ternary"
    seed: int = 0
    batch: int = 32
    learning_rate: float = 3e-3
    final_rate: float = 0.02
    warm_up: int = 60
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.05
    clip: float = 1.0

    def rate(self, step: int) -> float:
        """The learning rate of step 0, 1, ..., steps - 1."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        decayed = self.final_rate + (1 - self.final_rate) * cosine
        return self.learning_rate * min(1.0, (step + 1) / self.warm_up) * decayed


class RecipeMismatchError(Exception):
    """The checkpoint to go on from was made by another recipe."""


def bits_per_character(logits: Callable[[Tensor], Tensor], tokens: Tensor, window: int) -> tuple[float, int]:
    """(bits per character, characters predicted) of `tokens`, ids (n,).

    Consecutive windows of `window` characters, the shorter tail included; each starts without context and predicts
    the character after each of its own, so every character but the first is predicted once: n - 1 in all.
    """
    whole = (tokens.numel() - 1) // window * window
    inputs, targets = tokens[:whole].view(-1, window), tokens[1 : whole + 1].view(-1, window)
    parts = [(inputs[at : at + 64], targets[at : at + 64]) for at in range(0, len(inputs), 64)]
    if whole < tokens.numel() - 1:
        parts.append((tokens[None, whole:-1], tokens[None, whole + 1 :]))
    total = 0.0
    with torch.no_grad():
        for ids, following in parts:
            total += functional.cross_entropy(logits(ids).flatten(0, 1), following.flatten(), reduction="sum").item()
    return total / (tokens.numel() - 1) / math.log(2), tokens.numel() - 1


def save(path: Path, contents: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    torch.save(contents, temporary)
    os.replace(temporary, path)


class Run:
    """A training run: the model, its optimiser, the step it has reached, and the checkpoint file it is kept in."""

    def __init__(self, name: str, recipe: Recipe, tokens: Tensor, path: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.name, self.recipe, self.tokens, self.path = name, recipe, tokens, path
        self.config: ModelConfig = PRESETS[name]
        self.model = BitNetForCausalLM(self.config, quantised=recipe.mode == "ternary")
        projections = self.model.projections()
        others = [parameter for key, parameter in self.model.named_parameters() if key not in projections]
        groups: list[dict[str, Any]] = [
            {"params": list(projections.values())},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups,
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        self.draw = torch.Generator().manual_seed(recipe.seed + 1)
        self.step, self.seconds = 0, 0.0
        if path.exists():
            self.restore()

    def restore(self) -> None:
        """Go on from the checkpoint; RecipeMismatchError if it is another run's."""
        saved = torch.load(self.path, weights_only=True)
        if saved["name"] != self.name or saved["recipe"] != dataclasses.asdict(self.recipe):
            raise RecipeMismatchError(f"{self.path} holds {saved['name']} trained by {saved['recipe']}")
        self.model.load_state_dict(saved["state"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.draw.set_state(saved["draw"])
        self.step, self.seconds = saved["step"], saved["seconds"]

    def keep(self) -> None:
        """Save everything `restore` needs."""
        contents = {
            "name": self.name,
            "recipe": dataclasses.asdict(self.recipe),
            "step": self.step,
            "seconds": self.seconds,
            "state": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "draw": self.draw.get_state(),
        }
        save(self.path, contents)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets, each (batch, max_position_embeddings), from random places in the training text."""
        window = self.config.max_position_embeddings
        starts = torch.randint(len(self.tokens) - window - 1, (self.recipe.batch,), generator=self.draw)
        ids = self.tokens[starts[:, None] + torch.arange(window + 1)]
        return ids[:, :-1], ids[:, 1:]

    def advance(self, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
        """Do one step; its loss in bits per character."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        if self.step > self.recipe.steps // 2:
            self.optimiser.param_groups[0]["weight_decay"] = 0.0
        value = loss(*self.batch())
        self.optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.step += 1
        return value.item() / math.log(2)


def train(run: Run, *, stop: int, every: int, compiled: bool) -> None:
    """Take `run` to step `stop`, printing a line each 50 steps and saving each `every`."""

    def loss(inputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(run.model(inputs).flatten(0, 1), targets.flatten())

    step_loss = torch.compile(loss) if compiled else loss
    before = time.monotonic() - run.seconds
    recent: list[float] = []
    while run.step < stop:
        recent.append(run.advance(step_loss))
        run.seconds = time.monotonic() - before
        if run.step % 50 == 0 or run.step == stop:
            mean = sum(recent) / len(recent)
            print(f"step {run.step}/{run.recipe.steps}  train {mean:.3f} bits/char  {run.seconds:.0f} s", flush=True)
            recent.clear()
        if run.step % every == 0 or run.step == stop:
            run.keep()


def main() -> int:
    """Train one model and evaluate it on the held-out text."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", choices=sorted(PRESETS))
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint, resumed if it exists")
    parser.add_argument("--mode", choices=("ternary", "float"), default="ternary")
    parser.add_argument("--steps", type=int, default=7500)
    parser.add_argument("--stop", type=int, help="stop after this step of the schedule, without an evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--eager", action="store_true", help="do not compile the model (no C++ compiler needed)")
    corpus.add_arguments(parser)
    options = parser.parse_args()
    if options.steps < 1 or options.save_every < 1:
        parser.error(f"--steps and --save-every must be at least 1, not {options.steps} and {options.save_every}")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        training, held_out = (torch.from_numpy(part.astype(np.int64)) for part in corpus.split(corpus.load(options)))
        run = Run(options.name, Recipe(options.steps, options.mode, options.seed), training, options.out)
    except (corpus.CorpusError, RecipeMismatchError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    weights = sum(parameter.numel() for parameter in run.model.projections().values())
    print(f"{run.name} ({options.mode}): {weights} projection weights, from step {run.step}", flush=True)
    train(run, stop=options.stop or options.steps, every=options.save_every, compiled=not options.eager)
    if run.step == options.steps:
        bits, count = bits_per_character(run.model, held_out, run.config.max_position_embeddings)
        print(f"held out: {bits:.4f} bits/char over {count} characters, {run.seconds:.0f} s of training", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

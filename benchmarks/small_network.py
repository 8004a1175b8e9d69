"""The default network for images beside other starts of the same layers, on right labels.

    python benchmarks/small_network.py --data DIR     # what is missing; about 80 CPU seconds a run

Every run has the same layers, batches, views and number of steps; 10,000 images of CIFAR-10,
8 epochs, and the first 5,000 test images at the end. Whitened: the first layer, kept as it is,
has the principal directions of the patches of 2,000 training images and their opposites, each of
variance one. Identity: the other convolutions start with as many channels passed on as they are.
Triangle: the learning rate rises over 15 % of the steps and falls to nothing, step by step; by
default it falls by half a cosine, epoch by epoch.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cases import data_folder
from _image_cases import load_images
from _runs import Runs
from torch import nn
from torch.nn import functional as F

from nllearn.networks import SmallNet
from nllearn.training import ImageViews
from nllearn.training._ema import EMAWeights

ROWS, EPOCHS, BATCH, N_TEST, N_PATCH_ROWS = 10_000, 8, 128, 5_000, 2_000
#: Name -> settings of :func:`train`.
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "whitened, identity": {"whitened": True, "identity": True},
    "whitened, identity, triangle to 4e-3": {
        "whitened": True,
        "identity": True,
        "lr": 4e-3,
        "triangle": True,
    },
    "whitened": {"whitened": True},
    "triangle to 4e-3": {"lr": 4e-3, "triangle": True},
}


def whiten(conv: nn.Conv2d, X: torch.Tensor) -> None:
    """Principal directions of patches and their opposites, each of variance one; not trained."""
    side = conv.kernel_size[0]
    patches = X.unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5)
    patches = patches.reshape(-1, X.shape[1] * side * side)
    variances, directions = torch.linalg.eigh((patches.T @ patches / len(patches)).double())
    # A flat direction is not blown up: standardised pixels have variance one.
    filters = (directions / torch.sqrt(variances + 5e-4)).T.float().flip(0)
    filters = filters.reshape(-1, *conv.weight.shape[1:])[: conv.out_channels // 2]
    with torch.no_grad():
        conv.weight.copy_(torch.cat([filters, -filters]))
        conv.bias.zero_()
    conv.weight.requires_grad_(False)


def start_as_identity(net: SmallNet) -> None:
    """The first filters of every 3x3 convolution pass its channels on."""
    for layer in net.body:
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            with torch.no_grad():
                nn.init.dirac_(layer.weight[: layer.in_channels])


def train(
    case: dict[str, torch.Tensor],
    seed: int,
    *,
    lr: float = 2e-3,
    whitened: bool = False,
    identity: bool = False,
    triangle: bool = False,
) -> dict[str, float]:
    """Test accuracy of the averaged and of the last weights, and CPU seconds."""
    torch.manual_seed(seed)
    net = SmallNet((3, 32, 32), 10)
    if whitened:
        whiten(net.body[0], case["X"][:N_PATCH_ROWS])
    if identity:
        start_as_identity(net)
    net = net.to(memory_format=torch.channels_last)
    average, view = EMAWeights(net, 0.99), ImageViews()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        [p for p in net.parameters() if p.requires_grad], lr=lr, weight_decay=0.01
    )
    began, step, steps = time.process_time(), 0, EPOCHS * math.ceil(ROWS / BATCH)
    for epoch in range(EPOCHS):
        factor = 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS))
        for rows in torch.randperm(ROWS, generator=generator).split(BATCH):
            if triangle:
                share = step / steps
                factor = min(1.0, 0.1 + 0.9 * share / 0.15) * min(1.0, (1 - share) / 0.85 + 0.02)
            optimizer.param_groups[0]["lr"] = lr * factor
            x = view(case["X"][rows].to(memory_format=torch.channels_last), generator)
            net.train()
            with torch.autocast("cpu", torch.bfloat16):
                logits, _ = net(x)
            optimizer.zero_grad()
            F.cross_entropy(logits.float(), case["y"][rows]).backward()
            optimizer.step()
            average.step()
            step += 1
    cpu = time.process_time() - began

    def accuracy(module: nn.Module) -> float:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found = [module.eval()(x)[0].argmax(1) for x in case["X_test"].split(500)]
        return float((torch.cat(found) == case["y_test"]).float().mean())

    return {"test": accuracy(average.module), "test_last": accuracy(net), "cpu": cpu}


def standardised(folder: Path) -> dict[str, torch.Tensor]:
    """Images of mean zero and standard deviation one in every channel, and right labels."""
    case = load_images(folder, "clean", 0, ROWS, N_TEST)

    def channels_first(X: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(X).permute(0, 3, 1, 2).float()

    X, X_test = channels_first(case.X), channels_first(case.X_test)
    centre, spread = X.mean((0, 2, 3), keepdim=True), X.std((0, 2, 3), keepdim=True)
    return {
        "X": (X - centre) / spread,
        "y": torch.from_numpy(case.y_noisy.astype(np.int64)),
        "X_test": (X_test - centre) / spread,
        "y_test": torch.from_numpy(case.y_test.astype(np.int64)),
    }


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--variant", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs, case = Runs("small_network"), standardised(data_folder(args.data))
    for seed in args.seeds:
        for name in args.variant:
            if not runs.done(variant=name, seed=seed):
                found = train(case, seed, **VARIANTS[name])
                runs.add(variant=name, seed=seed, rows=ROWS, epochs=EPOCHS, **found)


if __name__ == "__main__":
    main()

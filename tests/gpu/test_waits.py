"""How often a step makes the CPU and the GPU wait for each other."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.functional.similarity import cosine_topk
from nllearn.networks import MLPBackbone, SmallBackbone
from nllearn.training import RecordSource

# At most so many in a step of the robust phase, and none in the others.
MOST_IN_ROBUST = 1


class Counting(Callback):
    """Waits and operations between the starts of two steps, by phase."""

    def __init__(self, log):
        self.log, self.waits, self.operations = log, defaultdict(list), defaultdict(list)

    def __deepcopy__(self, memo):
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.before = None

    def on_batch_begin(self, net, **kwargs):
        now = Counter(self.log.syncs), sum(self.log.launches.values())
        if self.before is not None:
            phase = net.history[-1]["phase"]
            self.waits[phase].append(now[0] - self.before[0])
            self.operations[phase].append(now[1] - self.before[1])
        self.before = now


def rows_of(kind):
    rng = np.random.default_rng(0)
    if kind == "table":
        X = rng.normal(size=(96, 6))
        return X, (X[:, 0] > 0).astype(int), {"backbone": MLPBackbone(16)}
    X = rng.integers(0, 256, (48, 8, 8, 3), dtype=np.uint8)
    return X, X.mean((1, 2, 3)) > 127.5, {"backbone": SmallBackbone(4)}


def count(cls, kind, log, **params):
    X, y, settings = rows_of(kind)
    counting = Counting(log)
    params = {"max_epochs": 4, "warmup_epochs": 1, "posterior_share": 0.5, "batch_size": 16} | (
        settings | params
    )
    cls(random_state=0, callbacks=[counting], **params).fit(X, y)
    assert set(counting.waits) == {"warm-up", "robust", "posterior"}
    return counting


@pytest.mark.parametrize("kind", ["table", "image"])
@pytest.mark.parametrize("cls", [AnchorHallucinationClassifier, MixNNClassifier])
def test_a_step_waits_for_nothing(cls, kind, gpu):
    counting = count(cls, kind, gpu)
    for phase, steps in counting.waits.items():
        allowed = MOST_IN_ROBUST if phase == "robust" else 0
        for waits in steps:
            assert sum(waits.values()) <= allowed, (phase, waits)


def test_neighbours_of_the_whole_training_set_wait_for_nothing(gpu):
    counting = count(MixNNClassifier, "table", gpu, neighbors="exact")
    assert not sum((sum(steps, Counter()) for steps in counting.waits.values()), Counter())


def test_a_fused_optimiser_is_one_operation(gpu):
    fused = count(MixNNClassifier, "table", gpu)
    foreach = count(MixNNClassifier, "table", gpu, net_params={"optimizer__fused": False})
    for phase, numbers in fused.operations.items():
        assert max(numbers) <= min(foreach.operations[phase]) - 5


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_optimiser_is_fused_unless_that_is_excluded(gpu, optimizer):
    X, y, settings = rows_of("table")

    def fused(**net_params):
        params = {"max_epochs": 1, "optimizer": optimizer, "net_params": net_params}
        clf = MixNNClassifier(**params, **settings, random_state=0).fit(X, y)
        return clf.net_.optimizer_.param_groups[0]["fused"]

    assert fused()
    assert fused(optimizer__weight_decay=0.0)
    assert not fused(optimizer__fused=False)
    assert not fused(optimizer__foreach=True)
    assert not fused(optimizer=torch.optim.SGD)


def test_averages_of_weights_and_statistics_are_two_operations(gpu):
    averaged = count(MixNNClassifier, "image", gpu)
    plain = count(MixNNClassifier, "image", gpu, net_params={"ema_decay": 0})
    for phase in ("warm-up", "posterior"):
        assert max(averaged.operations[phase]) == max(plain.operations[phase]) + 2


def test_a_search_is_one_block_and_waits_for_nothing(gpu):
    rows = torch.nn.functional.normalize(torch.randn(4000, 8, device="cuda"), dim=1)
    own = torch.arange(4000, device="cuda")
    gpu.clear()
    cosine_topk(rows, rows, 3, exclude=own)
    assert gpu.launches["topk"] == 1
    assert not gpu.syncs


def test_batches_that_are_read_wait_once_for_their_numbers(gpu):
    class Records(torch.utils.data.Dataset):
        shape = (2,)

        def __len__(self):
            return 9

        def __getitem__(self, row):
            return self.read([row])[0]

        def __getitems__(self, rows):
            return self.read(rows)

        def read(self, rows):
            return torch.as_tensor(rows, dtype=torch.float32).repeat(2, 1).T

    source = RecordSource(Records(), torch.device("cuda"), lambda x: x, 0)
    plan = list(torch.arange(9, device="cuda").split(3))
    gpu.clear()
    batches = source.batches(plan)
    first = next(batches)
    rest = list(batches)
    assert gpu.syncs.total() == 1
    assert first[:, 0].tolist() == [0, 1, 2]
    assert [x[0, 0].item() for x in rest] == [3, 6]

"""Tables and features that do not fit in memory give results like those of the ones that do."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from nllearn.classifiers import _preprocessing
from nllearn.functional import blocks
from nllearn.functional.kernel_ridge import leave_one_out_scores
from nllearn.functional.similarity import centred_unit_rows, unit_rows_in_blocks
from nllearn.predictors import LeaveOneOutRidge
from nllearn.training import ArraySource, TensorSource

CPU = torch.device("cpu")


@pytest.fixture
def small_memory(monkeypatch, tmp_path):
    """Features do not fit; blocks are small; temporary files go to a folder of the test."""
    monkeypatch.setattr("nllearn.training._inference.free_bytes", lambda device: 0.0)
    monkeypatch.setattr("nllearn.classifiers._label_posterior._BLOCK", 50)
    monkeypatch.setattr("nllearn.predictors._ridge._BLOCK", 50)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files_in(folder):
    """Files of ours: torch may put a folder for its compiler there when it is first imported."""
    return [path for path in folder.iterdir() if not path.name.startswith("torchinductor")]


def memmap_of(X, path):
    """The same array, on disk."""
    mapped = np.memmap(path, X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    return np.memmap(path, X.dtype, "r", shape=X.shape)


def fit(cls, X, y):
    weight = np.ones(len(X))
    weight[:7] = 0
    trusted = np.zeros(len(X), dtype=bool)
    trusted[10:15] = True
    return cls(max_epochs=6, random_state=0).fit(X, y, sample_weight=weight, trusted=trusted)


def assert_near(one, other):
    """The same results, up to the rounding of float16 and what a few epochs make of it."""
    np.testing.assert_allclose(one.label_distributions_, other.label_distributions_, atol=0.02)
    assert (one.corrected_labels_ == other.corrected_labels_).mean() >= 0.99
    assert one.noise_rate_ == pytest.approx(other.noise_rate_, abs=0.005)
    np.testing.assert_allclose(one._network_proba, other._network_proba, atol=0.02)


def test_features_in_a_file_change_nothing_but_the_rounding(cls, blobs, small_memory, monkeypatch):
    X, _, noisy = blobs
    on_disk = fit(cls, X, noisy)
    monkeypatch.undo()
    in_memory = fit(cls, X, noisy)
    assert_near(on_disk, in_memory)
    assert on_disk._features.dtype == in_memory._features.dtype == np.float16
    np.testing.assert_allclose(
        on_disk._features.astype(float), in_memory._features.astype(float), atol=0.02
    )


def test_no_file_outlives_the_fit(cls, blobs, small_memory):
    X, _, noisy = blobs
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs Linux")
    gc.collect()
    before = maps.read_text().count("(deleted)")
    fitted = fit(cls, X, noisy)
    gc.collect()
    assert maps.read_text().count("(deleted)") == before
    assert files_in(small_memory) == []
    assert np.isfinite(fitted._features).all()


def test_no_file_outlives_a_fit_that_fails(cls, blobs, small_memory, monkeypatch):
    X, _, noisy = blobs
    monkeypatch.setattr("nllearn.classifiers._label_posterior.find_neighbors", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(cls, X, noisy)
    assert files_in(small_memory) == []


@pytest.mark.parametrize("n_absent", [0, 9])
def test_scores_in_blocks_are_those_of_the_whole(monkeypatch, n_absent):
    monkeypatch.setattr("nllearn.predictors._ridge._BLOCK", 13)
    generator = torch.Generator().manual_seed(0)
    given = torch.arange(120) % 4
    centres = torch.randn(4, 6, generator=generator)
    features = centres[given] + torch.randn(120, 6, generator=generator)
    weights = torch.rand(120, generator=generator) + 0.5
    weights[:n_absent] = 0
    active = torch.nonzero(weights > 0).squeeze(1)

    unit, _ = centred_unit_rows(features, active)
    blocked = unit_rows_in_blocks(features, active, 13)
    torch.testing.assert_close(blocked, unit)
    onehot = torch.nn.functional.one_hot(given, 4).float()
    torch.testing.assert_close(
        LeaveOneOutRidge(in_blocks=True).predict_out_of_sample(unit, onehot, weights),
        leave_one_out_scores(unit, onehot, weights),
        atol=1e-4,
        rtol=1e-4,
    )


def test_a_large_table_is_never_copied_whole(cls, blobs, tmp_path, monkeypatch):
    X, _, noisy = blobs
    X = X.astype(np.float32)
    in_memory = fit(cls, X, noisy)
    asked = []
    apply = _preprocessing.ColumnStandardizer.apply

    def counting(self, rows):
        asked.append(len(rows))
        return apply(self, rows)

    monkeypatch.setattr(_preprocessing.ColumnStandardizer, "apply", counting)
    monkeypatch.setattr(_preprocessing, "free_bytes", lambda device: 4 * X.size / 0.4 - 1)
    monkeypatch.setattr("nllearn.training._sources._MOST_ROWS_PER_PASS", 32)
    monkeypatch.setattr(blocks, "_BLOCK", 50)
    monkeypatch.setattr(_preprocessing, "_MOST_IN_ONE_PASS", 0)
    streamed = fit(cls, memmap_of(X, tmp_path / "X"), noisy)
    # Two rows try the network, batches hold up to 24 rows and their neighbours.
    assert max(asked) <= 48
    # The labels are those of a table in memory: streaming changes no computation.
    assert (streamed.corrected_labels_ == in_memory.corrected_labels_).mean() >= 0.98
    assert streamed.noise_rate_ == pytest.approx(in_memory.noise_rate_, abs=0.05)
    assert (streamed.predict(X) == in_memory.predict(X)).mean() >= 0.95
    np.testing.assert_allclose(streamed._input._scale.mean, in_memory._input._scale.mean)
    np.testing.assert_allclose(streamed._input._scale.scale, in_memory._input._scale.scale)


def test_the_table_is_copied_when_it_fits(monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 3))
    needed = 4 * X.size / 0.4
    for free, kind in ((needed - 1, ArraySource), (needed + 1, TensorSource)):
        monkeypatch.setattr(_preprocessing, "free_bytes", lambda device, free=free: free)
        table = _preprocessing.TableInput(X, np.ones(40, dtype=bool))
        assert type(table.source(X, CPU)) is kind


def test_free_memory_does_not_change_what_is_computed(cls, blobs, monkeypatch):
    X, _, noisy = blobs
    found = []
    for free in (1e12, 4 * X.size / 0.4 - 1):
        monkeypatch.setattr(_preprocessing, "free_bytes", lambda device, free=free: free)
        found.append(fit(cls, X, noisy))
    np.testing.assert_array_equal(found[0].label_distributions_, found[1].label_distributions_)


def test_a_table_is_used_beside_the_features_up_to_a_size(cls, blobs, monkeypatch, tmp_path):
    X, _, noisy = blobs
    params = {"max_epochs": 6, "random_state": 0}
    small = cls(**params).fit(X, noisy)
    monkeypatch.setattr(_preprocessing, "_MOST_INPUT", X.size - 1)
    large = cls(**params, checkpoint_dir=tmp_path).fit(X, noisy)
    assert not np.array_equal(small.label_distributions_, large.label_distributions_)
    # It is part of what a checkpoint must agree with.
    monkeypatch.setattr(_preprocessing, "_MOST_INPUT", X.size)
    with pytest.raises(ValueError, match="label model is not the same"):
        cls(**params, checkpoint_dir=tmp_path).fit(X, noisy)


def test_columns_too_wide_for_float64_are_refused_in_chunks_too(monkeypatch):
    monkeypatch.setattr(_preprocessing, "_MOST_IN_ONE_PASS", 0)
    X = np.array([[1e200, 1.0], [-1e200, 2.0]])
    with pytest.raises(ValueError, match="column 0 of X has values too large"):
        _preprocessing.TableInput(X, np.ones(2, dtype=bool))


def test_rows_of_an_array_are_those_of_a_tensor():
    X = np.random.default_rng(0).normal(size=(23, 3))
    scale = _preprocessing.ColumnStandardizer(X, np.ones(23, dtype=bool))
    streamed, held = ArraySource(X, CPU, scale.apply), TensorSource(scale.apply(X))
    rows = torch.tensor([5, 5, 0, 22])
    assert len(streamed) == len(held)
    assert torch.equal(streamed.take(rows), held.take(rows))
    for one, other in zip(streamed.passes(), held.passes(), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(streamed.batches([rows]), held.batches([rows]), strict=True):
        assert torch.equal(one, other)


def test_prediction_of_a_memmap_is_that_of_an_array(fitted, blobs, tmp_path):
    X = blobs[0]
    mapped = memmap_of(X, tmp_path / "X")
    assert np.array_equal(fitted.predict_proba(mapped), fitted.predict_proba(X))

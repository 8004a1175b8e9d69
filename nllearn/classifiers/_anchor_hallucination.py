"""Anchor Hallucination: hard rows take the label of synthetic anchors around them."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch.nn import functional as F

from nllearn._torch_state import on_cpu, to_device
from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._components import STATE_METHODS, check_anchors, resolve_component
from nllearn.classifiers._fit_loop import FitLoop
from nllearn.classifiers._parameters import neighbor_builders, selector_builders
from nllearn.classifiers._shared_docs import with_shared_docs
from nllearn.functional.hallucination import anchor_validity
from nllearn.functional.losses import ramp_up, soft_cross_entropy, squared_error
from nllearn.functional.mixup import beta_weights, mixup
from nllearn.functional.relabelling import (
    accept_votes,
    refine_targets,
    sharpen,
    vote_assigned_anchors,
)
from nllearn.functional.similarity import centred_unit_rows, cosine_topk, unit_rows
from nllearn.hallucinators import Anchors, InterpolationHallucinator, LearnedHallucinator
from nllearn.networks import check_head, find_head
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, NoisyLabelNet

__all__ = ["AnchorHallucinationClassifier"]

# A vote counts when at least two anchors spoke and 60 % of them agree.
_MIN_VOTES, _MIN_SHARE = 2, 0.6
# Share of the fit over which the unlabelled loss fades in after the warm-up.
_RAMP_SHARE = 0.1


@with_shared_docs
class AnchorHallucinationClassifier(BaseNoisyLabelClassifier):
    r"""Classifier that relabels hard rows by anchors between the classes.

    After a warm-up, rows of small loss are easy, the same number in every class. A
    hallucinator makes anchors from pairs of easy rows of two classes, each with the
    label of its first parent. Each anchor votes on the hard row most similar to it,
    and a hard row takes the label that its anchors agree on. Easy and corrected rows
    are the labelled data of MixMatch, the other hard rows its unlabelled data.
    Selection, hallucinator and classifier are updated in turns. In the last part of
    the fit the network learns from the label posterior that becomes
    ``label_distributions_``.

    Parameters
    ----------
    easy_fraction : float, default=0.6
        P in (0, 1]: share of the rows that is easy, in equal parts per class.
    lambda_p : float, default=0.75
        In [0.5, 1]: how much nearer an anchor is to the row whose label it has.
    n_anchors : int, default=1
        Anchors per easy row.
    lambda_conf : float or None, default=None
        The paper's threshold on the cosine between an anchor and its nearest hard
        row, in [-1, 1]. None uses `anchor_quantile`.
    anchor_quantile : float, default=0.5
        Share of the anchors dropped as too far from any hard row, in [0, 1).
    n_votes : int, default=5
        K, anchors that vote on each hard row; 0 relabels none.
    lambda_u : float, default=1.0
        Weight of the unlabelled loss.
    temperature : float, default=0.5
        Sharpening of the targets; 1 leaves them.
    mixup_alpha : float, default=4.0
        Concentration of the mixup weights; 0 switches mixup off.
    {training parameters}
    selector : {"balanced", "threshold", "purity"}, selector or None, default=None
        Chooses the easy rows. None takes "balanced".
    hallucinator : {"learned", "interpolation"}, hallucinator or None, default=None
        Makes the anchors. None takes "learned", the two-layer network.
    neighbors : {"auto", "exact", "descent"}, search or None, default=None
        Neighbour search with scikit-learn's ``fit`` and ``kneighbors``, for the
        label quality. None is "auto": exact, approximate for many rows.
    {input and run parameters}

    Attributes
    ----------
    {fitted attributes}
    hallucinator_ : hallucinator
        The fitted hallucinator.
    {components and settings}

    References
    ----------
    Huang, Lin, Hsu, Chang, Chen, "Learning with Instance-Dependent Noisy Labels by
    Anchor Hallucination and Hard Sample Label Correction", ICIP 2024;
    arXiv 2407.07331.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import AnchorHallucinationClassifier
    >>> from nllearn.datasets import make_symmetric_noise
    >>> X, y = load_iris(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    >>> clf = AnchorHallucinationClassifier(random_state=0).fit(X, y_noisy)
    >>> bool(clf.score(X, y) > 0.85)
    True
    >>> bool((clf.corrected_labels_ == y).mean() > (y_noisy == y).mean())
    True
    """

    def __init__(
        self,
        *,
        easy_fraction: float = 0.6,
        lambda_p: float = 0.75,
        n_anchors: int = 1,
        lambda_conf: float | None = None,
        anchor_quantile: float = 0.5,
        n_votes: int = 5,
        lambda_u: float = 1.0,
        temperature: float = 0.5,
        mixup_alpha: float = 4.0,
        max_epochs: int | None = None,
        warmup_epochs: int | float | None = None,
        refresh_every: int | None = None,
        posterior_share: float = 0.6,
        boundary_noise: bool | str = "auto",
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float = 0.01,
        optimizer: Any = None,
        augmentation: Any = None,
        class_weight: Any = None,
        backbone: Any = None,
        selector: Any = None,
        hallucinator: Any = None,
        neighbors: Any = None,
        image_layout: str = "auto",
        decode_size: Any = None,
        on_bad_image: str = "raise",
        device: str = "auto",
        checkpoint_dir: Any = None,
        callbacks: Any = None,
        net_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
        verbose: int | None = None,
        random_state: Any = None,
    ):
        self.easy_fraction = easy_fraction
        self.lambda_p = lambda_p
        self.n_anchors = n_anchors
        self.lambda_conf = lambda_conf
        self.anchor_quantile = anchor_quantile
        self.n_votes = n_votes
        self.lambda_u = lambda_u
        self.temperature = temperature
        self.mixup_alpha = mixup_alpha
        self.max_epochs = max_epochs
        self.warmup_epochs = warmup_epochs
        self.refresh_every = refresh_every
        self.posterior_share = posterior_share
        self.boundary_noise = boundary_noise
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.backbone = backbone
        self.selector = selector
        self.hallucinator = hallucinator
        self.neighbors = neighbors
        self.image_layout = image_layout
        self.decode_size = decode_size
        self.on_bad_image = on_bad_image
        self.device = device
        self.checkpoint_dir = checkpoint_dir
        self.callbacks = callbacks
        self.net_params = net_params
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def _constraints(self) -> dict[str, list[Any]]:
        return {
            "easy_fraction": [Interval(Real, 0, 1, closed="right")],
            "lambda_p": [Interval(Real, 0.5, 1, closed="both")],
            "n_anchors": [Interval(Integral, 1, None, closed="left")],
            "lambda_conf": [Interval(Real, -1, 1, closed="both"), None],
            "anchor_quantile": [Interval(Real, 0, 1, closed="left")],
            "n_votes": [Interval(Integral, 0, None, closed="left")],
            "lambda_u": [Interval(Real, 0, None, closed="left")],
            "temperature": [Interval(Real, 0, None, closed="neither")],
            "mixup_alpha": [Interval(Real, 0, None, closed="left")],
            "hallucinator": [object, None],
        }

    def _build_components(self, loop: FitLoop) -> None:
        check_head(self.net_.module, loop.sample)
        self.selector_ = resolve_component(
            self,
            "selector",
            selector_builders(self.easy_fraction),
            "balanced",
            ("easy_fraction",),
            ("select",),
        )
        n_features = loop.n_features(self.net_.module)
        builders = neighbor_builders(len(loop.active), n_features, loop.device, loop.seed)
        search = ("fit", "kneighbors")
        self.neighbors_ = resolve_component(self, "neighbors", builders, "auto", (), search)
        methods: tuple[str, ...] = ("partial_fit", "hallucinate")
        if self.checkpoint_dir is not None:
            methods += STATE_METHODS
        self.hallucinator_ = resolve_component(
            self,
            "hallucinator",
            {
                "learned": lambda: LearnedHallucinator(self.lambda_p, self.n_anchors),
                "interpolation": lambda: InterpolationHallucinator(self.lambda_p, self.n_anchors),
            },
            "learned",
            ("lambda_p", "n_anchors"),
            methods,
        )

    def _correct(
        self, bank: FeatureBank, selection: Selection, loop: FitLoop
    ) -> dict[str, torch.Tensor]:
        """Relabel hard rows by the vote of the anchors around them."""
        sample_state, device = loop.sample_state, bank.logits.device
        clean_proba = torch.from_numpy(selection.clean_proba).to(device)
        training = torch.zeros_like(sample_state.trusted)
        training[loop.active] = True
        easy = training & (torch.from_numpy(selection.easy).to(device) | sample_state.trusted)
        easy_rows = torch.nonzero(easy).squeeze(1)
        hard_rows = torch.nonzero(training & ~easy).squeeze(1)

        targets = F.one_hot(sample_state.given, loop.n_classes).float()
        # Of an unlabelled row's label nothing is kept.
        labelled, confidence = easy.clone(), clean_proba * easy
        if len(hard_rows) and self.n_votes:
            unit, mean = centred_unit_rows(bank.features, loop.active)
            anchors = self._make_anchors(bank.features - mean, mean, easy_rows, loop)
            with loop.stage("anchors"):
                votes = self._vote(unit, easy_rows, hard_rows, anchors, loop)
            labels, share, accepted = accept_votes(
                votes, min_votes=min(_MIN_VOTES, self.n_votes), min_share=_MIN_SHARE
            )
            loop.notes["share_votes_accepted"] = float(accepted.float().mean())
            rows = hard_rows[accepted]
            targets[rows] = F.one_hot(labels[accepted], loop.n_classes).float()
            labelled[rows] = True
            confidence[rows] = self._confidence_in_vote(clean_proba[rows], share[accepted])
        return {
            "targets": targets,
            "clean_proba": clean_proba,
            "confidence": confidence,
            "easy": easy,
            "labelled": labelled,
        }

    def _make_anchors(
        self,
        centred: torch.Tensor,
        mean: torch.Tensor,
        easy_rows: torch.Tensor,
        loop: FitLoop,
    ) -> Anchors:
        """One phase of the hallucinator on the easy rows, then their anchors."""
        features, labels = centred[easy_rows], loop.sample_state.given[easy_rows]
        generator, head = loop.generator(3), find_head(self.net_.scoring_module)
        if features.device.type == "cpu":
            # Features that did not fit on the GPU.
            head = on_cpu(head)
        with loop.stage("hallucinator"):
            self.hallucinator_.partial_fit(
                features, labels, head=lambda s: head(s + mean), generator=generator
            )
            anchors = self.hallucinator_.hallucinate(features, labels, generator=generator)
        return check_anchors(self.hallucinator_, anchors, features)

    def _vote(
        self,
        unit: torch.Tensor,
        easy_rows: torch.Tensor,
        hard_rows: torch.Tensor,
        anchors: Anchors,
        loop: FitLoop,
    ) -> torch.Tensor:
        """Votes of the valid anchors, each for the hard row that is most similar to it."""
        queries, hard = unit_rows(anchors.features), unit[hard_rows]
        if loop.group is None:
            similarity, nearest = cosine_topk(queries, hard, 1)
        else:
            similarity, nearest = loop.group.by_rows(
                len(queries), lambda rows: cosine_topk(queries[rows], hard, 1)
            )
        similarity, nearest = similarity.squeeze(1), nearest.squeeze(1)
        valid = anchor_validity(
            similarity, lambda_conf=self.lambda_conf, quantile=self.anchor_quantile
        )
        loop.notes["share_valid_anchors"] = int(valid.sum()) / max(1, len(valid))
        return vote_assigned_anchors(
            similarity[valid],
            nearest[valid],
            anchors.labels[valid],
            len(hard_rows),
            loop.n_classes,
            self.n_votes,
            loop.sample_state.row_weight[easy_rows[anchors.parents[valid, 0]]],
        )

    def _confidence_in_vote(self, clean_proba: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """How much a corrected label keeps of itself when mixed with the prediction.

        The clean probability of a hard row is small by construction, so alone it
        would undo the correction.
        """
        return torch.maximum(clean_proba, share)

    def _batch_loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, loop: FitLoop
    ) -> torch.Tensor:
        """MixMatch on the batch: labelled rows by cross-entropy, the others by squared error."""
        sample_state, generator = loop.sample_state, loop.batch_stream
        both = seen = x
        if loop.view is not None and loop.weak is not None:
            # Two views of every row; without views they would be the same, and one is enough.
            rows = rows.repeat(2)
            both = seen = torch.cat([loop.weak(x, generator) for _ in range(2)])
            if loop.view is not loop.weak:
                seen = torch.cat([loop.view(x, generator) for _ in range(2)])
        labelled, weight, confidence = (
            values.index_select(0, rows)
            for values in (sample_state.labelled, sample_state.weight, sample_state.confidence)
        )
        with torch.no_grad():
            guess = net.teach(both).softmax(1)
            if len(rows) > len(x):
                guess = guess.view(2, len(x), -1).mean(0).repeat(2, 1)
            targets = sample_state.targets.index_select(0, rows)
            targets = refine_targets(targets, guess, confidence)
            targets = sharpen(targets, self.temperature)
        if self.mixup_alpha:
            lam = beta_weights(len(seen), self.mixup_alpha, generator=generator, device=x.device)
            partners = to_device(torch.randperm(len(seen), generator=generator), x.device)
            seen, targets = mixup(seen, targets, partners, lam)
        logits, _ = net.infer(seen)
        loss = soft_cross_entropy(logits, targets, weight * labelled)
        if self.lambda_u:
            ramp = ramp_up(
                loop.epoch,
                loop.schedule.warmup_epochs,
                round(_RAMP_SHARE * loop.schedule.max_epochs),
            )
            loss = loss + self.lambda_u * ramp * squared_error(logits, targets, weight * ~labelled)
        return loss

"""Anchor Hallucination: hard rows take the label of synthetic anchors around them."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch.nn import functional as F

from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._components import resolve_component
from nllearn.classifiers._parameters import selector_builders
from nllearn.classifiers._session import FitSession
from nllearn.functional.correction import (
    accept_votes,
    refine_targets,
    sharpen,
    vote_nearest_anchors,
)
from nllearn.functional.geometry import centred_unit_rows, cosine_topk, unit_rows
from nllearn.functional.hallucination import anchor_validity
from nllearn.functional.losses import ramp_up, soft_cross_entropy, squared_error
from nllearn.functional.mixing import beta_weights, mixup
from nllearn.hallucinators import Anchors, InterpolationHallucinator, LearnedHallucinator
from nllearn.networks import find_head
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, NoisyLabelNet

__all__ = ["AnchorHallucinationClassifier"]

# A vote counts when at least two anchors spoke and 60 % of them agree.
_MIN_VOTES, _MIN_SHARE = 2, 0.6
# Share of the fit over which the unlabelled loss fades in after the warm-up.
_RAMP_SHARE = 0.1


class AnchorHallucinationClassifier(BaseNoisyLabelClassifier):
    def __init__(
        self,
        *,
        easy_fraction: float = 0.6,
        lambda_p: float = 0.75,
        n_anchors: int = 4,
        lambda_conf: float | None = None,
        anchor_quantile: float = 0.5,
        n_votes: int = 5,
        lambda_u: float = 5.0,
        temperature: float = 0.5,
        mixup_alpha: float = 4.0,
        max_epochs: int | None = None,
        warmup_epochs: int | float = 0.1,
        refresh_every: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float = 0.01,
        optimizer: Any = None,
        augmentation: Any = "weak",
        class_weight: Any = None,
        backbone: Any = None,
        selector: Any = None,
        hallucinator: Any = None,
        device: str = "auto",
        callbacks: Any = None,
        net_params: dict[str, Any] | None = None,
        verbose: int = 0,
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
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.backbone = backbone
        self.selector = selector
        self.hallucinator = hallucinator
        self.device = device
        self.callbacks = callbacks
        self.net_params = net_params
        self.verbose = verbose
        self.random_state = random_state

    def _constraints(self) -> dict[str, list[Any]]:
        return {
            "easy_fraction": [Interval(Real, 0, 1, closed="right")],
            "lambda_p": [Interval(Real, 0.5, 1, closed="both")],
            "n_anchors": [Interval(Integral, 1, None, closed="left")],
            "lambda_conf": [Interval(Real, -1, 1, closed="both"), None],
            "anchor_quantile": [Interval(Real, 0, 1, closed="left")],
            "n_votes": [Interval(Integral, 1, None, closed="left")],
            "lambda_u": [Interval(Real, 0, None, closed="left")],
            "temperature": [Interval(Real, 0, None, closed="neither")],
            "mixup_alpha": [Interval(Real, 0, None, closed="left")],
            "hallucinator": [object, None],
        }

    def _build_components(self, session: FitSession) -> None:
        self.selector_ = resolve_component(
            self,
            "selector",
            selector_builders(self.easy_fraction),
            "balanced",
            ("easy_fraction",),
            "select",
        )
        self.hallucinator_ = resolve_component(
            self,
            "hallucinator",
            {
                "learned": lambda: LearnedHallucinator(self.lambda_p, self.n_anchors),
                "interpolation": lambda: InterpolationHallucinator(self.lambda_p, self.n_anchors),
            },
            "learned",
            ("lambda_p", "n_anchors"),
            "hallucinate",
        )

    def _correct(
        self, bank: FeatureBank, selection: Selection, session: FitSession
    ) -> dict[str, torch.Tensor]:
        """Relabel hard rows by the vote of the anchors around them."""
        ledger, device = session.ledger, bank.logits.device
        given, n_classes = ledger.given, session.n_classes
        clean_proba = torch.from_numpy(selection.clean_proba).to(device)
        easy = torch.from_numpy(selection.easy).to(device) | ledger.trusted
        training = torch.zeros_like(easy)
        training[session.active] = True
        easy &= training
        hard_rows = torch.nonzero(training & ~easy).squeeze(1)
        targets = F.one_hot(given, n_classes).float()
        labelled, confidence = easy.clone(), clean_proba.clone()

        votes = torch.zeros(len(hard_rows), n_classes, device=device)
        if len(hard_rows):
            votes = self._anchor_votes(self._net_head, bank, easy, hard_rows, session)
        labels, share, accepted = accept_votes(votes, min_votes=_MIN_VOTES, min_share=_MIN_SHARE)
        rows = hard_rows[accepted]
        targets[rows] = F.one_hot(labels[accepted], n_classes).float()
        labelled[rows] = True
        confidence[rows] = torch.maximum(clean_proba[rows], share[accepted])
        session.notes["share_votes_accepted"] = float(accepted.float().mean()) if len(votes) else 0.0
        return {
            "targets": targets,
            "clean_proba": clean_proba,
            "confidence": confidence,
            "easy": easy,
            "labelled": labelled,
        }

    def _anchor_votes(self, head, bank, easy, hard_rows, session):
        unit, mean = centred_unit_rows(bank.features)
        easy_rows = torch.nonzero(easy).squeeze(1)
        features, labels = bank.features[easy_rows] - mean, session.ledger.given[easy_rows]
        generator = session.generator(3)
        with session.stage("hallucinator"):
            self.hallucinator_.partial_fit(
                features, labels, head=lambda s: head(s + mean), generator=generator
            )
        with session.stage("anchors"):
            anchors = self.hallucinator_.hallucinate(features, labels, generator=generator)
            made = unit_rows(anchors.features)
            hard = unit[hard_rows]
            similarity, nearest = cosine_topk(made, hard, 1)
            valid = anchor_validity(
                similarity.squeeze(1), lambda_conf=self.lambda_conf, quantile=self.anchor_quantile
            )
            session.notes["share_valid_anchors"] = float(valid.float().mean()) if len(valid) else 0.0
            return vote_nearest_anchors(
                hard, made[valid], anchors.labels[valid], session.n_classes, self.n_votes
            )

    def _begin_epoch(self, net, epoch, session):
        self._net_head = find_head(net.scoring_module)
        super()._begin_epoch(net, epoch, session)
        del self._net_head

    def _batch_loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, session: FitSession
    ) -> torch.Tensor:
        """MixMatch on the batch: labelled rows by cross-entropy, the others by squared error."""
        ledger, generator = session.ledger, session.batch_stream
        if session.view is None:
            views = [x, x]
        else:
            views = [session.view(x, generator), session.view(x, generator)]
        both = torch.cat(views)
        with torch.no_grad():
            teacher = net.scoring_module
            was_training = teacher.training
            teacher.eval()
            guess = teacher(both)[0].softmax(1)
            teacher.train(was_training)
            guess = (guess[: len(x)] + guess[len(x) :]) / 2
            labelled = ledger.labelled[rows]
            refined = refine_targets(ledger.targets[rows], guess, ledger.confidence[rows])
            targets = torch.where(labelled.unsqueeze(1), refined, guess)
            targets = sharpen(targets, self.temperature).repeat(2, 1)
        weight = ledger.weight[rows].repeat(2)
        labelled = labelled.repeat(2)
        if self.mixup_alpha:
            lam = beta_weights(
                len(both), self.mixup_alpha, generator=generator, device=x.device
            )
            partners = torch.randperm(len(both), generator=generator).to(x.device)
            both, targets = mixup(both, targets, partners, lam)
        logits, _ = net.infer(both)
        loss = soft_cross_entropy(logits, targets, weight * labelled)
        if self.lambda_u:
            ramp = ramp_up(
                session.epoch,
                session.schedule.warmup_epochs,
                round(_RAMP_SHARE * session.schedule.max_epochs),
            )
            loss = loss + self.lambda_u * ramp * squared_error(logits, targets, weight * ~labelled)
        return loss

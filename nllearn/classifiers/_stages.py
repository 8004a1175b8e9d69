"""The stages of a fit in their order: what happens in an epoch, a refresh, and at the end."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

import numpy as np
import torch

from nllearn.classifiers._components import select_rows
from nllearn.classifiers._conclusion import Conclusion, conclude
from nllearn.classifiers._opinion import Opinion, form_opinion
from nllearn.classifiers._resume import LEDGER_STATE
from nllearn.classifiers._session import FitSession
from nllearn.exceptions import TrainingDivergedError
from nllearn.functional.losses import soft_cross_entropy
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, NoisyLabelNet, collect, stream

__all__ = ["FitStages"]


class FitStages(metaclass=ABCMeta):
    """What both methods do with a session, and the two steps that are their own.

    A method turns a feature bank into new targets in ``_correct`` and defines the loss of a
    batch after the warm-up in ``_batch_loss``. Everything that changes during a fit is in the
    session; the components are attributes.
    """

    selector_: Any
    neighbors_: Any

    def _begin_epoch(self, net: NoisyLabelNet, epoch: int, session: FitSession) -> None:
        """Before the batches of an epoch: renew what the method knows, when it is due."""
        session.begin_epoch(epoch)
        session.notes["phase"] = session.schedule.phase(epoch)
        if session.n_classes > 1 and session.schedule.is_refresh(epoch):
            self._refresh(net, session)
        session.write_notes(net)

    def _refresh(self, net: NoisyLabelNet, session: FitSession) -> None:
        """The data flow of both methods, one line per stage."""
        ledger = session.ledger
        with session.stage("collect"):
            bank = self._collect(net, session)
        with session.stage("select"):
            selection = self._select(bank, session)
        session.rows.companions = None
        if session.schedule.is_polish(session.epoch):
            update = self._polish(bank, selection, session)
        else:
            update = self._correct(bank, selection, session)
        ledger.update(epoch=session.epoch, **update)
        if session.team is not None:
            session.team.copy_main(getattr(ledger, name) for name in LEDGER_STATE)
            if session.rows.companions is not None:
                session.team.copy_main([session.rows.companions])
        self._note_shares(session)

    def _collect(self, net: NoisyLabelNet, session: FitSession) -> FeatureBank:
        """What the scoring module says of every row."""
        bank = collect(
            net.scoring_module,
            session.rows.source,
            session.ledger.given,
            amp=net.amp,
            team=session.team,
        )
        if not bool(torch.isfinite(bank.losses).all()):
            over = sum("train_loss" in row for row in net.history)
            raise TrainingDivergedError(
                f"training diverged in epoch {over}: the network's outputs are not finite; "
                f"lower lr={net.lr!r}"
            )
        return bank

    def _polish(
        self, bank: FeatureBank, selection: Selection, session: FitSession
    ) -> dict[str, torch.Tensor]:
        """Towards the end learn from what fit will conclude about the labels."""
        with session.stage("polish"):
            opinion = self._form_opinion(bank, session, session.generator(4))
        if opinion.outlook is not None:
            session.ledger.outlook = opinion.outlook.to(session.device)
        everything = torch.ones_like(session.ledger.trusted)
        return {
            "targets": opinion.distributions,
            "clean_proba": torch.from_numpy(selection.clean_proba).to(everything.device),
            "confidence": everything.float(),
            "easy": torch.from_numpy(selection.easy).to(everything.device),
            "labelled": everything,
        }

    def _form_opinion(
        self, bank: FeatureBank, session: FitSession, generator: torch.Generator
    ) -> Opinion:
        """What the witnesses think of every label."""
        return form_opinion(
            bank.features,
            session.ledger,
            session.active,
            self.neighbors_,
            session.input_rows,
            generator,
        )

    def _select(self, bank: FeatureBank, session: FitSession) -> Selection:
        """Easy rows and clean probability of every row."""
        ledger = session.ledger
        return select_rows(
            self.selector_, bank.losses, ledger.given, ledger.row_weight, session.active
        )

    def _note_shares(self, session: FitSession) -> None:
        """Shares of rows for the history."""
        ledger, active = session.ledger, session.active
        corrected = ledger.targets.argmax(1) != ledger.given
        for name, mask in (
            ("easy", ledger.easy),
            ("unlabelled", ~ledger.labelled),
            ("corrected", corrected & ledger.labelled),
        ):
            session.notes[f"share_{name}"] = float(mask[active].float().mean())

    def _loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, session: FitSession
    ) -> torch.Tensor:
        """Loss of a batch: the method's own between warm-up and polish, else cross-entropy."""
        if session.n_classes < 2 or not session.schedule.is_robust(session.epoch):
            ledger = session.ledger
            # Strong views in the warm-up blur the losses that tell clean rows from wrong ones.
            warmup = session.schedule.is_warmup(session.epoch)
            view = session.weak if warmup else session.view
            if view is not None:
                x = view(x, session.batch_stream)
            logits, _ = net.infer(x)
            return soft_cross_entropy(logits, ledger.targets[rows], ledger.weight[rows])
        return self._batch_loss(net, x, rows, session)

    @abstractmethod
    def _correct(
        self, bank: FeatureBank, selection: Selection, session: FitSession
    ) -> dict[str, torch.Tensor]:
        """From features and selection to what :meth:`Ledger.update` takes."""

    @abstractmethod
    def _batch_loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, session: FitSession
    ) -> torch.Tensor:
        """Loss of a batch after the warm-up."""

    def _conclude(self, bank: FeatureBank, session: FitSession) -> Conclusion:
        """From the fitted network and the book to what fit leaves."""
        selection = (
            self._select(bank, session)
            if session.n_classes > 1
            else Selection(np.ones(len(bank.losses), bool), np.ones(len(bank.losses), np.float32))
        )
        # Not of the current epoch: a run that is resumed at its end has had none.
        generator = stream(session.seed, session.schedule.max_epochs, 4)
        opinion = self._form_opinion(bank, session, generator)
        return conclude(bank, selection, session.ledger, opinion)

"""The documentation of the parameters and attributes that both classifiers share, once."""

from __future__ import annotations

import inspect
from textwrap import dedent
from typing import Any

__all__ = ["with_shared_docs"]

# Each stands where its name in braces does.
_SHARED = {
    "training parameters": """
    max_epochs : int or None, default=None
        Length of the fit. None aims at 3,000 gradient steps, between 30 and 200
        epochs.
    warmup_epochs : int, float or None, default=None
        Plain training on the given labels first: epochs as an int, share of
        ``max_epochs`` as a float in (0, 1). None takes 0.1, on images 0.3.
    refresh_every : int or None, default=None
        Epochs between two refreshes of losses, features and corrections. None
        makes about five of them.
    posterior_share : float, default=0.6
        Share of the epochs, the last ones, that learn from the label posterior instead of
        the method's own targets, in [0, 1); at least two epochs stay with the method. 0
        trains as the paper does, to the end: see :mod:`nllearn.presets`.
    boundary_noise : bool or "auto", default="auto"
        Whether wrong labels are taken to lie at the boundaries of the classes, as those that a
        classifier made do. There rows that are hard and rightly labelled look the same. "auto"
        decides by the trusted rows; without them it keeps these labels and counts the rows in
        `n_undecided_`.
    batch_size : int or None, default=None
        Rows per batch. None takes a tenth of the rows, between 16 and 256, at most 128
        images.
    lr : float or None, default=None
        Learning rate at the start of a schedule, by default a cosine. None takes 0.001 for AdamW
        and 0.02 for SGD, on images 0.002 and 0.05.
    weight_decay : float, default=0.01
        Weight decay of the optimiser.
    optimizer : {"adamw", "sgd"}, torch optimiser class or None, default=None
        None takes AdamW.
    augmentation : {"weak", "strong"}, callable or None, default=None
        Random views of the training rows, drawn per row. Tables: "weak" adds a tenth
        of each column's deviation as noise, "strong" also sets 30 % of the values to
        the mean. Images: "weak" crops and flips, "strong" also turns, shears, recolours
        and cuts out; None is "strong". Strong views are what the network learns from
        after the warm-up, targets come from weak ones. A callable gets
        ``(x, generator)`` with standardised rows and returns the view. Never applied
        when losses are scored or labels predicted.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, by given label.
    backbone : object with ``build``, nn.Module or None, default=None
        Network. None takes :class:`~nllearn.networks.MLPBackbone` for tables and, for
        images, :class:`~nllearn.networks.SmallBackbone` on a CPU and
        :class:`~nllearn.networks.ResNetBackbone` on a GPU. A module returns
        ``(logits, features)``, or logits alone; it is copied.
""",
    "input and run parameters": """
    image_layout : {"auto", "channels_last", "channels_first"}, default="auto"
        Which axis of an array of images holds the channels; "auto" needs exactly one
        of axis 1 and axis 3 to have size 1, 3 or 4.
    decode_size : int, (int, int) or None, default=None
        Side, or height and width, that image files are brought to. None needs files
        of one size.
    on_bad_image : {"raise", "skip"}, default="raise"
        What fit does about images that cannot be read: files, and items of a Dataset that
        raise an error or are no image of finite numbers. "raise" names all of them in one
        error. "skip" leaves them out: see `skipped_images_`. Prediction always raises.
    device : str, default="auto"
        "cpu", "cuda" or "cuda:1"; "auto" takes the GPU where there is one.
    checkpoint_dir : str, Path or None, default=None
        Folder for checkpoints. The same call resumes a run that was killed, on a CPU with
        the same result as one that was not; a checkpoint of other data or parameters is
        rejected. State of `callbacks` is not kept. Ctrl-C ends fit with KeyboardInterrupt,
        and the checkpoints stay for the next call.
    callbacks : list of skorch callbacks or None, default=None
        Passed on to the net. A callback that raises KeyboardInterrupt at the end of an epoch,
        as skorch's ``EarlyStopping(monitor="train_loss")`` does, ends the training there.
        There is no validation part that a callback could ask for.
    net_params : dict or None, default=None
        Further parameters of the skorch net, such as ``amp=True`` (bfloat16),
        ``ema_decay=0`` (no averaged weights) or ``lr_schedule``, a learning-rate schedule
        such as :class:`~nllearn.training.StepDecay`.
    n_jobs : int or None, default=None
        Threads of torch, and of decoding image files; -1 is one per CPU that the process may
        use. None takes torch's number, at most one per such CPU, and a single thread where
        the work is too small to gain from more. The caller's number for torch is restored.
    verbose : int or None, default=None
        1 shows one progress bar over the fit, 0 none. None shows it after ten seconds,
        in a terminal alone.
    random_state : int, RandomState or None, default=None
        Seed of everything random.
""",
    "fitted attributes": """
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of columns seen by fit; for images the size of axis 1.
    image_shape_ : tuple of int or None
        Shape of one image, None for tables.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names; only when X had them.
    n_iter_ : int
        Epochs run.
    label_distributions_ : float32 ndarray of shape (n_samples, n_classes)
        Probability of each class being the true one, given the row and its label.
    label_quality_ : float32 ndarray of shape (n_samples,) or (n_samples, n_annotators)
        Probability that the given label is right:
        ``label_distributions_[i, given_i]``; NaN where an annotator gave none.
    corrected_labels_ : ndarray of shape (n_samples,)
        Most probable true label; ties go to the given one.
    clean_proba_ : float32 ndarray of shape (n_samples,)
        Small-loss posterior of the given label, not calibrated.
    noise_rate_ : float
        Estimated share of wrong labels.
    transition_matrix_ : float64 ndarray of shape (n_classes, n_classes)
        Estimated probability of each given label (column) for each true one (row). Of several
        annotators what they have in common.
    annotators_, annotator_quality_, annotator_transition_matrices_ : ndarray
        Only with several annotators: names of the columns of y, or numbers from 0; probability
        that a label of each is right; ``T[a, i, j] = P(annotator a says j | true i)``.
    annotator_agreement_, annotator_dependence_ : ndarray
        Only with several annotators, of shape (n_annotators, n_annotators): share of the rows
        labelled by both on which two agree; share of the labels that one of two seems to have
        from the other.
    frame_library_ : {"polars", "pyarrow"} or None
        Library of the frames that `fit` got, in which tables are given back; None for pandas.
    has_signal_ : bool
        Whether the features tell anything about the labels. If not, no label is changed.
    n_undecided_ : int
        Rows near a class boundary whose most probable label depends on `boundary_noise`, and
        whose label was kept.
    history_ : list of dict
        One per epoch: phase, loss, learning rate, shares of rows, seconds per
        stage.
    skipped_images_ : dict of int to str
        With ``on_bad_image="skip"``, numbers of the rows whose image could not be read, and
        why. They have weight 0 and keep their label; their distribution is the mean of
        the rows with the same given label.
    net_ : NoisyLabelNet
        The fitted skorch net.
    backbone_ : object
        What built the network.
    selector_ : selector
        The fitted selector.
""",
    "components and settings": """
    neighbors_ : search
        The neighbour search.
    resolved_params_ : dict
        What every None became.
""",
}


def with_shared_docs(cls: Any) -> Any:
    """Put the shared entries into the docstring of a class.

    Parameters
    ----------
    cls : type
        Its docstring has lines such as ``{training parameters}``.

    Returns
    -------
    cls : type
        The same class.
    """
    if cls.__doc__ is not None:  # python -OO drops docstrings
        # From Python 3.13 on the compiler takes the indent of a docstring away.
        cls.__doc__ = inspect.cleandoc(cls.__doc__)
        for name, entries in _SHARED.items():
            cls.__doc__ = cls.__doc__.replace(f"{{{name}}}\n", dedent(entries).lstrip("\n"))
    return cls

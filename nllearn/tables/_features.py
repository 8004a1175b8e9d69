"""Turn planned columns into one dense float32 matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import Normalizer, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from nllearn.tables._balance import balance_blocks
from nllearn.tables._cells import as_numbers, is_gap
from nllearn.tables._column_roles import MAX_CATEGORIES, ColumnPlan
from nllearn.tables._dates import as_dates, looks_like_dates
from nllearn.tables._errors import TableError, column_list, option_for
from nllearn.tables._reading import Table

__all__ = ["TextVectors", "build_transformer", "feature_matrix", "prepare_columns"]

# The squares of a billion such numbers add up to less than the largest double.
_LARGEST = 1e145


class TextVectors(TransformerMixin, BaseEstimator):
    """Unit vectors of texts: TF-IDF of words and of letter groups, reduced by a truncated SVD.

    Letter groups carry endings, typing errors and scripts without blanks; words carry the rest.
    The SVD gets no more components than the texts allow, so a short table works too.

    Parameters
    ----------
    n_components : int, default=256
        Length of the vectors, at most a quarter of the rows.
    random_state : int, default=0
        Seed of the SVD.
    """

    def __init__(self, n_components: int = 256, random_state: int = 0) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit_transform(
        self, X: Sequence[str], y: object = None, **params: object
    ) -> NDArray[np.float32]:
        """Learn the vocabulary and return the vectors, shape (n_texts, n_components)."""
        texts = pd.Series(X, dtype=object)
        min_df = 2 if len(texts) >= 100 else 1
        options: dict[str, Any] = {
            "sublinear_tf": True,
            "min_df": min_df,
            "max_features": 50_000,
            "dtype": np.float32,
        }
        # analyzer="char_wb" keeps marks and emoji, so a vocabulary exists for every text.
        words = TfidfVectorizer(token_pattern=r"(?u)\S+", ngram_range=(1, 2), **options)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **options)
        try:
            counts = (union := make_union(words, letters)).fit_transform(texts)
        except ValueError:  # no word occurs twice
            counts = (union := make_union(letters.set_params(min_df=1))).fit_transform(texts)
        size = min(self.n_components, max(2, len(texts) // 4), counts.shape[1])
        self.pipeline_: Pipeline = make_pipeline(
            union, TruncatedSVD(size, random_state=self.random_state), Normalizer()
        )
        # The explained variance of equal texts is 0 / 0.
        with np.errstate(divide="ignore", invalid="ignore"):
            vectors = self.pipeline_[1:].fit_transform(counts)
        return np.asarray(vectors, dtype=np.float32)

    def fit(self, X: Sequence[str], y: object = None) -> TextVectors:
        """Learn the vocabulary and the components."""
        self.fit_transform(X)
        return self

    def transform(self, X: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of other texts."""
        check_is_fitted(self)
        vectors = self.pipeline_.transform(pd.Series(X, dtype=object))
        return np.asarray(vectors, dtype=np.float32)


def prepare_columns(frame: pd.DataFrame, plans: Sequence[ColumnPlan]) -> pd.DataFrame:
    """Give every used column the type that its transformer expects.

    Numbers become float64 with NaN for gaps, categories become text with NaN for gaps, text
    becomes str with an empty string for gaps.
    """
    prepared: dict[str, Any] = {}
    for plan in plans:
        if plan.name not in frame.columns:
            continue
        column = frame[plan.name]
        if plan.role == "number":
            is_date = plan.form is None and looks_like_dates(column)
            prepared[plan.name] = as_numbers(as_dates(column) if is_date else column, plan.form)[0]
        elif plan.role == "category":
            prepared[plan.name] = _category_texts(column)
        elif plan.role == "text":
            prepared[plan.name] = _objects("" if is_gap(v) else str(v) for v in column)
    return pd.DataFrame(prepared, index=frame.index)


def build_transformer(plans: Sequence[ColumnPlan], *, random_state: int = 0) -> ColumnTransformer:
    """Build the scikit-learn transformer for prepared columns.

    Parameters
    ----------
    plans : sequence of ColumnPlan
        From :func:`plan_columns`.
    random_state : int, default=0
        Seed of the text vectors.

    Returns
    -------
    ColumnTransformer
        Numbers: median imputation, a missing indicator where there are gaps, unit variance.
        Categories: one-hot, unknown values ignored, a gap as a category. Text: `TextVectors`.
    """

    def named(role: str) -> list[str]:
        return [plan.name for plan in plans if plan.role == role]

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=MAX_CATEGORIES,
        sparse_output=False,
        dtype=np.float32,
    )
    texts = [
        (f"text {i}", TextVectors(random_state=random_state), name)
        for i, name in enumerate(named("text"))
    ]
    return ColumnTransformer(
        [
            ("numbers", numbers, named("number")),
            ("categories", categories, named("category")),
            *texts,
        ],
        sparse_threshold=0.0,
    )


def feature_matrix(
    table: Table,
    plans: Sequence[ColumnPlan],
    *,
    embeddings: NDArray[np.float32] | None = None,
    random_state: int = 0,
) -> NDArray[Any]:
    """Compute what is learned from.

    Text, arrays and embeddings are balanced against the other columns, see
    :func:`balance_blocks`. Numbers and categories alone have unit variance and one-hot columns.

    Parameters
    ----------
    table : Table
        The table.
    plans : sequence of ColumnPlan
        From :func:`plan_columns`.
    embeddings : ndarray of shape (n_rows, d), optional
        Vectors to append.
    random_state : int, default=0
        Seed of the text vectors.

    Returns
    -------
    ndarray of shape (n_rows, n_features), float32
        Or the images as they are, when they are all there is to learn from.

    Raises
    ------
    TableError
        If no column is left to learn from, or a value is not finite.
    """
    images = [table.blocks[plan.name] for plan in plans if plan.role == "images"]
    if images and embeddings is None:
        return images[0]
    vectors: dict[str, NDArray[Any]] = {}
    plain: dict[str, NDArray[Any]] = {}
    columns = prepare_columns(table.frame, plans)
    if columns.shape[1]:
        _refuse_huge(columns)
        transformer = build_transformer(plans, random_state=random_state)
        joined = np.asarray(transformer.fit_transform(columns))
        for name, where in transformer.output_indices_.items():
            if where.stop > where.start:
                (vectors if name.startswith("text") else plain)[name] = joined[:, where]
    for plan in plans:
        if plan.role == "array":
            block = table.blocks.get(plan.name)
            if block is None:
                block = np.stack([np.asarray(v) for v in table.frame[plan.name]])
            vectors[f"array {plan.name}"] = _finite(block, f"array {plan.name!r}")
    if embeddings is not None:
        vectors["embeddings"] = _finite(embeddings, "--embeddings")
    parts = [*plain.values(), *vectors.values()]
    if not parts:
        left = [plan.name for plan in plans if not plan.used and plan.role != "label"]
        raise TableError(
            f"no column is left to learn from: {column_list(left) if left else 'the label'} "
            f"{'are' if len(left) > 1 else 'is'} all there is. Name one with --text, --numeric or "
            "--categorical, or add --embeddings FILE.npy"
        )
    if vectors and len(parts) > 1:
        with np.errstate(over="ignore", invalid="ignore"):
            # Values so large that their squares overflow stay as they are, and are refused below.
            parts = balance_blocks(vectors, plain)
    with np.errstate(over="ignore"):
        matrix = np.hstack([part.astype(np.float32, copy=False) for part in parts])
    return _finite(matrix, "the table")


def _refuse_huge(columns: pd.DataFrame) -> None:
    """Refuse numbers whose squares overflow: a scaler would turn their column into zeros."""
    for name in columns.columns:
        if columns[name].dtype.kind != "f":
            continue
        numbers = columns[name].to_numpy()
        bad = np.flatnonzero(np.abs(numbers) > _LARGEST)
        if len(bad):
            raise TableError(
                f"column {name!r} holds {numbers[bad[0]]:g} in row {bad[0]}, too large to be "
                f"scaled (the largest number is {_LARGEST:g}); correct it, or use "
                f"{option_for('--drop', name)}"
            )


def _finite(array: NDArray[Any], what: str) -> NDArray[Any]:
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise TableError(
            f"{what}: {int(bad.sum())} of {len(array)} rows hold NaN, infinite or huge values "
            f"(first: row {int(bad.argmax())}); fill or remove them"
        )
    return array


def _category_texts(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Write categories as text, so that 1, 1.0 and a later table's 1 are the same category."""

    def spell(value: Any) -> Any:
        if is_gap(value):
            return np.nan
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value)

    return _objects(spell(value) for value in column)


def _objects(values: Any) -> NDArray[np.object_]:
    items = list(values)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array

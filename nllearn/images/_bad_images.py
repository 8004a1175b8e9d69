"""What is wrong with some of many images, told in one error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

__all__ = ["BadImages"]

# Bad images that an error names.
_MOST_TOLD = 20


@dataclass
class BadImages:
    """What is wrong with some images: files, or items of a Dataset.

    Attributes
    ----------
    problems : dict of int to str
        Problem of those that cannot be read, by row.
    sizes : dict of int to str
        Name and size of those that differ in size from the first, by row.
    first : str
        Name and size of the first that can be read.
    how_to_resize : str
        What can be done about sizes that differ.
    cause : Exception or None
        The first error of code that is not ours.
    """

    problems: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, str] = field(default_factory=dict)
    first: str = ""
    how_to_resize: str = "Set decode_size to bring all to one size, for example decode_size=224"
    cause: Exception | None = None

    def joined(self, other: BadImages) -> BadImages:
        """What is wrong with these and other images; texts are those of these."""
        return replace(
            self,
            problems=self.problems | other.problems,
            sizes=self.sizes | other.sizes,
            cause=self.cause or other.cause,
        )

    def fail(self, row: int, problem: str, cause: Exception) -> None:
        """Note an image that an error of foreign code kept from being read."""
        self.problems[row] = problem
        self.cause = self.cause or cause

    def raise_all(self, n: int, hint: str = "") -> None:
        """Name all of them in one error, the first 20 by name.

        Parameters
        ----------
        n : int
            Number of all images.
        hint : str
            What can be done about images that cannot be read.

        Raises
        ------
        ValueError
            If there are any.
        """
        if self.problems or self.sizes:
            raise self.as_error(n, hint) from self.cause

    def as_error(self, n: int, hint: str = "") -> ValueError:
        """The error that :meth:`raise_all` raises; there must be something to tell."""
        if len(self.problems) == 1:
            return ValueError("".join(self.problems.values()) + hint)
        if self.problems:
            return ValueError(
                f"{len(self.problems)} of {n} images cannot be read: "
                f"{_first_of(self.problems)}{hint}"
            )
        return ValueError(
            f"the images differ in size (height x width): {self.first}, "
            f"{_first_of(self.sizes)}. {self.how_to_resize}"
        )


def _first_of(told: dict[int, str]) -> str:
    rows = sorted(told)
    more = f"; and {len(rows) - _MOST_TOLD} more" if len(rows) > _MOST_TOLD else ""
    return "; ".join(told[row] for row in rows[:_MOST_TOLD]) + more

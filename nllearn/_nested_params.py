"""Parameters of a parameter, as ``component__name``."""

from __future__ import annotations

from typing import Any

__all__ = ["NestedParamsMixin"]


class NestedParamsMixin:
    """``set_params`` that says what to do where a component is None or a name."""

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those of a component as ``component__name``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For an unknown name, or a nested one of a component that is no instance.
        """
        for key in params:
            name, nested, inner = key.partition("__")
            value = params.get(name, getattr(self, name, None))
            if nested and hasattr(self, name) and not hasattr(value, "get_params"):
                raise ValueError(
                    f"{key} cannot be set because {name}={value!r} is no instance with "
                    f"parameters; pass an instance as {name}, then set {name}__{inner}"
                )
        return super().set_params(**params)  # type: ignore[misc]

"""Every public object has a numpydoc docstring that tells the truth about its signature."""

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import pkgutil
import textwrap

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

# Where users import from. A package's submodules are read where the flag says so.
PUBLIC_MODULES = {
    "nllearn": False,
    "nllearn.audit": False,
    "nllearn.classifiers": False,
    "nllearn.cleaning": False,
    "nllearn.datasets": False,
    "nllearn.functional": True,
    "nllearn.hallucinators": False,
    "nllearn.metrics": False,
    "nllearn.model_selection": False,
    "nllearn.neighbors": False,
    "nllearn.networks": False,
    "nllearn.persistence": False,
    "nllearn.predictors": False,
    "nllearn.selectors": False,
}
FUNCTIONS_WITH_EXAMPLES = ("nllearn.datasets", "nllearn.metrics")

# numpydoc's own findings that count here; order and names of parameters are checked below.
NUMPYDOC_CODES = {
    "GL06",  # unknown section
    "GL07",  # sections in the wrong order
    "GL08",  # no docstring
    "SS01",  # no summary
    "SS03",  # the summary does not end with a period
    "PR04",  # a parameter without a type
    "PR07",  # a parameter without a description
    "RT01",  # something is returned and there is no Returns section
}
# The formulas: the text defines every symbol, so that a type with its shape is enough.
TYPE_ALONE_IS_ENOUGH = "nllearn.functional"


def exists(name):
    """Tell whether a module of the package is there (a folder without __init__.py is not)."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def module_names():
    names = []
    for name, with_submodules in PUBLIC_MODULES.items():
        if not exists(name):
            continue
        names.append(name)
        if with_submodules:
            folder = importlib.util.find_spec(name).submodule_search_locations
            names += [
                f"{name}.{info.name}"
                for info in pkgutil.iter_modules(folder)
                if not info.name.startswith("_")
            ]
    return names


def public_names(module):
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
        ]
    return sorted(name for name in names if not name.startswith("_"))


def path_of(value):
    return f"{value.__module__}.{value.__qualname__}"


def is_ours(value):
    return value.__module__.split(".")[0] == "nllearn"


def collect():
    """Return {path: object} of the classes and functions, and {module: error}."""
    objects, errors = {}, {}
    for name in module_names():
        try:
            module = importlib.import_module(name)
            members = [getattr(module, member) for member in public_names(module)]
        except Exception as error:  # told by test_module_imports
            errors[name] = error
            continue
        for value in members:
            if (inspect.isclass(value) or inspect.isfunction(value)) and is_ours(value):
                objects[path_of(value)] = value
    return dict(sorted(objects.items())), errors


def own_bases(cls):
    return [base for base in cls.__mro__ if is_ours(base)]


def methods_of(cls):
    """Yield (path, function) of the public methods that a class of this package defines."""
    for base in own_bases(cls):
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            if isinstance(value, (classmethod, staticmethod)):
                value = value.__func__
            elif isinstance(value, property):
                value = value.fget
            value = getattr(value, "fn", value)  # sklearn's available_if
            if inspect.isfunction(value) and value.__module__ == base.__module__:
                yield path_of(value), value


OBJECTS, IMPORT_ERRORS = collect()
CLASSES = {path: value for path, value in OBJECTS.items() if inspect.isclass(value)}
FUNCTIONS = {path: value for path, value in OBJECTS.items() if inspect.isfunction(value)}
METHODS = dict(sorted({pair for cls in CLASSES.values() for pair in methods_of(cls)}))


def is_record(cls):
    """Tell whether a class is a dataclass or a named tuple: its fields are its parameters."""
    return dataclasses.is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))


def is_abstract(cls):
    return inspect.isabstract(cls) or cls.__name__.startswith("Base")


def is_property(path):
    owner = CLASSES.get(path.rpartition(".")[0])
    return owner is not None and isinstance(vars(owner).get(path.rpartition(".")[2]), property)


def params(cases):
    return [pytest.param(path, value, id=path) for path, value in cases.items()]


def documented(doc, section):
    """Return the names in a section; `x, y : array` counts as two."""
    return [name.strip() for entry in doc[section] for name in entry.name.split(",")]


def signature_names(function):
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        marks.get(parameter.kind, "") + name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "cls")
    ]


def assert_parameters(path, expected, doc):
    found = documented(doc, "Parameters") + documented(doc, "Other Parameters")
    expected = [name.lstrip("*") for name in expected]
    found = [name.lstrip("\\").replace("\\*", "").lstrip("*") for name in found]
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    assert not missing, f"{path}: parameters that the docstring leaves out: {missing}"
    assert not unknown, f"{path}: the docstring names what is no parameter: {unknown}"
    assert found == expected, (
        f"{path}: the docstring's order {found} is not the signature's {expected}"
    )


def assert_numpydoc(path):
    codes = NUMPYDOC_CODES
    if path.startswith(TYPE_ALONE_IS_ENOUGH):
        codes = codes - {"PR07"}
    problems = [f"{code} {message}" for code, message in validate(path)["errors"] if code in codes]
    assert not problems, f"{path}:\n  " + "\n  ".join(problems)


@pytest.mark.parametrize("name", module_names())
def test_module_imports(name):
    """A module that cannot be imported is told here, once, with its error."""
    if name in IMPORT_ERRORS:
        raise IMPORT_ERRORS[name]
    assert importlib.import_module(name).__doc__, f"{name} has no module docstring"


@pytest.mark.parametrize(("path", "cls"), params(CLASSES))
def test_class(path, cls):
    assert cls.__doc__, f"{path} has no docstring of its own"
    if issubclass(cls, BaseException):
        return
    doc = ClassDoc(cls, config={"show_class_members": False})
    if is_record(cls):
        fields = signature_names(cls)
        section = "Attributes" if doc["Attributes"] else "Parameters"
        found = documented(doc, section)
        assert found == fields, f"{path}: {section} {found} are not the fields {fields}"
        return
    assert_numpydoc(path)
    if not is_abstract(cls):
        assert_parameters(path, signature_names(cls), doc)
        assert doc["Examples"], f"{path} has no Examples section"


@pytest.mark.parametrize(("path", "function"), params(FUNCTIONS))
def test_function(path, function):
    assert_numpydoc(path)
    doc = FunctionDoc(function)
    assert_parameters(path, signature_names(function), doc)
    if path.startswith(FUNCTIONS_WITH_EXAMPLES):
        assert doc["Examples"], f"{path} has no Examples section"


@pytest.mark.parametrize(("path", "method"), params(METHODS))
def test_method(path, method):
    if is_property(path):
        assert inspect.getdoc(method), f"{path} has no docstring"
        return
    doc = FunctionDoc(method)
    assert doc["Summary"], f"{path} has no docstring"
    own = bool(method.__doc__)  # else it is the base class's, which is checked there
    if own:
        assert_numpydoc(path)
    assert_parameters(path, signature_names(method), doc)


def assigned_attributes(cls):
    """Return the names `name_` that the methods of a class set on self."""
    names = set()
    for base in own_bases(cls):
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        }
    return {name for name in names if name.endswith("_") and not name.startswith("_")}


ESTIMATORS = {
    path: cls
    for path, cls in CLASSES.items()
    if issubclass(cls, BaseEstimator) and not is_abstract(cls)
}


@pytest.mark.parametrize(("path", "cls"), params(ESTIMATORS))
def test_attributes_that_are_set_are_documented(path, cls):
    doc = ClassDoc(cls, config={"show_class_members": False})
    missing = assigned_attributes(cls) - set(documented(doc, "Attributes"))
    assert not missing, f"{path}: Attributes leaves out {sorted(missing)}"


CLASSIFIERS = {
    path: cls
    for path, cls in ESTIMATORS.items()
    if getattr(importlib.import_module("nllearn"), "__all__", None)
    and cls.__name__ in importlib.import_module("nllearn").__all__
}


@pytest.mark.parametrize(("path", "cls"), params(CLASSIFIERS))
def test_attributes_after_fit(path, cls):
    """What `fit` leaves equals the section Attributes.

    An attribute that is not always there says so: its description has the word "only".
    """
    settings = {"max_epochs": 3, "random_state": 0, "estimator": LogisticRegression()}
    estimator = cls(**{k: v for k, v in settings.items() if k in signature_names(cls)})
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    X = rng.normal(size=(60, 4)) + 2 * y[:, None]
    estimator.fit(X, y)

    doc = ClassDoc(cls, config={"show_class_members": False})
    entries = {
        name.strip(): " ".join(entry.desc)
        for entry in doc["Attributes"]
        for name in entry.name.split(",")
    }
    left = {name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")}
    undocumented = sorted(left - entries.keys())
    assert not undocumented, f"{path}: Attributes leaves out {undocumented}"
    absent = [
        name
        for name, text in entries.items()
        if not hasattr(estimator, name) and "only" not in text.lower().split()
    ]
    assert not absent, (
        f"{path}: fit leaves no {absent}; if that depends on the input, "
        'say "Only ..." in the description'
    )

"""`workers` and `scheduler` are also names of other projects' packages; ours must be the ones imported."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

import pytest
from celery import Celery
from celery.app.utils import find_app

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("muniment", "workers", "scheduler")


@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_the_one_of_this_tree(name: str) -> None:
    """The imported package is the one in this tree."""
    module = importlib.import_module(name)

    assert module.__file__ is not None, f"{name} has no __init__.py"
    assert Path(module.__file__).resolve().parent == ROOT / name


@pytest.mark.parametrize("name", PACKAGES)
def test_no_other_distribution_brings_the_package(name: str) -> None:
    """Only Muniment among the installed distributions provides a package with this name."""
    assert set(importlib.metadata.packages_distributions().get(name, [])) <= {"muniment"}


@pytest.mark.parametrize("name", ["workers", "scheduler"])
def test_celery_finds_the_app_where_operators_look(name: str) -> None:
    """`celery -A workers` and `celery -A scheduler` find a Celery app, not a module named app."""
    assert isinstance(find_app(name), Celery)

"""What the plugin says about itself is light and true."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from gentk.host import DatasetSpec, resolve
from gentk_datasets.plugin import gentk_datasets

SPECS = {spec.name: spec for spec in gentk_datasets()}


def test_saying_what_there_is_imports_nothing_heavy() -> None:
    code = (
        "import sys, gentk_datasets.options; from gentk_datasets.plugin import gentk_datasets\n"
        "assert list(gentk_datasets())\n"
        "assert not {'torch', 'numpy', 'torchvision', 'sklearn', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_options_are_those_of_the_target(spec: DatasetSpec) -> None:
    """Every option is a parameter with the same default, and the other way round."""
    fields = resolve(str(spec.options)).model_fields
    parameters = dict(inspect.signature(resolve(spec.target)).parameters)
    assert parameters.pop("split").default == "train"
    assert set(fields) == set(parameters)
    for name, field in fields.items():
        assert field.description
        if not field.is_required():
            assert field.default == parameters[name].default
    assert spec.argument is None or spec.argument in fields

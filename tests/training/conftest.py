"""Trainings that are equal are traced once, but where a test puts something in the code's place."""

from collections.abc import Iterator

import pytest

_programs = {}
"""By what an engine makes them of; each a table by numbers of epochs."""
_is_shared = True


@pytest.fixture(scope="module", autouse=True)
def _engines_share_programs() -> Iterator[None]:
    from nndl_jax.training.custom import NOTHING
    from nndl_jax.training.engine import Engine

    original = Engine.__init__

    def init(self: Engine, group, splits, mesh, **given) -> None:
        original(self, group, splits, mesh, **given)
        if _is_shared and self._custom == NOTHING:
            key = (self._spec, self._graph, mesh, self._side_by_side)
            self._train = _programs.setdefault(key, self._train)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "__init__", init)
        yield


@pytest.fixture(autouse=True)
def _changed_code_is_traced(request: pytest.FixtureRequest) -> Iterator[None]:
    global _is_shared
    _is_shared = "monkeypatch" not in request.fixturenames
    yield
    _is_shared = True

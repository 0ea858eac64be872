"""The service against requests made up from its own description, sound ones and unsound ones."""

import pytest
from hypothesis import HealthCheck, given, settings

from serving.served_project import Served, listen

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
SOUND, UNSOUND = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
ROUTES = {
    "POST /v1/predict": (SOUND, UNSOUND),
    "POST /v1/recommend": (SOUND, UNSOUND),
    "GET /v1/models": (SOUND,),
    "GET /v1/tracks": (SOUND, UNSOUND),
    "GET /v1/map": (SOUND,),
    "GET /v1/audio": (SOUND, UNSOUND),
    "GET /healthz": (SOUND,),
}
TRIED = [pytest.param(*route.split(), mode, id=f"{route} {mode.value}") for route, m in ROUTES.items() for mode in m]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    project = Served(tmp_path_factory.mktemp("served"))
    project.catalog()
    with listen(project.app) as address:
        yield schemathesis.openapi.from_url(f"{address}openapi.json")


def test_every_route_is_tried(api):
    assert {f"{o.ok().method.upper()} {o.ok().path}" for o in api.get_all_operations()} == set(ROUTES)


@pytest.mark.parametrize(("method", "path", "mode"), TRIED)
def test_every_answer_is_one_that_the_description_names(api, method, path, mode):
    """No error of the server's own, and no code, header or form that the description lacks.

    That sound requests be accepted is not asked: no schema says which bytes are music and which ids are known.
    """

    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def ask(case):
        answer = case.call_and_validate(excluded_checks=[schemathesis.checks.positive_data_acceptance])
        assert answer.status_code < 500 or answer.status_code == 503

    ask()

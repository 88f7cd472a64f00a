"""Thousands of requests made from our own description of the API: none is answered with a 5xx."""

from collections import Counter

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CASES = 60  # of each path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the library, about itself
def test_requests_of_any_form_never_break_the_server(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/v1/completions", "/v1/chat/completions", "/v1/embeddings"}
    seen: Counter[int] = Counter()
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
        def ask(case: schemathesis.Case) -> None:
            answer = case.call(base_url=address, timeout=60)
            seen[answer.status_code] += 1
            assert answer.status_code < 500, answer.text

        ask()
    assert seen[200] > 0
    assert httpx.get(f"{address}/health").status_code == 200


@given(body=st.binary(max_size=300))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_of_any_kind_are_refused(client: httpx.Client, body: bytes) -> None:
    for path in ("/v1/completions", "/v1/chat/completions"):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500
        assert "error" in answer.json()

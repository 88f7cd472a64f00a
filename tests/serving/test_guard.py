"""Who may ask: not another site through a visitor's browser, nobody without the key, nobody with too much."""

import socket
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import httpx
import pytest

BODY = {"prompt": "A", "max_tokens": 2}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", ""])
def test_a_foreign_host_name_is_refused(client: httpx.Client, host: str) -> None:
    found = client.post("/v1/completions", json=BODY, headers={"Host": host})
    assert found.status_code == 403
    assert found.json()["error"]["code"] == "unknown_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]", "192.168.1.5"])
def test_addresses_and_our_own_name_are_served(client: httpx.Client, host: str) -> None:
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_a_page_of_another_site_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.post("/v1/completions", json=BODY, headers=headers).status_code == 403


def test_our_own_page_is_served_and_no_other_may_read(client: httpx.Client, address: str) -> None:
    found = client.post("/v1/completions", json=BODY, headers={"Origin": address, "Sec-Fetch-Site": "same-origin"})
    assert found.status_code == 200
    assert "access-control-allow-origin" not in found.headers
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(client: httpx.Client, kind: str) -> None:
    found = client.post("/v1/completions", content=b'{"prompt": "A"}', headers={"Content-Type": kind})
    assert found.status_code == 415


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", "Basic correct horse", "Bearer correct horsé"])
def test_without_the_key_nothing_is_answered(limited: httpx.Client, key: str) -> None:
    for path in ("/v1/models", "/metrics"):
        found = limited.get(path, headers={"Authorization": key.encode()})  # type: ignore[dict-item]
        assert found.status_code == 401
        assert found.headers["www-authenticate"] == "Bearer"
    assert limited.get("/health", headers={"Authorization": key.encode()}).status_code == 200  # type: ignore[dict-item]
    assert limited.get("/v1/models").status_code == 200


def test_a_large_body_is_refused_whether_it_says_so_or_not(limited: httpx.Client) -> None:
    large = b'{"prompt": "' + b"a" * 10_000 + b'"}'
    head = {"Content-Type": "application/json"}
    assert limited.post("/v1/completions", content=large, headers=head).status_code == 413
    pieces = (large[start : start + 1000] for start in range(0, len(large), 1000))
    assert limited.post("/v1/completions", content=pieces, headers=head).status_code == 413
    assert limited.get("/health").status_code == 200


def test_a_full_queue_says_when_to_come_back(limited: httpx.Client) -> None:
    """One seat and two places to wait: of many requests some are refused, and the others answered."""
    with ThreadPoolExecutor(12) as pool:
        asked = {"prompt": "A", "max_tokens": 50, "temperature": 0.9}
        found = list(pool.map(lambda number: limited.post("/v1/completions", json=asked | {"seed": number}), range(12)))
    statuses = {answer.status_code for answer in found}
    assert statuses == {200, 429}
    assert all(answer.headers["retry-after"] == "2" for answer in found if answer.status_code == 429)
    assert limited.post("/v1/completions", json=BODY).status_code == 200


def test_a_client_that_leaves_frees_its_seat(limited: httpx.Client) -> None:
    address = (str(limited.base_url.host), limited.base_url.port or 80)
    body = b'{"prompt": "A", "max_tokens": 50, "n": 3, "stream": true}'
    lines = ["POST /v1/completions HTTP/1.1", "Host: localhost", "Authorization: Bearer correct horse"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
    head = "\r\n".join(lines)
    for _ in range(3):
        with socket.create_connection(address) as connection:
            connection.sendall(head.encode() + body)
            connection.recv(10)
    until = monotonic() + 10
    while monotonic() < until:
        text = limited.get("/metrics").text
        if "hornbook_texts_running 0\n" in text and "hornbook_texts_waiting 0\n" in text:
            break
        sleep(0.05)
    else:
        pytest.fail("texts of clients that left are still being written")
    assert limited.post("/v1/completions", json=BODY).status_code == 200

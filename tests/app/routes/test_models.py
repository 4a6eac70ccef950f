"""GET /v1/models."""

import httpx2


def test_the_list_is_compressed_for_clients_that_read_gzip(client: httpx2.Client) -> None:
    compressed = client.get("/v1/models", headers={"accept-encoding": "gzip"})
    plain = client.get("/v1/models", headers={"accept-encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert compressed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert int(compressed.headers["content-length"]) < int(plain.headers["content-length"])
    assert compressed.json() == plain.json()

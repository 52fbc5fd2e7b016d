"""The address and the token of the studio in tests."""

PORT, TOKEN = 8600, "a-token"
ORIGIN = f"http://127.0.0.1:{PORT}"

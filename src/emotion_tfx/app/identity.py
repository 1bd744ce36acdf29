"""Who the web app is, for a server that only answers those it knows."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import google.auth.exceptions
import google.auth.transport.requests
import httpx
from google.oauth2 import id_token

from emotion_tfx.app.client import ServerError


class GoogleIdentity(httpx.Auth):
    """Shows a token of the Google service account that this program runs as.

    Cloud Run lets nobody but those it was told about reach a private service, and knows them by
    this token. It comes from the machine's metadata server or from the key file named in
    ``GOOGLE_APPLICATION_CREDENTIALS``, and is replaced before it expires.

    Args:
        audience: Whom it is for: the service's address.
    """

    def __init__(self, audience: str) -> None:
        self._audience = audience.rstrip("/")
        self._transport = google.auth.transport.requests.Request()
        self._credentials: Any = None  # The library has no types.

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the token.

        Raises:
            ServerError: There is none to be had.
        """
        request.headers["Authorization"] = f"Bearer {self._token()}"
        yield request

    def _token(self) -> str:
        try:
            if self._credentials is None:
                self._credentials = id_token.fetch_id_token_credentials(
                    self._audience, self._transport
                )
            if not self._credentials.valid:
                self._credentials.refresh(self._transport)
        except google.auth.exceptions.GoogleAuthError as error:
            raise ServerError("key", f"no Google identity: {error}") from error
        return str(self._credentials.token)

"""A small HTTP server in a thread, based on the standard library's WSGI server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

#: A WSGI application (PEP 3333): takes the environment and `start_response`, returns the body.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: A connection without a request is closed after this time (seconds).
_PATIENCE_SECONDS = 30


class _Server(ThreadingMixIn, WSGIServer):
    """One daemon thread per request."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
        """Log nothing: requests arrive every few seconds."""


def listen(address: str, port: int, application: Application) -> WSGIServer:
    """Return a listening server, to be run with `serve_forever`; raise OSError if the port is unavailable."""
    return make_server(address, port, application, _Server, _Handler)


def router(pages: Mapping[str, Application]) -> Application:
    """Return an application that serves each path with its page, and 404 with the list of pages otherwise."""

    def route(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        page = pages.get(environ.get("PATH_INFO", ""))
        if page is None:
            return answer(start_response, HTTPStatus.NOT_FOUND, {"pages": sorted(pages)})
        return page(environ, start_response)

    return route


def answer(start_response: Callable[..., Any], status: HTTPStatus, body: object) -> list[bytes]:
    """Send a JSON response and return its body."""
    data = json.dumps(body).encode() + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data))), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", headers)
    return [data]

"""The dashboard, its REST API, health and metrics: all that is asked over HTTP; over the store."""

from livecount.web.serving import serve, start_server

__all__ = ["serve", "start_server"]

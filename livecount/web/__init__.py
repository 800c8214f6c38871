"""What a browser or a monitoring system may ask while the run goes on; it only reads the store."""

from livecount.web.serving import serve, start_server

__all__ = ["serve", "start_server"]

"""The ASGI application, for `uvicorn app.main:app`: settings come from the environment."""

from app.bootstrap import build
from app.http.app import create_app
from app.settings import Settings

app = create_app(build(Settings()))

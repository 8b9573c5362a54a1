"""The page for people, and what it is made of."""

from importlib import resources
from pathlib import Path

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from app.http.hardening import PAGE
from app.http.parts import File

router = APIRouter(include_in_schema=False)

_PAGES = Path(__file__).parents[1] / "pages"
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_SWAGGER = Path(str(resources.files("fastapi_swagger.resources")))
_STATIC = {
    path.name: path
    for path in (
        _PAGES / "static" / "app.js",
        _PAGES / "static" / "docs.js",
        _PAGES / "static" / "style.css",
        _SWAGGER / "swagger-ui-bundle.js",
        _SWAGGER / "swagger-ui.css",
    )
}


@router.get("/")
def index() -> Response:
    return File(_PAGES / "index.html", media_type="text/html", headers=PAGE)


@router.get("/docs")
def docs() -> Response:
    """The API to try out. Its parts come from this server too: a container may have no way to the internet."""
    return File(_PAGES / "docs.html", media_type="text/html", headers=PAGE)


@router.get("/static/{name}")
def static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404)
    path = _STATIC[name]
    return File(path, media_type=_TYPES[path.suffix], headers=PAGE)

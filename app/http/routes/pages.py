"""The page for people, and what it is made of."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

_PAGES = Path(__file__).parents[1] / "pages"
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@router.get("/")
def index() -> Response:
    return FileResponse(_PAGES / "index.html", media_type="text/html", headers=_HEADERS)


@router.get("/static/{name}")
def static(name: str) -> Response:
    if name not in ("app.js", "style.css"):
        raise HTTPException(404)
    path = _PAGES / "static" / name
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=_HEADERS)

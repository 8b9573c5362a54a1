"""The page for people, and what it is made of."""

from importlib import resources
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

_PAGES = Path(__file__).parents[1] / "pages"
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_SWAGGER = Path(str(resources.files("fastapi_swagger.resources")))
_STATIC = {
    path.name: path
    for path in (
        _PAGES / "static" / "app.js",
        _PAGES / "static" / "style.css",
        _SWAGGER / "swagger-ui-bundle.js",
        _SWAGGER / "swagger-ui.css",
    )
}
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@router.get("/")
def index() -> Response:
    return FileResponse(_PAGES / "index.html", media_type="text/html", headers=_HEADERS)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The API to try out. Its parts come from this server too: a container may have no way to the internet."""
    return get_swagger_ui_html(
        openapi_url=request.app.openapi_url,
        title="Neurona: the API",
        swagger_js_url="/static/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger-ui.css",
        swagger_favicon_url="data:,",
        swagger_ui_parameters={
            "docExpansion": "list",
            "defaultModelsExpandDepth": 0,
            "tryItOutEnabled": True,
        },
    )


@router.get("/static/{name}")
def static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404)
    path = _STATIC[name]
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=_HEADERS)

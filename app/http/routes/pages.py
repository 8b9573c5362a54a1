"""The pages for people."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

router = APIRouter(include_in_schema=False)

_PAGES = Environment(loader=PackageLoader("app.http", "pages"), autoescape=select_autoescape())


@router.get("/", response_class=HTMLResponse)
def index() -> str:
    return _PAGES.get_template("index.html").render()

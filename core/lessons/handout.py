"""A lesson on paper: one HTML page that prints well, for who walks it, or with what is seen for who teaches it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from markdown_it import MarkdownIt

from core.lessons import Lesson, Stop

ADDRESS = "http://127.0.0.1:8501"
"""Where the app is, unless told otherwise."""
_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_STYLE = """
body { font: 11pt/1.4 Georgia, "Times New Roman", serif; color: #111; }
body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 19pt; margin: 0 0 .2rem; } h2 { font-size: 12.5pt; margin: 0 0 .3rem; }
.lesson + .lesson { border-top: 2px solid #111; margin-top: 3rem; padding-top: 2rem; }
.stop { border-top: 1px solid #bbb; padding: .7rem 0 .5rem; }
.minutes { float: right; font-weight: normal; font-size: 10pt; }
.link { font: 8pt/1.3 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; margin: 0 0 .4rem; }
ul { list-style: none; padding-left: .3rem; margin: .3rem 0; } li { padding-left: 1.6rem; text-indent: -1.6rem; }
.box { display: inline-block; width: .8em; height: .8em; border: 1px solid #111; margin-right: .6rem; }
.box { text-align: center; line-height: .75em; text-indent: 0; } p { margin: .3rem 0; }
.line { border-bottom: 1px solid #999; height: 1.6rem; } .line:last-child { margin-bottom: .6rem; }
@page { margin: 12mm 18mm; }
@media print {
  .link a { color: inherit; text-decoration: none; }
  body { margin: 0; max-width: none; padding: 0; } .stop { break-inside: avoid; }
  .lesson + .lesson { break-before: page; border-top: 0; margin-top: 0; padding-top: 0; }
}
"""


def link(stop: Stop, lesson: str, number: int, address: str = ADDRESS) -> str:
    """The whole address of a stop, counted from 1."""
    query = urlencode({**stop.parameters, "lesson": lesson, "stop": number})
    return f"{address.rstrip('/')}/{stop.page}?{query}"


def page(lessons: Sequence[Lesson], address: str = ADDRESS, answers: bool = False) -> str:
    """One HTML page of `lessons`; the app is reached at `address`. answers: say what is seen, for who teaches."""
    title = lessons[0].title if len(lessons) == 1 else "Lessons"
    body = "\n".join(line for lesson in lessons for line in _lesson(lesson, address, answers))
    head = f'<meta charset="utf-8"><title>{html.escape(title)} · Smoothscope</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<meta name="viewport" content="width=device-width"></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def _inline(text: str) -> str:
    rendered: str = _MARKDOWN.renderInline(text)
    return rendered


def _lesson(lesson: Lesson, address: str, answers: bool) -> Iterator[str]:
    yield f'<section class="lesson"><h1>{html.escape(lesson.title)}</h1>'
    timing = " + ".join(str(stop.minutes) for stop in lesson.stops)
    yield f"<p>{_inline(lesson.summary)}</p><p>{lesson.minutes} minutes: {timing}, with talk after each answer.</p>"
    if not answers:
        yield '<p>Name and date: <span class="line" style="display:inline-block;width:60%;height:1rem"></span></p>'
    for number, stop in enumerate(lesson.stops, 1):
        where = html.escape(link(stop, lesson.name, number, address))
        title = f'<span class="minutes">{stop.minutes} min</span>{number}. {_inline(stop.title)}'
        yield f'<section class="stop"><h2>{title}</h2>'
        yield f'<p class="link"><a href="{where}">{where}</a></p><p>{_inline(stop.question)}</p><ul>'
        for i, answer in enumerate(stop.answers):
            mark = "×" if answers and i == stop.seen else ""
            yield f'<li><span class="box">{mark}</span>{_inline(answer)}</li>'
        yield "</ul>"
        if answers:
            yield f"<p><b>Look:</b> {_inline(stop.look)}</p>"
        else:
            yield '<p>What I see:</p><div class="line"></div><div class="line"></div>'
        yield "</section>"
    yield "</section>"

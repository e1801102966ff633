"""A lesson that is followed: above each of its pages a question, then what is to be seen there, and the way on.

The page is not drawn before the question is answered: who has seen the picture predicts nothing. A lesson is followed
wherever its visitor goes; on other pages than the stop's, the strip says how to come back.
"""

from __future__ import annotations

import html

import streamlit as st

from core.lessons import STOPS, Lesson, Stop, reading
from pages.parts.shell import links, page

NAME, STOP = "lesson.name", "lesson.stop"
"""Where the session keeps which lesson is followed, "" for none, and at which stop, counted from 1."""
ANSWERS = "lesson.answers"
"""Where the session keeps what was answered, by lesson and stop."""
_GO = "lesson.go"


def _stamp() -> tuple[tuple[str, float], ...]:
    """What differs as soon as a lesson was written, or edited."""
    found = []
    for path, _ in reading.files():
        try:
            found.append((str(path), path.stat().st_mtime))
        except OSError:  # it was deleted meanwhile
            continue
    return tuple(found)


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(stamp: tuple[tuple[str, float], ...]) -> dict[str, Lesson]:
    return reading.lessons()


def every() -> dict[str, Lesson]:
    """All lessons that can be walked, by name."""
    return _read(_stamp())


def followed() -> bool:
    """Whether the visitor follows a lesson."""
    return bool(st.session_state.get(NAME))


def address(lesson: Lesson, number: int) -> dict[str, str]:
    """What a link to a stop says, counted from 1, as `st.switch_page` and `st.page_link` take it."""
    stop = lesson.stops[number - 1]
    return {**stop.parameters, "lesson": lesson.name, "stop": str(number)}


def go(lesson: Lesson, number: int) -> None:
    """Open a stop, counted from 1, as its link does; ends the run of the script."""
    links.leave()
    query = address(lesson, number) | ({"present": "1"} if page.presenting() else {})
    st.switch_page(page.file(lesson.stops[number - 1].page), query_params=query)


def draw() -> None:
    """The strip of the lesson that is followed, if one is; the page ends here while its question is unanswered."""
    known = every()

    def parse(text: str) -> str:
        if text and text not in known:
            raise ValueError("there is no such lesson here.")
        return text

    links.read("lesson", NAME, "", parse)
    links.whole("stop", STOP, 0, 1, STOPS[-1])
    lesson = known.get(st.session_state[NAME])
    if lesson is None:
        st.session_state[NAME], st.session_state[STOP] = "", 0
        return
    number = st.session_state[STOP] = min(max(st.session_state[STOP], 1), len(lesson.stops))
    if (to := st.session_state.pop(_GO, None)) is not None:
        go(lesson, to)
    stop = lesson.stops[number - 1]
    answered: dict[tuple[str, int], int] = st.session_state.setdefault(ANSWERS, {})
    answer = answered.get((lesson.name, number))
    there = page.here() == stop.page
    with st.container(key="lesson", gap="xxsmall"):
        _head(lesson, number, there)
        if not there:
            name = stop.page.replace("_", " ") or "Start"
            st.markdown(f"This stop is on the page **{name}**; what is here is not part of it.")
        elif answer is None or answer >= len(stop.answers):
            _ask(lesson, number, stop)
            page.say(f"Stop {number} of {len(lesson.stops)}: {stop.title}. A question, before it is seen.")
        else:
            _tell(stop, answer)
            page.bring(f"{lesson.name} {number}", stop.words)
    if there and answer is None:
        page.cover()


def _head(lesson: Lesson, number: int, there: bool) -> None:
    """Which lesson and stop it is, and the ways to the others."""
    last = len(lesson.stops)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lesson-head"):
        dots = "".join(f'<i class="{"ss-done" if i <= number else ""}"></i>' for i in range(1, last + 1))
        title = html.escape(lesson.stops[number - 1].title)
        st.html(
            f'<p class="ss-stop"><span>{html.escape(lesson.title)}</span><span class="ss-stops" aria-hidden="true">'
            f"{dots}</span><b>{number} of {last}: {title}</b></p>"
        )
        ways = st.container(horizontal=True, width="content", gap="xsmall", key="lesson-ways")
    if not there:
        ways.button("Show the stop", key="lesson.return", on_click=_turn, args=(number,), icon=":material/undo:")
    ways.button(
        "Back",
        key="lesson.back",
        on_click=_turn,
        args=(number - 1,),
        disabled=number == 1,
        shortcut="B",
        icon=":material/arrow_back:",
        help="The stop before",
    )
    if number < last:
        ways.button(
            "Next",
            key="lesson.next",
            on_click=_turn,
            args=(number + 1,),
            shortcut="N",
            icon=":material/arrow_forward:",
            help=f"{lesson.stops[number].title} ({lesson.stops[number].minutes} min)",
        )
    ways.button(
        "Leave" if number < last else "End",
        key="lesson.leave",
        on_click=_leave,
        icon=":material/close:",
        help="The page stays, the lesson goes",
    )


def _ask(lesson: Lesson, number: int, stop: Stop) -> None:
    """The question and its answers."""
    st.markdown(f"**What will you see?** {stop.question}")
    with st.container(gap="xsmall", key="lesson-answers"):
        for i, answer in enumerate(stop.answers):
            st.button(
                answer,
                key=f"lesson.answer.{i}",
                on_click=_answer,
                args=(lesson.name, number, i),
                shortcut=str(i + 1),
                width="stretch",
            )
    st.caption("Choose, and the picture is uncovered.")


def _tell(stop: Stop, answer: int) -> None:
    """What was answered, what is seen, and what to look at."""
    right = answer == stop.seen
    said = f"You said it: **{stop.answers[answer]}**" if right else f"You said: {stop.answers[answer]}"
    seen = "" if right else f". Seen is: **{stop.answers[stop.seen]}**"
    icon = ":green[:material/check:]" if right else ":material/close:"
    st.markdown(f"{icon} {said}{seen}  \n**Look:** {stop.look}")
    page.say(f"{'As you said' if right else 'Not as you said'}: {stop.answers[stop.seen]}. {stop.look}")


def _turn(number: int) -> None:
    st.session_state[_GO] = number


def _answer(lesson: str, number: int, answer: int) -> None:
    st.session_state[ANSWERS][lesson, number] = answer


def _leave() -> None:
    st.session_state[NAME], st.session_state[STOP] = "", 0


page.at_begin.append(draw)

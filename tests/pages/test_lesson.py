"""A lesson is followed: the question before the page, the page after the answer, and the ways on."""

from pathlib import Path

import pytest
from driver import opened, unescaped
from streamlit.testing.v1 import AppTest

from core.lessons import FOLDER, reading
from pages.parts.shell import lesson, page

OWN = """\
---
title: Of edges
summary: A lesson of one's own.
minutes: 20
---

## A constant stays (5 min)

[Smoothing](Smoothing?view=pictures&pictures=mnist&pattern=checkerboard)

**Predict:** What merges?

- [ ] Nothing
- [x] Squares
- [ ] Everything

**Look:** Squares merge on flat surfaces.

## Here again (5 min)

[Smoothing](Smoothing?view=pictures&pictures=mnist&alpha=0.0)

**Predict:** And now?

- [x] Nothing
- [ ] Squares

**Look:** Nothing does.

## Elsewhere (5 min)

[Start](/?held=length)

**Predict:** Noise?

- [x] Noise
- [ ] Clouds

**Look:** There.

## And back (5 min)

[Smoothing](Smoothing?view=pictures&pictures=mnist&pattern=checkerboard)

**Predict:** Again?

- [x] Yes
- [ ] No

**Look:** Yes.
"""


@pytest.fixture
def walked(home: Path) -> AppTest:
    """The first stop of a lesson of one's own, as its link opens it."""
    (home / "lessons").mkdir()
    (home / "lessons" / "edges.md").write_text(OWN, encoding="utf-8")
    return opened("Smoothing", view="pictures", pictures="mnist", pattern="checkerboard", lesson="edges", stop="1")


def press(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()
    assert not app.exception


def words(app: AppTest) -> str:
    return unescaped("\n".join(e.value for kind in (app.markdown, app.warning, app.caption) for e in kind))


def address(app: AppTest) -> dict[str, str]:
    return {name: text if isinstance(text, str) else text[-1] for name, text in app.query_params.items()}


def drawn(app: AppTest) -> bool:
    """The page itself, not only the strip above it."""
    return len(app.get("bidi_component")) > 2


def test_the_picture_is_covered_until_the_question_is_answered(walked: AppTest):
    assert "**What will you see?** What merges?" in words(walked)
    assert [b.label for b in walked.button if (b.key or "").startswith("lesson.answer")] == [
        "Nothing",
        "Squares",
        "Everything",
    ]
    assert not drawn(walked)
    assert "Squares merge" not in words(walked)
    press(walked, "lesson.answer.0")
    assert drawn(walked)
    assert "You said: Nothing" in words(walked)
    assert "Seen is: **Squares**  \n**Look:** Squares merge on flat surfaces." in words(walked)
    # The link was followed though the page was not drawn at first; what is moved is in it beside the lesson.
    assert address(walked) == {
        "view": "pictures",
        "pictures": "mnist",
        "pattern": "checkerboard",
        "lesson": "edges",
        "stop": "1",
    }
    walked.select_slider(key="smoothing.alpha").set_value(0.95).run()
    assert address(walked)["alpha"] == "0.95"
    assert drawn(walked)


def test_next_and_back_open_the_states_of_the_links(walked: AppTest):
    press(walked, "lesson.answer.1")
    assert "You said it: **Squares**" in words(walked)
    walked.select_slider(key="smoothing.alpha").set_value(0.95).run()
    press(walked, "lesson.next")  # on the same page
    assert "**What will you see?** And now?" in words(walked)
    press(walked, "lesson.answer.0")
    assert (walked.session_state["smoothing.alpha"], walked.session_state["smoothing.pattern"]) == (0.0, "noise")
    press(walked, "lesson.back")  # at once: no late message, but a way back
    assert (walked.session_state["smoothing.alpha"], walked.session_state["smoothing.pattern"]) == (
        0.997,
        "checkerboard",
    )
    assert "You said it: **Squares**" in words(walked)  # it is not asked again
    press(walked, "lesson.next")
    press(walked, "lesson.next")
    assert "Noise?" in words(walked)
    assert address(walked) == {"held": "length", "lesson": "edges", "stop": "3"}
    press(walked, "lesson.next")
    press(walked, "lesson.answer.0")
    assert "lesson.next" not in [button.key for button in walked.button]
    press(walked, "lesson.leave")
    assert not {"lesson", "stop"} & set(address(walked))
    assert "Look:** Yes" not in words(walked)


def test_presented_it_goes_on_presented(walked: AppTest):
    press(walked, "page.toggle")
    press(walked, "lesson.answer.1")
    press(walked, "lesson.next")
    assert walked.session_state["page.present"] is True
    assert address(walked)["present"] == "1"


def test_elsewhere_the_strip_says_how_to_come_back(walked: AppTest):
    walked.switch_page("pages/5_Graph_loss.py").run()
    assert not walked.exception
    assert "This stop is on the page **Smoothing**" in words(walked)
    assert address(walked)["lesson"] == "edges"
    press(walked, "lesson.return")
    assert "What merges?" in words(walked)


def test_a_lesson_that_is_not_there_is_left_out_and_said(home: Path):
    app = opened("Smoothing", pictures="mnist", lesson="nothing", stop="2")
    assert "there is no such lesson here" in words(app)
    assert drawn(app)
    assert address(app) == {"pictures": "mnist"}


@pytest.mark.parametrize("stop", ["0", "9", "x"])
def test_a_stop_that_is_not_there_is_the_first(stop: str):
    name = sorted(path.stem for path in FOLDER.glob("*.md"))[0]
    app = opened("Smoothing", lesson=name, stop=stop)
    assert app.session_state[lesson.STOP] == 1


def test_the_start_page_lists_every_lesson_as_a_link(home: Path):
    (home / "lessons").mkdir()
    (home / "lessons" / "edges.md").write_text(OWN, encoding="utf-8")
    app = opened("")
    listed = [(link.proto.label, link.proto.query_string) for link in app.get("page_link") if link.proto.query_string]
    found = reading.lessons()
    assert len(found) == 1 + len(list(FOLDER.glob("*.md")))
    for each in found.values():
        (query,) = [query for label, query in listed if each.title in label]
        assert f"lesson={each.name}&stop=1" in query


def test_every_page_can_be_a_stop():
    assert [page.file(name) for name in ("", "Compare")] == ["app.py", "pages/2_Compare.py"]


FINISHED = """\
## It is there at once (5 min)

[Attack lab](Attack_lab?attack=cw)

**Predict:** Is it?

- [x] Yes
- [ ] No

**Look:** It is.
"""


def test_a_stop_shows_the_run_that_came_with_it_and_the_page_alone_does_not(home: Path):
    (home / "lessons").mkdir()
    (home / "lessons" / "edges.md").write_text(OWN.replace("minutes: 20", "minutes: 25") + "\n" + FINISHED, "utf-8")
    app = opened("Attack_lab", attack="cw", lesson="edges", stop="5")
    press(app, "lesson.answer.0")
    assert app.session_state["lab.shown"].run.result.success.all()
    assert "a finished result; Run computes it before your eyes" in words(app)
    alone = opened("Attack_lab", attack="cw")
    assert "lab.shown" not in alone.session_state

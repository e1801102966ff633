"""Lessons: what is wrong with a file is said with its line; links are held against what the pages offer."""

from pathlib import Path

import pytest

from core.__main__ import main
from core.lessons import FOLDER, handout, places, reading

GOOD = """\
---
title: A lesson
summary: What it is about.
minutes: 20
---

## First (5 min)

[Smoothing](Smoothing?alpha=0.95#Local+deviation%20σ)

**Predict:** What is
seen?

- [ ] This
- [x] That,
  which goes on

**Look:** There it is.

## Second (5 min)

[Start](/)

**Predict:** Again?

- [x] Yes
- [ ] No

**Look:** There.

## Third (4 min)

[Compare](http://127.0.0.1:8501/Compare?model=mnist-c4-ce)

**Predict:** Again?

- [x] Yes
- [ ] No
- [ ] Perhaps

**Look:** There.

## Fourth (6 min)

[Attack lab](Attack_lab?attack=smoothfool&sigma_g=3)

**Predict:** Again?

* [X] Yes
* [ ] No

**Look:** There.
"""
LINES = GOOD.splitlines()


def line(text: str, nth: int = 1) -> int:
    """The number of the n-th line that is `text`; 1 is the first."""
    return [number for number, each in enumerate(LINES, 1) if each == text][nth - 1]


def changed(*changes: tuple[int, str | None]) -> str:
    """GOOD with lines replaced, by their numbers; None takes one away."""
    by_line = dict(changes)
    found = [by_line.get(i, each) for i, each in enumerate(LINES, 1)]
    return "\n".join(each for each in found if each is not None)


def said(text: str) -> list[tuple[int, str]]:
    lesson, problems = reading.parse(text, "a-lesson")
    assert (lesson is None) == bool(problems)
    return [(problem.line, problem.sentence) for problem in problems]


def test_a_lesson_is_what_its_file_says():
    lesson, problems = reading.parse(GOOD, "a-lesson", own=True)
    assert problems == []
    assert (lesson.name, lesson.title, lesson.summary, lesson.minutes, lesson.own) == (
        "a-lesson",
        "A lesson",
        "What it is about.",
        20,
        True,
    )
    first, second, third, fourth = lesson.stops
    assert (first.title, first.minutes, first.page, first.parameters) == ("First", 5, "Smoothing", {"alpha": "0.95"})
    assert (first.question, first.answers, first.seen) == ("What is seen?", ("This", "That, which goes on"), 1)
    assert (first.look, first.line, first.link_line, first.answer_lines) == ("There it is.", 7, 9, (14, 15))
    assert (first.words, second.words) == ("Local deviation σ", "")
    assert (second.page, second.parameters, second.seen) == ("", {}, 0)
    assert (third.page, third.parameters) == ("Compare", {"model": "mnist-c4-ce"})
    assert (fourth.page, fourth.seen, fourth.minutes) == ("Attack_lab", 0, 6)
    assert places.problems(lesson) == []


@pytest.mark.parametrize(
    ("text", "at", "sentence"),
    [
        ("", 1, "begins with a header"),
        (GOOD.replace("---", "", 1), 1, "begins with a header"),
        (changed((2, None)), 1, "lacks title"),
        (changed((3, "sumary: What it is about.")), 1, "lacks summary"),
        (changed((4, "minutes: many")), 4, "minutes"),
        (changed((4, "minutes: 3")), 4, "minutes must be at least 5"),
        (changed((4, "minutes: 21")), 4, "minutes is 21, and the stops take 20 together"),
        (changed((3, "title: Again")), 3, "title is there twice"),
        (changed((2, "title: [")), 2, "cannot be read"),
        (changed((2, "title: {a: b")), 2, "cannot be read"),
        (changed((2, 'title: "A lesson')), 2, "cannot be read"),
        (changed((3, "summary: [")), 3, "cannot be read"),
        (changed((3, "summary")), 3, "cannot be read"),
        (changed((3, 'summary: "What" it is about.')), 3, "cannot be read"),
        (changed((3, "summary: What it is: this.")), 3, "cannot be read"),
        (changed((3, "summary: @home")), 3, "cannot be read"),
        (changed((3, "summary: a\x07bell")), 3, "cannot be read"),
        (changed((7, "## First")), 7, "ends with its minutes"),
        (changed((7, "## First (0 min)")), 7, "a minute at least"),
        (changed((7, "Before the first.")), 7, "before the first stop"),
        (changed((9, None)), 7, "has no link"),
        (changed((9, "[a](Compare) [b](Compare)")), 9, "is no part of a stop"),
        (changed((10, "\n[b](Compare)\n")), 11, "this is another"),
        (changed((9, "[a](Smoothing?alpha=0.9&alpha=0.95)")), 9, "sets alpha twice"),
        (changed((11, None), (12, None)), 7, "has no question"),
        (changed((11, "**Predict:**"), (12, None)), 11, "nothing stands after"),
        (changed((12, "x" * 301)), 11, "at most 300"),
        (changed((14, None)), 11, "from 2 to 4 answers; this one has 1"),
        (changed((14, "- [ ] 1\n- [ ] 2\n- [ ] 3\n- [ ] 4")), 18, "from 2 to 4 answers; this one has 5"),
        (changed((14, "- This")), 14, "an answer begins with [ ]"),
        (changed((14, "- [x] This")), 15, "here 2 are"),
        (changed((15, "- [ ] That,")), 14, "here 0 are"),
        (changed((14, "- [ ] That, which goes on")), 15, "there twice"),
        (changed((18, None)), 7, "has no sentence"),
        (changed((18, "**Look:** There it is.\n\n**Look:** Again.")), 20, "this is another"),
        (changed((18, "**Look:** There it is.\n\nAnd more.")), 20, "this paragraph is no part"),
        (changed((18, "**Look:** There it is.\n\n1. More")), 20, "this ordered list is no part"),
        (changed((18, "**Look:** There it is.\n\n### More")), 20, "this heading is no part"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, at, sentence):
    found = said(text)
    assert any(number == at and sentence in told for number, told in found), found


def test_too_few_stops_and_too_many():
    assert said("\n".join(LINES[:18]).replace("20", "5"))[-1][1] == "a lesson has from 4 to 7 stops; this one has 1."
    many = "\n".join(LINES[:6]) + "\n" + "\n".join(LINES[6:19] * 8)
    at = [i for i, each in enumerate(many.splitlines(), 1) if each.startswith("## ")]
    found = said(many.replace("minutes: 20", "minutes: 40"))
    assert found == [(at[7], "a lesson has from 4 to 7 stops; this one has 8.")]
    assert said(GOOD.partition("## ")[0])[0][1].startswith("there is no stop")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("Nowhere?x=1", "there is no page Nowhere"),
        ("Attack_lab?alpa=0.9", "Attack_lab has no setting alpa"),
        ("Attack_lab?alpha=1.5", "alpha=1.5: alpha must be"),
        ("Attack_lab?attack=fgsm&alpha=0.9", "has no setting alpha"),
        ("Attack_lab?model=none", "model=none"),
        ("Attack_lab?image=-1", "image=-1"),
        ("Attack_lab?lesson=other", "lesson is not for a stop to set"),
        ("Compare?2.attack=cw&2.alpha=0.5", "has no setting 2.alpha"),
        ("Compare?compare=along&values=1,2,3,4,5,6,7", "from 1 to 6 numbers"),
        ("Compare?compare=along&parameter=alpha&alpha=0.5", "has no setting alpha in its view along"),
        ("Smoothing?alpha=0.951", "a stop of the slider"),
        ("Smoothing?view=pictures&at=3,4", "has no setting at in its view pictures"),
        ("Smoothing?at=224,0", "from 0,0 to 223,223"),
        ("MMC_centres?tab=Features&build=1", "has no setting build in its view Features"),
        ("Curves?point=cw.0", "ENTRY.BUDGET.RANK"),
        ("Training?epochs=0", "epochs"),
        ("Graph_loss?view=playground&losses=x", "losses=x"),
        ("Embeddings?1=mnist-c4", "1=mnist-c4"),
    ],
)
def test_what_a_page_would_leave_out_of_a_link_is_said(address, sentence):
    page, parameters = reading.place(address)
    assert any(sentence in told for told in places.wrong(page, parameters)), places.wrong(page, parameters)


def test_links_are_checked_on_their_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    path = tmp_path / "own.md"
    path.write_text(changed((9, "[Smoothing](Smoothing?alpha=2)")), encoding="utf-8")
    assert main(["lessons", "check", str(path)]) == 1
    assert capsys.readouterr().out.startswith(f"{path}:9: alpha=2: ")
    path.write_text(GOOD, encoding="utf-8")
    assert main(["lessons", "check", str(path)]) == 0
    assert capsys.readouterr().out == "1 lesson, 20 minutes: nothing is wrong.\n"


def test_the_users_lessons_stand_beside_the_project_s(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path))
    (tmp_path / "lessons").mkdir()
    shipped = sorted(path.stem for path in FOLDER.glob("*.md"))
    for name in ("own", "Bad name", shipped[0]):
        (tmp_path / "lessons" / f"{name}.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "lessons" / "latin.md").write_bytes(b"---\nt\xe4t\n---\n")
    found = reading.lessons()
    assert list(found) == [*shipped, "own"]
    assert found["own"].own
    assert not found[shipped[0]].own
    assert main(["lessons", "list"]) == 0
    assert capsys.readouterr().out.count("shipped") >= len(shipped)
    assert main(["lessons", "check"]) == 1
    told = capsys.readouterr().out
    assert "latin.md:2: the file is not UTF-8" in told
    assert "Bad name.md:1: the file's name must be" in told
    assert f"{shipped[0]}.md:1: a lesson that is shipped has this name" in told


def test_the_projects_lessons_hold_and_take_a_lesson_each():
    names = sorted(path.stem for path in FOLDER.glob("*.md"))
    assert len(names) == 6
    for name, lesson in reading.lessons().items():
        assert places.problems(lesson) == []
        assert lesson.minutes == 45, name


def test_a_handout_says_what_is_asked_and_only_for_teachers_what_is_seen(tmp_path):
    out = tmp_path / "handout.html"
    name = sorted(path.stem for path in FOLDER.glob("*.md"))[0]
    lesson = reading.lessons()[name]
    assert main(["lessons", "handout", name, "--out", str(out), "--address", "https://example.org/s/"]) == 0
    paper = out.read_text(encoding="utf-8")
    assert paper.count('class="stop"') == len(lesson.stops)
    assert f"https://example.org/s/{lesson.stops[0].page}?" in paper
    assert paper.count('class="box"') == sum(len(stop.answers) for stop in lesson.stops)
    assert ">×</span>" not in paper
    assert "@page { margin" in paper  # on whatever paper there is
    assert main(["lessons", "handout", name, "--out", str(out), "--answers"]) == 0
    assert out.read_text(encoding="utf-8").count(">×</span>") == len(lesson.stops)
    assert main(["lessons", "handout", "nothing", "--out", str(out)]) == 2
    assert main(["lessons", "handout", name, "--out", str(tmp_path / "no" / "where.html")]) == 2


def test_what_is_no_lesson_is_not_read(tmp_path):
    assert reading.read(Path(tmp_path / "nothing.md"))[1][0].sentence.startswith("the file cannot be read")
    (tmp_path / "long.md").write_text("x" * 100_001, encoding="utf-8")
    assert "longer than 100 kB" in reading.read(tmp_path / "long.md")[1][0].sentence


def test_markup_in_a_lesson_is_text():
    lesson, _ = reading.parse(GOOD.replace("There it is.", "<script>alert(1)</script> *there*"), "a-lesson")
    paper = handout.page([lesson], answers=True)
    assert "<script>" not in paper
    assert "<em>there</em>" in paper

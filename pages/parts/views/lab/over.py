"""The Attack lab's attack over many images: success, and where the image that is shown lies among the others."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.evaluate.curves import CurveRecord, Entry
from core.evaluate.records import Record
from core.metrics import l2, roughness
from core.models import Card
from pages.parts.charts import curve_plots, plots
from pages.parts.shell import cache, links, page
from pages.parts.shell.jobs import Slot
from pages.parts.views import many, verdicts
from pages.parts.views.attacking import Shown
from pages.parts.views.many import Task
from pages.parts.work.curves import Counted

SCOPE = "lab.over"
IMAGES = 100
SHOWN = ("l2", "roughness", "mad")
slot: Slot[Counted, Sequence[Record], Task] = Slot(SCOPE, every=0.7)


def draw(shown: Shown | None) -> None:
    """A switch below a result; when it is on, its attack over the images that are measured, or a button to do so."""
    links.flag("many", f"{SCOPE}.on")
    if (
        shown is None
        or shown.further
        or shown.choice.defense is not None
        or shown.run.result.status[0] not in ("fooled", "failed")
    ):
        return
    text = "The same attack on many images of the set, with this one marked."
    if not st.toggle(f"Over {IMAGES} images", key=f"{SCOPE}.on", persist_state="session", help=text):
        return
    slot.complain()
    card = shown.choice.card
    try:
        record = _record(card, shown)
    except ValueError as error:
        st.error(page.plain(str(error)))
        return
    if record is not None:
        _distributions(record, shown)
    if slot.busy:
        slot.watch(lambda look, task: many.underway(slot, look, task, SCOPE), many.take)
        return
    missing = IMAGES - (0 if record is None else record.data.n)
    if missing > 0:
        words = f"Measure {missing} images" if record is None else f"{missing} more images"
        if st.button(words, key=f"{SCOPE}.start", icon=":material/play_arrow:"):
            entry = Entry.of(shown.attack)
            many.start(slot, card, entry, shown.attack.title, IMAGES, many.known(card, entry))
            st.rerun()


def _record(card: Card, shown: Shown) -> CurveRecord | None:
    """What is measured of exactly this attack, stored or in this session: of the most images."""
    mine = [r for r in many.every(card) if r.attacks == (shown.attack,)]
    return max(mine, key=lambda record: record.data.n, default=None)


def _distributions(record: CurveRecord, shown: Shown) -> None:
    """Success, and how each measure is spread, with the image that is shown."""
    result = shown.run.result
    if record.success is None:
        st.info("The network names none of these images rightly, so nothing was attacked.")
        return
    r = result.perturbation
    here = {"l2": float(l2(r)[0]), "roughness": float(roughness(r, 1.0, normalised=True)[0])}
    here["mad"] = float(cache.mad(result.images, result.adversarial)[0])
    fooled = result.status[0] == "fooled"
    page.tell(
        f"Of **{record.n}** images {verdicts.share(record.success)} are fooled. Below, those: "
        + ("the dotted line is the image above." if fooled else "the image above is not among them.")
    )
    if record.fooled < 2:
        return
    for column, name in zip(st.columns(len(SHOWN), gap="small"), SHOWN, strict=True):
        values = record.column(name)[record.fools].astype(float)
        with column:
            st.plotly_chart(
                curve_plots.spread(
                    values, here[name] if fooled else None, name, ("images", "this one"), f"{SCOPE}.{name}"
                ),
                key=f"{SCOPE}.{name}",
                config=plots.CONFIG,
                alt=f"{curve_plots.named(name)} of {len(values)} images that are fooled, this one marked.",
            )
            if fooled:
                below = float((values <= here[name]).mean())
                st.caption(f"{curve_plots.named(name)} {here[name]:.3g}: {100 * below:.0f} % of them have no more.")
    st.caption(f"{page.plain(record.data.name)}, in float; {record.passes:.0f} passes an image. `{record.command}`")

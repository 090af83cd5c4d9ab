"""stub for local testing, replaced by the figures branch"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class E:
    title: str
    table: str | None
    pixels: bool = False
    data_of: str | None = None
    needs: frozenset = field(default=frozenset())
    place: int = 0
    modules: tuple = ()


def n(*x):
    return frozenset(x)


FIGURES = {
    "fig2": E("a", None, True),
    "fig3": E("a", "scores"),
    "fig4": E("a", None, True),
    "fig5": E("a", "scores"),
    "fig6": E("a", "quality"),
    "fig7": E("a", None, True, needs=n("private")),
    "fig8": E("a", "quality"),
    "fig9": E("a", None, True),
    "figS1": E("a", None, True, "fig9"),
    "figS2": E("a", None, True, needs=n("private", "second cohort")),
    "table1": E("a", "scores"),
    "comparison": E("a", None),
    "statistics": E("a", "scores"),
    "gan_comparison": E("a", "scores", needs=n("compared")),
    "transfer": E("a", "transfer", needs=n("transfer")),
    "epochs": E("a", "epochs", needs=n("epochs")),
    "utility_privacy": E("a", None, needs=n("audit")),
    "attacks": E("a", None, needs=n("audit")),
}

"""Pictures of networks of several inputs that are built by hand: towers and ridges (ch. 4)."""

from collections.abc import Iterator
from typing import NamedTuple, assert_never

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nndl_jax.calculations import ridges, towers
from nndl_jax.calculations.dense import Points
from nndl_jax.documents import Ridges, Towers
from pipeline.figures.frame import COLOURS, GREY, new_figure
from pipeline.store.results import Results
from pipeline.tables.format import variant_labels

_MAX_PANELS = 4
_MAX_SECTIONS = 4

Values = Float[np.ndarray, " points"]


class _Surface(NamedTuple):
    """One output of a network."""

    network: Ridges | Towers
    output: int

    def values(self, points: Points) -> Values:
        """The output."""
        match self.network:
            case Ridges() as network:
                return ridges.evaluate(network, points)[:, self.output]
            case Towers() as network:
                return towers.evaluate(network, points)[:, self.output]
            case _:
                assert_never(self.network)

    def ideal(self, points: Points) -> Values:
        """The output if steps were ideal."""
        match self.network:
            case Ridges() as network:
                return ridges.ideal(network, points)[:, self.output]
            case Towers() as network:
                return towers.ideal(network, points)[:, self.output]
            case _:
                assert_never(self.network)

    def sections(self) -> Iterator[tuple[str, int, Float[np.ndarray, " inputs"]]]:
        """Lines to walk along: a name, an input, and a point on it."""
        match self.network:
            case Ridges() as network:
                # The step of a single neuron may be in the very middle.
                usual = [0.25 if network.steps else 0.5] * network.inputs
                middle = network.circle.middle if network.circle else usual
                for axis in range(min(2, network.inputs)):
                    yield f"along x{1 + axis}", axis, np.array(middle)
            case Towers() as network:
                middles = _middles(network)
                for number, middle in enumerate(middles, start=1):
                    many = f"through tower {number}" if len(middles) > 1 else "output"
                    yield many, 0, middle
            case _:
                assert_never(self.network)


def draw_surfaces(results: Results) -> Figure:
    """Outputs over the first two inputs from above, and sections through them."""
    shown = [
        (variant.name, _Surface(network, output))
        for variant in results.variants
        if isinstance(network := variant.spec.content(), Ridges | Towers)
        for output in range(network.num_outputs() if isinstance(network, Towers) else 1)
    ]
    if len(shown) > _MAX_PANELS:
        shown = [
            shown[index]
            for index in np.linspace(0, len(shown) - 1, _MAX_PANELS).round().astype(int)
        ]
    labels = variant_labels([name for name, _ in shown])
    count = len(shown)
    figure, panels = new_figure(2 * count, columns=max(2, count), title=results.document.title)
    for place, ((_, surface), label) in enumerate(zip(shown, labels, strict=True)):
        title = [label.removeprefix("base")]
        if isinstance(surface.network, Towers) and surface.network.num_outputs() > 1:
            title.append(f"output {1 + surface.output}")
        panels[place].set_title(", ".join(filter(None, title)), fontsize="medium")
        _draw_from_above(panels[place], surface)
        _draw_sections(panels[count + place], surface)
    return figure


def _draw_from_above(axes: Axes, surface: _Surface) -> None:
    """Outputs as colours; inputs from the third on are those of the first section."""
    along = (np.arange(100) + 0.5) / 100
    first, second = np.meshgrid(along, along)
    _, _, middle = next(surface.sections())
    points = np.tile(middle, (first.size, 1))
    points[:, 0] = first.ravel()
    points[:, min(1, surface.network.inputs - 1)] = second.ravel()
    image = surface.values(points).reshape(first.shape)
    drawn = axes.imshow(image, origin="lower", extent=(0, 1, 0, 1), aspect="equal")
    axes.grid(visible=False)
    axes.set(xlabel="x1", ylabel="x2")
    axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.04)


def _draw_sections(axes: Axes, surface: _Surface) -> None:
    """Outputs along lines, beside those of ideal steps."""
    x = (np.arange(1000) + 0.5) / 1000
    sections = list(surface.sections())[:_MAX_SECTIONS]
    for (name, axis, middle), colour in zip(sections, COLOURS, strict=False):
        points = np.tile(middle, (len(x), 1))
        points[:, axis] = x
        axes.plot(x, surface.ideal(points), "--", color=GREY, linewidth=1.2, label="ideal steps")
        axes.plot(x, surface.values(points), color=colour, linewidth=1.2, label=name)
    axes.set(xlabel=" or ".join(sorted({f"x{1 + axis}" for _, axis, _ in sections})))
    axes.set_ylabel("output")


def _middles(network: Towers) -> Points:
    """The middles of given towers, or of the one in the middle of a grid."""
    lows, highs, _ = towers.boxes(network)
    middles = (lows + highs) / 2
    return middles if network.boxes else middles[len(middles) // 2 :][:1]

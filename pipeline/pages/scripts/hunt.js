// The hunt for hyper-parameters (ch. 3) as a map: each place that was tried, and how it went.

var NNDL = NNDL || {};

NNDL.figures.register("hunt", function (stage, data) {
  "use strict";
  const { html, svg, choice, readout, Plot, powerOfTen, legend, text } = NNDL.figures;
  /** @typedef {{title: string, rate: number, l2: number, curve: (number | null)[]}} Try */
  /** @typedef {{title: string, tries: Try[]}} Sweep */
  /** @type {Sweep[]} */
  const sweeps = data.sweeps;
  if (!sweeps.length) {
    stage.append(html("p", { class: "empty" }, data.empty));
    return;
  }
  let sweep = sweeps[0], chosen = 0;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Sweep", name: "sweep",
    options: sweeps.map((each) => /** @type {[string, Sweep]} */ ([each.title, each])),
    change: (next) => { sweep = next; chosen = 0; build(); } });
  const tries = sweeps.flatMap((each) => each.tries);
  const rates = tries.map((each) => Math.log10(each.rate));
  // No regularization has no place on a logarithmic axis: it stands a step below the least.
  const positive = tries.filter((each) => each.l2 > 0).map((each) => Math.log10(each.l2));
  const none = Math.floor(Math.min(...positive, 0)) - 1;
  /** @param {Try} each */
  const height = (each) => (each.l2 > 0 ? Math.log10(each.l2) : none);
  const map = new Plot(stage, { label: "Map of what was tried; each place is a button",
    x: [Math.floor(Math.min(...rates)) - 0.5, Math.ceil(Math.max(...rates)) + 0.5],
    y: [none - 0.5, Math.ceil(Math.max(...positive, 0)) + 0.7], xLabel: "learning rate η",
    yLabel: "λ", height: 320, xTick: powerOfTen, yTick: (y) => (y === none ? "0" : powerOfTen(y)) });
  const curve = new Plot(stage, { label: "Validation accuracy by epoch of what was chosen", x: [0, 29], y: [0, 1],
    xLabel: "epoch", yLabel: "validation accuracy", height: 230 });
  const draw = curve.curve("first");
  legend(stage, [["first", "validation accuracy of the place that was chosen"]]);
  const tell = readout(stage, { rate: "η", l2: "λ", first: "after the first epoch", last: "after the last", best: "best" });
  const dots = svg("g", {});
  map.content.append(dots);
  map.drawn.push(build);

  /** @param {Try} each */
  const lastOf = (each) => each.curve[each.curve.length - 1] ?? NaN;

  function build() {
    const hadFocus = dots.contains(document.activeElement);
    dots.replaceChildren(...sweep.tries.map((each, index) => {
      const last = lastOf(each), isChosen = index === chosen;
      const choose = () => { chosen = index; build(); };
      return svg("g", { class: `try${isChosen ? " chosen" : ""}`, role: "button", tabindex: 0,
        "aria-pressed": String(isChosen), "data-index": index,
        "aria-label": `η ${text(each.rate)}, λ ${text(each.l2)}: ${text(last, 3)} after the last epoch`,
        transform: `translate(${map.px(Math.log10(each.rate))} ${map.py(height(each))})`,
        onclick: choose,
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          choose();
        } },
        svg("circle", { r: 20, style: `--share: ${Math.round(60 * last)}%` }),
        svg("text", { y: 5, "text-anchor": "middle", class: "strong" }, String(Math.round(100 * last))));
    }));
    if (hadFocus) /** @type {SVGElement} */ (dots.children[chosen]).focus();
    show();
  }
  function show() {
    const own = sweep.tries[chosen], values = own.curve.map((value) => value ?? NaN);
    curve.x = [0, Math.max(1, values.length - 1)];
    curve.redraw();
    draw(values.map((value, i) => [i, value]));
    tell({ rate: own.rate, l2: own.l2, first: values[0], last: lastOf(own), best: Math.max(...values.filter(Number.isFinite)) });
  }
  build();
});

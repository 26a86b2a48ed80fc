// A ball in the valley C = v1^2 + v2^2 (ch. 1): the learning rate decides whether it gets down.

var NNDL = NNDL || {};

NNDL.figures.register("valley", function (stage, data) {
  "use strict";
  const { html, slider, choice, button, readout, Plot, legend, isStill, text } = NNDL.figures;
  const { descend, spread } = NNDL.mathematics;
  /** @typedef {{title: string, rate: number, cost: number | null}} Variant */
  /** @type {Variant[]} */
  const variants = data.variants;
  /** @type {number[]} */
  let start = [...data.start];
  let rate = variants[0].rate, shown = data.steps;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Learning rate", name: "variant",
    options: variants.map((each) => /** @type {[string, Variant]} */ ([each.title, each])),
    change: (next) => { start = [...data.start]; rate = next.rate; rates.value = Math.log10(rate); draw(); } });
  const rates = slider(controls, { label: "η", name: "rate", min: -2.5, max: Math.log10(1.5), step: "any", value: Math.log10(rate),
    shown: (value) => text(10 ** value, 3), change: (value) => { rate = 10 ** value; draw(); } });
  const steps = slider(controls, { label: "steps", name: "steps", min: 0, max: data.steps, step: 1, value: shown,
    change: (value) => { shown = value; draw(); } });
  let turn = 0;
  button(controls, "Let it roll", () => {
    const own = ++turn;
    if (isStill()) { steps.value = shown = data.steps; draw(); return; }
    shown = 0;
    const step = () => {
      if (own !== turn) return;
      steps.value = shown;
      draw();
      if (shown++ < data.steps) setTimeout(step, 120);
    };
    step();
  });
  const map = new Plot(stage, { label: "The valley from above: circles of equal cost, and the way of the ball", x: [-1, 1], y: [-1, 1],
    xLabel: "v₁", yLabel: "v₂", isSquare: true });
  for (let r = 1; r <= 7; r++)
    map.curve("contour")(spread(91, 0, 2 * Math.PI).map((angle) => [r / 5 * Math.cos(angle), r / 5 * Math.sin(angle)]));
  const path = map.curve("first");
  const ball = map.handle({ label: "Start of the ball", step: { x: 0.05, y: 0.05 }, get: () => ({ x: start[0], y: start[1] }),
    move: ({ x, y }) => { start = [x, y].map((v) => Math.min(1, Math.max(-1, v))); draw(); } });
  const costs = new Plot(stage, { label: "Cost by step", x: [0, data.steps], y: [0, 1], xLabel: "step", yLabel: "C", height: 200 });
  const cost = costs.curve("second");
  legend(stage, [["first", "way of the ball; move its start"], ["second", "cost"]]);
  const tell = readout(stage, { first: "C at the start", last: "C now", rises: "steps in which C rose",
    measured: "C after all steps that the pipeline measured" });
  function draw() {
    const points = descend(start, rate, shown), c = points.map(([x, y]) => x * x + y * y);
    path(points.map(([x, y]) => [x, y]));
    costs.y = [0, Math.min(4, Math.max(...c, 0.1))];
    costs.redraw();
    cost(c.map((each, i) => [i, each]));
    ball();
    const known = variants.find((each) => Math.abs(each.rate - rate) < 1e-9 && shown === data.steps
      && start.every((v, axis) => v === data.start[axis]));
    tell({ first: c[0], last: c[c.length - 1], rises: c.filter((each, i) => i && each > c[i - 1]).length,
      measured: known?.cost ?? "– (other settings)" });
  }
  draw();
});

// The design challenge (ch. 4): five heights, and how far they are from what the output shall be.

var NNDL = NNDL || {};

NNDL.figures.register("design", function (stage, data) {
  "use strict";
  const { html, choice, button, readout, Plot, legend, text } = NNDL.figures;
  const m = NNDL.mathematics;
  /** @type {BumpsSpec} */
  const spec = structuredClone(data.spec);
  const count = spec.count || 5, target = m.bumpTarget(spec), wanted = m.parseFormula(spec.function || "0");
  /** @type {{title: string, heights: string | number[], score: number | null}[]} */
  const settings = data.settings;
  const MOST = 3;
  /** @type {number[]} */
  let heights = Array.from({ length: count }, () => 0);
  let measured = NaN;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Heights", name: "setting",
    options: /** @type {[string, number][]} */ ([["all zero", -1], ...settings.map((each, i) => [each.title, i])]),
    change: (index) => {
      measured = index < 0 ? NaN : settings[index].score ?? NaN;
      const rule = index < 0 ? null : settings[index].heights;
      heights = rule === null ? heights.map(() => 0)
        : m.bumpIntervals({ ...spec, heights: rule }).map((bump) => bump.height);
      draw();
    } });
  button(controls, "At random", () => {
    heights = heights.map(() => Math.round(30 * Math.random() - 15) / 10);
    measured = NaN;
    draw();
  });
  const inside = new Plot(stage, { label: "Weighted output: five heights to move, and what they ought to be",
    x: [0, 1], y: [-MOST, MOST], xLabel: "input x", yLabel: "weighted output", height: 330 });
  const aim = inside.curve("wanted"), steps = inside.curve("first");
  const dots = heights.map((_, i) => inside.handle({
    label: `height of bump ${i + 1}`, step: { x: 0, y: 0.1 },
    get: () => ({ x: (i + 0.5) / count, y: heights[i] }),
    move: ({ y }) => {
      heights[i] = Math.round(Math.min(MOST, Math.max(-MOST, y)) * 10) / 10;
      measured = NaN;
      draw();
    } }));
  const outside = new Plot(stage, { label: "Output of the network and the function", x: [0, 1], y: [0, 1],
    xLabel: "input x", yLabel: "output", height: 240 });
  const f = outside.curve("wanted"), output = outside.curve("second");
  legend(stage, [["first", "heights"], ["second", "output of the network"], ["wanted", "what it ought to be"]]);
  const tell = readout(stage, { score: "average deviation", verdict: "challenge", heights: "heights",
    measured: "deviation that the pipeline measured" });

  function draw() {
    const now = { ...spec, heights }, score = m.bumpScore(now);
    const weighted = m.weightedOutput(m.bumpNeurons(now), now.activation), places = m.spread(601);
    aim(places.map((x) => [x, target(x)]));
    const ideal = m.idealOutput(m.bumpIntervals(now));
    steps(m.spread(1201, 0, 0.9999).map((x) => [x, ideal(x)]));
    f(places.map((x) => [x, wanted(x)]));
    output(places.map((x) => [x, m.ACTIVATIONS[spec.output](weighted(x))]));
    dots.forEach((dot) => dot());
    tell({ score, verdict: score < 0.405 ? "met: at most 0.40" : "not met: 0.40 is asked for",
      heights: heights.map((each) => text(each, 3)).join(", "),
      measured: Number.isNaN(measured) ? "– (own heights)" : measured });
  }
  draw();
});

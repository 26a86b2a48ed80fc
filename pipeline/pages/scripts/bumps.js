// Two hidden neurons are a bump, four are two (ch. 4): places and heights to move.

var NNDL = NNDL || {};

NNDL.figures.register("bumps", function (stage, data) {
  "use strict";
  const { html, slider, choice, readout, Plot, legend } = NNDL.figures;
  const { bumpNeurons, weightedOutput, spread } = NNDL.mathematics;
  /** @typedef {{title: string, spec: BumpsSpec, at: number[]}} Setting */
  /** @type {Setting[]} */
  const settings = data.settings;
  let setting = settings[0];
  /** @type {BumpsSpec} */
  let spec = structuredClone(setting.spec);
  const top = html("div", { class: "controls" }), controls = html("div", { class: "controls" });
  stage.append(top);
  choice(top, { label: "Network", name: "setting",
    options: settings.map((each) => /** @type {[string, Setting]} */ ([each.title, each])),
    change: (next) => { setting = next; spec = structuredClone(next.spec); build(); } });
  const slopes = slider(top, { label: "weight w of all", name: "slope", min: 10, max: 1000, step: 10,
    value: spec.slope, change: (value) => {
      spec.steps.forEach((step) => { step.bias *= value / step.weight; step.weight = value; });
      spec.slope = value;
      draw();
    } });
  const plot = new Plot(stage, { label: "Weighted output of the hidden layer", x: [0, 1], y: [-2, 2],
    xLabel: "input x", yLabel: "weighted output", height: 300 });
  const curve = plot.curve("first");
  stage.append(controls);
  legend(stage, [["first", "what the hidden neurons add up to"]]);
  const tell = readout(stage, Object.fromEntries(
    Array.from({ length: 4 }, (_, i) => [`value${i + 1}`, `output ${i + 1}`])));

  function build() {
    controls.replaceChildren();
    slopes.value = spec.steps.length ? spec.steps[0].weight : spec.slope;
    spec.pairs.forEach((pair, i) => {
      const names = /** @type {["from" | "to" | "height", number, number][]} */
        ([["from", -1, 2], ["to", -1, 2], ["height", -2, 2]]);
      for (const [name, low, high] of names)
        slider(controls, { label: `bump ${i + 1}, ${name}`, name: `${name}${i + 1}`, min: Math.max(low, name === "height" ? low : 0),
          max: Math.min(high, name === "height" ? high : 1), step: 0.01, value: pair[name],
          change: (value) => { pair[name] = value; draw(); } });
    });
    spec.steps.forEach((step, i) => {
      slider(controls, { label: `step ${i + 1} at s`, name: `step${i + 1}`, min: 0, max: 1, step: 0.01,
        value: -step.bias / step.weight, change: (value) => { step.bias = -step.weight * value; draw(); } });
      slider(controls, { label: `weight ${i + 1} to the output`, name: `height${i + 1}`, min: -2, max: 2, step: 0.1,
        value: step.height, change: (value) => { step.height = value; draw(); } });
    });
    draw();
  }
  function draw() {
    const weighted = weightedOutput(bumpNeurons(spec), spec.activation);
    curve(spread(801).map((x) => [x, weighted(x)]));
    const values = Array.from({ length: 4 }, (_, i) => (i < setting.at.length ? weighted(setting.at[i]) : NaN));
    tell(Object.fromEntries(values.map((value, i) => [`value${i + 1}`, value])));
    setting.at.forEach((x, i) => {
      const title = stage.querySelector(`[data-name="value${i + 1}"]`)?.previousElementSibling;
      if (title) title.textContent = `at x = ${x}`;
    });
    stage.querySelectorAll(".readout > div").forEach((entry, i) => {
      /** @type {HTMLElement} */ (entry).hidden = i >= setting.at.length;
    });
  }
  build();
});

// Towers of two hidden layers (ch. 4): one, two, and as many as a function of one's own needs.

var NNDL = NNDL || {};

NNDL.figures.register("towers", function (stage, data, id) {
  "use strict";
  const { html, slider } = NNDL.figures;
  const m = NNDL.mathematics;
  const formula = html("input", { id: `formula-${id}`, type: "text", spellcheck: "false", autocomplete: "off" });
  const line = html("div", { class: "formula" }, html("label", { for: formula.id }, "f(x1, x2) ="), formula);
  const error = html("p", { class: "error", role: "alert" });

  /** @param {TowersSpec} spec @param {HTMLElement} controls @param {() => void} changed */
  function build(spec, controls, changed) {
    line.hidden = spec.count === null;
    formula.value = spec.functions[0] || "";
    formula.oninput = () => { spec.functions = [formula.value]; changed(); };
    slider(controls, { label: "height h", name: "height", min: 0.1, max: 40, step: 0.1, value: spec.height,
      change: (value) => {
        spec.height = value;
        if (spec.bias !== null) { spec.bias = -1.5 * value; biases.value = spec.bias; }
        changed();
      } });
    const biases = slider(controls, { label: "bias b of the towers", name: "bias", min: -80, max: 0, step: 0.1,
      value: spec.bias ?? -1.5 * spec.height, change: (value) => { spec.bias = value; changed(); } });
    if (spec.count !== null)
      slider(controls, { label: "towers along each input", name: "count", min: 1, max: 20, step: 1, value: spec.count,
        change: (value) => { spec.count = value; changed(); } });
  }
  NNDL.surface.explore(stage, data.settings, build, (/** @type {TowersSpec} */ spec) => {
    error.textContent = "";
    try {
      const fn = m.towers(spec), boxes = m.towerBoxes(spec);
      const weights = boxes.map((box) => Number(box.weight));
      if (!weights.every(Number.isFinite)) throw new Error("it must be finite in the middle of each tower");
      return { fn, range: [Math.min(0, ...weights), Math.max(0.05, ...weights)], neurons: 5 * boxes.length };
    } catch (problem) {
      error.textContent = `The formula: ${problem instanceof Error ? problem.message : problem}.`;
      return null;
    }
  }, line, error);
});

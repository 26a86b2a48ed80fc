// Any function by bumps (ch. 4): a formula of one's own, more bumps, the windows of failure where they
// meet, and their repair by overlapping approximations.

var NNDL = NNDL || {};

NNDL.figures.register("approximation", function (stage, data) {
  "use strict";
  const { html, slider, choice, readout, Plot, legend, text } = NNDL.figures;
  const m = NNDL.mathematics;
  /** @typedef {{title: string, spec: BumpsSpec, meanError: number | null, largestError: number | null}} Setting */
  /** @type {Setting[]} */
  const settings = data.settings;
  /** @type {BumpsSpec} */
  let spec = structuredClone(settings[0].spec);
  /** @type {Setting | null} */
  let setting = settings[0];
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  const chosen = choice(controls, { label: "Document", name: "setting",
    options: settings.map((each) => /** @type {[string, Setting]} */ ([each.title, each])),
    change: (next) => { setting = next; spec = structuredClone(next.spec); show(); draw(); } });
  const id = `formula-${chosen.id}`;
  const formula = html("input", { id, type: "text", spellcheck: "false", autocomplete: "off",
    value: spec.function || "", oninput: () => { spec.function = formula.value; own(); } });
  stage.append(html("div", { class: "formula" }, html("label", { for: id }, "f(x) ="), formula));
  const error = html("p", { class: "error", role: "alert" });
  const more = html("div", { class: "controls" });
  stage.append(error, more);
  const counts = slider(more, { label: "bumps", name: "count", min: 1, max: 200, step: 1, value: spec.count || 5,
    change: (value) => { spec.count = value; spec.pairs = []; own(); } });
  const overlaps = slider(more, { label: "overlapping approximations", name: "overlaps", min: 1, max: 8, step: 1,
    value: spec.overlaps, change: (value) => { spec.overlaps = value; own(); } });
  const slopes = slider(more, { label: "weight w of the steps", name: "slope", min: 1, max: 4, step: "any",
    value: Math.log10(spec.slope), shown: (value) => text(10 ** value, 3),
    change: (value) => { spec.slope = 10 ** value; own(); } });
  choice(more, { label: "Hidden neurons", name: "activation",
    options: ["sigmoid", "wavy", "relu", "step"].map((each) => /** @type {[string, string]} */ ([each, each])),
    change: (value) => { spec.activation = value; own(); } });
  choice(more, { label: "Output neuron", name: "output",
    options: ["sigmoid", "linear"].map((each) => /** @type {[string, string]} */ ([each, each])),
    change: (value) => { spec.output = value; own(); } });
  const plot = new Plot(stage, { label: "The function and the network's output", x: [0, 1], y: [0, 1],
    xLabel: "input x", yLabel: "output", height: 300 });
  const f = plot.curve("wanted"), output = plot.curve("first");
  const errors = new Plot(stage, { label: "Distance of the output from the function", x: [0, 1], y: [0, 0.2],
    xLabel: "input x", yLabel: "distance", height: 190 });
  const distance = errors.curve("second");
  legend(stage, [["wanted", "the function"], ["first", "output of the network"], ["second", "distance: it fails where this rises"]]);
  const tell = readout(stage, { neurons: "hidden neurons", meanError: "mean distance", largestError: "largest distance",
    measured: "mean distance that the pipeline measured" });

  function own() {
    setting = null;
    if (Array.isArray(spec.heights)) spec.heights = "midpoints";
    draw();
  }
  function show() {
    formula.value = spec.function || "";
    counts.value = spec.count || 1;
    overlaps.value = spec.overlaps;
    slopes.value = Math.log10(spec.slope);
    const selects = /** @type {NodeListOf<HTMLSelectElement>} */ (more.querySelectorAll("select"));
    selects[0].value = spec.activation;
    selects[1].value = spec.output;
  }
  function draw() {
    error.textContent = "";
    const places = m.spread(1001);
    try {
      const wanted = m.parseFormula(spec.function || ""), values = places.map((x) => wanted(x));
      const off = values.findIndex((value) => !Number.isFinite(value) || (spec.output === "sigmoid" && (value <= 0 || value >= 1)));
      if (off >= 0) {
        const must = spec.output === "sigmoid" ? "stay between 0 and 1, or the output be linear" : "be finite";
        throw new Error(`it must ${must}; it is ${text(values[off])} at x = ${text(places[off])}`);
      }
      const weighted = m.weightedOutput(m.bumpNeurons(spec), spec.activation);
      const outputs = places.map((x) => m.ACTIVATIONS[spec.output](weighted(x)));
      const low = Math.min(0, ...values), high = Math.max(1, ...values);
      plot.y = spec.output === "sigmoid" ? [0, 1] : [low, high];
      plot.redraw();
      f(places.map((x, i) => [x, values[i]]));
      output(places.map((x, i) => [x, outputs[i]]));
      const far = outputs.map((value, i) => Math.abs(value - values[i]));
      errors.y = [0, Math.max(0.02, ...far)];
      errors.redraw();
      distance(places.map((x, i) => [x, far[i]]));
      tell({ neurons: m.bumpNeurons(spec).length, ...m.bumpErrors(spec, setting ? 10001 : 2001),
        measured: setting?.meanError ?? "– (own settings)" });
    } catch (problem) {
      error.textContent = `The formula: ${problem instanceof Error ? problem.message : problem}.`;
      f([]);
      output([]);
      distance([]);
    }
  }
  show();
  draw();
});

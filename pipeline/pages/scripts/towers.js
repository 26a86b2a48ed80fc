// Towers of two hidden layers (ch. 4): one, two, and as many as a function of one's own needs.

var NNDL = NNDL || {};

NNDL.figures.register("towers", function (stage, data) {
  "use strict";
  const { html, slider, choice, readout } = NNDL.figures;
  const m = NNDL.mathematics;
  /** @typedef {{title: string, spec: TowersSpec, at: number[][], values: (number | null)[]}} Setting */
  /** @type {Setting[]} */
  const settings = data.settings;
  let setting = settings[0], spec = structuredClone(setting.spec), isOwn = false, place = [0.5, 0.5];
  const top = html("div", { class: "controls" }), controls = html("div", { class: "controls" });
  stage.append(top);
  const chosen = choice(top, { label: "Network", name: "setting",
    options: settings.map((each) => /** @type {[string, Setting]} */ ([each.title, each])),
    change: (next) => { setting = next; spec = structuredClone(next.spec); isOwn = false; build(); } });
  const id = `formula-${chosen.id}`;
  const formula = html("input", { id, type: "text", spellcheck: "false", autocomplete: "off",
    oninput: () => { spec.functions = [formula.value]; isOwn = true; draw(); } });
  const line = html("div", { class: "formula" }, html("label", { for: id }, "f(x1, x2) ="), formula);
  const error = html("p", { class: "error", role: "alert" });
  const surface = NNDL.surface.surface(stage, "The output over both inputs, as a surface");
  stage.append(line, error, controls);
  const where = html("div", { class: "controls" });
  stage.append(where);
  const places = [0, 1].map((axis) => slider(where, { label: `read off at x${"₁₂"[axis]}`, name: `at${axis + 1}`, min: 0, max: 1,
    step: 0.01, value: place[axis], change: (value) => { place[axis] = value; draw(); } }));
  const tell = readout(stage, { value: "output there", neurons: "hidden neurons", measured: "output that the pipeline measured there" });

  function build() {
    controls.replaceChildren();
    line.hidden = spec.count === null;
    formula.value = spec.functions[0] || "";
    const own = () => { isOwn = true; draw(); };
    slider(controls, { label: "height h", name: "height", min: 0.1, max: 40, step: 0.1, value: spec.height,
      change: (value) => {
        spec.height = value;
        if (spec.bias !== null) { spec.bias = -1.5 * value; biases.value = spec.bias; }
        own();
      } });
    const biases = slider(controls, { label: "bias b of the towers", name: "bias", min: -80, max: 0, step: 0.1,
      value: spec.bias ?? -1.5 * spec.height, change: (value) => { spec.bias = value; own(); } });
    if (spec.count !== null)
      slider(controls, { label: "towers along each input", name: "count", min: 1, max: 20, step: 1, value: spec.count,
        change: (value) => { spec.count = value; own(); } });
    place = [...(setting.at[0] || [0.5, 0.5])];
    places.forEach((control, axis) => { control.value = place[axis]; });
    draw();
  }
  function draw() {
    error.textContent = "";
    try {
      const fn = m.towers(spec), boxes = m.towerBoxes(spec);
      const weights = boxes.map((box) => Number(box.weight));
      if (!weights.every(Number.isFinite)) throw new Error("it must be finite in the middle of each tower");
      surface(fn, [Math.min(0, ...weights), Math.max(0.05, ...weights)]);
      const found = setting.at.findIndex((point) => point[0] === place[0] && point[1] === place[1]);
      tell({ value: fn(place[0], place[1]), neurons: 5 * boxes.length,
        measured: isOwn || found < 0 ? "– (own settings)" : setting.values[found] ?? "–" });
    } catch (problem) {
      error.textContent = `The formula: ${problem instanceof Error ? problem.message : problem}.`;
    }
  }
  build();
});

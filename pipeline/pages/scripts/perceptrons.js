// Circuits of perceptrons to click through (ch. 1): inputs to set, neurons to watch, the truth table.

var NNDL = NNDL || {};

NNDL.figures.register("perceptrons", function (stage, data) {
  "use strict";
  const { html, svg, slider, choice, text } = NNDL.figures;
  /** @typedef {{name: string, weights: Record<string, number | number[]>, bias: number}} Unit */
  /** @typedef {{activation: string, scale: number, inputs: string[], neurons: Unit[], outputs: string[],
   *   truth_table: {inputs: number[], outputs: number[]}[]}} Circuit */
  /** @typedef {{title: string, spec: Circuit}} Setting */
  /** @type {Setting[]} */
  const settings = data.settings;
  let spec = settings[0].spec, scale = spec.scale, activation = spec.activation;
  /** @type {Record<string, number>} */
  let inputs = {};
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Circuit", name: "setting",
    options: settings.map((each) => /** @type {[string, Setting]} */ ([each.title, each])),
    change: (next) => { use(next); } });
  const neurons = choice(controls, { label: "Neurons", name: "activation",
    options: [["perceptrons", "step"], ["sigmoid neurons", "sigmoid"]],
    change: (value) => { activation = value; draw(); } });
  const scales = slider(controls, { label: "all weights and biases by c", name: "scale", min: -1, max: 2, step: 0.1,
    value: 0, shown: (value) => text(10 ** value, 2), change: (value) => { scale = 10 ** value; draw(); } });
  const buttons = html("div", { class: "buttons" });
  const picture = svg("svg", { class: "plot circuit", role: "img" });
  const table = html("table", { class: "truth" });
  stage.append(buttons, picture, html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Truth table" }, table));

  /** @param {Setting} next */
  function use(next) {
    spec = next.spec;
    scale = spec.scale;
    activation = spec.activation;
    neurons.value = activation === "step" ? "perceptrons" : "sigmoid neurons";
    scales.value = Math.log10(scale);
    inputs = Object.fromEntries(spec.inputs.map((name) => [name, 0]));
    buttons.replaceChildren(...spec.inputs.map((name) => {
      const button = html("button", { type: "button", "aria-pressed": "false", "data-input": name, onclick: () => {
        inputs[name] = 1 - inputs[name];
        draw();
      } });
      return button;
    }));
    draw();
  }

  /** Activations and weighted inputs of all units.
   * @param {Record<string, number>} given */
  function evaluate(given) {
    /** @type {Record<string, number>} */
    const a = { ...given }, z = /** @type {Record<string, number>} */ ({});
    for (const { name, weights, bias } of spec.neurons) {
      const sum = Object.entries(weights).reduce((total, [source, weight]) =>
        total + [weight].flat().reduce((x, y) => x + y, 0) * a[source], bias);
      z[name] = scale * sum;
      a[name] = NNDL.mathematics.ACTIVATIONS[activation](z[name]);
    }
    return { a, z };
  }

  function draw() {
    const { a, z } = evaluate(inputs);
    for (const button of buttons.querySelectorAll("button")) {
      const name = button.dataset.input || "";
      button.textContent = `${name} = ${inputs[name]}`;
      button.setAttribute("aria-pressed", String(inputs[name] === 1));
    }
    drawCircuit(a, z);
    const isRow = (/** @type {{inputs: number[]}} */ row) => row.inputs.every((bit, i) => bit === inputs[spec.inputs[i]]);
    table.replaceChildren(
      html("thead", {}, html("tr", {}, ...[...spec.inputs, ...spec.outputs].map((name) => html("th", { scope: "col" }, name)))),
      html("tbody", {}, ...spec.truth_table.map((row) => {
        const found = evaluate(Object.fromEntries(spec.inputs.map((name, i) => [name, row.inputs[i]]))).a;
        return html("tr", { class: isRow(row) ? "chosen" : "" }, ...row.inputs.map((bit) => html("td", {}, String(bit))),
          ...spec.outputs.map((name, i) => html("td", { class: "output", "data-value": found[name] },
            `${text(found[name], 3)}${Math.round(found[name]) === row.outputs[i] && found[name] !== 0.5 ? "" : " ≠ " + row.outputs[i]}`)));
      })));
  }

  /** @param {Record<string, number>} a @param {Record<string, number>} z */
  function drawCircuit(a, z) {
    /** @type {Record<string, number>} */
    const layer = Object.fromEntries(spec.inputs.map((name) => [name, 0]));
    for (const { name, weights } of spec.neurons)
      layer[name] = 1 + Math.max(...Object.keys(weights).map((source) => layer[source]));
    const depth = Math.max(...Object.values(layer)), width = Math.max(260, Math.min(stage.clientWidth - 30, 640));
    for (const name of spec.outputs) layer[name] = depth;
    const layers = Array.from({ length: depth + 1 }, (_, l) => Object.keys(layer).filter((name) => layer[name] === l));
    const most = Math.max(...layers.map((each) => each.length)), height = Math.max(170, 112 * most);
    /** @type {Record<string, [number, number]>} */
    const places = {};
    layers.forEach((names, l) => names.forEach((name, i) => {
      places[name] = [34 + (l / depth) * (width - 68), (height * (i + 0.5)) / names.length - 8];
    }));
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("width", String(width));
    picture.setAttribute("height", String(height));
    picture.setAttribute("aria-label", `Circuit: ${Object.entries(a).map(([name, value]) => `${name} ${text(value, 3)}`).join(", ")}`);
    const lines = spec.neurons.flatMap(({ name, weights }) => Object.entries(weights).flatMap(([source, given]) =>
      [given].flat().map((weight, k, all) => {
        const [x, y] = places[source], [u, v] = places[name], bend = (k - (all.length - 1) / 2) * 36;
        const part = layer[name] - layer[source] > 1 ? 0.24 : 0.55;
        const far = Math.hypot(u - x, v - y) || 1, [nx, ny] = [-(v - y) / far, (u - x) / far];
        const [cx, cy] = [(x + u) / 2 + nx * bend, (y + v) / 2 + ny * bend];
        return svg("g", {},
          svg("path", { class: `wire${a[source] > 0.5 ? " on" : ""}`, d: `M${x} ${y}Q${cx} ${cy} ${u} ${v}` }),
          svg("text", { class: "weight", x: x + (u - x) * part + nx * bend / 2, y: y + (v - y) * part + ny * bend / 2 - 3, "text-anchor": "middle" }, text(scale * weight, 3)));
      })));
    const units = Object.entries(places).map(([name, [x, y]]) => {
      const bias = spec.neurons.find((each) => each.name === name)?.bias;
      return svg("g", { class: `unit${a[name] > 0.5 ? " on" : ""}`, transform: `translate(${x} ${y})` },
        svg("circle", { r: 21 }),
        svg("text", { class: "inside", y: 6, "text-anchor": "middle" }, text(a[name], 2)),
        svg("text", { class: "strong", y: 40, "text-anchor": "middle" }, name),
        bias === undefined ? null : svg("text", { y: -27, "text-anchor": "middle" }, `z ${text(z[name], 3)}`));
    });
    picture.replaceChildren(...lines, ...units);
  }
  new ResizeObserver(() => draw()).observe(stage);
  use(settings[0]);
});

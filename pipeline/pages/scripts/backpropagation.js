// A small network step by step through the four equations (ch. 2): every number can be seen, and every
// weight dragged.

var NNDL = NNDL || {};

NNDL.figures.register("backpropagation", function (stage, data) {
  "use strict";
  const { html, svg, slider, button, readout, text } = NNDL.figures;
  const { backpropagate } = NNDL.mathematics;
  /** @type {Dense[]} */
  const layers = structuredClone(data.layers);
  const inputs = [...data.inputs], targets = [...data.targets], { loss, activation } = data;
  const STEPS = [
    ["Forward", "Each neuron adds up its weighted inputs, z = Σ w a + b, and gives a = σ(z)."],
    ["BP1", "The error of an output neuron is δ = ∂C/∂a · σ′(z)."],
    ["BP2", "The error of a hidden neuron is what comes back through its weights: δ = (Σ w δ) · σ′(z)."],
    ["BP3", "The gradient by a bias is the error of its neuron: ∂C/∂b = δ."],
    ["BP4", "The gradient by a weight is the activation that it comes from, times the error of the neuron that it goes to: ∂C/∂w = a δ."],
    ["Update", "Each weight and bias moves against its gradient: w becomes w − η ∂C/∂w."],
  ];
  let step = 0, rate = 1;
  const buttons = html("div", { class: "buttons" });
  stage.append(buttons);
  const tabs = STEPS.map(([name], index) => button(buttons, name, () => { step = index; draw(); }));
  const said = html("p", { role: "status" });
  stage.append(said);
  const picture = svg("svg", { class: "plot network", role: "group", "aria-label": "The network; each weight is a slider" });
  const moving = svg("g", {});
  picture.append(moving);
  stage.append(picture);
  const sums = html("ul", { class: "sums" });
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  slider(controls, { label: "learning rate η", name: "rate", min: 0.1, max: 5, step: 0.1, value: rate, change: (value) => { rate = value; } });
  const update = button(controls, "Take a step", () => {
    const { deltas, weights } = backpropagate(layers, activation, loss, inputs, targets);
    layers.forEach((layer, l) => layer.biases.forEach((_, j) => {
      layer.biases[j] -= rate * deltas[l][j];
      layer.weights[j].forEach((_, k) => { layer.weights[j][k] -= rate * weights[l][j][k]; });
    }));
    draw();
  });
  stage.append(sums);
  const tell = readout(stage, { cost: "cost C", largest: "largest difference from (C(w + ε) − C(w − ε)) / 2ε" });

  /** @type {Record<string, SVGGElement>} */
  const chips = {};
  layers.forEach(({ weights }, l) => weights.forEach((row, j) => row.forEach((_, k) => {
    const name = `${l + 1}-${j + 1}-${k + 1}`;
    const chip = svg("g", { class: "chip", role: "slider", tabindex: 0, "data-weight": name,
      "aria-label": `weight from neuron ${k + 1} to neuron ${j + 1} of layer ${l + 2}`, "aria-valuemin": -9, "aria-valuemax": 9 },
      svg("rect", { x: -27, y: -13, width: 54, height: 26, rx: 5 }), svg("text", { y: 6, "text-anchor": "middle" }));
    chips[name] = chip;
    // They stay where they are: an element that is put in anew loses the pointer that drags it.
    picture.append(chip);
    let from = 0;
    /** @param {number} value */
    const set = (value) => { layers[l].weights[j][k] = Math.round(Math.min(9, Math.max(-9, value)) * 100) / 100; draw(); };
    chip.addEventListener("pointerdown", (event) => { chip.setPointerCapture(event.pointerId); from = event.clientY; chip.focus(); event.preventDefault(); });
    chip.addEventListener("pointermove", (event) => {
      if (!chip.hasPointerCapture(event.pointerId)) return;
      set(layers[l].weights[j][k] + (from - event.clientY) / 50);
      from = event.clientY;
    });
    chip.addEventListener("keydown", (event) => {
      const way = { ArrowUp: 0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowLeft: -0.1 }[event.key];
      if (!way) return;
      set(layers[l].weights[j][k] + way);
      event.preventDefault();
    });
  })));

  function draw() {
    const result = backpropagate(layers, activation, loss, inputs, targets);
    tabs.forEach((tab, index) => tab.setAttribute("aria-pressed", String(index === step)));
    said.textContent = STEPS[step][1];
    update.hidden = step !== 5;
    drawPicture(result);
    sums.replaceChildren(...explain(result).map((line) => html("li", {}, line)));
    tell({ cost: result.cost, largest: difference(result) });
  }

  /** @param {ReturnType<typeof backpropagate>} result */
  function drawPicture({ z, a, deltas, weights }) {
    const sizes = a.map((each) => each.length), most = Math.max(...sizes);
    const width = Math.max(260, Math.min(stage.clientWidth - 26, 680)), height = 170 * most, radius = width < 420 ? 25 : 32;
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("width", String(width));
    picture.setAttribute("height", String(height));
    /** @param {number} l @param {number} j @returns {[number, number]} */
    const place = (l, j) => [radius + 4 + (l / (sizes.length - 1)) * (width - 2 * radius - 8), (height * (j + 0.5)) / sizes[l] - 6];
    /** @type {Element[]} */
    const wires = [];
    layers.forEach((layer, l) => layer.weights.forEach((row, j) => row.forEach((weight, k) => {
      const [x, y] = place(l, k), [u, v] = place(l + 1, j), part = y === v ? 0.5 : 0.4;
      wires.push(svg("path", { class: `wire${weight < 0 ? " negative" : ""}`, d: `M${x} ${y}L${u} ${v}`, "stroke-width": 1 + Math.min(4, Math.abs(weight)) }));
      const chip = chips[`${l + 1}-${j + 1}-${k + 1}`], isGradient = step === 4;
      chip.setAttribute("transform", `translate(${x + (u - x) * part} ${y + (v - y) * part})`);
      chip.setAttribute("aria-valuenow", String(weight));
      chip.setAttribute("class", `chip${isGradient ? " gradient" : ""}`);
      /** @type {Element} */ (chip.lastElementChild).textContent = isGradient ? weights[l][j][k].toFixed(3).replace("-", "−") : text(weight, 3);
    })));
    const units = a.flatMap((values, l) => values.map((value, j) => {
      const [x, y] = place(l, j), hasError = l > 0 && ((step === 1 && l === sizes.length - 1) || (step >= 2 && step < 5));
      const above = l === 0 ? `x = ${text(value, 3)}` : step === 3 ? `b ${text(layers[l - 1].biases[j], 3)}` : `z ${text(z[l - 1][j], 3)}`;
      const below = hasError ? `δ ${text(deltas[l - 1][j], 2)}` : l === sizes.length - 1 ? `y = ${text(targets[j], 3)}` : l ? `b ${text(layers[l - 1].biases[j], 3)}` : "";
      const anchor = l === 0 ? "start" : l === sizes.length - 1 ? "end" : "middle", at = l === 0 ? -radius : l === sizes.length - 1 ? radius : 0;
      return svg("g", { class: `unit${hasError ? " error" : ""}`, transform: `translate(${x} ${y})` }, svg("circle", { r: radius }),
        svg("text", { class: "inside", y: 6, "text-anchor": "middle" }, text(value, 3)),
        svg("text", { y: -radius - 7, x: at, "text-anchor": anchor }, above), svg("text", { class: "strong", y: radius + 19, x: at, "text-anchor": anchor }, below));
    }));
    moving.replaceChildren(...wires, ...units);
  }

  /** What is added up in this step, with all its numbers.
   * @param {ReturnType<typeof backpropagate>} result @returns {string[]} */
  function explain({ z, a, deltas, weights }) {
    const last = layers.length - 1, slope = NNDL.mathematics.SLOPES[activation];
    /** @param {number} value */
    const t = (value) => text(value, 3);
    /** @param {number} l @param {number} j */
    const name = (l, j) => `${l === last ? "output" : "hidden"} neuron ${j + 1}`;
    const all = layers.flatMap((layer, l) => layer.biases.map((bias, j) => ({ layer, l, bias, j })));
    if (step === 0) return all.map(({ layer, l, bias, j }) =>
      `${name(l, j)}: z = ${layer.weights[j].map((w, k) => `${t(w)} · ${t(a[l][k])}`).join(" + ")} + ${t(bias)} = ${t(z[l][j])}, a = ${t(a[l + 1][j])}`);
    if (step === 1) return targets.map((y, j) => `${name(last, j)}: δ = (${t(a[last + 1][j])} − ${t(y)}) · ${t(slope(z[last][j]))} = ${t(deltas[last][j])}`);
    if (step === 2) return all.filter(({ l }) => l < last).map(({ l, j }) =>
      `${name(l, j)}: δ = (${deltas[l + 1].map((d, i) => `${t(layers[l + 1].weights[i][j])} · ${t(d)}`).join(" + ")}) · ${t(slope(z[l][j]))} = ${t(deltas[l][j])}`);
    if (step === 3) return all.map(({ l, j }) => `${name(l, j)}: ∂C/∂b = δ = ${t(deltas[l][j])}`);
    if (step === 4) return all.flatMap(({ l, j }) => weights[l][j].map((gradient, k) =>
      `${name(l, j)}, weight ${k + 1}: ∂C/∂w = ${t(a[l][k])} · ${t(deltas[l][j])} = ${t(gradient)}`));
    return all.map(({ l, bias, j }) => `${name(l, j)}: b becomes ${t(bias)} − η · ${t(deltas[l][j])}, its weights ${layers[l].weights[j].map((w, k) => `${t(w)} − η · ${t(weights[l][j][k])}`).join(" and ")}`);
  }

  /** The largest distance of a gradient from that by moving its weight.
   * @param {ReturnType<typeof backpropagate>} result */
  function difference({ weights }) {
    let largest = 0;
    layers.forEach((layer, l) => layer.weights.forEach((row, j) => row.forEach((weight, k) => {
      const [above, below] = [1e-5, -1e-5].map((move) => {
        row[k] = weight + move;
        return backpropagate(layers, activation, loss, inputs, targets).cost;
      });
      row[k] = weight;
      largest = Math.max(largest, Math.abs((above - below) / 2e-5 - weights[l][j][k]));
    })));
    return largest;
  }
  new ResizeObserver(() => draw()).observe(stage);
  draw();
});

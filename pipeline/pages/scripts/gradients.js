// Gradients layer by layer (ch. 5): live, of a network whose depth and weights are chosen here, and
// along the epochs that the pipeline trained.

var NNDL = NNDL || {};

NNDL.figures.register("gradients", function (stage, data) {
  "use strict";
  const { html, slider, choice, button, readout, Plot, powerOfTen, legend, load, text } = NNDL.figures;
  const { normal, backpropagate } = NNDL.mathematics;
  const UNITS = 30, IMAGES = 50, KINDS = ["first", "second", "third", "fourth"];
  let depth = 4, scale = 1, activation = "sigmoid", seed = 1;
  const controls = html("div", { class: "controls" });
  stage.append(html("h4", {}, "Before training, here"), controls);
  slider(controls, { label: "hidden layers", name: "depth", min: 1, max: 8, step: 1, value: depth,
    change: (value) => { depth = value; draw(); } });
  slider(controls, { label: "weights, in 1/√n", name: "scale", min: -1, max: 1.3, step: 0.05, value: 0,
    shown: (value) => text(10 ** value, 2), change: (value) => { scale = 10 ** value; draw(); } });
  choice(controls, { label: "Neurons", name: "activation",
    options: ["sigmoid", "tanh", "relu"].map((each) => /** @type {[string, string]} */ ([each, each])),
    change: (value) => { activation = value; draw(); } });
  button(controls, "Draw other weights", () => { seed++; draw(); });
  const bars = html("div", { class: "bars gradient-bars", role: "img", "aria-label": "being calculated" });
  stage.append(bars);
  const tell = readout(stage, { ratio: "the last hidden layer learns faster than the first by" });

  async function draw() {
    await load(data.images.path);
    const bytes = NNDL.network.bytesOf(NNDL.weights[data.images.name]), size = 196;
    const deviate = normal(seed), sizes = [size, ...Array.from({ length: depth }, () => UNITS), 10];
    const layers = sizes.slice(1).map((count, l) => ({
      biases: Array.from({ length: count }, deviate),
      weights: Array.from({ length: count }, () => Array.from({ length: sizes[l] }, () => (scale * deviate()) / Math.sqrt(sizes[l]))),
    }));
    const sums = layers.map((layer) => layer.biases.map(() => 0));
    for (let i = 0; i < IMAGES; i++) {
      const image = Float64Array.from(bytes.subarray(i * size, (i + 1) * size), (byte) => byte / 256);
      const target = Array.from({ length: 10 }, (_, digit) => (digit === Number(data.images.labels[i]) ? 1 : 0));
      const { deltas } = backpropagate(layers, activation, "cross-entropy", image, target);
      deltas.forEach((delta, l) => delta.forEach((each, j) => { sums[l][j] += each / IMAGES; }));
    }
    const norms = sums.slice(0, -1).map((sum) => Math.hypot(...sum));
    const powers = norms.map((norm) => Math.log10(norm || 1e-12)), most = Math.max(0, ...powers);
    bars.setAttribute("aria-label", norms.map((norm, l) => `layer ${l + 1}: ${text(norm, 3)}`).join(", "));
    bars.replaceChildren(...norms.map((norm, l) => {
      const share = Math.max(0, (powers[l] + 7) / (most + 7));
      return html("div", { class: "row" }, html("span", {}, String(l + 1)),
        html("span", { class: "track" }, html("span", { class: "bar best", style: `width: ${100 * share}%` })),
        html("span", { class: "value", "data-norm": l + 1, "data-value": norm }, text(norm, 2)));
    }));
    tell({ ratio: norms[norms.length - 1] / norms[0] });
  }
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    draw();
  }, { rootMargin: "200px" }).observe(stage);

  /** @typedef {{title: string, norms: (number | null)[][]}} Variant */
  /** @type {Variant[]} */
  const variants = data.variants;
  if (!variants.length) return;
  stage.append(html("h4", {}, "During training, as the pipeline measured it"));
  const more = html("div", { class: "controls" });
  stage.append(more);
  let variant = variants[variants.length - 1];
  const last = variant.norms[0].length - 1;
  const select = choice(more, { label: "Network", name: "variant",
    options: variants.map((each) => /** @type {[string, Variant]} */ ([each.title, each])),
    change: (next) => { variant = next; show(); } });
  select.selectedIndex = variants.length - 1;
  const epoch = slider(more, { label: "epoch", name: "epoch", min: 0, max: last, step: 1, value: 0, change: show });
  const plot = new Plot(stage, { label: "Norm of the gradient of each hidden layer by epoch", x: [0, last], y: [-6, 0],
    xLabel: "epoch", yLabel: "norm of the gradient", height: 300, yTick: powerOfTen });
  const curves = KINDS.map((kind) => plot.curve(kind)), cursor = plot.curve("now");
  legend(stage, KINDS.map((kind, l) => [kind, `hidden layer ${l + 1}`]));
  const say = readout(stage, Object.fromEntries(KINDS.map((_, l) => [`norm${l + 1}`, `layer ${l + 1}`])));
  function show() {
    curves.forEach((curve, l) => curve((variant.norms[l] || []).map((norm, i) => [i, Math.log10(Number(norm) || NaN)])));
    cursor([[epoch.value, -6], [epoch.value, 0]]);
    say(Object.fromEntries(KINDS.map((_, l) => [`norm${l + 1}`, Number(variant.norms[l]?.[epoch.value] ?? NaN)])));
  }
  show();
});

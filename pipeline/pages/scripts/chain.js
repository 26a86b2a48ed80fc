// A chain of single neurons (ch. 5): the gradient is a product, which vanishes or explodes.

var NNDL = NNDL || {};

NNDL.figures.register("chain", function (stage, data) {
  "use strict";
  const { html, slider, choice, readout, text } = NNDL.figures;
  const { chain } = NNDL.mathematics;
  /** @typedef {{activation: string, input: number, weights: number[], biases: "balanced" | number[]}} ChainSpec */
  /** @typedef {{title: string, spec: ChainSpec, ratio: number | null}} Setting */
  /** @type {Setting[]} */
  const settings = data.settings;
  /** @type {Setting | null} */
  let setting = settings[0];
  let spec = structuredClone(settings[0].spec);
  const top = html("div", { class: "controls" }), controls = html("div", { class: "controls" });
  stage.append(top, controls);
  choice(top, { label: "Chain", name: "setting",
    options: settings.map((each) => /** @type {[string, Setting]} */ ([each.title, each])),
    change: (next) => { setting = next; spec = structuredClone(next.spec); build(); } });
  choice(top, { label: "Biases", name: "biases", options: [["such that each z is 0", true], ["all 0", false]],
    change: (isBalanced) => { spec.biases = isBalanced ? "balanced" : spec.weights.map(() => 0); setting = null; draw(); } });
  const table = html("table", { class: "numbers" });
  stage.append(html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The chain, layer by layer" }, table));
  const tell = readout(stage, { ratio: "|∂C/∂b₁| by that of the last layer", third: "|∂C/∂b₁| by |∂C/∂b₃|",
    measured: "the latter, as the pipeline measured it" });

  function build() {
    controls.replaceChildren();
    spec.weights.forEach((weight, k) => {
      slider(controls, { label: `w${"₁₂₃₄₅₆₇₈"[k]}`, name: `w${k + 1}`, min: -100, max: 100, step: "any", value: weight,
        shown: (value) => text(value, 3), change: (value) => { spec.weights[k] = value; setting = null; draw(); } });
    });
    draw();
  }
  function draw() {
    const { biases, activations, factors, ratios } = chain(spec);
    table.replaceChildren(
      html("thead", {}, html("tr", {}, ...["layer", "w", "b", "a", "|w σ′(z)|", "|∂C/∂b₁| by |∂C/∂b|"].map((name) => html("th", { scope: "col" }, name)))),
      html("tbody", {}, ...spec.weights.map((weight, k) => html("tr", {}, ...[k + 1, weight, biases[k], activations[k], factors[k], ratios[k]]
        .map((value) => html("td", { "data-value": value }, text(value, 3)))))));
    tell({ ratio: ratios[ratios.length - 1], third: ratios[2] ?? NaN, measured: setting?.ratio ?? "– (own settings)" });
  }
  build();
});

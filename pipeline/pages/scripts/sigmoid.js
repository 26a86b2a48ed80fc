// A sigmoid neuron, and how small changes of its weights change its output (ch. 1).

var NNDL = NNDL || {};

NNDL.figures.register("sigmoid", function (stage, data) {
  "use strict";
  const { html, slider, readout, Plot, legend } = NNDL.figures;
  const { sigmoid, SLOPES, spread } = NNDL.mathematics;
  const { inputs, weightChanges, biasChange, measured } = data;
  /** @type {number[]} */
  const weights = [...data.weights];
  let bias = data.bias, factor = 1, isOwn = false;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  weights.forEach((weight, j) => {
    slider(controls, { label: `w${"₁₂₃₄"[j]}, of the input ${inputs[j]}`, name: `w${j + 1}`, min: -3, max: 3, step: 0.1,
      value: weight, change: (value) => { weights[j] = value; isOwn = true; draw(); } });
  });
  slider(controls, { label: "bias b", name: "bias", min: -3, max: 3, step: 0.1, value: bias,
    change: (value) => { bias = value; isOwn = true; draw(); } });
  slider(controls, { label: "size of the changes", name: "factor", min: -2, max: 0, step: 0.1, value: 0,
    shown: (value) => NNDL.figures.text(10 ** value, 2), change: (value) => { factor = 10 ** value; draw(); } });
  const plot = new Plot(stage, { label: "The sigmoid function, where the neuron stands, and its tangent",
    x: [-5, 5], y: [-0.1, 1.1], xLabel: "weighted input z", yLabel: "output", height: 290 });
  const curve = plot.curve("first"), tangent = plot.curve("wanted"), before = plot.curve("fourth"), after = plot.curve("second");
  legend(stage, [["first", "the output"], ["wanted", "the tangent: what eq. 5 predicts"], ["fourth", "before"], ["second", "after the changes"]]);
  const tell = readout(stage, { output: "output", change: "its change", predicted: "predicted change",
    ratio: "ratio of the two", measured: "ratio that the pipeline measured" });
  function draw() {
    const z = weights.reduce((sum, weight, j) => sum + weight * inputs[j], bias);
    const dz = factor * weightChanges.reduce((/** @type {number} */ sum, /** @type {number} */ change, /** @type {number} */ j) =>
      sum + change * inputs[j], biasChange);
    const slope = SLOPES.sigmoid(z), change = sigmoid(z + dz) - sigmoid(z);
    curve(spread(201, -5, 5).map((x) => [x, sigmoid(x)]));
    tangent([-5, 5].map((x) => [x, sigmoid(z) + slope * (x - z)]));
    before([[z, -0.1], [z, sigmoid(z)]]);
    after([[z + dz, -0.1], [z + dz, sigmoid(z + dz)]]);
    const known = measured.find((/** @type {{factor: number}} */ each) => Math.abs(each.factor - factor) < 1e-9);
    tell({ output: sigmoid(z), change, predicted: slope * dz, ratio: change / (slope * dz),
      measured: isOwn || !known || known.ratio === null ? "– (other settings)" : known.ratio });
  }
  draw();
});

// One hidden neuron as a step (ch. 4): its weight makes it steep, and -b/w is where it stands.

var NNDL = NNDL || {};

NNDL.figures.register("step", function (stage, data) {
  "use strict";
  const { html, slider, choice, readout, Plot, legend, text } = NNDL.figures;
  const { ACTIVATIONS, spread } = NNDL.mathematics;
  /** @typedef {{title: string, weight: number, bias: number, activation: string}} Setting */
  /** @type {Setting[]} */
  const settings = data.settings;
  let { weight, bias, activation } = settings[0];
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Neuron", name: "setting",
    options: settings.map((each) => /** @type {[string, Setting]} */ ([each.title, each])),
    change: (setting) => {
      ({ weight, bias, activation } = setting);
      weights.value = weight;
      biases.value = bias;
      draw();
    } });
  const weights = slider(controls, { label: "weight w", name: "weight", min: -999, max: 999, step: 1,
    value: weight, change: (value) => { weight = value; draw(); } });
  const biases = slider(controls, { label: "bias b", name: "bias", min: -999, max: 999, step: 1,
    value: bias, change: (value) => { bias = value; draw(); } });
  const plot = new Plot(stage, { label: "Output of the hidden neuron", x: [0, 1], y: [-0.1, 1.1],
    xLabel: "input x", yLabel: "output", height: 300 });
  const curve = plot.curve("first"), limit = plot.curve("wanted");
  plot.handle({ label: "Where the step stands", step: { x: 0.01, y: 0 },
    get: () => ({ x: Math.min(1, Math.max(0, -bias / weight || 0)), y: 0.5 }),
    move: ({ x }) => {
      bias = -weight * Math.min(1, Math.max(0, x));
      biases.value = bias;
      draw();
    } });
  legend(stage, [["first", "output of the neuron"], ["wanted", "the step that it comes near to"]]);
  const tell = readout(stage, { position: "step at s = −b/w", slope: "slope there", half: "output at 1/2" });
  function draw() {
    const fn = ACTIVATIONS[activation], position = -bias / weight;
    curve(spread(801).map((x) => [x, fn(weight * x + bias)]));
    const [before, after] = weight > 0 ? [0, 1] : [1, 0];
    limit(position > 0 && position < 1 ? [[0, before], [position, before], [position, after], [1, after]] : []);
    plot.redraw();
    const tiny = 1e-7;
    tell({ position: weight ? position : "nowhere",
      slope: (fn(weight * (position + tiny) + bias) - fn(weight * (position - tiny) + bias)) / (2 * tiny),
      half: text(fn(weight / 2 + bias)) });
  }
  draw();
});

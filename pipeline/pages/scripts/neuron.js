// A single neuron learns to turn a 1 into a 0 (ch. 3): the cost decides how fast.

var NNDL = NNDL || {};

NNDL.figures.register("neuron", function (stage, data) {
  "use strict";
  const { html, slider, choice, button, readout, Plot, legend, isStill } = NNDL.figures;
  /** @typedef {{title: string, weight: number, bias: number, rate: number, loss: string,
   *   measured: number | null}} Start */
  /** @type {Start[]} */
  const starts = data.variants;
  const updates = data.updates;
  let { weight, bias, rate, loss, measured } = starts[0];
  let shown = updates;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Training", name: "training",
    options: starts.map((start) => /** @type {[string, Start]} */ ([start.title, start])),
    change: (start) => {
      ({ weight, bias, rate, loss, measured } = start);
      weights.value = weight;
      biases.value = bias;
      rates.value = Math.log10(rate);
      run();
    } });
  const own = () => { measured = null; shown = updates; draw(); };
  const weights = slider(controls, { label: "first weight", name: "weight", min: -3, max: 3, step: 0.1,
    value: weight, change: (value) => { weight = value; own(); } });
  const biases = slider(controls, { label: "first bias", name: "bias", min: -3, max: 3, step: 0.1,
    value: bias, change: (value) => { bias = value; own(); } });
  const rates = slider(controls, { label: "learning rate η", name: "rate", min: -3, max: 0.5, step: "any",
    value: Math.log10(rate), shown: (value) => NNDL.figures.text(10 ** value, 2),
    change: (value) => { rate = 10 ** value; own(); } });
  button(controls, "Run", () => run());
  const outputs = new Plot(stage, { label: "Output of the neuron by epoch", x: [0, 300], y: [0, 1],
    xLabel: "epoch", yLabel: "output a", height: 230 });
  const costs = new Plot(stage, { label: "Cost by epoch", x: [0, 300], y: [0, 0.6], xLabel: "epoch",
    yLabel: "cost", height: 230 });
  const drawOutput = outputs.curve("first"), drawCost = costs.curve("second");
  legend(stage, [["first", "output, which ought to be 0"], ["second", "cost"]]);
  const tell = readout(stage, { epoch: "updates", weight: "weight", bias: "bias", output: "output",
    cost: "cost", measured: "output that the pipeline measured" });

  function draw() {
    const training = NNDL.mathematics.trainNeuron({ weight, bias, rate, loss, updates: shown });
    const whole = NNDL.mathematics.trainNeuron({ weight, bias, rate, loss, updates });
    costs.y = [0, Math.max(0.05, 1.1 * Math.max(...whole.costs.filter(Number.isFinite)))];
    costs.redraw();
    drawOutput(training.outputs.map((a, i) => [i, a]));
    drawCost(training.costs.map((c, i) => [i, c]));
    tell({ epoch: shown, weight: training.weight, bias: training.bias,
      output: training.outputs[shown], cost: training.costs[shown],
      measured: measured === null ? "– (other settings)" : measured });
  }

  let turn = 0;
  function run() {
    const own = ++turn;
    if (isStill()) { shown = updates; draw(); return; }
    shown = 0;
    const step = () => {
      if (own !== turn) return;
      shown = Math.min(updates, shown + 3);
      draw();
      if (shown < updates) requestAnimationFrame(step);
    };
    step();
  }
  draw();
});

// Overfitting along 400 epochs (ch. 3): accuracies and costs of the training and of the test images.

var NNDL = NNDL || {};

NNDL.figures.register("overfitting", function (stage, data) {
  "use strict";
  const { html, slider, choice, button, readout, Plot, legend, isStill } = NNDL.figures;
  /** @typedef {{title: string, curves: Record<string, (number | null)[]>}} Variant */
  /** @type {Variant[]} */
  const variants = data.variants;
  if (!variants.length) {
    stage.append(html("p", { class: "empty" }, data.empty));
    return;
  }
  let variant = variants[0];
  const last = variants[0].curves.test_accuracy.length - 1;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Regularization", name: "variant",
    options: variants.map((each) => /** @type {[string, Variant]} */ ([each.title, each])),
    change: (next) => { variant = next; draw(); } });
  const epoch = slider(controls, { label: "epoch", name: "epoch", min: 0, max: last, step: 1, value: last,
    change: draw });
  const play = button(controls, "Play", () => {
    if (isStill()) { epoch.value = last; draw(); return; }
    epoch.value = 0;
    play.disabled = true;
    const step = () => {
      epoch.value += 2;
      draw();
      if (epoch.value < last) requestAnimationFrame(step);
      else play.disabled = false;
    };
    step();
  });
  const all = variants.flatMap(({ curves }) => [...curves.train_cost, ...curves.test_cost]);
  const most = Math.max(...all.map(Number));
  const accuracy = new Plot(stage, { label: "Accuracy by epoch", x: [0, last], y: [0.5, 1], xLabel: "epoch",
    yLabel: "accuracy", height: 240 });
  const cost = new Plot(stage, { label: "Cost by epoch", x: [0, last], y: [0, most], xLabel: "epoch",
    yLabel: "cost", height: 240 });
  const curves = [
    { draw: accuracy.curve("first"), metric: "train_accuracy" },
    { draw: accuracy.curve("second"), metric: "test_accuracy" },
    { draw: cost.curve("first"), metric: "train_cost" },
    { draw: cost.curve("second"), metric: "test_cost" },
  ];
  const cursors = [accuracy, cost].map((plot) => ({ plot, draw: plot.curve("now") }));
  legend(stage, [["first", "training images"], ["second", "test images"]]);
  const tell = readout(stage, { train_accuracy: "training accuracy", test_accuracy: "test accuracy",
    gap: "gap", train_cost: "training cost", test_cost: "test cost", best: "best test accuracy so far" });

  function draw() {
    const now = epoch.value;
    for (const { draw, metric } of curves)
      draw(variant.curves[metric].slice(0, now + 1).map((value, i) => [i, value ?? NaN]));
    for (const { plot, draw } of cursors) draw([[now, plot.y[0]], [now, plot.y[1]]]);
    const at = Object.fromEntries(curves.map(({ metric }) => [metric, variant.curves[metric][now] ?? NaN]));
    const until = variant.curves.test_accuracy.slice(0, now + 1).map((value) => value ?? 0), best = Math.max(...until);
    tell({ ...at, gap: at.train_accuracy - at.test_accuracy,
      best: `${NNDL.figures.text(best)} at epoch ${until.indexOf(best)}` });
  }
  draw();
});

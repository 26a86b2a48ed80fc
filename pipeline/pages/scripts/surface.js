// Functions of two inputs as surfaces to turn, by pointer, finger or arrow keys, and to read off.

var NNDL = NNDL || {};

NNDL.surface = (function () {
  "use strict";
  const { html, slider, choice, readout, colour, mix, onTheme } = NNDL.figures;
  const CELLS = 56;

  /** @param {HTMLElement} parent @param {string} label what a screen reader says
   * @returns {(fn: (x: number, y: number) => number, range: [number, number]) => void} */
  function surface(parent, label) {
    const canvas = html("canvas", { class: "surface", tabindex: 0, role: "img",
      "aria-label": `${label}. Arrow keys turn it.` });
    parent.append(canvas);
    let turn = -0.65, tilt = 0.55;
    /** @type {number[][]} */
    let heights = [];
    /** @type {[number, number]} */
    let range = [0, 1];

    function draw() {
      if (!heights.length) return;
      const width = Math.max(240, Math.min(parent.clientWidth || 320, 560)), height = 0.72 * width;
      const ratio = Math.min(2, devicePixelRatio || 1);
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      const context = canvas.getContext("2d");
      if (!context) return;
      context.scale(ratio, ratio);
      const [cos, sin, up] = [Math.cos(turn), Math.sin(turn), Math.sin(tilt)], size = 0.62 * width;
      /** @param {number} x @param {number} y @param {number} z @returns {[number, number, number]} */
      const project = (x, y, z) => {
        const [u, v] = [x - 0.5, y - 0.5], across = u * cos - v * sin, away = u * sin + v * cos;
        const part = (z - range[0]) / (range[1] - range[0] || 1);
        return [width / 2 + across * size, height * 0.66 - away * size * up - part * size * 0.62 * Math.cos(tilt), away];
      };
      const low = colour(canvas, "--nndl-paper"), high = colour(canvas, "--nndl-1"), ink = colour(canvas, "--nndl-ink");
      const muted = `rgb(${colour(canvas, "--nndl-muted").join()})`;
      context.strokeStyle = context.fillStyle = muted;
      context.font = "16px sans-serif";
      context.textAlign = "center";
      const corners = /** @type {[number, number][]} */ ([[0, 0], [1, 0], [1, 1], [0, 1]]);
      const places = corners.map(([x, y]) => project(x, y, range[0]));
      context.beginPath();
      places.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.stroke();
      const names = /** @type {[string, number, number][]} */
        ([["x₁ = 1", 1.16, -0.05], ["x₂ = 1", -0.05, 1.16], ["0", -0.08, -0.08]]);
      for (const [name, x, y] of names) {
        const place = project(x, y, range[0]);
        context.fillText(name, Math.min(width - 28, Math.max(28, place[0])), Math.min(height - 4, place[1] + 6));
      }
      const step = 1 / CELLS, cells = [];
      for (let i = 0; i < CELLS; i++)
        for (let j = 0; j < CELLS; j++) cells.push({ i, j, away: project((i + 0.5) * step, (j + 0.5) * step, 0)[2] });
      cells.sort((a, b) => b.away - a.away);
      for (const { i, j } of cells) {
        const quad = /** @type {[number, number][]} */ ([[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]]);
        const mean = quad.reduce((sum, [a, b]) => sum + heights[a][b], 0) / 4;
        const part = (mean - range[0]) / (range[1] - range[0] || 1);
        const slope = Math.abs(heights[i + 1][j] - heights[i][j]) / (range[1] - range[0] || 1);
        const shade = mix(mix(low, high, 0.18 + 0.72 * part), ink, Math.min(0.3, slope));
        context.fillStyle = context.strokeStyle = `rgb(${shade.join()})`;
        context.lineWidth = 0.6;
        context.beginPath();
        quad.forEach(([a, b], k) => {
          const [x, y] = project(a * step, b * step, heights[a][b]);
          if (k) context.lineTo(x, y);
          else context.moveTo(x, y);
        });
        context.closePath();
        context.fill();
        if (i % 4 === 0 || j % 4 === 0) context.strokeStyle = `rgba(${ink.join()}, 0.18)`;
        context.stroke();
      }
    }
    /** @type {[number, number] | null} */
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = [event.clientX, event.clientY];
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from || !canvas.hasPointerCapture(event.pointerId)) return;
      move((event.clientX - from[0]) / 120, (event.clientY - from[1]) / 120);
      from = [event.clientX, event.clientY];
    });
    canvas.addEventListener("keydown", (event) => {
      const way = { ArrowRight: [0.15, 0], ArrowLeft: [-0.15, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      if (!way) return;
      move(way[0], way[1]);
      event.preventDefault();
    });
    /** @param {number} across @param {number} down */
    function move(across, down) {
      turn += across;
      tilt = Math.min(1.4, Math.max(0.15, tilt + down));
      canvas.dataset.turn = turn.toFixed(3);
      draw();
    }
    onTheme(draw);
    new ResizeObserver(draw).observe(parent);
    return (fn, next) => {
      range = next;
      heights = Array.from({ length: CELLS + 1 }, (_, i) =>
        Array.from({ length: CELLS + 1 }, (_, j) => Math.min(next[1], Math.max(next[0], fn(i / CELLS, j / CELLS)))));
      draw();
    };
  }

  /** Networks of two inputs to choose from: the surface of one, its own sliders, and a place to read off.
   * @template Spec
   * @param {HTMLElement} stage
   * @param {{title: string, spec: Spec, at: number[][], values: (number | null)[]}[]} settings
   * @param {(spec: Spec, controls: HTMLElement, changed: () => void) => void} build adds the sliders
   * @param {(spec: Spec) => {fn: (x: number, y: number) => number, range: [number, number], neurons: number} | null} read
   *   null where there is nothing to show
   * @param {HTMLElement[]} below what stands between the surface and the sliders */
  function explore(stage, settings, build, read, ...below) {
    let setting = settings[0], spec = setting.spec, isOwn = false, place = [0.5, 0.5];
    const [top, controls, where] = [0, 1, 2].map(() => html("div", { class: "controls" }));
    stage.append(top);
    choice(top, { label: "Network", name: "setting",
      options: settings.map((each) => /** @type {[string, typeof setting]} */ ([each.title, each])),
      change: (next) => { setting = next; start(); } });
    const show = surface(stage, "The output over both inputs, as a surface");
    stage.append(...below, controls, where);
    const places = [0, 1].map((axis) => slider(where, { label: `read off at x${"₁₂"[axis]}`, name: `at${axis + 1}`, min: 0,
      max: 1, step: 0.01, value: place[axis], change: (value) => { place[axis] = value; draw(); } }));
    const tell = readout(stage, { value: "output there", neurons: "hidden neurons",
      measured: "output that the pipeline measured there" });

    function start() {
      spec = structuredClone(setting.spec);
      isOwn = false;
      controls.replaceChildren();
      build(spec, controls, () => { isOwn = true; draw(); });
      place = [...(setting.at[0] || [0.5, 0.5])];
      places.forEach((control, axis) => { control.value = place[axis]; });
      draw();
    }
    function draw() {
      const now = read(spec);
      if (!now) return;
      show(now.fn, now.range);
      const found = setting.at.findIndex((point) => point[0] === place[0] && point[1] === place[1]);
      tell({ value: now.fn(place[0], place[1]), neurons: now.neurons,
        measured: isOwn || found < 0 ? "– (own settings)" : setting.values[found] ?? "–" });
    }
    start();
  }
  return { explore };
})();

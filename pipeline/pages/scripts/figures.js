// What the interactives share on a page: elements, controls, plots with axes, colours of the theme,
// and the start of each where its figure stands.

/** @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes */
/** @typedef {string | Node | null | undefined} Child */
/** @typedef {{x: number, y: number}} Point */

var NNDL = NNDL || {};

NNDL.figures = (function () {
  "use strict";
  /** @type {Record<string, (stage: HTMLElement, data: any, id: string) => void>} */
  const started = {};
  /** @type {(() => void)[]} */
  const themed = [];

  /** @param {Element} element @param {Attributes} attributes @param {Child[]} children */
  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined)
        element.setAttribute(name, String(value));
    }
    for (const child of children) if (child !== null && child !== undefined) element.append(child);
  }

  /** @template {keyof HTMLElementTagNameMap} Tag
   * @param {Tag} tag @param {Attributes} [attributes] @param {Child[]} children
   * @returns {HTMLElementTagNameMap[Tag]} */
  function html(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    fill(element, attributes, children);
    return element;
  }

  /** @template {keyof SVGElementTagNameMap} Tag
   * @param {Tag} tag @param {Attributes} [attributes] @param {Child[]} children
   * @returns {SVGElementTagNameMap[Tag]} */
  function svg(tag, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    fill(element, attributes, children);
    return element;
  }

  /** A number as text, with a real minus sign.
   * @param {number} value @param {number} [digits] significant ones, 4 if not said */
  function text(value, digits = 4) {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
    const size = Math.abs(value);
    const plain = size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(digits - 1)
      : String(Number(value.toPrecision(digits)));
    return plain.replace(/e\+?(-?\d+)/, (_, power) => ` · 10${raised(power)}`).replaceAll("-", "−");
  }

  /** @param {string} power @returns {string} in small figures */
  const raised = (power) => [...power].map((each) => (each === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(each)])).join("");

  let count = 0;
  /** @param {string} name */
  const unique = (name) => `nndl-${name}-${++count}`;

  /** A slider with its name and its value beside it.
   * @param {HTMLElement} parent
   * @param {{label: string, name: string, min: number, max: number, step: number | "any",
   *   value: number, shown?: (value: number) => string, change: (value: number) => void}} options */
  function slider(parent, { label, name, min, max, step, value, shown = text, change }) {
    const id = unique(name), output = html("output", { for: id });
    const input = html("input", { id, type: "range", min, max, step, name, value,
      oninput: () => { show(); change(Number(input.value)); } });
    const show = () => {
      output.textContent = shown(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    show();
    parent.append(html("div", { class: "control" }, html("label", { for: id }, label), input, output));
    return {
      input,
      get value() { return Number(input.value); },
      set value(next) { input.value = String(next); show(); },
    };
  }

  /** A choice of one.
   * @template Value
   * @param {HTMLElement} parent
   * @param {{label: string, name: string, options: [string, Value][],
   *   change: (value: Value) => void}} options each with its name */
  function choice(parent, { label, name, options, change }) {
    const id = unique(name);
    const select = html("select", { id, name, onchange: () => change(options[select.selectedIndex][1]) },
      ...options.map(([title]) => html("option", {}, title)));
    parent.append(html("div", { class: "control" }, html("label", { for: id }, label), select));
    return select;
  }

  /** @param {HTMLElement} parent @param {string} label @param {() => void} press */
  function button(parent, label, press) {
    const element = html("button", { type: "button", onclick: press }, label);
    parent.append(element);
    return element;
  }

  /** Named numbers below a figure, which a screen reader hears when they change.
   * @param {HTMLElement} parent
   * @param {Record<string, string>} names what each is called
   * @returns {(values: Record<string, number | string>) => void} */
  function readout(parent, names) {
    const list = html("dl", { class: "readout" });
    /** @type {Record<string, HTMLElement>} */
    const places = {};
    for (const [name, title] of Object.entries(names)) {
      places[name] = html("dd", { "data-name": name });
      list.append(html("div", {}, html("dt", {}, title), places[name]));
    }
    parent.append(html("div", { role: "status" }, list));
    return (values) => {
      for (const [name, value] of Object.entries(values)) {
        places[name].textContent = typeof value === "number" ? text(value) : value;
        places[name].dataset.value = String(value);
      }
    };
  }

  /** Round steps between two numbers, about as many as asked for.
   * @param {number} low @param {number} high @param {number} about */
  function ticks(low, high, about) {
    const rough = (high - low) / about, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) || rough;
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) =>
      Number(((first + i) * step).toPrecision(12)));
  }

  /** @param {number} pixels a place, which may lie far outside */
  const place = (pixels) => Math.min(9999, Math.max(-9999, pixels)).toFixed(2);

  /** Axes, curves and handles in an SVG that is as wide as there is room for. */
  class Plot {
    /** @param {HTMLElement} parent
     * @param {{label: string, x: [number, number], y: [number, number], xLabel?: string,
     *   yLabel?: string, height?: number, xTick?: (x: number) => string,
     *   yTick?: (y: number) => string, isSquare?: boolean}} options label: what a screen reader says;
     *   xTick, yTick: what stands at a tick, nothing for none; isSquare: both axes have one scale */
    constructor(parent, options) {
      const { label, x, y, xLabel = "", yLabel = "", height = 280, xTick = text, yTick = text } = options;
      this.isSquare = options.isSquare;
      this.x = x;
      this.y = y;
      this.xTick = xTick;
      this.yTick = yTick;
      this.height = height;
      this.width = 320;
      this.labels = [xLabel, yLabel];
      this.axes = svg("g", { "aria-hidden": "true" });
      this.content = svg("g", {});
      const clip = unique("clip");
      this.frame = svg("rect", {});
      this.curves = svg("g", { "clip-path": `url(#${clip})` });
      this.svg = svg("svg", { role: "group", "aria-label": label, class: "plot" },
        svg("clipPath", { id: clip }, this.frame), this.axes, this.curves, this.content);
      /** @type {(() => void)[]} */
      this.drawn = [];
      parent.append(this.svg);
      new ResizeObserver(() => this.fit()).observe(parent);
      this.fit();
    }

    fit() {
      const parent = this.svg.parentElement;
      const room = parent ? parent.clientWidth : 0;
      this.width = Math.max(240, Math.min(room || 320, this.isSquare ? 460 : 720));
      if (this.isSquare) this.height = this.width - 14;
      this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
      this.svg.setAttribute("width", String(this.width));
      this.svg.setAttribute("height", String(this.height));
      this.redraw();
    }

    /** @param {number} x */
    px(x) {
      return 60 + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.width - 76);
    }

    /** @param {number} y */
    py(y) {
      return this.height - 46 - ((y - this.y[0]) / (this.y[1] - this.y[0])) * (this.height - 62);
    }

    /** The place of a pointer in the plot's own units.
     * @param {PointerEvent} event @returns {Point} */
    at(event) {
      const box = this.svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * this.width;
      const y = ((event.clientY - box.top) / box.height) * this.height;
      return {
        x: this.x[0] + ((x - 60) / (this.width - 76)) * (this.x[1] - this.x[0]),
        y: this.y[0] + ((this.height - 46 - y) / (this.height - 62)) * (this.y[1] - this.y[0]),
      };
    }

    redraw() {
      const [left, right, top, bottom] =
        [this.px(this.x[0]), this.px(this.x[1]), this.py(this.y[1]), this.py(this.y[0])];
      this.axes.replaceChildren();
      fill(this.frame, { x: left, y: top - 2, width: right - left, height: bottom - top + 4 }, []);
      for (const x of ticks(...this.x, Math.max(2, this.width / 110)))
        if (this.xTick(x))
          this.axes.append(
            svg("path", { class: "grid", d: `M${this.px(x)} ${bottom}V${top}` }),
            svg("text", { x: this.px(x), y: bottom + 20, "text-anchor": "middle" }, this.xTick(x)));
      for (const y of ticks(...this.y, this.height / 70))
        if (this.yTick(y))
          this.axes.append(
            svg("path", { class: "grid", d: `M${left} ${this.py(y)}H${right}` }),
            svg("text", { x: left - 8, y: this.py(y) + 5, "text-anchor": "end" }, this.yTick(y)));
      this.axes.append(
        svg("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }),
        svg("text", { x: (left + right) / 2, y: this.height - 6, "text-anchor": "middle" }, this.labels[0]),
        svg("text", { x: 14, y: (top + bottom) / 2, "text-anchor": "middle",
          transform: `rotate(-90 14 ${(top + bottom) / 2})` }, this.labels[1]));
      for (const draw of this.drawn) draw();
    }

    /** A curve, whose points are set later.
     * @param {string} kind class of its colour
     * @returns {(points: [number, number][]) => void} */
    curve(kind) {
      /** @type {[number, number][]} */
      let points = [];
      const path = svg("path", { class: `curve ${kind}` });
      this.curves.append(path);
      const draw = () => {
        const d = points.filter((p) => Number.isFinite(p[1])).map(([x, y], index) =>
          `${index ? "L" : "M"}${place(this.px(x))} ${place(this.py(y))}`);
        path.setAttribute("d", d.join(""));
      };
      this.drawn.push(draw);
      return (next) => {
        points = next;
        draw();
      };
    }

    /** A dot that is moved by pointer, finger and arrow keys.
     * @param {{label: string, kind?: string, step: Point, get: () => Point,
     *   move: (to: Point) => void, shown?: () => string}} options step: of an arrow key, 0 for an
     *   axis along which it cannot be moved; move: is called with where it ought to go */
    handle({ label, kind = "", step, get, move, shown }) {
      const isUpright = step.x === 0;
      const dot = svg("circle", { class: `handle ${kind}`, r: 10, tabindex: 0, role: "slider",
        "aria-label": label, "aria-orientation": isUpright ? "vertical" : "horizontal",
        "aria-valuemin": (isUpright ? this.y : this.x)[0], "aria-valuemax": (isUpright ? this.y : this.x)[1] });
      this.content.append(dot);
      const draw = () => {
        const { x, y } = get();
        dot.setAttribute("cx", String(this.px(x)));
        dot.setAttribute("cy", String(this.py(Math.min(this.y[1], Math.max(this.y[0], y)))));
        dot.setAttribute("aria-valuenow", String(isUpright ? y : x));
        dot.setAttribute("aria-valuetext", shown ? shown() : step.x && step.y ? `${text(x)}, ${text(y)}` : text(isUpright ? y : x));
      };
      dot.addEventListener("pointerdown", (event) => {
        dot.setPointerCapture(event.pointerId);
        dot.focus();
        event.preventDefault();
      });
      dot.addEventListener("pointermove", (event) => {
        if (!dot.hasPointerCapture(event.pointerId)) return;
        move(this.at(event));
        draw();
      });
      dot.addEventListener("keydown", (event) => {
        const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
        if (!way) return;
        const { x, y } = get(), far = event.shiftKey ? 10 : 1;
        const along = step.y ? 0 : way[1], up = step.x ? 0 : way[0];
        move({ x: x + (way[0] + along) * step.x * far, y: y + (way[1] + up) * step.y * far });
        draw();
        event.preventDefault();
      });
      this.drawn.push(draw);
      draw();
      return draw;
    }
  }

  /** What stands at a tick of a logarithmic axis, whose places are logarithms to base 10.
   * @param {number} power */
  const powerOfTen = (power) =>
    !Number.isInteger(power) ? "" : Math.abs(power) < 3 ? text(10 ** power) : `10${raised(String(power))}`;

  /** Names of curves, each with its line.
   * @param {HTMLElement} parent @param {[string, string][]} entries kind and name */
  function legend(parent, entries) {
    parent.append(html("ul", { class: "legend" }, ...entries.map(([kind, name]) =>
      html("li", {}, svg("svg", { width: 28, height: 10, "aria-hidden": "true" },
        svg("path", { class: `curve ${kind}`, d: "M2 5H26" })), name))));
  }

  /** A colour of the page's theme, as red, green and blue.
   * @param {Element} element @param {string} name such as --ink
   * @returns {[number, number, number]} */
  function colour(element, name) {
    const canvas = html("canvas", { width: 1, height: 1 }), context = canvas.getContext("2d");
    if (!context) return [0, 0, 0];
    context.fillStyle = getComputedStyle(element).getPropertyValue(name).trim() || "#000";
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
    return [red, green, blue];
  }

  /** @param {number[]} from @param {number[]} to @param {number} part of the way */
  function mix(from, to, part) {
    const share = Math.min(1, Math.max(0, part));
    return from.map((each, i) => Math.round(each + (to[i] - each) * share));
  }

  /** Values as grey squares on a canvas, 0 as the paper and 1 as the ink; negative ones in the
   * second colour.
   * @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} values @param {number} columns
   * @param {number} [most] what is shown as ink */
  function paint(canvas, values, columns, most = 1) {
    const rows = Math.ceil(values.length / columns);
    canvas.width = columns;
    canvas.height = rows;
    const context = canvas.getContext("2d");
    if (!context) return;
    const image = context.createImageData(columns, rows);
    const paper = colour(canvas, "--nndl-paper"), ink = colour(canvas, "--nndl-ink");
    const below = colour(canvas, "--nndl-2");
    for (let i = 0; i < values.length; i++) {
      const part = values[i] / (most || 1), mixed = mix(paper, part < 0 ? below : ink, Math.abs(part));
      image.data.set([...mixed, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }

  /** Say what starts an interactive.
   * @param {string} name
   * @param {(stage: HTMLElement, data: any, id: string) => void} start */
  function register(name, start) {
    started[name] = start;
  }

  /** Call this when the theme changes, as canvases have to be painted again.
   * @param {() => void} draw */
  function onTheme(draw) {
    themed.push(draw);
  }

  /** Start all interactives of the page. */
  function startAll() {
    for (const figure of document.querySelectorAll("figure[data-interactive]")) {
      const name = figure.getAttribute("data-interactive") || "", start = started[name];
      const data = figure.querySelector('script[type="application/json"]');
      if (!start || !data || figure.querySelector(".stage")) continue;
      const stage = html("div", { class: "stage" });
      figure.insertBefore(stage, figure.querySelector("figcaption"));
      start(stage, JSON.parse(data.textContent || "null"), figure.id);
    }
  }

  /** Load a script that lies beside the page, once.
   * @param {string} path @returns {Promise<void>} */
  function load(path) {
    loading[path] ??= new Promise((resolve, reject) => {
      document.head.append(html("script", { src: path, onload: () => resolve(),
        onerror: () => reject(new Error(`${path} cannot be read`)) }));
    });
    return loading[path];
  }
  /** @type {Record<string, Promise<void>>} */
  const loading = {};

  const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  if (typeof document !== "undefined") {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => themed.forEach((draw) => draw()));
    document.addEventListener("DOMContentLoaded", startAll);
  }

  return { html, svg, text, slider, choice, button, readout, Plot, powerOfTen, legend, colour, mix, paint, register,
    onTheme, load, isStill };
})();

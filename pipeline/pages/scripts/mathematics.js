// What the interactives calculate, by the formulas of nndl_jax/calculations: activations, formulas,
// bumps, ridges and towers, chains, backpropagation, descent. No page is needed for it.

/** @typedef {(z: number) => number} Fn */
/** @typedef {{from: number, to: number, height: number}} Bump */
/** @typedef {{weight: number, bias: number, height: number}} Step */
/**
 * A document's network of the form `bumps`, as Pydantic writes it.
 * @typedef {{function: string | null, count: number | null, heights: string | number[] | null,
 *   overlaps: number, pairs: Bump[], steps: Step[], slope: number, activation: string,
 *   output: string}} BumpsSpec
 */
/** @typedef {{weights: number[], bias: number, height: number}} Plane */
/** @typedef {{middle: number[], radius: number, directions: number, height: number}} Circle */
/**
 * @typedef {{steps: Plane[], bumps: (Bump & {direction: number[]})[], circle: Circle | null,
 *   slope: number, output: string, bias: number}} RidgesSpec
 */
/**
 * @typedef {{inputs: number, boxes: {low: number[], high: number[], weight: number}[],
 *   functions: string[], count: number | null, height: number, bias: number | null, slope: number,
 *   output: string}} TowersSpec
 */
/** @typedef {{weights: number[][], biases: number[]}} Dense */

var NNDL = NNDL || {};

NNDL.mathematics = (function () {
  "use strict";

  /** @type {Fn} */
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  /** @type {Fn} */
  const inverseSigmoid = (a) => Math.log(a) - Math.log1p(-a);

  /** The integral of exp(-t^2) from 0 to x, by 2 / sqrt(pi): a series, or a fraction far out.
   * @type {Fn} */
  function erf(x) {
    const far = Math.abs(x);
    if (far >= 3) {
      let fraction = far;
      for (let n = 60; n > 0; n--) fraction = far + n / 2 / fraction;
      return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction);
    }
    let term = x, sum = x;
    for (let n = 1; n < 60; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }

  /** Activation functions of single neurons by the names that documents give them.
   * @type {Record<string, Fn>} */
  const ACTIVATIONS = {
    sigmoid,
    tanh: Math.tanh,
    relu: (z) => Math.max(z, 0),
    linear: (z) => z,
    "leaky-relu": (z) => (z < 0 ? 0.01 * z : z),
    softplus: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))),
    gelu: (z) => (z / 2) * (1 + erf(z / Math.SQRT2)),
    step: (z) => (z > 0 ? 1 : 0),
    wavy: (z) => sigmoid(z) + 0.2 * Math.sin(10 * z) * Math.exp(-Math.abs(z)),
  };

  /** Slopes of the activation functions that the small networks learn with.
   * @type {Record<string, Fn>} */
  const SLOPES = {
    sigmoid: (z) => sigmoid(z) * sigmoid(-z),
    tanh: (z) => 1 - Math.tanh(z) ** 2,
    relu: (z) => (z > 0 ? 1 : 0),
    linear: () => 1,
  };

  /** a_j = exp(c z_j) / sum_k exp(c z_k).
   * @param {ArrayLike<number>} z
   * @param {number} [scale] the c, 1 for the softmax itself
   * @returns {number[]} */
  function softmax(z, scale = 1) {
    const values = Array.from(z), most = Math.max(...values);
    const powers = values.map((each) => Math.exp(scale * (each - most)));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }

  /** Numbers from 0 up to 1 and with both, evenly spaced.
   * @param {number} count @param {number} [from] @param {number} [to] @returns {number[]} */
  function spread(count, from = 0, to = 1) {
    return Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
  }

  // Formulas: the language of the documents, read without eval.

  /** @type {Record<string, Fn>} */
  const FUNCTIONS = {
    sin: Math.sin, cos: Math.cos, tan: Math.tan, exp: Math.exp, log: Math.log, sqrt: Math.sqrt,
    abs: Math.abs, sigmoid, tanh: Math.tanh,
  };
  /** @type {Record<string, number>} */
  const CONSTANTS = { pi: Math.PI, e: Math.E };

  /** The function that a text such as `0.2 + 0.4*x**2` describes, as documents write them.
   * @param {string} text
   * @param {string[]} [variables] names of its arguments
   * @returns {(...values: number[]) => number}
   * @throws {Error} says what is wrong and at which character */
  function parseFormula(text, variables = ["x"]) {
    /** @typedef {(values: number[]) => number} Part */
    const tokens = [...text.matchAll(/\s*(\*\*|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|\S)/g)];
    let at = 0, depth = 0;
    const peek = () => (at < tokens.length ? tokens[at][1] : "");
    /** @param {string} said @returns {never} */
    function fail(said) {
      const token = tokens[at];
      const place = token ? token.index + token[0].length - token[1].length : text.length;
      throw new Error(`${said} at character ${place + 1}`);
    }
    /** @param {string} token */
    function expect(token) {
      if (peek() !== token) fail(peek() ? `'${token}' is missing` : `'${token}' is missing at the end,`);
      at++;
    }
    /** @returns {Part} */
    function sum() {
      if (++depth > 100) fail("it is nested too deep");
      let left = product();
      while (peek() === "+" || peek() === "-") {
        const sign = tokens[at++][1] === "+" ? 1 : -1, first = left, second = product();
        left = (v) => first(v) + sign * second(v);
      }
      depth--;
      return left;
    }
    /** @returns {Part} */
    function product() {
      let left = signed();
      while (peek() === "*" || peek() === "/") {
        const isProduct = tokens[at++][1] === "*", first = left, second = signed();
        left = isProduct ? (v) => first(v) * second(v) : (v) => first(v) / second(v);
      }
      return left;
    }
    /** @returns {Part} */
    function signed() {
      let sign = 1;
      for (; peek() === "-"; at++) sign = -sign;
      const value = power();
      return sign > 0 ? value : (v) => -value(v);
    }
    /** @returns {Part} */
    function power() {
      const base = atom();
      if (peek() !== "**") return base;
      at++;
      const isNegative = peek() === "-";
      if (isNegative) at++;
      const exponent = (isNegative ? -1 : 1) * Number(peek() || "x");
      if (!(Math.abs(exponent) <= 32)) fail("an exponent must be a number from -32 to 32");
      at++;
      if (peek() === "**") fail("a power of a power needs parentheses");
      return (v) => base(v) ** exponent;
    }
    /** @returns {Part} */
    function atom() {
      const token = peek();
      if (/^[\d.]/.test(token)) {
        const number = Number(token);
        if (!Number.isFinite(number)) fail(`'${token}' is no number`);
        at++;
        return () => number;
      }
      if (token === "(") {
        at++;
        const inside = sum();
        expect(")");
        return inside;
      }
      if (Object.hasOwn(FUNCTIONS, token)) {
        const fn = FUNCTIONS[token];
        at++;
        expect("(");
        const inside = sum();
        expect(")");
        return (v) => fn(inside(v));
      }
      const index = variables.indexOf(token);
      if (index < 0 && !Object.hasOwn(CONSTANTS, token)) {
        if (token === "^") fail("write ** for a power,");
        fail(token ? `'${token}' is not known` : "something is missing at the end,");
      }
      at++;
      return index < 0 ? () => CONSTANTS[token] : (v) => v[index];
    }
    if (text.length > 500) throw new Error("it has more than 500 characters");
    const whole = sum();
    if (at < tokens.length) fail(`'${peek()}' is not expected`);
    return (...values) => whole(values);
  }

  // Chapter 4: bumps of one input.

  /** What the weighted output shall be at x: sigma^-1(f(x)) with a sigmoid output, else f(x).
   * @param {BumpsSpec} spec @returns {Fn} */
  function bumpTarget(spec) {
    const wanted = parseFormula(spec.function || "0");
    return spec.output === "sigmoid" ? (x) => inverseSigmoid(wanted(x)) : wanted;
  }

  /** @param {number[]} values */
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  /** @param {number[]} values */
  function median(values) {
    const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  /** The bumps of a document, those of each overlapping approximation in a row.
   * @param {BumpsSpec} spec @returns {Bump[]} */
  function bumpIntervals(spec) {
    if (spec.count === null) return spec.pairs;
    const { count, overlaps, heights } = spec, parts = [];
    for (const first of [0, ...Array.from({ length: overlaps - 1 }, (_, i) => 1 - overlaps + i)])
      for (let part = first; part < overlaps * count; part += overlaps) parts.push(part);
    const target = bumpTarget(spec);
    return parts.map((part, index) => {
      const from = part / (overlaps * count), to = (part + overlaps) / (overlaps * count);
      if (Array.isArray(heights)) return { from, to, height: heights[index] };
      const low = Math.max(from, 0), high = Math.min(to, 1);
      const samples = Array.from({ length: 20 }, (_, i) => target(low + (i / 20) * (high - low)));
      const height =
        heights === "midpoints" ? target((low + high) / 2)
        : heights === "medians" ? median(samples) : mean(samples);
      return { from, to, height: height / overlaps };
    });
  }

  /** The hidden neurons of a document.
   * @param {BumpsSpec} spec @returns {Step[]} */
  function bumpNeurons(spec) {
    if (spec.steps.length) return spec.steps;
    const { slope, activation } = spec;
    /** @type {Step[]} */
    const steps = bumpIntervals(spec).flatMap((bump) => [
      { weight: slope, bias: -slope * bump.from, height: bump.height },
      { weight: slope, bias: -slope * bump.to, height: -bump.height },
    ]);
    if (activation !== "relu") return steps;
    return steps.flatMap(({ weight, bias, height }) => [
      { weight, bias: bias + 0.5, height },
      { weight, bias: bias - 0.5, height: -height },
    ]);
  }

  /** The weighted input of the output neuron at x.
   * @param {Step[]} neurons @param {string} activation @returns {Fn} */
  function weightedOutput(neurons, activation) {
    const fn = ACTIVATIONS[activation];
    return (x) => neurons.reduce((sum, n) => sum + n.height * fn(n.weight * x + n.bias), 0);
  }

  /** The weighted output if steps were ideal.
   * @param {Bump[]} bumps @returns {Fn} */
  function idealOutput(bumps) {
    return (x) => bumps.reduce((sum, b) => sum + (b.from <= x && x < b.to ? b.height : 0), 0);
  }

  /** The average deviation of the book's design challenge, met below 0.405.
   * @param {BumpsSpec} spec @returns {number} */
  function bumpScore(spec) {
    const places = 20 * (spec.count || 5), target = bumpTarget(spec);
    const ideal = idealOutput(bumpIntervals(spec));
    let sum = 0;
    for (let i = 0; i < places; i++) sum += Math.abs(target(i / places) - ideal(i / places));
    return sum / places;
  }

  /** Distances of the output from the function at evenly spaced places of [0, 1].
   * @param {BumpsSpec} spec @param {number} places documents are measured at 10,001
   * @returns {{meanError: number, largestError: number}} */
  function bumpErrors(spec, places) {
    const weighted = weightedOutput(bumpNeurons(spec), spec.activation);
    const wanted = parseFormula(spec.function || "0"), output = ACTIVATIONS[spec.output];
    const errors = spread(places).map((x) => Math.abs(output(weighted(x)) - wanted(x)));
    return { meanError: mean(errors), largestError: Math.max(...errors) };
  }

  // Chapter 4: two inputs.

  /** The output of a network of ridges.
   * @param {RidgesSpec} spec @returns {(x: number, y: number) => number} */
  function ridges(spec) {
    const planes = ridgePlanes(spec), output = ACTIVATIONS[spec.output];
    return (x, y) =>
      output(planes.reduce(
        (sum, p) => sum + p.height * sigmoid(p.weights[0] * x + p.weights[1] * y + p.bias), spec.bias,
      ));
  }

  /** The hidden neurons of ridges, two for each.
   * @param {RidgesSpec} spec @returns {Plane[]} */
  function ridgePlanes(spec) {
    if (spec.steps.length) return spec.steps;
    let bands = spec.bumps.map(({ direction, from, to, height }) => {
      const length = Math.hypot(...direction);
      return { direction: direction.map((each) => each / length), from, to, height };
    });
    if (spec.circle) {
      const { middle, radius, directions, height } = spec.circle;
      bands = Array.from({ length: directions }, (_, i) => {
        const angle = (Math.PI * i) / directions, direction = [Math.cos(angle), Math.sin(angle)];
        const centre = direction[0] * middle[0] + direction[1] * middle[1];
        return { direction, from: centre - radius, to: centre + radius, height: height / directions };
      });
    }
    return bands.flatMap(({ direction, from, to, height }) => {
      const weights = direction.map((each) => spec.slope * each);
      return [
        { weights, bias: -spec.slope * from, height },
        { weights, bias: -spec.slope * to, height: -height },
      ];
    });
  }

  /** The towers of a document of two inputs, given or those of its grid.
   * @param {TowersSpec} spec */
  function towerBoxes(spec) {
    if (spec.count === null) return spec.boxes;
    const count = spec.count, wanted = parseFormula(spec.functions[0], ["x1", "x2"]);
    return Array.from({ length: count * count }, (_, index) => {
      const row = Math.floor(index / count), column = index % count;
      const value = wanted((row + 0.5) / count, (column + 0.5) / count);
      return {
        low: [row / count, column / count],
        high: [(row + 1) / count, (column + 1) / count],
        weight: spec.output === "sigmoid" ? inverseSigmoid(value) : value,
      };
    });
  }

  /** The output of a network of towers of two inputs.
   * @param {TowersSpec} spec @returns {(x: number, y: number) => number} */
  function towers(spec) {
    const boxes = towerBoxes(spec), output = ACTIVATIONS[spec.output];
    const bias = spec.bias === null ? (0.5 - spec.inputs) * spec.height : spec.bias;
    /** @param {number} value @param {number} low @param {number} high */
    const wall = (value, low, high) =>
      sigmoid(spec.slope * (value - low)) - sigmoid(spec.slope * (value - high));
    return (x, y) =>
      output(boxes.reduce((sum, { low, high, weight }) => {
        const walls = wall(x, low[0], high[0]) + wall(y, low[1], high[1]);
        return sum + weight * sigmoid(bias + spec.height * walls);
      }, 0));
  }

  // Chapters 1, 2, 3 and 5: small networks and how they learn.

  /** Points of gradient descent on C = sum_j v_j^2: v' = v - eta 2 v.
   * @param {number[]} start @param {number} rate @param {number} steps @returns {number[][]} */
  function descend(start, rate, steps) {
    const path = [start];
    for (let i = 0; i < steps; i++) path.push(path[i].map((v) => v - 2 * rate * v));
    return path;
  }

  /** Outputs and costs of one neuron after each update, its input 1 and its target 0.
   * @param {{weight: number, bias: number, rate: number, loss: string, updates: number}} spec
   *   loss: quadratic; cross-entropy; or cross-entropy-by-activation, the slip of the book's page,
   *   which takes dC/da for dC/dz
   * @returns {{outputs: number[], costs: number[], weight: number, bias: number}} */
  function trainNeuron({ weight, bias, rate, loss, updates }) {
    const outputs = [], costs = [];
    for (let i = 0; i <= updates; i++) {
      const a = sigmoid(weight + bias);
      outputs.push(a);
      costs.push(loss === "quadratic" ? (a * a) / 2 : -Math.log1p(-a));
      if (i === updates) break;
      const gradient = loss === "quadratic" ? a * a * (1 - a) : loss === "cross-entropy" ? a : 1 / (1 - a);
      weight -= rate * gradient;
      bias -= rate * gradient;
    }
    return { outputs, costs, weight, bias };
  }

  /** A chain of single neurons: biases, activations, factors |w s'(z)|, and |dC/db_1| by |dC/db_k|.
   * @param {{activation: string, input: number, weights: number[], biases: "balanced" | number[]}} spec */
  function chain({ activation, input, weights, biases }) {
    const fn = ACTIVATIONS[activation], slope = SLOPES[activation];
    const result = {
      biases: /** @type {number[]} */ ([]), activations: /** @type {number[]} */ ([]),
      factors: /** @type {number[]} */ ([]), ratios: [1],
    };
    let before = input, lastSlope = 0;
    weights.forEach((weight, k) => {
      const bias = biases === "balanced" ? -weight * before : biases[k], z = weight * before + bias;
      if (k) result.ratios.push(result.ratios[k - 1] * Math.abs(lastSlope * weight));
      lastSlope = slope(z);
      before = fn(z);
      result.biases.push(bias);
      result.activations.push(before);
      result.factors.push(Math.abs(weight * lastSlope));
    });
    return result;
  }

  /** How wide the interval of inputs is in which |w s'(w a + b)| is 1 or more.
   * @type {Fn} */
  function steepWidth(weight) {
    const w = Math.abs(weight);
    if (w <= 4) return 0;
    return (2 / w) * Math.log((w * (1 + Math.sqrt(1 - 4 / w))) / 2 - 1);
  }

  /** Weighted inputs, activations and, by BP1 to BP4, the gradients of one example.
   * @param {Dense[]} layers
   * @param {string} activation of all layers
   * @param {string} loss quadratic, or cross-entropy of sigmoid outputs
   * @param {ArrayLike<number>} inputs
   * @param {ArrayLike<number>} targets
   * @returns {{z: number[][], a: number[][], deltas: number[][], weights: number[][][], cost: number}}
   *   a begins with the inputs; deltas are dC/db, and weights dC/dw */
  function backpropagate(layers, activation, loss, inputs, targets) {
    const fn = ACTIVATIONS[activation], slope = SLOPES[activation];
    /** @type {number[][]} */
    const z = [];
    /** @type {number[][]} */
    const deltas = [];
    const a = [Array.from(inputs)];
    layers.forEach(({ weights, biases }, l) => {
      const isLast = l === layers.length - 1, out = isLast && loss !== "quadratic" ? sigmoid : fn;
      z.push(weights.map((row, j) => row.reduce((sum, w, k) => sum + w * a[l][k], biases[j])));
      a.push(z[l].map(out));
    });
    const last = layers.length - 1, output = a[last + 1];
    deltas[last] = output.map((o, j) =>
      loss === "quadratic" ? (o - targets[j]) * slope(z[last][j]) : o - targets[j]);
    for (let l = last - 1; l >= 0; l--) {
      deltas[l] = z[l].map((each, k) => {
        const back = deltas[l + 1].reduce((sum, d, j) => sum + layers[l + 1].weights[j][k] * d, 0);
        return back * slope(each);
      });
    }
    const weights = layers.map((_, l) => deltas[l].map((d) => a[l].map((input) => d * input)));
    return { z, a, deltas, weights, cost: cost(loss, output, targets) };
  }

  /** @param {string} loss @param {number[]} outputs @param {ArrayLike<number>} targets */
  function cost(loss, outputs, targets) {
    return outputs.reduce((sum, o, j) => {
      const y = targets[j];
      if (loss === "quadratic") return sum + (o - y) ** 2 / 2;
      return sum - (y ? y * Math.log(o) : 0) - (y < 1 ? (1 - y) * Math.log1p(-o) : 0);
    }, 0);
  }

  /** Numbers from 0 to 1 from a seed (mulberry32).
   * @param {number} seed @returns {() => number} */
  function uniform(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  /** Normal deviates from a seed (Box and Muller).
   * @param {number} seed @returns {() => number} */
  function normal(seed) {
    const draw = uniform(seed);
    return () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  }

  return {
    ACTIVATIONS, SLOPES, sigmoid, inverseSigmoid, softmax, spread, mean, median, parseFormula,
    bumpTarget, bumpIntervals, bumpNeurons, weightedOutput, idealOutput, bumpScore, bumpErrors,
    ridges, ridgePlanes, towerBoxes, towers, descend, trainNeuron, chain, steepWidth, backpropagate,
    normal,
  };
})();

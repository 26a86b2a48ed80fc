// A trained network in the browser: it reads the bytes that `nndl_jax.save` writes, safetensors with
// the document inside, and computes what `nndl_jax` computes. Strokes become images as MNIST's are.

/** @typedef {{shape: number[], values: Float32Array | Float64Array}} NamedArray */
/**
 * A layer as documents write it.
 * @typedef {{kind: string, units: number, activation: string, dropout: number, repeat: number,
 *   filters: number, kernel: number[], padding: string, stride: number[], window: number[]}} LayerSpec
 */
/** @typedef {LayerSpec & {weight: NamedArray, bias: NamedArray}} Layer */
/**
 * @typedef {{id: string, inputs: number[], layers: Layer[], spec: {model: {inputs: number[]}}}} Network
 */
/** @typedef {{kind: string, shape: number[], values: Float64Array}} Activations */

var NNDL = NNDL || {};

/** Files of weights by name, in base64; each is a script that adds its own.
 * @type {Record<string, string>} */
NNDL.weights = NNDL.weights || {};

NNDL.network = (function () {
  "use strict";
  const { ACTIVATIONS, softmax } = NNDL.mathematics;
  const POOLS = ["max-pool", "average-pool"];

  /** @param {string} text in base64 @returns {Uint8Array} */
  function bytesOf(text) {
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }

  /** The network in a file that `save` wrote.
   * @param {Uint8Array} bytes
   * @returns {Network}
   * @throws {Error} it is none */
  function readNetwork(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = Number(view.getBigUint64(0, true));
    if (length > bytes.length - 8) throw new Error("this is no whole safetensors file");
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    if (!header.__metadata__?.spec) throw new Error("there is no document in this file");
    const spec = JSON.parse(header.__metadata__.spec);
    /** @param {string} name @returns {NamedArray} */
    const array = (name) => {
      const { dtype, shape, data_offsets: [from, to] } = header[name];
      const own = bytes.slice(8 + length + from, 8 + length + to).buffer;
      if (dtype !== "F32" && dtype !== "F64") throw new Error(`numbers of type ${dtype} are not read`);
      return { shape, values: dtype === "F32" ? new Float32Array(own) : new Float64Array(own) };
    };
    /** @type {Layer[]} */
    const layers = [];
    let place = 0;
    for (const layer of spec.model.layers) {
      for (let i = 0; i < (layer.repeat ?? 1); i++) {
        const before = layers.at(-1);
        // In the file, max-pooling is a part of the convolution that it follows.
        const isPart = layer.kind === "max-pool" && before?.kind === "conv";
        const hasWeights = layer.kind === "dense" || layer.kind === "conv";
        if (!hasWeights && !POOLS.includes(layer.kind)) throw new Error(`layers of kind ${layer.kind} are not run here`);
        layers.push({
          ...layer,
          ...(hasWeights && {
            weight: array(`layers.${place}.weight`), bias: array(`layers.${place}.bias`),
          }),
        });
        if (!isPart) place++;
      }
    }
    return { id: spec.id, inputs: spec.model.inputs, layers, spec };
  }

  /** The activations of every layer.
   * @param {Network} network
   * @param {ArrayLike<number>} pixels from 0 to 1
   * @returns {Activations[]} the image first, the outputs last */
  function run(network, pixels) {
    /** @type {Activations[]} */
    const all = [{ kind: "image", shape: network.inputs, values: Float64Array.from(pixels) }];
    network.layers.forEach((layer, index) => {
      const inputs = all[index];
      if (layer.kind === "dense") all.push(dense(layer, inputs));
      else if (layer.kind === "conv") all.push(convolve(layer, inputs));
      else all.push(pool(layer, inputs));
    });
    return all;
  }

  /** @param {Layer} layer @param {Activations} inputs @returns {Activations} */
  function dense({ weight, bias, activation, dropout }, inputs) {
    const [units, count] = weight.shape, keep = 1 - (dropout ?? 0), z = new Float64Array(units);
    for (let j = 0; j < units; j++) {
      let sum = 0;
      for (let k = 0, at = j * count; k < count; k++) sum += weight.values[at + k] * inputs.values[k];
      z[j] = keep * sum + bias.values[j];
    }
    const values = activation === "softmax" ? softmax(z) : z.map(ACTIVATIONS[activation]);
    return { kind: "dense", shape: [units], values: Float64Array.from(values) };
  }

  /** @param {Layer} layer @param {Activations} inputs @returns {Activations} */
  function convolve({ weight, bias, activation, padding, stride }, inputs) {
    const [filters, maps, height, width] = weight.shape, [, rows, columns] = inputs.shape;
    const [down, right] = stride ?? [1, 1], isSame = padding === "same";
    /** @param {number} extent @param {number} covered @param {number} step */
    const room = (extent, covered, step) => {
      const places = Math.floor((extent - (isSame ? 1 : covered)) / step) + 1;
      const missing = isSame ? Math.max((places - 1) * step + covered - extent, 0) : 0;
      return [places, Math.floor(missing / 2)];
    };
    const [tall, top] = room(rows, height, down), [wide, left] = room(columns, width, right);
    const values = new Float64Array(filters * tall * wide), fn = ACTIVATIONS[activation];
    for (let f = 0, out = 0; f < filters; f++)
      for (let r = 0; r < tall; r++)
        for (let c = 0; c < wide; c++, out++) {
          let sum = bias.values[f];
          for (let m = 0; m < maps; m++)
            for (let i = 0; i < height; i++) {
              const row = r * down + i - top;
              if (row < 0 || row >= rows) continue;
              for (let j = 0; j < width; j++) {
                const column = c * right + j - left;
                if (column < 0 || column >= columns) continue;
                sum += weight.values[((f * maps + m) * height + i) * width + j]
                  * inputs.values[(m * rows + row) * columns + column];
              }
            }
          values[out] = fn(sum);
        }
    return { kind: "conv", shape: [filters, tall, wide], values };
  }

  /** @param {Layer} layer @param {Activations} inputs @returns {Activations} */
  function pool({ kind, window }, inputs) {
    const [maps, rows, columns] = inputs.shape, [height, width] = window;
    const tall = Math.floor(rows / height), wide = Math.floor(columns / width);
    const values = new Float64Array(maps * tall * wide), isMax = kind === "max-pool";
    for (let m = 0, out = 0; m < maps; m++)
      for (let r = 0; r < tall; r++)
        for (let c = 0; c < wide; c++, out++) {
          let most = -Infinity, sum = 0;
          for (let i = 0; i < height; i++)
            for (let j = 0; j < width; j++) {
              const value = inputs.values[(m * rows + r * height + i) * columns + c * width + j];
              most = Math.max(most, value);
              sum += value;
            }
          values[out] = isMax ? most : sum / (height * width);
        }
    return { kind, shape: [maps, tall, wide], values };
  }

  /** Place of the greatest value.
   * @param {ArrayLike<number>} values */
  function argmax(values) {
    let best = 0;
    for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
    return best;
  }

  /** The digit of most networks; of a draw, the one of the earliest network.
   * @param {number[]} votes */
  function plurality(votes) {
    /** @param {number} digit */
    const count = (digit) => votes.filter((each) => each === digit).length;
    return votes.reduce((best, digit) => (count(digit) > count(best) ? digit : best));
  }

  const SIZE = 28, INNER = 20, PEN = 1.15, EDGE = 0.75;

  /** An image of 28 x 28 of strokes, as MNIST's were made: the longer side of their box fills 20
   * pixels, and the centre of mass is in the middle.
   * @param {number[][][]} strokes each a list of points [x, y], in any unit, y downwards
   * @returns {Float64Array} from 0, the paper, to 255/256, the ink */
  function drawStrokes(strokes) {
    const points = strokes.flat();
    if (!points.length) return new Float64Array(SIZE * SIZE);
    const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
    const [left, right, top, bottom] =
      [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const extent = Math.max(right - left, bottom - top), room = INNER - 2 * PEN;
    const scale = extent > 0 ? room / extent : 1;
    /** @param {number} dx @param {number} dy */
    const render = (dx, dy) => inkOf(strokes.map((stroke) => stroke.map(([x, y]) =>
      [(x - (left + right) / 2) * scale + SIZE / 2 + dx, (y - (top + bottom) / 2) * scale + SIZE / 2 + dy])));
    const [x, y] = centreOfMass(render(0, 0));
    return render(SIZE / 2 - x, SIZE / 2 - y);
  }

  /** @param {number[][][]} strokes in pixels @returns {Float64Array} */
  function inkOf(strokes) {
    const image = new Float64Array(SIZE * SIZE);
    for (const stroke of strokes)
      stroke.forEach((end, index) => {
        const start = stroke[Math.max(index - 1, 0)], reach = PEN + EDGE;
        /** @param {number} axis */
        const range = (axis) => [
          Math.max(0, Math.floor(Math.min(start[axis], end[axis]) - reach)),
          Math.min(SIZE - 1, Math.ceil(Math.max(start[axis], end[axis]) + reach)),
        ];
        const [west, east] = range(0), [north, south] = range(1);
        for (let row = north; row <= south; row++)
          for (let column = west; column <= east; column++) {
            const far = distance([column + 0.5, row + 0.5], start, end);
            const ink = Math.min(1, Math.max(0, (PEN + EDGE - far) / (2 * EDGE))) * (255 / 256);
            image[row * SIZE + column] = Math.max(image[row * SIZE + column], ink);
          }
      });
    return image;
  }

  /** @param {number[]} point @param {number[]} start @param {number[]} end */
  function distance([x, y], start, end) {
    const [dx, dy] = [end[0] - start[0], end[1] - start[1]], length = dx * dx + dy * dy;
    const along = length ? ((x - start[0]) * dx + (y - start[1]) * dy) / length : 0;
    const part = Math.min(1, Math.max(0, along));
    return Math.hypot(x - start[0] - part * dx, y - start[1] - part * dy);
  }

  /** @param {Float64Array} image @returns {[number, number]} */
  function centreOfMass(image) {
    let mass = 0, x = 0, y = 0;
    image.forEach((ink, index) => {
      mass += ink;
      x += ink * ((index % SIZE) + 0.5);
      y += ink * (Math.floor(index / SIZE) + 0.5);
    });
    return mass ? [x / mass, y / mass] : [SIZE / 2, SIZE / 2];
  }

  /** Means of 2 x 2 pixels.
   * @param {ArrayLike<number>} image of 28 x 28 @returns {Float64Array} of 14 x 14 */
  function halve(image) {
    const half = SIZE / 2, small = new Float64Array(half * half);
    for (let i = 0; i < SIZE * SIZE; i++)
      small[Math.floor(i / SIZE / 2) * half + Math.floor((i % SIZE) / 2)] += image[i] / 4;
    return small;
  }

  /** Places of the images that are nearest to one, the nearest first.
   * @param {ArrayLike<number>} image from 0 to 1
   * @param {Uint8Array} images one after another
   * @param {number} count
   * @returns {number[]} */
  function nearest(image, images, count) {
    const size = image.length, total = images.length / size;
    const distances = Array.from({ length: total }, (_, index) => {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += (images[index * size + i] / 256 - image[i]) ** 2;
      return sum;
    });
    return distances.map((_, i) => i).sort((a, b) => distances[a] - distances[b]).slice(0, count);
  }

  return { bytesOf, readNetwork, run, argmax, plurality, drawStrokes, halve, nearest };
})();

// The LSTM itself: weights out of a safetensors file, and one token at a time through them.
// Knows nothing of text. Shapes: V vocabulary, E embedding, H hidden, G = 4H gates, L layers.

/** Reads the tensors of a safetensors file, all of them F32, without copying them. */
export function readTensors(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const tensors = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [begin, end] = entry.data_offsets;
    tensors[name] = new Float32Array(buffer, 8 + size + begin, (end - begin) / 4);
  }
  return tensors;
}

/** out += matrix · vector, the matrix row by row; four sums at once keep the processor busy. */
function addProduct(out, matrix, vector) {
  const columns = vector.length;
  for (let row = 0, start = 0; row < out.length; row++, start += columns) {
    let a = 0, b = 0, c = 0, d = 0, column = 0;
    for (; column + 3 < columns; column += 4) {
      a += matrix[start + column] * vector[column];
      b += matrix[start + column + 1] * vector[column + 1];
      c += matrix[start + column + 2] * vector[column + 2];
      d += matrix[start + column + 3] * vector[column + 3];
    }
    for (; column < columns; column++) a += matrix[start + column] * vector[column];
    out[row] += a + b + c + d;
  }
}

const logistic = (x) => 1 / (1 + Math.exp(-x));

export class LSTM {
  /** `sizes`: vocabulary_size, embedding_size, hidden_size, layers, tied. */
  constructor(sizes, tensors) {
    this.sizes = sizes;
    this.tensors = tensors;
    this.layers = Array.from({ length: sizes.layers }, (_, layer) => ({
      input: tensors[`recurrent.weight_ih_l${layer}`],
      hidden: tensors[`recurrent.weight_hh_l${layer}`],
      bias: tensors[`recurrent.bias_ih_l${layer}`].map((x, i) => x + tensors[`recurrent.bias_hh_l${layer}`][i]),
    }));
    this.head = sizes.tied ? tensors["embedding.weight"] : tensors["head.weight"];
    this.known = new Map();  // what a token adds to the gates of the first layer
    this.forget();
  }

  /** Goes back to where nothing has been read. */
  forget() {
    const size = this.sizes.hidden_size;
    this.state = this.layers.map(() => ({ hidden: new Float32Array(size), cell: new Float32Array(size) }));
  }

  /** Reads one token. */
  read(id) {
    let gates = this.inputs(id).slice();
    this.layers.forEach((layer, number) => {
      const state = this.state[number];
      if (number > 0) {
        gates = layer.bias.slice();
        addProduct(gates, layer.input, this.state[number - 1].hidden);
      }
      addProduct(gates, layer.hidden, state.hidden);
      const size = state.hidden.length;
      for (let unit = 0; unit < size; unit++) {
        const enter = logistic(gates[unit]), keep = logistic(gates[size + unit]);
        const fresh = Math.tanh(gates[2 * size + unit]), show = logistic(gates[3 * size + unit]);
        state.cell[unit] = keep * state.cell[unit] + enter * fresh;
        state.hidden[unit] = show * Math.tanh(state.cell[unit]);
      }
    });
  }

  /** The score of every token that may come now: logits_V. */
  score() {
    let features = this.state[this.state.length - 1].hidden;
    if (this.tensors["projection.weight"]) {
      const projected = new Float32Array(this.sizes.embedding_size);
      addProduct(projected, this.tensors["projection.weight"], features);
      features = projected;
    }
    const logits = this.tensors["head.bias"].slice();
    addProduct(logits, this.head, features);
    return logits;
  }

  inputs(id) {
    let gates = this.known.get(id);
    if (!gates) {
      const width = this.sizes.embedding_size, start = id * width;
      gates = this.layers[0].bias.slice();
      addProduct(gates, this.layers[0].input, this.tensors["embedding.weight"].subarray(start, start + width));
      this.known.set(id, gates);
    }
    return gates;
  }
}

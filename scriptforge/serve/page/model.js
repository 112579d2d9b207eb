// The LSTM: reads weights from a safetensors file, and computes one token at a time.
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

/** out += matrix · vector, with the matrix in row-major order; four separate sums keep the processor busy. */
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

const SPEAKER_SCALE = 0.1;  // as in the package's models

const logistic = (x) => 1 / (1 + Math.exp(-x));

export class LSTM {
  /** `sizes`: vocabulary_size, embedding_size, hidden_size, layers, tied, layout_size, speakers. */
  constructor(sizes, tensors) {
    this.sizes = sizes;
    this.tensors = tensors;
    this.layers = Array.from({ length: sizes.layers }, (_, layer) => ({
      input: tensors[`recurrent.weight_ih_l${layer}`],
      hidden: tensors[`recurrent.weight_hh_l${layer}`],
      bias: tensors[`recurrent.bias_ih_l${layer}`].map((x, i) => x + tensors[`recurrent.bias_hh_l${layer}`][i]),
    }));
    this.head = sizes.tied ? tensors["embedding.weight"] : tensors["head.weight"];
    this.known = new Map();  // cache of what rows of embeddings add to the gates of the first layer
    this.forget();
  }

  /** Resets the state to that before the first token. */
  forget() {
    const size = this.sizes.hidden_size;
    this.state = this.layers.map(() => ({ hidden: new Float32Array(size), cell: new Float32Array(size) }));
    this.current = this.previous = 0;
  }

  /** A copy that has read the same text, and reads on independently. */
  fork() {
    const state = this.state.map(({ hidden, cell }) => ({ hidden: hidden.slice(), cell: cell.slice() }));
    return Object.assign(Object.create(LSTM.prototype), this, { state });
  }

  /** Tracks the current speaker and the previous one: 0 is nobody, and cues are the last layout tokens. */
  follow(id) {
    const { layout_size: layout, speakers } = this.sizes;
    if (!speakers || id >= layout) return;
    this.previous = id === 0 ? 0 : this.current || this.previous;
    this.current = id === 0 ? 0 : Math.max(0, id - (layout - speakers) + 1);
  }

  /** Reads one token. */
  read(id) {
    this.follow(id);
    let gates = this.inputs("embedding", id).map((gate, i) => gate + this.layers[0].bias[i]);
    if (this.sizes.speakers) {
      const current = this.inputs("speaker_embedding.input.current", this.current);
      const previous = this.inputs("speaker_embedding.input.previous", this.previous);
      gates = gates.map((gate, i) => gate + SPEAKER_SCALE * (current[i] + previous[i]));
    }
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

  /** The scores of the next token: logits_V. */
  score() {
    let features = this.state[this.state.length - 1].hidden;
    if (this.sizes.speakers) {
      const current = this.output("current", this.current), previous = this.output("previous", this.previous);
      features = features.map((feature, i) => feature + SPEAKER_SCALE * (current[i] + previous[i]));
    }
    if (this.tensors["projection.weight"]) {
      const projected = new Float32Array(this.sizes.embedding_size);
      addProduct(projected, this.tensors["projection.weight"], features);
      features = projected;
    }
    const logits = this.tensors["head.bias"].slice();
    addProduct(logits, this.head, features);
    return logits;
  }

  /** The output embedding of a speaker, which is added to the features. */
  output(name, speaker) {
    const size = this.sizes.hidden_size;
    return this.tensors[`speaker_embedding.output.${name}.weight`].subarray(speaker * size, (speaker + 1) * size);
  }

  /** What a row of an embedding adds to the gates of the first layer, without their bias. */
  inputs(name, row) {
    const key = `${name} ${row}`;
    let gates = this.known.get(key);
    if (!gates) {
      const width = this.sizes.embedding_size, start = row * width;
      gates = new Float32Array(this.layers[0].bias.length);
      addProduct(gates, this.layers[0].input, this.tensors[`${name}.weight`].subarray(start, start + width));
      this.known.set(key, gates);
    }
    return gates;
  }
}

// Encoding and decoding of text, as in the tokenizer of the package. Knows nothing of models.

const JOIN = "‿", SPACE = "␣";

/** The character that stands for each byte in a byte-level vocabulary, and the reverse. */
const signs = (() => {
  const plain = [[33, 126], [161, 172], [174, 255]];
  const isPlain = (byte) => plain.some(([first, last]) => first <= byte && byte <= last);
  let others = 0;
  const ofByte = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPlain(byte) ? byte : 256 + others++));
  return { ofByte, toByte: new Map(ofByte.map((sign, byte) => [sign, byte])) };
})();

const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

export class Vocabulary {
  /** `about`: level, lower, tokens, layout (the number of layout tokens), merges and patterns. */
  constructor(about) {
    this.about = about;
    this.ids = new Map(about.tokens.map((token, id) => [token, id]));
    this.ranks = new Map((about.merges ?? []).map(([left, right], rank) => [`${left} ${right}`, rank]));
    this.patterns = Object.fromEntries(
      Object.entries(about.patterns ?? {}).map(([name, pattern]) => [name, new RegExp(pattern, "gu")]),
    );
  }

  /** The ids of a text. Throws an `Error` that names a word the model has not learnt. */
  encode(text) {
    if (this.about.lower) text = text.toLowerCase();
    return this.about.level === "word" ? this.encodeWords(text) : this.encodeBytes(text);
  }

  /** The text of text tokens, from the beginning of an element. */
  decode(ids) {
    const tokens = ids.map((id) => this.about.tokens[id]);
    if (this.about.level === "word") {
      return tokens.join(" ").replace(this.patterns.no_space, "").replace(new RegExp(` ?${SPACE} ?`, "gu"), " ");
    }
    const bytes = Array.from(tokens.join(""), (sign) => signs.toByte.get(sign));
    return new TextDecoder().decode(new Uint8Array(bytes));
  }

  /** The bytes of a text token, each as a character; empty for a layout token. */
  bytesOf(id) {
    const token = this.about.tokens[id];
    return id < this.about.layout ? "" : Array.from(token, (sign) => String.fromCharCode(signs.toByte.get(sign))).join("");
  }

  encodeWords(text) {
    const marked = text.replace(this.patterns.unusual_space, SPACE).replace(this.patterns.missing_space, JOIN);
    return (marked.match(this.patterns.token) ?? []).map((word) => {
      if (!this.ids.has(word) || this.ids.get(word) < this.about.layout) {
        throw new Error(`The model has not learnt “${word}”.`);
      }
      return this.ids.get(word);
    });
  }

  encodeBytes(text) {
    const pieces = this.about.level === "char" ? Array.from(text) : text.match(WORDS) ?? [];
    return pieces.flatMap((piece) => this.merge(piece).map((token) => this.ids.get(token)));
  }

  /** Merges the bytes of a piece (BPE): always the pair that was learnt first. */
  merge(piece) {
    const tokens = Array.from(new TextEncoder().encode(piece), (byte) => signs.ofByte[byte]);
    for (;;) {
      let best = -1, least = Infinity;
      for (let place = 0; place + 1 < tokens.length; place++) {
        const rank = this.ranks.get(`${tokens[place]} ${tokens[place + 1]}`) ?? Infinity;
        if (rank < least) [best, least] = [place, rank];
      }
      if (best < 0) return tokens;
      tokens.splice(best, 2, tokens[best] + tokens[best + 1]);
    }
  }
}

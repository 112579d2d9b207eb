// Whole words: which tokens may come so that only words of the lexicon are written, as in the package.
// Texts are byte strings here: one character for each byte of UTF-8.

const APOSTROPHES = ["'", "’"].map(encoded);
const UNSPACED =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}\p{sc=Java}]$/u;
const LETTER = /^[\p{L}\p{M}]$/u;
const MOST_BEGINNINGS = 4000, YES = 1, NO = 2;
const UNKNOWN = "\xff"; // stands for a given word that no word of the lexicon begins with

function encoded(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

function decoded(bytes) {
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

/** Whether a text ends in a character of a writing system without spaces between words. */
export const isUnspaced = (text) => UNSPACED.test(text);

function isLetter(bytes) {
  const character = bytes.length > 1 ? decoded(bytes) : bytes;
  return LETTER.test(character) && !isUnspaced(character);
}

/** The number of bytes of the UTF-8 character that begins with a byte. */
const sizeOf = (byte) => (byte < "\xc0" ? 1 : byte < "\xe0" ? 2 : byte < "\xf0" ? 3 : 4);

export class Words {
  /** `spellings`: all words, sorted, one a line; `characters`: those beyond ASCII that are in no word. */
  constructor({ spellings, characters }, vocabulary) {
    this.vocabulary = vocabulary;
    this.spellings = spellings.split("\n").filter(Boolean).map(encoded);
    this.known = new Set(this.spellings);
    this.characters = new Set(Array.from(characters, encoded));
    this.beginnings = new Set([...this.characters].flatMap((bytes) => [1, 2, 3].map((size) => bytes.slice(0, size))));
    this.begun = { letters: "", rest: "", mayStand: false };
    this.results = new Map();
  }

  /** A copy for another text, with the same cache. */
  fork() {
    return Object.assign(Object.create(Words.prototype), this, { begun: { letters: "", rest: "", mayStand: false } });
  }

  /** Whether a token may come now; results are cached by the beginning of the word before it. */
  allows(id) {
    const { letters, rest, mayStand } = this.begun, key = `${letters} ${rest} ${mayStand}`;
    let results = this.results.get(key);
    if (!results) {
      if (this.results.size >= MOST_BEGINNINGS) this.results.clear();
      this.results.set(key, (results = new Uint8Array(this.vocabulary.about.tokens.length)));
    }
    results[id] ||= this.walk(id).isPossible ? YES : NO;
    return results[id] === YES;
  }

  /** Advances by a token; a given word may stand as it is. */
  advance(id, isGiven) {
    const { isPossible, ...begun } = this.walk(id);
    this.begun = isGiven ? { ...begun, mayStand: begun.letters !== "" } : begun;
  }

  /** The word at the end of the text after a token, and whether the token may come. */
  walk(id) {
    if (id < this.vocabulary.about.layout) {
      return { letters: "", rest: "", mayStand: false, isPossible: this.mayEnd(this.begun) };
    }
    let { letters, rest, mayStand } = this.begun;
    let isPossible = true;
    const bytes = rest + this.vocabulary.bytesOf(id);
    let place = 0;
    for (let size; place < bytes.length && place + (size = sizeOf(bytes[place])) <= bytes.length; place += size) {
      const character = bytes.slice(place, place + size), longer = letters + character;
      if (this.begins(longer)) {
        [letters, mayStand] = [longer, mayStand && APOSTROPHES.includes(character)];
      } else if (isLetter(character)) {
        [isPossible, letters, mayStand] = [false, UNKNOWN, true];
      } else {
        const isKnown = character < "\x80" || this.characters.has(character);
        isPossible &&= isKnown && this.mayEnd({ letters, rest: "", mayStand });
        const isInside = APOSTROPHES.includes(character) && letters && !endsInApostrophe(letters);
        [letters, mayStand] = isInside ? [longer, mayStand] : ["", false];
      }
    }
    rest = bytes.slice(place);
    const begun = { letters, rest, mayStand };
    return { ...begun, isPossible: isPossible && (!rest || this.mayGoOn(begun)) };
  }

  mayEnd({ letters, rest, mayStand }) {
    if (rest) return false;
    const word = APOSTROPHES.reduce((left, each) => (left.endsWith(each) ? left.slice(0, -each.length) : left), letters);
    return !letters || mayStand || this.known.has(letters) || this.known.has(word);
  }

  mayGoOn({ letters, rest, mayStand }) {
    const isMark = this.beginnings.has(rest) && this.mayEnd({ letters, rest: "", mayStand });
    return this.begins(letters + rest) || isMark;
  }

  /** Whether a word of the lexicon begins with these bytes, or is these. */
  begins(bytes) {
    let low = 0, high = this.spellings.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.spellings[middle] < bytes) low = middle + 1;
      else high = middle;
    }
    return low < this.spellings.length && this.spellings[low].startsWith(bytes);
  }
}

const endsInApostrophe = (bytes) => APOSTROPHES.some((apostrophe) => bytes.endsWith(apostrophe));

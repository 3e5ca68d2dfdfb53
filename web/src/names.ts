// Text of others, so that every character of it can be seen and none of it changes how the rest is read.
//
// Names come from other devices and from whoever can make a file. Some characters are invisible, turn the direction of
// what follows, or are no characters at all: they are written out, as the command line writes them (`\u202e`).

// Controls, formats, halves of pairs, private and unassigned ones, and spaces that look like others. Letters of some scripts
// need U+200C and U+200D between them.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;
const KEPT = new Set(["\u200c", "\u200d"]);

export interface Piece {
  text: string;
  isWrittenOut: boolean;
}

/** The text in pieces: as it is, and what is written out of it. */
export function pieces(text: string): Piece[] {
  if (!HIDDEN.test(text)) return [{ text, isWrittenOut: false }];
  const found: Piece[] = [];
  for (const character of text) {
    const isWrittenOut = HIDDEN.test(character) && !KEPT.has(character);
    const shown = isWrittenOut ? writtenOut(character) : character;
    const last = found[found.length - 1];
    if (last?.isWrittenOut === isWrittenOut) last.text += shown;
    else found.push({ text: shown, isWrittenOut });
  }
  return found;
}

function writtenOut(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const named: Record<number, string> = { 9: "\\t", 10: "\\n", 13: "\\r" };
  const hex = (digits: number): string => code.toString(16).padStart(digits, "0");
  return named[code] ?? (code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`);
}

/** One line in which every character can be seen. */
export function printable(text: string): string {
  return pieces(text)
    .map((piece) => piece.text)
    .join("");
}

/** A name within a sentence: what is in it does not turn what stands around it (isolates, as `<bdi>`). */
export function named(name: string): string {
  return /^[\x20-\x7e]*$/.test(name) ? name : `\u2068${printable(name)}\u2069`;
}

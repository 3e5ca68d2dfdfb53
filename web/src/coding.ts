// A part of the address of a view: any file name there is, encoded and back. Pure.
//
// A file name may have any bytes. What is no UTF-8 comes as half of a surrogate pair, which encodeURIComponent refuses.
const HALF = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

export function encodePart(text: string): string {
  const marked = text.replaceAll("!", "!!").replace(HALF, (half) => `!${half.charCodeAt(0).toString(16)}.`);
  return encodeURIComponent(marked);
}

export function decodePart(text: string): string {
  let marked: string;
  try {
    marked = decodeURIComponent(text);
  } catch {
    return ""; // somebody typed it
  }
  return marked.replace(/!(?:!|([0-9a-f]{4})\.)/g, (_, half?: string) =>
    half ? String.fromCharCode(parseInt(half, 16)) : "!",
  );
}

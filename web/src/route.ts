// Which view is shown: the part of the address behind the #, as `#/folder/ID/trash`.

import { signal } from "@preact/signals";

export type Route = string[];

/** The parts of the address, decoded. */
export const route = signal<Route>(read());

addEventListener("hashchange", () => (route.value = read()));

function read(): Route {
  const hash = location.hash;
  return hash.startsWith("#/")
    ? hash
        .slice(2)
        .split("/")
        .map(decodePart)
        .filter((part) => part !== "")
    : [];
}

/** An address of this page, for `href`. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodePart).join("/")}`;
}

export function go(...parts: string[]): void {
  location.hash = to(...parts);
}

// A file name may have any bytes. What is no UTF-8 comes as half of a surrogate pair, which encodeURIComponent refuses.
const HALF = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

function encodePart(text: string): string {
  const marked = text.replaceAll("!", "!!").replace(HALF, (half) => `!${half.charCodeAt(0).toString(16)}.`);
  return encodeURIComponent(marked);
}

function decodePart(text: string): string {
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

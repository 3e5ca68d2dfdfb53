// Which view is shown: the part of the address behind the #, as `#/folder/ID/trash`.

import { signal } from "@preact/signals";
import { decodePart, encodePart } from "./coding";

export type Route = string[];

/** The parts of the address, decoded. */
export const route = signal<Route>(read());

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#open="))
    location.reload(); // another code: as if it was opened in a new tab
  else route.value = read();
});

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

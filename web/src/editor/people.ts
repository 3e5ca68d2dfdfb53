/** Who else has the text open, and what is shown of them: names come from anybody, and are text and nothing else. */
import type { Awareness } from "y-protocols/awareness";
import { printable } from "../names";

const MOST_NAME = 40;
/** How many colours there are; editor.css and carets.ts have a class for each. */
export const COLOURS = 8;

export interface Person {
  client: number;
  name: string;
  /** 0 to COLOURS - 1 */
  colour: number;
  /** JSON of Yjs relative positions; null where it is not known. */
  cursor: { anchor: unknown; head: unknown } | null;
}

/** A name as it is shown: every character can be seen, and it is not too long to stand beside a cursor. */
export function plain(name: string): string {
  const characters = [...printable(name.trim())];
  if (characters.length === 0) return "somebody";
  return characters.length > MOST_NAME ? `${characters.slice(0, MOST_NAME - 1).join("")}…` : characters.join("");
}

/** The nearest of our colours, which are readable in the dark and in the light; others' colours may not be. */
export function colourOf(user: { color?: unknown }, client: number): number {
  const found = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i.exec(typeof user.color === "string" ? user.color : "");
  if (found === null) return client % COLOURS;
  const [red = 0, green = 0, blue = 0] = found.slice(1).map((digits) => parseInt(digits, 16));
  const most = Math.max(red, green, blue);
  const spread = most - Math.min(red, green, blue);
  if (spread === 0) return client % COLOURS;
  const sixth =
    most === red ? (green - blue) / spread : most === green ? (blue - red) / spread + 2 : (red - green) / spread + 4;
  return Math.round(((sixth + 6) % 6) * (COLOURS / 6)) % COLOURS;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function personOf(client: number, state: unknown): Person | null {
  if (!isObject(state)) return null;
  const user = isObject(state["user"]) ? state["user"] : {};
  const cursor = isObject(state["cursor"]) ? state["cursor"] : null;
  return {
    client,
    name: plain(typeof user["name"] === "string" ? user["name"] : ""),
    colour: colourOf(user, client),
    cursor:
      cursor !== null && isObject(cursor["anchor"]) && isObject(cursor["head"])
        ? { anchor: cursor["anchor"], head: cursor["head"] }
        : null,
  };
}

/** All but this tab, those with equal names beside each other. */
export function othersIn(awareness: Awareness): Person[] {
  const found: Person[] = [];
  awareness.getStates().forEach((state, client) => {
    const person = client === awareness.clientID ? null : personOf(client, state);
    if (person !== null) found.push(person);
  });
  return found.sort((one, other) =>
    one.name < other.name ? -1 : one.name > other.name ? 1 : one.client - other.client,
  );
}

/**
 * Which edits of this tab are stored, and which are in this tab alone.
 *
 * The daemon says an edit back when it is committed, and when a connection begins it says what it has. So an edit counts
 * as stored when what came from the daemon has its insertions and its deletions; that it was sent says nothing.
 */
import { decodeStateVector, decodeUpdate } from "yjs";

interface Range {
  client: number;
  from: number;
  to: number;
}

/** One edit: up to which clock of this tab's own operations it goes, and what it removes. */
interface Edit {
  stop: number;
  removed: Range[];
}

interface Parts {
  /** Behind the last operation of this tab. */
  stop: number;
  removed: Range[];
}

export class Commits {
  #edits: Edit[] = [];
  #stored = 0;

  /** @param client the client ID that this tab writes with */
  constructor(private readonly client: number) {}

  /** How many edits are in this tab alone. */
  get count(): number {
    return this.#edits.length;
  }

  /** Up to which clock this tab's operations are stored, as far as is known. */
  get known(): number {
    return this.#stored;
  }

  /** An edit was made in this tab. */
  made(update: Uint8Array): void {
    const { stop, removed } = this.#parts(update);
    this.#edits.push({ stop: Math.max(stop, 0), removed });
    this.#drop();
  }

  /** The daemon said what it has: a state vector. */
  has(vector: Uint8Array): void {
    this.#stored = Math.max(this.#stored, decodeStateVector(vector).get(this.client) ?? 0);
    this.#drop();
  }

  /** The daemon said this update: it is stored. */
  stored(update: Uint8Array): void {
    const { stop, removed } = this.#parts(update);
    this.#stored = Math.max(this.#stored, stop);
    const byClient = new Map<number, Range[]>();
    for (const range of removed) {
      const ranges = byClient.get(range.client);
      if (ranges === undefined) byClient.set(range.client, [range]);
      else ranges.push(range);
    }
    for (const edit of this.#edits) {
      edit.removed = edit.removed.flatMap((range) => without(range, byClient.get(range.client) ?? []));
    }
    this.#drop();
  }

  #drop(): void {
    this.#edits = this.#edits.filter((edit) => edit.stop > this.#stored || edit.removed.length > 0);
  }

  #parts(update: Uint8Array): Parts {
    const { structs, ds } = decodeUpdate(update);
    let stop = 0;
    for (const { id, length } of structs) {
      if (id.client === this.client) stop = Math.max(stop, id.clock + length);
    }
    const removed: Range[] = [];
    ds.clients.forEach((items, client) => {
      for (const { clock, len } of items) removed.push({ client, from: clock, to: clock + len });
    });
    return { stop, removed };
  }
}

/** What is left of a range. */
function without(range: Range, taken: readonly Range[]): Range[] {
  let left = [range];
  for (const { from, to } of taken) {
    left = left.flatMap((part) => {
      if (to <= part.from || from >= part.to) return [part];
      const rest: Range[] = [];
      if (part.from < from) rest.push({ ...part, to: from });
      if (to < part.to) rest.push({ ...part, from: to });
      return rest;
    });
  }
  return left;
}

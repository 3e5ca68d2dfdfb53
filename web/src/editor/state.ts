/** What the editor says of the text: nothing that is not so. */

/** Where the text stands. The first that holds counts. */
export type Standing =
  | { kind: "ended"; reason: string; edits: number }
  | { kind: "opening" }
  | { kind: "offline"; edits: number }
  | { kind: "reading"; reason: string; edits: number }
  | { kind: "saving"; edits: number }
  | { kind: "saved" };

export interface Facts {
  /** Whether the text has come at least once. */
  hasText: boolean;
  /** Whether the connection stands and both sides have said what they have. */
  isSynced: boolean;
  /** How many edits are not stored. */
  edits: number;
  /** Why the connection is over for good; null while it is not. */
  ended: string | null;
  /** Why what was typed here is not taken; null while nothing was refused. */
  refused: string | null;
}

export function standing({ hasText, isSynced, edits, ended, refused }: Facts): Standing {
  if (ended !== null) return { kind: "ended", reason: ended, edits };
  if (!hasText) return { kind: "opening" };
  if (!isSynced) return { kind: "offline", edits };
  if (refused !== null && edits > 0) return { kind: "reading", reason: refused, edits };
  return edits > 0 ? { kind: "saving", edits } : { kind: "saved" };
}

const counted = (edits: number): string => (edits === 1 ? "1 edit" : `${edits} edits`);

export function sentence(state: Standing): string {
  switch (state.kind) {
    case "opening":
      return "Opening…";
    case "saved":
      return "Saved";
    case "saving":
      return `Saving ${counted(state.edits)}…`;
    case "offline":
      return state.edits === 0
        ? "Offline: the device does not answer. Everything is saved"
        : `Offline: ${counted(state.edits)} kept in this tab`;
    case "reading":
      return `Not saved: ${state.reason}`;
    case "ended":
      return state.edits === 0
        ? `Closed: ${state.reason}`
        : `Closed: ${state.reason}. ${counted(state.edits)} kept in this tab`;
  }
}

/**
 * One text that is open in this tab: the document, the connection to the daemon, and where the two stand.
 *
 * A session outlives the view that shows it while it has edits that are not stored. It ends when the daemon says that
 * there is no coming back (close codes 4400 to 4499); the text and the edits stay in the tab then, too.
 */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { Awareness } from "y-protocols/awareness";
import { WebsocketProvider } from "y-websocket";
import { Doc, UndoManager, decodeStateVector, encodeStateVector } from "yjs";
import type { Text } from "yjs";
import { effect } from "@preact/signals";
import { closedBecause, session as pageSession } from "../session";
import { isOurs } from "../proof";
import { Commits } from "./commits";
import { standing } from "./state";
import type { Standing } from "./state";
import { unsaved } from "./unsaved";

const SYNC = 0;
const DENIED = 2;
const STEP_1 = 0;
const ROOT = "source";
// A view that is built anew, as when its file was renamed, finds it still there.
const LINGERS_MS = 1500;
// What is not said back for so long is asked for: an edit that the daemon put right is not said back.
const ASKS_AFTER_MS = 2000;
// Between two attempts to connect: the daemon is on this machine.
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 4000;
// Who looks at another tab for a moment keeps the connection.
const HIDDEN_MS = 5000;

export interface Place {
  /** The folder's ID. */
  folder: string;
  /** In the folder. */
  path: string;
  /** Of the page's session. */
  token: string;
}

/** A path in an address. The daemon says the bytes of a name that are no UTF-8 as U+DC80 to U+DCFF. */
function encoded(path: string): string {
  return path.replace(/[^A-Za-z0-9._/-]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code >= 0xdc80 && code <= 0xdcff ? `%${(code - 0xdc00).toString(16)}` : encodeURIComponent(character);
  });
}

function room({ folder, path }: Place): string {
  return `${folder}/${encoded(path)}`;
}

function address(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/y`;
}

export class Session {
  readonly doc = new Doc();
  readonly text: Text = this.doc.getText(ROOT);
  readonly awareness = new Awareness(this.doc);
  readonly undo = new UndoManager(this.text, { trackedOrigins: new Set() });
  /** What a person has to know, until they close it. */
  notice: string | null = null;
  #commits = new Commits(this.doc.clientID);
  #provider: WebsocketProvider;
  #hasText = false;
  #ended: string | null = null;
  #refused: string | null = null;
  #heard = new Set<() => void>();
  #views = 0;
  #asking: ReturnType<typeof setTimeout> | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #connecting: ReturnType<typeof setTimeout> | undefined;
  #pause = FIRST_PAUSE_MS;
  #isHidden = false;

  constructor(readonly place: Place) {
    this.#provider = new WebsocketProvider(address(), room(place), this.doc, {
      awareness: this.awareness,
      protocols: ["yp2p", `token.${place.token}`],
      // The daemon says what is typed here back when it is stored; and who is here is one from the start.
      params: { echo: "1", client: String(this.doc.clientID) },
      disableBc: true, // what tabs tell each other directly is not stored
      connect: false,
    });
    this.#listen();
    void this.#connect();
  }

  get standing(): Standing {
    const edits = this.#commits.count;
    return standing({
      hasText: this.#hasText,
      isSynced: this.#provider.wsconnected && this.#provider.synced,
      edits,
      ended: this.#ended,
      refused: this.#refused,
    });
  }

  get unsaved(): number {
    return this.#commits.count;
  }

  /** Whether no view shows it. */
  get isAway(): boolean {
    return this.#views === 0;
  }

  /** Whether the text has come at least once. */
  get hasText(): boolean {
    return this.#hasText;
  }

  get isOver(): boolean {
    return this.#ended !== null;
  }

  /** Hear of every change of what is said here; gives the end of it. */
  onChange(hear: () => void): () => void {
    this.#heard.add(hear);
    return () => this.#heard.delete(hear);
  }

  moved(path: string): void {
    this.place.path = path;
    this.#provider.roomname = room(this.place);
  }

  say(notice: string | null): void {
    this.notice = notice;
    this.#tell();
  }

  /** The text is not what is at its path any more: nothing is written into it from here. */
  end(reason: string): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    clearTimeout(this.#connecting);
    this.#provider.disconnect();
    this.#tell();
  }

  /** A view shows it; gives what to call when it does no more. */
  enter(): () => void {
    this.#views += 1;
    clearTimeout(this.#lingering);
    this.#tell();
    return () => {
      this.#views -= 1;
      this.#endWhenDone();
      this.#tell();
    };
  }

  /** Let go of what is not stored. */
  discard(): void {
    clearTimeout(this.#asking);
    clearTimeout(this.#lingering);
    clearTimeout(this.#connecting);
    sessions.delete(this);
    listUnsaved();
    this.#provider.destroy();
    this.awareness.destroy();
    this.doc.destroy();
  }

  /** Nobody sees this tab, or somebody does again: a connection that nobody needs would keep the page open. */
  hide(isHidden: boolean): void {
    this.#isHidden = isHidden;
    if (isHidden) this.#restWhenStored();
    else if (!this.#provider.shouldConnect) this.#connectLater(0);
  }

  #restWhenStored(): void {
    if (this.#mayRest) this.#provider.disconnect();
  }

  get #mayRest(): boolean {
    return this.#isHidden && this.#commits.count === 0;
  }

  /** Connect to our daemon, and to nobody else who listens at its port: y-websocket sends all of the text at once. */
  async #connect(): Promise<void> {
    try {
      if (!(await isOurs())) return;
    } catch {
      this.#connectLater();
      return;
    }
    if (this.#ended === null && sessions.has(this) && !this.#mayRest) this.#provider.connect();
  }

  #connectLater(pause = this.#pause): void {
    clearTimeout(this.#connecting);
    if (this.#ended !== null || !sessions.has(this) || this.#mayRest) return;
    this.#connecting = setTimeout(() => void this.#connect(), pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  #listen(): void {
    const provider = this.#provider;
    this.doc.on("update", (update: Uint8Array, origin: unknown) => {
      if (origin === provider) return;
      this.#commits.made(update);
      clearTimeout(this.#asking);
      this.#asking = setTimeout(() => this.#askWhatIsStored(), ASKS_AFTER_MS);
      this.#tell();
    });
    const handle = provider.messageHandlers[SYNC];
    if (handle === undefined) throw new Error("y-websocket has no handler of sync messages");
    provider.messageHandlers[SYNC] = (encoder, decoder, ...rest) => {
      const at = decoder.pos;
      handle(encoder, decoder, ...rest);
      this.#received(decoder.arr.subarray(at));
    };
    provider.messageHandlers[DENIED] = (_encoder, decoder) => {
      decoding.readVarUint(decoder); // permission denied
      this.#denied(decoding.readVarString(decoder));
    };
    provider.on("connection-close", () => {
      provider.shouldConnect = false; // it connects again from here alone
      this.#connectLater();
    });
    provider.on("status", () => this.#tell());
    provider.on("sync", (isSynced: boolean) => {
      this.#hasText ||= isSynced;
      if (isSynced) this.#pause = FIRST_PAUSE_MS;
      this.#tell();
    });
    provider.on("closed", ({ reason }: { code: number; reason: string }) => {
      clearTimeout(this.#connecting);
      this.#ended ??= this.#refused ?? (reason || "the device took no more of it");
      this.#tell();
    });
  }

  /** A sync message of the daemon, after the document took it. */
  #received(message: Uint8Array): void {
    const decoder = decoding.createDecoder(message);
    const kind = decoding.readVarUint(decoder);
    const body = decoding.readVarUint8Array(decoder);
    if (kind === STEP_1) this.#commits.has(body);
    else this.#commits.stored(body);
    if (this.#commits.count === 0) this.#refused = null;
    this.#tell();
    this.#endWhenDone();
    this.#restWhenStored();
  }

  #denied(reason: string): void {
    this.#refused = reason;
    this.#askWhatIsStored();
    this.say(reason);
  }

  #endWhenDone(): void {
    clearTimeout(this.#lingering);
    if (this.#views > 0 || this.#commits.count > 0) return;
    this.#lingering = setTimeout(() => this.discard(), LINGERS_MS);
  }

  /** Ask what is stored of what was typed here, by saying that this tab has none of it that is not known to be. */
  #askWhatIsStored(): void {
    clearTimeout(this.#asking);
    if (!this.#provider.wsconnected || this.#commits.count === 0) return;
    const vector = decodeStateVector(encodeStateVector(this.doc));
    vector.set(this.doc.clientID, this.#commits.known);
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC);
    encoding.writeVarUint(encoder, STEP_1);
    encoding.writeVarUint8Array(encoder, encodeStateVector(vector));
    this.#provider.ws?.send(encoding.toUint8Array(encoder));
    this.#asking = setTimeout(() => this.#askWhatIsStored(), ASKS_AFTER_MS);
  }

  #tell(): void {
    for (const hear of this.#heard) hear();
    listUnsaved();
  }
}

const sessions = new Set<Session>();

/** The session of a text: the one that still has edits to store, or a new one. */
export function sessionOf(place: Place): Session {
  for (const session of sessions) {
    const { folder, path } = session.place;
    if (folder === place.folder && path === place.path) return session;
  }
  const session = new Session({ ...place });
  sessions.add(session);
  return session;
}

/** What would be lost with the tab, for the rest of the page; told only where it has changed. */
function listUnsaved(): void {
  const found = [...sessions].filter((session) => session.unsaved > 0);
  const next = found.map((one) => ({
    path: one.place.path,
    edits: one.unsaved,
    isAway: one.isAway,
    text: () => one.text.toString(),
  }));
  const said = (list: typeof next): string => JSON.stringify(list.map(({ text: _, ...rest }) => rest));
  if (said(next) !== said(unsaved.value)) unsaved.value = next;
}

// Nobody asks for what a closed page has: what is in it stays for whoever copies it.
effect(() => {
  if (pageSession.value === "closed") for (const one of sessions) one.end(closedBecause.peek());
});

let hiding: ReturnType<typeof setTimeout> | undefined;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  const isHidden = document.visibilityState !== "visible";
  const tell = (): void => sessions.forEach((one) => one.hide(isHidden));
  if (isHidden) hiding = setTimeout(tell, HIDDEN_MS);
  else tell();
});

addEventListener("beforeunload", (event) => {
  if ([...sessions].some((session) => session.unsaved > 0)) event.preventDefault();
});

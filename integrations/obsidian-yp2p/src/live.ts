/**
 * One file of a folder that is live: its document, and the connection to the daemon.
 *
 * It waits for the daemon until it has its text. It ends when the connection goes after that: what is typed from then on
 * is saved on the disk, where the daemon finds it, and a document that had it too would bring it a second time. The next
 * one is of the same file, whatever that is called by then. It also ends when the daemon says that there is no coming
 * back (close codes 4400 to 4499).
 */
import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import { Doc } from "yjs";
import type { Text } from "yjs";
import type { Awareness } from "y-protocols/awareness";

const ROOT = "source";
const FIRST_FINAL = 4400;
const LAST_FINAL = 4499;
const NO_SUCH_FILE = 4404;
const LONGEST_PAUSE_MS = 2000;

export interface Watcher {
  /** It has its text; others came or went. */
  changed(): void;
  /** It is over, as the connection went. */
  lost(): void;
  /** It is over, and why; null: the path is in no folder, or is no text. */
  ended(reason: string | null): void;
}

export class LiveFile {
  readonly doc = new Doc();
  readonly text: Text = this.doc.getText(ROOT);
  /** Whether its text has come. */
  hasText = false;
  #provider: WebsocketProvider;
  #isOver = false;

  constructor(
    socket: string,
    path: string,
    user: string,
    private readonly watcher: Watcher,
    /** The daemon's name of the file, from the one before. */
    public name: string | null = null,
  ) {
    const live = this;
    // Its answer names the file for the next time, whatever becomes of the path.
    class Socket extends WebSocket {
      constructor(address: string, protocols?: string[]) {
        super(address, protocols ?? []);
        this.on("upgrade", ({ headers }) => live.#isNamed(headers["yp2p-file"]));
      }
    }
    this.#provider = new WebsocketProvider(`ws+unix:${socket}:/v1`, "documents", this.doc, {
      params: { path, echo: "0", ...(name !== null && { file: name }) },
      WebSocketPolyfill: Socket as unknown as typeof globalThis.WebSocket,
      disableBc: true, // the room's name is the same for all files
      maxBackoffTime: LONGEST_PAUSE_MS,
    });
    this.awareness.setLocalStateField("user", { name: user, ...colours(user) });
    this.#provider.on("sync", (isSynced: boolean) => {
      this.hasText ||= isSynced;
      if (!this.#isOver) watcher.changed();
    });
    this.#provider.on("status", () => this.#isOver || watcher.changed());
    this.#provider.on("connection-close", (event: CloseEvent | null) => this.#closed(event));
    this.awareness.on("change", () => this.#isOver || watcher.changed());
  }

  get awareness(): Awareness {
    return this.#provider.awareness;
  }

  /** The names of those who have it open elsewhere. */
  get others(): string[] {
    const names = new Set<string>();
    for (const [client, state] of this.awareness.getStates()) {
      const name: unknown = (state as { user?: { name?: unknown } }).user?.name;
      if (client !== this.doc.clientID && typeof name === "string") names.add(name);
    }
    return [...names].sort();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#provider.destroy();
    this.doc.destroy();
  }

  #isNamed(name: string | string[] | undefined): void {
    if (typeof name !== "string") return;
    this.name = name;
    this.#provider.params["file"] = name;
  }

  #closed(event: CloseEvent | null): void {
    const code = event?.code ?? 0;
    if (this.#isOver) return;
    if (code < FIRST_FINAL || code > LAST_FINAL) {
      if (!this.hasText) return;
      this.end();
      this.watcher.lost();
      return;
    }
    const isNoFile = code === NO_SUCH_FILE && !this.hasText;
    const reason = isNoFile ? null : event?.reason || `the daemon closed the file (${code})`;
    this.end();
    this.watcher.ended(reason);
  }
}

/** The same colour for a name everywhere. */
function colours(name: string): { color: string; colorLight: string } {
  let hue = 0;
  for (const character of name) hue = (hue * 31 + (character.codePointAt(0) ?? 0)) % 360;
  return { color: `hsl(${hue} 70% 40%)`, colorLight: `hsl(${hue} 70% 40% / 20%)` };
}

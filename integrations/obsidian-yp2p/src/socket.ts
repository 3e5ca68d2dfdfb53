/** Where the daemon of this user answers: by the same rules as the command line. */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

const NAME = "control.sock";
const DOCUMENTS = "documents.sock";

type Environment = Record<string, string | undefined>;

/** The socket of live documents. */
export function findDocumentsSocket(environment: Environment = process.env): string {
  return join(dirname(findControlSocket(environment)), DOCUMENTS);
}

function findControlSocket(environment: Environment): string {
  const home = environment["YP2P_HOME"];
  const stateHome = environment["XDG_STATE_HOME"] || join(homedir(), ".local", "state");
  const state = home ? resolve(home.replace(/^~(?=\/|$)/, homedir())) : join(stateHome, "yp2p");
  const runtimeHome = environment["XDG_RUNTIME_DIR"];
  const runtime = !home && runtimeHome ? join(runtimeHome, "yp2p") : state;
  // The lock names it, as the daemon may have been started with another environment.
  const named = namedByLock(join(state, "lock"));
  return named !== null && isSocket(named) ? named : join(runtime, NAME);
}

function namedByLock(path: string): string | null {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.length > 2 && lines[1]?.startsWith("/") ? lines[1] : null;
  } catch {
    return null;
  }
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}

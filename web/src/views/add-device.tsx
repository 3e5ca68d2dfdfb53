// Lets another device into a folder: the code large, what to type there, and a live answer when it has joined.

import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api";
import { onHappening, status } from "../live";
import type { Folder } from "../answers";
import { moment } from "../words";
import { Act, Problem, useAct } from "../parts/act";
import { Name } from "../parts/name";
import { RoleChoice } from "../parts/role-choice";
import { say } from "../parts/told";

interface Shared {
  code: string | null;
  expires_in_s: number;
  locked: boolean;
}

export function AddDevice({ folder }: { folder: Folder }) {
  const [role, setRole] = useState("admin");
  const [isShown, setShown] = useState(false);
  return (
    <>
      <section class="stack">
        <h2>Add a device</h2>
        <RoleChoice role={role} onChoose={setRole} legend="What the other device may do" isFixed={isShown} />
        {isShown && (
          <p class="quiet">
            The code below lets in a device as {role}: another can be chosen once it is used, taken back, or has run
            out.
          </p>
        )}
      </section>
      <ByCode folder={folder} role={role} onShown={setShown} />
      <ByOffer folder={folder} role={role} />
      <ByInvite folder={folder} />
    </>
  );
}

interface WithRole {
  folder: Folder;
  role: string;
}

function ByCode({ folder, role, onShown }: WithRole & { onShown: (isShown: boolean) => void }) {
  const [shared, setShared] = useState<{ answer: Shared; until: number; role: string } | null>(null);
  const [joined, setJoined] = useState("");
  const [hint, setHint] = useState("");
  const { isActing, problem, act } = useAct();
  const heading = useRef<HTMLHeadingElement>(null);

  async function show(): Promise<void> {
    const answer = await post<Shared>("/v1/share", { path: folder.path, role, page: true });
    setShared({ answer, until: Date.now() / 1000 + answer.expires_in_s, role });
    onShown(answer.code !== null);
    setJoined("");
    setHint("");
    heading.current?.focus();
  }

  useEffect(
    () =>
      onHappening((event) => {
        if (event["folder"] !== folder.id) return;
        if (event.kind === "member" && event["change"] === "joined") {
          setJoined(String(event["name"]));
          setShared(null);
          onShown(false);
          say(`${String(event["name"])} has joined.`);
        }
        if (event.kind === "notice" && event["about"] === "wrong-code") setHint(String(event["text"]));
      }),
    [folder.id],
  );

  return (
    <section class="stack">
      <h3 ref={heading} tabIndex={-1}>
        A new device
      </h3>
      {joined && (
        <p class="joined" role="status">
          ✓ <Name text={joined} /> has joined, and gets the files by itself. The line below the folder’s name says how
          far it is.
        </p>
      )}
      {shared === null ? (
        <form
          class="narrow"
          onSubmit={(event) => {
            event.preventDefault();
            void act(show);
          }}
        >
          <p>It needs yp2p, and to be in the same network. A code lets it in.</p>
          <Problem text={problem} />
          <div class="buttons">
            <button type="submit" class="main" aria-busy={isActing}>
              Show a code
            </button>
          </div>
        </form>
      ) : (
        <Code
          shared={shared.answer}
          until={shared.until}
          role={shared.role}
          hint={hint}
          onAgain={() => void act(show)}
          onTakeBack={async () => {
            await post("/v1/share/withdraw", { path: folder.path });
            setShared(null);
            onShown(false);
            return "The code lets nobody in any more.";
          }}
          onEnd={() => onShown(false)}
        />
      )}
    </section>
  );
}

interface CodeProps {
  shared: Shared;
  until: number;
  role: string;
  hint: string;
  onAgain: () => void;
  onTakeBack: () => Promise<string>;
  onEnd: () => void;
}

function Code({ shared, until, role, hint, onAgain, onTakeBack, onEnd }: CodeProps) {
  const [left, setLeft] = useState(until - Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => setLeft(until - Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, [until]);
  const isOver = left <= 0;
  useEffect(() => {
    if (isOver) onEnd();
  }, [isOver]);
  if (shared.code === null) {
    return (
      <p class="problem" role="alert">
        {shared.locked
          ? "Codes were guessed at, so this device shows none for a moment. Try again soon."
          : "This device may let nobody into this folder: only its administrators may."}
      </p>
    );
  }
  if (isOver) {
    return (
      <div class="stack">
        <p role="status">The code has run out.</p>
        <div class="buttons">
          <button type="button" class="main" onClick={onAgain}>
            Show another code
          </button>
        </div>
      </div>
    );
  }
  return (
    <div class="stack code-card">
      <p>
        The code that lets in one device as <strong>{role}</strong> is
      </p>
      <p class="code" aria-label={`Code ${[...shared.code].join(" ")}`}>
        {shared.code}
      </p>
      <p class="quiet" role="timer">
        It is good for {Math.floor(left / 60)}:{String(Math.floor(left % 60)).padStart(2, "0")} more minutes.
      </p>
      <p>
        On the new device, type this in a terminal. It opens a page like this one there: choose “Join another’s folder”,
        and type the code.
      </p>
      <pre tabIndex={0} aria-label="What to type on the other device">
        {"yp2p daemon --detach\nyp2p open"}
      </pre>
      <p>
        Without a browser there: <code>yp2p join DIR</code>, where DIR is the directory for the files; it asks for the
        code. This page says when it has joined.
      </p>
      {hint && (
        <p class="problem" role="alert">
          <bdi>{hint}</bdi>
        </p>
      )}
      <div class="buttons">
        <Act about={shared.code} onAct={onTakeBack}>
          Take it back
        </Act>
      </div>
    </div>
  );
}

/** Devices that share another folder with this one need no code. */
function ByOffer({ folder, role }: WithRole) {
  const known =
    status.value?.devices.filter((device) => !folder.devices.some((member) => member.id === device.id)) ?? [];
  if (known.length === 0) return null;
  return (
    <section class="stack">
      <h3>A device that you know already</h3>
      <p>It needs no code: offer it the folder, and somebody accepts it there.</p>
      <ul class="lines">
        {known.map((device) => (
          <li key={device.id}>
            <Name text={device.name} />
            <Act
              about={device.name}
              onAct={async () => {
                await post("/v1/folder/offer", { folder: folder.id, devices: [device.id], role });
                return device.connected ? "Offered." : "Offered: it hears of it when it is connected.";
              }}
            >
              Offer it
            </Act>
          </li>
        ))}
      </ul>
    </section>
  );
}

function RoleSelect({ role, onChoose }: { role: string; onChoose: (role: string) => void }) {
  return (
    <label>
      What it may do
      <select value={role} onChange={(event) => onChoose(event.currentTarget.value)}>
        <option value="admin">admin</option>
        <option value="member">member</option>
        <option value="reader">reader</option>
      </select>
    </label>
  );
}

function ByInvite({ folder }: { folder: Folder }) {
  const [token, setToken] = useState<{ token: string; expires_at: number; role: string } | null>(null);
  const [role, setRole] = useState("member");
  return (
    <details class="stack">
      <summary>A machine where nobody can type a code</summary>
      <div class="stack">
        <p>An invite is a long word that lets one machine in within an hour. Keep it secret until it is used.</p>
        <RoleSelect role={role} onChoose={setRole} />
        <div class="buttons">
          <Act onAct={async () => setToken(await post("/v1/invite", { folder: folder.id, role }))}>Make an invite</Act>
          <Act
            onAct={async () => {
              const { revoked } = await post<{ revoked: number }>("/v1/invite/revoke");
              setToken(null);
              return revoked === 0 ? "No invite was still good." : "All invites of this device are taken back.";
            }}
          >
            Take all invites back
          </Act>
        </div>
        {token && (
          <>
            <p>
              Good until {moment(token.expires_at)}. On the machine, <code>yp2p join DIR</code> takes it on standard
              input:
            </p>
            <pre class="token" tabIndex={0} aria-label="Invite">
              {token.token}
            </pre>
          </>
        )}
      </div>
    </details>
  );
}

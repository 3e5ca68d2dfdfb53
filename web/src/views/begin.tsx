// The ways to have another folder: share a directory of this device, join another's, accept one that is offered.

import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { post } from "../api";
import { status } from "../live";
import { plural, size } from "../words";
import { printable } from "../names";
import { Problem, useAct } from "../parts/act";
import { Name } from "../parts/name";
import { Title } from "../parts/title";
import { Words } from "../parts/words-of-daemon";
import { go } from "../route";

export function Share() {
  const [path, setPath] = useState(beside(""));
  const [label, setLabel] = useState("");
  const { isActing, problem, act } = useAct();
  return (
    <>
      <Title text="Share a folder" />
      <form
        class="narrow"
        onSubmit={(event) => {
          event.preventDefault();
          void act(async () => {
            const made = await post<{ folder: string; label: string }>("/v1/share", {
              path: path.trim(),
              ...(label.trim() ? { label: label.trim() } : {}),
              page: true,
            });
            go("folder", made.folder, "add");
            return `${printable(made.label)} is shared. Let another device in now.`;
          });
        }}
      >
        <Directory
          value={path}
          onType={setPath}
          hint="A directory of this device, with its whole path. It can have files already."
        />
        <label>
          What to call it (or nothing: as the directory)
          <input
            type="text"
            value={label}
            autocomplete="off"
            onInput={(event) => setLabel(event.currentTarget.value)}
          />
        </label>
        <Problem text={problem} />
        <Buttons does="Share it" isActing={isActing} isReady={path.trim() !== ""} />
      </form>
    </>
  );
}

/** A place beside the folders that are here already: most people keep them together. */
function beside(name: string): string {
  const first = status.value?.folders[0]?.path;
  return first === undefined ? "" : `${first.slice(0, first.lastIndexOf("/") + 1)}${name}`;
}

function Directory({ value, onType, hint }: { value: string; onType: (value: string) => void; hint: string }) {
  return (
    <label>
      Directory on this device
      <input
        type="text"
        required
        value={value}
        autocomplete="off"
        spellcheck={false}
        placeholder="/home/me/notes"
        onInput={(event) => onType(event.currentTarget.value)}
      />
      <span class="hint">{hint}</span>
    </label>
  );
}

function Buttons({ does, isActing, isReady }: { does: string; isActing: boolean; isReady: boolean }) {
  return (
    <div class="buttons">
      <button type="submit" class="main" disabled={!isReady} aria-busy={isActing}>
        {does}
      </button>
    </div>
  );
}

interface Preview {
  label: string;
  name: string;
  path: string;
  entries: number;
  equal: number;
  different: string[];
  only_here: number;
  only_there: number;
  bytes_to_come: number;
  bytes_free: number;
  no_room: string;
  impostors?: string[];
}

function Previewed({ found }: { found: Preview }) {
  return (
    <div class="card" role="status">
      <p>
        <strong>
          <Name text={found.label} />
        </strong>{" "}
        of <Name text={found.name} /> has {plural(found.entries, "file")}.
      </p>
      <ul class="meaning">
        <li>
          {plural(found.only_there, "file")} ({size(found.bytes_to_come)}) would come here; {size(found.bytes_free)} are
          free.
        </li>
        {found.equal > 0 && <li>{plural(found.equal, "file")} are the same on both.</li>}
        {found.only_here > 0 && (
          <li>{plural(found.only_here, "file")} that are only here would go to the other devices.</li>
        )}
        {found.different.length > 0 && (
          <li>
            {plural(found.different.length, "file")} differ: both versions are kept, side by side (
            {found.different.slice(0, 3).map(printable).join(", ")}
            {found.different.length > 3 && "…"}).
          </li>
        )}
      </ul>
      {found.no_room && (
        <p class="problem">
          <Words text={found.no_room} />
        </p>
      )}
      {found.impostors?.map((one) => (
        <p key={one} class="problem">
          A device at {one} answered to the code as well, and did not know it.
        </p>
      ))}
    </div>
  );
}

interface TakingPart {
  does: string;
  body: () => object;
  preview: string;
  isReady: boolean;
  onTake: (body: object) => Promise<string>;
  children: ComponentChildren;
  changed: string;
}

/** Asks what would happen with a directory first, then does it. */
function TakePart({ does, body, preview, isReady, onTake, children, changed }: TakingPart) {
  const [found, setFound] = useState<{ answer: Preview; of: string } | null>(null);
  const { isActing, problem, act } = useAct();
  const current = found?.of === changed ? found.answer : null;
  return (
    <form
      class="narrow"
      onSubmit={(event) => {
        event.preventDefault();
        void act(async () => {
          if (current) return onTake(body());
          setFound({ answer: await post<Preview>(preview, body()), of: changed });
          return undefined;
        });
      }}
    >
      {children}
      {current && <Previewed found={current} />}
      <Problem text={problem} />
      {isActing && (
        <p class="quiet" role="status">
          Asking the other device…
        </p>
      )}
      <Buttons does={current ? does : "See what would happen"} isActing={isActing} isReady={isReady} />
    </form>
  );
}

export function Join() {
  const [code, setCode] = useState("");
  const [path, setPath] = useState(beside(""));
  const [at, setAt] = useState("");
  const isInvite = code.trim().toLowerCase().startsWith("yp2p-");
  const body = (): object => ({ code: code.trim(), path: path.trim(), ...(at.trim() ? { at: at.trim() } : {}) });
  async function join(wanted: object): Promise<string> {
    const made = await post<{ folder: string; label: string; name: string }>("/v1/join", wanted);
    go("folder", made.folder);
    return `Paired with ${printable(made.name)}. The files of ${printable(made.label)} come now.`;
  }
  const fields = (
    <>
      <label>
        The code that the other device shows, or an invite
        <input
          type="text"
          class="mono"
          required
          value={code}
          autocomplete="off"
          spellcheck={false}
          placeholder="47-K7M-X2Q"
          onInput={(event) => setCode(event.currentTarget.value)}
        />
        <span class="hint">
          There: “Add a device” on its page, or <code>yp2p share</code> in a terminal. Case, dashes and spaces do not
          matter.
        </span>
      </label>
      <Directory
        value={path}
        onType={setPath}
        hint="Where the files shall be, with the whole path. It may hold files already: nothing in it is lost."
      />
      <details>
        <summary>The other device is not in this network</summary>
        <label>
          Its address
          <input
            type="text"
            value={at}
            autocomplete="off"
            spellcheck={false}
            placeholder="192.168.1.7:9727"
            onInput={(event) => setAt(event.currentTarget.value)}
          />
        </label>
      </details>
    </>
  );
  const isReady = code.trim() !== "" && path.trim() !== "";
  return (
    <>
      <Title text="Join another’s folder" />
      {isInvite ? (
        <Directly does="Join" isReady={isReady} onTake={() => join(body())}>
          {fields}
        </Directly>
      ) : (
        <TakePart
          does="Join"
          body={body}
          preview="/v1/join/preview"
          isReady={isReady}
          onTake={join}
          changed={JSON.stringify(body())}
        >
          {fields}
        </TakePart>
      )}
    </>
  );
}

/** An invite cannot be tried first. */
function Directly({
  does,
  isReady,
  onTake,
  children,
}: Pick<TakingPart, "does" | "isReady" | "children"> & { onTake: () => Promise<string> }) {
  const { isActing, problem, act } = useAct();
  return (
    <form
      class="narrow"
      onSubmit={(event) => {
        event.preventDefault();
        void act(onTake);
      }}
    >
      {children}
      <Problem text={problem} />
      <Buttons does={does} isActing={isActing} isReady={isReady} />
    </form>
  );
}

export function Accept({ parts }: { parts: string[] }) {
  const [label = "", device = ""] = parts;
  const [path, setPath] = useState(beside(label.replaceAll("/", "_")));
  const name = status.value?.devices.find((one) => one.id === device)?.name ?? device;
  const body = (): object => ({ name: label, device, path: path.trim() });
  return (
    <>
      <Title text={`Accept ${printable(label)}`}>
        Accept <Name text={label} /> of <Name text={name} />
      </Title>
      <TakePart
        does="Accept"
        body={body}
        preview="/v1/folder/accept/preview"
        isReady={path.trim() !== ""}
        changed={path}
        onTake={async (wanted) => {
          const done = await post<{ joined: boolean; waits_for: string[] }>("/v1/folder/accept", wanted);
          go();
          return done.joined
            ? "It is a folder here now."
            : `It becomes a folder here once ${done.waits_for.map(printable).join(", ")} answers.`;
        }}
      >
        <Directory
          value={path}
          onType={setPath}
          hint="Where the files shall be, with the whole path. It may hold files already: nothing in it is lost."
        />
      </TakePart>
    </>
  );
}

// The ways to have another folder: share a directory of this device, join another's, accept one that is offered.

import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Failure, post } from "../api";
import { status } from "../live";
import { plural, size } from "../words";
import { printable } from "../names";
import { Problem, useAct } from "../parts/act";
import { Name } from "../parts/name";
import { Title } from "../parts/title";
import { Words } from "../parts/words-of-daemon";
import { go } from "../route";

interface Place {
  path: string;
  setPath: (path: string) => void;
  /** The whole path of a directory that has to be made first. */
  missing: string;
  /** The whole path once the directory is there; empty while somebody has to say that it is to be made. */
  find: () => Promise<string>;
}

/** A directory of this device. One that is not there is made when it is asked for a second time, having been told of. */
function usePlace(name: string): Place {
  const [path, setPath] = useState(() => beside(name));
  const [missing, setMissing] = useState("");
  async function find(): Promise<string> {
    const wanted = path.trim();
    const found = await post<{ path: string; exists: boolean }>("/v1/folder/place", {
      path: wanted,
      make: wanted === missing,
    });
    setPath(found.path);
    setMissing(found.exists ? "" : found.path);
    return found.exists ? found.path : "";
  }
  return { path, setPath, missing: path.trim() === missing ? missing : "", find };
}

export function Share() {
  const place = usePlace("");
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
            const path = await place.find();
            if (!path) return undefined;
            const made = await post<{ folder: string; label: string }>("/v1/share", {
              path,
              ...(label.trim() ? { label: label.trim() } : {}),
              page: true,
            });
            go("folder", made.folder, "add");
            return `${printable(made.label)} is shared. Let another device in now.`;
          });
        }}
      >
        <Directory place={place} hint="With its whole path, or ~/ for your home. It can have files already." />
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
        <Buttons does="Share it" place={place} isActing={isActing} isReady />
      </form>
    </>
  );
}

/** A place beside the folders that are here already: most people keep them together. */
function beside(name: string): string {
  const first = status.value?.folders[0]?.path;
  return first === undefined ? "" : `${first.slice(0, first.lastIndexOf("/") + 1)}${name}`;
}

function Directory({ place, hint }: { place: Place; hint: string }) {
  return (
    <>
      <label>
        Directory on this device
        <input
          type="text"
          required
          value={place.path}
          autocomplete="off"
          spellcheck={false}
          placeholder="~/notes"
          onInput={(event) => place.setPath(event.currentTarget.value)}
        />
        <span class="hint">{hint}</span>
      </label>
      <p role="status">
        {place.missing && (
          <>
            <Name text={place.missing} /> does not exist yet.
          </>
        )}
      </p>
    </>
  );
}

const COME_HERE = "Where the files shall be: the whole path, or ~/ for your home. What it holds already is not lost.";

interface ButtonsProps {
  does: string;
  place: Place;
  isActing: boolean;
  isReady: boolean;
}

function Buttons({ does, place, isActing, isReady }: ButtonsProps) {
  return (
    <div class="buttons">
      <button type="submit" class="main" disabled={!isReady || place.path.trim() === ""} aria-busy={isActing}>
        {place.missing ? "Make it, and go on" : does}
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
  of_unknown_size: number;
  bytes_free: number | null;
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
          {plural(found.only_there, "file")} ({found.of_unknown_size > 0 && "at least "}
          {size(found.bytes_to_come)}) would come here;{" "}
          {found.bytes_free === null ? "how much is free is not known" : `${size(found.bytes_free)} are free`}.
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
  place: Place;
  body: (path: string) => object;
  preview: string;
  isReady: boolean;
  onTake: (body: object) => Promise<string>;
  children: ComponentChildren;
  changed: string;
}

/** It cannot be said what would happen (too large a folder, an older yp2p): it can be done all the same. */
const NOT_SHOWN = 409;

/** Asks what would happen with a directory first, then does it. */
function TakePart({ does, place, body, preview, isReady, onTake, children, changed }: TakingPart) {
  const [found, setFound] = useState<{ answer: Preview; of: string } | null>(null);
  const [unseen, setUnseen] = useState<string | null>(null);
  const { isActing, problem, act } = useAct();
  const current = found?.of === changed + place.path ? found.answer : null;
  const isUnseen = unseen === changed + place.path;
  return (
    <form
      class="narrow"
      onSubmit={(event) => {
        event.preventDefault();
        void act(async () => {
          const path = await place.find();
          if (!path) return undefined;
          // Who goes on has seen how much room there is.
          if (current) return onTake({ ...body(path), force: true });
          if (isUnseen) return onTake(body(path));
          try {
            setFound({ answer: await post<Preview>(preview, body(path)), of: changed + path });
          } catch (error) {
            if (error instanceof Failure && error.status === NOT_SHOWN) setUnseen(changed + path);
            throw error;
          }
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
      <Buttons
        does={current ? does : isUnseen ? `${does} without looking` : "See what would happen"}
        place={place}
        isActing={isActing}
        isReady={isReady}
      />
    </form>
  );
}

export function Join() {
  const [code, setCode] = useState("");
  const place = usePlace("");
  const [at, setAt] = useState("");
  const body = (path: string): object => ({ code: code.trim(), path, ...(at.trim() ? { at: at.trim() } : {}) });
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
      <Directory place={place} hint={COME_HERE} />
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
  return (
    <>
      <Title text="Join another’s folder" />
      <TakePart
        does="Join"
        place={place}
        body={body}
        preview="/v1/join/preview"
        isReady={code.trim() !== ""}
        onTake={join}
        changed={JSON.stringify(body(""))}
      >
        {fields}
      </TakePart>
    </>
  );
}

export function Accept({ parts }: { parts: string[] }) {
  const [label = "", device = ""] = parts;
  const place = usePlace(label.replaceAll("/", "_"));
  const name = status.value?.devices.find((one) => one.id === device)?.name ?? device;
  const body = (path: string): object => ({ name: label, device, path });
  return (
    <>
      <Title text={`Accept ${printable(label)}`}>
        Accept <Name text={label} /> of <Name text={name} />
      </Title>
      <TakePart
        does="Accept"
        place={place}
        body={body}
        preview="/v1/folder/accept/preview"
        isReady
        changed=""
        onTake={async (wanted) => {
          const done = await post<{ joined: boolean; waits_for: string[] }>("/v1/folder/accept", wanted);
          go();
          return done.joined
            ? "It is a folder here now."
            : `It becomes a folder here once ${done.waits_for.map(printable).join(", ")} answers.`;
        }}
      >
        <Directory place={place} hint={COME_HERE} />
      </TakePart>
    </>
  );
}

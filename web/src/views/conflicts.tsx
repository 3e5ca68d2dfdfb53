// What two devices changed apart: both versions side by side, and what to do with them.

import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api";
import type { Folder } from "../answers";
import { Act, Problem, useAct } from "../parts/act";
import { Answered, useAnswer } from "../parts/answer";
import { Name, Path } from "../parts/name";
import { Names } from "../parts/names-list";
import { Text, Time } from "../parts/texts";
import { named, printable } from "../names";
import { to } from "../route";
import { textOf } from "../texts";
import { listed } from "../words";

interface Version {
  text?: string;
  devices: string[];
  at: number | null;
}

interface Conflict {
  folder: string;
  root: string;
  path: string;
  kind: "place" | "file";
  number?: number;
  line?: number | null;
  beside?: string;
  is_text?: boolean;
  stands?: string;
  this: Version;
  other: Version;
}

export function Conflicts({ folder }: { folder: Folder }) {
  const answer = useAnswer(
    folder.id,
    () => post<Conflict[]>("/v1/conflicts", { folder: folder.id }),
    (event) =>
      event["folder"] === folder.id && (event.kind === "conflict" || event.kind === "file" || event.kind === "notice"),
  );
  return (
    <section class="stack">
      <h2>Conflicts</h2>
      <Answered answer={answer}>
        {(found) =>
          found.length === 0 ? (
            <p class="quiet">There is none: no two devices changed the same thing apart, or it is settled.</p>
          ) : (
            <>
              <p>
                Two devices changed the same lines, or the same file, while they were apart. Nothing is lost: yp2p chose
                what stands there now, and you can choose otherwise. What you choose goes to all devices.
              </p>
              <ul class="cards">
                {found.map((one) => (
                  <ConflictCard
                    key={JSON.stringify([one.path, one.number])}
                    folder={folder}
                    conflict={one}
                    onChange={answer.reload}
                  />
                ))}
              </ul>
            </>
          )
        }
      </Answered>
    </section>
  );
}

interface CardProps {
  folder: Folder;
  conflict: Conflict;
  onChange: () => void;
}

function ConflictCard({ folder, conflict, onChange }: CardProps) {
  const [marked, setMarked] = useState<Marked | null>(null);
  const path = `${conflict.root}/${conflict.path}`;
  const body = { path, ...(conflict.number === undefined ? {} : { number: conflict.number }) };
  const keep = (what: string, told: (stands: string[]) => string) => async (): Promise<string> => {
    const { stands } = await post<{ stands: string[] }>("/v1/conflicts/resolve", { ...body, keep: what });
    onChange();
    return told(stands);
  };
  const isPlace = conflict.kind === "place";
  // Which of the two stands there; else it is a text of both, which is shown as well.
  const isStanding = (version: Version): boolean =>
    conflict.stands !== undefined && version.text !== undefined && sameText(version.text, conflict.stands);
  const isOneOfThem = isStanding(conflict.this) || isStanding(conflict.other);
  return (
    <li class="card conflict">
      <h3>
        <a href={to("file", folder.id, isPlace ? conflict.path : (conflict.beside ?? conflict.path))}>
          <Path text={isPlace ? conflict.path : (conflict.beside ?? conflict.path)} />
        </a>
        {conflict.line != null && <span class="quiet">, line {conflict.line}</span>}
      </h3>
      {!isPlace && (
        <p class="quiet">
          The other version stands beside it as <Name text={conflict.path} />.
        </p>
      )}
      <div class="both">
        <Side
          name="This"
          conflict={conflict}
          version={conflict.this}
          against={conflict.other}
          isPlace={isPlace}
          isStanding={isStanding(conflict.this)}
          path={conflict.beside ?? ""}
        />
        <Side
          name="Other"
          conflict={conflict}
          version={conflict.other}
          against={conflict.this}
          isPlace={isPlace}
          isStanding={isStanding(conflict.other)}
          path={conflict.path}
        />
      </div>
      {conflict.stands !== undefined && !isOneOfThem && (
        <div class="stack">
          <p class="quiet">What stands there now:</p>
          <Text text={conflict.stands} label="What stands there now" />
        </div>
      )}
      {marked ? (
        <Merge marked={marked} asked={body} onEnd={() => setMarked(null)} onChange={onChange} />
      ) : (
        <div class="buttons">
          <Act onAct={keep("this", told("This version", conflict.this))}>Keep this{of(conflict.this)}</Act>
          <Act onAct={keep("other", told("The other version", conflict.other))}>Keep other{of(conflict.other)}</Act>
          <Act onAct={keep("both", (stands) => `Both versions stand in ${names(stands)}, and go to all devices.`)}>
            Keep both
          </Act>
          {(isPlace || conflict.is_text) && (
            <Act onAct={async () => setMarked(await post<Marked>("/v1/conflicts/marked", body))}>Merge by hand…</Act>
          )}
          {isPlace && !isOneOfThem && <Act onAct={keep("now", () => "It stays as it is.")}>Leave it as it is</Act>}
        </div>
      )}
    </li>
  );
}

function sameText(one: string, other: string): boolean {
  return one.replace(/\n$/, "") === other.replace(/\n$/, "");
}

function told(which: string, version: Version): (stands: string[]) => string {
  return (stands) => `${which}${of(version)} stands in ${names(stands)} now, and goes to all devices.`;
}

function names(paths: string[]): string {
  return listed(paths.map(printable));
}

function of(version: Version): string {
  return version.devices.length > 0 ? ` (${version.devices.map(named).join(", ")})` : "";
}

interface SideProps {
  name: string;
  conflict: Conflict;
  version: Version;
  against: Version;
  isPlace: boolean;
  isStanding: boolean;
  path: string;
}

function Side({ name, conflict, version, against, isPlace, isStanding, path }: SideProps) {
  const others = new Set(against.text?.split("\n"));
  return (
    <div class="side">
      <h4>
        {name}
        {version.devices.length > 0 && (
          <>
            : <Names of={version.devices} />
          </>
        )}
        {version.at === null ? (
          <span class="quiet"> is not there any more</span>
        ) : (
          <span class="quiet">
            , <Time at={version.at} />
          </span>
        )}
        {isStanding && (
          <>
            {" "}
            <span class="tag">stands there now</span>
          </>
        )}
      </h4>
      {isPlace ? (
        version.text ? (
          <Text text={version.text} label={`${name} version`} marked={(line) => !others.has(line)} />
        ) : (
          <p class="quiet">(removed)</p>
        )
      ) : (
        version.at !== null && <FileText root={conflict.root} path={path} name={name} />
      )}
    </div>
  );
}

/** The text of a whole file; nothing where it is no text. */
function FileText({ root, path, name }: { root: string; path: string; name: string }) {
  const answer = useAnswer(
    path,
    () => textOf(`${root}/${path}`),
    (event) => event.kind === "file" && event["path"] === path,
  );
  return (
    <Answered answer={answer}>
      {(text) =>
        text === null ? (
          <p class="quiet">It is no text: open it on the disk.</p>
        ) : (
          <Text text={text} label={`${name} version`} />
        )
      }
    </Answered>
  );
}

interface Marked {
  path: string;
  before: string;
  text: string;
  markers: string[];
}

interface MergeProps {
  marked: Marked;
  /** What was asked for it with. */
  asked: { path: string; number?: number };
  onEnd: () => void;
  onChange: () => void;
}

function Merge({ marked, asked, onEnd, onChange }: MergeProps) {
  const [text, setText] = useState(marked.text);
  const { isActing, problem, act } = useAct();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const hasMarkers = text
    .split("\n")
    .some((line) => /^(<<<<<<<|=======|>>>>>>>)/.test(line) && marked.text.includes(line));
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void act(async () => {
          await post("/v1/conflicts/merge", { ...asked, before: marked.before, text });
          onEnd();
          onChange();
          return `${printable(marked.path)} is merged.`;
        });
      }}
    >
      <label>
        The whole text, with both versions between markers: make of it what is right
        <textarea
          class="mono"
          ref={field}
          rows={Math.min(24, text.split("\n").length + 2)}
          value={text}
          spellcheck={false}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      {hasMarkers && (
        <p class="hint">
          The lines that begin with {"<<<<<<<"}, ======= and {">>>>>>>"} have to go.
        </p>
      )}
      <Problem text={problem} />
      <div class="buttons">
        <button type="submit" class="main" disabled={hasMarkers} aria-busy={isActing}>
          Save it for all devices
        </button>
        <button type="button" onClick={onEnd}>
          Cancel
        </button>
      </div>
    </form>
  );
}

// What two devices changed apart: both versions side by side, and what to do with them.

import { useState } from "preact/hooks";
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
                Two devices changed the same while they were apart. Nothing is lost: yp2p chose what stands there now,
                and you can choose otherwise. What you choose goes to all devices.
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
  const [isMerging, setMerging] = useState(false);
  const path = `${conflict.root}/${conflict.path}`;
  const keep = (what: string, told: string) => async (): Promise<string> => {
    await post("/v1/conflicts/resolve", {
      path,
      keep: what,
      ...(conflict.number === undefined ? {} : { number: conflict.number }),
    });
    onChange();
    return told;
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
      {isMerging ? (
        <Merge conflict={conflict} path={path} onEnd={() => setMerging(false)} onChange={onChange} />
      ) : (
        <div class="buttons">
          <Act onAct={keep("this", told("This version", conflict.this, conflict.path))}>
            Keep this{of(conflict.this)}
          </Act>
          <Act onAct={keep("other", told("The other version", conflict.other, conflict.path))}>
            Keep other{of(conflict.other)}
          </Act>
          <Act onAct={keep("both", `Both versions stand in ${printable(conflict.path)}, and go to all devices.`)}>
            Keep both
          </Act>
          <button type="button" class="changing" onClick={() => setMerging(true)}>
            Merge by hand…
          </button>
          {isPlace && !isOneOfThem && <Act onAct={keep("now", "It stays as it is.")}>Leave it as it is</Act>}
        </div>
      )}
    </li>
  );
}

function sameText(one: string, other: string): boolean {
  return one.replace(/\n$/, "") === other.replace(/\n$/, "");
}

function told(which: string, version: Version, path: string): string {
  return `${which}${of(version)} stands in ${printable(path)} now, and goes to all devices.`;
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
  before: string;
  text: string;
  markers: string[];
}

function Merge({
  conflict,
  path,
  onEnd,
  onChange,
}: {
  conflict: Conflict;
  path: string;
  onEnd: () => void;
  onChange: () => void;
}) {
  const number = conflict.number === undefined ? {} : { number: conflict.number };
  const answer = useAnswer(
    `${path}#${conflict.number}`,
    () => post<Marked>("/v1/conflicts/marked", { path, ...number }),
    () => false,
  );
  const [text, setText] = useState<string | null>(null);
  const { isActing, problem, act } = useAct();
  return (
    <Answered answer={answer}>
      {(marked) => {
        const current = text ?? marked.text;
        const hasMarkers = current
          .split("\n")
          .some((line) => /^(<<<<<<<|=======|>>>>>>>)/.test(line) && marked.text.includes(line));
        return (
          <form
            class="stack"
            onSubmit={(event) => {
              event.preventDefault();
              void act(async () => {
                await post("/v1/conflicts/merge", { path, ...number, before: marked.before, text: current });
                onEnd();
                onChange();
                return `${printable(conflict.path)} is merged.`;
              });
            }}
          >
            <label>
              The whole text, with both versions between markers: make of it what is right
              <textarea
                class="mono"
                rows={Math.min(24, current.split("\n").length + 2)}
                value={current}
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
      }}
    </Answered>
  );
}

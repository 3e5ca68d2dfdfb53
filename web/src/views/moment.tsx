// A folder as it was at a moment, and back to that.

import { About } from "../parts/about";
import { useState } from "preact/hooks";
import { post } from "../api";
import { connection } from "../live";
import type { Folder } from "../answers";
import { clock, isoDay, moment, plural } from "../words";
import { Answered, useAnswer } from "../parts/answer";
import { Dialog } from "../parts/dialog";
import { Path } from "../parts/name";
import { Names } from "../parts/names-list";
import { mayWrite } from "../session";
import { Text } from "../parts/texts";
import { printable } from "../names";
import { textOf } from "../texts";

interface Step {
  path: string;
  action: string;
  reason?: string;
}

const HOUR_S = 3600;
const CHOICES: [string, number][] = [
  ["A minute ago", 60],
  ["Ten minutes ago", HOUR_S / 6],
  ["An hour ago", HOUR_S],
  ["Yesterday at this time", 24 * HOUR_S],
  ["A week ago", 7 * 24 * HOUR_S],
];

const WORDS: Record<string, string> = {
  change: "becomes what it was",
  "bring back": "comes back",
  remove: "goes to the trash",
  rename: "gets its former name",
  skipped: "stays as it is",
};

export function Moment({ folder }: { folder: Folder }) {
  const [at, setAt] = useState<number | null>(null);
  return (
    <section class="stack">
      <h2>The folder as it was</h2>
      <p>
        Choose a moment. Nothing is changed before you say so, and what is restored can be taken back in the same way.
      </p>
      <div class="row">
        <label>
          Day and time
          <input
            type="datetime-local"
            step={1}
            value={at === null ? "" : localTime(at)}
            max={localTime(Date.now() / 1000)}
            onChange={(event) => {
              const chosen = new Date(event.currentTarget.value).getTime();
              setAt(Number.isNaN(chosen) ? null : chosen / 1000);
            }}
          />
        </label>
        <span class="buttons">
          {CHOICES.map(([name, seconds]) => (
            <button key={name} type="button" onClick={() => setAt(Math.floor(Date.now() / 1000 - seconds))}>
              {name}
            </button>
          ))}
        </span>
      </div>
      {at === null ? <LastChanges folder={folder} onChoose={setAt} /> : <AsOf key={at} folder={folder} at={at} />}
    </section>
  );
}

function localTime(at: number): string {
  return `${isoDay(at)}T${clock(at)}:${String(new Date(at * 1000).getSeconds()).padStart(2, "0")}`;
}

interface Change {
  path: string;
  change: string;
  at: number;
  devices: string[];
}

const MOST_CHANGES = 20;
// The moment before a change: changes have the time of their second at least.
const BEFORE_S = 1;

/** Who does not know when it was knows it by what happened. */
function LastChanges({ folder, onChoose }: { folder: Folder; onChoose: (at: number) => void }) {
  const answer = useAnswer(
    `${folder.id}#`,
    () => post<{ changes: Change[] }>("/v1/history/log", { path: folder.path, limit: MOST_CHANGES }),
    (event) => event.kind === "file" && event["folder"] === folder.id,
  );
  return (
    <>
      <h3>Or as it was before one of the last changes</h3>
      <Answered answer={answer}>
        {({ changes }) =>
          changes.length === 0 ? (
            <p class="quiet">Nothing has changed yet.</p>
          ) : (
            <ul class="lines">
              {[...changes]
                .sort((a, b) => b.at - a.at)
                .map((one) => (
                  <li key={JSON.stringify([one.path, one.at])}>
                    <span>
                      <span class="quiet">{moment(one.at)}</span> <Names of={one.devices} /> {one.change}{" "}
                      <Path text={one.path} />
                    </span>
                    <button type="button" onClick={() => onChoose(one.at - BEFORE_S)}>
                      As before this
                      <About text={one.path} />
                    </button>
                  </li>
                ))}
            </ul>
          )
        }
      </Answered>
    </>
  );
}

function AsOf({ folder, at }: { folder: Folder; at: number }) {
  const [isAsking, setAsking] = useState(false);
  const [shown, setShown] = useState("");
  const answer = useAnswer(
    `${folder.id}@${at}`,
    () => post<{ done: Step[] }>("/v1/history/restore-directory", { path: folder.path, at, dry_run: true }),
    () => false,
  );
  return (
    <Answered answer={answer}>
      {({ done }) => {
        const steps = done.filter((step) => step.action !== "skipped");
        return (
          <>
            <p role="status">
              {done.length === 0
                ? `Everything that was there on ${moment(at)} is what it was.`
                : `${plural(steps.length, "file")} would be different from now, as of ${moment(at)}. Files that were made since stay.`}
            </p>
            {done.length > 0 && (
              <ul class="lines">
                {done.map((step) => (
                  <li key={step.path}>
                    <span>
                      <Path text={step.path} /> <span class="quiet">{WORDS[step.action] ?? step.action}</span>
                      {step.reason && <span class="quiet">: {printable(step.reason)}</span>}
                    </span>
                    {step.action !== "skipped" && (
                      <button type="button" onClick={() => setShown(step.path)}>
                        See it as it was
                        <About text={step.path} />
                      </button>
                    )}
                  </li>
                ))}
              </ul>
            )}
            {steps.length > 0 && (
              <div class="buttons">
                <button type="button" class="main changing" onClick={() => setAsking(true)}>
                  Restore the whole folder…
                </button>
              </div>
            )}
            {isAsking && (
              <Dialog
                title={`Make ${plural(steps.length, "file")} what ${steps.length === 1 ? "it was" : "they were"}?`}
                does="Restore"
                onClose={() => setAsking(false)}
                onAct={async () => {
                  const asked = { path: folder.path, at, dry_run: false };
                  const { done: restored } = await post<{ done: Step[] }>("/v1/history/restore-directory", asked);
                  answer.reload();
                  return whatIsSo(restored, at);
                }}
              >
                <p>
                  This happens on all devices, as an edit of now: what is there now stays in the history, and can be
                  brought back in the same way. Files that were made since stay.
                </p>
                {done.length > steps.length && <p>{staying(done)}</p>}
              </Dialog>
            )}
            {shown && (
              <AsItWas folder={folder} path={shown} at={at} onRestore={answer.reload} onClose={() => setShown("")} />
            )}
          </>
        );
      }}
    </Answered>
  );
}

const MOST_NAMED = 3;

/** What a folder is after it was restored as of a moment: not all of it may be what it was. */
function whatIsSo(done: Step[], at: number): string {
  const restored = done.filter((step) => step.action !== "skipped").length;
  const are = restored === 1 ? "is what it was" : "are what they were";
  return [`${plural(restored, "file")} ${are} on ${moment(at)}.`, staying(done), "Files that were made since stay."]
    .filter(Boolean)
    .join(" ");
}

/** The files that cannot become what they were, and why. */
function staying(done: Step[]): string {
  const skipped = done.filter((step) => step.action === "skipped");
  if (skipped.length === 0) return "";
  const named = skipped.slice(0, MOST_NAMED).map((step) => `${printable(step.path)} (${printable(step.reason ?? "")})`);
  const more = skipped.length > MOST_NAMED ? ` and ${(skipped.length - MOST_NAMED).toLocaleString("en")} more` : "";
  return `${plural(skipped.length, "file stays as it is", "files stay as they are")}: ${named.join(", ")}${more}.`;
}

interface AsItWasProps {
  folder: Folder;
  path: string;
  at: number;
  onRestore: () => void;
  onClose: () => void;
}

function AsItWas({ folder, path, at, onRestore, onClose }: AsItWasProps) {
  const answer = useAnswer(
    path,
    () => textOf(`${folder.path}/${path}`, { at }),
    () => false,
  );
  return (
    <Dialog
      title={<Path text={path} />}
      {...(mayWrite.value ? { does: "Restore only this file" } : {})}
      onClose={onClose}
      onAct={async () => {
        const asked = { path: folder.path, at, dry_run: false, only: [path] };
        const { done } = await post<{ done: Step[] }>("/v1/history/restore-directory", asked);
        onRestore();
        const step = done.find((one) => one.path === path);
        if (step === undefined) return `Nothing was to be done to ${printable(path)}.`;
        if (step.action !== "skipped") return `${printable(path)} is what it was.`;
        return `${printable(path)} stays as it is: ${printable(step.reason ?? "")}.`;
      }}
    >
      <p class="quiet">As it was on {moment(at)}.</p>
      {connection.value === "live" && (
        <Answered answer={answer}>
          {(text) =>
            text === null ? (
              <p>It is no text, and comes back as it was.</p>
            ) : (
              <Text text={text} label="The text as it was" />
            )
          }
        </Answered>
      )}
    </Dialog>
  );
}
